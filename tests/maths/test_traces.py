"""Traces and densities of matrices with known spectra; stochastic ones within three standard errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_krylov import matrix

from surefoot.errors import InputError
from surefoot.maths.traces import hutch_plus_plus, hutchinson, spectrum

VALUES = [*np.linspace(-0.2, 0.2, 90), 5.0, 8.0, 20.0]
LIKE = torch.zeros(93, dtype=torch.float64)


@pytest.fixture(scope="module")
def full():
    return matrix(VALUES)


def test_hutchinson_is_the_trace(full):
    found = hutchinson(lambda v: full @ v, LIKE, 200, seed=1)
    assert abs(found.value - sum(VALUES)) <= 3 * found.error
    assert found.products == 200


def test_hutch_plus_plus_is_much_closer_for_the_same_products(full):
    close = hutch_plus_plus(lambda v: full @ v, LIKE, 30, seed=1)
    plain = hutchinson(lambda v: full @ v, LIKE, 30, seed=1)
    assert close.products == 30
    assert abs(close.value - sum(VALUES)) <= 3 * close.error
    assert close.error < plain.error / 5


def test_enough_products_make_it_exact(full):
    assert hutch_plus_plus(lambda v: full @ v, LIKE, 3 * 93).value == pytest.approx(sum(VALUES), rel=1e-10)


def test_the_density_holds_the_moments_and_the_mass(full):
    found = spectrum(lambda v: full @ v, LIKE, draws=40, steps=25, seed=0)
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.nodes[-1] == pytest.approx(20.0, rel=1e-8)
    outside = found.weights[found.nodes > 1].sum()
    # 40 unit vectors of 93 entries: each holds 3/93 of its square there, with variance about 2 · 3 / 93².
    assert outside == pytest.approx(3 / 93, abs=3 * np.sqrt(2 * 3 / 40) / 93)
    at = np.linspace(-2, 22, 4000)
    assert np.trapezoid(found.density(at, 0.1), at) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: hutchinson(lambda v: v, LIKE, 0), "`draws` is 0"),
        (lambda: hutch_plus_plus(lambda v: v, LIKE, 2), "`products` is 2"),
        (lambda: spectrum(lambda v: v, LIKE, draws=0), "`draws` is 0"),
    ],
)
def test_too_few_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
