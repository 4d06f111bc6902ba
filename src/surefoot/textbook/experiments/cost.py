"""`cost`: time of updates and epochs by batch size, and of the backward pass beside the forward one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from surefoot.engines.serial import Serial
from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import few
from surefoot.textbook.measuring import TIMED, median_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 15}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Everything is timed several times, in turns; ratios of times of the same turn are what is reported."""
    examples = 1024
    task = few(find_entry("digits").make(), examples)
    batches = (1, 8, 64, 512, examples)
    update = np.zeros((len(seeds), len(batches)))
    for row in update:
        for place, batch in enumerate(batches):
            row[place] = _update(task, batch, 40 if size == "full" else 10)
    epoch = update * np.array([math.ceil(examples / one) for one in batches])
    backward = _backward(len(seeds))
    measured: list[Measurement] = [
        median_of(
            "cost: time of an update on all 1024 examples over one on a single example",
            update[:, -1] / update[:, 0],
            method=TIMED,
        ),
        median_of(
            "cost: time of an epoch at batch size 1 over one at batch size 64", epoch[:, 0] / epoch[:, 2], method=TIMED
        ),
        median_of("cost: time of an update at batch size 1", 1e6 * update[:, 0], unit="µs", method=TIMED),
        median_of("cost: time of an update on all 1024 examples", 1e6 * update[:, -1], unit="µs", method=TIMED),
        median_of("cost: time of forward and backward over forward alone", backward, method=TIMED),
        median_of(
            "cost: time of a gradient by one-sided differences over one by backpropagation",
            _differences(len(seeds)),
            method=TIMED,
        ),
    ]
    return Outcome(
        "cost",
        measurements=tuple(measured),
        panels=(
            Panel(
                "Time by batch size",
                x_label="batch size",
                y_label="milliseconds",
                x_log=True,
                y_log=True,
                curves=(
                    Curve(
                        "an update", float_series(batches), float_series(1e3 * np.median(update, axis=0)), marker="o"
                    ),
                    Curve("an epoch", float_series(batches), float_series(1e3 * np.median(epoch, axis=0)), marker="s"),
                ),
            ),
        ),
        notes=("digits MLP 64-32-10 through the library's engine, one thread; the numbers belong to the machine",),
    )


def _update(task: Task, batch: int, steps: int) -> float:
    """Seconds of one update, a few of them together after a warm start."""
    engine = Serial(task, [Recipe(lr=0.01, batch_size=batch, epochs=1000)], horizon=steps + 3)
    engine.advance(3)
    started = time.perf_counter()
    engine.advance(steps)
    took = time.perf_counter() - started
    engine.close()
    return took / steps


def _timed(work: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def _backward(turns: int) -> list[float]:
    model, x = mlp((256, 256, 256, 256, 10)), torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(256, dtype=torch.long)
    parameters = list(model.parameters())

    def forward() -> torch.Tensor:
        return nn.functional.cross_entropy(model(x), y)

    def alone() -> None:
        with torch.no_grad():
            forward()

    def both() -> None:
        torch.autograd.grad(forward(), parameters)

    both()
    return [_timed(both, 8) / _timed(alone, 8) for _ in range(turns)]


def _differences(turns: int) -> list[float]:
    """A small network, one forward pass per weight, against one backward pass for all of them."""
    model, x = mlp((16, 16, 4)), torch.randn(32, 16, generator=torch.Generator().manual_seed(0))
    parameters = list(model.parameters())

    def differences() -> None:
        with torch.no_grad():
            for parameter in parameters:
                flat = parameter.view(-1)
                for place in range(len(flat)):
                    kept = float(flat[place])
                    flat[place] = kept + 1e-3
                    model(x).square().mean()
                    flat[place] = kept

    def backward() -> None:
        torch.autograd.grad(model(x).square().mean(), parameters)

    backward()
    return [_timed(differences, 1) / _timed(backward, 20) for _ in range(turns)]
