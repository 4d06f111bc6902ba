"""The landscape: paths with true losses, planes through what they say, and one line for what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_tasks import linear, mlp, valley, vectors, with_batch_norm, with_dropout
from torch import nn
from torch.nn import functional as F

import surefoot as sf
from surefoot.engines.serial import Serial
from surefoot.errors import InputError, RecipeError, SurefootError
from surefoot.landscape import walks
from surefoot.records import Landscape, Recipe

QUICK = {"epochs": 3, "batch_size": 20, "grid": 5, "refine": False}


def plain(found):
    """The record without what differs from call to call."""
    return {key: value for key, value in found.to_json().items() if key not in ("seconds", "provenance", "method")}


class TestPaths:
    def test_true_losses_are_those_of_the_training_when_all_examples_are_looked_at(self):
        task = mlp()
        found = sf.landscape(task, lr=(0.1, 1.0), epochs=12, batch_size="full", grid=5, examples="all")
        for path in found.paths:
            run = sf.train(task, path.recipe)
            np.testing.assert_allclose(path.losses[:-1], run.loss, rtol=1e-4)
            assert path.losses[-1] == pytest.approx(path.final_val_loss, rel=1e-4)
            np.testing.assert_allclose(path.lrs, path.recipe.lr)
        assert [path.name for path in found.paths] == ["rate 0.1", "rate 1"]

    def test_they_begin_together_and_the_best_one_ends_on_the_plane(self):
        found = sf.landscape(mlp(), lr=(0.05, 0.5), **QUICK)
        first, second = found.paths
        best = min(found.paths, key=lambda path: path.losses[-1])
        assert [column[0] for column in first.coordinates] == [column[0] for column in second.coordinates]
        assert first.losses[0] == second.losses[0]
        for path in found.paths:
            assert path.off_plane[0] < 1e-5
            # What lies on the plane has the surface's loss; where a path is off it, the losses differ.
            assert path.losses[0] == pytest.approx(path.plane_losses[0], rel=1e-5)
        assert best.off_plane[-1] < 1e-5
        assert best.name in found.around
        np.testing.assert_allclose([column[-1] for column in best.coordinates], 0, atol=1e-5)

    def test_distances_are_those_of_pythagoras(self):
        """The directions are at right angles, and the start lies on the plane."""
        found = sf.landscape(mlp(), lr=(0.05, 0.5), **QUICK)
        for path in found.paths:
            on = sum((column - column[0]) ** 2 for column in path.coordinates)
            np.testing.assert_allclose(path.distance**2, on + path.off_plane**2, rtol=1e-3, atol=1e-6)

    def test_a_rate_above_one_over_the_top_eigenvalue_crosses_the_valley_with_every_step(self):
        found = sf.landscape(valley(), lr=(0.1, 0.45), epochs=9, batch_size="full", grid=5, directions="eigenvector")
        top = found.axes[1]
        assert (top.name, top.curvature) == ("top eigenvector", pytest.approx(4.0, rel=1e-6))
        slow, fast = (path.coordinates[1] - found.paths[0].coordinates[1][0] for path in found.paths)
        start = abs(found.paths[0].coordinates[1][0] - 0)
        for path, lr in zip(found.paths, (0.1, 0.45), strict=True):
            # Along the eigenvector w_t = (1 - rate * 4)^t w_0 with w_0 = 1; the origin is where the best path ended.
            moved = (1 - 4 * lr) ** np.arange(10)
            np.testing.assert_allclose(np.abs(np.diff(path.coordinates[1])), np.abs(np.diff(moved)), rtol=1e-6)
        assert set(np.sign(np.diff(fast))) == {-1, 1}
        assert len(set(np.sign(np.diff(slow)))) == 1
        assert start > 0

    def test_small_large_and_decayed_are_made_of_one_rate(self):
        found = sf.landscape(mlp(), lr=0.4, paths=("small", "large", "decayed"), **QUICK)
        small, large, decayed = found.paths
        np.testing.assert_allclose(small.lrs, 0.04)
        np.testing.assert_allclose(large.lrs, 0.4)
        assert decayed.lrs[0] == pytest.approx(0.4)
        assert decayed.lrs[-1] == pytest.approx(0.04)
        assert np.all(np.diff(decayed.lrs[:-1]) < 0)

    def test_without_any_rate_one_is_measured_and_called_no_advice(self):
        found = sf.landscape(valley(), epochs=8, batch_size="full", grid=5)
        assert found.paths[1].recipe.lr == pytest.approx(1.6 / 4)
        assert [path.name.split()[0].rstrip(":") for path in found.paths] == ["small", "large", "decayed"]
        assert any("no advice" in note for note in found.notes)

    def test_optimizers_and_rates_go_in_pairs_and_options_to_whom_they_fit(self):
        found = sf.landscape(mlp(), optimizer=("sgd", "adam"), lr=(0.1, 0.01), momentum=0.9, **QUICK)
        assert [(path.recipe.optimizer, path.recipe.lr) for path in found.paths] == [("sgd", 0.1), ("adam", 0.01)]
        assert [path.recipe.options for path in found.paths] == [{"momentum": 0.9}, {}]

    def test_a_path_that_diverges_does_not_blow_up_the_picture(self):
        found = sf.landscape(mlp(), lr=(0.1, 1e5), **QUICK | {"epochs": 20})
        calm, wild = found.paths
        assert wild.fate == "diverged"
        assert wild.reason
        assert max(abs(axis.values).max() for axis in found.axes) < 20 * calm.distance.max()
        assert np.isfinite(found.surface).all()

    def test_fewer_points_than_steps_keep_both_ends(self):
        found = sf.landscape(mlp(), lr=0.1, points=4, **QUICK | {"epochs": 20})
        assert found.paths[0].step.tolist() == [0, 15, 30, 40]
        assert any("one step in 15" in note for note in found.notes)


class TestPlanes:
    def test_the_top_eigenvector_is_that_of_the_dense_hessian(self):
        task = linear()
        found = sf.landscape(task, around="init", directions="eigenvector", grid=3)
        model = task.make_model(0)
        x, y = task.batch(task.train, torch.arange(40))

        def loss(flat):
            return F.cross_entropy(x @ flat[:15].view(3, 5).T + flat[15:], y)

        flat = torch.cat([one.detach().flatten() for one in model.parameters()])
        values = torch.linalg.eigvalsh(torch.func.hessian(loss)(flat).double())
        assert [axis.curvature for axis in found.axes] == pytest.approx(values[[-2, -1]].tolist(), rel=2e-3)
        assert found.origin_loss == pytest.approx(float(loss(flat)), rel=1e-5)

    def test_principal_components_bring_the_share_that_chance_would_have(self):
        found = sf.landscape(mlp(), lr=(0.1, 0.5), directions="pca", **QUICK)
        assert [axis.name for axis in found.axes] == ["principal component 1", "principal component 2"]
        at = np.concatenate([np.stack(path.coordinates, axis=1) for path in found.paths])
        np.testing.assert_allclose(at.mean(axis=0), 0, atol=1e-5)
        spread = at.var(axis=0)
        shares = [axis.share for axis in found.axes]
        assert spread[1] / spread[0] == pytest.approx(shares[1] / shares[0], rel=1e-3)
        off = np.concatenate([path.off_plane for path in found.paths])
        assert np.mean(off**2) / (spread.sum() + np.mean(off**2)) == pytest.approx(1 - sum(shares), abs=1e-3)
        assert all(0 < axis.walk_share < 1 for axis in found.axes)

    def test_between_the_ends_of_two_paths(self):
        found = sf.landscape(mlp(), lr=(0.1, 0.5), directions="between", **QUICK)
        line = found.axes[0]
        assert len(found.axes) == 1
        assert line.unit == "share"
        first, second = found.paths
        assert (first.coordinates[0][-1], second.coordinates[0][-1]) == (pytest.approx(0), pytest.approx(1))
        assert first.off_plane[-1] < 1e-5 > second.off_plane[-1]
        plane = sf.landscape(mlp(), lr=(0.1, 0.5), directions="between", dims=2, **QUICK)
        assert max(path.off_plane[place] for path in plane.paths for place in (0, -1)) < 1e-5
        assert plane.paths[0].coordinates[0][-1] == pytest.approx(plane.axes[0].length * plane.paths[0].distance[-1])

    @pytest.mark.parametrize("kind", ["filter", "layer", "random"])
    def test_random_directions_are_scaled_to_the_weights_and_drawn_by_the_seed(self, kind):
        task = mlp()
        found = [sf.landscape(task, around="init", directions=kind, grid=5, seed=seed) for seed in (0, 0, 1)]
        assert plain(found[0]) == plain(found[1])
        assert plain(found[0])["grid"] != plain(found[2])["grid"]
        own = task.make_model(0)
        scaled = [one for one in own.parameters() if kind == "random" or one.ndim > 1]
        size = float(torch.cat([one.detach().flatten() for one in scaled]).norm())
        assert [axis.length for axis in found[0].axes] == pytest.approx([size, size], rel=1e-4)
        assert found[0].surface[2, 2] == pytest.approx(found[0].origin_loss, rel=1e-5)
        assert found[0].axes[0].values.tolist() == [-1, -0.5, 0, 0.5, 1]

    def test_a_line_of_one_direction_and_a_span(self):
        found = sf.landscape(mlp(), around="init", dims=1, span=0.25, grid=3)
        assert found.axes[0].values.tolist() == [-0.25, 0, 0.25]
        assert found.surface.shape == (1, 3)

    def test_refinement_is_told(self):
        found = sf.landscape(valley((400.0, 1.0)), lr=0.0049, epochs=30, batch_size="full", grid=5)
        assert all(len(axis.values) <= 5 + 2 for axis in found.axes)
        assert len(found.axes[1].values) > 5
        assert any("grid lines were added" in note for note in found.notes)


class TestBorrowing:
    @pytest.mark.parametrize("make", [with_dropout, with_batch_norm])
    def test_the_users_model_is_as_before_to_the_bit(self, make, borrowed):
        model = make().make_model(0)
        model[0].weight.grad = torch.ones_like(model[0].weight)
        task = vectors(model)
        x = task.train.batch(torch.arange(40))[0]
        with borrowed(model, x):
            sf.landscape(task, lr=(0.1, 0.5), **QUICK)
            sf.landscape(task, around="init", grid=3)

    def test_the_same_call_gives_the_same_picture(self):
        """Up to rounding: which engine is fastest is measured anew."""
        first, second = (sf.landscape(with_dropout(), lr=0.1, seed=4, **QUICK) for _ in range(2))
        np.testing.assert_allclose(first.surface, second.surface, rtol=1e-4)
        for one, other in zip(first.paths, second.paths, strict=True):
            np.testing.assert_allclose(one.losses, other.losses, rtol=1e-4)
            np.testing.assert_allclose(one.coordinates, other.coordinates, atol=1e-3)

    def test_it_travels_as_json(self, tmp_path):
        found = sf.landscape(mlp(), lr=(0.1, 1e5), **QUICK)
        assert Landscape.load(found.save(tmp_path / "l.json")) == found
        keys = found.to_json()
        assert {"axes", "grid", "paths", "notes", "provenance"} <= set(keys)
        assert {"name", "lrs", "coordinates", "losses", "off_plane"} <= set(keys["paths"][0])


class TestCheckpoints:
    @pytest.fixture
    def trained(self, tmp_path):
        task = mlp()
        model = task.make_model(7)
        torch.save(
            {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "a.pt"
        )
        other = task.make_model(8)
        save_file(other.state_dict(), tmp_path / "weights.safetensors")
        return task, tmp_path, model, other

    def test_around_one(self, trained):
        task, folder, model, _ = trained
        found = sf.landscape(task, around=folder / "a.pt", grid=3)
        x, y = task.batch(task.train, torch.arange(40))
        assert found.origin_loss == pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5)
        assert found.surface[1, 1] == pytest.approx(found.origin_loss, rel=1e-5)
        assert "a.pt" in found.around

    def test_between_two(self, trained):
        task, folder, model, other = trained
        found = sf.landscape(task, around=folder / "a.pt", to=folder, span=1.0, grid=3)
        x, y = task.batch(task.train, torch.arange(40))
        ends = [F.cross_entropy(one(x), y).item() for one in (model, other)]
        assert [found.grid[0][1], found.grid[0][2]] == pytest.approx(ends, rel=1e-4)

    def test_eigenvectors_of_one(self, trained):
        task, folder, *_ = trained
        found = sf.landscape(task, around=folder, directions="eigenvector", grid=3)
        assert found.axes[1].curvature > 0

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "there is no such file"),
            (b"nonsense", "cannot be read|more than tensors"),
            ({"0.weight": torch.zeros(2, 2)}, "no weights for|of shape"),
            ({"a": 1}, "holds no weights by name"),
            (nn.Linear(2, 2), "more than tensors"),
        ],
    )
    def test_files_that_do_not_fit_are_refused_in_one_line(self, tmp_path, content, said):
        path = tmp_path / "x.pt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            torch.save(content, path)
        with pytest.raises(InputError, match=said) as error:
            sf.landscape(mlp(), around=path, grid=3)
        assert "\n" not in str(error.value)

    def test_nan_in_a_checkpoint(self, tmp_path):
        state = mlp().make_model(0).state_dict()
        state["0.bias"][0] = float("nan")
        torch.save(state, tmp_path / "x.pt")
        with pytest.raises(InputError, match="before it diverged"):
            sf.landscape(mlp(), around=tmp_path / "x.pt", grid=3)


class TestInterrupts:
    def test_rows_that_are_done_are_kept(self):
        def watch(stage, done, total):
            if stage == "surface" and done > total / 2:
                raise KeyboardInterrupt

        found = sf.landscape(mlp(), lr=0.1, watch=watch, exact=True, **QUICK | {"grid": 41})
        assert not found.complete
        assert 0 < len(found.grid) < 41
        assert len(found.grid) == len(found.axes[1].values)
        assert np.isfinite(found.surface).all()
        assert any("of 41 rows" in note for note in found.notes)

    def test_paths_that_were_trained_so_far_are_kept(self, monkeypatch):
        original = Serial.validate

        def validate(self):
            if self.done >= 5:
                raise KeyboardInterrupt
            return original(self)

        monkeypatch.setattr(Serial, "validate", validate)
        monkeypatch.setattr(walks, "choose_engine", Serial)
        found = sf.landscape(mlp(), lr=0.1, **QUICK)
        assert not found.complete
        assert found.grid == ()
        assert found.paths[0].step.tolist() == [0, 1, 2, 3, 4]
        assert any("no surface" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": -1}, "`lr` holds -1"),
        ({"lr": (0.1, float("nan"))}, "`lr` holds nan"),
        ({"lr": (0.1, 0.1)}, "twice"),
        ({"lr": tuple(np.geomspace(0.1, 1, 20))}, "at most 12"),
        ({"lr": 0.1, "grid": 2}, "`grid` is 2"),
        ({"lr": 0.1, "span": 0}, "`span` is 0"),
        ({"lr": 0.1, "points": 1}, "`points` is 1"),
        ({"lr": 0.1, "dims": 3}, "`dims` is 3"),
        ({"lr": 0.1, "examples": 0}, "`examples` is 0"),
        ({"lr": 0.1, "examples": "some"}, "`examples` is 'some'"),
        ({"lr": 0.1, "memory": 0}, "`memory` is 0"),
        ({"lr": 0.1, "directions": "hessian"}, "there are eigenvector, pca"),
        ({"lr": 0.1, "to": "x.pt"}, "there is no such file"),
        ({"lr": 0.1, "to": "x.pt", "directions": "pca"}, "`to` is given"),
        ({"lr": 0.1, "directions": "pca", "around": "init"}, "goes through the mean"),
        ({"around": "init", "directions": "pca"}, "there is no path"),
        ({"around": "trained"}, "nothing is trained"),
        ({"around": "init", "directions": "between"}, "needs 2 solutions"),
        ({"lr": (0.1, 0.2, 0.3), "optimizer": ("sgd", "adam")}, "do not pair up"),
        ({"lr": 0.1, "optimizer": ()}, "`optimizer` is empty"),
        ({"lr": 0.1, "optimizer": "sdg"}, "did you mean `sgd`"),
        ({"lr": 0.1, "paths": ("tiny",)}, "there are small, large, decayed"),
        ({"lr": (0.1, 1.0), "paths": "small,large"}, "need one `lr`"),
        ({"lr": 0.1, "paths": {"a": Recipe(lr=0.1)}}, "both given"),
        ({"paths": {"a": Recipe()}}, "has no rate"),
        ({"paths": {"a": 0.1}}, "give a Recipe"),
        ({"paths": ("large",), "optimizer": "adam"}, "only for plain sgd"),
        ({"lr": 0.1, "batch_size": 99}, "`batch_size` is 99"),
        ({"lr": 0.1, "epochs": 0}, "`epochs` is 0"),
        ({"lr": 0.1, "momentun": 0.9}, "did you mean `momentum`"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(options, said):
    with pytest.raises(SurefootError, match=said) as error:
        sf.landscape(mlp(), **({"epochs": 1, "grid": 3} | options))
    assert "\n" not in str(error.value)


def test_data_that_does_not_fit_and_what_is_no_task():
    x = torch.zeros(10, 4)
    task = sf.Task(lambda: nn.Linear(5, 3), (x, x), (x, x), loss=F.mse_loss)
    with pytest.raises(InputError):
        sf.landscape(task, lr=0.1, grid=3)
    for memory in ("1GB", 0, True, 1.5):
        with pytest.raises(InputError, match=r"`memory` is .* whole number of bytes from 1"):
            sf.landscape(mlp(), memory=memory, grid=3)
    with pytest.raises(InputError, match=r"make one with surefoot\.Task"):
        sf.landscape(nn.Linear(1, 1))
    assert issubclass(RecipeError, InputError)


def test_points_that_do_not_fit_into_memory_are_left_out_and_that_is_said():
    found = sf.landscape(mlp(), lr=0.1, memory=20_000, **QUICK | {"epochs": 40})
    path = found.paths[0]
    assert path.step[0] == 0
    assert path.step[-1] == 80
    assert len(path.step) < 40
    assert any("more do not fit into memory" in note for note in found.notes)
    roomy = sf.landscape(mlp(), lr=0.1, memory=200_000, **QUICK)
    assert not any("do not fit" in note for note in roomy.notes)
