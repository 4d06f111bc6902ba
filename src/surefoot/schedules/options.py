"""Options of schedules: their ranges, and the *length*, which is a number of updates or a share of the run.

A length below 1 is a share of the updates that the schedule is laid out for; from 1 on it is a number of updates. A
schedule whose lengths are all shares has the same shape whatever the length of the training.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from surefoot.errors import RecipeError

__all__ = [
    "POINT",
    "SPAN",
    "Length",
    "as_tuple",
    "check_choice",
    "check_length",
    "check_range",
    "check_rising",
    "check_whole",
    "nearest",
    "scaled_length",
    "updates",
    "whole_updates",
]

Length: TypeAlias = int | float
"""Below 1 a share of the run, from 1 a number of updates."""

SPAN: Mapping[str, Any] = {"length": "span"}
"""Metadata of a field that holds a length of at least 1 update."""
POINT: Mapping[str, Any] = {"length": "point"}
"""Metadata of a field that holds a length from the start of the run to a point inside it, from update 0."""


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say to somebody who wrote `name` where one of `known` was needed."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_range(option: str, value: object, low: float, high: float, *, low_open: bool = False) -> None:
    """Raise RecipeError unless `value` is a finite number from `low` (excluded if `low_open`) to `high`."""
    if isinstance(value, int | float) and _is_number(value):
        above = value > low if low_open else value >= low
        if above and value <= high:
            return
    start = f"above {low:g}" if low_open else f"from {low:g}"
    stop = "" if math.isinf(high) else f" to {high:g}"
    raise RecipeError(f"`{option}` is {value!r}; it is a finite number {start}{stop}")


def check_whole(option: str, value: object, low: int) -> None:
    """Raise RecipeError unless `value` is a whole number from `low`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise RecipeError(f"`{option}` is {value!r}; it is a whole number from {low}")


def check_choice(option: str, value: object, known: Sequence[str]) -> None:
    """Raise RecipeError unless `value` is one of `known`."""
    if value not in known:
        raise RecipeError(f"`{option}` is {value!r}; {nearest(str(value), known)}")


def check_length(option: str, value: object, *, zero: bool = False) -> None:
    """Raise RecipeError unless `value` is a length (or 0, if `zero`)."""
    if isinstance(value, int | float) and _is_number(value):
        whole = value == int(value) and value >= (0 if zero else 1)
        if whole or 0 < value < 1:
            return
    start = "0, " if zero else ""
    raise RecipeError(
        f"`{option}` is {value!r}; it is {start}a share of the run (above 0, below 1) or a whole number of updates"
    )


def check_rising(option: str, values: Sequence[Length], steps: int, *, end: bool = False) -> None:
    """Raise RecipeError unless `values` are lengths in rising order, below `steps` (or up to it, if `end`)."""
    for value in values:
        check_length(option, value, zero=True)
    places = [whole_updates(value, steps) for value in values]
    if places != sorted(places):
        raise RecipeError(f"`{option}` is {list(values)!r}, which is not in rising order; sort it")
    if places and max(values) >= 1 and places[-1] >= steps + end:
        raise RecipeError(f"`{option}` is {list(values)!r} in a run of {steps} updates; it must lie below {steps}")


def as_tuple(values: Any) -> tuple[Any, ...]:
    """A list or tuple as a tuple; anything else as a tuple of one."""
    return tuple(values) if isinstance(values, list | tuple) else (values,)


def updates(value: Length, steps: int) -> float:
    """The length in updates of a run of `steps`; a share is not rounded, but freed of rounding errors."""
    if value >= 1:
        return float(value)
    exact = value * steps
    return float(round(exact)) if math.isclose(exact, round(exact), rel_tol=1e-9) else exact


def whole_updates(value: Length, steps: int) -> int:
    """The length in whole updates; a share stays below `steps`."""
    return int(value) if value >= 1 else min(round(updates(value, steps)), steps - 1)


def scaled_length(value: Any, kind: str, old: int, new: int) -> Any:
    """The length `value` of a run of `old` updates, in one of `new`."""
    if isinstance(value, tuple):
        return tuple(scaled_length(one, kind, old, new) for one in value)
    if value is None or abs(value) < 1:
        return value
    scaled = round(value * new / old)
    return max(1, scaled) if kind == "span" else min(scaled, new - 1)
