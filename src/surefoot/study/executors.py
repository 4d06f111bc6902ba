"""Executors: where jobs are worked off. In this process, in forked processes, or (see `on_ray`) on a cluster.

An executor only computes. It never touches the study's file; what it yields is the same wherever it was computed, and
the driver commits it.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import platform
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing import connection as pipes
from multiprocessing import get_context
from typing import Any, Literal, Protocol

import torch

from surefoot.errors import SurefootError
from surefoot.study.sources import TaskSource
from surefoot.study.store import MemberResult
from surefoot.study.unit import Job, OutOfMemory, timed_unit
from surefoot.tasks.user_code import in_one_line, place_of

__all__ = ["Executor", "Outcome", "Processes", "ThisProcess", "outcome_of"]

Tick = Callable[[int, int], None]
_SHARED_SECONDS = 5.0
"""Work after which a process is given up for a new one: whatever a user's code has left behind is gone with it."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    key: str
    kind: Literal["done", "memory", "failed", "lost"]
    """`done`; out of memory; an error of the task or recipe; the worker vanished."""
    results: tuple[MemberResult, ...] = ()
    seconds: float = 0.0
    host: str = ""
    error: str = ""


class Executor(Protocol):
    """Works jobs off."""

    name: str

    @property
    def free(self) -> int:
        """Jobs that could begin at once."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job."""
        ...

    def next(self, timeout: float) -> Outcome | None:
        """A job that ended; None if none does within `timeout` seconds."""
        ...

    def close(self) -> None:
        """Drop what is not done and give back all processes."""
        ...


def outcome_of(source: TaskSource, job: Job, tick: Tick | None = None) -> Outcome:
    """Work a job off here and say how it ended; an interrupt is passed on."""
    key, host = job.unit.key, f"{platform.node()}:{os.getpid()}"
    try:
        results, seconds = timed_unit(source.task(job.unit.shape), job, tick)
    except OutOfMemory as error:
        return Outcome(key, "memory", host=host, error=str(error))
    except Exception as error:  # noqa: BLE001 - a user's code raises anything, and the study goes on
        said = str(error) if isinstance(error, SurefootError) else in_one_line(error)
        where = "" if isinstance(error, SurefootError) else place_of(error)
        return Outcome(key, "failed", host=host, error=f"{where}: {said}" if where else said)
    return Outcome(key, "done", tuple(results), seconds, host)


class ThisProcess:
    """One job at a time, here."""

    name = "this process"

    def __init__(self, source: TaskSource, tick: Tick | None = None) -> None:
        self._source, self._tick = source, tick
        self._jobs: list[Job] = []

    @property
    def free(self) -> int:
        """See `Executor`."""
        return 1 - len(self._jobs)

    def submit(self, job: Job) -> None:
        """See `Executor`."""
        self._jobs.append(job)

    def next(self, timeout: float) -> Outcome | None:  # noqa: ARG002 - the job is done before this returns
        """See `Executor`."""
        return outcome_of(self._source, self._jobs.pop(0), self._tick) if self._jobs else None

    def close(self) -> None:
        """See `Executor`."""
        self._jobs.clear()


class _Worker:
    """A forked process that works off one job after the other.

    Short jobs share a process, because to fork one and to touch its memory anew takes longer than they do; after some
    seconds of work, or a job that went wrong, the next job gets a new one.
    """

    def __init__(self, source: TaskSource) -> None:
        context = get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.pipe, source, os.getpid()), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads: the child uses none of them
            self.process.start()
        theirs.close()
        self.job: Job | None = None
        self._worked = 0.0

    def begin(self, job: Job) -> bool:
        """Take a job; False if the process is no more."""
        self.job = job
        try:
            self.pipe.send(job)
        except OSError:
            return False
        return True

    def finish(self, outcome: Outcome) -> bool:
        """Note how the job ended; whether the process can take another one."""
        self.job = None
        self._worked += outcome.seconds
        return outcome.kind == "done" and self._worked < _SHARED_SECONDS


class Processes:
    """Forked processes, one thread each.

    Args:
        source: of the tasks; they are inherited by forking, so nothing of them is pickled.
        count: jobs at a time.
        tick: told of updates as they are made.
    """

    def __init__(self, source: TaskSource, count: int, tick: Tick | None = None) -> None:
        self._source, self._count, self._tick = source, count, tick
        self.name = f"{count} processes"
        self._running: dict[pipes.Connection, _Worker] = {}
        self._idle: list[_Worker] = []
        self._ending: list[Any] = []

    @property
    def free(self) -> int:
        """See `Executor`."""
        return self._count - len(self._running)

    @property
    def pids(self) -> list[int]:
        """Processes at work."""
        return [worker.process.pid for worker in self._running.values() if worker.process.pid is not None]

    def submit(self, job: Job) -> None:
        """See `Executor`."""
        self._source.task(job.unit.shape)  # made here once, and not by every process again
        worker = self._idle.pop() if self._idle else _Worker(self._source)
        while not worker.begin(job):  # it ended while it had nothing to do
            self._end(worker)
            worker = _Worker(self._source)
        self._running[worker.pipe] = worker

    def next(self, timeout: float) -> Outcome | None:
        """See `Executor`."""
        until = time.monotonic() + timeout
        while self._running:
            ready = pipes.wait(list(self._running), max(0.0, until - time.monotonic()))
            if not ready:
                return None
            pipe = ready[0]
            assert isinstance(pipe, pipes.Connection)
            try:
                kind, said = pipe.recv()
            except (EOFError, OSError):
                return self._lost(self._running.pop(pipe))
            if kind == "tick":
                if self._tick is not None:
                    self._tick(*said)
                continue
            outcome: Outcome = said
            worker = self._running.pop(pipe)
            if worker.finish(outcome):
                self._idle.append(worker)
            else:
                self._end(worker)
            return outcome
        return None

    def close(self) -> None:
        """See `Executor`."""
        for worker in self._running.values():
            worker.process.kill()
        for worker in [*self._running.values(), *self._idle]:
            self._end(worker)
        self._running.clear()
        self._idle.clear()
        for process in self._ending:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        self._ending.clear()

    def _lost(self, worker: _Worker) -> Outcome:
        assert worker.job is not None
        worker.process.join(5)
        code = worker.process.exitcode
        self._end(worker)
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        return Outcome(worker.job.unit.key, "lost", error=f"its process ended {how}, perhaps for want of memory")

    def _end(self, worker: _Worker) -> None:
        """Give up a process, which ends when its pipe does, and is waited for later: it needs a moment."""
        with contextlib.suppress(OSError):
            worker.pipe.send(None)
        worker.pipe.close()
        self._ending.append(worker.process)
        for one in [one for one in self._ending if not one.is_alive()]:
            self._ending.remove(one)
            one.join()
            one.close()


def _work(pipe: pipes.Connection, others: pipes.Connection, source: TaskSource, parent: int) -> None:
    """The life of a process: jobs until there are no more."""
    others.close()  # the parent's end, else this would never see it closed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no orphan goes on computing for nobody
    if os.getppid() != parent:
        return
    if "tqdm" in sys.modules:
        # The lock of its bars is shared with all forked processes, and one that is killed may never give it back.
        sys.modules["tqdm"].tqdm.set_lock(threading.RLock())
    torch.set_num_threads(1)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionResetError):
        while (job := pipe.recv()) is not None:
            pipe.send(("end", outcome_of(source, job, lambda steps, alive: pipe.send(("tick", (steps, alive))))))
