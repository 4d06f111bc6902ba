"""The ground: many points at once give what one model after the other gives, and nothing of the user's moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_tasks import FUSED, branching, classes, convolution, frozen_bias, frozen_part, mlp, vectors, with_batch_norm
from torch import nn

from surefoot.errors import InputError, MemoryBoundError
from surefoot.landscape.ground import Ground, _quiet
from surefoot.landscape.kernels import Kernels, Points


def ground_of(task, **options):
    return Ground(task, task.make_model(0), examples=None, **options)


def plane_of(ground, count=30, reach=0.5):
    rng = np.random.default_rng(0)
    origin = ground.weights.point(dict(ground.model.named_parameters()))
    directions = rng.normal(size=(2, len(origin))).astype(origin.dtype)
    return origin, directions, rng.uniform(-reach, reach, size=(count, 2))


def all_of(parts):
    return np.concatenate([losses for _, losses in parts])


def by_hand(task, ground, points, *, batch_norm=False):
    """Every point in a model of its own."""
    losses = []
    for point in points:
        model = task.make_model(0).eval()
        for name, part in zip(ground.weights.shapes, ground.weights.parts(point), strict=True):
            with torch.no_grad():
                model.get_parameter(name).copy_(torch.as_tensor(part))
        if batch_norm:
            for one in model.modules():
                if isinstance(one, nn.BatchNorm1d):
                    one.train()
        with torch.no_grad():
            losses.append(float(task.loss_of(model, task.batch(task.train, torch.arange(task.train.size)))))
    return np.array(losses)


@pytest.mark.parametrize("make", FUSED, ids=lambda one: one.__name__)
def test_at_once_is_one_by_one_is_a_model_for_each_point(make):
    task = make()
    ground = ground_of(task)
    origin, directions, coordinates = plane_of(ground)
    points = (origin + coordinates @ directions).astype(origin.dtype)
    wanted = by_hand(task, ground, points, batch_norm=make is with_batch_norm)
    named = ground.weights.named(torch.as_tensor(points))
    batch = ground.batches[0][0]
    with torch.no_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        torch.backends.mha.set_fastpath_enabled(False)
        fused, looped = ground.at_once(named, batch), ground.one_by_one(named, batch)
        torch.backends.mha.set_fastpath_enabled(True)
    np.testing.assert_allclose(looped, wanted, rtol=2e-5)
    np.testing.assert_allclose(fused, wanted, rtol=2e-5)
    np.testing.assert_allclose(all_of(ground.over(origin, directions, coordinates)), wanted, rtol=2e-5)
    np.testing.assert_allclose(ground.losses(points), wanted, rtol=2e-5)
    assert "one point after the other: " not in ground.method
    assert "vmap" in ground.method or "fastest" in ground.method


@pytest.mark.parametrize("make", FUSED, ids=lambda one: one.__name__)
def test_kernels_give_what_one_model_after_the_other_gives(make):
    """On a plane, where a first layer is a sum of three, and off it, where there is only the layout."""
    ground = ground_of(make())
    origin, directions, coordinates = plane_of(ground)
    parts = ground.weights.plane(origin, directions)
    dtype = ground.weights.dtype
    shares = torch.as_tensor(np.hstack([np.ones((len(coordinates), 1)), coordinates])).to(dtype)
    points = torch.as_tensor((origin + coordinates @ directions).astype(origin.dtype))
    named = ground.weights.named(points)
    with _quiet():
        looped = ground._evaluate(Points(named), 1, kernels=False)
        np.testing.assert_allclose(ground._evaluate(Points(named, shares, parts), 30, kernels=True), looped, rtol=2e-5)
        np.testing.assert_allclose(ground._evaluate(Points(named), 30, kernels=True), looped, rtol=2e-5)


@pytest.mark.parametrize(("make", "expected"), [(mlp, 1), (convolution, 1), (frozen_bias, 1), (frozen_part, 0)])
def test_a_first_layer_is_computed_once_for_a_plane(make, expected, monkeypatch):
    summed = []
    own = Kernels._sum
    monkeypatch.setattr(Kernels, "_sum", lambda self, rows: summed.append(rows.shape[0]) or own(self, rows))
    ground = ground_of(make())
    origin, directions, coordinates = plane_of(ground)
    all_of(ground.over(origin, directions, coordinates))
    assert set(summed) == ({3} if expected else set())


def test_kernels_that_give_other_numbers_are_not_used(monkeypatch):
    monkeypatch.setattr(Kernels, "_sum", lambda _self, rows: rows[0] * 1.01)
    task = mlp()
    ground = ground_of(task)
    origin, directions, coordinates = plane_of(ground)
    losses = all_of(ground.over(origin, directions, coordinates))
    np.testing.assert_allclose(losses, by_hand(task, ground, origin + coordinates @ directions), rtol=2e-5)
    assert "kernels" not in ground.method


def test_what_vmap_cannot_follow_is_evaluated_in_a_loop_and_that_is_said():
    task = branching()
    ground = ground_of(task)
    origin, directions, coordinates = plane_of(ground)
    losses = all_of(ground.over(origin, directions, coordinates))
    np.testing.assert_allclose(losses, by_hand(task, ground, origin + coordinates @ directions), rtol=2e-5)
    assert "vmap fails" in ground.method
    assert any("one after the other" in note for note in ground.notes)


def test_batch_normalisation_is_finite_far_out_and_its_averages_stay(borrowed):
    task = with_batch_norm()
    own = task.make_model(3)
    given = vectors(own)
    with borrowed(own):
        ground = ground_of(given)
        origin, directions, coordinates = plane_of(ground, 200, reach=30)
        losses = all_of(ground.over(origin, directions, coordinates))
    assert np.isfinite(losses).all()
    assert any("batch normalisation" in note for note in ground.notes)


def test_a_loss_that_is_no_number_is_infinite_and_never_nan():
    task = vectors(lambda: nn.Linear(5, 3), loss=lambda output, target: (output.sum() + target.sum() * 0).log())
    ground = ground_of(task)
    origin, directions, coordinates = plane_of(ground, 60, reach=5)
    losses = all_of(ground.over(origin, directions, coordinates))
    assert np.isposinf(losses).any()
    assert not np.isnan(losses).any()


@pytest.mark.parametrize("never", [True, False])
def test_a_class_that_is_masked_by_infinity_is_left_out_unless_it_is_the_target(never):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x):
            return self.layer(x) + torch.tensor([0.0, 0.0, -torch.inf])

    task = vectors(Masked)
    if never:
        task = type(task)(Masked, *[(task.train.batch(torch.arange(40))[0], classes(2, 40))] * 2, loss=task.loss)
    ground = ground_of(task)
    origin, directions, coordinates = plane_of(ground)
    named = ground.weights.named(torch.as_tensor((origin + coordinates @ directions).astype(origin.dtype)))
    with _quiet():
        looped = ground._evaluate(Points(named), 1, kernels=False)
        found = ground._evaluate(Points(named), 30, kernels=True)
    assert np.isfinite(looped).all() == never
    np.testing.assert_allclose(found, looped, rtol=2e-5)


class TestMemory:
    def test_parts_of_the_examples_give_the_same_mean(self):
        task = mlp()
        whole, parts = ground_of(task), ground_of(task, memory=5000)
        assert len(whole.batches) == 1 < len(parts.batches)
        assert sum(count for _, count in parts.batches) == task.train.size
        assert any("parts, to fit into memory" in note for note in parts.notes)
        origin, directions, coordinates = plane_of(whole)
        both = [all_of(one.over(origin, directions, coordinates)) for one in (whole, parts)]
        np.testing.assert_allclose(*both, rtol=1e-5)

    def test_too_little_for_one_point_is_refused_with_what_is_needed(self):
        with pytest.raises(MemoryBoundError, match=r"needs at least .* [kM]B; allow more memory"):
            ground_of(mlp(), memory=1000)

    def test_fewer_points_at_once_where_more_do_not_fit(self):
        task = mlp()
        ground = ground_of(task, memory=60_000)
        origin, directions, coordinates = plane_of(ground, 100)
        assert 1 <= ground._most < 20
        sizes = {len(losses) for _, losses in ground.over(origin, directions, coordinates)}
        assert max(sizes) <= max(ground._most, 4)


@pytest.mark.parametrize("examples", [0, 41])
def test_examples_out_of_range(examples):
    task = mlp()
    with pytest.raises(InputError, match="`examples` is"):
        Ground(task, task.make_model(0), examples=examples)


def test_fewer_examples_are_spread_over_the_data():
    x = torch.arange(100.0)[:, None]
    task = vectors(lambda: nn.Linear(1, 1))
    task = type(task)(lambda: nn.Linear(1, 1), (x, x), (x, x), loss=lambda o, t: (0 * o + t).mean(), name="mean")
    ground = Ground(task, task.make_model(0), examples=10)
    assert ground.losses(np.zeros((1, 2), np.float32))[0] == pytest.approx(49.5, abs=0.5)
