"""Numbers of other libraries, such as NumPy's and torch's, as Python's own, which every file and check knows."""

from __future__ import annotations

import numbers
from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """`value` with every number in it as one of Python's; arrays become lists, everything else is as it was."""
    if isinstance(value, bool | str | bytes):
        return value
    if hasattr(value, "tolist") and hasattr(value, "ndim"):
        return value.tolist()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if type(value) in (list, tuple):
        return type(value)(plain(one) for one in value)
    return {key: plain(one) for key, one in value.items()} if type(value) is dict else value
