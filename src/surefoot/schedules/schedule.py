"""Schedules: step -> rate, as frozen values.

A *schedule* gives the rate of update `step`, for steps 0 to ``steps - 1`` of a training. Its *peak* is the rate it is
scaled to: every schedule is proportional to its peak, so a search over rates is a search over peaks. `make` builds
one by name; `NAMES` lists them.

Steps past the end keep the last rate: a schedule never climbs again.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any, ClassVar, Self

from surefoot.errors import RecipeError

__all__ = ["Schedule", "check_range", "make", "names", "register"]

_BY_NAME: dict[str, type[Schedule]] = {}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Base of all schedules. Subclasses define `factor`, the rate at peak 1."""

    name: ClassVar[str] = ""

    peak: float
    """The rate the schedule is scaled to; finite and above 0."""
    steps: int
    """Updates of the training it is laid out for; from 1."""

    def __post_init__(self) -> None:
        """Refuse a peak or length that no training can have."""
        if not (math.isfinite(self.peak) and self.peak > 0):
            raise RecipeError(f"`peak` is {self.peak!r}; a rate is a finite number above 0")
        if self.steps < 1:
            raise RecipeError(f"`steps` is {self.steps!r}; a schedule needs at least 1 step")

    def __call__(self, step: int) -> float:
        """The rate of update `step` (from 0)."""
        return self.peak * self.factor(min(max(step, 0), self.steps - 1))

    def factor(self, step: int) -> float:
        """The rate of update `step`, 0 to ``steps - 1``, at peak 1."""
        raise NotImplementedError

    def momentum(self, step: int) -> float | None:  # noqa: ARG002
        """The momentum (or Adam's first beta) of update `step`; None leaves it to the optimizer."""
        return None

    def scaled_to(self, steps: int) -> Self:
        """The same schedule laid out for a training of `steps` updates."""
        return dataclasses.replace(self, steps=steps)

    def lrs(self) -> list[float]:
        """The rate of every update, in order."""
        return [self(step) for step in range(self.steps)]


def register(schedule: type[Schedule]) -> type[Schedule]:
    """Class decorator: let `make` build the schedule by its `name`."""
    _BY_NAME[schedule.name] = schedule
    return schedule


def names() -> list[str]:
    """Names that `make` knows, in alphabetical order."""
    return sorted(_BY_NAME)


def make(name: str, peak: float, steps: int, **options: Any) -> Schedule:
    """Build the schedule `name` with the given peak rate over `steps` updates.

    Raises:
        RecipeError: no such schedule or option, or a value out of range.
    """
    found = _BY_NAME.get(name)
    if found is None:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(names())}"
        raise RecipeError(f"`schedule` is {name!r}, which Surefoot does not know; {hint}")
    known = {field.name for field in dataclasses.fields(found)} - {"peak", "steps"}
    for option in options:
        if option not in known:
            listed = ", ".join(f"`{one}`" for one in sorted(known)) or "no options"
            raise RecipeError(f"schedule `{name}` has no option `{option}`; it takes {listed}")
    return found(peak=float(peak), steps=int(steps), **options)


def check_range(option: str, value: object, low: float, high: float, *, low_open: bool = False) -> None:
    """Raise RecipeError unless `value` is a number from `low` (excluded if `low_open`) to `high`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        above = value > low if low_open else value >= low
        if above and value <= high:
            return
    start = f"above {low:g}" if low_open else f"from {low:g}"
    stop = "" if math.isinf(high) else f" to {high:g}"
    raise RecipeError(f"`{option}` is {value!r}; it is a number {start}{stop}")
