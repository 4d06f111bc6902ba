"""Which engine for which task: measured for a moment on the user's own task, never guessed alone.

An *arrangement* says how members are trained: serially or in a fused form, how many in a chunk, over how many
processes. It follows from the seconds that one member-step took in each way (one thread), measured on the task.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
import weakref
from collections.abc import Sequence

import torch

from surefoot.engines.batches import steps_of
from surefoot.engines.engine import Engine
from surefoot.engines.fused import Fused, fused_form
from surefoot.engines.members import Form, Unsupported
from surefoot.engines.memory import allowed_bytes, bytes_per_member, in_bytes, is_out_of_memory
from surefoot.engines.pool import Pool, can_fork
from surefoot.engines.serial import Serial
from surefoot.errors import MemoryBoundError, SurefootError
from surefoot.records import Recipe
from surefoot.tasks.borrowing import borrowed_threads
from surefoot.tasks.task import Task
from surefoot.tasks.user_code import in_one_line

__all__ = ["Arrangement", "arrange", "choose_engine", "refuse_fused"]

CACHE_BYTES = 3 << 19
"""What a chunk may touch to stay near one core: the first guess of its width."""
POOL_FROM = 0.4
"""Seconds of work from which forking workers pays."""
_SHARE, _MOST = 0.05, 0.6
"""Calibration takes at most this share of the work, and this many seconds, beside one measurement of each way."""
_STEPS, _MOST_STEPS, _ENOUGH = 3, 20, 0.015
"""Steps of which the fastest counts: from the first number, up to the second until so many seconds have passed."""
_GAIN = 0.95
"""Members are fused where that takes less than this share of the time one by one: measurements have noise."""


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How members are trained."""

    form: Form | None
    """None: serially."""
    width: int
    """Members in a chunk at most."""
    processes: int
    """Workers with one thread each; 1 means none beside this process."""
    threads: int
    """Threads that each process computes with."""
    reason: str
    """Why, in words."""
    seconds: dict[str, float]
    """Measured seconds of one member-step, by way and width."""


class _Calibration:
    """What was measured for one kind of recipe on one task."""

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.seconds: dict[str, float] = {}
        self.spent = 0.0
        self.form: Form | None = None
        self.refused = ""
        try:
            self.form = fused_form(task, recipe)
        except Exception as error:  # noqa: BLE001 - whatever stops a form, one by one is left
            self.refused = _refusal(error)
        self.member_bytes, self.chunk_bytes = bytes_per_member(task, recipe)

    def measure(self, key: str, engine: Engine, members: int) -> float:
        """Seconds of one member-step of `engine`: the fastest of a few steps after the first."""
        started = time.perf_counter()
        # With one thread its own processor time counts, which other work on the machine does not stretch.
        clock = time.perf_counter if torch.get_num_threads() > 1 else time.thread_time
        best = math.inf
        for step in range(1 + _MOST_STEPS):
            before = clock()
            engine.advance(1)
            took = (clock() - before) / members
            best = min(best, took) if step else took  # the first step also makes room
            spent = time.perf_counter() - started
            if spent > _MOST / 3 or engine.done == engine.horizon or (step >= _STEPS and spent > _ENOUGH):
                break
        engine.close()
        self.spent += time.perf_counter() - started
        self.seconds[key] = best
        return best

    def serial_seconds(self, task: Task, recipes: Sequence[Recipe], horizon: int, threads: int = 1) -> float:
        """Seconds of one member-step one by one, with this number of threads."""
        key = f"serial, {threads} threads" if threads > 1 else "serial"
        if key in self.seconds:
            return self.seconds[key]
        return self.measure(key, Serial(task, recipes[:1], horizon=max(horizon, 1 + _MOST_STEPS)), 1)


_KNOWN: weakref.WeakKeyDictionary[Task, dict[str, _Calibration]] = weakref.WeakKeyDictionary()


def arrange(
    task: Task, recipes: Sequence[Recipe], horizon: int, *, memory: int | None = None, processes: int | None = None
) -> Arrangement:
    """The arrangement for these members.

    Args:
        task: what is trained.
        recipes: one per member.
        horizon: updates of each member.
        memory: bytes that may be used; None takes half of what is free.
        processes: workers at most; None takes the processor's cores.

    Raises:
        MemoryBoundError: not even one member at a time fits.
    """
    first = recipes[0]
    kinds = _KNOWN.setdefault(task, {})
    key = _kind(recipes)
    if key not in kinds:
        with borrowed_threads(1):
            kinds[key] = _Calibration(task, first)
    known = kinds[key]
    most = _cores() if processes is None else processes
    if task.device.type != "cpu" or not can_fork():
        most = 1
    bound = allowed_bytes(memory)
    room = (bound - known.member_bytes * len(recipes)) // known.chunk_bytes
    if room < 1:
        need = known.member_bytes * len(recipes) + known.chunk_bytes
        raise MemoryBoundError(
            f"`memory` is {in_bytes(bound)} and {_counted(len(recipes))} at least {in_bytes(need)}; "
            "allow more memory or take a smaller batch"
        )
    most = max(1, min(most, room, len(recipes)))
    with borrowed_threads(1):
        serial = known.serial_seconds(task, recipes, horizon)
        width, fused = _best_width(known, task, recipes, horizon, min(-(-len(recipes) // most), room // most), serial)
    workers = most if min(fused, serial) * len(recipes) * horizon > POOL_FROM else 1
    threads = torch.get_num_threads()
    if task.device.type == "cpu" and workers < threads and len(recipes) < 2 * threads:
        # Few members: one after the other, each with all threads, may be faster than each with one.
        threaded = known.serial_seconds(task, recipes, horizon, threads)
        if threaded < min(fused, serial) / workers:
            why = f"one by one with {threads} threads each is fastest"
            return Arrangement(None, 1, 1, threads, why, dict(known.seconds))
    if fused < _GAIN * serial:
        name = type(known.form).__name__.removesuffix("Form").lower()
        why = f"{name}, {width} at once: {serial / fused:.1f} times as fast as one by one"
        return Arrangement(known.form, width, workers, 1, why, dict(known.seconds))
    why = known.refused or f"{width} at once: {serial / fused:.2f} times as fast as one by one, which is too little"
    return Arrangement(None, 1, workers, 1, why, dict(known.seconds))


def choose_engine(
    task: Task,
    recipes: Sequence[Recipe],
    *,
    horizon: int | None = None,
    grad_norms: bool = False,
    memory: int | None = None,
    processes: int | None = None,
) -> Engine:
    """The fastest engine for these members; see `arrange`."""
    total = steps_of(recipes[0], task.train.size)[0] if horizon is None else horizon
    found = arrange(task, recipes, total, memory=memory, processes=processes)
    return build_engine(found, task, recipes, horizon=total, grad_norms=grad_norms)


def build_engine(
    found: Arrangement, task: Task, recipes: Sequence[Recipe], *, horizon: int, grad_norms: bool = False
) -> Engine:
    """The engine that an arrangement describes."""

    def part(places: Sequence[int]) -> Engine:
        some = [recipes[place] for place in places]
        if found.form is None:
            return Serial(task, some, horizon=horizon, grad_norms=grad_norms)
        threads = found.threads if found.processes == 1 and task.device.type == "cpu" else None
        return Fused(
            task,
            some,
            form=found.form,
            width=found.width,
            threads=threads,
            horizon=horizon,
            grad_norms=grad_norms,
        )

    if found.processes > 1:
        return Pool(part, recipes, horizon, found.processes)
    return part(range(len(recipes)))


def refuse_fused(task: Task, recipes: Sequence[Recipe], reason: Exception) -> bool:
    """Take no fused form for these members from now on, for it failed; False if none was taken anyway."""
    known = _KNOWN.get(task, {}).get(_kind(recipes))
    if known is None or known.form is None:
        return False
    known.form, known.refused = None, _refusal(reason)
    return True


def _refusal(error: Exception) -> str:
    if is_out_of_memory(error) or isinstance(error, SurefootError):
        raise error
    return str(error) if isinstance(error, Unsupported) else in_one_line(error)


def _best_width(
    known: _Calibration, task: Task, recipes: Sequence[Recipe], horizon: int, most: int, serial: float
) -> tuple[int, float]:
    """Width of a chunk and its seconds per member-step; climbs from the guess while wider or narrower is faster."""
    if known.form is None:
        return 1, math.inf
    most = max(1, most)
    guess = max(1, min(most, CACHE_BYTES // known.chunk_bytes))
    work = serial * len(recipes) * horizon

    def seconds(width: int) -> float:
        key = f"fused {width}"
        if key in known.seconds:
            return known.seconds[key]
        allowed = min(_MOST, _SHARE * work)
        if known.spent > allowed and any(k.startswith("fused") for k in known.seconds):
            return math.inf
        some = [recipes[place % len(recipes)] for place in range(width)]
        try:
            engine = Fused(task, some, form=known.form, width=width, horizon=max(horizon, 1 + _MOST_STEPS))
            return known.measure(key, engine, width)
        except Exception as error:  # noqa: BLE001 - as above
            known.form, known.refused = None, _refusal(error)
            return math.inf

    best, time_best = guess, seconds(guess)
    for factor in (4, 1 / 4):
        width = best
        while known.form is not None:
            width = max(1, min(most, round(width * factor)))
            found = seconds(width) if width != best else math.inf
            if not found < time_best * 0.97:  # infinity on both sides is no gain either
                break
            best, time_best = width, found
    return best, time_best


def _kind(recipes: Sequence[Recipe]) -> str:
    """What a measurement depends on, beside the task."""
    first = recipes[0]
    switches = [value for value in first.options.values() if isinstance(value, bool)]
    several = len({recipe.seed for recipe in recipes}) > 1
    shared = (first.optimizer, sorted(first.options), switches, first.batch_size, first.accumulate, first.precision)
    return repr((*shared, first.clip is None, several))


def _counted(members: int) -> str:
    return "one member needs" if members == 1 else f"{members} members need"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
