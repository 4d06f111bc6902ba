"""The keeper: copies of a model and its optimizer's state from earlier in a training, few at a time.

A *copy* holds parameters, buffers and optimizer state, not the rates: what is put back goes on at the rate of now. A
copy becomes *good* only when the training has gone on well from it for a while, so that what is restored does not stand
on the brink. Copies are in memory, or in a folder of the user's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.errors import OutputError
from surefoot.records import FloatSeries

__all__ = ["Copy", "Keeper"]

_BEFORE = 64
"""Updates before a copy whose losses are what those after it are compared with."""


@dataclasses.dataclass
class Copy:
    """A model and its optimizer's state after `step` updates."""

    step: int
    model: dict[str, Tensor]
    states: list[dict[str, Any]]
    """Per parameter of the optimizer, in the order of its groups."""


class Keeper:
    """Keeps at most four copies: the newest, the last good one, the best one and the one that was last replaced.

    Args:
        model: whose parameters and buffers are kept.
        optimizer: whose state is kept.
        folder: where copies are written; None keeps them in memory.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, folder: str | Path | None = None) -> None:
        self._model, self._optimizer = model, optimizer
        self._folder = None if folder is None else Path(folder)
        self._copies: dict[str, Copy | Path] = {}
        self.steps: dict[str, int] = {}
        """Name of a copy (`newest`, `good`, `best`, `replaced`) to the updates made when it was taken."""

    def keep(self, name: str, step: int) -> None:
        """Copy the present state under `name`, in place of an older copy of that name.

        Raises:
            OutputError: the folder cannot be written to.
        """
        copy = self._taken(step)
        self._copies[name] = copy if self._folder is None else self._written(name, copy)
        self.steps[name] = step

    def tend(self, step: int, losses: FloatSeries) -> None:
        """Call the newest copy good if all went well since, and take another; `losses` are those of every update."""
        if not np.isfinite(losses[-8:]).all():
            return
        if "newest" in self.steps and self._went_well(losses):
            self.promote()
        self.keep("newest", step)
        if "good" not in self.steps:
            # Until one has stood the test, the start is the best there is.
            self.keep("good", step)

    def _went_well(self, losses: FloatSeries) -> bool:
        """Whether the loss since the newest copy is no worse than before it, beyond its noise."""
        at = self.steps["newest"]
        before, since = losses[max(0, at - _BEFORE) : at], losses[at:]
        if len(before) < 4 or len(since) < 4 or not np.isfinite(since).all():
            return False
        error = float(before.std(ddof=1)) * (len(since) ** -0.5 + len(before) ** -0.5)
        return bool(float(since.mean()) <= float(before.mean()) + 3 * error)

    def promote(self) -> None:
        """Call the newest copy good."""
        if "newest" in self._copies:
            newest = self._copies.pop("newest")
            if isinstance(newest, Path):
                newest = newest.replace(newest.with_name("surefoot-good.pt"))
            self._copies["good"] = newest
            self.steps["good"] = self.steps.pop("newest")

    def restore(self, name: str) -> int:
        """Put the copy back, and keep what it replaces as `replaced`; updates made when it was taken."""
        replaced = self._taken(-1)
        copy = self._copies[name]
        if isinstance(copy, Path):
            copy = Copy(**torch.load(copy, weights_only=True))
        self._put(copy)
        self._copies["replaced"] = replaced
        return copy.step

    def give_back(self) -> None:
        """Undo the last `restore`."""
        replaced = self._copies.pop("replaced", None)
        if isinstance(replaced, Copy):
            self._put(replaced)

    def drop(self) -> None:
        """Forget all copies and delete their files."""
        for copy in self._copies.values():
            if isinstance(copy, Path):
                copy.unlink(missing_ok=True)
        self._copies.clear()
        self.steps.clear()

    def _tensors(self) -> dict[str, Tensor]:
        named: dict[str, Tensor] = {f"parameter {name}": one for name, one in self._model.named_parameters()}
        return named | {f"buffer {name}": one for name, one in self._model.named_buffers()}

    def _parameters(self) -> list[Tensor]:
        return [one for group in self._optimizer.param_groups for one in group["params"]]

    def _taken(self, step: int) -> Copy:
        model = {name: one.detach().clone() for name, one in self._tensors().items()}
        states = [
            {key: value.detach().clone() if isinstance(value, Tensor) else value for key, value in state.items()}
            for state in (self._optimizer.state.get(one, {}) for one in self._parameters())
        ]
        return Copy(step, model, states)

    def _put(self, copy: Copy) -> None:
        own = self._tensors()
        with torch.no_grad():
            for name, value in copy.model.items():
                if name in own:
                    own[name].copy_(value)
            for parameter, kept in zip(self._parameters(), copy.states, strict=False):
                if not kept:
                    self._optimizer.state.pop(parameter, None)
                    continue
                state = self._optimizer.state[parameter]
                for key in [key for key in state if key not in kept]:
                    del state[key]
                for key, value in kept.items():
                    there = state.get(key)
                    if isinstance(value, Tensor) and isinstance(there, Tensor) and there.shape == value.shape:
                        there.copy_(value)
                    else:
                        state[key] = value.clone() if isinstance(value, Tensor) else value

    def _written(self, name: str, copy: Copy) -> Path:
        assert self._folder is not None
        path = self._folder / f"surefoot-{name}.pt"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            torch.save(vars(copy), part)
            part.replace(path)
        except OSError as error:
            raise OutputError(f"`keep` is {str(self._folder)!r}, which cannot be written: {error}") from None
        return path
