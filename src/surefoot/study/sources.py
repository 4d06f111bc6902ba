"""Sources: where the tasks of a study come from, one per width and depth of the model.

A built-in task of dense layers, and a function ``NAME(width=…, depth=…)`` that returns a `Task`, can be varied in width
and depth; any other task is what it is.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from surefoot.errors import InputError, TaskError
from surefoot.tasks.catalogue import CATALOGUE, MODELS, find_entry
from surefoot.tasks.loading import load_task
from surefoot.tasks.task import Task

__all__ = ["TaskSource"]


class TaskSource:
    """The tasks of a study.

    Args:
        given: a `Task`, a function of width and depth that returns one, or a name as on the command line.
        device: where to train, for a name.
        data: folder with the data, for a name.
        progress: told of a download, for a name.

    Raises:
        InputError: no such task.
    """

    def __init__(
        self,
        given: Task | Callable[..., Task] | str,
        *,
        device: str = "auto",
        data: str | None = None,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> None:
        self._given, self._device, self._data, self._progress = given, device, data, progress
        self.spec = given if isinstance(given, str) else ""
        self._made: dict[tuple[tuple[str, int], ...], Task] = {}

    def task(self, shape: Mapping[str, int]) -> Task:
        """The task whose model has this width and depth; as it is by itself where `shape` is empty.

        Raises:
            InputError: the task cannot be varied so.
        """
        key = tuple(sorted(shape.items()))
        if key not in self._made:
            self._made[key] = self._make(dict(shape))
        return self._made[key]

    def _make(self, shape: dict[str, int]) -> Task:
        given = self._given
        if isinstance(given, str):
            if not shape:
                return load_task(given, device=self._device, data=self._data, progress=self._progress)
            if ":" in given:
                return load_task(given, device=self._device, data=self._data, arguments=shape)
            return self._built_in(given, shape)
        if isinstance(given, Task):
            if shape:
                raise InputError(
                    f"`{next(iter(shape))}` cannot be varied for a finished Task; give a function of it that returns "
                    "the Task, such as lambda width: make_task(width)"
                )
            return given
        made = given(**shape)
        if not isinstance(made, Task):
            raise TaskError(f"`task` returned {type(made).__name__}; it must return a Task")
        return made

    def _built_in(self, name: str, shape: dict[str, int]) -> Task:
        entry = find_entry(name)
        options: dict[str, Any] = dict(entry.model.options) if entry.model is not None else {}
        if entry.model is not None and "widths" in options:
            first, *hidden, last = options["widths"]
            hidden = [shape.get("width", hidden[0])] * shape.get("depth", len(hidden))
            options["widths"] = (first, *hidden, last)
        else:
            known = () if entry.model is None else _parameters(entry.model.resolve(MODELS))
            for one in shape:
                if one not in known:
                    able = ", ".join(k for k, e in CATALOGUE.items() if e.model and "widths" in e.model.options)
                    raise InputError(f"`{one}` cannot be varied for `{name}`; it can for {able}, or a task of your own")
            options |= shape
        assert entry.model is not None
        varied = dataclasses.replace(entry, model=dataclasses.replace(entry.model, options=options))
        task = varied.make(self._data, self._progress)
        return task if self._device == "auto" else task.to(self._device)


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
