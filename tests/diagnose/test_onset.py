"""Onset and wander of a loss, against courses of which they are known."""

import numpy as np
import pytest
from curves import noise

from surefoot.diagnose.evidence import Series
from surefoot.diagnose.onset import NAMES, onset_of
from surefoot.diagnose.trend import trend_of
from surefoot.diagnose.wander import NAMES as WANDER
from surefoot.diagnose.wander import wander_of
from surefoot.records import float_series, int_series


def onset(loss, every=1, *, in_steps=True):
    step = int_series(np.arange(len(loss)) * every)
    values = float_series(loss)
    return onset_of(trend_of(step, values), Series(step, values), None, in_steps=in_steps)


def wander(loss):
    values = float_series(loss)
    return wander_of(trend_of(np.arange(len(loss)), values), values)


def test_a_fall_within_ten_updates_is_told_in_updates_whatever_the_length():
    for count in (200, 2000):
        found = onset(1 + np.exp(-np.arange(count) / 5))
        assert found["onset_1"] == pytest.approx(1 - np.exp(-0.2), abs=0.03)
        assert found["onset_30"] > 0.95
        assert 10 ** found["onset_half"] == pytest.approx(5 * np.log(2), rel=0.35)


def test_a_straight_line_has_hardly_begun_and_bends_towards_its_end():
    """Along the logarithm of time a straight descent falls the more, the later."""
    straight, early = onset(2 - np.linspace(0, 1, 1000)), onset(1 + np.exp(-np.arange(1000) / 10))
    assert straight["onset_10"] < 0.02
    assert straight["onset_bend"] > 1 > early["onset_bend"]
    assert straight["onset_late"] > 0.4 > early["onset_late"]


def test_a_log_of_every_tenth_update_tells_the_same_times():
    course = lambda step: 0.5 + np.exp(-step / 80)  # noqa: E731
    fine, coarse = onset(course(np.arange(1000))), onset(course(np.arange(0, 1000, 10)), every=10)
    assert coarse["onset_half"] == pytest.approx(fine["onset_half"], abs=0.15)
    assert coarse["onset_100"] == pytest.approx(fine["onset_100"], abs=0.06)
    assert np.isnan(coarse["onset_1"])


def test_epochs_tell_no_updates():
    told = onset(1 + np.exp(-np.arange(50) / 5), in_steps=False)
    assert not {"onset_10", "onset_half", "onset_steps"} & set(told)
    assert {"onset_tenth", "onset_bend"} <= set(told) <= set(NAMES)


def test_independent_noise_does_not_wander_and_summed_noise_does():
    """Means over n entries of independent noise vary by 1/sqrt(n); those of a wandering loss hardly less than it."""
    alone = wander(2 + noise(4000, 0.1))
    moving = wander(2 + 0.01 * np.cumsum(noise(4000, 1.0)))
    assert abs(alone["wander_4"]) < 0.08
    assert abs(alone["wander_kept"]) < 3 / np.sqrt(2000)
    assert moving["wander_4"] > 0.4
    assert moving["wander_16"] > moving["wander_4"]
    assert moving["wander_kept"] > 0.9


def test_wander_has_no_unit():
    loss = 1 + np.exp(-np.arange(500) / 50) + noise(500, 0.05)
    one, other = wander(loss), wander(1000 * loss)
    assert set(one) == set(WANDER)
    assert [one[name] for name in WANDER] == pytest.approx([other[name] for name in WANDER], abs=1e-9)
