"""The race where the answer is exact, and what it never does: overspend, change its mind, leave traces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from find.tiny_tasks import CURVATURES, STEPS, best_rate, blobs, bowl, bowl_loss, hidden_valley, share_lost
from surefoot.find import find
from surefoot.tasks.loading import load_task

EXACT = {"optimizer": "sgd", "epochs": STEPS, "batch_size": "full", "workers": 1}


@pytest.fixture(scope="module")
def found():
    return find(bowl(), **EXACT)


def test_the_recommended_rate_loses_almost_nothing_of_what_is_possible(found):
    assert found.status == "found"
    assert share_lost(found.lr) < 0.01


def test_no_rate_of_the_interval_loses_much(found):
    low, high = found.interval
    assert low <= found.lr <= high
    # The cliff is right above the best rate; intervals that hold the best one in nine of ten cases reach a little over.
    assert high <= best_rate() * 1.15
    assert all(share_lost(lr) < 0.05 for lr in np.geomspace(low, best_rate(), 20))


def test_divergence_begins_at_two_over_the_curvature(found):
    # Rates are tried at most half a decade apart, and the answer lies midway between two of them.
    assert found.divergence_lr == pytest.approx(2.0 / CURVATURES[0], rel=10**0.25 - 1)


def test_the_expected_loss_is_that_of_a_full_training(found):
    start = bowl_loss(0.0)
    assert abs(found.expected_loss - bowl_loss(found.lr)) < 0.05 * start
    assert found.initial_loss == pytest.approx(start, rel=1e-6)


def test_every_member_is_on_the_curve_with_its_exact_loss(found):
    assert len(found.curve) == len(found.runs) > 10
    for point in found.curve:
        if point.fate == "finished" and point.lr < 0.4:
            assert point.loss == pytest.approx(bowl_loss(point.lr, point.horizon), rel=1e-3)


def test_the_record_holds_the_recipe_and_survives_json(found):
    assert found.recipe.lr == found.lr
    assert found.steps == STEPS
    assert type(found).from_json(found.to_json()) == found
    assert all(len(run.step) <= 200 for run in found.runs)


@pytest.mark.parametrize("cost", [0.1, 0.5, 1, 3, 5])
def test_the_budget_is_never_exceeded_and_well_used(cost):
    found = find(bowl(), **EXACT | {"epochs": 200}, cost=cost)
    spent = sum(point.steps for point in found.curve)
    assert found.cost == pytest.approx(spent / found.steps)
    assert found.cost <= cost
    assert found.status == "found"
    assert found.cost >= 0.4 * cost


def test_a_budget_of_a_few_steps_is_told_to_be_too_small():
    found = find(bowl(), **EXACT, cost=0.05)
    assert (found.status, found.lr, found.cost) == ("unknown", None, 0.0)
    assert "raise it to at least" in found.reason


def test_the_same_seed_gives_the_same_answer_and_another_seed_another_search():
    first, again, other = (find(blobs(), epochs=10, batch_size=16, cost=2, seed=s, workers=1) for s in (3, 3, 4))
    assert first.lr == pytest.approx(again.lr, rel=1e-6)
    assert first.interval == pytest.approx(again.interval, rel=1e-6)
    assert [p.lr for p in first.curve] == pytest.approx([p.lr for p in again.curve], rel=1e-6)
    assert first.initial_loss != other.initial_loss


def test_model_data_and_random_state_are_as_before(borrowed):
    task = blobs()
    model = task.make_model(0)
    task = blobs(model=model)
    batch = task.train.whole
    with borrowed(model, *batch):
        find(task, epochs=5, batch_size=16, cost=1, workers=1)


def test_the_range_is_extended_when_the_best_lies_outside():
    found = find(bowl(), **EXACT | {"epochs": 200}, lr_range=(1e-6, 1e-5))
    assert found.status == "found"
    assert found.lr > 0.01


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "warmup:linear:20+linear"])
def test_schedules_are_scaled_to_every_rung(schedule):
    found = find(bowl(), **EXACT | {"epochs": 200}, schedule=schedule)
    for run, point in zip(found.runs, sorted(found.curve, key=lambda p: p.horizon), strict=False):
        assert run.recipe.schedule == schedule
        assert point.horizon <= 200
    highest = {}
    for run in found.runs:
        if run.fate == "finished" and len(run.lr) >= 20:
            highest[len(run.lr)] = float(run.lr.max() / run.recipe.lr)
    assert highest
    assert all(share > 0.9 for share in highest.values())


def test_noise_is_lived_with():
    found = find(bowl(noise=0.5), optimizer="sgd", epochs=100, batch_size=8, workers=1, schedule="linear")
    assert found.status == "found"
    assert 0.03 < found.lr < 2.0 / CURVATURES[0]
    assert math.isfinite(found.expected_loss)


def test_a_plateau_is_waited_out():
    # Over the first rung no rate leaves the plain; over 400 steps the valley at 1.5 is reached exactly by 1.5 / 400.
    found = find(hidden_valley(), optimizer="sgd", epochs=400, batch_size="full", lr_range=(1e-4, 0.015), workers=1)
    first = min(point.horizon for point in found.curve)
    assert all(point.loss == found.initial_loss for point in found.curve if point.horizon == first)
    assert found.status == "found"
    assert ((400 * found.lr - 1.5) / 6) ** 2 < 0.03  # the share lost
    assert found.cost <= 3


@pytest.mark.parametrize("cost", [0.05, 0.1, 0.25, 0.5, 1, 2])
def test_a_plateau_fits_any_budget(cost):
    found = find(
        hidden_valley(), optimizer="sgd", epochs=400, batch_size="full", lr_range=(1e-5, 1e-3), cost=cost, workers=1
    )
    assert found.cost <= cost
    assert found.reason


def test_the_one_rate_that_learned_is_believed():
    # Shorter trials of XOR learn a constant at any rate, so they favour none; over half the training one rate learns.
    found = find(load_task("xor"), optimizer="sgd", epochs=400, batch_size=4, workers=1)
    half = [point for point in found.curve if point.horizon == 200]
    learned = [point.lr for point in half if point.loss < 0.1]
    assert len(learned) == 1
    assert all(point.loss > 0.24 for point in half if point.lr != learned[0])
    others = max(point.lr for point in half if point.lr != learned[0])
    assert found.lr > others
