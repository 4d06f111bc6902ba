"""`warmup`: the first 50 updates of a deep network at many rates, at once and with a warmup."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import nn

from surefoot.records import Measurement, Recipe, Run, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import Floats, decade_steps, few, trained_at, with_model
from surefoot.textbook.measuring import exact, mean_of, share_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 8}

STEPS, WARM = 150, 60


def deep() -> nn.Module:
    """Four hidden layers with weights drawn for their activation."""
    return mlp((64, 64, 64, 64, 64, 10), init="kaiming")


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Constant rates and linear warmups to the same peak, judged after 50 updates and after all."""
    lrs = decade_steps(0.001, 10, 3) if size == "full" else (0.01, 0.1, 0.3, 1.0)
    task = with_model(few(find_entry("digits").make(), 1400), deep)
    plain = trained_at(task, Recipe(batch_size=64, epochs=STEPS / 22), lrs, seeds)
    recipe = Recipe(batch_size=64, epochs=STEPS / 22, schedule=f"warmup:linear:{WARM}+constant")
    warm = trained_at(task, recipe, lrs, seeds)
    early = np.array([[_loss(one, 50) for one in row] for row in plain.values()])
    ends = {
        name: np.array([[_loss(one, STEPS) for one in row] for row in runs.values()])
        for name, runs in (("plain", plain), ("warm", warm))
    }
    usable = {name: [_largest(lrs, column) for column in one.T] for name, one in ends.items()}
    raised = np.array([[_highest(one) for one in row] for row in plain.values()])
    best = int(np.argmin(early.mean(axis=1)))
    measured: list[Measurement] = [
        mean_of("warmup: loss after 50 updates at the lowest rate minus at the best", early[0] - early[best]),
        mean_of("warmup: loss after 50 updates at the highest rate minus at the best", early[-1] - early[best]),
        exact("warmup: best rate for the first 50 updates", lrs[best]),
        share_of("warmup: share of runs whose loss passed twice its start within 50 updates, highest rate",
                 int((raised[-1] > 2).sum()), len(seeds)),
        share_of("warmup: share of runs whose loss passed twice its start within 50 updates, lowest rate",
                 int((raised[0] > 2).sum()), len(seeds)),
        mean_of("warmup: decades that it raises the largest usable rate",
                np.log10(np.array(usable["warm"]) / np.array(usable["plain"])), unit="decades"),
        mean_of("warmup: largest usable rate without", usable["plain"]),
        mean_of("warmup: largest usable rate with", usable["warm"]),
    ]  # fmt: skip
    panel = Panel(
        f"Training loss of a deep network after {STEPS} updates, by rate",
        x_label="rate",
        y_label="training loss",
        x_log=True,
        y_log=True,
        curves=tuple(
            Curve(
                words,
                float_series(lrs),
                float_series(np.median(ends[name], axis=1)),
                low=float_series(ends[name].min(axis=1)),
                high=float_series(ends[name].max(axis=1)),
                marker="o",
            )
            for name, words in (("plain", "constant"), ("warm", f"linear warmup over {WARM} updates"))
        ),
    )
    return Outcome(
        "warmup",
        measurements=tuple(measured),
        panels=(panel,),
        notes=(
            "MLP with four hidden layers of 64 ReLU, digits, SGD, batches of 64; usable: loss below 1 after "
            f"{STEPS} updates",
        ),
    )


def _loss(run: Run, steps: int) -> float:
    """Mean of the ten losses before `steps` updates; twice the chance level where the run broke."""
    broken = 2 * math.log(10)
    if len(run.loss) < steps or not np.isfinite(run.loss[:steps]).all():
        return broken
    return min(broken, float(np.mean(run.loss[steps - 10 : steps])))


def _highest(run: Run) -> float:
    head = run.loss[:50]
    if run.fate == "diverged" and len(run.loss) < 50:
        return math.inf
    return float(np.max(head) / head[0]) if np.isfinite(head).all() else math.inf


def _largest(lrs: Sequence[float], ends: Floats) -> float:
    usable = np.flatnonzero(ends < 1.0)
    return lrs[int(usable[-1])] if len(usable) else lrs[0]
