"""Train many members of a task: the loop over engines that everything above uses.

`train_members` plans recipes into batches of members that can train side by side, drives an engine over each, and
returns one run per recipe. A *monitor* sees every validation and may give members up.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import choose_engine, refuse_fused
from surefoot.engines.engine import Engine, Validation
from surefoot.engines.families import family_name
from surefoot.engines.memory import is_out_of_memory
from surefoot.engines.training import train
from surefoot.engines.update_rules import RULES
from surefoot.errors import DataError, MemoryBoundError, SurefootError, TaskError
from surefoot.records import Fate, Recipe, Run
from surefoot.tasks.augmenting import changed
from surefoot.tasks.failures import failure_of
from surefoot.tasks.task import Task

__all__ = ["Monitor", "Tick", "batches_of", "train", "train_members"]

Monitor = Callable[[Validation], Mapping[int, tuple[Fate, str]]]
"""Sees a validation (members by their place among the recipes) and names members to give up, with fate and reason."""
Tick = Callable[[int, int], None]
"""Told how far the work is: member-steps just made, and members still alive."""
MakeEngine = Callable[[Task, Sequence[Recipe]], Engine]

_CHUNK = 32
"""Steps before the first tick and the first look for diverged members."""
_PACE = 0.5
"""Seconds between two ticks, as far as whole steps allow."""


def train_members(
    task: Task,
    recipes: Sequence[Recipe],
    *,
    horizon: int | None = None,
    validate_at: Sequence[int] | None = None,
    monitor: Monitor | None = None,
    tick: Tick | None = None,
    make_engine: MakeEngine | None = None,
    grad_norms: bool = False,
    mixed: bool = False,
) -> list[Run]:
    """Train one member per recipe and return their runs, in the same order.

    Args:
        task: what is trained.
        recipes: how; recipes that differ in more than numbers are trained in separate batches.
        horizon: updates of each training, for which schedules are laid out; None takes each recipe's epochs.
        validate_at: numbers of updates after which members are validated; None means before the first and
            after the last. The end is always validated.
        monitor: may retire members after a validation.
        tick: told the progress.
        make_engine: how a batch of members is trained; None chooses.
        grad_norms: whether gradient norms go into the runs.
        mixed: see `batches_of`; for a `make_engine` that takes such members.

    Ctrl-C ends the members that are training with fate `interrupted` and returns what is done.
    """
    with torch.enable_grad():
        return _train_members(
            task, recipes, horizon, validate_at, monitor, tick, make_engine, grad_norms=grad_norms, mixed=mixed
        )


def _train_members(
    task: Task,
    recipes: Sequence[Recipe],
    horizon: int | None,
    validate_at: Sequence[int] | None,
    monitor: Monitor | None,
    tick: Tick | None,
    make_engine: MakeEngine | None,
    *,
    grad_norms: bool,
    mixed: bool,
) -> list[Run]:
    runs: dict[int, Run] = {}
    tasks: dict[str, Task] = {}
    interrupted = False
    waiting = batches_of(recipes, mixed=mixed)
    while waiting:
        places = waiting.pop(0)
        chosen = [recipes[place] for place in places]
        changes = repr(chosen[0].changes)
        if changes not in tasks:
            tasks[changes] = changed(task, chosen[0].changes)
        changed_task = tasks[changes]
        if interrupted:
            runs.update({p: _not_begun(recipes[p]) for p in places})
            continue
        total = horizon if horizon is not None else steps_of(chosen[0], task.train.size)[0]
        wanted = (0,) if validate_at is None else validate_at
        points = sorted({total, *(step for step in wanted if 0 <= step <= total)})
        engine: Engine | None = None
        try:
            with _told_apart():
                if make_engine is None:
                    engine = choose_engine(changed_task, chosen, horizon=total, grad_norms=grad_norms)
                else:
                    engine = make_engine(changed_task, chosen)
            _drive(engine, places, points, monitor, tick)
        except _Failed as failed:
            error = failed.error
            if is_out_of_memory(error):
                if len(places) == 1:
                    raise _too_large(error) from None
                # Half of the members at a time, from their beginnings: they need half the memory.
                middle = len(places) // 2
                waiting[:0] = [places[:middle], places[middle:]]
            # What stops members side by side may be no obstacle one by one; and if it is, that way tells it better.
            elif _is_on_purpose(error) or not refuse_fused(changed_task, chosen, error):
                raise failure_of(error, engine.done if engine else None) or error from error
            else:
                waiting.insert(0, places)
            continue
        except KeyboardInterrupt:
            interrupted = True
            if engine is None:
                runs.update({p: _not_begun(recipes[p]) for p in places})
                continue
            engine.retire(engine.alive, "interrupted", "interrupted from outside")
        finally:
            if engine is not None:
                engine.close()
        runs.update(zip(places, engine.runs(), strict=True))
    return [runs[place] for place in range(len(recipes))]


class _Failed(Exception):  # noqa: N818 - never seen outside
    """What an engine failed by, told apart from what those fail by whom the training is shown to."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Failed(error) from error


def _is_on_purpose(error: Exception) -> bool:
    return isinstance(error, SurefootError) and not isinstance(error, TaskError | DataError)


def _too_large(error: BaseException) -> MemoryBoundError:
    if isinstance(error, MemoryBoundError):
        return error
    return MemoryBoundError("one member alone needs more memory than there is; take a smaller batch or model")


def _not_begun(recipe: Recipe) -> Run:
    return Run(recipe=recipe, fate="interrupted", reason="the work was interrupted before this training began")


def batches_of(recipes: Sequence[Recipe], *, mixed: bool = False) -> list[list[int]]:
    """Places of recipes that can share an engine.

    Args:
        recipes: of the members.
        mixed: whether members of several families and orders of the batches go together, as far as they make as many
            updates with batches as large and their optimizers have rules; else only those that differ in numbers.
    """
    batches: dict[str, list[int]] = {}
    for place, recipe in enumerate(recipes):
        shared = [recipe.batch_size, recipe.epochs, recipe.accumulate, recipe.precision, recipe.changes]
        if not mixed or recipe.optimizer not in RULES:
            shared += [family_name(recipe), recipe.order_seed]
        batches.setdefault(json.dumps(shared, sort_keys=True, default=str), []).append(place)
    return list(batches.values())


def _drive(
    engine: Engine, places: Sequence[int], points: Sequence[int], monitor: Monitor | None, tick: Tick | None
) -> None:
    chunk = _CHUNK
    for point in points:
        while engine.done < point and engine.alive:
            before, members, started = engine.done, len(engine.alive), time.perf_counter()
            with _told_apart():
                engine.advance(min(chunk, point - engine.done))
            if engine.done - before == chunk:
                pace = _PACE / max(time.perf_counter() - started, 1e-6)
                chunk = max(1, int(chunk * min(4.0, max(0.25, pace))))
            if tick:
                tick((engine.done - before) * members, len(engine.alive))
        if engine.done < point:
            return
        with _told_apart():
            validation = engine.validate()
        if not validation.members:  # the last one died with this very update
            return
        if monitor:
            moved = Validation(
                validation.step,
                tuple(places[member] for member in validation.members),
                validation.loss,
                validation.groups,
                validation.metrics,
            )
            here = {place: member for member, place in enumerate(places)}
            for place, (fate, reason) in monitor(moved).items():
                engine.retire([here[place]], fate, reason)
