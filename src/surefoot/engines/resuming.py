"""Saving a training and going on with it: which checkpoints to write when, and whether one belongs here.

A checkpoint carries its *origin*: task, data, recipe, early stopping and the shapes of the model. A training is only
resumed where all of them are the same, because otherwise it would be another training.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from surefoot.engines.checkpoint import Checkpoints
from surefoot.engines.early_stopping import EarlyStop
from surefoot.errors import InputError, OutputError, RecordError
from surefoot.records import Recipe, Run
from surefoot.tasks.task import Task

__all__ = ["Resumed", "Saving", "resumed"]

WEIGHTS = "weights.safetensors"
RUN = "run.json"

_SHARE = 0.1
"""Share of the time that checkpoints after epochs may take; where epochs are quick, some are left out."""


class Saving:
    """Writes the checkpoints of one training.

    Args:
        task: as the user gave it.
        recipe: of the training.
        early_stop: of the training.
        model: its parameters and buffers name and shape the state.
        folder: where to.
        every: seconds between two checkpoints within an epoch.
        anew: whether the folder must not hold a training yet.

    Raises:
        InputError: the folder holds a training already.
        OutputError: the folder cannot be made.
    """

    def __init__(
        self, task: Task, recipe: Recipe, early_stop: EarlyStop | None, model: nn.Module,
        folder: str | os.PathLike[str], every: float, *, anew: bool,
    ) -> None:  # fmt: skip
        self.folder = Path(folder)
        self._checkpoints = Checkpoints(folder)
        if anew and self._checkpoints.numbers():
            raise InputError(f"`save` is {str(folder)!r}, which holds a training already; resume it, or name another")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"`save` is {str(folder)!r}, which is no folder: {error.strerror or error}") from None
        self._origin = {
            "task": task.name, "data": task.checksum(), "recipe": recipe.to_json(),
            "early_stop": None if early_stop is None else early_stop.settings(), "model": _shapes(model),
            "torch": torch.__version__,
        }  # fmt: skip
        self._every = every
        self._saved_at = time.perf_counter()
        self._took = 0.0
        self._complaints: list[str] = []

    def due(self) -> bool:
        """Whether the time between two checkpoints within an epoch is over."""
        return time.perf_counter() - self._saved_at >= self._every

    def due_after_epoch(self) -> bool:
        """Whether to save now that an epoch is over."""
        return time.perf_counter() - self._saved_at >= self._took * (1 / _SHARE - 1)

    def save(self, state: dict[str, Any], *, final: bool) -> None:
        """Write a checkpoint; where that fails, the training goes on and `complaints` tells.

        Raises:
            OutputError: it fails at the end of the training, when there is no other chance.
        """
        started = time.perf_counter()
        try:
            self._checkpoints.write({"origin": self._origin, **state})
        except OutputError as error:
            if final:
                raise
            self._complaints.append(str(error))
        self._saved_at = time.perf_counter()
        self._took = self._saved_at - started

    def complaints(self) -> list[str]:
        """What could not be written since the last call."""
        said, self._complaints = self._complaints, []
        return said

    def any(self) -> bool:
        """Whether there is a checkpoint."""
        return bool(self._checkpoints.numbers())

    def finish(self, model: nn.Module, run: Run) -> None:
        """Write the final weights under the module's names, and the record of the run."""
        weights = {name: one.detach().cpu().clone().contiguous() for name, one in model.state_dict().items()
                   if isinstance(one, torch.Tensor)}  # fmt: skip
        part = self.folder / f"{WEIGHTS}.part"
        try:
            save_file(weights, part)
            part.replace(self.folder / WEIGHTS)
        except OSError as error:
            raise OutputError(f"`{self.folder / WEIGHTS}` cannot be written: {error.strerror or error}") from None
        run.save(self.folder / RUN)


class Resumed:
    """A training that is to go on: its state, and the recipe and early stopping it was begun with."""

    def __init__(self, folder: Path, state: dict[str, Any], notes: list[str]) -> None:
        self.folder, self.state, self.notes = folder, state, notes
        origin = state["origin"]
        self.recipe = Recipe.from_json(origin["recipe"])
        self.early_stop = None if origin["early_stop"] is None else EarlyStop(**origin["early_stop"])

    def check_model(self, model: nn.Module) -> None:
        """Raise RecordError unless the checkpoint's tensors fit `model`."""
        kept, own = self.state["origin"]["model"], _shapes(model)
        for name in [*kept, *own]:
            if kept.get(name) != own.get(name):
                there, here = (_shape_words(shapes.get(name)) for shapes in (kept, own))
                raise self.other(f"of another model: `{name}` is {there} there and {here} here")

    def other(self, why: str) -> RecordError:
        """The error for a checkpoint of another training."""
        return RecordError(f"the checkpoint in `{self.folder}` is {why}; resume it as it was begun, or begin anew")


def resumed(task: Task, recipe: Recipe | None, early_stop: EarlyStop | None, folder: str | os.PathLike[str]) -> Resumed:
    """Read the newest whole checkpoint in `folder` and make sure that it belongs to this training.

    Args:
        task: as the user gives it now.
        recipe: as the user gives it now; None takes that of the checkpoint.
        early_stop: the same.
        folder: of the training.

    Raises:
        RecordError: no whole checkpoint, or one of another task, data, recipe or early stopping.
    """
    loaded = Checkpoints(folder).newest()
    origin = loaded.state.get("origin")
    if not isinstance(origin, dict):
        raise RecordError(f"checkpoint {loaded.number} in `{folder}` holds no training")
    notes = list(loaded.notes)
    found = Resumed(Path(folder), loaded.state, notes)
    if origin["task"] != task.name:
        raise found.other(f"of the task `{origin['task']}`, not of `{task.name}`")
    if origin["data"] != task.checksum():
        raise found.other("of other data: the checksums differ")
    if recipe is not None and recipe != found.recipe:
        kept, given = found.recipe.to_json(), recipe.to_json()
        name = next(name for name in kept if kept[name] != given[name])
        raise found.other(f"of another recipe: `{name}` is {kept[name]!r} there and {given[name]!r} here")
    if early_stop is not None and early_stop.settings() != origin["early_stop"]:
        raise found.other(f"of other early stopping: {origin['early_stop']} there and {early_stop.settings()} here")
    if origin["torch"] != torch.__version__:
        notes.append(f"begun with torch {origin['torch']} and resumed with {torch.__version__}: last bits may differ")
    if loaded.state["log"]["fate"] is None:
        notes.append(f"resumed at step {len(loaded.state['log']['loss'])}")
    return found


def _shapes(model: nn.Module) -> dict[str, Any]:
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: [str(one.dtype).removeprefix("torch."), list(one.shape)] for name, one in named.items()}


def _shape_words(described: Any) -> str:
    return "absent" if described is None else f"{described[0]} of shape {tuple(described[1])}"
