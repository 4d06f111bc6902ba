"""Ten claims again, by the plainest code there is: loops in Python, NumPy and bare torch, and the same numbers."""

from __future__ import annotations

import functools
import math
import random

import numpy as np
import pytest
import torch

from surefoot.records.claim import Outcome
from surefoot.records.measurement import Measurement
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments import run_family


@functools.cache
def outcome(family: str) -> Outcome:
    return run_family(family, "quick")


def measured(family: str, name: str) -> Measurement:
    found = outcome(family).measurement(name)
    assert found is not None
    assert found.value is not None
    return found


def value(family: str, name: str) -> float:
    found = measured(family, name).value
    assert found is not None
    return found


def test_divergence_above_two_over_curvature() -> None:
    def grows(lr: float, momentum: float) -> bool:
        x, speed = 1.0, 0.0
        for step in range(600):
            speed = momentum * speed + 3.0 * x
            x -= lr * speed
            if step == 200:
                middle = abs(x)
        return abs(x) > middle

    for momentum, name in ((0.0, "no momentum"), (0.9, "momentum 0.9")):
        limit = next(share for share in np.arange(0.9, 2.2, 0.005) if grows(share * 2 / 3.0, momentum))
        assert value("quad-sweep", f"smallest diverging rate × curvature / 2, {name}") == pytest.approx(limit, abs=0.02)


def test_zigzag_path_in_valley() -> None:
    for factor in (0.9, 1.5):
        x, crossings = 1.0, 0
        for _ in range(60):
            new = x - factor / 20 * 20 * x
            crossings += new * x < 0
            x = new
        name = f"share of updates that cross the valley at rate {factor:g} / steepest curvature"
        assert value("quad-sweep", name) == crossings / 60


def test_larger_lr_needs_fewer_epochs() -> None:
    def steps(lr: float) -> int:
        a = b = 1.0
        count = 0
        while 10 * a * a + 0.5 * b * b >= 1e-6 * 10.5:
            a, b, count = a - lr * 20 * a, b - lr * b, count + 1
        return count

    rates = [share * 0.1 for share in (0.03, 0.1, 0.3, 0.5, 0.7)]
    slope = np.polyfit(np.log(rates), np.log([steps(lr) for lr in rates]), 1)[0]
    name = "exponent of steps to a fixed loss against the rate, condition number 20"
    assert value("quad-sweep", name) == pytest.approx(slope, abs=1e-6)


def test_small_lr_more_precise_endpoint() -> None:
    """Mean height of 40 × 150 correlated points; their own standard error is about 3%."""
    draw = random.Random(1)
    total = count = 0.0
    for _ in range(40):
        x = 1.0
        for step in range(400):
            x -= 0.1 * (x + draw.gauss(0, 1))
            if step >= 100:
                total, count = total + 0.5 * x * x, count + 1
    formula = 0.1 / (2 * (2 - 0.1))
    assert total / count / formula == pytest.approx(1, abs=0.12)
    assert value("noisy-quad", "noisy bowl: final height at rate 0.1 over the formula") == pytest.approx(1, abs=0.06)


def test_large_lr_escapes_shallow_minima() -> None:
    draw = random.Random(2)
    escaped = 0
    for _ in range(60):
        x = 0.96
        for _ in range(1000):
            inner = min(1.6, max(-1.6, x))
            x -= 0.1 * (4 * inner * (inner * inner - 1) + 0.3 + 8 * (x - inner) + draw.gauss(0, 2))
        escaped += x < 0.0755
    share = value("double-well", "double well: share that escape, constant rate 0.1")
    error = math.sqrt(share * (1 - share) * (1 / 60 + 1 / 100)) + 0.01
    assert abs(escaped / 60 - share) < 3.5 * error


def test_moderate_lr_crosses_saddles() -> None:
    def leaves(lr: float) -> int:
        y, step = 1e-3, 0
        while abs(y) <= 0.5:
            y, step = y - lr * (-2 * y + 2 * y**3), step + 1
        return step

    slope = np.polyfit(np.log([0.01, 0.03, 0.1]), np.log([leaves(lr) for lr in (0.01, 0.03, 0.1)]), 1)[0]
    name = "saddle: exponent of the updates needed to leave against the rate"
    assert value("saddle", name) == pytest.approx(slope, abs=0.02)


def test_xor_printed_seed() -> None:
    """The printed program, matrix by matrix."""
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    np_random = np.random.RandomState(42)
    w1, w2 = np_random.randn(2, 2), np_random.randn(2, 1)
    b1, b2 = np.zeros((1, 2)), np.zeros((1, 1))
    for epoch in range(5001):
        hidden = 1 / (1 + np.exp(-(x @ w1 + b1)))
        out = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
        if epoch in (0, 2000, 5000):
            name = f"XOR, printed seed: loss after {epoch} updates at rate 0.1"
            assert value("xor-lr", name) == pytest.approx(float(np.mean((y - out) ** 2)), rel=1e-9)
        at_out = (out - y) * out * (1 - out)
        at_hidden = at_out @ w2.T * hidden * (1 - hidden)
        w2 -= 0.1 * hidden.T @ at_out
        b2 -= 0.1 * at_out.sum(axis=0)
        w1 -= 0.1 * x.T @ at_hidden
        b1 -= 0.1 * at_hidden.sum(axis=0)


def test_minibatch_averaging_cuts_noise() -> None:
    """For batches without repetition the variance is that of one example times (N - B) / (B (N - 1))."""
    torch.manual_seed(0)
    model = mlp((64, 32, 10))
    task = find_entry("digits").make()
    x, y = task.train.batch(torch.arange(120))
    rows = []
    for one, digit in zip(x, y, strict=True):
        loss = torch.nn.functional.cross_entropy(model(one[None]), digit[None])
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(model.parameters()))]))
    singles = torch.stack(rows).double().numpy()
    draw = np.random.default_rng(0)

    def variance(batch: int) -> float:
        picks = [singles[draw.choice(120, batch, replace=False)].mean(axis=0) for _ in range(300)]
        return float(np.square(np.array(picks) - singles.mean(axis=0)).sum(axis=1).mean())

    slope = np.polyfit(np.log([1, 4, 8]), np.log([variance(one) for one in (1, 4, 8)]), 1)[0]
    name = "gradient noise: exponent of the variance against the batch size, up to 64"
    assert slope == pytest.approx(-1, abs=0.12)
    assert value("grad-noise", name) == pytest.approx(slope, abs=0.12)


def test_small_lr_loss_curve_straight_line() -> None:
    heights = [0.5 * (1 - 0.001) ** (2 * t) + 0.25 * (1 - 0.0005) ** (2 * t) for t in range(10_001)]
    times = np.arange(len(heights))
    explained = np.corrcoef(times, heights)[0, 1] ** 2
    name = "straightness of the loss on a bowl after rate × updates × curvature of ten"
    assert value("curve-shape", name) == pytest.approx(explained, abs=0.1)


def test_divergence_limit_of_a_network() -> None:
    """200 plain updates, then the whole Hessian and its largest eigenvalue."""
    task = find_entry("digits").make()
    x, y = task.train.batch(torch.arange(300))
    wanted = torch.nn.functional.one_hot(y, 10).float()
    torch.manual_seed(outcome("eos").seeds[0])
    model = mlp((64, 20, 10), activation="tanh")
    names = [name for name, _ in model.named_parameters()]
    shapes = [one.shape for one in model.parameters()]
    flat = torch.cat([one.detach().flatten() for one in model.parameters()])

    def loss(numbers: torch.Tensor) -> torch.Tensor:
        parts = torch.split(numbers, [shape.numel() for shape in shapes])
        named = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        return torch.nn.functional.mse_loss(torch.func.functional_call(model, named, (x,)), wanted)

    for _ in range(200):
        numbers = flat.requires_grad_()
        flat = (numbers - torch.autograd.grad(loss(numbers), numbers)[0]).detach()
    hessian = torch.autograd.functional.hessian(loss, flat)
    largest = float(torch.linalg.eigvalsh(hessian)[-1])
    assert value("eos", "edge of stability: sharpness at the end, rate 1") == pytest.approx(largest, rel=0.03)
