"""The search: what has been trained so far, what it cost, and what it may still cost.

A *trial* is one rate that was trained for some number of steps from one seed: one member, or one per fold. Methods
ask the search to train trials and never spend more member-steps than the budget holds.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.engine import Engine, Validation
from surefoot.engines.train import train_members
from surefoot.find.progress import Progress, Row, Watch
from surefoot.find.usual import parameters_of
from surefoot.records import CurvePoint, Fate, Recipe, Run
from surefoot.tasks.task import Task

__all__ = ["Prune", "Search", "Trial"]

Prune = Callable[[Validation], Mapping[int, str]]
"""Sees a validation of the trials (by their place in the request) and names those to retire, each with a reason."""

_Groups = dict[int, npt.NDArray[np.float64]]
"""By place in the request, loss over each part of the validation data."""

_LITTLE = 0.75
"""Share of the loss at initialisation above which the loss still depends on that."""
_END = 0.25
"""Share of a training at its end over which training losses are averaged."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One rate trained from one seed."""

    lr: float
    horizon: int
    """Updates that its schedule was laid out for."""
    stage: str
    runs: tuple[Run, ...]
    """Its run, or one per fold."""
    groups: npt.NDArray[np.float64]
    """Loss over each part of the validation data at the end; empty where it never got there."""
    seed: int = 0
    initial_groups: npt.NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.empty(0))
    """The same before any update; empty where it was not seen."""

    @property
    def fate(self) -> Fate:
        """The worst fate among its runs."""
        fates = [run.fate for run in self.runs]
        order: tuple[Fate, ...] = ("diverged", "interrupted", "retired", "stopped", "finished")
        return next(fate for fate in order if fate in fates)

    @property
    def loss(self) -> float:
        """Mean of the last validation losses; infinity if it diverged, NaN if it was never validated."""
        if self.fate == "diverged":
            return math.inf
        return float(np.mean([run.final_val_loss for run in self.runs]))

    @property
    def initial_loss(self) -> float | None:
        """Mean validation loss before any update, from its own seed; None if it was not seen."""
        firsts = [float(run.val_loss[0]) for run in self.runs if len(run.val_loss) and run.val_step[0] == 0]
        return float(np.mean(firsts)) if firsts and len(firsts) == len(self.runs) else None

    def loss_from(self, initial_loss: float) -> float:
        """Its loss, had training begun at `initial_loss`.

        What is left of the loss at initialisation differs from seed to seed as that does; what was learned does not.
        """
        own = self.initial_loss
        if own is None or not (own > 0 and math.isfinite(self.loss)):
            return self.loss
        return self.loss + (initial_loss - own) * min(max((self.loss / own - _LITTLE) / (1.0 - _LITTLE), 0.0), 1.0)

    @property
    def training_loss(self) -> float:
        """Mean training loss over the last quarter of the updates; infinity if it diverged, NaN if it did not end."""
        if self.fate == "diverged":
            return math.inf
        ends = [run.loss[run.step >= (1.0 - _END) * self.horizon] for run in self.runs]
        if self.fate != "finished" or not all(map(len, ends)):
            return math.nan
        return float(np.mean([float(np.mean(end)) for end in ends]))

    @property
    def spread(self) -> float | None:
        """Standard error of `loss`, from the parts of the validation data."""
        if len(self.groups) < 2 or not np.all(np.isfinite(self.groups)):
            return None
        return float(np.std(self.groups, ddof=1) / math.sqrt(len(self.groups)))

    @property
    def steps(self) -> int:
        """Updates made, over all folds."""
        return sum(run.steps for run in self.runs)

    @property
    def on_the_way(self) -> list[tuple[int, float]]:
        """Under a constant schedule, (updates, loss) of validations on the way: each is the end of a shorter trial."""
        first = self.runs[0]
        if first.recipe is None or first.recipe.schedule != "constant":
            return []
        steps = [int(step) for step in first.val_step if 0 < step < self.horizon]
        losses = [{int(s): float(v) for s, v in zip(run.val_step, run.val_loss, strict=True)} for run in self.runs]
        return [
            (step, float(np.mean([one[step] for one in losses])))
            for step in steps
            if all(step in one for one in losses)
        ]

    @property
    def point(self) -> CurvePoint:
        """The trial as a point of the response curve."""
        steps = max(run.steps for run in self.runs)
        return CurvePoint(
            lr=self.lr, loss=self.loss, spread=self.spread, steps=steps, horizon=self.horizon,
            fate=self.fate, seed=self.seed, stage=self.stage,
        )  # fmt: skip


class Search:
    """Trains trials within a budget and remembers them.

    Args:
        tasks: the task, or one per fold.
        recipe: the recipe sought for; its `lr` is ignored.
        cost: the budget in full trainings of the recipe on the whole task.
        steps: updates of one such training.
        watch: told the progress.
        memory: bytes that members trained side by side may take; None chooses.
        workers: processes at most; None chooses.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        recipe: Recipe,
        *,
        cost: float,
        steps: int,
        watch: Watch | None = None,
        memory: int | None = None,
        workers: int | None = None,
    ) -> None:
        self.tasks, self.recipe, self.steps = tuple(tasks), recipe, steps
        self.horizon = min(steps_of(recipe, task.train.size)[0] for task in tasks)
        self.budget = math.floor(cost * steps + 1e-9)
        self.spent = 0
        self.trials: list[Trial] = []
        self.interrupted = False
        self._watch, self._memory, self._workers = watch, memory, workers

    @functools.cached_property
    def parameters(self) -> int:
        """Trainable numbers of the model."""
        return parameters_of(self.tasks[0])

    @property
    def initial_loss(self) -> float | None:
        """Mean validation loss before any update, over the folds, of the first trial that was validated."""
        return next((one.initial_loss for one in self.trials if one.initial_loss is not None), None)

    @property
    def left(self) -> int:
        """Member-steps that may still be made, by one trial over all folds."""
        return (self.budget - self.spent) // len(self.tasks)

    @property
    def cost(self) -> float:
        """What was spent, in full trainings."""
        return self.spent / self.steps

    def train(
        self,
        lrs: Sequence[float],
        horizon: int,
        *,
        stage: str,
        seeds: Sequence[int] | None = None,
        validate_at: Sequence[int] = (0,),
        prune: Prune | None = None,
        recipe: Recipe | None = None,
    ) -> list[Trial]:
        """Train a trial per rate, for which the budget must suffice, and remember them.

        Args:
            lrs: peak rates.
            horizon: updates of each; the schedule is scaled to it.
            stage: name of the stage.
            seeds: seed of each trial's initialisation and order of batches; None takes the recipe's for all.
            validate_at: updates after which trials are validated; the end always is.
            prune: may retire trials. With folds each fold is pruned by itself.
            recipe: what is trained instead of the search's recipe.
        """
        if self.interrupted or not lrs:
            return []
        if len(lrs) * horizon > self.left:
            raise ValueError(f"{len(lrs)} trials of {horizon} steps exceed the {self.left} that are left")
        base = self.recipe if recipe is None else recipe
        chosen = [base.seed] * len(lrs) if seeds is None else list(seeds)
        recipes = [
            base.replace(lr=float(lr), seed=seed, data_seed=base.data_seed if seed == base.seed else seed)
            for lr, seed in zip(lrs, chosen, strict=True)
        ]
        folds = [self._fold(task, recipes, horizon, stage, validate_at, prune) for task in self.tasks]
        trials = [
            Trial(
                lr=one.lr or 0.0,
                horizon=horizon,
                stage=stage,
                runs=tuple(runs[place] for runs, _, _ in folds),
                groups=np.concatenate([ended.get(place, np.empty(0)) for _, _, ended in folds]),
                seed=one.seed,
                initial_groups=np.concatenate([began.get(place, np.empty(0)) for _, began, _ in folds]),
            )
            for place, one in enumerate(recipes)
        ]
        self.trials += trials
        rows = [Row(one.lr, one.loss, max(run.steps for run in one.runs), one.fate, one.seed) for one in trials]
        self._tell(stage, horizon, rows, self.spent)
        return trials

    def _fold(
        self,
        task: Task,
        recipes: Sequence[Recipe],
        horizon: int,
        stage: str,
        validate_at: Sequence[int],
        prune: Prune | None,
    ) -> tuple[list[Run], _Groups, _Groups]:
        if self.interrupted:
            never = [Run(recipe=one, fate="interrupted", reason="interrupted before it began") for one in recipes]
            return never, {}, {}
        began: _Groups = {}
        ended: _Groups = {}
        rows = [Row(one.lr or 0.0, math.nan, 0, None, one.seed) for one in recipes]
        before = self.spent
        made = 0

        def monitor(validation: Validation) -> dict[int, tuple[Fate, str]]:
            for place, loss, parts in zip(validation.members, validation.loss, validation.groups, strict=True):
                (ended if validation.step else began)[place] = parts
                rows[place] = dataclasses.replace(rows[place], loss=float(loss), steps=validation.step)
            retired: dict[int, tuple[Fate, str]] = {}
            if prune is not None and validation.step < horizon:
                retired = {place: ("retired", reason) for place, reason in prune(validation).items()}
                for place in retired:
                    rows[place] = dataclasses.replace(rows[place], fate="retired")
            self._tell(stage, horizon, rows, before + made)
            return retired

        def tick(steps: int, alive: int) -> None:  # noqa: ARG001
            nonlocal made
            made += steps
            self._tell(stage, horizon, rows, before + made)

        def make_engine(task: Task, recipes: Sequence[Recipe]) -> Engine:
            return choose_engine(task, recipes, horizon=horizon, memory=self._memory, processes=self._workers)

        runs = train_members(
            task,
            recipes,
            horizon=horizon,
            validate_at=validate_at,
            monitor=monitor,
            tick=tick,
            make_engine=make_engine,
        )
        self.spent = before + sum(run.steps for run in runs)
        self.interrupted = self.interrupted or any(run.fate == "interrupted" for run in runs)
        return runs, began, {place: parts for place, parts in ended.items() if runs[place].fate == "finished"}

    def finish(self) -> None:
        """Tell the watcher that the search is over."""
        if self._watch is not None:
            self._watch(Progress("done", self.horizon, self.spent, self.budget, ()))

    def _tell(self, stage: str, horizon: int, rows: Sequence[Row], spent: int) -> None:
        if self._watch is not None:
            ordered = tuple(sorted(rows, key=lambda row: (row.lr, row.seed)))
            self._watch(Progress(stage, horizon, min(spent, self.budget), self.budget, ordered))
