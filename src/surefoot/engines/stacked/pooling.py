"""Pooling with the batch last: [K, C, H, W, N]."""

from __future__ import annotations

import torch
from torch import Tensor

from surefoot.engines.stacked.layer import Layer, Site

__all__ = ["MaxPool2d"]


class MaxPool2d(Layer):
    """The largest number of windows that do not overlap; of equal ones the first in reading order, as torch does."""

    def __init__(self, site: Site, kernel: tuple[int, int]) -> None:
        super().__init__(site)
        self._kernel = kernel
        self._result = site.empty(site.output)
        if site.train:
            # 0 and 1 as floats: comparing into them and multiplying by them is four times as fast as with bools.
            self._choices = [torch.empty_like(self._result) for _ in range(kernel[0] * kernel[1] - 1)]
            shape = site.shape(site.inputs[0])
            self._input_grad = torch.zeros(shape, dtype=site.dtype)
            self._parts = self._corners(self._input_grad)
            self._rest = torch.empty_like(self._result)

    def _corners(self, values: Tensor) -> list[Tensor]:
        kh, kw = self._kernel
        height, width = (self.site.output.features[1] * kh, self.site.output.features[2] * kw)
        return [values[..., i:height:kh, j:width:kw, :] for i in range(kh) for j in range(kw)]

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, C, H // kh, W // kw, N]."""
        corners = self._corners(inputs[0])
        if len(corners) == 1:
            return self._result.copy_(corners[0])
        torch.maximum(corners[0], corners[1], out=self._result)
        for corner in corners[2:]:
            torch.maximum(self._result, corner, out=self._result)
        if self.site.train:
            for choice, corner in zip(self._choices, corners, strict=False):
                torch.eq(corner, self._result, out=choice)
        return self._result

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient at the first place of each window that holds its largest number."""
        if self.site.inputs[0].shared:
            return (None,)
        for choice, part in zip(self._choices, self._parts, strict=False):
            torch.mul(grad, choice, out=part)
            grad.sub_(part)
        self._parts[-1].copy_(grad)
        return (self._input_grad,)
