"""Claims of topics that the other two files leave out, again by plain loops: the step, decay, choice, momentum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from surefoot.records.claim import Outcome
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments import run_family


def value(outcome: Outcome, name: str) -> float:
    found = outcome.measurement(name)
    assert found is not None
    assert found.value is not None
    return found.value


def test_update_is_lr_times_gradient() -> None:
    """The second step under momentum 0.9: its speed is 0.9 times the first gradient plus the second."""
    outcome = run_family("gradcheck", "quick")
    cosines = []
    for seed in outcome.seeds:
        draw = torch.Generator().manual_seed(seed)
        torch.randn(20, generator=draw, dtype=torch.float64)  # the weights
        first, second = (torch.randn(20, generator=draw, dtype=torch.float64).tolist() for _ in range(2))
        speed = [0.9 * a + b for a, b in zip(first, second, strict=True)]
        along = sum(a * b for a, b in zip(speed, second, strict=True))
        cosines.append(along / math.sqrt(sum(a * a for a in speed) * sum(b * b for b in second)))
    name = "cosine of the second step with minus the gradient, momentum"
    assert value(outcome, name) == pytest.approx(sum(cosines) / len(cosines), rel=1e-9)
    assert value(outcome, "exponent of the step against the rate, SGD") == pytest.approx(1)


def test_decay_damps_oscillation() -> None:
    """On x²/2 with unit noise the mean of x² follows m -> (1 - rate)² m + rate²: no draw is needed."""
    steps, tail = 1500, 150

    def height(rate_at: object) -> float:
        assert callable(rate_at)
        mean, total = 100.0, 0.0
        for step in range(steps):
            rate = rate_at(step)
            mean = (1 - rate) ** 2 * mean + rate * rate
            total += mean if step + 1 > steps - tail else 0.0
        return 0.5 * total / tail

    constant = height(lambda step: 0.1)
    outcome = run_family("noisy-quad", "quick")
    for name, rate_at in (
        ("inverse-time decay", lambda step: 0.1 / (1 + 0.02 * step)),
        ("cosine decay", lambda step: 0.05 * (1 + math.cos(math.pi * step / steps))),
    ):
        found = outcome.measurement(f"noisy bowl: final height with {name} over that at the constant rate")
        assert found is not None
        assert found.value is not None
        # 6 seeds of 40 particles, whose heights are correlated over the tail: about 10% of standard error.
        assert found.value == pytest.approx(height(rate_at) / constant, rel=0.4)


def test_choosing_lr_is_hard() -> None:
    """The digits network in a bare loop of torch, at a rate too small, a good one and one too large."""
    task = find_entry("digits").make()
    x, y = task.train.batch(torch.arange(task.train.size))
    xv, yv = task.val.batch(torch.arange(task.val.size))
    reached = {}
    for lr in (1e-4, 0.3, 10.0):
        shares = []
        for seed in (1, 2):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
                for _ in range(4):
                    for picks in torch.split(torch.randperm(len(x)), 64):
                        loss = torch.nn.functional.cross_entropy(model(x[picks]), y[picks])
                        slopes = torch.autograd.grad(loss, list(model.parameters()))
                        with torch.no_grad():
                            for weight, slope in zip(model.parameters(), slopes, strict=True):
                                weight.sub_(lr * slope)
            with torch.no_grad():
                shares.append(float((model(xv).argmax(dim=1) == yv).float().mean()))
        reached[lr] = float(np.mean(shares))
    outcome = run_family("digits-sweep", "quick")
    # The best rate of the grid is a little better than 0.3; the ends of the grid are at or near chance.
    for lr, bound in ((1e-4, 0.08), (10.0, 0.12)):
        measured = value(outcome, f"digits: accuracy at the best rate minus at {'0.0001' if lr < 1 else '10'}")
        assert measured == pytest.approx(reached[0.3] - reached[lr], abs=bound)
        assert measured > 0.5


def test_lr_interacts_with_momentum() -> None:
    def steps(lr: float, momentum: float) -> int:
        x, y, speed_x, speed_y = 1.0, 1.0, 0.0, 0.0
        for count in range(1000):
            if 15 * x * x + 0.5 * y * y < 1e-6 * 15.5:
                return count
            speed_x, speed_y = momentum * speed_x + 30 * x, momentum * speed_y + y
            x, y = x - lr * speed_x, y - lr * speed_y
            if abs(x) > 1e9:
                break
        return 10_000

    grid = [one / 30 for one in np.geomspace(0.01, 1.99, 60)]
    plain = min(grid, key=lambda lr: steps(lr, 0.0))
    heavy = min((2 * one for one in grid), key=lambda lr: steps(lr, 0.7))
    outcome = run_family("quad-sweep", "quick")
    name = "best rate with momentum 0.7 over best rate without, on a bowl"
    assert value(outcome, name) == pytest.approx(heavy / plain, rel=1e-9)
