"""What the validation loss tells: exact answers on courses that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.diagnose.evidence import Evidence
from surefoot.diagnose.features import features_of
from surefoot.diagnose.validated import NAMES
from surefoot.records import Run, float_series, int_series


def found(val: np.ndarray, train: np.ndarray | None = None) -> dict[str, float]:
    """Features of a run of 101 steps with these validation losses, evenly spaced from its first to its last step."""
    train = np.linspace(2.0, 1.0, 101) if train is None else train
    run = Run(
        unit="step",
        step=int_series(range(101)),
        loss=float_series(train),
        lr=float_series(np.full(101, math.nan)),
        val_step=int_series(np.linspace(0, 100, len(val)).round()),
        val_loss=float_series(val),
        source="log:test",
    )
    return {name: value for name, value in features_of(Evidence(run)).items() if name in NAMES}


def test_a_straight_fall_is_half_done_at_half_time() -> None:
    told = found(np.linspace(2.0, 1.0, 101))
    # The lowest value is a mean of three, so that the fall is 0.99.
    assert told["val_fallen"] == pytest.approx(0.495)
    assert told["val_half"] == 0.5
    assert told["val_most"] == 0.9
    assert told["val_late_fall"] == pytest.approx((4 / 3 - 1.01) / 0.99)
    assert told["val_late_power"] == pytest.approx(math.log2(1.5 / 1.01))
    assert told["val_uphill"] == 0.0
    assert told["val_beside"] == pytest.approx(0.99 / (1.0 - 0.045))


def test_a_fall_that_ended_early_has_no_late_fall() -> None:
    told = found(np.r_[np.linspace(2.0, 1.0, 21), np.full(80, 1.0)])
    assert told["val_most"] == pytest.approx(0.18)
    assert told["val_late_fall"] == 0.0
    assert told["val_late_power"] == 0.0


def test_what_is_buried_in_the_noise_of_batches_is_seen_in_the_validation_loss() -> None:
    rng = np.random.default_rng(0)
    noisy = 1.0 + rng.standard_normal(101)
    learned = found(np.linspace(1.0, 0.9, 21) + 0.003 * rng.standard_normal(21), noisy)
    stood = found(1.0 + 0.003 * rng.standard_normal(21), noisy)
    # 21 entries: the difference of two means of 7 has a standard error of 0.003 * sqrt(2 / 7); the fall is 0.07.
    assert learned["val_certain"] == pytest.approx(0.07 / (0.003 * math.sqrt(2 / 7)), rel=0.5)
    assert abs(stood["val_certain"]) < 6.0
    assert learned["val_fallen_log"] > -1.2 > stood["val_fallen_log"]


def test_without_a_validation_loss_nothing_is_told() -> None:
    assert all(math.isnan(value) for value in found(np.zeros(0)).values())


def test_a_rise_after_the_best_is_told() -> None:
    told = found(np.r_[np.linspace(2.0, 1.0, 51), np.linspace(1.0, 1.5, 51)[1:]])
    assert told["val_rise"] == pytest.approx(0.5, abs=0.02)
    assert told["val_best_at"] == pytest.approx(50 / 98)  # of 99 means of three, one with the lowest entry in it
    assert told["val_uphill"] == 0.5
