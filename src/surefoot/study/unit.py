"""A unit at work: members trained as one fused batch, the same way each time.

What a member computes may depend, in its last bits, on the members it shares a chunk with. So a unit fixes everything:
its members, form, width, one thread, and the updates at which diverged members leave, which otherwise follow the clock.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from surefoot.engines.engine import Engine, Validation
from surefoot.engines.families import families_of
from surefoot.engines.fused import FORMS, Fused, fused_form
from surefoot.engines.serial import Serial
from surefoot.engines.train import train_members
from surefoot.errors import MemoryBoundError, SurefootError
from surefoot.records import Fate, Recipe, Run
from surefoot.records.study import Unit
from surefoot.study.pruning import Dominated
from surefoot.study.store import MemberResult
from surefoot.tasks.borrowing import borrowed_threads
from surefoot.tasks.task import Task

__all__ = ["Job", "OutOfMemory", "timed_unit", "train_unit"]

Tick = Callable[[int, int], None]
Result = TypeVar("Result")

_STRIDE = 64
"""Updates between two looks for diverged members."""


class OutOfMemory(SurefootError):  # noqa: N818 - told to the driver, which splits the unit
    """The unit does not fit into memory."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A unit with its recipes, to be trained somewhere."""

    unit: Unit
    recipes: tuple[Recipe, ...]
    skipped: Mapping[int, str] = dataclasses.field(default_factory=dict)
    """Row among the members -> why it is not trained."""
    prune: bool = False
    attempt: int = 0

    @property
    def member_steps(self) -> int:
        """Updates of all members that are trained, if none ends early."""
        return self.unit.horizon * (len(self.recipes) - len(self.skipped))


def train_unit(task: Task, job: Job, tick: Tick | None = None) -> list[MemberResult]:
    """Train the members of a unit; a result for each, in order.

    Raises:
        KeyboardInterrupt: it was interrupted; nothing of it is to be kept.
        OutOfMemory: its members do not fit into memory together.
    """
    unit = job.unit
    rows = [row for row in range(len(job.recipes)) if row not in job.skipped]
    results = {row: MemberResult("retired", reason, None) for row, reason in job.skipped.items()}
    if rows:
        recipes = [job.recipes[row] for row in rows]
        spreads: dict[int, npt.NDArray[np.float64]] = {}
        dominated = _competitions(recipes, unit.horizon) if job.prune else {}

        def monitor(validation: Validation) -> dict[int, tuple[Fate, str]]:
            spreads.update(zip(validation.members, validation.groups, strict=True))
            lost: dict[int, tuple[Fate, str]] = {}
            for places, rule in dominated.items():
                rows = [row for row, member in enumerate(validation.members) if member in places]
                if rows:
                    lost |= rule(validation.spread([(validation.members[row], row) for row in rows]))
            return lost

        def make_engine(changed: Task, some: Sequence[Recipe]) -> Engine:
            return _Steady(changed, some, unit)

        with borrowed_threads(1):
            runs = train_members(
                task, recipes, horizon=unit.horizon, validate_at=(0, *unit.validate_at), monitor=monitor, tick=tick,
                make_engine=make_engine, mixed=True,
            )  # fmt: skip
        if any(run.fate == "interrupted" for run in runs):
            raise KeyboardInterrupt
        for place, (row, run) in enumerate(zip(rows, runs, strict=True)):
            results[row] = _result(run, spreads.get(place))
    return [results[row] for row in range(len(job.recipes))]


def _competitions(recipes: Sequence[Recipe], horizon: int) -> dict[frozenset[int], Dominated]:
    """The members that compete with each other, and what gives up those that lose: one family under one seed."""
    return {
        frozenset(places): Dominated(horizon, recipes[places[0]].schedule)
        for places in families_of(recipes, by_order=True)
    }


class _Steady:
    """The engine that a unit names, in strides that do not depend on the clock.

    Diverged members are looked for after every call of `advance`, and `train_members` times its calls: this engine
    makes the updates up to the next multiple of a stride, or the next validation, however many are asked for.
    """

    def __init__(self, task: Task, recipes: Sequence[Recipe], unit: Unit) -> None:
        self._stops = sorted({unit.horizon, *unit.validate_at, *range(_STRIDE, unit.horizon, _STRIDE)})
        self._engine = _guarded(lambda: _engine_of(task, recipes, unit))
        self.horizon = unit.horizon
        self.done = 0

    @property
    def recipes(self) -> Sequence[Recipe]:
        """How each member is trained."""
        return self._engine.recipes

    @property
    def alive(self) -> list[int]:
        """Places of the members that still train."""
        return self._engine.alive

    def advance(self, steps: int) -> None:  # noqa: ARG002 - see the class
        """Train up to the next stop."""
        stop = next((one for one in self._stops if one > self.done), self.horizon)
        _guarded(lambda: self._engine.advance(stop - self.done))
        self.done = self._engine.done

    def validate(self) -> Validation:
        """See `Engine`."""
        return _guarded(self._engine.validate)

    def retire(self, members: Collection[int], fate: Fate, reason: str) -> None:
        """See `Engine`."""
        self._engine.retire(members, fate, reason)

    def state_dict(self, member: int) -> dict[str, torch.Tensor]:
        """See `Engine`."""
        return self._engine.state_dict(member)

    def runs(self) -> list[Run]:
        """See `Engine`."""
        return self._engine.runs()

    def close(self) -> None:
        """See `Engine`."""
        self._engine.close()


def _engine_of(task: Task, recipes: Sequence[Recipe], unit: Unit) -> Engine:
    if unit.form not in FORMS:
        return Serial(task, recipes, horizon=unit.horizon)
    form = fused_form(task, recipes[0], (unit.form,))
    return Fused(task, recipes, form=form, width=unit.width, threads=1, horizon=unit.horizon)


def _guarded(work: Callable[[], Result]) -> Result:
    """Give want of memory a name of its own: `train_members` would make smaller batches, unknown to the plan."""
    try:
        return work()
    except (MemoryBoundError, MemoryError) as error:
        raise OutOfMemory(f"not enough memory: {error}") from error
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise OutOfMemory(f"not enough memory: {error}") from error


def _result(run: Run, groups: npt.NDArray[np.float64] | None) -> MemberResult:
    spread = None
    if run.fate != "diverged" and groups is not None and len(groups) > 1 and bool(np.all(np.isfinite(groups))):
        spread = float(np.std(groups, ddof=1) / math.sqrt(len(groups)))
    loss = run.final_val_loss
    first = float(run.val_loss[0]) if len(run.val_step) and run.val_step[0] == 0 else None
    series = {"loss": run.loss, "val_step": run.val_step, "val_loss": run.val_loss}
    series |= {f"val_{name}": values for name, values in run.val_metrics.items()}
    return MemberResult(
        fate=run.fate,
        reason=run.reason,
        loss=None if math.isnan(loss) else loss,
        spread=spread,
        first_loss=first,
        steps=run.steps,
        metrics={name: float(values[-1]) for name, values in run.val_metrics.items() if len(values)},
        seconds=run.seconds or 0.0,
        series={name: values.astype(np.float32) for name, values in series.items() if len(values)},
    )


def timed_unit(task: Task, job: Job, tick: Tick | None = None) -> tuple[list[MemberResult], float]:
    """`train_unit`, and how many seconds it took."""
    started = time.perf_counter()
    return train_unit(task, job, tick), time.perf_counter() - started
