"""`saddle`: leaving a saddle and following a bent valley, by rate, with and without noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.textbook.descent import descend, generator
from surefoot.textbook.measuring import exact, mean_of, share_of, slope_of
from surefoot.textbook.seeds import shared

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 5, "full": 40}

Floats = npt.NDArray[np.float64]

LRS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.9)
BUDGET = 200
OUT = 0.5
"""Distance along the falling direction at which the saddle counts as left."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Run down x² - y² + y⁴/2 from near the saddle at 0; Rosenbrock's valley from its usual start."""
    longest = 3000 if size == "quick" else 8000
    left = np.stack([_leaves(lr, seeds, longest) for lr in LRS], axis=1)
    fitted = (2, 3, 4) if size == "quick" else (0, 1, 2, 3, 4)
    measured: list[Measurement] = [
        slope_of(
            "saddle: exponent of the updates needed to leave against the rate",
            [LRS[place] for place in fitted],
            left[:, fitted],
        ),
        mean_of("saddle: rate × updates needed to leave, rate 0.1 over rate 0.01", 10 * left[:, 4] / left[:, 2]),
        share_of("saddle: share that leave ever at rate 0.01", int(np.isfinite(left[:, 2]).sum()), len(seeds)),
    ]
    for place, lr in enumerate(LRS):
        if lr in (0.003, 0.01, 0.1, 0.3, 0.9):
            measured.append(
                share_of(
                    f"saddle: share that leave within {BUDGET} updates at rate {lr:g}",
                    int((left[:, place] <= BUDGET).sum()),
                    len(seeds),
                )
            )
    settled = {lr: _settled(lr, seeds) for lr in (0.01, 0.3, 1.2)}
    measured += [
        share_of(f"saddle: share in a minimum after {BUDGET} updates at rate {lr:g}", int(one.sum()), len(seeds))
        for lr, one in settled.items()
    ]
    quiet = _leaves(0.1, seeds, BUDGET, offset=0.0)
    noisy = _leaves(0.1, seeds, BUDGET, offset=0.0, noise=0.01)
    measured += [
        share_of("saddle: share that leave from exactly on its ridge without noise", _count(quiet), len(seeds)),
        share_of("saddle: share that leave from exactly on its ridge with a little noise", _count(noisy), len(seeds)),
    ]
    valley, panel = _valley(longest)
    return Outcome(
        "saddle",
        measurements=(*measured, *valley),
        panels=(
            Panel(
                "Updates needed to leave a saddle, by rate",
                x_label="rate",
                y_label="updates",
                x_log=True,
                y_log=True,
                curves=(
                    Curve(
                        "mean over starts",
                        float_series(LRS),
                        float_series(left.mean(axis=0)),
                        marker="o",
                    ),
                ),
                marks={"budget": float(BUDGET)},
            ),
            panel,
        ),
        notes=("saddle f = x² - y² + y⁴/2 from y of 0.0005 to 0.002; Rosenbrock's valley with steepness 100",),
    )


def _gradient(points: Tensor) -> Tensor:
    x, y = points[:, :1], points[:, 1:]
    return torch.cat([2 * x, -2 * y + 2 * y**3], dim=1)


def _start(seeds: Sequence[int], offset: float | None) -> Tensor:
    drawn = [torch.rand(2, generator=generator(seed), dtype=torch.float64) for seed in seeds]
    y = [5e-4 + 1.5e-3 * float(one[1]) if offset is None else offset for one in drawn]
    return torch.stack([torch.stack([one[0], torch.tensor(height)]) for one, height in zip(drawn, y, strict=True)])


def _leaves(
    lr: float, seeds: Sequence[int], longest: int, *, offset: float | None = None, noise: float = 0.0
) -> Floats:
    left = np.full(len(seeds), np.inf)
    random = generator(shared())

    def see(step: int, points: Tensor) -> None:
        out = (points[:, 1].abs() > OUT).numpy() & np.isinf(left)
        left[out] = step

    def gradient(points: Tensor) -> Tensor:
        return _gradient(points) + noise * torch.randn(points.shape, generator=random, dtype=points.dtype)

    descend(gradient, _start(seeds, offset), lr, min(longest, int(20 / lr) + BUDGET), see=see)
    return left


def _settled(lr: float, seeds: Sequence[int]) -> npt.NDArray[np.bool_]:
    end = descend(_gradient, _start(seeds, None), lr, BUDGET)
    near = (end[:, 0].abs() < 0.05) & ((end[:, 1].abs() - 1).abs() < 0.05)
    return np.asarray(near.numpy())


def _count(left: Floats) -> int:
    return int(np.isfinite(left).sum())


def _valley(longest: int) -> tuple[list[Measurement], Panel]:
    """Rosenbrock's valley: height after equal numbers of updates, and after equal rate × updates."""
    lrs = [1e-5, 1e-4, 1e-3]
    steps = min(longest, 5000)

    def gradient(points: Tensor) -> Tensor:
        x, y = points[:, :1], points[:, 1:]
        return torch.cat([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], dim=1)

    def height(points: Tensor) -> Floats:
        x, y = points[:, 0], points[:, 1]
        return np.asarray(((1 - x) ** 2 + 100 * (y - x**2) ** 2).numpy())

    start = torch.tensor([[-1.2, 1.0]], dtype=torch.float64).repeat(len(lrs), 1)
    kept: list[Floats] = []
    descend(gradient, start, torch.tensor(lrs, dtype=torch.float64), steps, see=lambda _, x: kept.append(height(x)))
    path = np.stack(kept)
    every = max(1, steps // 200)
    measured = [
        exact(
            "valley: height after the same number of updates, rate 0.00001 over rate 0.001", path[-1, 0] / path[-1, 2]
        ),
        exact(
            "valley: height after the same rate × updates, rate 0.0001 over rate 0.001",
            path[steps, 1] / path[steps // 10, 2],
        ),
    ]
    return measured, Panel(
        "Height in Rosenbrock's valley, by rate",
        x_label="update",
        y_label="height",
        y_log=True,
        curves=tuple(
            Curve(f"rate {lr:g}", float_series(range(0, steps + 1, every)), float_series(path[::every, place]))
            for place, lr in enumerate(lrs)
        ),
    )
