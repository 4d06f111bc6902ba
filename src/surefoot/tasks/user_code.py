"""The user's code: where in it an error arose, said in one line.

A *place* is ``path/to/file.py, line 7``: the innermost frame of a traceback that lies in a file of the user's, that is,
neither in the standard library, nor in an installed package, nor in Surefoot.
"""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

__all__ = ["in_one_line", "is_users", "place_of", "shown_path"]

_OWN = Path(__file__).resolve().parents[1]
_INSTALLED = tuple(
    Path(path).resolve()
    for key, path in sysconfig.get_paths().items()
    if key in ("stdlib", "platstdlib", "purelib", "platlib")
)


def place_of(error: BaseException) -> str:
    """Place in the user's files where `error` arose; empty where none of its frames lies there."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return _place(error.filename, error.lineno)
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if is_users(frame.f_code.co_filename):
            found = _place(frame.f_code.co_filename, line)
    return found


def in_one_line(error: BaseException, *, longest: int = 300) -> str:
    """Type and message of `error` without line breaks, cut after `longest` characters."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    # torch appends hints about its own debugging behind an empty line.
    lines = [line.strip() for line in message.split("\n\n")[0].splitlines() if line.strip()]
    said = " ".join([f"{type(error).__name__}:", *lines]) if lines else type(error).__name__
    return said if len(said) <= longest else said[: longest - 1] + "…"


def shown_path(path: str | Path) -> str:
    """The path as it reads from the working directory, or in full if it lies elsewhere."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _place(filename: str, line: int | None) -> str:
    name = "a notebook cell" if "ipykernel_" in filename else shown_path(filename)
    return f"{name}, line {line}" if line else name


def is_users(filename: str) -> bool:
    """Whether a file is the user's: not of the standard library, an installed package or Surefoot."""
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    return not any(path.is_relative_to(folder) for folder in (_OWN, *_INSTALLED))
