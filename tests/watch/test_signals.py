"""Signals on curves whose truth is known: what is there is seen, and what only looks like it is not."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.watch import signals


def flat(rates_of):
    return np.full(len(rates_of), 0.1)


def falling(n=400, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    return 2.0 * np.exp(-np.arange(n) / 60) + 0.3 + noise * rng.normal(size=n)


def floor(n=800, noise=0.05, seed=0):
    return falling(n, noise, seed)


def test_a_floor_is_a_floor_and_a_descent_is_none():
    answers = [signals.noise_floor(floor(seed=seed), np.full(800, 0.1)).result for seed in range(20)]
    assert answers.count("holds") >= 15, "an undecided slope is no floor yet"
    early = falling(200)
    assert signals.noise_floor(early, flat(early)).result == "fails"


@pytest.mark.parametrize("seed", range(5))
def test_recovery_after_a_spike_is_no_plateau(seed):
    """The loss jumps and comes back slowly: pytorch's ReduceLROnPlateau would cut the rate here."""
    losses = floor(800, seed=seed)
    losses[500:] += 1.5 * np.exp(-np.arange(300) / 150)
    assert signals.noise_floor(losses, flat(losses)).result != "holds"


def test_a_floor_needs_a_constant_rate_and_enough_updates():
    losses = floor()
    assert signals.noise_floor(losses, np.linspace(0.1, 0.01, len(losses))).result == "unknown"
    assert signals.noise_floor(losses[:100], flat(losses[:100])).result == "unknown"


@pytest.mark.parametrize("seed", range(3))
def test_false_floors_are_rare_on_a_slow_descent(seed):
    rng = np.random.default_rng(seed)
    losses = 2.0 - 0.0008 * np.arange(1000) + 0.1 * rng.normal(size=1000)
    for end in range(200, 1000, 50):
        assert signals.noise_floor(losses[:end], flat(losses[:end])).result != "holds"


def test_divergence_is_a_loss_that_is_lost():
    losses = falling()
    assert signals.diverged(losses).result == "fails"
    assert signals.diverged(np.append(losses, np.nan)).result == "holds"
    runaway = np.concatenate([losses, np.linspace(0.3, 4.0, 60)])
    assert signals.diverged(runaway).result == "holds"
    spike = np.concatenate([losses, [8.0, 3.0, 1.0], losses[-40:]])
    assert signals.diverged(spike).result == "fails", "one spike that is recovered from"


def test_growing_swings():
    t = np.arange(160)
    rng = np.random.default_rng(0)
    grown = 1 + 0.02 * np.exp(t / 30) * (1 + (-1.0) ** t) + 0.01 * rng.normal(size=160)
    assert signals.oscillation_growing(grown).result == "holds"
    steady = 1 + 0.2 * (-1.0) ** t + 0.01 * rng.normal(size=160)
    assert signals.oscillation_growing(steady).result == "fails"
    assert signals.oscillation_growing(falling(160)).result == "fails"


def test_a_straight_line_down_is_a_slow_descent():
    rng = np.random.default_rng(0)
    line = 2.3 - 0.0005 * np.arange(600) + 0.01 * rng.normal(size=600)
    assert signals.slow_descent(line, flat(line)).result == "holds"
    curve = falling(600, 0.01)
    assert signals.slow_descent(curve, flat(curve)).result == "fails"
    level = 1 + 0.01 * rng.normal(size=600)
    assert signals.slow_descent(level, flat(level)).result == "fails"


def test_overfitting_is_a_rise_beyond_the_noise():
    rng = np.random.default_rng(0)
    steps = np.arange(1, 21) * 10
    good = 1 + np.exp(-np.arange(20) / 4) + 0.02 * rng.normal(size=20)
    assert signals.overfitting(list(zip(steps, good, strict=True))).result == "fails"
    bad = good + np.where(np.arange(20) > 10, 0.1 * (np.arange(20) - 10), 0.0)
    found = signals.overfitting(list(zip(steps, bad, strict=True)))
    assert found.result == "holds"
    assert found.steps[0] <= 130
    assert signals.overfitting(list(zip(steps[:4], bad[:4], strict=True))).result == "unknown"
