"""A Ray cluster as an executor: one task of Ray's per unit, one processor (or GPU) each.

Ray moves jobs and outcomes and nothing else. Its own retries are off: an attempt that is lost comes back as an outcome,
and the driver, which alone writes the study, gives the unit out again. A unit that two workers happen to train gives
the same numbers twice, and only the first is committed. When the driver ends, whatever the cluster still holds is
dropped; a new driver goes on from the file.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
import types
from typing import Any

from surefoot.errors import InputError
from surefoot.study.executors import Outcome, outcome_of
from surefoot.study.sources import TaskSource
from surefoot.study.unit import Job
from surefoot.tasks.task import Task

__all__ = ["Cluster", "ray_module"]

_SETTINGS = {"RAY_AUTH_MODE": "token", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_START = (
    "start one with RAY_AUTH_MODE=token ray start --head, with the same token on every machine, or give ray to begin "
    "one here"
)
_CLIENT_PORT = 10001
"""Where Ray's client server listens unless it is told otherwise."""
_PATIENCE = 10.0
"""Seconds for a connection to a cluster."""
_SLACK = 2
"""Units given out per processor, so that none waits for the driver."""


def ray_module() -> Any:
    """Ray, with token authentication switched on for whatever cluster is begun or joined.

    Raises:
        InputError: it is not installed.
    """
    if "ray" not in sys.modules:  # it reads its settings when it is imported; later they would contradict each other
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise InputError("Ray is not installed: pip install 'surefoot[ray]'") from None


class Cluster:
    """Units on a Ray cluster; see `Executor` for the methods.

    Args:
        source: of the tasks; they are sent to the cluster once per shape.
        address: ``ray`` for one that runs here already or else begins here, ``ray://HOST:PORT``, or ``HOST:PORT``.
        study: key of the study, which names its units in Ray's logs.
        most: units at a time; None takes the cluster's processors.

    Raises:
        InputError: Ray is missing, or the cluster cannot be reached.
    """

    def __init__(self, source: TaskSource, address: str, *, study: str, most: int | None = None) -> None:
        self._environment = {name: os.environ.get(name) for name in _SETTINGS}
        self._ray = ray_module()
        self._source, self._study, self._most = source, study, most
        self._began = not self._ray.is_initialized()
        if self._began:
            self._join(address)
        self.name = f"Ray at {address}"
        gpus = float(self._ray.cluster_resources().get("GPU", 0)) > 0
        options: dict[str, Any] = {"num_cpus": 1, "max_retries": 0, "num_gpus": 1 if gpus else 0}
        options["runtime_env"] = {"env_vars": {"OMP_NUM_THREADS": "1"}}
        self._train = self._ray.remote(**options)(_train)
        self._tasks: dict[str, Any] = {}
        self._running: dict[Any, Job] = {}

    @property
    def free(self) -> int:
        """See `Executor`."""
        most = self._most
        if most is None:
            most = max(1, int(self._ray.cluster_resources().get("CPU", 1)) * _SLACK)
        return most - len(self._running)

    def submit(self, job: Job) -> None:
        """See `Executor`."""
        shape = repr(sorted(job.unit.shape.items()))
        if shape not in self._tasks:
            task = self._source.task(job.unit.shape)
            _pickled_by_value(task, self._ray.cloudpickle)
            self._tasks[shape] = self._ray.put(task)
        name = f"{self._study[:12]}/{job.unit.key}/{job.attempt}"
        self._running[self._train.options(name=name).remote(self._tasks[shape], job)] = job

    def next(self, timeout: float) -> Outcome | None:
        """See `Executor`."""
        if not self._running:
            return None
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout)
        if not ready:
            return None
        job = self._running.pop(ready[0])
        try:
            outcome: Outcome = self._ray.get(ready[0])
        except self._ray.exceptions.OutOfMemoryError as error:
            return Outcome(job.unit.key, "memory", error=_first_line(error))
        except self._ray.exceptions.RayTaskError as error:
            return Outcome(job.unit.key, "failed", error=_first_line(error))
        except self._ray.exceptions.RayError as error:
            return Outcome(job.unit.key, "lost", error=_first_line(error))
        return outcome

    def close(self) -> None:
        """See `Executor`."""
        for reference in self._running:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._ray.cancel(reference, force=True)
        self._running.clear()
        self._tasks.clear()
        if self._began:
            self._ray.shutdown()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)

    def _join(self, address: str) -> None:
        if address.startswith("ray://") and ":" not in address.removeprefix("ray://"):
            address += f":{_CLIENT_PORT}"
        _check_reachable(address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "surefoot"}
        if address != "ray":
            options["address"] = address
        else:
            options |= {"include_dashboard": False}
        try:
            self._ray.init(**options)
        except Exception as error:  # noqa: BLE001 - Ray raises what its parts raise
            raise InputError(
                f"`on` is {address!r}, and no Ray cluster answers there: {_first_line(error)}; {_START}"
            ) from None


def _check_reachable(address: str) -> None:
    """Refuse a HOST:PORT where nothing listens; Ray itself would try for minutes.

    Raises:
        InputError: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"`on` is {address!r}, and no Ray cluster answers there: {why}; {_START}") from None


def _train(task: Task, job: Job) -> Outcome:
    """What a worker does."""
    import torch

    torch.set_num_threads(1)
    # A task that was made for the CPU goes to the GPU of a node that has one.
    if torch.cuda.is_available() and task.device.type == "cpu" and os.environ.get("CUDA_VISIBLE_DEVICES"):
        task = task.to("cuda")
    return outcome_of(TaskSource(lambda **_: task), job)


def _pickled_by_value(task: Task, cloudpickle: Any) -> None:
    """Let modules of the user's files travel whole: workers cannot import them."""
    for one in (task.model, task.loss, task.groups, *task.metrics.values()):
        function = getattr(one, "func", one)
        name = getattr(function, "__module__", None) or type(function).__module__
        module = sys.modules.get(name)
        if isinstance(module, types.ModuleType) and name.startswith("surefoot_task_"):
            cloudpickle.register_pickle_by_value(module)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
