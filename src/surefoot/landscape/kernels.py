"""Kernels: the operations that cost most over many points at once, computed another way to the same numbers.

`vmap` turns every operation of the user's module into one over all points. Three of them then run far below what the
processor can do, and are caught where the module calls them, by torch's own hook for that:

- *A first layer.* On a plane every weight is W = W0 + a D1 + b D2, and what comes in is the same at every point. The
  layer is linear in its weights, so its output is f(x; W0) + a f(x; D1) + b f(x; D2): three layers, not one per point.
- *Fully connected layers.* Outputs are kept with the examples last, whatever shape the module sees, so that the next
  operation runs along hundreds of examples instead of along a few outputs.
- *Cross-entropy.* So does the sum over classes: along the last axis, three classes cost twenty times as much.

Nothing here is an approximation; what differs is the order of additions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Kernels", "Points", "keep_freed_memory"]

_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
_KEPT = 28 << 20
"""Bytes, just below 32 MiB: glibc learns from no larger block."""
_FEW_CLASSES = 64
"""Up to so many classes their sum is taken across rows: with more, a row is long enough by itself."""


@dataclasses.dataclass(frozen=True)
class Points:
    """Weights at several points, and how they lie on a plane where they do."""

    numbers: Mapping[str, Tensor]
    """Name of each parameter to its numbers, [K, *shape]."""
    shares: Tensor | None = None
    """[K, 1 + k]: 1 and the coordinates of each point."""
    parts: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    """Name to origin and directions, [1 + k, *shape]: the numbers are shares @ parts."""

    def __len__(self) -> int:
        return len(next(iter(self.numbers.values())))

    def first(self, count: int) -> Points:
        """The first `count` of them."""
        shares = None if self.shares is None else self.shares[:count]
        return Points({name: one[:count] for name, one in self.numbers.items()}, shares, self.parts)


def keep_freed_memory() -> None:
    """Let the C library keep what tensors give back.

    A block that it has given back to the system comes again as empty pages, and making those took longer than the
    arithmetic on them. glibc raises its threshold for that by the largest block it has seen freed (mallopt(3),
    M_MMAP_THRESHOLD); other libraries are left as they were.
    """
    torch.empty(_KEPT, dtype=torch.uint8)


class Kernels(TorchFunctionMode):
    """Inside of `vmap` over points of a plane: catches what is computed better. Use as a context, once.

    Args:
        numbers: the weights at the point, by name, as they are given to the module.
        shares: [1 + k] of the point: 1 and its coordinates. None where the points lie on no plane.
        parts: [1 + k, *shape] of each weight: origin and directions; the weight is shares @ parts.
    """

    def __init__(
        self, numbers: Mapping[str, Tensor], shares: Tensor | None = None, parts: Mapping[str, Tensor] | None = None
    ) -> None:
        super().__init__()
        self._shares = shares
        self._parts = {} if parts is None else {id(one): parts[name] for name, one in numbers.items() if name in parts}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Called by torch for every operation."""
        given = dict(kwargs or {})
        if func is F.linear:
            return self._linear(*args, **given)
        if func in _CONVOLUTIONS:
            return self._convolution(func, *args, **given)
        if func is F.cross_entropy:
            return _cross_entropy(*args, **given)
        return func(*args, **given)

    # Arguments have torch's own names: a module may give them by name.

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002
        if input.ndim < 2 or not _differs(weight):
            return F.linear(input, weight, bias)
        parts = self._of(input, weight, bias)
        if parts is not None:
            weights, biases = parts
            if input.ndim == 2:
                found = weights @ input.mT
                if biases is not None:
                    found = found + biases[:, :, None]
                return self._sum(found).mT
            rows = [F.linear(input, one, None if biases is None else biases[k]) for k, one in enumerate(weights)]
            return self._sum(torch.stack(rows))
        if input.ndim > 2:
            return F.linear(input, weight, bias)
        product = torch.mm(weight, input.mT)
        return (product if bias is None else product.add_(bias[:, None])).mT

    def _convolution(
        self,
        func: Callable[..., Tensor],
        input: Tensor,  # noqa: A002
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **given: Any,
    ) -> Tensor:
        parts = self._of(input, weight, bias)
        if parts is None:
            return func(input, weight, bias, *rest, **given)
        weights, biases = parts
        rows = [
            func(input, one, None if biases is None else biases[k], *rest, **given) for k, one in enumerate(weights)
        ]
        return self._sum(torch.stack(rows))

    def _of(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None] | None:
        """Origin and directions of weight and bias; None unless the layer is the same at all points but for them."""
        weights = self._parts.get(id(weight))
        if weights is None or self._shares is None or _differs(x) or x.dtype != weights.dtype:
            return None
        if bias is None:
            return weights, None
        biases = self._parts.get(id(bias))
        if biases is None:
            if _differs(bias):
                return None
            # A bias that is frozen: it belongs to the origin alone.
            biases = torch.cat([bias[None], bias.new_zeros((len(weights) - 1, *bias.shape))])
        return weights, biases

    def _sum(self, rows: Tensor) -> Tensor:
        """What a linear operation gives at the point, from what it gives for the parts: [1 + k, ...] to [...]."""
        assert self._shares is not None
        return (self._shares @ rows.flatten(1)).view(rows.shape[1:])


def _cross_entropy(
    input: Tensor,  # noqa: A002
    target: Tensor,
    weight: Tensor | None = None,
    *rest: Any,
    **given: Any,
) -> Tensor:
    plain = input.ndim == 2 and target.ndim == 1 and not target.is_floating_point() and input.shape[1] <= _FEW_CLASSES
    if not plain:
        return F.cross_entropy(input, target, weight, *rest, **given)
    reduction = given.get("reduction", "mean")
    ignored = int(given.get("ignore_index", -100))
    bare = weight is None and not rest and not given.get("label_smoothing") and given.get("reduce") is None
    if (
        bare
        and reduction in ("mean", "sum")
        and given.get("size_average") is None
        and not _differs(target)
        and not bool((target == ignored).any())
    ):
        # One number per example, summed by a product: to gather them, or to leave out the others, takes much longer.
        # Infinity times nothing is no number, so it is the lowest one until the sum is there.
        lowest = torch.finfo(input.dtype).min
        chosen = (target[None] == torch.arange(input.shape[1], device=target.device)[:, None]).to(input.dtype)
        total = F.log_softmax(input.mT, 0).clamp_min(lowest).reshape(-1) @ chosen.reshape(-1)
        total = torch.where(total <= lowest / 2, -torch.inf, total)
        return total / -len(target) if reduction == "mean" else -total
    # The classes first, the examples as places of one picture: a mean over places is the mean over examples.
    found = F.cross_entropy(input.mT[None], target[None], weight, *rest, **given)
    return found[0] if found.ndim else found


def _differs(one: Tensor) -> bool:
    """Whether a tensor differs from point to point."""
    return bool(torch._C._functorch.is_batchedtensor(one))
