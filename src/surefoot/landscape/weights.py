"""Weights as points: the numbers of a model that training moves, as one vector, and back.

Frozen parameters and buffers are not part of a point: nothing moves them. Between two states that differ in them they
are, behind the others: else one end would be drawn with what belongs to the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Weights", "differing", "unmoved"]

Numbers = npt.NDArray[Any]


class Weights:
    """Which numbers of a model make a point, in which order.

    Args:
        model: names, shapes and types are taken from it.
        also: names of frozen parameters and buffers that are part of a point too.
    """

    def __init__(self, model: nn.Module, also: Sequence[str] = ()) -> None:
        own: dict[str, Tensor] = {name: one for name, one in model.named_parameters() if one.requires_grad}
        own |= {name: one for name, one in unmoved(model).items() if name in also}
        names = {id(one): name for name, one in own.items()}
        # A weight that is tied has several places, and one name.
        self._places: list[tuple[dict[str, Any], str, str]] = [
            (held, key, names[id(one)])
            for part in model.modules()
            for held in (part._parameters, part._buffers)
            for key, one in held.items()
            if one is not None and id(one) in names
        ]
        self.shapes = {name: tuple(one.shape) for name, one in own.items()}
        self.counts = {name: one.numel() for name, one in own.items()}
        self.kinds = {name: one.dtype for name, one in own.items()}
        self.device = next((one.device for one in own.values()), torch.device("cpu"))
        # Half precisions are kept as float32: NumPy has no bfloat16.
        wide = any(kind == torch.float64 for kind in self.kinds.values())
        self.dtype = torch.float64 if wide else torch.float32

    @property
    def size(self) -> int:
        """Numbers of a point."""
        return sum(self.counts.values())

    @property
    def precision(self) -> float:
        """Rounding error of the coarsest of them, as a share."""
        return max(float(torch.finfo(kind).eps) for kind in self.kinds.values())

    @property
    def bytes(self) -> int:
        """Bytes of a point."""
        return self.size * (8 if self.dtype == torch.float64 else 4)

    @contextlib.contextmanager
    def placed(self, numbers: Mapping[str, Tensor]) -> Iterator[None]:
        """Inside, the model has these tensors for its weights: what `torch.func.functional_call` does, in less time."""
        own = [held[key] for held, key, _ in self._places]
        try:
            for held, key, name in self._places:
                held[key] = numbers[name]
            yield
        finally:
            for (held, key, _), one in zip(self._places, own, strict=True):
                held[key] = one

    def point(self, state: Mapping[str, Tensor]) -> Numbers:
        """The point [P] of named tensors; others than the model's are left out."""
        parts = [state[name].detach().reshape(-1).to("cpu", self.dtype) for name in self.shapes]
        return np.asarray(torch.cat(parts).numpy())

    def parts(self, point: Numbers) -> list[Numbers]:
        """Views of a point, one array per parameter in its own shape."""
        cuts = np.cumsum(list(self.counts.values()))[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(point, cuts), self.shapes.values(), strict=True)]

    def joined(self, parts: Sequence[Numbers]) -> Numbers:
        """The point whose parts these are."""
        return np.concatenate([np.asarray(part).reshape(-1) for part in parts])

    def named(self, points: Tensor) -> dict[str, Tensor]:
        """Name to numbers [K, *shape] of points [K, P], each contiguous and of the parameter's own type."""
        split = torch.split(points, list(self.counts.values()), dim=1)
        return {
            name: part.to(self.kinds[name]).contiguous().view(len(points), *self.shapes[name])
            for name, part in zip(self.shapes, split, strict=True)
        }

    def plane(self, origin: Numbers, directions: Numbers) -> dict[str, Tensor]:
        """Origin and directions of each parameter, [1 + k, *shape], as tensors on the model's device."""
        rows = torch.cat([torch.as_tensor(origin)[None], torch.as_tensor(directions)]).to(self.device, self.dtype)
        split = torch.split(rows, list(self.counts.values()), dim=1)
        return {
            name: part.contiguous().view(len(rows), *self.shapes[name])
            for name, part in zip(self.shapes, split, strict=True)
        }


def unmoved(model: nn.Module) -> dict[str, Tensor]:
    """Frozen parameters and buffers by name: what training does not move."""
    frozen: dict[str, Tensor] = {name: one for name, one in model.named_parameters() if not one.requires_grad}
    return frozen | dict(model.named_buffers())


def differing(model: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> list[str]:
    """Names of what training does not move, and of which one of the states holds other numbers than the model."""
    return [
        name
        for name, one in unmoved(model).items()
        if any(name in state and not torch.equal(state[name].to(one), one) for state in states)
    ]
