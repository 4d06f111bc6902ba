"""Feedback schedules: state machines that follow a metric, such as the validation loss.

``state = plateau.start()``, then ``state, rate = plateau.next(state, metric)`` after every validation. States are
values: keep one, go back to it, compare two. A feedback schedule has no rate by step alone, and can be a part of any
composed schedule: ``make("warmup:linear:500+plateau", ...)`` warms up, then follows the metric. There ``next(state)``
counts an update, and ``tell(state, metric)`` gives the state a metric between two of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from typing import Any, ClassVar, TypeVar

from surefoot.errors import RecipeError
from surefoot.schedules.options import check_choice, check_range, check_whole
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule

__all__ = ["Greedy", "GreedyMemory", "Plateau", "PlateauMemory"]

_SPIKE_HISTORY = 20
"""Metrics that a plateau keeps to know by how much they usually change."""

Memory = TypeVar("Memory")


@dataclasses.dataclass(frozen=True)
class PlateauMemory:
    """What `Plateau` remembers."""

    factor: float = 1.0
    """Present rate as a share of the peak."""
    best: float | None = None
    """Best metric so far."""
    waited: int = 0
    """Measurements without improvement."""
    resting: int = 0
    """Measurements of the cooldown that are left."""
    recent: tuple[float, ...] = ()
    """Last metrics outside of spikes."""
    lowest: float | None = None
    """Best metric since the spike that the training recovers from; None outside of one."""
    level: float | None = None
    """Metric at which that recovery is over."""


@dataclasses.dataclass(frozen=True)
class GreedyMemory:
    """What `Greedy` remembers."""

    factor: float = 1.0
    """Present rate as a share of the peak."""
    best: float | None = None
    """Best metric so far."""
    good: int = 0
    """Improvements in a row."""
    bad: int = 0
    """Measurements without improvement in a row."""
    resting: int = 0
    """Measurements that are still left out after a change of the rate."""
    window: tuple[float, ...] = ()
    """Last metrics, for smoothing."""
    floored: int = 0
    """Reductions that were asked for at the lowest rate."""


@dataclasses.dataclass(frozen=True)
class _Feedback(Schedule):
    mode: str = "min"
    """Whether a good metric is low (`min`) or high (`max`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("mode", self.mode, ("min", "max"))

    @property
    def follows_metric(self) -> bool:
        return True

    def factor(self, step: int) -> float:  # noqa: ARG002
        raise RecipeError(
            f"schedule `{self.name}` follows a metric and has no rate by step alone; use `next(state, metric)`, "
            "or `torch(optimizer)` and its `step(metric)`"
        )

    def followed(self, memory: Any, step: int) -> float:  # noqa: ARG002
        return float(memory.factor)

    def improved(self, metric: float, best: float | None, threshold: float, threshold_mode: str) -> bool:
        """Whether `metric` is better than `best` by more than the threshold; never for NaN or an infinity."""
        if best is None or not math.isfinite(metric):
            return math.isfinite(metric)
        # torch multiplies the best by 1 - threshold, which calls every value an improvement where metrics are negative.
        margin = threshold * abs(best) if threshold_mode == "rel" else threshold
        return metric < best - margin if self.mode == "min" else metric > best + margin


@register
@dataclasses.dataclass(frozen=True)
class Plateau(_Feedback):
    """Falls by `reduction` when the metric has not improved for more than `patience` measurements.

    The same rates as torch's ``ReduceLROnPlateau(eps=0)`` where the metric is positive and has no spike. After a spike
    (a jump out of the range in which the metric has been moving), every new best since the spike restarts the wait,
    until the metric is back at its old level: a training that recovers is not on a plateau.
    """

    name: ClassVar[str] = "plateau"
    aliases: ClassVar[tuple[str, ...]] = ("reduce-on-plateau", "reduce_lr_on_plateau")

    patience: int = 10
    """Measurements without improvement that are borne; from 0."""
    reduction: float = 0.1
    """Factor of each fall; above 0, below 1."""
    threshold: float = 1e-4
    """An improvement is larger than this; from 0."""
    threshold_mode: str = "rel"
    """Whether the threshold is a share of the best metric (`rel`) or in its units (`abs`)."""
    cooldown: int = 0
    """Measurements after a fall that do not count as waiting; from 0."""
    min_factor: float = 0.0
    """The rate does not fall below this share of the peak; 0 to 1."""
    spike: float | None = 6.0
    """A jump is a spike above this many typical changes; above 0, or None to take no notice of spikes, as torch."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_whole("patience", self.patience, 0)
        check_whole("cooldown", self.cooldown, 0)
        check_range("reduction", self.reduction, 0.0, 1.0, low_open=True)
        if self.reduction == 1:
            raise RecipeError("`reduction` is 1, which never lowers the rate; take a factor below 1")
        check_range("threshold", self.threshold, 0.0, math.inf)
        check_choice("threshold_mode", self.threshold_mode, ("rel", "abs"))
        check_range("min_factor", self.min_factor, 0.0, 1.0)
        if self.spike is not None:
            check_range("spike", self.spike, 0.0, math.inf, low_open=True)

    def fresh(self) -> PlateauMemory:
        """Nothing seen yet."""
        return PlateauMemory()

    def recall(self, plain: Any) -> PlateauMemory:
        """The memory from its plain form."""
        return _recalled(PlateauMemory, plain)

    def watched(self, memory: PlateauMemory, step: int, metric: float) -> PlateauMemory:  # noqa: ARG002
        """The memory after one more measurement."""
        better = self.improved(metric, memory.best, self.threshold, self.threshold_mode)
        waited = 0 if better else memory.waited + 1
        memory, recovers = self._recovering(memory, metric)
        if recovers or memory.resting:
            waited = 0
        resting, factor = max(memory.resting - 1, 0), memory.factor
        if waited > self.patience:
            factor, resting, waited = max(factor * self.reduction, self.min_factor), self.cooldown, 0
        best = metric if better else memory.best
        return dataclasses.replace(memory, factor=factor, best=best, waited=waited, resting=resting)

    def _recovering(self, memory: PlateauMemory, metric: float) -> tuple[PlateauMemory, bool]:
        """Notice spikes, and whether the training is on its way back from one."""
        if self.spike is None:
            return memory, False
        sign = 1.0 if self.mode == "min" else -1.0
        if memory.level is not None:
            if sign * metric > sign * memory.level or math.isnan(metric):
                lower = self.improved(metric, memory.lowest, self.threshold, self.threshold_mode)
                return (dataclasses.replace(memory, lowest=metric) if lower else memory), lower
            memory = dataclasses.replace(memory, lowest=None, level=None)
        recent = memory.recent
        if len(recent) > 2:
            usual = statistics.fmean(abs(after - before) for before, after in itertools.pairwise(recent))
            middle = statistics.median(recent[-5:])
            jump = sign * (metric - middle)
            if not jump <= max(self.spike * usual, self.threshold * abs(middle)):
                lowest = metric if math.isfinite(metric) else None
                return dataclasses.replace(memory, lowest=lowest, level=middle + sign * 2.0 * usual), True
        if not math.isfinite(metric):
            return memory, False
        return dataclasses.replace(memory, recent=(*recent, metric)[-_SPIKE_HISTORY:]), False


@register
@dataclasses.dataclass(frozen=True)
class Greedy(_Feedback):
    """Rises while the metric keeps improving and falls while it does not (GreedyLR, Kumar et al. 2025).

    The same rates as transformers' ``GreedyLR(eps=0)`` with `min_factor` and `max_factor` as shares of the peak. Its
    own defaults are rates (1e-3 and 1), so that from a peak of 5e-5 it can only rise.
    """

    name: ClassVar[str] = "greedy"

    reduction: float = 0.95
    """Factor of a fall, and one over that of a rise; above 0, below 1."""
    patience: int = 10
    """Improvements (or measurements without one) in a row that are borne; from 0."""
    threshold: float = 1e-6
    """An improvement is larger than this; from 0."""
    threshold_mode: str = "abs"
    """Whether the threshold is a share of the best metric (`rel`) or in its units (`abs`)."""
    cooldown: int = 0
    """Measurements left out after a fall; from 0."""
    warmup: int = 0
    """Measurements left out after a rise; from 0."""
    min_factor: float = 0.01
    """Lowest rate as a share of the peak; above 0, up to 1."""
    max_factor: float = 10.0
    """Highest rate as a share of the peak; from 1."""
    window: int = 1
    """Metrics that are averaged before they are judged; 1 for none."""
    reset_after: int = 500
    """Falls asked for at the lowest rate after which everything starts again; from 1."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("reduction", self.reduction, 0.0, 1.0, low_open=True)
        if self.reduction == 1:
            raise RecipeError("`reduction` is 1, which never changes the rate; take a factor below 1")
        for option in ("patience", "cooldown", "warmup"):
            check_whole(option, getattr(self, option), 0)
        check_range("threshold", self.threshold, 0.0, math.inf)
        check_choice("threshold_mode", self.threshold_mode, ("rel", "abs"))
        check_range("min_factor", self.min_factor, 0.0, 1.0, low_open=True)
        check_range("max_factor", self.max_factor, 1.0, math.inf)
        check_whole("window", self.window, 1)
        check_whole("reset_after", self.reset_after, 1)

    def fresh(self) -> GreedyMemory:
        """Nothing seen yet."""
        return GreedyMemory()

    def recall(self, plain: Any) -> GreedyMemory:
        """The memory from its plain form."""
        return _recalled(GreedyMemory, plain)

    def watched(self, memory: GreedyMemory, step: int, metric: float) -> GreedyMemory:  # noqa: ARG002
        """The memory after one more measurement."""
        window = (*memory.window, metric)[-self.window :]
        if memory.resting:
            return dataclasses.replace(memory, window=window, resting=memory.resting - 1, good=0, bad=0)
        mean = math.fsum(window) / len(window) if all(map(math.isfinite, window)) else math.nan
        factor, floored, resting = memory.factor, memory.floored, 0
        if self.improved(mean, memory.best, self.threshold, self.threshold_mode):
            best, good, bad = mean, memory.good + 1, 0
        else:
            best, good, bad = memory.best, 0, memory.bad + 1  # type: ignore[assignment]
        if good > self.patience:
            factor, floored = min(factor / self.reduction, self.max_factor), 0
            good, resting = 0, self.warmup
        elif bad > self.patience:
            factor = max(factor * self.reduction, self.min_factor)
            bad, resting = 0, self.cooldown
            if factor <= self.min_factor:
                floored += 1
                if floored >= self.reset_after:
                    return self.fresh()
        return GreedyMemory(factor, best, good, bad, resting, window, floored)


def _recalled(kind: type[Memory], plain: Any) -> Memory:
    try:
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()})
    except (AttributeError, TypeError):
        raise RecipeError(f"`memory` is {plain!r}, which this schedule did not write; start it anew") from None
