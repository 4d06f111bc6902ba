"""A fork: all that is needed to go on from a running training on copies of it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from surefoot.errors import InputError
from surefoot.tasks.task import Task, takes_model

__all__ = ["Fork"]


@dataclasses.dataclass
class Fork:
    """A running training and the batches to go on with."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    training: list[Any]
    scoring: list[Any]
    loss: Callable[..., Any]
    _: dataclasses.KW_ONLY
    clip: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Bring the batches to the model's device, and find out how they are taken apart."""
        if not callable(self.loss):
            raise InputError(f"`loss` is {type(self.loss).__name__}; give loss(output, target) or loss(model, batch)")
        held = [one for group in self.optimizer.param_groups for one in group["params"]]
        if not held:
            raise InputError("`optimizer` holds no parameters; there is nothing to try")
        self.device = held[0].device
        if not takes_model(self.loss):
            self.training = [self._placed(batch) for batch in self.training]
            self.scoring = [self._placed(batch) for batch in self.scoring]
        self.task = Task(
            lambda: copy.deepcopy(self.model), train=(torch.zeros(1),), val=(torch.zeros(1),), loss=self.loss,
            name="probe", device=self.device,
        )  # fmt: skip

    def copies(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """A copy of the model, and of the optimizer that updates it.

        Raises:
            InputError: the model cannot be copied.
        """
        memo: dict[int, Any] = {}
        try:
            model = copy.deepcopy(self.model, memo)
            optimizer = copy.deepcopy(self.optimizer, memo)
            for name, value in vars(self.optimizer).items():
                # Torch copies groups and state alone; LBFGS, and optimizers of the user's, hold more.
                if name not in vars(optimizer) and name != "step" and "hook" not in name:
                    setattr(optimizer, name, copy.deepcopy(value, memo))
        except (RuntimeError, TypeError, AttributeError) as error:
            first = (str(error).splitlines() or [""])[0]
            raise InputError(f"`model` and `optimizer` cannot be copied: {first}") from None
        return model, optimizer

    def _placed(self, batch: Any) -> Any:
        return pytree.tree_map(lambda leaf: leaf.to(self.device) if isinstance(leaf, torch.Tensor) else leaf, batch)
