"""Runs are only held against one another where the rate is all that differs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from curves import noise, run_of

import surefoot as sf
from surefoot.diagnose.siblings import place
from surefoot.records import Recipe

RATES = (1e-3, 1e-2, 1e-1, 1.0)
SLOW = (2.1, 1.3, 0.3, 0.25)
"""Final losses of an optimizer whose good rates lie at 0.1 to 1."""
FAST = (0.4, 0.2, 1.4, 2.3)
"""Final losses of one whose good rate is 0.01."""


def runs_of(finals, *, seed=0, **recipe):
    """A run per rate that falls to its final loss; with a recipe, it says how it was trained."""
    found = []
    for number, (lr, final) in enumerate(zip(RATES, finals, strict=True)):
        loss = final + (2.3 - final) * np.exp(-np.arange(200) / 20) + noise(200, 0.01, 10 * seed + number)
        told = Recipe(lr=lr, seed=seed, **recipe) if recipe else None
        found.append(dataclasses.replace(run_of(loss, lr=lr), recipe=told))
    return found


def test_recipes_tell_the_runs_of_two_optimizers_apart():
    """Beside the other optimizer's runs, the rate 0.01 of the slow one would seem too high; it is far too low."""
    slow, fast = runs_of(SLOW, optimizer="sgd"), runs_of(FAST, optimizer="adamw")
    together = place([*slow, *fast])
    assert together == [*place(slow), *place(fast)]
    assert together[1].runs == 4
    assert together[1].low > 0.5  # 0.01 of the slow optimizer: the good rates lie above
    assert together[6].high < 0  # 0.1 of the fast one: they lie below
    assert sf.diagnose([*slow, *fast]).each[1].verdict == "rate_too_low"


@pytest.mark.parametrize("change", [{"batch_size": 256}, {"schedule": "cosine"}, {"options": {"momentum": 0.9}}])
def test_whatever_else_the_recipe_changes_makes_another_sweep(change):
    runs = [*runs_of(SLOW, optimizer="sgd"), *runs_of(FAST, optimizer="sgd", **change)]
    assert {where.runs for where in place(runs)} == {4}


def test_seeds_of_one_recipe_stand_together():
    runs = [*runs_of(SLOW, optimizer="sgd"), *runs_of(SLOW, seed=1, optimizer="sgd")]
    found = place(runs)
    assert {where.runs for where in found} == {8}
    assert all(where.told for where in found)
    assert found[1].low == pytest.approx(found[5].low)


def test_seeds_that_end_far_apart_still_have_a_best_rate():
    """The best rate is that of the lowest mean, from which one seed alone may lie far away."""
    runs = [*runs_of((2.0, 0.9, 0.4, 2.0), optimizer="sgd"), *runs_of((2.0, 0.9, 0.1, 2.0), seed=1, optimizer="sgd")]
    found = place(runs)
    assert found[0].low > 0
    assert found[3].high < 0
    assert found[2] is None or found[2].share > 0


def test_logs_that_do_not_lie_on_one_curve_are_not_compared():
    """No log tells that two optimizers were at work; but no sweep has two valleys, or two ends at one rate."""
    assert place([*runs_of(SLOW), *runs_of(FAST)]) == [None] * 8
    moved = [dataclasses.replace(run, lr=run.lr * 1e-2) for run in runs_of(FAST)]
    assert place([*moved, *runs_of((2.1, 1.3, 0.3, 0.2))]) == [None] * 8
    assert None not in place(runs_of(FAST))
    notes = " ".join(note for one in sf.diagnose([*runs_of(SLOW), *runs_of(FAST)]).each for note in one.notes)
    assert "sweep" not in notes


def test_what_is_only_taken_for_a_sweep_is_said():
    assert "taken for one sweep" in sf.diagnose(runs_of(SLOW)).each[0].notes[-1]
    assert "runs of one sweep" in sf.diagnose(runs_of(SLOW, optimizer="sgd")).each[0].notes[-1]


def test_a_bad_run_between_good_rates_is_not_blamed_on_its_rate():
    """A direction cannot be told where the good rates lie on both sides."""
    finals = (2.1, 0.2, 0.2, 0.2)
    odd = runs_of((2.1, 0.2, 1.0, 0.2), seed=1, optimizer="sgd")[2]
    others = [run for seed in range(2, 12) for run in runs_of(finals, seed=seed, optimizer="sgd")]
    where = place([odd, *others])
    assert where[0] is None
    assert where[1].low > 0
