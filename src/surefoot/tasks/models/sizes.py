"""Sizes of a model, checked where it is made: a wrong one is told in one line instead of from inside a layer."""

from __future__ import annotations

from surefoot.errors import InputError

__all__ = ["check_share", "check_size"]


def check_size(name: str, value: object, least: int = 1) -> int:
    """The value as a whole number of at least `least`.

    Raises:
        InputError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"`{name}` is {value!r}; give a whole number of {least} or more")
    return value


def check_share(name: str, value: object) -> float:
    """The value as a share from 0 up to, but not, 1.

    Raises:
        InputError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InputError(f"`{name}` is {value!r}; give a share of 0 or more and below 1")
    return float(value)
