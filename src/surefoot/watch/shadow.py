"""A shadow: an optimizer that is not torch's, shown to the recorder as if it were.

Frameworks with optimizers of their own announce updates by callbacks; the shadow turns each into what a torch optimizer
does around its step. It changes no parameter itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["Shadow"]


class Shadow(torch.optim.Optimizer):
    """Parameter groups with rates, and the hooks of an optimizer around updates that somebody else makes.

    Args:
        groups: parameters of each group.
        lrs: rate of each group.
    """

    def __init__(self, groups: Sequence[Sequence[torch.Tensor]], lrs: Sequence[float]) -> None:
        super().__init__(
            [{"params": list(params), "lr": lr} for params, lr in zip(groups, lrs, strict=True)], {"lr": 0.0}
        )

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Nothing: the updates are somebody else's."""

    def begin(self, lrs: Sequence[float], *, gradients: bool) -> None:
        """An update at `lrs` begins; `gradients` says whether they are there already."""
        for group, lr in zip(self.param_groups, lrs, strict=False):
            group["lr"] = lr
        for hook in list(self._optimizer_step_pre_hooks.values()):
            hook(self, (), {} if gradients else {"closure": True})

    def end(self) -> list[float]:
        """The update was made; the rates that the next one should have."""
        for hook in list(self._optimizer_step_post_hooks.values()):
            hook(self, (), {})
        return [float(group["lr"]) for group in self.param_groups]
