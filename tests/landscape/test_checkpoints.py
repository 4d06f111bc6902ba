"""Checkpoints that differ in more than what is trained: every loss is that of the state that it is told of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_tasks import mlp, vectors, with_batch_norm
from torch import nn
from torch.nn import functional as F

import surefoot as sf
from surefoot.errors import InputError
from surefoot.landscape.ground import Ground
from surefoot.landscape.weights import Weights


class Backbone(nn.Module):
    """A frozen layer that is drawn anew by every factory call, a scale and a counter as buffers, and a head."""

    def __init__(self):
        super().__init__()
        self.base, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        self.base.requires_grad_(False)
        self.register_buffer("scale", torch.rand(8) + 0.5)
        self.register_buffer("kind", torch.tensor(1))

    def forward(self, x):
        return self.head(torch.tanh(self.base(x) * self.scale)) * self.kind


@pytest.fixture
def task():
    return vectors(Backbone)


@pytest.fixture
def ends(task, tmp_path):
    """Two states that differ in everything, and their files."""
    models = [task.make_model(seed) for seed in (7, 8)]
    files = [tmp_path / name for name in ("a.pt", "b.pt")]
    for model, file in zip(models, files, strict=True):
        torch.save(model.state_dict(), file)
    return models, files


def loss_of(task, model):
    x, y = task.batch(task.train, torch.arange(task.train.size))
    with torch.no_grad():
        return F.cross_entropy(model.eval()(x), y).item()


def mixed(first, second, share):
    """The module between two, in all that is a floating-point number."""
    made = Backbone()
    other = second.state_dict()
    made.load_state_dict(
        {n: one + share * (other[n] - one) if one.is_floating_point() else one for n, one in first.state_dict().items()}
    )
    return made


class TestBetween:
    def test_every_loss_is_that_of_the_module_between_all_of_both(self, task, ends):
        models, (a, b) = ends
        found = sf.landscape(task, around=a, to=b, grid=7, examples="all")
        shares = found.axes[0].values
        truth = [loss_of(task, mixed(*models, float(share))) for share in shares]
        np.testing.assert_allclose(found.grid[0], truth, rtol=1e-5)
        at = dict(zip(shares.tolist(), found.grid[0].tolist(), strict=True))
        assert [at[0.0], at[1.0]] == pytest.approx([loss_of(task, one) for one in models], rel=1e-5)
        assert found.origin_loss == pytest.approx(loss_of(task, models[0]), rel=1e-5)
        note = next(one for one in found.notes if "interpolated" in one)
        assert "`base.weight`, `base.bias`, `scale`" in note

    def test_from_the_start_to_one(self, task, ends):
        (model, _), (a, _) = ends
        for arguments, places in (({"to": a}, (0, 1)), ({"around": a, "directions": "between"}, (0, 1))):
            found = sf.landscape(task, **arguments, grid=7, examples="all")
            at = dict(zip(found.axes[0].values.tolist(), found.grid[0].tolist(), strict=True))
            truth = [loss_of(task, task.make_model(0)), loss_of(task, model)]
            assert [at[float(place)] for place in places] == pytest.approx(truth, rel=1e-5)

    def test_paths_end_where_their_own_frozen_weights_are(self, task, ends):
        (_, model), (a, b) = ends
        found = sf.landscape(
            task, lr=0.1, to=b, epochs=3, batch_size="full", grid=7, examples="all", refine=False,
        )  # fmt: skip
        np.testing.assert_allclose(found.paths[0].losses[0], loss_of(task, task.make_model(0)), rtol=1e-5)
        at = dict(zip(found.axes[0].values.tolist(), found.grid[0].tolist(), strict=True))
        assert at[0.0] == pytest.approx(loss_of(task, model), rel=1e-5)
        assert at[1.0] == pytest.approx(found.paths[0].losses[-1], rel=1e-4)
        plane = sf.landscape(task, lr=0.1, around=a, to=b, dims=2, epochs=3, batch_size="full", grid=5, examples="all")
        assert plane.paths[0].losses[0] == pytest.approx(plane.origin_loss, rel=1e-5)

    def test_whole_numbers_that_differ_stay_and_that_is_said(self, task, ends):
        (first, second), (a, b) = ends
        second.kind.fill_(2)
        torch.save(second.state_dict(), b)
        found = sf.landscape(task, around=a, to=b, grid=7, examples="all")
        assert found.grid[0][1] == pytest.approx(loss_of(task, first), rel=1e-5)
        assert any("`kind`, which cannot be interpolated" in note for note in found.notes)

    def test_averages_of_batch_normalisation_are_no_part_of_it(self, tmp_path):
        task = with_batch_norm()
        first, second = task.make_model(1), task.make_model(1)
        second[1].running_mean.fill_(3.0)
        with torch.no_grad():
            second[0].weight.add_(0.1)
        for name, model in (("a.pt", first), ("b.pt", second)):
            torch.save(model.state_dict(), tmp_path / name)
        found = sf.landscape(task, around=tmp_path / "a.pt", to=tmp_path / "b.pt", grid=3)
        assert not any("interpolated" in note for note in found.notes)
        assert found.parameters == Weights(task.make_model(0)).size

    def test_ends_that_agree_in_the_rest_move_the_weights_alone(self, task, ends):
        (first, _), (a, b) = ends
        with torch.no_grad():
            first.head.weight.add_(1.0)
        torch.save(first.state_dict(), b)
        found = sf.landscape(task, around=a, to=b, grid=3)
        assert found.notes == ()
        assert found.parameters == 8 * 3 + 3

    def test_at_once_is_one_by_one_with_frozen_weights_and_buffers_in_the_points(self, task, ends):
        models, _ = ends
        ground = Ground(task, task.make_model(0), ends=[one.state_dict() for one in models], examples=None)
        first, second = (ground.point(one.state_dict()) for one in models)
        at = np.linspace(-0.5, 1.5, 40)[:, None]
        found = np.concatenate([losses for _, losses in ground.over(first, (second - first)[None], at)])
        truth = [loss_of(task, mixed(*models, float(share))) for share in at[:, 0]]
        np.testing.assert_allclose(found, truth, rtol=1e-5)
        assert "vmap" in ground.method or "fastest" in ground.method


class TestPathsFromOne:
    @pytest.mark.parametrize("directions", ["eigenvector", "random", "filter", "between"])
    def test_they_begin_with_all_that_it_holds(self, task, ends, directions):
        (model, _), (a, _) = ends
        found = sf.landscape(
            task, around=a, lr=0.1, epochs=4, batch_size="full", grid=3, examples="all", directions=directions
        )
        x, y = task.batch(task.train, torch.arange(task.train.size))
        truth = []
        for _ in range(5):
            loss = F.cross_entropy(model(x), y)
            truth.append(loss.item())
            slopes = torch.autograd.grad(loss, list(model.head.parameters()))
            for one, slope in zip(model.head.parameters(), slopes, strict=True):
                one.data -= 0.1 * slope
        np.testing.assert_allclose(found.paths[0].losses, truth, rtol=1e-4)
        assert found.origin_loss == pytest.approx(truth[0], rel=1e-5)
        assert found.paths[0].off_plane[0] < 1e-6
        assert "the paths begin at the weights in a.pt" in found.notes

    def test_a_rate_is_measured_there(self, task, ends):
        (model, _), (a, _) = ends
        found = sf.landscape(task, around=a, paths="large", epochs=2, batch_size="full", grid=3, examples="all")
        here = sf.curvature(task, weights=model.state_dict()).sharpness
        assert found.paths[0].recipe.lr == pytest.approx(1.6 / here, rel=0.05)

    def test_a_third_point_is_asked_for_where_the_start_is_the_file(self, task, ends):
        _, (a, _) = ends
        with pytest.raises(InputError, match="needs 3 solutions"):
            sf.landscape(task, around=a, lr=0.1, directions="between", dims=2, grid=3)

    def test_the_module_of_the_user_stays_as_it_is(self, task, ends, borrowed):
        _, (a, b) = ends
        model = task.make_model(3)
        given = vectors(model)
        with borrowed(model, given.train.batch(torch.arange(40))[0]):
            sf.landscape(given, around=a, lr=0.1, epochs=1, grid=3)
            sf.landscape(given, around=a, to=b, grid=3)


class TestReader:
    """`landscape` and `curvature` take the same files."""

    WRAPPED = (
        ("as it is", lambda state: state),
        ("module.", lambda state: {f"module.{name}": one for name, one in state.items()}),
        ("both wrappers", lambda state: {f"module._orig_mod.{name}": one for name, one in state.items()}),
        ("net", lambda state: {"net": state, "epoch": 3}),
        ("state_dict", lambda state: {"state_dict": {f"model.{n}": one for n, one in state.items()}, "step": 1}),
        ("a loss beside it", lambda state: {f"model.{n}": one for n, one in state.items()} | {"loss.w": torch.ones(1)}),
    )

    @pytest.mark.parametrize("wrap", [wrap for _, wrap in WRAPPED], ids=[name for name, _ in WRAPPED])
    def test_what_training_scripts_write(self, tmp_path, wrap):
        task = mlp()
        model = task.make_model(5)
        torch.save(wrap(model.state_dict()), tmp_path / "x.pt")
        found = sf.landscape(task, around=tmp_path / "x.pt", grid=3)
        assert found.origin_loss == pytest.approx(loss_of(task, model), rel=1e-5)
        truth = sf.curvature(task, weights=model.state_dict()).sharpness
        assert sf.curvature(task, weights=tmp_path / "x.pt").sharpness == pytest.approx(truth)

    def test_safetensors_of_a_wrapped_model(self, tmp_path):
        task = mlp()
        model = task.make_model(5)
        save_file({f"module.{name}": one for name, one in model.state_dict().items()}, tmp_path / "x.safetensors")
        truth = sf.curvature(task, weights=model.state_dict()).sharpness
        assert sf.curvature(task, weights=tmp_path / "x.safetensors").sharpness == pytest.approx(truth)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda state: state.pop("0.weight"), "no weights for `0.weight`"),
            (lambda state: state.update({"4.weight": torch.ones(3, 3)}), "no such layer"),
            (lambda state: state.update({"0.bias": torch.ones(2)}), "of shape"),
            (lambda state: state["0.bias"].fill_(float("inf")), "before it diverged"),
        ],
    )
    def test_what_neither_takes(self, tmp_path, change, said):
        task = mlp()
        state = task.make_model(5).state_dict()
        change(state)
        torch.save(state, tmp_path / "x.pt")
        with pytest.raises(InputError, match=f"`around` is .*{said}"):
            sf.landscape(task, around=tmp_path / "x.pt", grid=3)
        with pytest.raises(InputError, match=f"`weights` is .*{said}"):
            sf.curvature(task, weights=tmp_path / "x.pt")

    def test_the_trained_weights_alone_are_enough(self, task, ends, tmp_path):
        """Of an adapter's file the base is the model's own."""
        own = task.make_model(0)
        state = {f"head.{name}": one + 1.0 for name, one in own.head.state_dict().items()}
        torch.save(state, tmp_path / "head.pt")
        own.load_state_dict(state, strict=False)
        found = sf.landscape(task, around=tmp_path / "head.pt", grid=3, examples="all")
        assert found.origin_loss == pytest.approx(loss_of(task, own), rel=1e-5)
        assert sf.curvature(task, weights=tmp_path / "head.pt").sharpness == pytest.approx(
            sf.curvature(task, weights=own.state_dict()).sharpness
        )
