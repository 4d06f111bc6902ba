"""`drift`: following a minimum that moves, at constant, decaying and adaptive rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surefoot.records import float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.schedules import make
from surefoot.textbook.descent import Rates, descend, generator
from surefoot.textbook.measuring import exact, mean_of, slope_of
from surefoot.textbook.seeds import shared

__all__ = ["SEEDS", "run"]

SEEDS = {"quick": 6, "full": 20}

Floats = npt.NDArray[np.float64]

STEPS, PARTICLES = 1500, 20
SPEED, NOISE = 0.02, 1.0
"""How far the minimum wanders per update (standard deviation), and the noise of the gradient."""
LRS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Each seed is a walk of the minimum, followed by particles with noise of their own."""
    del size
    errors = np.stack([_error(lr, seeds) for lr in LRS], axis=1)
    steady = np.stack([_steady(lr, seeds) for lr in LRS[2:5]], axis=1)
    best = int(np.argmin(errors.mean(axis=0)))
    constant = errors[:, best]
    decayed = _error(make("inverse-time:k=0.5", 0.3, STEPS), seeds)
    tried = np.stack([_error(lr, seeds, "adam") for lr in (0.003, 0.01, 0.03, 0.1)], axis=1)
    adam = tried[:, int(np.argmin(tried.mean(axis=0)))]  # one rate for all seeds: a best one per seed flatters
    jump = {name: _jump(lr, seeds) for name, lr in {"small": 0.003, "large": 0.3}.items()}
    measured = (
        mean_of("drift: error at rate 0.001 over that at the best rate", errors[:, 0] / constant),
        mean_of("drift: error at rate 1 over that at the best rate", errors[:, -1] / constant),
        exact("drift: best rate for following a wandering minimum", LRS[best]),
        slope_of("drift: exponent of the lag behind a steadily moving minimum against the rate", LRS[2:5], steady),
        mean_of(
            "drift: error with a rate decayed by inverse time over that at the best constant rate", decayed / constant
        ),
        mean_of("drift: error of Adam at its best rate over that of the best constant rate", adam / constant),
        mean_of("drift: error of Adam at its best rate over that of a decayed rate", adam / decayed),
        mean_of("drift: updates to recover from a jump, rate 0.003 over rate 0.3", jump["small"] / jump["large"]),
    )
    panel = Panel(
        "Mean squared distance from a wandering minimum, by rate",
        x_label="rate",
        y_label="mean squared distance",
        x_log=True,
        y_log=True,
        curves=(Curve("constant rate", float_series(LRS), float_series(errors.mean(axis=0)), marker="o"),),
        marks={"decayed": float(decayed.mean())},
    )
    return Outcome(
        "drift",
        measurements=measured,
        panels=(panel,),
        notes=(f"a bowl of curvature 1 whose bottom wanders by {SPEED:g} per update; gradient noise {NOISE:g}",),
    )


def _error(lr: Rates, seeds: Sequence[int], optimizer: str = "sgd") -> Floats:
    """Mean squared distance from the wandering minimum over the second half."""
    wandering = torch.stack(
        [torch.randn(STEPS, generator=generator(seed), dtype=torch.float64).cumsum(0) * SPEED for seed in seeds]
    )
    return _follow(wandering, lr, optimizer, NOISE)


def _steady(lr: float, seeds: Sequence[int]) -> Floats:
    """Distance behind a minimum that moves by the same amount at every update, without noise."""
    moving = SPEED * torch.arange(STEPS, dtype=torch.float64).repeat(len(seeds), 1)
    return np.sqrt(_follow(moving, lr, "sgd", 0.0))


def _follow(minimum: Tensor, lr: Rates, optimizer: str, noise: float) -> Floats:
    random = generator(shared(0))
    at = 0
    total = torch.zeros(len(minimum), PARTICLES, dtype=torch.float64)

    def bottom() -> Tensor:
        return minimum[:, min(at, STEPS - 1)].repeat_interleave(PARTICLES)[:, None]

    def see(step: int, points: Tensor) -> None:
        nonlocal at
        at = step
        if step >= STEPS // 2:
            total.add_((points - bottom()).square().view(total.shape))

    def gradient(points: Tensor) -> Tensor:
        return points - bottom() + noise * torch.randn(points.shape, generator=random, dtype=points.dtype)

    start = torch.zeros(len(minimum) * PARTICLES, 1, dtype=torch.float64)
    descend(gradient, start, lr, STEPS, optimizer=optimizer, see=see)
    return np.asarray((total / (STEPS - STEPS // 2 + 1)).mean(dim=1).numpy())


def _jump(lr: float, seeds: Sequence[int]) -> Floats:
    """Updates until a minimum that jumped by 10 is within 2."""
    arrived = torch.full((len(seeds),), float(STEPS), dtype=torch.float64)
    random = generator(shared(1))

    def see(step: int, points: Tensor) -> None:
        near = (points[:, 0].abs() < 2) & (arrived == STEPS)
        arrived[near] = float(max(1, step))

    start = torch.full((len(seeds), 1), 10.0, dtype=torch.float64)
    descend(
        lambda x: x + 0.1 * NOISE * torch.randn(x.shape, generator=random, dtype=x.dtype), start, lr, STEPS, see=see
    )
    return np.asarray(arrived.numpy())
