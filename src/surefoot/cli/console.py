"""The two channels of the command line: results on standard output, progress on standard error.

Progress is only drawn on a terminal; in a pipe or a file nothing but results and complaints is written. Colour follows
the terminal and the variable NO_COLOR.
"""

from __future__ import annotations

from rich.console import Console

__all__ = ["Channel", "progress_console", "result_console"]


class Channel(Console):
    """A rich console that lets a closed pipe end the program quietly, wherever it is noticed."""

    def on_broken_pipe(self) -> None:
        """Pass the error on: rich would end the process with exit code 1."""
        raise BrokenPipeError


def result_console(*, err: bool = False) -> Console:
    """Where results are printed; standard error when standard output carries a record."""
    return Channel(stderr=err, highlight=False, soft_wrap=False, emoji=False)


def progress_console(*, quiet: bool) -> Console | None:
    """Where progress is drawn; None when nobody would see it."""
    console = Channel(stderr=True, highlight=False, emoji=False)
    return console if console.is_terminal and not quiet else None
