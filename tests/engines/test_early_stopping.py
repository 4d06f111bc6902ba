"""Early stopping: patience, noise, and what it remembers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.engines.early_stopping import EarlyStop, standard_error
from surefoot.engines.engine import Validation
from surefoot.errors import RecipeError

PARTS = 16


def validation(step, *groups):
    rows = np.array(groups, dtype=np.float64)
    return Validation(step, tuple(range(len(rows))), rows.mean(1), rows, {})


def stopped_at(rule, losses, spread=0.0, seed=0):
    """Number of the validation that stops a member with these mean losses; parts differ by paired noise of `spread`."""
    draw = np.random.default_rng(seed)
    for number, loss in enumerate(losses):
        noise = draw.normal(0, spread, PARTS)
        if rule(validation(number, loss + noise - noise.mean())):
            return number
    return None


def test_patience_counts_validations_since_the_last_improvement():
    assert stopped_at(EarlyStop(3), [5, 4, 3, 3, 3, 3, 3]) == 5
    assert stopped_at(EarlyStop(3), [5, 4, 3, 3.5, 3.2, 2.9, 3, 3, 3]) == 8
    assert stopped_at(EarlyStop(3), [3, 2, 1, 0, -1, -2]) is None


def test_an_improvement_is_more_than_min_delta():
    assert stopped_at(EarlyStop(2, 0.5), [5, 4.6, 4.5]) == 2
    # Small steps add up: the third is half a unit below the first.
    assert stopped_at(EarlyStop(3, 0.5), [5, 4.8, 4.6, 4.4, 4.2, 4.0, 3.8]) is None


def test_a_fall_within_the_noise_is_no_improvement_and_a_steady_one_is():
    falls = [1 - 0.001 * number for number in range(12)]
    assert stopped_at(EarlyStop(3, noise=0), falls, spread=0.2) is None
    assert stopped_at(EarlyStop(3), falls, spread=0.2) == 3
    # The same falls on parts that agree about them stand out at once.
    assert stopped_at(EarlyStop(3), falls, spread=0.0) is None


def test_the_error_is_that_of_paired_differences():
    before = np.arange(16.0)
    assert standard_error(before, before - 0.5) == 0
    change = np.tile([0.0, 1.0], 8)
    assert standard_error(before, before + change) == pytest.approx(change.std(ddof=1) / 4)
    assert standard_error(before[:1], before[:1]) == 0
    assert standard_error(before, before + math.inf) == 0


def test_the_best_is_said_even_where_it_was_no_improvement():
    rule = EarlyStop(2)
    noise = np.tile([1.0, -1.0], 8)
    rule(validation(0, np.ones(PARTS)))
    assert rule(validation(5, 0.99 + noise)) == {}
    [(fate, reason)] = rule(validation(10, 1.5 + noise)).values()
    assert fate == "stopped"
    assert "best 0.99 at step 5" in reason


def test_losses_that_are_no_number_never_improve():
    assert stopped_at(EarlyStop(2), [1, math.nan, math.inf, 1]) == 2
    assert stopped_at(EarlyStop(2), [math.nan, 3, 2, 1]) is None


def test_members_wait_each_for_themselves():
    rule = EarlyStop(2)
    flat, falling = np.ones(PARTS), np.ones(PARTS)
    for step in range(2):
        assert rule(validation(step, flat, falling - step)) == {}
    assert list(rule(validation(2, flat, falling - 2))) == [0]


def test_the_state_goes_on_where_it_was():
    one, other = EarlyStop(3, 0.1, 2.0), EarlyStop(3, 0.1, 2.0)
    for step, loss in enumerate([5, 4, 4]):
        one(validation(step, loss * np.ones(PARTS)))
    other.load(one.state())
    assert other.waited() == 1
    assert one(validation(3, 4 * np.ones(PARTS))) == other(validation(3, 4 * np.ones(PARTS))) == {}
    assert list(other(validation(4, 4 * np.ones(PARTS)))) == [0]
    assert EarlyStop(**one.settings()).settings() == one.settings()
    assert one.fresh().waited() == 0


@pytest.mark.parametrize("arguments", [(0,), (1.5,), (True,), (1, -0.1), (1, math.nan), (1, 0, -1)])
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(RecipeError, match="it is a"):
        EarlyStop(*arguments)
