"""`noisy-quad`: a bowl under gradient noise: the floor of a constant rate, and what decay does to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.schedules import make
from surefoot.textbook.descent import Rates, descend, generator
from surefoot.textbook.measuring import exact, mean_of, median_of, slope_of
from surefoot.textbook.seeds import shared

__all__ = ["SEEDS", "floor", "run"]

SEEDS = {"quick": 6, "full": 20}

Floats = npt.NDArray[np.float64]

PARTICLES = 40
"""Particles per seed, whose mean height is one number."""
LRS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
GAMMAS = (0.9, 0.99, 0.999, 0.9999, 1.0)
INVERSE = (0.001, 0.01, 0.1, 1.0, 10.0)


def floor(lr: float, noise: float = 1.0) -> float:
    """Mean height that descent at a constant rate ends at, on x²/2 with gradient noise: lr s² / (2 (2 - lr))."""
    return lr * noise**2 / (2 * (2 - lr))


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Every seed is a swarm of particles on x²/2 with gradient noise of standard deviation 1."""
    steps = 1500 if size == "quick" else 4000
    count = len(seeds)
    floors = np.stack([_height(lr, count, steps) for lr in LRS], axis=1)
    small = [place for place, lr in enumerate(LRS) if lr <= 0.1 and lr * steps > 8]
    measured = [
        slope_of(
            "noisy bowl: exponent of the final height against the rate, rates up to 0.1",
            [LRS[i] for i in small],
            floors[:, small],
        ),
        mean_of("noisy bowl: final height at rate 0.1 over the formula", floors[:, 3] / floor(0.1)),
        mean_of("noisy bowl: final height at rate 1 over the formula", floors[:, 5] / floor(1.0)),
    ]
    measured += _batches(count, steps) + _quiet(count, steps) + _fitted(count)
    decays, panel = _decays(count, steps, floors[:, 3])
    measured += decays
    speeds, second = _speeds(count, steps)
    measured += speeds
    measured += _budget(count) + _curve(count)
    by_rate = Panel(
        "Height at which a constant rate ends on a noisy bowl",
        x_label="rate",
        y_label="mean height",
        x_log=True,
        y_log=True,
        curves=(
            Curve("measured", float_series(LRS), float_series(floors.mean(axis=0)), marker="o"),
            Curve("formula", float_series(LRS), float_series([floor(one) for one in LRS]), dashed=True),
        ),
    )
    return Outcome(
        "noisy-quad",
        measurements=tuple(measured),
        panels=(by_rate, panel, second),
        notes=(
            f"f(x) = x²/2, gradient noise of standard deviation 1, {steps} updates from distance 10, mean over the "
            f"last tenth of the updates and {PARTICLES} particles for each seed",
        ),
    )


def _height(lr: Rates, count: int, steps: int, noise: float = 1.0, far: float = 10.0, seed: int = 0) -> Floats:
    """Mean height over the last tenth of the updates, per seed."""
    random = generator(shared(seed))
    total = torch.zeros(count * PARTICLES, 1, dtype=torch.float64)
    tail = max(1, steps // 10)

    def see(step: int, x: Tensor) -> None:
        if step > steps - tail:
            total.add_(x.square())

    def gradient(x: Tensor) -> Tensor:
        return x + noise * torch.randn(x.shape, generator=random, dtype=x.dtype) if noise else x.clone()

    start = torch.full((count * PARTICLES, 1), far, dtype=torch.float64)
    descend(gradient, start, lr, steps, see=see)
    return np.asarray((0.5 * total / tail).view(count, PARTICLES).mean(dim=1).numpy())


def _batches(count: int, steps: int) -> list[Measurement]:
    batches = [1, 8, 64]
    curves = np.stack([_height(0.1, count, min(steps, 1500), noise=one**-0.5, seed=one) for one in batches], axis=1)
    return [slope_of("noisy bowl: exponent of the final height against the batch size", batches, curves)]


def _quiet(count: int, steps: int) -> list[Measurement]:
    small, large = (_height(lr, 1, steps, noise=0.0) for lr in (0.03, 0.3))
    del count
    return [
        exact("bowl without noise: final height at rate 0.03", float(small[0])),
        exact("bowl without noise: final height at rate 0.3", float(large[0])),
    ]


def _fitted(count: int) -> list[Measurement]:
    """Examples that one point fits all at once: the noise vanishes where the loss does."""
    random = generator(shared(1))
    start = torch.full((count * PARTICLES, 1), 10.0, dtype=torch.float64)
    end = descend(
        lambda x: x * 2 * torch.rand(x.shape, generator=random, dtype=x.dtype), start, 0.3, 1000
    )  # curvature of an example: 0 to 2, 1 in the mean
    heights = (0.5 * end.square()).view(count, PARTICLES).mean(dim=1).numpy()
    return [mean_of("noisy bowl that every example fits: final height at rate 0.3", heights)]


def _decays(count: int, steps: int, constant: Floats) -> tuple[list[Measurement], Panel]:
    schedules = {
        "inverse-time decay": "inverse-time:k=0.02",
        "exponential decay": f"exponential:gamma={0.01 ** (1 / steps):.8f}:every=1",
        "step decay": f"step:step_size={steps // 4}:gamma=0.2",
        "cosine decay": "cosine",
    }
    measured, bars = [], {"constant 0.1": float(constant.mean())}
    for name, words in schedules.items():
        ends = _height(make(words, 0.1, steps), count, steps)
        measured.append(
            mean_of(f"noisy bowl: final height with {name} over that at the constant rate", ends / constant)
        )
        bars[name] = float(ends.mean())
    small = _height(0.003, count, steps)
    large_small = _height(make("inverse-time:k=0.25", 0.5, steps), count, steps)
    back = make("inverse-time:k=0.25", 0.5, steps)
    small_large = _height(lambda step: back(steps - 1 - step), count, steps)
    measured += [
        mean_of(
            "noisy bowl: final height of inverse-time decay 0.5 / (1 + t / 4) over that of the constant rate 0.003",
            large_small / small,
        ),
        mean_of(
            "noisy bowl: final height with a falling rate over that with the same rates reversed",
            large_small / small_large,
        ),
    ]
    return measured, Panel(
        "Height at which a decaying rate ends on a noisy bowl, start rate 0.1",
        style="bars",
        y_label="mean height",
        y_log=True,
        bars=bars,
    )


def _speeds(count: int, steps: int) -> tuple[list[Measurement], Panel]:
    """From none to very fast decay of a rate of 0.5."""
    by_gamma = np.stack(
        [_height(make(f"exponential:gamma={g}:every=1", 0.1, steps), count, steps) for g in GAMMAS], axis=1
    )
    by_k = np.stack([_height(make(f"inverse-time:k={k}", 0.5, steps), count, steps) for k in INVERSE], axis=1)
    best_gamma, best_k = int(np.argmin(by_gamma.mean(axis=0))), int(np.argmin(by_k.mean(axis=0)))
    measured = [
        median_of(
            "noisy bowl: final height with the fastest exponential decay over the best",
            by_gamma[:, 0] / by_gamma.min(1),
        ),
        median_of(
            "noisy bowl: final height without decay over the best exponential decay", by_gamma[:, -1] / by_gamma.min(1)
        ),
        median_of("noisy bowl: final height with inverse-time k = 10 over the best k", by_k[:, -1] / by_k.min(1)),
        median_of("noisy bowl: final height with inverse-time k = 0.001 over the best k", by_k[:, 0] / by_k.min(1)),
        exact("noisy bowl: best factor per update of an exponential decay", GAMMAS[best_gamma]),
        exact("noisy bowl: best k of an inverse-time decay", INVERSE[best_k]),
    ]
    shown = [1 - one for one in GAMMAS[:-1]]
    return measured, Panel(
        "Final height by speed of decay on a noisy bowl",
        x_label="share of the rate lost per update (exponential), k (inverse-time)",
        y_label="mean height",
        x_log=True,
        y_log=True,
        curves=(
            Curve("exponential from 0.1", float_series(shown), float_series(by_gamma.mean(axis=0)[:-1]), marker="o"),
            Curve("inverse-time from 0.5", float_series(INVERSE), float_series(by_k.mean(axis=0)), marker="s"),
        ),
    )


def _budget(count: int) -> list[Measurement]:
    """100 updates: the best constant rate for each level of noise."""
    grid = np.geomspace(0.01, 1.9, 12)
    noises = [0.3, 1.0, 3.0, 10.0]
    best, gains, by_seed = [], [], []
    for noise in noises:
        ends = np.stack([_height(float(lr), count, 100, noise=noise) for lr in grid], axis=1)
        place = int(np.argmin(ends.mean(axis=0)))
        best.append(float(grid[place]))
        by_seed.append(grid[ends.argmin(axis=1)])
        if noise in (1.0, 3.0):
            gains.append(np.minimum(ends[:, 0], ends[:, -1]) / ends[:, place])
    return [
        slope_of(
            "noisy bowl, 100 updates: exponent of the best rate against the noise", noises, np.stack(by_seed, axis=1)
        ),
        mean_of("noisy bowl, 100 updates, noise 1: height at the better end of the rates over the lowest", gains[0]),
        mean_of("noisy bowl, 100 updates, noise 3: height at the better end of the rates over the lowest", gains[1]),
        exact("noisy bowl, 100 updates, noise 1: best rate", best[1]),
        exact("noisy bowl, 100 updates, noise 10: best rate", best[3]),
    ]


def _curve(count: int) -> list[Measurement]:
    """Shape of the curve of the loss: how much falls in the first tenth, and how much it swings in the last fifth."""
    steps = 300

    def shape(lr: float, noise: float) -> tuple[Floats, Floats]:
        random = generator(shared(2))
        heights: list[Floats] = []
        start = torch.full((count, 4), 5.0, dtype=torch.float64)

        def gradient(x: Tensor) -> Tensor:
            return x + noise * torch.randn(x.shape, generator=random, dtype=x.dtype)

        descend(gradient, start, lr, steps, see=lambda _, x: heights.append(0.5 * x.square().sum(dim=1).numpy()))
        path = np.stack(heights)
        dropped = (path[0] - path[steps // 10]) / path[0]
        tail = path[-steps // 5 :]
        return dropped, tail.std(axis=0) / path[0]

    low, high, above = shape(0.01, 1.0), shape(1.0, 1.0), shape(2.1, 1.0)
    return [
        mean_of(
            "noisy bowl: share of the loss lost in the first tenth, rate at half the limit minus at 1/200 of it",
            high[0] - low[0],
        ),
        mean_of(
            "noisy bowl: swing of the loss at the end, rate at half the limit minus at 1/200 of it", high[1] - low[1]
        ),
        mean_of("noisy bowl: share of the loss lost in the first tenth, rate above the limit", above[0]),
    ]
