"""The tree of errors. Every error a user can cause or mend is one of these; anything else is a defect.

Every message is one line: the argument in backticks, the value that was met, what is allowed, and the remedy.
The command line prints it behind ``surefoot:`` and exits with code 2.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "InputError",
    "MemoryBoundError",
    "OutputError",
    "RecipeError",
    "RecordError",
    "SurefootError",
    "TaskError",
]


class SurefootError(Exception):
    """Base of all errors that Surefoot raises on purpose."""


class InputError(SurefootError):
    """An argument, name or value that cannot be used."""


class TaskError(InputError):
    """The user's model, loss, metric or task file cannot be trained as it stands."""


class DataError(InputError):
    """The data is missing, empty, damaged, or does not fit the model and loss."""


class RecipeError(InputError):
    """The way of training that was asked for (optimizer, options, schedule, batch size) is impossible."""


class RecordError(InputError):
    """A file is no Surefoot record, is damaged, or was written by a newer version."""


class MemoryBoundError(SurefootError):
    """The work does not fit into the memory that was allowed, even one member at a time."""


class OutputError(SurefootError):
    """A result could not be written: no such folder, no permission, disk full."""
