"""Schedules: step -> rate, as frozen values.

A *schedule* gives the rate of update `step`, for steps 0 to ``steps - 1`` of a training. Its *peak* is the rate it is
scaled to: every schedule is proportional to its peak, so a search over rates is a search over peaks.

Most schedules know their rates beforehand. A *feedback* schedule (reduce on plateau, greedy) follows a metric: it is
a state machine, and so is everything that is composed with one. All schedules can be followed alike: `start` gives
the *state* before the first update, `next` the state after one more update and the rate of the update to come.

Steps past the end keep the last rate: a schedule never climbs again.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

from surefoot.errors import RecipeError
from surefoot.faces import face_of
from surefoot.schedules.options import check_range, check_whole, scaled_length

__all__ = ["Schedule", "State", "check_range", "plain_memory"]


@dataclasses.dataclass(frozen=True)
class State:
    """How far a training is: `step` updates are made; `memory` is what feedback schedules remember of the metric."""

    step: int = 0
    memory: Any = None


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Base of all schedules. Subclasses define `factor`, the rate at peak 1."""

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()

    peak: float
    """The rate the schedule is scaled to; finite and above 0."""
    steps: int
    """Updates of the training it is laid out for; from 1."""

    def __post_init__(self) -> None:
        """Refuse a peak or length that no training can have."""
        if not (_is_number(self.peak) and math.isfinite(self.peak) and self.peak > 0):
            raise RecipeError(f"`peak` is {self.peak!r}; a rate is a finite number above 0")
        check_whole("steps", self.steps, 1)

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
        """The same shape over a training of `steps` updates: every length in updates grows or shrinks with it."""
        if steps == self.steps:
            return self
        check_whole("steps", steps, 1)
        changes = {
            field.name: scaled_length(getattr(self, field.name), field.metadata["length"], self.steps, steps)
            for field in dataclasses.fields(self)
            if "length" in field.metadata
        }
        return dataclasses.replace(self, steps=steps, **changes)

    def scale(self, factor: float) -> Self:
        """The schedule with every rate multiplied by `factor`, above 0."""
        check_range("factor", factor, 0.0, math.inf, low_open=True)
        return dataclasses.replace(self, peak=self.peak * factor)

    def lrs(self) -> list[float]:
        """The rate of every update, in order."""
        return [self(step) for step in range(self.steps)]

    # Following a training, with or without a metric.

    @property
    def follows_metric(self) -> bool:
        """Whether the rates depend on a metric that is measured during the training."""
        return False

    def start(self) -> State:
        """The state before the first update."""
        return State(0, self.fresh())

    def next(self, state: State, metric: float | None = None) -> tuple[State, float]:
        """The state after one more update, and the rate of the update to come.

        Args:
            state: from `start` or an earlier `next`; it is not changed.
            metric: a new measurement of the metric, if there is one; NaN counts as no improvement.
        """
        if metric is not None:
            state = self.tell(state, metric)
        after = State(state.step + 1, state.memory)
        return after, self.rate(after)

    def tell(self, state: State, metric: float) -> State:
        """The state after a measurement between two updates; `next` counts updates, `tell` does not."""
        return State(state.step, self.watched(state.memory, min(state.step, self.steps - 1), float(metric)))

    def rate(self, state: State) -> float:
        """The rate of the update to come in `state`."""
        return self.peak * self.followed(state.memory, min(state.step, self.steps - 1))

    def fresh(self) -> Any:
        """The memory before the first update; None where nothing is remembered."""
        return None

    def watched(self, memory: Any, step: int, metric: float) -> Any:  # noqa: ARG002
        """The memory after `metric` was measured at update `step`."""
        return memory

    def followed(self, memory: Any, step: int) -> float:  # noqa: ARG002
        """The factor of update `step` with that memory."""
        return self.factor(step)

    def recall(self, plain: Any) -> Any:  # noqa: ARG002
        """The memory from the plain values that `plain_memory` made of it."""
        return None

    # As plain values.

    def options(self) -> dict[str, Any]:
        """Every option by name, as plain JSON values; with `name`, `peak` and `steps` they make the schedule."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in ("peak", "steps")
        }

    def to_json(self) -> dict[str, Any]:
        """`name`, `peak`, `steps` and `options`; `from_json` reads it."""
        return {"name": self.name, "peak": self.peak, "steps": self.steps, "options": self.options()}

    # Faces, drawn above.

    def torch(self, optimizer: Any, **options: Any) -> Any:
        """A drop-in scheduler for a torch optimizer; see `surefoot.engines.torch_schedule.TorchSchedule`."""
        return face_of("schedule", "torch")(self, optimizer, **options)

    def plot(self, path: Any = None) -> Any:
        """A matplotlib figure of the rates, also written to `path` if that is given."""
        return face_of("schedule", "plot")(self, path)


def plain_memory(memory: Any) -> Any:
    """A memory as plain values (lists, objects, numbers, None) that any file format can hold."""
    if dataclasses.is_dataclass(memory) and not isinstance(memory, type):
        return {key: _plain(value) for key, value in vars(memory).items()}
    if isinstance(memory, tuple):
        return [plain_memory(one) for one in memory]
    return memory


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
