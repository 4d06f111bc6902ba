"""Normalisation of K members at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from surefoot.engines.stacked.layer import Layer, Local, Site

__all__ = ["BatchNorm", "LayerNorm"]


class BatchNorm(Layer):
    """Batch normalisation: every channel of every member is a channel of one; running statistics [K, C] train."""

    def __init__(self, site: Site, eps: float, momentum: float, training: bool) -> None:
        super().__init__(site)
        self._eps, self._momentum, self._training = eps, momentum, training
        self._local = Local(site, self._normalise)

    def _normalise(self, values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        members, channels = weight.shape
        buffers = self.site.buffers
        # Buffers of members may lie apart in memory: work on copies and put them back.
        mean, var = buffers["running_mean"].flatten().clone(), buffers["running_var"].flatten().clone()
        if values.ndim == len(self.site.output.features) + 1:  # shared
            values = values.expand(members, *values.shape)
        flat = values.reshape(1, members * channels, -1)
        result = F.batch_norm(
            flat, mean, var, weight.flatten(), bias.flatten(), self._training, self._momentum, self._eps
        )
        if self._training:
            with torch.no_grad():
                buffers["running_mean"].copy_(mean.view(members, channels))
                buffers["running_var"].copy_(var.view(members, channels))
                buffers["num_batches_tracked"].add_(1)
        return result.view(members, *self.site.output.features, self.site.batch)

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, C, ..., N] to the same shape."""
        return self._local.forward(*inputs)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of scale, shift and input."""
        return self._local.backward(grad)


class LayerNorm(Layer):
    """Normalisation over all features of an example."""

    def __init__(self, site: Site, eps: float) -> None:
        super().__init__(site)
        self._eps = eps
        self._local = Local(site, self._normalise)

    def _normalise(self, values: Tensor, *affine: Tensor) -> Tensor:
        dims = tuple(range(-len(self.site.output.features) - 1, -1))
        var, mean = torch.var_mean(values, dims, correction=0, keepdim=True)
        result = (values - mean) * torch.rsqrt(var + self._eps)
        if affine:
            result = result * affine[0].unsqueeze(-1)
        if len(affine) > 1:
            result = result + affine[1].unsqueeze(-1)
        return result

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, features..., N] to the same shape."""
        return self._local.forward(*inputs)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of scale, shift and input."""
        return self._local.backward(grad)
