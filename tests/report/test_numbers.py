from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.report.numbers import brief, count, duration, rate


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0473219, "0.0473"),
        (3.2e-5, "3.2e-5"),
        (1.0, "1"),
        (0.5, "0.5"),
        (10.0, "10"),
        (123456.0, "123456"),
        (2.5e7, "2.5e7"),
        (-0.25, "-0.25"),
        (0.0999996, "0.1"),
        (1e-300, "1e-300"),
        (0.0, "0"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
    ],
)
def test_rates_read_well(value, shown):
    assert rate(value) == shown


@given(st.floats(1e-200, 1e200), st.integers(2, 6))
def test_a_brief_number_is_near_the_number(value, figures):
    assert float(brief(value, figures)) == pytest.approx(value, rel=0.5 * 10.0 ** (1 - figures) * 1.001)


def test_counts_and_durations():
    assert [count(1, "step"), count(0.5, "epoch"), count(3, "seed")] == ["1 step", "0.5 epochs", "3 seeds"]
    assert [duration(s) for s in (0.04, 9.96, 59.4, 185, 7440)] == ["0.0 s", "10 s", "59 s", "3 min 5 s", "2 h 4 min"]
