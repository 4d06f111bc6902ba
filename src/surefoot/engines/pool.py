"""A pool: an engine whose members are spread over forked worker processes, one thread each.

Workers are forked, so task, data and closures need no pickling; only commands and results travel. Every command is
kept, and because training is determined by its seeds, a worker that dies is replaced by one that repeats them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from surefoot.engines.engine import Engine, Validation
from surefoot.errors import SurefootError
from surefoot.records import Fate, Recipe, Run
from surefoot.tasks.failures import failure_of

__all__ = ["Pool", "can_fork"]


class WorkerLostError(SurefootError):
    """A worker process died, and so did the one that replaced it."""


MakePart = Callable[[Sequence[int]], Engine]
"""Makes the engine of some members, given by their places; called in the worker."""


def can_fork() -> bool:
    """Whether processes can be forked safely here."""
    return sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods()


class Pool:
    """Members over processes; see `Engine` for the methods.

    Args:
        make: makes the engine of some of the members.
        recipes: of all members.
        horizon: updates of the training.
        processes: workers, at most one per member.
    """

    def __init__(self, make: MakePart, recipes: Sequence[Recipe], horizon: int, processes: int) -> None:
        self._recipes, self.horizon, self.done = tuple(recipes), horizon, 0
        count = min(processes, len(recipes))
        # Neighbours in the list are often neighbours in rate: dealt out in turn, workers tire alike.
        self._parts = [list(range(first, len(recipes), count)) for first in range(count)]
        self._alive = list(range(len(recipes)))
        self._runs: list[Run] | None = None
        self._workers: list[_Worker] = []
        try:
            for part in self._parts:
                self._workers.append(_Worker(make, part))
            for worker in self._workers:
                worker.receive()
        except BaseException:
            self._stop()
            raise

    @property
    def recipes(self) -> Sequence[Recipe]:
        """How each member is trained."""
        return self._recipes

    @property
    def alive(self) -> list[int]:
        """Places of the members that still train."""
        return list(self._alive)

    def advance(self, steps: int) -> None:
        """Let every living member make `steps` updates; see `Engine`."""
        self._ask("advance", steps)
        self.done = max((worker.done for worker in self._workers), default=self.done)
        self._note_alive()

    def validate(self) -> Validation:
        """Mean loss and metrics of the members over the validation data; see `Engine`."""
        found: list[Validation] = self._ask("validate")
        places = [part[m] for part, one in zip(self._parts, found, strict=True) for m in one.members]
        order = np.argsort(places)
        filled = [one for one in found if one.members]
        if not filled:
            return found[0]
        return Validation(
            self.done,
            tuple(places[i] for i in order),
            np.concatenate([one.loss for one in filled])[order],
            np.concatenate([one.groups for one in filled])[order],
            {n: np.concatenate([one.metrics[n] for one in filled])[order] for n in filled[0].metrics},
        )

    def retire(self, members: Collection[int], fate: Fate, reason: str) -> None:
        """End the training of some members; see `Engine`."""
        given = set(members)
        for worker, part in zip(self._workers, self._parts, strict=True):
            local = [row for row, place in enumerate(part) if place in given]
            if local:
                worker.send("retire", local, fate, reason)
                worker.receive()
        self._note_alive()

    def state_dict(self, member: int) -> dict[str, torch.Tensor]:
        """Copies of a member's parameters and buffers."""
        for worker, part in zip(self._workers, self._parts, strict=True):
            if member in part:
                worker.send("state_dict", part.index(member))
                values = worker.receive()
                return {name: torch.from_numpy(value) for name, value in values.items()}
        raise IndexError(member)

    def runs(self) -> list[Run]:
        """The record of every member."""
        if self._runs is not None:
            return list(self._runs)
        runs: dict[int, Run] = {}
        for worker, part in zip(self._workers, self._parts, strict=True):
            try:
                worker.send("runs")
                some = worker.receive()
            except WorkerLostError as lost:
                some = [Run(recipe=self._recipes[p], fate="interrupted", reason=str(lost)) for p in part]
            runs.update(zip(part, some, strict=True))
        return [runs[place] for place in range(len(self._recipes))]

    def close(self) -> None:
        """Keep the runs and end the workers."""
        if self._workers:
            try:
                self._runs = self.runs()
            finally:
                self._stop()

    def _ask(self, command: str, *arguments: Any) -> list[Any]:
        for worker in self._workers:
            worker.send(command, *arguments)
        return [worker.receive() for worker in self._workers]

    def _note_alive(self) -> None:
        pairs = zip(self._workers, self._parts, strict=True)
        self._alive = sorted(part[row] for worker, part in pairs for row in worker.alive)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers = []


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, make: MakePart, part: Sequence[int]) -> None:
        self._make, self._part = make, part
        self._log: list[tuple[Any, ...]] = []
        self._open = 1
        self._lost = ""
        self.alive: list[int] = list(range(len(part)))
        self.done = 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._make, self._part), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads: workers use none of them
            self._process.start()
        theirs.close()

    def send(self, command: str, *arguments: Any) -> None:
        """Send a command; answers that an interrupt left unread are read first."""
        while self._open and not self._lost:
            self.receive()
        self._log.append((command, *arguments))
        self._open += 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `receive` notices
            self._pipe.send((command, *arguments))

    def receive(self) -> Any:
        """The oldest open answer.

        Raises:
            WorkerLostError: the process died, and the one that replaced it died too.
        """
        if self._lost:
            raise WorkerLostError(self._lost)
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            answer = self._again()
        self._open -= 1
        kind, payload, self.alive, self.done = answer
        if kind == "error":
            raise pickle.loads(payload)
        return payload

    def _again(self) -> Any:
        """Replace a dead worker by one that repeats all commands; the last answer."""
        self._process.join(1)
        code = self._process.exitcode
        self._pipe.close()
        self._start()
        try:
            answer = self._pipe.recv()
            for entry in self._log:
                self._pipe.send(entry)
                answer = self._pipe.recv()
        except (EOFError, ConnectionResetError, BrokenPipeError):
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            self._lost = (
                f"a worker process died twice ({how}), perhaps for want of memory; lower `memory` or train fewer "
                "members at once"
            )
            self.alive = []
            raise WorkerLostError(self._lost) from None
        return answer

    def stop(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(0.5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(pipe: Connection, make: MakePart, part: Sequence[int]) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then asks for what is done
    torch.set_num_threads(1)
    engine: Engine | None = None
    command: tuple[Any, ...] = ("make",)
    while True:
        try:
            if engine is None:
                engine, result = make(part), None
            else:
                name, *arguments = command
                result = getattr(engine, name)(*arguments)
                if name == "state_dict":
                    result = {key: value.cpu().numpy() for key, value in result.items()}
            answer: tuple[Any, ...] = ("ok", result, engine.alive, engine.done)
        except Exception as error:  # noqa: BLE001 - raised again in the parent
            alive, done = (engine.alive, engine.done) if engine else ([], 0)
            # The traceback, which tells whose failure it is, stays here.
            answer = ("error", _pickled(failure_of(error, done) or error), alive, done)
        try:
            pipe.send(answer)
            if engine is None:
                return
            command = pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _pickled(error: Exception) -> bytes:
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # noqa: BLE001
        data = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data
