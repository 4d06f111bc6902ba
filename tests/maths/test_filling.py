"""Filling: smooth functions from a few lines to what a computer can hold, exact ones exactly, kinks not at all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval

from surefoot.maths.filling import filled, filling, stretched, tail, unstretched

STEPS = (13, 17, 23, 30, 39)


def test_the_stretched_points_are_those_of_the_series_of_arcsin_and_come_back():
    points = np.linspace(-1, 1, 301)
    cubes = points**3 / 6 + 3 * points**5 / 40 + 5 * points**7 / 112 + 35 * points**9 / 1152
    np.testing.assert_allclose(stretched(points), 40320 * (points + cubes) / 53089, rtol=1e-14)
    np.testing.assert_allclose(stretched(unstretched(points)), points, atol=1e-15)
    np.testing.assert_array_equal(unstretched(np.array([-1.0, 0.0, 1.0])), [-1, 0, 1])


@pytest.mark.parametrize(("size", "steps"), [(30, 2), (51, 1), (51, 4), (101, 1), (101, 3), (1001, 2), (1001, 5)])
def test_lines_are_each_once_with_both_ends_and_those_of_before_and_errors_grow_by_no_more_than_five(size, steps):
    counts = STEPS[:steps]
    found = filling(size, *counts)
    assert len(set(found.chosen)) == counts[-1]
    assert np.all(np.diff(found.chosen) > 0)
    assert (found.chosen[0], found.chosen[-1]) == (0, size - 1)
    assert found.matrix.shape == (size, counts[-1])
    assert found.growth <= 5
    if steps > 1:
        assert set(filling(size, *counts[:-1]).chosen) <= set(found.chosen)


def test_a_polynomial_in_the_stretched_variable_is_reproduced():
    found = filling(51, 13)
    coefficients = np.random.default_rng(0).normal(size=13)
    values = chebval(unstretched(np.linspace(-1, 1, 51)), coefficients)
    np.testing.assert_allclose(found.matrix @ values[found.chosen], values, atol=1e-13)
    np.testing.assert_allclose(found.last @ values[found.chosen], coefficients[-2:], atol=1e-13)


def test_a_product_of_two_is_filled_from_where_the_lines_cross():
    first, second = filling(41, 13), filling(60, 13, 17)
    rows = chebval(unstretched(np.linspace(-1, 1, 41)), np.arange(1.0, 10))
    columns = chebval(unstretched(np.linspace(-1, 1, 60)), np.cos(np.arange(12)))
    whole = np.outer(rows, columns)
    values = whole[np.ix_(first.chosen, second.chosen)]
    np.testing.assert_allclose(filled(values, first, second), whole, atol=1e-11 * np.abs(whole).max())
    assert tail(values, first, second) < 1e-11 * np.abs(whole).max()


SMOOTH = {
    "constant": lambda x: np.full_like(x, 3.0),
    "square": np.square,
    "fourth power": lambda x: x**4,
    "exp": np.exp,
    "tanh": np.tanh,
    "cross-entropy": lambda x: np.logaddexp(0, 2 * x),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("size", [101, 1001])
def test_smooth_functions_are_filled_to_ten_figures(name, size):
    x = np.linspace(-1, 1, size)
    values = SMOOTH[name](x)
    found = filling(size, *STEPS)
    np.testing.assert_allclose(found.matrix @ values[found.chosen], values, rtol=0, atol=1e-10)


def test_coefficients_of_what_is_analytic_fall_geometrically_and_of_a_kink_they_do_not():
    x = np.linspace(-1, 1, 201)
    whole = filling(1, 3)
    errors: dict[str, list[tuple[float, float]]] = {"tanh": [], "kink": []}
    for steps in range(1, 6):
        found = filling(201, *STEPS[:steps])
        for name, values in (("tanh", np.tanh(3 * x)), ("kink", np.abs(x - 0.1))):
            chosen = values[None, found.chosen]
            off = np.abs(filled(chosen, whole, found)[0] - values).max()
            errors[name].append((off, tail(chosen, whole, found)))
    smooth, kinked = np.array(errors["tanh"]), np.array(errors["kink"])
    assert np.all(smooth[-1] < 1e-5 * smooth[0])
    assert np.all(kinked[-1] > 0.02 * kinked[0])
    assert kinked[-1, 0] > 3e-3


def test_the_worst_places_are_between_the_chosen_ones_and_spread_over_the_axis():
    found = filling(51, 13)
    fresh = found.worst(5)
    assert len(set(fresh)) == 5
    assert not set(fresh) & set(found.chosen)
    assert fresh[0] < 10
    assert fresh[-1] > 40
    assert np.all(np.diff(fresh) < 25)
    assert len(filling(13, 13).worst(5)) == 0


def test_all_lines_need_no_filling():
    np.testing.assert_array_equal(filling(9, 13).matrix, np.eye(9))
    np.testing.assert_array_equal(filling(1, 13).matrix, [[1.0]])
