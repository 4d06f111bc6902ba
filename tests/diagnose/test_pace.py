"""Paces of a loss, against courses whose pace is known."""

import numpy as np
import pytest
from curves import noise

from surefoot.diagnose.evidence import Series
from surefoot.diagnose.pace import NAMES, paces_of
from surefoot.diagnose.trend import trend_of
from surefoot.records import float_series, int_series


def paces(loss, lr=None):
    loss = np.asarray(loss, float)
    rates = None if lr is None else Series(int_series(range(len(loss))), float_series(lr))
    return paces_of(trend_of(np.arange(len(loss)), loss), loss, rates)


def test_an_exponential_has_its_own_time_constant_and_rest():
    """exp(-t / 0.4) comes to rest at 0: after the whole log exp(-1 / 0.4) is left to go."""
    share = np.linspace(0, 1, 2000)
    found = paces(np.exp(-share / 0.4))
    assert 10 ** found["pace_reach"] == pytest.approx(0.4, rel=0.05)
    assert 10 ** found["pace_rest"] == pytest.approx(np.exp(-1 / 0.4), rel=0.15)
    assert found["pace_bend"] < 0


def test_a_straight_line_neither_slackens_nor_bends():
    found = paces(2.0 - 0.5 * np.linspace(0, 1, 500))
    assert 10 ** found["pace_whole"] == pytest.approx(0.25, rel=0.02)
    assert found["pace_kept"] == pytest.approx(1.0, abs=0.05)
    assert found["pace_bend"] == pytest.approx(0.0, abs=0.05)
    assert found["pace_rate"] != found["pace_rate"]


def test_paces_have_no_unit_and_do_not_depend_on_the_length():
    course = lambda count: 0.3 + 2 * np.exp(-np.linspace(0, 1, count) / 0.3)  # noqa: E731
    one = paces(course(400) + noise(400, 0.01))
    scaled = paces(1000 * (course(400) + noise(400, 0.01)))
    longer = paces(course(4000))
    for name in set(one) - {"pace_surge"}:
        assert one[name] == pytest.approx(scaled[name], abs=1e-9, nan_ok=True), name
    for name in ("pace_whole", "pace_first", "pace_late", "pace_kept", "pace_early"):
        assert one[name] == pytest.approx(longer[name], abs=0.1), name


def test_a_schedule_does_not_look_like_a_course():
    """Where rates are logged, what counts is the loss over the rate that was spent."""
    steps = np.arange(1000)
    cosine = 0.01 * (1 + np.cos(np.pi * steps / 1000)) / 2
    spent = np.cumsum(cosine) / cosine.sum()
    straight = 2.0 - 0.5 * spent
    known, unknown = paces(straight, cosine), paces(straight)
    assert known["pace_kept"] == pytest.approx(1.0, abs=0.05)
    assert unknown["pace_kept"] < 0.6
    assert known["pace_rate"] == pytest.approx(0.5, abs=0.01)


def test_a_surge_is_the_largest_rise():
    loss = np.full(100, 2.0)
    loss[50] = 20.0
    assert 10 ** paces(loss)["pace_surge"] == pytest.approx(np.log(10.0))


def test_few_levels_have_a_surge_alone():
    assert set(paces([3.0, 2.0, 1.0])) == {"pace_surge"}
    assert set(paces(1 + np.exp(-np.linspace(0, 3, 50)))) == set(NAMES)
