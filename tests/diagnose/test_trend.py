"""Levels and noise of a loss, against series whose course and noise are known."""

import numpy as np
import pytest
from curves import noise

from surefoot.diagnose.trend import noise_of, trend_of


@pytest.mark.parametrize("course", [np.zeros(4000), np.linspace(5, 1, 4000), 3 * np.exp(-np.arange(4000) / 500)])
def test_the_noise_is_that_which_was_added_whatever_the_course(course):
    # The relative standard error of the median of 4000 absolute values is 0.018, twice that for overlapping ones.
    assert noise_of(course + noise(4000, 0.2)) == pytest.approx(0.2, rel=4 * 0.037)


def test_a_few_outliers_hardly_move_the_noise():
    loss = noise(2000, 0.1)
    spoiled = loss.copy()
    spoiled[::100] += 50.0
    assert noise_of(spoiled) == pytest.approx(noise_of(loss), rel=0.15)


def test_too_few_entries_have_no_noise():
    assert np.isnan(noise_of(np.ones(4)))


def test_levels_of_a_straight_line_lie_on_it():
    step = np.arange(1000)
    trend = trend_of(step, 2.0 - step / 1000)
    assert np.allclose(trend.level, 2.0 - (trend.share * 999) / 1000, atol=1e-9)
    assert trend.reached(0.5) == pytest.approx(0.5, abs=0.03)


def test_levels_scale_with_the_loss():
    step, loss = np.arange(300), 2 * np.exp(-np.arange(300) / 40) + noise(300, 0.05)
    one, other = trend_of(step, loss), trend_of(step, 1000 * loss)
    assert np.allclose(1000 * one.level, other.level)
    assert other.noise == pytest.approx(1000 * one.noise)


def test_what_is_not_finite_is_left_out():
    loss = np.ones(50)
    loss[20:30] = np.nan
    trend = trend_of(np.arange(50), loss)
    assert trend.entries == 40
    assert trend.final == 1.0
    assert trend_of(np.arange(50), np.full(50, np.nan)) is None
