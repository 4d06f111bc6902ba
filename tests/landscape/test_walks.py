"""Walks: the points are those of the training, at steps that let jumps to and fro be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_tasks import mlp, valley

from surefoot import Recipe
from surefoot.engines.serial import Serial
from surefoot.errors import InputError, MemoryBoundError
from surefoot.landscape.walks import kept_steps, points_that_fit, walk_all
from surefoot.landscape.weights import Weights


@pytest.mark.parametrize(("total", "points"), [(5, 10), (10, 10), (9, 10), (100, 11), (1000, 30), (7, 2), (1, 2)])
def test_kept_steps_have_both_ends_and_an_odd_stride(total, points):
    steps = kept_steps(total, points)
    assert steps[0] == 0
    assert steps[-1] == total
    assert len(steps) <= points + (total >= points)
    strides = set(np.diff(steps[:-1]).tolist())
    assert len(strides) <= 1
    assert all(one % 2 for one in strides)


def test_points_are_those_of_the_obvious_engine():
    task = mlp()
    recipes = {"a": Recipe(lr=0.5, epochs=3, batch_size=10), "b": Recipe(lr=0.05, epochs=3, batch_size=10)}
    adam = {
        "c": Recipe(optimizer="adam", lr=0.01, epochs=3, batch_size=10),
        "d": Recipe(lr=0.5, epochs=2, batch_size=10),
    }
    weights = Weights(task.make_model(0))
    told = []
    walks, interrupted = walk_all(task, recipes | adam, weights, points=50, tick=lambda *now: told.append(now))
    assert not interrupted
    assert told[-1] == (12 + 12 + 12 + 8, 44)
    for walk in walks:
        engine = Serial(task, [walk.recipe])
        for step, point in zip(walk.step, walk.points, strict=True):
            engine.advance(step - engine.done)
            np.testing.assert_allclose(point, weights.point(engine.state_dict(0)), atol=2e-6)
        assert walk.step == list(range(engine.horizon + 1))
        assert walk.run is not None
        np.testing.assert_allclose(walk.lrs, walk.recipe.lr)
    np.testing.assert_array_equal(walks[0].points[0], walks[2].points[0])


def test_lengths_and_falling_rates():
    task = valley()
    recipe = Recipe(lr=0.3, schedule="inverse-time", schedule_options={"k": 0.5}, epochs=6, batch_size="full")
    walk = walk_all(task, {"one": recipe}, Weights(task.make_model(0)), points=10)[0][0]
    np.testing.assert_allclose(walk.lrs, [0.3 / (1 + 0.5 * step) for step in (0, 1, 2, 3, 4, 5, 5)])
    np.testing.assert_allclose(walk.lengths, np.linalg.norm(np.diff(walk.stacked, axis=0), axis=1))
    # w_t is the product of 1 - rate * eigenvalue, on coordinates that all begin at 1.
    exact = np.cumprod([1 - 0.3 / (1 + 0.5 * step) * np.array([4.0, 0.5, 0.1]) for step in range(6)], axis=0)
    np.testing.assert_allclose(walk.stacked[1:], exact, rtol=1e-12)


def test_a_walk_that_diverges_ends_before_its_numbers_do():
    task = mlp()
    walks, _ = walk_all(
        task, {"wild": Recipe(lr=1e6, epochs=30, batch_size=10)}, Weights(task.make_model(0)), points=200
    )
    assert walks[0].run.fate == "diverged"
    assert 1 <= len(walks[0].step) < 100
    assert all(np.isfinite(point).all() for point in walks[0].points)


def test_different_seeds_have_no_common_start():
    task = mlp()
    with pytest.raises(InputError, match="paths begin at one point"):
        walk_all(task, {"a": Recipe(lr=1, seed=0), "b": Recipe(lr=1, seed=1)}, Weights(task.make_model(0)), points=5)


def test_memory_of_kept_points_is_bounded():
    weights = Weights(mlp().make_model(0))
    assert weights.bytes == 4 * weights.size
    room = 2 * 3 * weights.bytes * 17
    assert points_that_fit(weights, 3, 100, room) == 17
    assert points_that_fit(weights, 3, 10, room) == 10
    with pytest.raises(MemoryBoundError, match="allow more `memory`, or draw fewer paths"):
        points_that_fit(weights, 3, 100, 2 * 3 * weights.bytes * 2)


def test_a_point_goes_there_and_back():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1).bfloat16())
    weights = Weights(model)
    point = weights.point(model.state_dict())
    named = weights.named(torch.as_tensor(point)[None])
    for name, one in model.named_parameters():
        assert named[name].dtype == one.dtype
        assert torch.equal(named[name][0], one)
    np.testing.assert_array_equal(weights.joined(weights.parts(point)), point)
