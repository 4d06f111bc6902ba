"""Tensors that want a gradient of the loss and are no parameters of the model, such as layers kept in a plain list.

They are not trained, and are the user's own: what a backward pass adds to their `grad` would stay there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["ModelGradients", "outside_of"]


def outside_of(loss: Tensor, parameters: Iterable[Tensor]) -> list[Tensor]:
    """The leaves of a loss that are none of these parameters."""
    own = {id(one) for one in parameters}
    found: dict[int, Tensor] = {}
    seen: set[Any] = set()
    waiting = [loss.grad_fn]
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor) and id(leaf) not in own:
            found[id(leaf)] = leaf
        waiting += [one for one, _ in node.next_functions]
    return list(found.values())


class ModelGradients:
    """Backward passes that give gradients to the parameters of one model alone; its first loss tells of others."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._into: list[nn.Parameter] | None = None
        self._known = False

    def __call__(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""
        if not self._known:
            trained = [one for one in self._model.parameters() if one.requires_grad]
            self._into = trained if outside_of(loss, trained) else None
            self._known = True
        torch.autograd.backward(loss, inputs=self._into)
