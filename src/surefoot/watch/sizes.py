"""Sizes of the layers at one update: of each parameter, its gradient and the change that the update made.

What is measured is what the optimizer did: the gradient as it was when the update began (after clipping and after
unscaling), and the difference of the parameter after and before.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.records import LayerSeries, float_series

__all__ = ["Sizes", "layer_series"]

_AT_ONCE = 1 << 24
"""Numbers whose copy is kept during one look; larger models are looked at in turns."""


class Sizes:
    """Measures root mean squares of parameters, gradients and updates of an optimizer's parameters.

    Args:
        model: names the parameters.
        optimizer: holds them.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self._names: dict[int, str] = {}
        self._turn = 0
        self._before: list[tuple[str, Tensor, Tensor]] = []
        self._gradients: list[Tensor] = []
        self._with_gradient: set[int] | None = None
        """Places of the parameters that have a gradient; None while that is not known."""
        self._whole = True
        self._scale: Any = None

    def before(self, *, gradients: bool = True) -> None:
        """Keep the parameters and measure the gradients; call it right before an update.

        With `gradients` false these are not there yet, and are measured by `after`.
        """
        self._before = []
        with torch.no_grad():
            chosen = self._chosen()
            self._scale = getattr(self._optimizer, "grad_scale", None)
            self._before = [(name, p, p.detach().clone()) for name, p in chosen]
            self._with_gradient = None
            if gradients:
                self._note_gradients()

    def after(self) -> tuple[dict[str, tuple[float, float, float]], float]:
        """Parameter name to (weight, gradient, update), root mean squares; and the norm of the whole gradient.

        Call it right after the update. A parameter without a gradient has NaN for it; the whole norm is NaN where the
        model was too large to be looked at at once.
        """
        with torch.no_grad():
            if self._with_gradient is None:
                self._note_gradients()
            given = self._with_gradient or set()
            changes = torch._foreach_sub([p.detach() for _, p, _ in self._before], [was for _, _, was in self._before])
            norms = _numbers([*_norms([was for _, _, was in self._before]), *_norms(list(changes)), *self._gradients])
        count = len(self._before)
        scale = 1.0 if self._scale is None else float(self._scale)
        gradients = iter(norms[2 * count :])
        found: dict[str, tuple[float, float, float]] = {}
        total = 0.0
        for place, (name, parameter, _) in enumerate(self._before):
            size = math.sqrt(max(parameter.numel(), 1))
            gradient = next(gradients) / scale if place in given else math.nan
            total += gradient**2 if place in given else 0.0
            found[name] = (norms[place] / size, gradient / size, norms[count + place] / size)
        self._before, self._gradients, self._scale = [], [], None
        return found, math.sqrt(total) if self._whole else math.nan

    def forget(self) -> None:
        """Drop what `before` kept."""
        self._before, self._gradients, self._scale = [], [], None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter name to shape, of all that the optimizer holds."""
        return {name: tuple(parameter.shape) for name, parameter in self._all()}

    def _note_gradients(self) -> None:
        given = [place for place, (_, p, _) in enumerate(self._before) if p.grad is not None]
        self._gradients = _norms([_dense(self._before[place][1].grad) for place in given])
        self._with_gradient = set(given)

    def _all(self) -> list[tuple[str, nn.Parameter]]:
        if not self._names:
            self._names = {id(p): name for name, p in self._model.named_parameters(remove_duplicate=True)}
        return [
            (self._names.get(id(p), f"group {number} parameter {place}"), p)
            for number, group in enumerate(self._optimizer.param_groups)
            for place, p in enumerate(group["params"])
        ]

    def _chosen(self) -> list[tuple[str, nn.Parameter]]:
        """All parameters, or as many of a large model as one look may copy, from where the last look ended."""
        everything = [(name, p) for name, p in self._all() if p.requires_grad and p.numel()]
        self._whole = sum(p.numel() for _, p in everything) <= _AT_ONCE
        if self._whole or not everything:
            return everything
        chosen: list[tuple[str, nn.Parameter]] = []
        room = _AT_ONCE
        for offset in range(len(everything)):
            one = everything[(self._turn + offset) % len(everything)]
            if chosen and one[1].numel() > room:
                break
            chosen.append(one)
            room -= one[1].numel()
        self._turn = (self._turn + len(chosen)) % len(everything)
        return chosen


def _dense(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    """Euclidean norms, on the devices of the tensors; halves are summed in float32."""
    if not tensors:
        return []
    half = any(t.dtype in (torch.float16, torch.bfloat16) for t in tensors)
    return list(torch._foreach_norm([t.float() for t in tensors] if half else tensors))


def _numbers(tensors: list[Tensor]) -> list[float]:
    """The values of scalars; a device is waited for once."""
    if not tensors:
        return []
    if len({t.device for t in tensors}) == 1 and not tensors[0].is_cpu:
        values: list[float] = torch.stack([t.double() for t in tensors]).tolist()
        return values
    return [float(t) for t in tensors]


def layer_series(name: str, shape: tuple[int, ...], weight: Any, gradient: Any, update: Any) -> LayerSeries:
    """Sizes of a layer's weight, gradient and update at every look, as they are recorded."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(weight > 0, update / weight, math.nan)
    # The change since the look before is not measured: the model of then is not kept.
    change = np.full(len(weight), math.nan)
    return LayerSeries(
        name=name, shape=shape, weight=float_series(weight), update=float_series(update),
        gradient=float_series(gradient), ratio=float_series(ratio), change=float_series(change),
    )  # fmt: skip
