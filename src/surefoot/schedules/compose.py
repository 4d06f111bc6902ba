"""Composition: schedules made of schedules, to any depth.

A *part* of a composed schedule is a schedule over the updates that the part takes; its own peak is a share of the
whole's. `join` puts schedules one after the other, `chain` multiplies them, `repeat` starts one again, `offset` starts
in the middle of one (or waits before it), `replan` changes the horizon of one that is under way.

A composed schedule says for every step where each of its parts stands; rates, momenta and memories follow from that.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from surefoot.errors import RecipeError
from surefoot.schedules.options import (
    POINT,
    SPAN,
    Length,
    as_tuple,
    check_range,
    check_rising,
    check_whole,
    whole_updates,
)
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule
from surefoot.schedules.spec import laid_out

__all__ = ["Chain", "Composed", "Join", "Offset", "Repeat", "Replan", "chain", "join", "offset", "repeat", "replan"]


@dataclasses.dataclass(frozen=True)
class Composed(Schedule):
    """Base of schedules made of parts. Subclasses define `held`, the parts, and `placed`, where they stand."""

    def held(self) -> tuple[Schedule, ...]:
        """The parts, in order."""
        raise NotImplementedError

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """A factor of the whole's own, and number and step of every part that acts at `step`."""
        raise NotImplementedError

    def factor(self, step: int) -> float:
        """Product of the whole's own factor and the rates of the acting parts."""
        factor, acting = self.placed(step)
        for number, place in acting:
            factor *= self.held()[number](place)
        return factor

    def momentum(self, step: int) -> float | None:
        """Momentum of the first acting part that has one."""
        for number, place in self.placed(min(max(step, 0), self.steps - 1))[1]:
            momentum = self.held()[number].momentum(place)
            if momentum is not None:
                return momentum
        return None

    @property
    def follows_metric(self) -> bool:
        """Whether any part does."""
        return any(part.follows_metric for part in self.held())

    def fresh(self) -> Any:
        """The memories of the parts."""
        return tuple(part.fresh() for part in self.held()) if self.follows_metric else None

    def watched(self, memory: Any, step: int, metric: float) -> Any:
        """The memories after the acting parts have seen `metric`."""
        if memory is None:
            return None
        seen = list(memory)
        for number, place in self.placed(step)[1]:
            part = self.held()[number]
            seen[number] = part.watched(seen[number], min(max(place, 0), part.steps - 1), metric)
        return tuple(seen)

    def followed(self, memory: Any, step: int) -> float:
        """Product of the whole's own factor and the rates of the acting parts."""
        if memory is None:
            return self.factor(step)
        factor, acting = self.placed(step)
        for number, place in acting:
            part = self.held()[number]
            factor *= part.peak * part.followed(memory[number], min(max(place, 0), part.steps - 1))
        return factor

    def recall(self, plain: Any) -> Any:
        """The memories of the parts."""
        if plain is None:
            return None
        return tuple(part.recall(one) for part, one in zip(self.held(), plain, strict=True))


@register
@dataclasses.dataclass(frozen=True)
class Join(Composed):
    """One schedule after the other, each with its own clock, and not one step lost at any depth.

    The same rates as torch's ``SequentialLR(schedulers, milestones=at)`` that is not nested.
    """

    name: ClassVar[str] = "join"

    parts: tuple[Schedule, ...] = ()
    """The schedules, each over its own stretch."""
    at: tuple[Length, ...] = dataclasses.field(default=(), metadata=POINT)
    """First update of the second and later parts, or the share of the run before it; rising."""

    def __post_init__(self) -> None:
        """Lay the parts out over their stretches; refuse stretches that do not fit the run."""
        super().__post_init__()
        object.__setattr__(self, "at", as_tuple(self.at))
        parts = as_tuple(self.parts)
        if not parts or len(self.at) != len(parts) - 1:
            raise RecipeError(f"`at` has {len(self.at)} values for {len(parts)} `parts`; give one less than parts")
        check_rising("at", self.at, self.steps)
        bounds = [*self._bounds(), self.steps]
        laid = (laid_out(part, max(1, bounds[n + 1] - bounds[n])) for n, part in enumerate(parts))
        object.__setattr__(self, "parts", tuple(laid))

    def _bounds(self) -> list[int]:
        return [0, *(whole_updates(one, self.steps) for one in self.at)]

    def held(self) -> tuple[Schedule, ...]:
        """The parts, in order."""
        return self.parts

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """The part whose turn it is."""
        bounds = self._bounds()
        number = max(n for n, bound in enumerate(bounds) if bound <= step)
        return 1.0, ((number, step - bounds[number]),)


@register
@dataclasses.dataclass(frozen=True)
class Chain(Composed):
    """The product of schedules that all run over the whole training, as torch's ``ChainedScheduler``."""

    name: ClassVar[str] = "chain"

    parts: tuple[Schedule, ...] = ()
    """The schedules that are multiplied."""

    def __post_init__(self) -> None:
        """Lay the parts out over the run."""
        super().__post_init__()
        parts = as_tuple(self.parts)
        if not parts:
            raise RecipeError("`parts` is empty; a chain multiplies at least one schedule")
        object.__setattr__(self, "parts", tuple(laid_out(part, self.steps) for part in parts))
        if not self.follows_metric and not all(math.isfinite(self(step)) for step in (0, self.steps - 1)):
            raise RecipeError("`parts` multiply to an infinite rate; lower their growth")

    def held(self) -> tuple[Schedule, ...]:
        """The parts, in order."""
        return self.parts

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """All parts, at the same step."""
        return 1.0, tuple((number, step) for number in range(len(self.parts)))


@register
@dataclasses.dataclass(frozen=True)
class Repeat(Composed):
    """The same schedule again and again; the last repetition is cut where the run ends."""

    name: ClassVar[str] = "repeat"

    part: Schedule = None  # type: ignore[assignment]
    """What is repeated, over the run divided by `times`, rounded up."""
    times: int = 2
    """How often; from 1."""
    decay: float = 1.0
    """Peak of a repetition over the one before it; above 0."""

    def __post_init__(self) -> None:
        """Lay the part out over one repetition."""
        super().__post_init__()
        check_whole("times", self.times, 1)
        check_range("decay", self.decay, 0.0, math.inf, low_open=True)
        if self.part is None:
            raise RecipeError("`part` is missing; say what is repeated")
        object.__setattr__(self, "part", laid_out(self.part, math.ceil(self.steps / self.times)))
        if self.part.follows_metric:
            raise RecipeError("`part` follows a metric, which does not start again; repeat what does not")
        if math.log(self.peak) + math.log(self.decay) * (self.times - 1) > 700.0:
            raise RecipeError(f"`decay` is {self.decay!r}, which makes the rate infinite; lower it")

    def held(self) -> tuple[Schedule, ...]:
        """The one part."""
        return (self.part,)

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """The part, at its step within the repetition."""
        repetition, place = divmod(step, self.part.steps)
        return float(self.decay**repetition), ((0, place),)


@register
@dataclasses.dataclass(frozen=True)
class Offset(Composed):
    """A schedule from its step `by` on; a `by` below 0 holds the first rate for that many steps before it starts."""

    name: ClassVar[str] = "offset"

    part: Schedule = None  # type: ignore[assignment]
    """The schedule, over ``steps + by`` updates."""
    by: int = 0
    """Updates left out at the beginning, or (below 0) waited."""

    def __post_init__(self) -> None:
        """Lay the part out over its whole length."""
        super().__post_init__()
        if not isinstance(self.by, int) or isinstance(self.by, bool):
            raise RecipeError(f"`by` is {self.by!r}; it is a whole number of updates")
        if self.part is None:
            raise RecipeError("`part` is missing; say which schedule is moved")
        if self.steps + self.by < 1:
            raise RecipeError(f"`by` waits for {-self.by} updates in a run of {self.steps}; wait for less")
        object.__setattr__(self, "part", laid_out(self.part, self.steps + self.by))

    def scaled_to(self, steps: int) -> Offset:
        """The same shape over a training of `steps` updates."""
        if steps == self.steps:
            return self
        by = max(round(self.by * steps / self.steps), 1 - steps)
        return dataclasses.replace(self, steps=steps, by=by)

    def held(self) -> tuple[Schedule, ...]:
        """The one part."""
        return (self.part,)

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """The part, `by` steps further on."""
        return 1.0, ((0, step + self.by),)


@register
@dataclasses.dataclass(frozen=True)
class Replan(Composed):
    """A schedule whose horizon was changed under way: what was left of it is stretched over what is left now.

    From update `since` on the rate starts where it was and ends where the first plan would have ended.
    """

    name: ClassVar[str] = "replan"

    part: Schedule = None  # type: ignore[assignment]
    """The first plan, over `planned` updates."""
    planned: int = dataclasses.field(default=1, metadata=SPAN)
    """Updates that the first plan was laid out for."""
    since: int = dataclasses.field(default=0, metadata=POINT)
    """Updates that were made when the horizon changed; below both horizons."""

    def __post_init__(self) -> None:
        """Lay the first plan out; refuse a change after the end."""
        super().__post_init__()
        check_whole("planned", self.planned, 1)
        check_whole("since", self.since, 0)
        if self.part is None:
            raise RecipeError("`part` is missing; say what was planned first")
        if self.since >= self.steps:
            raise RecipeError(f"`since` is {self.since} in a run of {self.steps} updates; nothing is left to plan")
        object.__setattr__(self, "part", laid_out(self.part, self.planned))

    def held(self) -> tuple[Schedule, ...]:
        """The first plan."""
        return (self.part,)

    def placed(self, step: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        """The step of the first plan at, or just before, the stretched clock."""
        return 1.0, ((0, math.floor(self._clock(step))),)

    def factor(self, step: int) -> float:
        """The first plan's rate on the stretched clock, along a line between two of its steps."""
        return self._between(step, self.part)

    def followed(self, memory: Any, step: int) -> float:
        """As `factor`, with the memory of the first plan."""
        if memory is None:
            return self.factor(step)
        part = self.part
        return self._between(step, lambda place: part.peak * part.followed(memory[0], min(place, part.steps - 1)))

    def _between(self, step: int, rate: Any) -> float:
        clock = self._clock(step)
        before = math.floor(clock)
        here = float(rate(before))
        return here if clock == before else here + (float(rate(before + 1)) - here) * (clock - before)

    def _clock(self, step: int) -> float:
        if step <= self.since:
            return step
        begin = min(self.since, self.planned - 1)
        left, was_left = self.steps - 1 - self.since, self.planned - 1 - begin
        return begin + was_left * (step - self.since) / left


def join(*parts: Schedule) -> Schedule:
    """One schedule after the other, at their own rates and lengths."""
    peak = max(part.peak for part in parts)
    at, place = [], 0
    for part in parts[:-1]:
        place += part.steps
        at.append(place)
    shares = tuple(dataclasses.replace(part, peak=part.peak / peak) for part in parts)
    return Join(peak, place + parts[-1].steps, parts=shares, at=tuple(at))


def chain(*parts: Schedule) -> Schedule:
    """The product of schedules of one length: the rates are multiplied, so give all but one the peak 1."""
    lengths = sorted({part.steps for part in parts})
    if len(lengths) != 1:
        raise RecipeError(f"`parts` of a chain are laid out for {lengths} updates; they all need the same number")
    peak = math.prod(part.peak for part in parts)
    return Chain(peak, lengths[0], parts=tuple(dataclasses.replace(part, peak=1.0) for part in parts))


def repeat(part: Schedule, times: int, decay: float = 1.0) -> Schedule:
    """`part` as often as `times`, each time with its rates multiplied by `decay` once more."""
    check_whole("times", times, 1)
    return Repeat(part.peak, part.steps * times, part=dataclasses.replace(part, peak=1.0), times=times, decay=decay)


def offset(part: Schedule, by: int) -> Schedule:
    """`part` without its first `by` updates, or (below 0) held at its first rate for that many updates before."""
    if part.steps - by < 1:
        raise RecipeError(f"`by` is {by} and the schedule has {part.steps} updates; it must leave at least 1")
    return Offset(part.peak, part.steps - by, part=dataclasses.replace(part, peak=1.0), by=by)


def replan(part: Schedule, steps: int, since: int) -> Schedule:
    """`part` with a horizon of `steps` updates, changed after `since` of them were made; see `Replan`."""
    inner = dataclasses.replace(part, peak=1.0)
    return Replan(part.peak, steps, part=inner, planned=part.steps, since=since)
