from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.records import Recipe, Run, Sweep
from surefoot.records.study import Setting, Study, StudyMember
from surefoot.report.compare_settings import settings_of
from surefoot.report.numbers import brief, count, duration, figures_that_tell, rate
from surefoot.report.study_words import best_sentence, member_table


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


def test_figures_are_as_many_as_tell_numbers_apart():
    assert figures_that_tell([0.1, 0.2, 0.1, None]) == 3
    assert figures_that_tell([0.1, 0.1002]) == 4
    assert figures_that_tell([0.1, 0.1002, 0.10001]) == 5
    assert figures_that_tell([]) == 3
    assert brief(0.1 + 1e-16, figures_that_tell([0.1, 0.1 + 1e-16])) == "0.1"  # no more than anybody reads


def test_settings_with_rates_that_lie_close_together_have_names_of_their_own():
    runs = [Run(recipe=Recipe(lr=lr)) for lr in (0.1, 0.10001, 0.1002)]
    labels = [one.label for one in settings_of(Sweep("small", runs=tuple(runs)))]
    assert labels == ["lr 0.1", "lr 0.10001", "lr 0.1002"]
    members = tuple(StudyMember(Recipe(lr=lr), loss, 0.01, "finished") for lr, loss in ((0.1, 2.0), (0.10001, 1.0)))
    best = Setting(members[1].recipe, 1.0, None, 1)
    study = Study("", "small", members, best=best, cost={}, axes={"lr": [0.1, 0.10001]})
    assert "at rate 0.10001" in best_sentence(study)
    assert [row[0] for row in member_table(study).rows] == ["rate 0.10001", "rate 0.1"]
