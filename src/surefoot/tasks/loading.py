"""Load a task by name: a built-in one, or one from a user's file or module.

A *spec* is what a command line says: ``digits``, ``path/to/file.py:name`` or ``package.module:name``, where the name is
a `Task` or a function without arguments that returns one. What is wrong with a user's file is said in one line with
the place.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import importlib
import inspect
import itertools
import os
import sys
import tokenize
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from torch import nn

from surefoot.errors import InputError, SurefootError, TaskError
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task, find_device
from surefoot.tasks.user_code import in_one_line, is_users, place_of, shown_path

__all__ = ["load_task"]

_PREFIX = "surefoot_task_"
_numbers = itertools.count(1)
_siblings: dict[str, Path] = {}
"""Modules that users' files imported from their own folders, and the folders."""


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
        if spec.endswith(".py") or "/" in spec or os.sep in spec:
            raise InputError(f"`task` is {spec!r}, a file without a name in it; give {spec}:NAME of a Task")
        return _on(find_entry(spec).make(data, progress), device)
    if data is not None:
        raise InputError(
            f"`data` is {data!r}, but the task is from {place!r}, which reads its data itself; leave it out"
        )
    if not (place and name.isidentifier()):
        raise InputError(f"`task` is {spec!r}; give a built-in name, path/to/file.py:NAME or package.module:NAME")
    if place.endswith(".py") or "/" in place or os.sep in place:
        path = _existing(Path(place).expanduser())
        shown, folder = shown_path(path), path.resolve().parent
    else:
        shown, folder = place, Path.cwd()
    with _at_work_in(folder), borrowed_rng(0):
        with _said_with_place(shown):
            module = _run_file(path) if place.endswith(".py") else _import_module(place)
        task = _task_of(getattr(module, name, module), name, shown, module, arguments or {})
    if task.name == "task":
        task = copy.copy(task)
        task.name = name
    return _on(task, device)


def _on(task: Task, device: str) -> Task:
    return task if device == "auto" else task.to(device)


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise TaskError(f"`{path}` is a folder; give path/to/file.py:NAME")
    if path.suffix != ".py":
        raise TaskError(f"`{path}` is no Python file; give path/to/file.py:NAME")
    if path.is_file():
        return path
    if not path.parent.is_dir():
        raise TaskError(f"`{path}`: there is no folder `{path.parent}` (seen from {Path.cwd()})")
    near = difflib.get_close_matches(path.name, [one.name for one in path.parent.glob("*.py")], n=1)
    hint = f"; did you mean `{path.with_name(near[0])}`?" if near else f" (seen from {Path.cwd()})"
    raise TaskError(f"`{path}`: no such file{hint}")


def _run_file(path: Path) -> types.ModuleType:
    """Run the file as a new module that pickle finds by name for the life of the process."""
    try:
        with tokenize.open(path) as stream:
            source = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"`{shown_path(path)}` cannot be read: {error}") from None
    full = str(path.resolve())
    code = compile(source, full, "exec", dont_inherit=True)
    module = types.ModuleType(f"{_PREFIX}{next(_numbers)}_{path.stem}")
    module.__file__ = full
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _import_module(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise TaskError(
            f"`task` names the module {name!r}, and there is no `{error.name}` (seen from {Path.cwd()})"
        ) from None
    except (TypeError, ValueError) as error:
        if place_of(error):
            raise
        raise TaskError(f"`task` names the module {name!r}, which is no module's name") from None


def _task_of(found: Any, name: str, shown: str, module: types.ModuleType, arguments: Mapping[str, Any]) -> Task:
    if found is module:
        raise TaskError(f"`{shown}` has no `{name}`; {_names_near(name, module)}")
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
    with _said_with_place(shown):
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


def _names_near(name: str, module: types.ModuleType) -> str:
    own = [
        one
        for one, value in vars(module).items()
        if isinstance(value, Task) or (inspect.isfunction(value) and value.__module__ == module.__name__)
    ]
    near = difflib.get_close_matches(name, own, n=3, cutoff=0.5)
    if near:
        return f"the nearest is {', '.join(f'`{one}`' for one in near)}"
    tasks = [one for one in own if isinstance(getattr(module, one), Task)]
    if tasks:
        return f"its tasks are {', '.join(f'`{one}`' for one in tasks)}"
    return "it defines no Task" + (f"; its functions are {', '.join(f'`{one}`' for one in own[:8])}" if own else "")


@contextlib.contextmanager
def _said_with_place(shown: str) -> Iterator[None]:
    """Turn whatever the user's code raises into one line that begins with the place."""
    try:
        yield
    except SystemExit as leave:
        _refuse(
            leave, shown, 'it ended the program; keep what is to run as a script under `if __name__ == "__main__":`'
        )
    except SyntaxError as error:
        text = (error.text or "").strip()
        _refuse(error, shown, f"{in_one_line(error)}" + (f": {text}" if text else ""))
    except SurefootError as error:
        place = place_of(error)
        if not place:
            raise
        raise type(error)(f"{place}: {error}") from error
    except Exception as error:  # noqa: BLE001 - a user's code raises anything
        _refuse(error, shown, in_one_line(error))


def _refuse(error: BaseException, shown: str, text: str) -> NoReturn:
    raise TaskError(f"{place_of(error) or f'`{shown}`'}: {text}") from error


@contextlib.contextmanager
def _at_work_in(folder: Path) -> Iterator[None]:
    """Inside, modules of `folder` can be imported and no bytecode is written."""
    before, bytecode = list(sys.path), sys.dont_write_bytecode
    for name, home in list(_siblings.items()):
        # Two folders may each have a `net.py`; whoever is loaded now means his own.
        top = name.partition(".")[0]
        if home != folder and ((folder / f"{top}.py").is_file() or (folder / top).is_dir()):
            sys.modules.pop(name, None)
            del _siblings[name]
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path[:] = before
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and not name.startswith(_PREFIX) and is_users(file) and Path(file).is_relative_to(folder):
                _siblings[name] = folder
