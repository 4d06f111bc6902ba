"""Checkpoints: states from files, as places to draw around or between, and as where trainings begin."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from surefoot.curvature.weights import read_weights
from surefoot.tasks.task import Task

__all__ = ["End", "begun_at", "read_end"]


@dataclasses.dataclass(frozen=True)
class End:
    """The state of a model that a file holds: weights, frozen ones too, and buffers."""

    name: str
    state: Mapping[str, Tensor]


def read_end(argument: str, path: str | os.PathLike[str], model: nn.Module) -> End:
    """What the file holds for the model; see `read_weights`.

    Raises:
        InputError: no such file, nothing of the kind in it, or weights of another model.
    """
    return End(Path(path).name or str(path), read_weights(model, path, argument=argument))


def begun_at(task: Task, state: Mapping[str, Tensor]) -> Task:
    """The task whose trainings begin at a state, frozen parameters and buffers too."""
    made = copy.copy(task)
    made.model = functools.partial(_begun, task.model, state)
    return made


def _begun(model: Callable[[], nn.Module] | nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    made = copy.deepcopy(model) if isinstance(model, nn.Module) else model()
    made.load_state_dict(dict(state), strict=False)
    return made
