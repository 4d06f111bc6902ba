"""Warmup: a rise to the peak in front of any schedule (Goyal et al. 2017)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from surefoot.errors import RecipeError
from surefoot.schedules.compose import Composed
from surefoot.schedules.options import POINT, Length, check_choice, check_length, check_range, whole_updates
from surefoot.schedules.plain import Constant
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule
from surefoot.schedules.spec import laid_out

__all__ = ["SHAPES", "Warmup", "ramp", "warmup"]

SHAPES = ("linear", "constant", "exponential", "cosine", "1-sqrt")


@register
@dataclasses.dataclass(frozen=True)
class Warmup(Composed):
    """`length` updates on the way to the peak, then another schedule.

    With `start_factor` the same rates as torch's ``LinearLR(start_factor=start, total_iters=length)`` (`linear`) or
    ``ConstantLR(factor=start, total_iters=length)`` (`constant`) in front. Without it no update is lost to a rate of 0.
    """

    name: ClassVar[str] = "warmup"

    shape: str = "linear"
    """`linear`, `constant`, `exponential`, `cosine` or `1-sqrt`."""
    length: Length = dataclasses.field(default=0.05, metadata=POINT)
    """Updates of the warmup, or a share of the run; the peak is reached after them. 0 for none."""
    start_factor: float | None = None
    """Factor of the first update; 0 to 1 (exponential: above 0). None takes ``1/(length + 1)``, one rung of a ladder
    that has the peak on top; 0.1 for `constant`."""
    then: Schedule = None  # type: ignore[assignment]
    """What follows; None stays at the peak."""
    overlap: bool = False
    """Whether the clock of what follows starts with the warmup, instead of after it."""

    def __post_init__(self) -> None:
        """Lay out what follows; refuse options out of their ranges and a warmup longer than the run."""
        super().__post_init__()
        check_length("length", self.length, zero=True)
        ramp(self.shape, 0, 1, self.start_factor)
        length = whole_updates(self.length, self.steps)
        if length >= self.steps:
            raise RecipeError(f"`length` is {self.length} updates and the run has {self.steps}; shorten it")
        then: Any = Constant(1.0, 1) if self.then is None else self.then
        object.__setattr__(self, "then", laid_out(then, self.steps - (0 if self.overlap else length)))

    def held(self) -> tuple[Schedule, ...]:
        """What follows."""
        return (self.then,)

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """The ramp alone, then what follows alone."""
        length = whole_updates(self.length, self.steps)
        if step < length:
            return ramp(self.shape, step, length, self.start_factor), ()
        return 1.0, ((0, step - (0 if self.overlap else length)),)

    def momentum(self, step: int) -> float | None:
        """Momentum of what follows; during the warmup that of its first update."""
        length = whole_updates(self.length, self.steps)
        return self.then.momentum(step if self.overlap else max(step - length, 0))


def ramp(shape: str, step: int, length: int, start: float | None) -> float:
    """Factor of update `step` of a warmup of `length` updates that starts at `start` and would be 1 at `length`.

    Raises:
        RecipeError: no such shape, or `start` out of its range.
    """
    check_choice("shape", shape, SHAPES)
    if start is None:
        start = 0.1 if shape == "constant" else 1.0 / (length + 1)
    check_range("start", start, 0.0, 1.0, low_open=shape == "exponential")
    done = step / length
    if shape == "constant":
        return start
    if shape == "exponential":
        return float(start ** (1.0 - done))
    if shape == "cosine":
        done = (1.0 - math.cos(math.pi * done)) / 2.0
    elif shape == "1-sqrt":
        done = 1.0 - math.sqrt(1.0 - done)
    return start + (1.0 - start) * done


def warmup(then: Schedule, length: int, shape: str = "linear", start_factor: float | None = None) -> Schedule:
    """`then` behind a warmup of `length` updates; the whole is that much longer."""
    inner = dataclasses.replace(then, peak=1.0)
    return Warmup(then.peak, then.steps + length, shape=shape, length=length, start_factor=start_factor, then=inner)
