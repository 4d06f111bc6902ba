"""A stacked layer: one layer of a model, computed for K members at once, with its derivative written by hand.

Layout. A *stacked* value is [K, features..., N]: members first, the examples of the batch last. A *shared* value,
the same for all members because no parameter has touched it, is [features..., N]. With the batch last, every dense
layer is a plain matrix product without transposed copies, and pooling and pointwise work run along contiguous
memory.

A layer is made for fixed K and N (its *site*), owns the buffers of its results, and is used forward, then backward.
`backward` writes the gradients of the layer's parameters into the site's gradient tensors, may overwrite the
gradient it is given, and returns the gradients of its inputs (None for inputs that want none).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from surefoot.tasks.borrowing import mixed_seed

__all__ = ["Layer", "Local", "Noise", "Site", "Spec"]


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a value between two layers looks like."""

    features: tuple[int, ...]
    """Sizes without members and batch."""
    shared: bool
    """Whether all members have the same value."""

    @property
    def size(self) -> int:
        """Numbers per example and member."""
        count = 1
        for size in self.features:
            count *= size
        return count


class Noise:
    """Random numbers of the members: those that a single model with the member's seed would draw in that step."""

    def __init__(self, seeds: Sequence[int]) -> None:
        distinct = list(dict.fromkeys(seeds))
        self._generators = {seed: torch.Generator() for seed in distinct}
        self._rows = torch.tensor([distinct.index(seed) for seed in seeds])

    def start(self, step: int) -> None:
        """Begin step number `step`."""
        for seed, generator in self._generators.items():
            generator.manual_seed(mixed_seed(seed, step, 1))

    def mask(self, batch: int, features: Sequence[int], drop: float, dtype: torch.dtype) -> Tensor:
        """Dropout's factors, batch last: [features..., N] where all members share a seed, else [K, features..., N]."""
        masks = []
        for generator in self._generators.values():
            mask = torch.empty(batch, *features, dtype=dtype).bernoulli_(1 - drop, generator=generator)
            masks.append((mask.div_(1 - drop) if drop < 1 else mask).movedim(0, -1))
        return masks[0].contiguous() if len(masks) == 1 else torch.stack(masks)[self._rows]


@dataclasses.dataclass
class Site:
    """Where a layer works: its sizes and the tensors it may use."""

    members: int
    batch: int
    inputs: tuple[Spec, ...]
    output: Spec
    weights: Mapping[str, Tensor]
    """Role (`weight`, `bias`) to parameters [K, ...]; ones with two or more dimensions are contiguous."""
    grads: Mapping[str, Tensor]
    """Role to where its gradient goes."""
    buffers: Mapping[str, Tensor]
    dtype: torch.dtype
    noise: Noise | None
    train: bool
    overwrite: bool
    """Whether the layer may put its result over its first input."""

    def empty(self, spec: Spec) -> Tensor:
        """Room for a value."""
        return torch.empty(self.shape(spec), dtype=self.dtype)

    def shape(self, spec: Spec) -> tuple[int, ...]:
        """The shape of a value here."""
        return (*(() if spec.shared else (self.members,)), *spec.features, self.batch)


class Layer:
    """Base of the layers."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def forward(self, *inputs: Tensor) -> Tensor:
        """The layer's result."""
        raise NotImplementedError

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the inputs from the gradient of the result."""
        raise NotImplementedError


class Local(Layer):
    """Any function of stacked values and parameters, with autograd for its derivative only."""

    def __init__(self, site: Site, function: Callable[..., Tensor]) -> None:
        super().__init__(site)
        self._function = function
        self._leaves: list[Tensor] = []
        self._result: Tensor | None = None

    def forward(self, *inputs: Tensor) -> Tensor:
        """The function's value."""
        weights = list(self.site.weights.values())
        if not self.site.train:
            return self._function(*inputs, *weights)
        wanted = [not spec.shared for spec in self.site.inputs] + [True] * len(weights)
        self._leaves = [
            leaf.detach().requires_grad_(want) for leaf, want in zip([*inputs, *weights], wanted, strict=True)
        ]
        with torch.enable_grad():
            self._result = self._function(*self._leaves)
        return self._result.detach()

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Derivatives by autograd."""
        assert self._result is not None
        wanted = [leaf for leaf in self._leaves if leaf.requires_grad]
        found = iter(torch.autograd.grad(self._result, wanted, grad) if wanted else ())
        grads = [next(found) if leaf.requires_grad else None for leaf in self._leaves]
        count = len(self.site.inputs)
        for place, value in zip(self.site.grads.values(), grads[count:], strict=True):
            assert value is not None
            place.copy_(value)
        self._result = None
        return tuple(grads[:count])
