"""Objects of the user's by name: ``path/to/file.py:name`` or ``package.module:name``.

A file is run as a new module under a fixed seed, with its folder on the import path; a module is looked for in the
working directory too. What is wrong with a user's file is said in one line with the place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import itertools
import operator
import os
import sys
import tokenize
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from surefoot.errors import SurefootError, TaskError
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.user_code import in_one_line, is_users, place_of, shown_path

__all__ = ["NamedObject", "is_file", "names_near", "opened", "said_with_place"]

_PREFIX = "surefoot_task_"
_numbers = itertools.count(1)
_siblings: dict[str, Path] = {}
"""Modules that users' files imported from their own folders, and the folders."""
_runs: dict[Path, tuple[tuple[int, int], types.ModuleType]] = {}
"""The last run of each file: when it was written and how long it was, and its module."""


@dataclasses.dataclass(frozen=True)
class NamedObject:
    """What a name stands for."""

    value: Any
    """The object; the module itself where there is none of that name."""
    name: str
    shown: str
    """The file or module, as it is said to the user."""
    module: types.ModuleType

    @property
    def exists(self) -> bool:
        """Whether the file or module has something of that name."""
        return self.value is not self.module


def is_file(place: str) -> bool:
    """Whether what stands before the colon is a file, not a module."""
    return place.endswith(".py") or "/" in place or os.sep in place


@contextlib.contextmanager
def opened(place: str, name: str, argument: str, *, again: bool = True) -> Iterator[NamedObject]:
    """The object `name` of the file or module `place`.

    Inside, its folder is on the import path, and random numbers start from seed 0; afterwards all is as before.

    Args:
        place: path of a Python file, or the name of a module.
        name: of the object; a dotted one is looked for inside of the first.
        argument: what the user calls it, for errors; empty where the caller says it.
        again: run a file that was run before and has not changed since.

    Raises:
        TaskError: the file or module cannot be found or run.
    """
    if is_file(place):
        path = _existing(Path(place).expanduser())
        shown, folder = shown_path(path), path.resolve().parent
    else:
        shown, folder = place, Path.cwd()
    with _at_work_in(folder), borrowed_rng(0):
        with said_with_place(shown):
            module = _run_file(path, again=again) if is_file(place) else _import_module(place, argument)
            try:
                value = operator.attrgetter(name)(module)
            except AttributeError:
                value = module
        yield NamedObject(value, name, shown, module)


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


def _run_file(path: Path, *, again: bool) -> types.ModuleType:
    """Run the file as a new module that pickle finds by name for the life of the process."""
    full = path.resolve()
    try:
        stamp = (full.stat().st_mtime_ns, full.stat().st_size)
        if not again and _runs.get(full, (None,))[0] == stamp:
            return _runs[full][1]
        with tokenize.open(path) as stream:
            source = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"`{shown_path(path)}` cannot be read: {error}") from None
    code = compile(source, str(full), "exec", dont_inherit=True)
    module = types.ModuleType(f"{_PREFIX}{next(_numbers)}_{path.stem}")
    module.__file__ = str(full)
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    _runs[full] = stamp, module
    return module


def _import_module(name: str, argument: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        lead = f"`{argument}` names the module {name!r}, and " if argument else ""
        raise TaskError(f"{lead}there is no `{error.name}` (seen from {Path.cwd()})") from None
    except (TypeError, ValueError) as error:
        if place_of(error):
            raise
        lead = f"`{argument}` names the module {name!r}, which" if argument else repr(name)
        raise TaskError(f"{lead} is no module's name") from None


def names_near(found: NamedObject, kinds: Mapping[str, Callable[[Any], bool]], lacking: str) -> str:
    """What a file or module offers instead of a name that it lacks.

    Args:
        found: the name that is not there.
        kinds: what else could be meant, the best first: its plural, and what tells it.
        lacking: said where there is nothing of the first kind.
    """
    own = {kind: [name for name, value in vars(found.module).items() if fits(value)] for kind, fits in kinds.items()}
    near = difflib.get_close_matches(found.name, [name for names in own.values() for name in names], n=3, cutoff=0.5)
    if near:
        return f"the nearest is {', '.join(f'`{one}`' for one in near)}"
    said = [] if own[next(iter(kinds))] else [lacking]
    for kind, names in own.items():
        if names:
            said.append(f"its {kind} are {', '.join(f'`{one}`' for one in names[:8])}")
            break
    return "; ".join(said)


@contextlib.contextmanager
def said_with_place(shown: str) -> Iterator[None]:
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
