"""Load a task by name: a built-in one, or one from a user's file or module.

A *spec* is what a command line says: ``digits``, ``path/to/file.py:name`` or ``package.module:name``, where the name is
a `Task` or a function without arguments that returns one. What is wrong with a user's file is said in one line with
the place.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from surefoot.errors import InputError, TaskError
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.named_objects import NamedObject, is_file, names_near, opened, said_with_place
from surefoot.tasks.task import Task, find_device

__all__ = ["load_task"]


def load_task(
    spec: str,
    *,
    device: str = "auto",
    data: str | None = None,
    progress: Callable[[str, int, int | None], None] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Task:
    """The task that `spec` names.

    A user's file is run under seed 0, with the random state put back, so that data that it draws is the same each time.
    Its folder is on the import path while it runs.

    Args:
        spec: built-in name, ``path/to/file.py:name`` or ``package.module:name``.
        device: where to train; ``"auto"`` leaves a user's task where it is and puts a built-in one on a GPU if there
            is one.
        data: folder to read a built-in task's data from, for those that are read from one.
        progress: told of a download as progress(file name, bytes done, bytes in all or None).
        arguments: keywords for the function of a user's that makes the task, such as the width of the model.

    Raises:
        InputError: no such built-in task or device.
        TaskError: the file or module cannot be found or run, or holds no such task.
        DataError: the data cannot be found or read, or does not fit.
    """
    if device != "auto":
        find_device(device)
    place, colon, name = spec.rpartition(":")
    if not colon:
        if is_file(spec):
            raise InputError(f"`task` is {spec!r}, a file without a name in it; give {spec}:NAME of a Task")
        return _on(find_entry(spec).make(data, progress), device)
    if data is not None:
        raise InputError(
            f"`data` is {data!r}, but the task is from {place!r}, which reads its data itself; leave it out"
        )
    if not (place and name.isidentifier()):
        raise InputError(f"`task` is {spec!r}; give a built-in name, path/to/file.py:NAME or package.module:NAME")
    with opened(place, name, "task") as found:
        task = _task_of(found, arguments or {})
    if task.name == "task":
        task = copy.copy(task)
        task.name = name
    return _on(task, device)


def _on(task: Task, device: str) -> Task:
    return task if device == "auto" else task.to(device)


def _task_of(named: NamedObject, arguments: Mapping[str, Any]) -> Task:
    found, name, shown = named.value, named.name, named.shown
    if not named.exists:
        raise TaskError(f"`{shown}` has no `{name}`; {_names_near(named)}")
    if isinstance(found, Task):
        if arguments:
            raise TaskError(
                f"`{name}` of `{shown}` is a finished Task; to vary `{next(iter(arguments))}`, make it a function of it"
            )
        return found
    if isinstance(found, nn.Module) or (isinstance(found, type) and issubclass(found, nn.Module)):
        raise TaskError(
            f"`{name}` of `{shown}` is a model; a Task is needed: surefoot.Task(model=…, train=(x, y), loss=…)"
        )
    if isinstance(found, type) or not callable(found):
        what = f"the class {found.__name__}" if isinstance(found, type) else f"{type(found).__name__}"
        raise TaskError(f"`{name}` of `{shown}` is {what}; it must be a Task or a function that returns one")
    needed = [one for one in _needed_arguments(found) if one not in arguments]
    if needed:
        listed = ", ".join(f"`{one}`" for one in needed)
        raise TaskError(
            f"`{name}` of `{shown}` needs {listed}; it must be a function without arguments: give them defaults"
        )
    with said_with_place(shown):
        made = found(**arguments)
    if not isinstance(made, Task):
        raise TaskError(f"`{name}` of `{shown}` returned {type(made).__name__}; it must return a Task")
    return made


def _needed_arguments(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind not in optional]


def _names_near(found: NamedObject) -> str:
    def is_own_function(value: Any) -> bool:
        return inspect.isfunction(value) and value.__module__ == found.module.__name__

    kinds = {"tasks": lambda value: isinstance(value, Task), "functions": is_own_function}
    return names_near(found, kinds, "it defines no Task")
