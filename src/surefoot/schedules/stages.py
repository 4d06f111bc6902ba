"""Stages: rates that change at certain updates and hold (or lead straight on) in between."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from typing import ClassVar

from surefoot.errors import RecipeError
from surefoot.schedules.decays import check_finite
from surefoot.schedules.options import (
    POINT,
    SPAN,
    Length,
    as_tuple,
    check_choice,
    check_length,
    check_range,
    check_rising,
    updates,
    whole_updates,
)
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule

__all__ = ["MultiStep", "Piecewise", "Step"]


@register
@dataclasses.dataclass(frozen=True)
class Step(Schedule):
    """Falls by `gamma` every `step_size` updates.

    The same rates as torch's ``StepLR(step_size, gamma)``. A share of the run is rounded up, so that a third gives
    three stages.
    """

    name: ClassVar[str] = "step"

    step_size: Length = dataclasses.field(default=1 / 3, metadata=SPAN)
    """Updates in a stage, or a share of the run."""
    gamma: float = 0.1
    """Factor from stage to stage; above 0."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges, or a rate that grows without bound."""
        super().__post_init__()
        check_length("step_size", self.step_size)
        check_range("gamma", self.gamma, 0.0, math.inf, low_open=True)
        if self.gamma > 1:
            check_finite("gamma", self.gamma, self.peak, self._stage(self.steps - 1) * math.log(self.gamma))

    def factor(self, step: int) -> float:
        """``gamma^(step // step_size)``."""
        return float(self.gamma ** self._stage(step))

    def _stage(self, step: int) -> int:
        return step // math.ceil(updates(self.step_size, self.steps))


@register
@dataclasses.dataclass(frozen=True)
class MultiStep(Schedule):
    """Falls by `gamma` at each milestone.

    The same rates as torch's ``MultiStepLR(milestones, gamma)``.
    """

    name: ClassVar[str] = "multi-step"

    milestones: tuple[Length, ...] = dataclasses.field(default=(0.5, 0.75), metadata=POINT)
    """First update of every new stage, or the share of the run before it; rising. A repeated one counts twice."""
    gamma: float = 0.1
    """Factor at a milestone; above 0."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges, or a rate that grows without bound."""
        super().__post_init__()
        object.__setattr__(self, "milestones", as_tuple(self.milestones))
        check_rising("milestones", self.milestones, self.steps)
        check_range("gamma", self.gamma, 0.0, math.inf, low_open=True)
        if self.gamma > 1:
            check_finite("gamma", self.gamma, self.peak, len(self.milestones) * math.log(self.gamma))

    def factor(self, step: int) -> float:
        """``gamma^(milestones reached)``."""
        return float(self.gamma ** bisect_right([whole_updates(one, self.steps) for one in self.milestones], step))


@register
@dataclasses.dataclass(frozen=True)
class Piecewise(Schedule):
    """Given factors from given updates on: held until the next, or led to it along a line or half a cosine."""

    name: ClassVar[str] = "piecewise"

    at: tuple[Length, ...] = dataclasses.field(default=(0.5,), metadata=POINT)
    """Updates (or shares of the run) from which the second and later factors hold; rising. A factor that is led to
    may lie at the end of the run."""
    factors: tuple[float, ...] = (1.0, 0.1)
    """Shares of the peak, one more than `at`; the first holds from update 0. From 0, not all of them 0."""
    shape: str = "constant"
    """How one factor leads to the next: `constant`, `linear` or `cosine`."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        object.__setattr__(self, "at", as_tuple(self.at))
        object.__setattr__(self, "factors", as_tuple(self.factors))
        check_rising("at", self.at, self.steps, end=self.shape != "constant")
        check_choice("shape", self.shape, ("constant", "linear", "cosine"))
        if len(self.factors) != len(self.at) + 1:
            raise RecipeError(
                f"`factors` has {len(self.factors)} values and `at` has {len(self.at)}; give one factor more"
            )
        for factor in self.factors:
            check_range("factors", factor, 0.0, math.inf)
        if not (max(self.factors) > 0 and math.isfinite(self.peak * max(self.factors))):
            raise RecipeError(f"`factors` is {list(self.factors)!r}; one of them must be above 0, and all rates finite")

    def factor(self, step: int) -> float:
        """The factor that holds at `step`."""
        bounds = [0, *(whole_updates(one, self.steps) for one in self.at)]
        stage = bisect_right(bounds, step) - 1
        here = self.factors[stage]
        if self.shape == "constant" or stage == len(self.at):
            return here
        gone = (step - bounds[stage]) / (bounds[stage + 1] - bounds[stage])
        if self.shape == "cosine":
            gone = (1.0 - math.cos(math.pi * gone)) / 2.0
        return here + (self.factors[stage + 1] - here) * gone
