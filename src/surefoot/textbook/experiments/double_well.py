"""`double-well`: many particles in a tilted double well: who leaves the shallow well, at which rate and schedule."""

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
from surefoot.textbook.measuring import exact, mean_of, median_of, share_of, slope_of
from surefoot.textbook.seeds import shared

__all__ = ["SEEDS", "SHALLOW", "run", "slope"]

SEEDS = {"quick": 100, "full": 500}

Floats = npt.NDArray[np.float64]

TILT, NOISE, STEPS = 0.3, 2.0, 1000
SHALLOW, DEEP, BARRIER = 0.9600, -1.0356, 0.0755
"""Bottoms of the two wells, and the top between them."""
LRS = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1)
SCHEDULES = {
    "constant 0.1": ("constant", 0.1),
    "cosine from 0.1": ("cosine", 0.1),
    "slow inverse-time decay from 0.1": ("inverse-time:k=0.01", 0.1),
    "fast exponential decay from 0.1": ("exponential:gamma=0.98:every=1", 0.1),
    "step decay from 0.1": ("step:step_size=100:gamma=0.3", 0.1),
    "constant 0.01": ("constant", 0.01),
    "cosine from 0.01": ("cosine", 0.01),
    "triangular cycles up to 0.1": ("triangular:up=100:down=100:base_factor=0.01", 0.1),
}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Every seed is one particle; all particles of an experiment meet the same noise at every rate."""
    del size
    count = len(seeds)
    escapes = {lr: _escaped(lr, count) for lr in LRS}
    measured = [_share(f"constant rate {lr:g}", one) for lr, one in escapes.items()]
    logs = np.log([0.01, 0.03, 0.05, 0.1])
    rising = np.stack([escapes[lr] for lr in (0.01, 0.03, 0.05, 0.1)]).astype(float)
    centred = logs - logs.mean()
    measured.append(
        mean_of(
            "double well: change of the chance to escape per e-fold of the rate",
            (centred @ rising) / (centred @ centred),
            method="least squares for each particle, rates 0.01 to 0.1",
        )
    )
    measured += [_share(f"rate {lr:g} without noise", _escaped(lr, count, noise=0.0)) for lr in (0.01, 0.1, 0.2, 0.25)]
    noisy = {noise: _escaped(0.05, count, noise=noise) for noise in (0.0, 1.0, 2.0, 3.0)}
    measured += [_share(f"rate 0.05 and noise {noise:g}", one) for noise, one in noisy.items() if noise not in (0, 2)]
    measured.append(
        mean_of("double well: share that escape at noise 3 minus at noise 1", noisy[3.0].astype(float) - noisy[1.0])
    )
    raced = {name: _escaped(make(words, lr, STEPS), count) for name, (words, lr) in SCHEDULES.items()}
    measured += [_share(name, one) for name, one in raced.items() if name not in ("constant 0.1", "constant 0.01")]
    measured += [
        mean_of(
            f"double well: share that escape with {name} minus at constant 0.1",
            raced[name].astype(float) - raced["constant 0.1"],
        )
        for name in SCHEDULES
        if name != "constant 0.1" and "0.1" in name
    ]
    measured += [
        mean_of(
            "double well: share that escape with cosine from 0.01 minus at constant 0.01",
            raced["cosine from 0.01"].astype(float) - raced["constant 0.01"],
        ),
        mean_of(
            "double well: share that escape with triangular cycles up to 0.1 minus at constant 0.01",
            raced["triangular cycles up to 0.1"].astype(float) - raced["constant 0.01"],
        ),
    ]
    measured += _repeats(count) + _volume(count) + _basins(count) + _global(count)
    shares = [float(escapes[lr].mean()) for lr in LRS]
    return Outcome(
        "double-well",
        measurements=tuple(measured),
        panels=(
            Panel(
                "Share of particles that reach the deeper well, by rate",
                x_label="rate",
                y_label="share",
                x_log=True,
                curves=(Curve("noisy gradients", float_series(LRS), float_series(shares), marker="o"),),
            ),
            Panel(
                "Share of particles that reach the deeper well, by schedule",
                style="bars",
                y_label="share",
                bars={name: float(one.mean()) for name, one in raced.items()},
            ),
        ),
        notes=(
            f"f(x) = (x² - 1)² + {TILT} x; start at the bottom of the shallow well, {STEPS} updates, "
            f"gradient noise of standard deviation {NOISE:g} unless it is said otherwise",
        ),
    )


def slope(x: Tensor) -> Tensor:
    """Derivative of the double well; beyond 1.6 it grows linearly, so that no particle is thrown out for good."""
    inner = x.clamp(-1.6, 1.6)
    return 4 * inner * (inner.square() - 1) + TILT + 8 * (x - inner)


def _noisy(noise: float, seed: int) -> tuple[torch.Generator, float]:
    return generator(shared(seed)), noise


def _walk(lr: Rates, start: Tensor, noise: float = NOISE, seed: int = 0, see: object = None) -> Tensor:
    random, size = _noisy(noise, seed)

    def gradient(x: Tensor) -> Tensor:
        steep = slope(x)
        return steep + size * torch.randn(x.shape, generator=random, dtype=x.dtype) if size else steep

    return descend(gradient, start, lr, STEPS, see=see if callable(see) else None)


def _start(count: int) -> Tensor:
    return torch.full((count, 1), SHALLOW, dtype=torch.float64)


def _escaped(lr: Rates, count: int, noise: float = NOISE) -> npt.NDArray[np.bool_]:
    return np.asarray((_walk(lr, _start(count), noise) < BARRIER)[:, 0].numpy())


def _share(what: str, escaped: npt.NDArray[np.bool_]) -> Measurement:
    return share_of(f"double well: share that escape, {what}", int(escaped.sum()), len(escaped))


def _repeats(count: int) -> list[Measurement]:
    """The same start again and again, without and with noise."""
    spread = {}
    for noise in (0.0, NOISE):
        ends = [_walk(lr, _start(count), noise) for lr in (0.01, 0.05, 0.1)]
        spread[noise] = [float(one.std()) for one in ends]
    return [
        exact("double well: largest spread between repeats without noise, rates 0.01 to 0.1", max(spread[0.0])),
        exact("double well: smallest spread between repeats with noise, rates 0.01 to 0.1", min(spread[NOISE])),
    ]


def _volume(count: int) -> list[Measurement]:
    """How far particles roam, and how wide they stand about the bottom at the end, by rate."""
    lrs = [0.003, 0.01, 0.03, 0.1]
    groups = 10
    width, precision = np.zeros((groups, len(lrs))), np.zeros((groups, len(lrs)))
    for place, lr in enumerate(lrs):
        low = high = _start(count)

        def see(_step: int, x: Tensor) -> None:
            nonlocal low, high
            low, high = torch.minimum(low, x), torch.maximum(high, x)

        end = _walk(lr, _start(count), see=see)
        bottom = torch.where(end < BARRIER, DEEP, SHALLOW)
        width[:, place] = [float(one.mean()) for one in (high - low).chunk(groups)]
        precision[:, place] = [float(one.square().mean().sqrt()) for one in (end - bottom).chunk(groups)]
    return [
        slope_of("double well: exponent of the width a particle roams against the rate", lrs, width),
        slope_of("double well: exponent of the distance from the bottom at the end against the rate", lrs, precision),
    ]


def _basins(count: int) -> list[Measurement]:
    """Noise-free descent from the same random starts at two rates: does it end in the same well?"""
    start = 3 * torch.rand(count, 1, generator=generator(shared(1)), dtype=torch.float64) - 1.5
    slow, fast = (_walk(lr, start, 0.0) < BARRIER for lr in (0.01, 0.22))
    return [
        share_of(
            "double well: share of starts that end in another well at rate 0.22 than at 0.01, without noise",
            int((slow != fast).sum()),
            count,
        )
    ]


def _global(count: int) -> list[Measurement]:
    """Random starts: who ends in the deeper well, and how near its bottom; a bowl and a rugged bowl beside it."""
    start = 3 * torch.rand(count, 1, generator=generator(shared(2)), dtype=torch.float64) - 1.5
    tried: list[tuple[str, Rates]] = [
        ("constant 0.01", 0.01),
        ("constant 0.1", 0.1),
        ("cosine from 0.1", make("cosine", 0.1, STEPS)),
        ("cosine from 0.2", make("cosine", 0.2, STEPS)),
    ]
    measured = []
    for name, lr in tried:
        end = _walk(lr, start)
        inside = end[:, 0] < BARRIER
        measured += [
            share_of(
                f"double well: share of random starts that end in the deeper well, {name}", int(inside.sum()), count
            ),
            median_of(
                f"double well: distance from the bottom of the deeper well, {name}",
                (end[:, 0][inside] - DEEP).abs().numpy(),
            ),
        ]
    convex = descend(lambda x: x, start, make("cosine", 0.5, STEPS), STEPS)
    measured.append(
        share_of("bowl: share of random starts that end at the bottom", int((convex.abs() < 1e-3).sum()), count)
    )
    for name, lr in (
        ("constant 0.02", 0.02),
        ("constant 0.2", 0.2),
        ("cosine from 0.2", make("cosine", 0.2, STEPS)),
        ("cycles up to 0.2", make("triangular:up=100:down=100:base_factor=0.01", 0.2, STEPS)),
    ):
        random = generator(shared(3))

        def rugged(x: Tensor, random: torch.Generator = random) -> Tensor:
            return x + 2 * torch.sin(4 * x) + 2 * torch.randn(x.shape, generator=random, dtype=x.dtype)

        far = descend(rugged, 3 + start, lr, STEPS)
        # The best basin of x²/2 - cos(4x)/2 reaches about 0.8 to either side of 0.
        measured.append(
            share_of(f"rugged bowl: share that end in the best basin, {name}", int((far.abs() < 0.8).sum()), count)
        )
    return measured
