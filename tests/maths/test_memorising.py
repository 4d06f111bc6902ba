from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.maths.memorising import MEMORISING, Memorising
from surefoot.maths.response import Response, basin

PLACES = np.linspace(-5, 1, 61)
GRID = np.linspace(-5, 0, 101)
X = np.arange(-5, 0.1, 0.4)


def _heights(place):
    return basin(X - place, np.array(2.0), np.array(4.0), 0.4)


def _response(apart, again=5.0, shortest=4):
    """Over three lengths the best rate is -2.3 and training losses are lowest `apart` decades above it."""
    lengths = np.repeat(np.arange(float(shortest), 0.0, -1.0)[:3], len(X))
    return Response(
        np.tile(X, 3), lengths, np.tile(_heights(-2.3), 3), training=np.tile(_heights(-2.3 + apart), 3), again=again
    )


def _best(response):
    curves = response.draw(GRID, 0.0, 300, np.random.default_rng(0))
    return float(np.median(GRID[curves.argmin(1)]))


def test_it_cannot_begin_before_data_is_seen_again():
    one = Memorising(onset=0.2)
    assert one.spared(6.0, 4.0, again=4.0) == 1.0
    assert one.spared(6.0, 3.0, again=4.0) == pytest.approx(0.8)
    assert one.spared(math.inf, 1.0, again=4.0) == pytest.approx(0.8**3)
    assert one.spared(4.0, 1.0, again=-math.inf) == 1.0


def test_the_best_rate_moves_down_with_the_length_and_goes_somewhere():
    chance = MEMORISING.moves(PLACES, 2.0)
    assert chance.sum(1) == pytest.approx(np.ones(len(PLACES)))
    middle = 40
    assert chance[middle] @ PLACES == pytest.approx(PLACES[middle] - 2.0 * MEMORISING.drift, abs=0.01)
    spread = math.sqrt(chance[middle] @ PLACES**2 - (chance[middle] @ PLACES) ** 2)
    assert spread == pytest.approx(math.sqrt(2.0) * MEMORISING.jitter, rel=0.05)


def test_what_training_losses_say_is_that_of_the_plain_sum():
    rng = np.random.default_rng(0)
    log_training = rng.normal(-3.0, 2.0, len(PLACES))
    found = MEMORISING.seen(PLACES, log_training)
    for place in (0, 17, 44):
        away = PLACES - PLACES[place]
        student = [(1 + (one / MEMORISING.close) ** 2 / 3) ** -2 for one in away]
        bell = [math.exp(-(((one - MEMORISING.apart) / MEMORISING.apart_deviation) ** 2) / 2) + 1e-4 for one in away]
        for row, link in zip(found, (student, bell), strict=True):
            terms = [a * math.exp(b) for a, b in zip(link, log_training, strict=True)]
            assert row[place] == pytest.approx(math.log(sum(terms) / sum(link)), rel=1e-9)


def test_training_losses_that_fall_on_above_the_best_rate_tell_memorising():
    learning, memorising = _response(0.0), _response(0.5)
    assert learning.memorising < 0.1
    assert memorising.memorising > 0.8
    assert _best(memorising) < _best(learning) - 0.08


def test_training_that_never_sees_its_data_again_does_not_memorise():
    assert _response(0.5, again=-math.inf).memorising < 1e-12
    assert _response(0.5, again=0.5).memorising < 1e-12  # again only beyond what was seen


def test_training_losses_that_are_not_known_change_nothing():
    lengths = np.full(len(X), 1.0)
    plain = Response(X, lengths, _heights(-2.3))
    unknown = Response(X, lengths, _heights(-2.3), training=np.full(len(X), math.nan))
    assert _best(plain) == _best(unknown)
    assert plain.memorising < 1e-12


def test_the_gap_speaks_for_neither_at_its_middle_and_is_bounded():
    one = Memorising(gap=0.1, gap_weight=2.0, gap_bounds=(-1.0, 3.0))
    assert one.gap_odds(0.1) == 0.0
    assert one.gap_odds(0.1 * math.e) == pytest.approx(2.0)
    assert one.gap_odds(50.0) == 3.0
    assert one.gap_odds(0.01) == one.gap_odds(0.0) == one.gap_odds(-2.0) == -1.0


def test_an_improvement_that_shrinks_speaks_for_memorising_and_one_that_grows_for_neither():
    one = Memorising(shrunk=0.01, shrunk_weight=2.0, shrunk_bound=4.0)
    assert one.shrunk_odds(-0.5) == one.shrunk_odds(0.0) == one.shrunk_odds(0.01) == 0.0
    assert one.shrunk_odds(0.01 * math.e) == pytest.approx(2.0)
    assert one.shrunk_odds(1.0) == 4.0


@pytest.mark.parametrize("last", [0.85, 1.0, 1.15])
def test_where_every_rate_does_worse_than_over_a_shorter_length_the_best_one_lies_lower(last):
    """Improvements over a sixteenth, an eighth and a quarter of the training; its rates are the same throughout."""
    lengths = np.repeat([4.0, 3.0, 2.0], len(X))
    made = {"again": 5.0, "gaps": {4.0: 0.08, 3.0: 0.08, 2.0: 0.08}}
    plain = Response(np.tile(X, 3), lengths, np.tile(_heights(-2.3), 3), **made)
    found = Response(np.tile(X, 3), lengths, np.tile(_heights(-2.3), 3), gains={4.0: 0.9, 3.0: 1.0, 2.0: last}, **made)
    if last < 1.0:
        assert found.memorising > plain.memorising + 0.2
        assert _best(found) < _best(plain) - 0.1
    else:
        assert found.memorising <= plain.memorising + 0.05
