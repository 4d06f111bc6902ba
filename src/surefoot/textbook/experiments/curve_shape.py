"""`curve-shape`: is the curve of the loss at a low rate a straight line? Fits on bowls, XOR and digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.descent import bowl_height, descend, generator
from surefoot.textbook.experiments.trials import few, trained_at
from surefoot.textbook.lab.scenarios import straightness
from surefoot.textbook.lab.xor import normal_nets, train
from surefoot.textbook.measuring import mean_of

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 3, "full": 10}

Floats = npt.NDArray[np.float64]

LR, CURVATURE = 0.001, 1.0
PROGRESS = {"a tenth": 0.1, "one": 1.0, "ten": 10.0}
"""Rate × updates × curvature: how many times the loss could have fallen by a factor e²."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Share of the variance of a curve that a straight line explains, at a rate far below the limit."""
    curves: dict[str, Floats] = {}
    measured: list[Measurement] = []
    for words, progress in PROGRESS.items():
        steps = round(progress / (LR * CURVATURE))
        heights = np.stack([_bowl(seed, steps) for seed in seeds])
        curves[words] = heights[0]
        measured += [
            mean_of(
                f"straightness of the loss on a bowl after rate × updates × curvature of {words}",
                [straightness(one) for one in heights],
                method="R² of a straight line",
            ),
            mean_of(
                f"straightness of the log loss on a bowl after rate × updates × curvature of {words}",
                [straightness(np.log(one)) for one in heights],
                method="R² of a straight line",
            ),
        ]
    steps = 2000 if size == "full" else 500
    xor = train(normal_nets(seeds), 0.01, steps, keep=range(0, steps + 1, 20)).losses.T
    measured.append(
        mean_of("straightness of the XOR loss at rate 0.01", [straightness(one) for one in xor],
                method=f"R² of a straight line over {steps} updates")
    )  # fmt: skip
    digits = trained_at(
        few(find_entry("digits").make(), 500),
        Recipe(batch_size="full", epochs=100 if size == "full" else 30),
        (0.003, 0.1),
        list(seeds)[:3],
    )
    for lr, runs in digits.items():
        measured.append(
            mean_of(
                f"straightness of the digits loss on all data at rate {lr:g}",
                [straightness(one.loss) for one in runs],
                method="R² of a straight line",
            )
        )
    return Outcome(
        "curve-shape",
        measurements=tuple(measured),
        panels=(
            Panel(
                "Loss on a bowl at a low rate, over three lengths of training",
                x_label="share of the training",
                y_label="height over that at the start",
                curves=tuple(
                    Curve(
                        f"rate × updates × curvature of {words}",
                        float_series(np.linspace(0, 1, len(one))[:: max(1, len(one) // 100)]),
                        float_series((one / one[0])[:: max(1, len(one) // 100)]),
                    )
                    for words, one in curves.items()
                ),
            ),
        ),
        notes=(f"bowl at rate {LR:g}, far below the limit 2; digits: 500 examples, full batch",),
    )


def _bowl(seed: int, steps: int) -> Floats:
    curvature = torch.tensor([CURVATURE, CURVATURE / 2], dtype=torch.float64)
    start = 1 + torch.rand(1, 2, generator=generator(seed), dtype=torch.float64)
    kept: list[float] = []
    descend(
        lambda x: x * curvature, start, LR, steps, see=lambda _, x: kept.append(float(bowl_height(x, curvature)[0]))
    )
    return np.array(kept)
