"""Places where little can be told: paths that run away, models of one weight, coarse numbers, early interrupts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_tasks import drawn, mlp
from torch import nn

import surefoot as sf
from surefoot.engines.serial import Serial
from surefoot.errors import InputError, TaskError
from surefoot.landscape import walks

FEW = {"steps": 30, "batch_size": 20, "grid": 5, "refine": False}


def regression(model=None, **more):
    x = drawn(60, 10)
    y = x[:, :3].sum(dim=1, keepdim=True).square()
    layers = lambda: nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))  # noqa: E731
    return sf.Task(model or layers, (x, y), (x, y), loss=nn.MSELoss(), name="regression", **more)


def of_one_weight(dtype=torch.float32):
    x = drawn(40, 1).to(dtype)
    build = lambda: nn.Linear(1, 1, bias=False, dtype=dtype)  # noqa: E731
    return sf.Task(build, (x, 2 * x), (x, 2 * x), loss=nn.MSELoss(), name="one weight")


class TestRunningAway:
    @pytest.mark.parametrize("lr", [2.0, 20.0, 300.0, 1e5, 1e30])
    @pytest.mark.parametrize("directions", ["eigenvector", "filter", "random"])
    def test_the_picture_is_around_where_the_loss_could_still_be_told(self, lr, directions):
        found = sf.landscape(regression(), lr=lr, directions=directions, **FEW)
        assert found.paths[0].fate == "diverged"
        assert found.around == "the weights before training"
        assert found.origin_loss == pytest.approx(found.paths[0].losses[0], rel=1e-5)
        assert np.isfinite(found.surface).all()
        assert found.surface.max() < 1e4 * found.origin_loss
        assert any(f"at the end of the path `rate {lr:g}`" in note for note in found.notes)

    def test_around_its_last_calm_point_where_there_is_one(self):
        """A rate that grows past the limit: some steps are fine, then all is lost."""
        found = sf.landscape(
            regression(), lr=2.0, schedule="warmup", schedule_options={"length": 0.5, "start_factor": 0.0}, **FEW
        )
        path = found.paths[0]
        calm = np.flatnonzero(path.losses <= 2 * path.losses[0])[-1]
        assert 0 < calm < len(path.step) - 1
        assert f"after {path.step[calm]} steps" in found.around
        assert found.origin_loss == pytest.approx(path.losses[calm], rel=1e-5)
        assert path.off_plane[calm] < 1e-4

    def test_principal_components_are_those_of_what_did_not_run_away(self):
        calm = sf.landscape(regression(), lr=0.01, directions="pca", **FEW)
        both = sf.landscape(regression(), lr=(0.01, 20.0), directions="pca", **FEW)
        # The start counts twice now: no more than a few percent of the components move.
        for one, other in zip(calm.axes, both.axes, strict=True):
            assert other.share == pytest.approx(one.share, rel=0.2)
        assert any("left out of the principal components" in note for note in both.notes)

    def test_around_a_place_without_curvature_is_refused(self):
        # The second derivative of a root is infinite where it is zero.
        def loss(output, target):
            return (output - output.detach() + 0 * target).square().sum().sqrt()

        x = drawn(20, 3)
        task = sf.Task(lambda: nn.Linear(3, 1), (x, x[:, :1]), (x, x[:, :1]), loss=loss)
        for options in ({"around": "init"}, {"lr": 1e-3, "epochs": 1}):
            with pytest.raises(TaskError, match=r"not finite|NaN|infinity") as error:
                sf.landscape(task, directions="eigenvector", grid=3, **options)
            assert "\n" not in str(error.value)


class TestOneWeight:
    @pytest.mark.parametrize(
        "options",
        [
            {"lr": 0.1}, {}, {"lr": 0.1, "directions": "pca"}, {"lr": (0.1, 0.2), "directions": "between"},
            {"around": "init"}, {"around": "init", "directions": "eigenvector"}, {"lr": 0.1, "around": "init"},
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_it_is_drawn_as_a_line(self, options, seed):
        task = of_one_weight()
        found = sf.landscape(task, epochs=2, batch_size=20, grid=5, seed=seed, examples="all", **options)
        assert len(found.axes) == 1
        assert np.isfinite(found.surface).all()
        x = task.batch(task.train, torch.arange(40))[0]
        if found.axes[0].curvature is not None:
            assert found.axes[0].curvature == pytest.approx(2 * x.square().mean().item(), rel=1e-5)
        for path in found.paths:
            np.testing.assert_allclose(path.losses, path.plane_losses, rtol=1e-4, atol=1e-6)

    def test_a_plane_of_it_is_refused(self):
        with pytest.raises(InputError, match="`dims` is 2, and the model has a single weight"):
            sf.landscape(of_one_weight(), lr=0.1, dims=2, grid=3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("options", [{"lr": 0.1}, {"around": "init", "directions": "eigenvector"}, {}])
def test_models_of_half_precision_are_drawn(dtype, options):
    x = drawn(40, 5)
    y = (x[:, 0] > 0).long()
    build = lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))  # noqa: E731
    half, single = (
        sf.Task(lambda kind=kind: build().to(kind), (x.to(kind), y), (x.to(kind), y), loss=nn.CrossEntropyLoss())
        for kind in (dtype, torch.float32)
    )
    found, truth = (sf.landscape(task, epochs=2, batch_size=20, grid=5, **options) for task in (half, single))
    assert found.axes[1].curvature == pytest.approx(truth.axes[1].curvature, rel=0.2)
    assert found.origin_loss == pytest.approx(truth.origin_loss, rel=0.05)
    assert not any("other numbers" in note for note in found.notes)


class TestSteps:
    def test_they_are_the_length_of_every_path(self):
        found = sf.landscape(mlp(), lr=(0.1, 0.2), steps=7, batch_size=16, grid=3, refine=False)
        assert [path.step[-1] for path in found.paths] == [7, 7]
        halved = sf.landscape(mlp(), lr=0.1, steps=4, batch_size=10, accumulate=2, grid=3, refine=False)
        assert halved.paths[0].step[-1] == 4

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"steps": 0}, "`steps` is 0"),
            ({"steps": 1.5}, "`steps` is 1.5"),
            ({"steps": 3, "epochs": 1}, "`steps` and `epochs` are both given"),
            ({"steps": 3, "paths": {"a": sf.Recipe(lr=0.1)}}, "the recipes have their lengths"),
        ],
    )
    def test_what_is_no_length(self, options, said):
        with pytest.raises(InputError, match=said):
            sf.landscape(mlp(), **options)


def test_an_interrupt_before_the_first_step_leaves_nothing_to_draw(monkeypatch):
    def advance(self, steps):
        raise KeyboardInterrupt

    monkeypatch.setattr(Serial, "advance", advance)
    monkeypatch.setattr(walks, "choose_engine", Serial)
    for options in ({"lr": 0.1}, {"lr": 0.1, "directions": "pca"}, {"lr": 0.1, "directions": "filter"}):
        with pytest.raises(KeyboardInterrupt, match="interrupted after 0 of 30 updates, before there was a step"):
            sf.landscape(mlp(), **options, **FEW)


def test_a_path_that_does_not_move_is_told_which_way_to_go():
    with pytest.raises(InputError, match=r"has not moved .* raise or lower `lr`"):
        sf.landscape(mlp(), lr=1e-30, **FEW)


def test_a_path_that_is_lost_with_its_first_step_is_drawn_around_its_start():
    found = sf.landscape(regression(), lr=1e38, **FEW)
    assert found.paths[0].step.tolist() == [0]
    assert found.paths[0].fate == "diverged"
    assert any("lost at once" in note for note in found.notes)
    assert found.around == "the weights before training"
    assert all(math.isfinite(one) for one in found.surface.ravel())
