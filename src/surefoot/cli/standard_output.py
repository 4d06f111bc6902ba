"""Standard output, kept for the result: what a script reads is not mixed with what else is printed.

A user's task file, model or library may print whatever it likes, in this process and in those that it starts. Once
standard output is kept, all of that goes to standard error, and `print_result` alone reaches standard output.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TextIO

__all__ = ["discard", "give_back", "is_closed", "keep_for_result", "print_result"]

_DESCRIPTOR = 1
_python: TextIO | None = None
"""What `sys.stdout` was before it was kept; None while it is not kept."""
_result: TextIO | None = None
"""Where results go while it is kept."""


def is_closed() -> bool:
    """Whether the process was started without standard output."""
    return _python is None and sys.stdout is None


def keep_for_result() -> None:
    """From here on only `print_result` writes to standard output."""
    global _python, _result
    stream = sys.stdout
    if _python is not None or stream is None:
        return
    _python = _result = stream
    stream.flush()
    if sys.__stdout__ is not None and stream is sys.__stdout__ and _number_of(stream) == _DESCRIPTOR:
        # Processes that are started, and code that is not Python's, know the descriptor alone.
        copy = os.dup(_DESCRIPTOR)
        _result = open(copy, "w", encoding=stream.encoding, errors=stream.errors)  # noqa: SIM115 - until the end
        _lead_to(sys.stderr)
    sys.stdout = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the life of the process


def give_back() -> None:
    """Let everybody write to standard output again."""
    global _python, _result
    if _python is None:
        return
    sys.stdout.flush()
    if _result is not None and _result is not _python:
        os.dup2(_result.fileno(), _DESCRIPTOR)
        with contextlib.suppress(OSError):
            _result.close()
    sys.stdout = _python
    _python = _result = None


def print_result(text: str) -> None:
    """Write `text` to standard output, now.

    Raises:
        OSError: it cannot be written: the disk is full, or nobody reads any more.
    """
    stream = sys.stdout if _result is None else _result
    if stream is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    stream.write(text)
    stream.flush()


def discard() -> None:
    """Drop what standard output still holds, after it failed; at the end Python would try once more and complain."""
    number = _number_of(sys.stdout if _result is None else _result)
    if number is not None:
        with contextlib.suppress(OSError):
            _lead(number, os.devnull)


def _lead_to(stream: TextIO | None) -> None:
    number = _number_of(stream)
    if number is None:
        _lead(_DESCRIPTOR, os.devnull)
    else:
        os.dup2(number, _DESCRIPTOR)


def _lead(number: int, path: str) -> None:
    other = os.open(path, os.O_WRONLY)
    os.dup2(other, number)
    os.close(other)


def _number_of(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
