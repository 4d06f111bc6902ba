from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.records import CurvePoint
from surefoot.report.response import ceiling, levels, loss_name, lr_range, swept_run
from surefoot.report.series import is_wide, log_axis, smoothed, thinned_places
from surefoot.report.words import curve_sentence, recommendation


def test_levels_come_longest_first_and_join_seeds(make_found):
    top, short = levels(make_found())
    assert (top.horizon, short.horizon) == (40, 10)
    assert [place.lr for place in top.places] == [0.01, 0.1, 1.0]
    middle = top.places[1]
    assert middle.loss == pytest.approx(0.5)
    assert middle.members == 2
    assert middle.spread == pytest.approx(math.hypot(0.03, 0.04) / 2)


def test_retired_and_diverged_places_are_told_apart(make_found):
    short = levels(make_found())[1]
    assert [place.retired for place in short.places] == [True, True, True, False, False, False]
    assert [place.diverged for place in short.places] == [False] * 5 + [True]


def test_a_retired_seed_does_not_blur_those_that_finished(make_found):
    def point(loss, fate, seed):
        return CurvePoint(lr=0.1, loss=loss, spread=None, steps=9, horizon=40, fate=fate, seed=seed)

    curve = (point(0.5, "finished", 0), point(0.75, "finished", 1), point(5.0, "retired", 2))
    (level,) = levels(make_found(curve=curve))
    assert [(place.loss, place.members, place.retired) for place in level.places] == [(0.625, 3, False)]


def test_ranges_hold_all_that_is_drawn(make_found):
    found = make_found(divergence_lr=30.0)
    assert lr_range(found) == (1e-4, 30.0)
    low, high = ceiling(found)
    assert low == 0.5
    assert found.initial_loss <= high < 2 * found.initial_loss
    assert lr_range(make_found(curve=(), status="unknown", divergence_lr=None)) is None
    assert ceiling(make_found(curve=())) is None


def test_a_range_test_is_drawn_from_its_run(make_found, make_run):
    lr = np.geomspace(1e-4, 10.0, 100)
    run = make_run(1e-4, steps=100, lr_series=lr)
    point = CurvePoint(lr=1e-4, loss=0.2, spread=None, steps=100, horizon=100, fate="finished")
    found = make_found(method="range-test", curve=(point,), runs=(run,), divergence_lr=None)
    (level,) = levels(found)
    assert level.dense
    assert [place.lr for place in level.places] == lr.tolist()
    assert lr_range(found) == (1e-4, 10.0)
    assert loss_name(found) == "training loss, smoothed"
    assert swept_run(make_found()) is None
    assert swept_run(make_found(method="range-test")) is None
    rate, divergence, _ = recommendation(found)
    assert rate == "Train toy at a peak rate of 0.1; the published rules suggest rates from 0.05 to 0.2."
    assert divergence == "No rate diverged, up to the highest tried, 10."
    assert curve_sentence(found).startswith("In one training of 100 steps the rate rose from 0.0001 to 10; ")


def test_smoothing_keeps_a_constant_and_passes_over_what_is_not_finite():
    assert smoothed([3.0] * 50) == pytest.approx([3.0] * 50)
    out = smoothed([1.0, math.inf, 1.0, math.nan, 1.0] * 10)
    assert math.isinf(out[1])
    assert math.isnan(out[3])
    assert out[-1] == pytest.approx(1.0)


def test_thinning_keeps_both_ends():
    places = thinned_places(1000, 30)
    assert len(places) == 30
    assert (places[0], places[-1]) == (0, 999)
    assert list(thinned_places(3, 30)) == [0, 1, 2]


def test_only_a_wide_positive_range_asks_for_a_logarithmic_scale():
    assert is_wide([0.1, 5.0, math.nan])
    assert not is_wide([0.1, 1.0])
    assert not is_wide([-1.0, 100.0])
    assert not is_wide([])


def test_a_logarithmic_axis_has_labels_however_little_or_much_it_spans():
    for low, high in ((1.0, 1.5), (1.0, 30.0), (0.2, 500.0), (1e-30, 1e30)):
        step = log_axis([low, math.nan, high, 0.0])["dtick"]
        # Plotly's words: D1 labels every digit, D2 one, two and five, a number every so many powers of ten.
        span = math.log10(high / low)
        labels = 9 * span if step == "D1" else 3 * span if step == "D2" else span / step
        assert 1.5 < labels <= 20
    assert log_axis([])["type"] == "log"
