"""Decays: rates that fall by a law per update or per stage, whatever the length of the training.

The clock of a decay ticks in units of `every`: 1 counts updates, the updates of an epoch count epochs, a share of the
run counts stages. With `staircase` only whole ticks count.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Self

from surefoot.errors import RecipeError
from surefoot.schedules.options import SPAN, Length, check_length, check_range, updates
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule

__all__ = ["Exponential", "InverseSqrt", "InverseTime", "Noam"]


@dataclasses.dataclass(frozen=True)
class _Clocked(Schedule):
    def ticks(self, step: int, every: Length, *, staircase: bool) -> float:
        """Units of `every` until `step`."""
        ticks = step / updates(every, self.steps)
        return float(math.floor(ticks + 1e-9)) if staircase else ticks

    def speed(self, every: Length) -> float:
        """Ticks in the whole training."""
        return self.steps / updates(every, self.steps)


@register
@dataclasses.dataclass(frozen=True)
class InverseTime(_Clocked):
    """``1 / (1 + k t)``, with t in units of `every`: fast at first, then ever slower (Robbins and Monro 1951).

    With ``every`` the updates of an epoch and `staircase`, the rate changes once per epoch.
    """

    name: ClassVar[str] = "inverse-time"

    k: float = 0.01
    """Fall per tick; from 0."""
    every: Length = dataclasses.field(default=1, metadata=SPAN)
    """Updates per tick, or a share of the run."""
    staircase: bool = False
    """Whether only whole ticks count."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("k", self.k, 0.0, math.inf)
        check_length("every", self.every)

    def factor(self, step: int) -> float:
        """``1 / (1 + k t)``."""
        return 1.0 / (1.0 + self.k * self.ticks(step, self.every, staircase=self.staircase))

    def scaled_to(self, steps: int) -> Self:
        """The same curve over a training of `steps` updates: ends as far below the peak."""
        scaled = super().scaled_to(steps)
        faster = self.speed(self.every) / scaled.speed(scaled.every)
        return scaled if math.isclose(faster, 1.0) else dataclasses.replace(scaled, k=self.k * faster)


@register
@dataclasses.dataclass(frozen=True)
class Exponential(_Clocked):
    """``gamma^t``, with t in units of `every`. A gamma above 1 raises the rate, as a range test does.

    The same rates as torch's ``ExponentialLR(gamma)`` for `every` 1.
    """

    name: ClassVar[str] = "exponential"

    gamma: float = 0.1
    """Factor per tick; above 0."""
    every: Length = dataclasses.field(default=0.5, metadata=SPAN)
    """Updates per tick, or a share of the run."""
    staircase: bool = False
    """Whether only whole ticks count."""
    end_factor: float = 0.0
    """The rate does not fall below this share of the peak; 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges, or a rate that grows without bound."""
        super().__post_init__()
        check_range("gamma", self.gamma, 0.0, math.inf, low_open=True)
        check_length("every", self.every)
        check_range("end_factor", self.end_factor, 0.0, 1.0)
        if self.gamma > 1:
            check_finite("gamma", self.gamma, self.peak, self.speed(self.every) * math.log(self.gamma))

    def factor(self, step: int) -> float:
        """``gamma^t``, at least `end_factor`."""
        return max(float(self.gamma ** self.ticks(step, self.every, staircase=self.staircase)), self.end_factor)

    def scaled_to(self, steps: int) -> Self:
        """The same curve over a training of `steps` updates: ends as far below the peak."""
        scaled = super().scaled_to(steps)
        faster = self.speed(self.every) / scaled.speed(scaled.every)
        return scaled if math.isclose(faster, 1.0) else dataclasses.replace(scaled, gamma=self.gamma**faster)


@register
@dataclasses.dataclass(frozen=True)
class InverseSqrt(Schedule):
    """``sqrt(timescale / (step + timescale))``: at the peak at step 0, half of it after three timescales.

    Behind a warmup of `timescale` updates it is the schedule of the transformer (Vaswani et al. 2017), and of
    transformers' ``get_inverse_sqrt_schedule``.
    """

    name: ClassVar[str] = "inverse-sqrt"

    timescale: Length = dataclasses.field(default=0.1, metadata=SPAN)
    """Updates after which the rate has fallen to ``1/sqrt(2)``, or a share of the run."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_length("timescale", self.timescale)

    def factor(self, step: int) -> float:
        """``sqrt(timescale / (step + timescale))``."""
        scale = updates(self.timescale, self.steps)
        return math.sqrt(scale / (step + scale))


@register
@dataclasses.dataclass(frozen=True)
class Noam(Schedule):
    """A straight rise over `warmup` updates, then the inverse square root (Vaswani et al. 2017, equation 3).

    Scaled to its peak; the paper's own rates have the peak ``(d_model * warmup)^-0.5``. Updates count from 1, so the
    first one has a rate above 0.
    """

    name: ClassVar[str] = "noam"

    warmup: Length = dataclasses.field(default=0.1, metadata=SPAN)
    """Updates until the peak, or a share of the run."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_length("warmup", self.warmup)
        if self.warmup >= 1 and self.warmup > self.steps:
            raise RecipeError(f"`warmup` is {self.warmup} updates, longer than the run of {self.steps}; shorten it")

    def factor(self, step: int) -> float:
        """``min(n/warmup, sqrt(warmup/n))`` with ``n = step + 1``."""
        warmup, count = max(updates(self.warmup, self.steps), 1.0), step + 1
        return min(count / warmup, math.sqrt(warmup / count))


def check_finite(option: str, value: object, peak: float, log_growth: float) -> None:
    """Raise RecipeError if a rate that grows from `peak` by ``exp(log_growth)`` cannot be written as a number."""
    if math.log(peak) + log_growth > 700.0:
        raise RecipeError(f"`{option}` is {value!r}, which makes the rate infinite before the run ends; lower it")
