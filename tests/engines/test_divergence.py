"""When a member is dead: at once with a loss that is no number, after patience with one that ran away."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.engines.divergence import FACTOR, PATIENCE, bound_of, died_at


def test_the_bound_lies_above_the_first_loss_whatever_its_sign():
    assert bound_of(2.0) == 2.0 + 2.0 * FACTOR
    assert bound_of(-2.0) == -2.0 + 2.0 * FACTOR
    assert bound_of(0.0) == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_loss_that_is_no_number_kills_at_once(value, place):
    losses = np.ones(10)
    losses[place] = value
    assert died_at(losses, 5.0) == place


def test_a_runaway_is_dead_after_patience_and_a_catapult_comes_back():
    runaway = np.r_[np.ones(5), np.full(PATIENCE, 9.0)]
    assert died_at(runaway, 5.0) == 5 + PATIENCE - 1
    assert died_at(runaway[:-1], 5.0) is None
    assert died_at(np.r_[runaway[:-1], 1.0, runaway[5:-1]], 5.0) is None


def test_on_the_bound_is_not_beyond_it():
    assert died_at(np.full(3 * PATIENCE, 5.0), 5.0) is None


def test_the_earlier_death_counts():
    late_nan = np.r_[np.full(PATIENCE, 9.0), np.nan]
    assert died_at(late_nan, 5.0) == PATIENCE - 1
    early_nan = np.r_[np.nan, np.full(PATIENCE, 9.0)]
    assert died_at(early_nan, 5.0) == 0


def test_the_living_and_the_unborn():
    assert died_at(np.linspace(3, 0, 100), 5.0) is None
    assert died_at(np.empty(0), 5.0) is None


def test_a_lucky_first_batch_does_not_lower_the_bound():
    assert bound_of(0.001, 2.0) == bound_of(2.0)
    assert bound_of(2.0, 0.001) == bound_of(2.0)
    assert bound_of(2.0, float("nan")) == bound_of(2.0)
