from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from surefoot.maths.response import (
    CEILING,
    KNEE,
    LIFTED,
    STEADY,
    Drift,
    Prior,
    Response,
    basin,
    heights,
    share_of,
)

GRID = np.linspace(-5, 0, 101)


def _best(response, halvings=0.0, count=300):
    curves = response.draw(GRID, halvings, count, np.random.default_rng(0))
    return GRID[curves.argmin(1)]


def _seen(place, halvings, x):
    """Heights of a basin of the prior's middle slopes whose lowest place is `place`."""
    x = np.asarray(x, float)
    return x, np.full(len(x), halvings), basin(x - place, np.array(2.0), np.array(4.0), 0.4)


def test_chances_of_the_lowest_place_are_where_it_was_seen():
    response = Response(*_seen(-2.0, 0.0, np.arange(-4.0, 0.1, 0.25)))
    assert response.chances.shape == response.places.shape
    assert response.chances.sum() == pytest.approx(1.0)
    assert response.places[response.chances.argmax()] == pytest.approx(-2.0, abs=response.prior.spacing)
    assert response.chances @ np.abs(response.places + 2.0) < 0.2


def test_heights_and_shares_are_each_others_inverse():
    losses = np.array([0.2, 0.3, 0.5, 1.0])
    share = (losses - 0.2) / (1.2 - 0.2)
    assert share_of(heights(losses, np.zeros(4), 1.2)) == pytest.approx(share, rel=1e-12)


def test_lengths_are_scaled_by_themselves():
    losses = np.array([0.2, 0.7, 0.9, 1.05])
    height = heights(losses, np.array([0.0, 0.0, 2.0, 2.0]), 1.2)
    assert height[[0, 2]].tolist() == [0.0, 0.0]
    assert height[1] == pytest.approx(height[3], rel=1e-12)  # both lost half of what their length reached


def test_divergence_has_the_greatest_height_and_nan_none():
    height = heights(np.array([0.1, math.inf, 50.0]), np.zeros(3), 1.0)
    assert height.tolist() == [0.0, CEILING, CEILING]
    assert heights(np.array([2.0, 3.0]), np.zeros(2), 1.0).tolist() == [CEILING, CEILING]


def test_basins_are_lowest_at_their_place_and_steep_as_told():
    away = np.array([-1.0, 0.0, 1.0])
    left, _, right = basin(away, np.array(0.3), np.array(0.6), 0.0)
    assert left == pytest.approx(CEILING * -math.expm1(-0.3 / CEILING), rel=1e-12)
    assert right == pytest.approx(CEILING * -math.expm1(-0.6 / CEILING), rel=1e-12)
    assert basin(np.array([0.0]), np.array(1.0), np.array(1.0), 0.4)[0] == 0.0


def test_the_full_length_alone_tells_the_optimum():
    best = _best(Response(*_seen(-2.3, 0.0, np.arange(-5, 0.1, 0.4))))
    assert np.median(best) == pytest.approx(-2.3, abs=0.15)
    assert np.quantile(best, 0.95) - np.quantile(best, 0.05) < 0.8


def test_shorter_lengths_leave_more_doubt():
    doubts = []
    for halvings in (0.0, 2.0, 6.0):
        best = _best(Response(*_seen(-2.3, halvings, np.arange(-5, 0.1, 0.4))))
        doubts.append(np.std(best))
    assert doubts[0] < doubts[1] < doubts[2]


def test_a_steady_drift_is_carried_on_to_the_full_length():
    def predicted(drift):
        parts = [_seen(-2.5 + drift * s, s, np.arange(-5, 0.1, 0.3)) for s in (6.0, 4.0, 2.0)]
        x, halvings, height = (np.concatenate(column) for column in zip(*parts, strict=True))
        return float(np.median(_best(Response(x, halvings, height))))

    assert predicted(0.25) == pytest.approx(-2.5, abs=0.2)
    assert predicted(0.0) == pytest.approx(-2.5, abs=0.25)


def test_more_gain_still_to_come_leaves_more_doubt():
    parts = [_seen(-2.3, s, np.arange(-5, 0.1, 0.4)) for s in (4.0, 2.0)]
    x, halvings, height = (np.concatenate(column) for column in zip(*parts, strict=True))
    prior = Prior(drifts=(dataclasses.replace(STEADY, unsettled=0.3),))
    settled = Response(x, halvings, height, gains={4.0: 1.0, 2.0: 1.05}, prior=prior)
    unsettled = Response(x, halvings, height, gains={4.0: 0.1, 2.0: 1.0}, prior=prior)
    assert np.std(_best(unsettled)) > np.std(_best(settled))


def test_once_most_of_the_loss_is_gone_no_more_is_to_come_than_is_left():
    parts = [_seen(-2.3, s, np.arange(-5, 0.1, 0.4)) for s in (4.0, 2.0)]
    x, halvings, height = (np.concatenate(column) for column in zip(*parts, strict=True))
    gains = {4.0: 0.1, 2.0: 0.9}
    prior = Prior(drifts=(dataclasses.replace(STEADY, unsettled=0.6),))

    def doubt(initial_loss: float) -> float:
        return _best(Response(x, halvings, height, gains=gains, initial_loss=initial_loss, prior=prior)).std()

    assert doubt(1.0) < 0.7 * doubt(10.0)  # of a loss of 10 little is gone
    assert doubt(0.8) == doubt(10.0)  # a loss that may be negative leaves any room


def test_where_much_is_gained_the_optimum_is_expected_higher():
    x, halvings, height = _seen(-2.3, 3.0, np.arange(-5, 0.1, 0.4))
    lifted = Prior(drifts=(LIFTED,))
    little, much = (
        np.median(_best(Response(x, halvings, height, gains={3.0: gain}, initial_loss=1.0, prior=lifted)))
        for gain in (0.5, 0.01)
    )
    assert little < -2.3 < much + 0.1
    assert much > little + 0.3


def test_of_two_accounts_the_one_that_foresees_what_was_seen_is_believed():
    # The optimum stays while the gain doubles with every halving: so says the second account, and so it goes on.
    places = [_seen(-2.5, s, np.arange(-5, 0.1, 0.3)) for s in (6.0, 4.0, 2.0)]
    x, halvings, height = (np.concatenate(column) for column in zip(*places, strict=True))
    steady = Drift((0.3,), 0.3, 0.1, jitter=0.05, unsettled=0.0)
    lifted = Drift((0.3,), 0.3, 0.1, jitter=0.05, unsettled=0.0, lift=0.3)
    gains = {6.0: 0.05, 4.0: 0.2, 2.0: 0.8}

    def foreseen(*drifts):
        return float(np.median(_best(Response(x, halvings, height, gains=gains, prior=Prior(drifts=drifts)))))

    assert foreseen(steady, lifted) == pytest.approx(foreseen(lifted), abs=0.15)
    assert foreseen(steady) < foreseen(lifted) - 0.3


def test_the_usual_rate_speaks_where_little_was_seen():
    x, halvings, height = _seen(-2.3, 6.0, np.arange(-5, 0.1, 1.0))
    low, high = (np.median(_best(Response(x, halvings, height, usual=usual))) for usual in (-4.0, -1.0))
    assert high > low + 0.3
    x, halvings, height = _seen(-2.3, 0.0, np.arange(-5, 0.1, 0.2))
    low, high = (np.median(_best(Response(x, halvings, height, usual=usual))) for usual in (-4.0, -1.0))
    assert high == pytest.approx(low, abs=0.1)


def test_noise_is_recognised():
    rng = np.random.default_rng(3)
    x, halvings, height = _seen(-2.3, 0.0, np.arange(-5, 0.1, 0.2))
    noisy = height + 0.5 * (1 + height) * rng.standard_normal(len(height))
    assert Response(x, halvings, noisy).noise > 3 * Response(x, halvings, height).noise


def test_draws_pass_near_what_was_seen_and_repeat_with_the_seed():
    x, halvings, height = _seen(-2.3, 0.0, np.arange(-5, 0.1, 0.4))
    response = Response(x, halvings, height)
    first = response.draw(x, 0.0, 100, np.random.default_rng(1))
    assert np.abs(first.mean(0) - height).max() < 0.15
    assert (first == response.draw(x, 0.0, 100, np.random.default_rng(1))).all()


def test_knee_is_where_heights_bend():
    assert math.log1p(1.0) == pytest.approx(float(heights(np.array([0.0, KNEE]), np.zeros(2), 1.0)[1]))
