"""The rules on curves whose answers are known by construction, and against the definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.maths.range_rules import RULES, minimum, slide, steep, trimmed, valley

LRS = np.geomspace(1e-6, 1.0, 61)  # ten points a decade


def test_minimum_is_a_tenth_of_the_lowest():
    losses = (np.log10(LRS) + 2.0) ** 2
    assert minimum(LRS, losses) == pytest.approx(1e-3, rel=1e-9)


def test_steep_is_where_the_loss_falls_fastest_per_decade():
    losses = 1.0 - np.tanh(2.0 * (np.log10(LRS) + 3.05))  # steepest between 1e-3.1 and 1e-3.0
    assert steep(LRS, losses) == pytest.approx(10**-3.1, rel=1e-9)


def test_valley_reads_half_way_down_the_longest_descent():
    # Flat for 10 points, falling at 30, rising at the rest: the descent has 31 points and ends at index 40.
    losses = np.concatenate([np.full(11, 3.0), 3.0 - np.arange(1, 31) / 30, 2.0 + np.arange(1, 21)])
    assert valley(LRS, losses) == LRS[40 - 31 + 31 // 3 + 31 // 6]


def test_valley_agrees_with_its_definition_on_noise():
    rng = np.random.default_rng(0)
    for _ in range(20):
        losses = rng.normal(size=40)
        length, end = [1] * 40, 0
        for i in range(40):
            length[i] = 1 + max((length[j] for j in range(i) if losses[j] > losses[i]), default=0)
            end = i if length[i] > length[end] else end
        begin = end - length[end]
        expected = LRS[max(0, begin + length[end] // 3 + length[end] // 6)]
        assert valley(LRS[:40], losses) == expected


def test_slide_walks_left_until_slopes_agree():
    # A straight descent, then a cliff at index 50: the slopes 15 points apart differ until both lie on the line.
    losses = 2.0 - 0.001 * np.arange(61.0)
    losses[50:] += 0.5 * np.arange(1, 12)
    left, right, found = 60 - 15, 60, 60 - 15
    slope = np.gradient(losses)
    while left >= 0 and abs(slope[right] - slope[left]) > 0.005:
        found, left, right = left, left - 1, right - 1
    assert slide(LRS, losses) == LRS[found]
    assert 50 - 15 <= found + 1 <= 50


def test_slide_stays_at_the_right_end_where_the_curve_is_a_line():
    assert slide(LRS, 2.0 - 0.01 * np.arange(61.0)) == LRS[60 - 15]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_rules_give_none_for_curves_too_short(rule):
    assert rule(np.empty(0), np.empty(0)) is None


def test_valley_gives_none_where_nothing_falls():
    assert valley(LRS, np.arange(61.0)) is None


def test_trimming_drops_both_ends_and_whatever_follows_a_nan():
    losses = np.arange(100.0)
    lrs, kept = trimmed(losses, losses, 100)
    assert (kept[0], kept[-1], len(lrs)) == (10.0, 94.0, 85)
    losses[40] = np.nan
    assert trimmed(np.arange(100.0), losses, 100)[1][-1] == 39.0
