"""Dense layers and embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from surefoot.engines.stacked.layer import Layer, Site

__all__ = ["Embedding", "Linear"]


class Linear(Layer):
    """y = W x + b. On a shared input all members' weights make one matrix: [K O, F] @ [F, N]."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._weight, self._bias = site.weights["weight"], site.weights.get("bias")
        self._shared = site.inputs[0].shared
        members, out, features = self._weight.shape
        self._result = site.empty(site.output)
        self._one = self._shared or members == 1
        if self._one:
            self._flat_weight = self._weight.view(members * out, features)
            self._flat_result = self._result.view(members * out, site.batch)
        if site.train:
            self._flat_grad = site.grads["weight"].view(members * out, features) if self._one else None
            self._input_grad = None if self._shared else site.empty(site.inputs[0])

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, O, N] from [K, F, N] or [F, N]."""
        self._input = inputs[0]
        if self._one:
            source = self._input if self._shared else self._input[0]
            torch.mm(self._flat_weight, source, out=self._flat_result)
        else:
            torch.bmm(self._weight, self._input, out=self._result)
        if self._bias is not None:
            self._result.add_(self._bias.unsqueeze(2))
        return self._result

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of weight, bias and input."""
        if self._bias is not None:
            torch.sum(grad, 2, out=self.site.grads["bias"])
        if self._one:
            source = self._input if self._shared else self._input[0]
            assert self._flat_grad is not None
            torch.mm(grad.view(self._flat_result.shape), source.t(), out=self._flat_grad)
        else:
            torch.bmm(grad, self._input.transpose(1, 2), out=self.site.grads["weight"])
        if self._input_grad is None:
            return (None,)
        if self._one:
            torch.mm(self._flat_weight.t(), grad[0], out=self._input_grad[0])
        else:
            torch.bmm(self._weight.transpose(1, 2), grad, out=self._input_grad)
        return (self._input_grad,)


class Embedding(Layer):
    """Rows of a table [K, V, D] chosen by shared indices [T..., N]."""

    def __init__(self, site: Site, padding: int | None) -> None:
        super().__init__(site)
        self._padding = padding

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, T..., D, N]."""
        table = self.site.weights["weight"]
        self._index = inputs[0]
        rows = table.index_select(1, self._index.flatten())
        return rows.view(len(table), *self._index.shape, -1).transpose(-1, -2).contiguous()

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the table; indices have none."""
        place = self.site.grads["weight"].zero_()
        place.index_add_(1, self._index.flatten(), grad.transpose(-1, -2).reshape(len(grad), -1, place.shape[2]))
        if self._padding is not None:
            place[:, self._padding] = 0
        return (None,)
