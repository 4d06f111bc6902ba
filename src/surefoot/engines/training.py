"""Train one model to the end, and be able to go on after anything: the engine behind `surefoot train`.

A training is a function of task and recipe. Rates follow from the step (and, for a feedback schedule, from the
validations before it), the order of the batches from seed and epoch, randomness inside the model from seed and step.
So a training that was cut off at any point and resumed from its last checkpoint makes the same numbers, to the bit, as
one that never was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from surefoot.engines.batches import steps_of
from surefoot.engines.early_stopping import EarlyStop
from surefoot.engines.engine import Validation, unit_schedule
from surefoot.engines.interrupting import Interrupts
from surefoot.engines.logbook import Epoch, Logbook
from surefoot.engines.resuming import Saving, resumed
from surefoot.engines.single import Single
from surefoot.engines.validator import Validator
from surefoot.errors import RecipeError, TaskError
from surefoot.records import Fate, Found, Recipe, Run
from surefoot.schedules.schedule import State, plain_memory
from surefoot.tasks.augmenting import changed
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.checking import check_task
from surefoot.tasks.failures import failure_of
from surefoot.tasks.task import Task

if TYPE_CHECKING:
    from surefoot.engines.inspection import Inspector

__all__ = ["Training", "train"]

Monitor = Callable[[Validation], Mapping[int, tuple[Fate, str]]]
Tick = Callable[[int, int], None]
Watch = Callable[[Epoch], None]

_CHUNK = 32
"""Updates between two ticks, and between two looks at numbers that are on another device."""


def train(
    task: Task,
    recipe: Recipe | Found | None = None,
    *,
    monitor: Monitor | None = None,
    tick: Tick | None = None,
    watch: Watch | None = None,
    early_stop: EarlyStop | None = None,
    save: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    inspector: Inspector | None = None,
) -> Run:
    """Check the task, and train one model as `recipe` says, or as was found, validated after every epoch.

    The arguments are those of `Training`, whose run is returned.

    Raises:
        TaskError, DataError: see `check_task`, or the user's code fails in the middle of the training.
        RecipeError: the recipe does not fit the task, or has no rate.
        RecordError: there is nothing to resume, or it belongs to another training.
        OutputError: checkpoints cannot be written.
    """
    if isinstance(recipe, Found):
        if recipe.lr is None:
            raise RecipeError(f"`recipe` holds no rate, because the search found none ({recipe.reason})")
        recipe = recipe.recipe
    known = resumed(task, None, early_stop, resume).recipe if recipe is None and resume is not None else recipe
    # What is neither a task nor a recipe is refused by the training.
    notes = check_task(task, known) if isinstance(task, Task) and isinstance(known, Recipe) else []
    training = Training(
        task, recipe, monitor=monitor, tick=tick, watch=watch, early_stop=early_stop, save=save, resume=resume,
        inspector=inspector,
    )  # fmt: skip
    run = training.run()
    return dataclasses.replace(run, notes=(*run.notes, *notes))


class Training:
    """One model under one recipe, from the first update to the last, or from a checkpoint on.

    Args:
        task: what is trained; see `Recipe.changes` for what the recipe changes of it.
        recipe: how; with a rate. None takes that of the training that is resumed.
        monitor: sees every validation, and may end the training by naming member 0 with fate and reason.
        tick: told how many updates were just made, and 1.
        watch: told what is known after every epoch.
        early_stop: ends the training when it no longer improves; the weights with the lowest validation loss are
            restored at the end, whether it ended early or not. None takes that of the training that is resumed.
        save: folder for checkpoints, after every epoch and every `save_every` seconds; the folder must not hold a
            training already. At the end it also holds ``weights.safetensors``.
        resume: folder of a training to go on with; checkpoints go there.
        save_every: seconds between two checkpoints within an epoch.
        inspector: looks at the layers after every epoch; the training is the same with and without it.

    Attributes:
        model: the module that is trained; after `run` with the final weights.

    Raises:
        RecipeError, RecordError, OutputError: see `train`.
    """

    def __init__(
        self,
        task: Task,
        recipe: Recipe | None = None,
        *,
        monitor: Monitor | None = None,
        tick: Tick | None = None,
        watch: Watch | None = None,
        early_stop: EarlyStop | None = None,
        save: str | os.PathLike[str] | None = None,
        resume: str | os.PathLike[str] | None = None,
        save_every: float = 60.0,
        inspector: Inspector | None = None,
    ) -> None:
        for name, given, kind, wrong in (("task", task, Task, TaskError), ("recipe", recipe, Recipe, RecipeError)):
            if not isinstance(given, kind) and (name == "task" or given is not None):
                raise wrong(f"`{name}` is {type(given).__name__}; make a surefoot.{kind.__name__}")
        before = None if resume is None else resumed(task, recipe, early_stop, resume)
        if before is not None:
            recipe, early_stop = before.recipe, before.early_stop
        if recipe is None:
            raise RecipeError("`recipe` is None; give one, or a training to `resume`")
        folder = save if save is not None else resume
        self.recipe = recipe
        self.task = changed(task, recipe.changes)
        self.horizon, per_epoch = steps_of(recipe, self.task.train.size)
        self._points = sorted(
            {0, self.horizon, *(min(round(e * per_epoch), self.horizon) for e in range(int(recipe.epochs) + 1))}
        )
        self._schedule = unit_schedule(recipe, self.horizon)
        self._state = self._schedule.start()
        self._early_stop = None if early_stop is None else early_stop.fresh()
        self._monitor, self._tick, self._watch, self._inspector = monitor, tick, watch, inspector
        self._best: dict[str, torch.Tensor] | None = None
        self._single = Single(self.task, recipe)
        self._validate = Validator(self._single.task)
        self._log = Logbook(self.task, recipe, self.horizon, per_epoch)
        if self._log.metrics.names:
            self._single.seen = self._log.metrics.see
        self._random: tuple[Any, Any] | None = None
        self._saving: Saving | None = None
        if folder is not None:
            self._saving = Saving(task, recipe, self._early_stop, self.model, folder, save_every, anew=before is None)
        if before is not None:
            before.check_model(self.model)
            self._load(before.state)
            self._log.notes += before.notes

    @property
    def model(self) -> nn.Module:
        """The module that is trained."""
        return self._single.model

    @property
    def done(self) -> int:
        """Updates made so far."""
        return self._log.done

    def run(self) -> Run:
        """Train to the end and return the run; of a training that has ended, its run.

        Ctrl-C ends it with fate `interrupted`, after the update that is being made, with a checkpoint if it is saved.
        """
        for _ in self.epochs():
            pass
        return self._log.run()

    def epochs(self) -> Iterator[None]:
        """`run` for a loop of one's own: held before the first update and after every epoch.

        The random state of the process is the training's until the last epoch or `close`.
        """
        if self._log.has_ended():
            return
        with self._borrowed_random(), Interrupts() as interrupts:
            try:
                yield from self._to_the_end(interrupts)
            except KeyboardInterrupt:
                self._log.settle()
                self._interrupted(saved=False)
                return
            except Exception as error:
                told = failure_of(error, self.done)
                if told is None:
                    raise
                raise told from error
            if not self._log.has_ended():
                self._interrupted(saved=self._save(final=False))
            else:
                self._finish()

    def _to_the_end(self, interrupts: Interrupts) -> Iterator[None]:
        for point in self._points:
            if point < self.done:
                continue
            self._advance(point, interrupts)
            if self._log.has_ended() or self.done < point:
                return
            if not self._log.validations or self._log.validations[-1].step < point:
                self._look()
                yield
            if self._log.has_ended():
                return
        self._log.end("finished", f"all {self.recipe.epochs:g} epochs were made; {self._best_words()}")

    def _advance(self, point: int, interrupts: Interrupts) -> None:
        """Make updates up to `point`, unless the training dies or is interrupted before."""
        single, log, inspector = self._single, self._log, self._inspector
        follows, peak, schedule = self._schedule.follows_metric, self.recipe.lr or 0.0, self._schedule
        started = time.perf_counter()
        ticked = self.done
        for step in range(self.done, point):
            if interrupts.asked:
                break
            lr = peak * (schedule.rate(self._state) if follows else schedule(step))
            looks = inspector is not None and step == point - 1
            if looks and inspector is not None:
                inspector.before_update(single.model)
            with torch.enable_grad():
                loss, norm = single.update(step, lr, schedule.momentum(step))
            if looks and inspector is not None:
                inspector.after_update(single.model)
            dead = log.note(loss, lr, norm)
            if follows:
                self._state, _ = schedule.next(self._state)
            if dead or step % _CHUNK == _CHUNK - 1:
                if self._tick:
                    self._tick(self.done - ticked, 1)
                    ticked = self.done
                if log.settle():
                    break
            if self._saving is not None and self._saving.due():
                log.seconds += time.perf_counter() - started
                self._save(final=False)
                started = time.perf_counter()
        log.settle()
        if self._tick and self.done > ticked:
            self._tick(self.done - ticked, 1)
        log.seconds += time.perf_counter() - started

    def _look(self) -> None:
        """Validate, tell whoever watches, keep the best weights, and save."""
        started = time.perf_counter()
        validation = self._validate(self.model, self.done)
        if self._inspector is not None:
            self._inspector.look(self.model, self.task, self.done, self.done / self._log.per_epoch)
        self._log.seconds += time.perf_counter() - started
        lowest = self._log.best[0]
        epoch = self._log.note_validation(validation)
        if self._early_stop is not None and (self._log.best[0] < lowest or self._best is None):
            self._best = self._single.weights()
        if self._schedule.follows_metric:
            memory = self._schedule.watched(self._state.memory, self._state.step, epoch.val_loss)
            self._state = State(self._state.step, memory)
        if self._watch is not None:
            self._watch(epoch)
        ended = dict(self._monitor(validation)) if self._monitor else {}
        if self._early_stop is not None:
            stopped = self._early_stop(validation)
            if stopped and self.done < self.horizon and 0 not in ended:
                ended = {0: ("stopped", self._stop_words())}
        if 0 in ended:
            self._log.end(*ended[0])
        elif self.done < self.horizon and self._saving is not None and self._saving.due_after_epoch():
            self._save(final=False)

    def _stop_words(self) -> str:
        made, asked = self.done / self._log.per_epoch, self.recipe.epochs
        patience = self._early_stop.patience if self._early_stop else 0
        return (
            f"stopped after epoch {made:g} of {asked:g}, which saved {_epochs(asked - made)}: no improvement beyond "
            f"noise in {patience} validation{'' if patience == 1 else 's'}; {self._best_words()}"
        )

    def _best_words(self) -> str:
        loss, step = self._log.best
        where = f"after epoch {step / self._log.per_epoch:.4g}" if step else "before the first update"
        return f"the lowest validation loss, {loss:.4g}, was measured {where}"

    def _finish(self) -> None:
        step = self._log.best[1]
        if self._best is not None and self._log.validations[-1].step != step:
            self._single.put(self._best)
            self._log.notes.append(f"the weights are those after epoch {step / self._log.per_epoch:.4g}, the best ones")
        self._save(final=True)
        if self._saving is not None:
            self._saving.finish(self.model, self._log.run())

    def _interrupted(self, *, saved: bool) -> None:
        at = f"interrupted at step {self.done} of {self.horizon}"
        if self._saving is not None and (saved or self._saving.any()):
            at += f"; go on with `resume` {str(self._saving.folder)!r}"
        self._log.end("interrupted", at)

    # State.

    def _save(self, *, final: bool) -> bool:
        if self._saving is None:
            return False
        try:
            self._saving.save(self._state_of(), final=final)
        except OSError as error:  # pragma: no cover - Saving turns them into notes
            self._log.notes.append(str(error))
        self._log.notes += self._saving.complaints()
        return True

    def _state_of(self) -> dict[str, Any]:
        name, keys, *rest = np.random.get_state()  # noqa: NPY002 - models may draw from it
        return {
            "training": self._single.state(),
            "log": self._log.state(),
            "schedule": {"step": self._state.step, "memory": plain_memory(self._state.memory)},
            "early_stop": None if self._early_stop is None else self._early_stop.state(),
            "best": self._best,
            "python": random.getstate(),
            "numpy": (name, np.asarray(keys, dtype=np.int64), *rest),
            "inspection": None if self._inspector is None else self._inspector.state(),
        }

    def _load(self, state: dict[str, Any]) -> None:
        self._single.load(state["training"])
        self._log.load(state["log"])
        self._state = State(state["schedule"]["step"], self._schedule.recall(state["schedule"]["memory"]))
        if self._early_stop is not None and state["early_stop"] is not None:
            self._early_stop.load(state["early_stop"])
        self._best = state["best"]
        name, keys, *rest = state["numpy"]
        self._random = (state["python"], (name, keys.astype(np.uint32), *rest))
        if self._inspector is not None and state["inspection"] is not None:
            self._inspector.load(state["inspection"])

    @contextlib.contextmanager
    def _borrowed_random(self) -> Iterator[None]:
        with borrowed_rng(self.recipe.seed):
            if self._random is not None:
                random.setstate(self._random[0])
                np.random.set_state(self._random[1])  # noqa: NPY002
            yield


def _epochs(number: float) -> str:
    return f"{number:.4g} epoch{'' if number == 1 else 's'}"
