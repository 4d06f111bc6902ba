"""Layers that work number by number, and those that only move numbers: activations, sums, dropout, reshaping."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from surefoot.engines.stacked.layer import Layer, Site

__all__ = ["Add", "Dropout", "LogSoftmax", "ReLU", "Reshape", "Sigmoid", "Tanh"]

_aten = torch.ops.aten


class ReLU(Layer):
    """max(x, 0)."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._result = None if site.overwrite else site.empty(site.output)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Over the input where that is allowed."""
        self._output = torch.clamp_min(inputs[0], 0, out=inputs[0] if self._result is None else self._result)
        return self._output

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient where the result is above 0."""
        return (_aten.threshold_backward.grad_input(grad, self._output, 0, grad_input=grad),)


class _FromResult(Layer):
    """An activation whose derivative is a function of its result."""

    function: Callable[..., Tensor]
    derivative: Callable[..., Tensor]

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._result = None if site.overwrite else site.empty(site.output)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Over the input where that is allowed."""
        place = inputs[0] if self._result is None else self._result
        self._output = type(self).function(inputs[0], out=place)
        return self._output

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient times the derivative, in place."""
        return (type(self).derivative(grad, self._output, grad_input=grad),)


class Tanh(_FromResult):
    """Hyperbolic tangent."""

    function = staticmethod(torch.tanh)
    derivative = staticmethod(_aten.tanh_backward.grad_input)


class Sigmoid(_FromResult):
    """Logistic function."""

    function = staticmethod(torch.sigmoid)
    derivative = staticmethod(_aten.sigmoid_backward.grad_input)


class LogSoftmax(Layer):
    """Log-probabilities over the first feature axis."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, C, N] to the same shape."""
        self._output = torch.log_softmax(inputs[0], 1)
        return self._output

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient minus softmax times its sum."""
        return (grad - self._output.exp().mul_(grad.sum(1, keepdim=True)),)


class Add(Layer):
    """Sum of two values of one shape; one of them may be shared."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._result = site.empty(site.output)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The sum."""
        return torch.add(inputs[0], inputs[1], out=self._result)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient, to both; the second gets a copy because layers may overwrite theirs."""
        first, second = (not spec.shared for spec in self.site.inputs)
        return (grad if first else None, grad.clone() if first and second else (grad if second else None))


class Dropout(Layer):
    """Numbers (or, `channelwise`, whole channels) set to 0 with probability `drop`, the rest scaled up."""

    def __init__(self, site: Site, drop: float, channelwise: bool) -> None:
        super().__init__(site)
        self._drop = drop
        features = site.output.features
        self._features = (*features[:1], *[1] * (len(features) - 1)) if channelwise else features

    def forward(self, *inputs: Tensor) -> Tensor:
        """The input times the mask that a single model of the member's seed would draw."""
        assert self.site.noise is not None
        self._mask = self.site.noise.mask(self.site.batch, self._features, self._drop, self.site.dtype)
        return (inputs[0] * self._mask).expand(self.site.shape(self.site.output)).contiguous()

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient times the same mask."""
        return (None if self.site.inputs[0].shared else grad.mul_(self._mask),)


class Reshape(Layer):
    """Other feature sizes, same numbers in the same order: flatten, view, reshape, identity."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """A view."""
        return inputs[0].reshape(self.site.shape(self.site.output))

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The view back."""
        source = self.site.inputs[0]
        return (None if source.shared else grad.reshape(self.site.shape(source)),)
