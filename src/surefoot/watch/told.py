"""What a training loop tells: numbers in whatever form it has them."""

from __future__ import annotations

from typing import Any

from surefoot.errors import InputError

__all__ = ["told_number"]


def told_number(name: str, value: Any) -> float:
    """A loss or metric as a number.

    Raises:
        InputError: it is no one number.
    """
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise InputError(f"`{name}` is {type(value).__name__}, not one number; give its mean, such as `value.mean()`")
