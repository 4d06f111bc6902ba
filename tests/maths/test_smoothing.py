from __future__ import annotations

import numpy as np
import pytest

from surefoot.maths.smoothing import debiased_average


def test_a_constant_series_is_returned_as_it_is():
    assert debiased_average(np.full(50, 2.3), 0.98) == pytest.approx(np.full(50, 2.3), rel=1e-12)


def test_weights_are_those_of_the_definition():
    values = np.array([1.0, 4.0, -2.0])
    weights = np.array([0.25, 0.5, 1.0])
    assert debiased_average(values, 0.5)[2] == pytest.approx(weights @ values / weights.sum(), rel=1e-12)


def test_no_decay_smooths_nothing():
    values = np.array([3.0, 1.0, 2.0])
    assert debiased_average(values, 0.0).tolist() == values.tolist()
