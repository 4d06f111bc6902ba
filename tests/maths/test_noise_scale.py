"""The noise scale: unbiased on drawn gradients, covered by its interval, unresolved where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.errors import InputError
from surefoot.maths.noise_scale import from_gram, from_two_sizes

P, BATCH, K = 40, 8, 24
DEVIATION = np.linspace(0.5, 2.0, P)
TRACE = float((DEVIATION**2).sum())


def grams(count, size, rng):
    """Products of the gradients of K batches, `count` times, when the true gradient has length `size`."""
    mean = np.zeros(P)
    mean[0] = size
    for _ in range(count):
        rows = mean + rng.standard_normal((K, P)) * DEVIATION / math.sqrt(BATCH)
        yield rows @ rows.T


def test_signal_and_trace_are_unbiased_even_without_a_signal():
    for size in (0.0, 0.5, 3.0):
        found = [from_gram(gram, BATCH, draws=10) for gram in grams(400, size, np.random.default_rng(1))]
        for values, exact in (([one.signal for one in found], size**2), ([one.trace for one in found], TRACE)):
            assert abs(np.mean(values) - exact) <= 3 * np.std(values, ddof=1) / 20


def test_the_interval_covers_and_the_scale_is_near():
    found = [from_gram(gram, BATCH, draws=400) for gram in grams(200, 3.0, np.random.default_rng(2))]
    exact = TRACE / 9
    assert all(one.resolved for one in found)
    covered = np.mean([one.low <= exact <= one.high for one in found])
    # 95% of 200 is 190 with a standard deviation of 3; a bootstrap of 24 covers a little less.
    assert covered >= 0.85
    assert np.median([one.scale for one in found]) == pytest.approx(exact, rel=0.1)


def test_without_a_signal_it_is_unresolved_not_zero():
    found = [from_gram(gram, BATCH, draws=400) for gram in grams(100, 0.0, np.random.default_rng(3))]
    assert np.mean([one.resolved for one in found]) < 0.12
    hidden = next(one for one in found if not one.resolved)
    assert hidden.scale is None
    assert hidden.high == math.inf
    assert hidden.low > 0


def test_14_two_batch_sizes():
    signal, trace = 2.5, 7.0
    few, many = 4, 64
    assert from_two_sizes(signal + trace / few, signal + trace / many, few, many) == pytest.approx((signal, trace))
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((2000, 16, P)) * DEVIATION
    rows[..., 0] += 1.5
    small = np.mean([one @ one for one in rows[:, :2].mean(axis=1)])
    large = np.mean([one @ one for one in rows.mean(axis=1)])
    found = from_two_sizes(small, large, 2, 16)
    # The standard error of |G|² is about that of the large batches' norms, 2 |G| s / sqrt(16 · 2000) and the like.
    assert found[0] == pytest.approx(2.25, abs=0.15)
    assert found[1] == pytest.approx(TRACE, rel=0.05)


def test_too_little_is_refused():
    with pytest.raises(InputError, match="2 batches"):
        from_gram(np.eye(2), 4)
    with pytest.raises(InputError, match="two batch sizes"):
        from_two_sizes(1.0, 1.0, 4, 4)
