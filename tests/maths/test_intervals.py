from __future__ import annotations

import numpy as np
import pytest

from surefoot.maths.intervals import lowest_place_interval

X = np.linspace(-3, 0, 76)


def _interval(curves, noise=0.0, tail=0.1):
    return lowest_place_interval(X, curves, noise=noise, tail=tail, resolution=0.2, rng=np.random.default_rng(0))


def test_a_known_curve_has_an_interval_no_wider_than_the_resolution():
    low, high = _interval(np.tile((X + 1.0) ** 2, (200, 1)))
    assert -1.1 <= low <= -1.0 <= high <= -0.9


def test_it_covers_the_spread_of_the_lowest_places():
    places = np.linspace(-2, -1, 400)[np.random.default_rng(1).permutation(400)]
    low, high = _interval((X[None, :] - places[:, None]) ** 2)
    assert low == pytest.approx(-1.9, abs=0.1)
    assert high == pytest.approx(-1.1, abs=0.1)


def test_noise_widens_a_flat_curve_more_than_a_steep_one():
    def widths(height):
        curve = np.tile(height * (X + 1.5) ** 2, (400, 1))
        plain, noisy = _interval(curve), _interval(curve, noise=0.05)
        return plain[1] - plain[0], noisy[1] - noisy[0]

    flat, steep = widths(0.1), widths(10.0)
    assert flat[1] > 5 * flat[0]
    assert steep[1] < 0.5
