"""Range test, grid, random search, folds, and what the watcher is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from find.tiny_tasks import blobs, bowl, share_lost
from surefoot.errors import InputError
from surefoot.find import find
from surefoot.find.folds import fold_tasks
from surefoot.maths.range_rules import RULES


def test_a_range_test_grows_the_rate_evenly_and_reads_every_rule():
    found = find(blobs(), epochs=50, batch_size=16, method="range-test", lr_range=(1e-6, 10.0), workers=1)
    run = found.runs[0]
    assert run.lr[0] == pytest.approx(1e-6)
    assert np.diff(np.log(run.lr)) == pytest.approx(np.full(len(run.lr) - 1, np.log(1e7) / 99), rel=1e-6)
    assert set(found.rules) == set(RULES)
    assert found.status == "found"
    assert found.lr == found.rules["valley"]
    said = [lr for lr in found.rules.values() if lr is not None]
    assert found.interval == (min(said), max(said))
    assert found.cost * found.steps == found.curve[0].steps <= 100


def test_a_range_test_needs_steps():
    found = find(blobs(), epochs=50, batch_size=16, method="range-test", cost=0.05, workers=1)
    assert found.status == "unknown"
    assert "raise `cost`" in found.reason


@pytest.mark.parametrize("method", ["grid", "random"])
@pytest.mark.parametrize("cost", [1, 9])
def test_grid_and_random_train_every_rate_equally_long(method, cost):
    found = find(
        bowl(), optimizer="sgd", epochs=80, batch_size="full", method=method, cost=cost, lr_range=(1e-3, 2.0), workers=1
    )
    assert found.cost <= cost
    assert {point.horizon for point in found.curve} == {80 if cost == 9 else 80 // 7}
    assert len(found.curve) == (9 if cost == 9 else 7)
    best = min(found.curve, key=lambda point: point.loss)
    assert found.lr == best.lr or found.status == "unknown"
    if cost == 9 and method == "grid":
        assert share_lost(found.lr) < 0.05
        assert found.expected_loss == best.loss


def test_a_grid_that_is_best_at_its_edge_says_so():
    found = find(
        bowl(), optimizer="sgd", epochs=40, batch_size="full", method="grid", lr_range=(1e-5, 1e-3), cost=8, workers=1
    )
    assert found.status == "unknown"
    assert "reaches further" in found.reason


def test_folds_hold_every_example_back_once():
    task = blobs(size=30)
    folds = fold_tasks(task, 3, seed=0)
    everything = torch.arange(task.train.size)
    x = task.train.batch(everything)[0]
    held = torch.cat([one.val.batch(torch.arange(one.val.size))[0] for one in folds])
    assert sorted(map(tuple, held.tolist())) == sorted(map(tuple, x.tolist()))
    for one in folds:
        assert one.train.size + one.val.size == task.train.size
        inside = set(map(tuple, one.train.batch(torch.arange(one.train.size))[0].tolist()))
        assert not inside & set(map(tuple, one.val.batch(torch.arange(one.val.size))[0].tolist()))
    with pytest.raises(InputError, match="`folds`"):
        fold_tasks(task, 21, seed=0)


def test_folds_share_the_budget():
    found = find(blobs(), optimizer="adam", epochs=12, batch_size=8, folds=2, cost=3, workers=1)
    assert found.status == "found"
    assert found.cost <= 3
    assert len(found.runs) == 2 * len(found.curve)
    assert found.cost * found.steps == pytest.approx(sum(run.steps for run in found.runs))


def test_the_watcher_sees_every_stage_and_a_budget_that_is_kept():
    seen = []
    found = find(blobs(), epochs=20, batch_size=16, cost=2, workers=1, watch=seen.append)
    assert seen[-1].stage == "done"
    assert seen[-1].spent == round(found.cost * found.steps)
    stages = {one.stage for one in seen[:-1]}
    assert stages == {point.stage for point in found.curve}
    for one in seen:
        assert 0 <= one.spent <= one.budget
        assert [row.lr for row in one.rows] == sorted(row.lr for row in one.rows)
    spent = [one.spent for one in seen]
    assert spent == sorted(spent)
    last = {one.stage: one for one in seen if one.rows}
    assert all(row.fate is not None for one in last.values() for row in one.rows)


def test_a_class_is_taken_for_the_optimizer():
    found = find(blobs(), optimizer=torch.optim.Adam, betas=(0.8, 0.99), epochs=10, batch_size=16, cost=1, workers=1)
    assert found.recipe.optimizer == "adam"
    assert tuple(found.recipe.options["betas"]) == (0.8, 0.99)
