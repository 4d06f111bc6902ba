"""Members that are updated differently, in one fused batch, against one engine for each."""

from __future__ import annotations

import numpy as np
import pytest
from test_fused import assert_same_runs, both, cnn, drive, dropping, make_task

from surefoot.engines.families import families_of
from surefoot.engines.fused import Fused
from surefoot.engines.serial import Serial
from surefoot.engines.train import batches_of, train_members
from surefoot.records import Recipe

MIXED = [
    Recipe("sgd", 0.1, {"momentum": 0.9}, schedule="cosine", batch_size=16, epochs=10, seed=1),
    Recipe("adamw", 0.01, batch_size=16, epochs=10, seed=1),
    Recipe("sgd", 0.2, {"momentum": 0.5}, schedule="cosine", batch_size=16, epochs=10, seed=2),
    Recipe("adamw", 0.02, batch_size=16, epochs=10, seed=3, clip=0.5),
    Recipe("rmsprop", 0.003, schedule="one-cycle", batch_size=16, epochs=10, seed=2),
    Recipe("adamw", 0.03, batch_size=16, epochs=10, seed=2),
    Recipe("sgd", 0.3, batch_size=16, epochs=10, seed=1),
]


def test_families_share_all_but_numbers_and_seeds():
    assert families_of(MIXED) == [[0, 2], [1, 5], [3], [4], [6]]


@pytest.mark.parametrize(("model", "forms"), [(dropping, ("stacked",)), (cnn, ("stacked",)), (cnn, ("vmapped",))])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_mixed_batch_computes_what_the_obvious_loop_does(model, forms, accumulate):
    recipes = [one.replace(accumulate=accumulate) for one in MIXED]
    engines = both(make_task(model), recipes, forms=forms, width=4)
    for engine in engines:
        drive(engine)
    assert_same_runs(*engines)


@pytest.mark.parametrize("make", [Serial, Fused])
def test_a_member_does_not_feel_who_else_is_in_the_batch(make):
    task = make_task(dropping)
    together = make(task, MIXED, horizon=30)
    together.advance(30)
    for recipe, run in zip(MIXED, together.runs(), strict=True):
        alone = Serial(task, [recipe], horizon=30)
        alone.advance(30)
        np.testing.assert_allclose(run.loss, alone.runs()[0].loss, rtol=1e-8)
        np.testing.assert_array_equal(run.lr, alone.runs()[0].lr)


def test_groups_of_parameters_have_their_own_numbers_in_every_family():
    def groups(name, parameter):
        return {"lr_factor": 0.1, "weight_decay": 0.0} if parameter.ndim < 2 else None

    engines = both(make_task(dropping, groups=groups), MIXED, width=3)
    for engine in engines:
        drive(engine)
    assert_same_runs(*engines)


def test_what_can_share_a_batch():
    other = Recipe("adamw", 0.01, batch_size=8, epochs=10, seed=1)
    longer = Recipe("adamw", 0.01, batch_size=16, epochs=11, seed=1)
    strange = Recipe("asgd", 0.01, batch_size=16, epochs=10, seed=1)
    recipes = [*MIXED, other, longer, strange]
    assert batches_of(recipes, mixed=True) == [list(range(len(MIXED))), [7], [8], [9]]
    assert len(batches_of(recipes)) > 4
    runs = train_members(make_task(dropping), MIXED, make_engine=Serial, mixed=True)
    assert [run.fate for run in runs] == ["finished"] * len(MIXED)
