"""Losses with a known fault, made from formulas."""

import numpy as np

from surefoot.records import Run, float_series, int_series


def run_of(loss, lr=None, val=None, val_step=None, **more):
    loss = np.asarray(loss, float)
    rates = np.full(len(loss), np.nan) if lr is None else np.broadcast_to(np.asarray(lr, float), len(loss))
    return Run(
        step=int_series(range(len(loss))), loss=float_series(loss), lr=float_series(rates),
        val_step=int_series(() if val is None else val_step), val_loss=float_series(() if val is None else val), **more,
    )  # fmt: skip


def noise(count, size, seed=0):
    return size * np.random.default_rng(seed).normal(size=count)


def good(count=300, seed=0):
    time = np.arange(count)
    fall = np.exp(-time / (0.08 * count))
    return 0.1 + 2.2 * fall + noise(count, 1.0, seed) * (0.01 + 0.08 * fall)


def straight(count=300, seed=0):
    return 2.3 - 0.25 * np.arange(count) / count + noise(count, 0.03, seed)


def growing(count=120, seed=0):
    return 2.3 * np.exp(np.arange(count) / 20) + noise(count, 0.05, seed)


def still(count=300, seed=0):
    return 2.3 + noise(count, 0.05, seed)
