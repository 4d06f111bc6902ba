from __future__ import annotations

import itertools

import numpy as np
import pytest

from surefoot.find.candidates import default_range, first_rates, spread_out
from surefoot.find.plan import rungs
from surefoot.records import Recipe


@pytest.mark.parametrize("horizon", [1, 7, 30, 200, 1000, 50_000])
@pytest.mark.parametrize("cost", [0.02, 0.1, 0.5, 1, 2, 3, 4, 10, 30])
def test_rungs_rise_to_the_full_training_and_fit_the_budget(horizon, cost):
    budget = int(cost * horizon)
    plan = rungs(budget, horizon) if budget else []
    lengths = [one.horizon for one in plan]
    assert all(before < after or before == after == horizon for before, after in itertools.pairwise(lengths))
    assert all(1 <= length <= horizon for length in lengths)
    assert sum(one.count * one.horizon for one in plan) <= budget


def test_plenty_pays_for_full_trainings():
    full = [sum(one.count for one in rungs(1000 * cost, 1000) if one.horizon == 1000) for cost in (3, 4, 10)]
    assert full == [0, 1, 7]


@pytest.mark.parametrize(("cost", "rates"), [(1, 0), (2, 3), (3, 4)])
def test_most_of_the_budget_goes_to_half_the_training(cost, rates):
    plan = rungs(1000 * cost, 1000)
    assert sum(one.count for one in plan if one.horizon == 500) == rates


def test_first_rates_span_the_range_evenly():
    lrs = first_rates(1e-4, 1.0, 0.45)
    assert (lrs[0], lrs[-1]) == pytest.approx((1e-4, 1.0))
    assert np.diff(np.log10(lrs)).max() <= 0.45 + 1e-9
    assert len(lrs) == 10


def test_momentum_lowers_the_range():
    plain = default_range(Recipe(optimizer="sgd"))
    heavy = default_range(Recipe(optimizer="sgd", options={"momentum": 0.9}))
    assert heavy[0] < plain[0]
    assert heavy[1] < plain[1]
    low, high = default_range(Recipe(optimizer="module:Unknown"))
    assert 0 < low < high


def test_candidates_keep_their_distance_inside_the_range():
    wanted = np.random.default_rng(0).normal(-2.0, 0.02, 500)
    places = spread_out(wanted, 4, 0.25, -5.0, 0.0)
    assert np.diff(places) == pytest.approx(np.full(3, 0.25), abs=0.01)
    assert np.mean(places) == pytest.approx(-2.0, abs=0.02)
    assert all(-1.5 >= place >= -2.0 for place in spread_out(wanted, 4, 0.25, -2.0, -1.5))


def test_candidates_follow_what_is_wanted_where_it_is_wide():
    wanted = np.linspace(-4, -1, 301)
    assert spread_out(wanted, 3, 0.25, -5.0, 0.0) == pytest.approx([-3.5, -2.5, -1.5], abs=0.01)
