"""Smooth surfaces: filled to within what is said, evaluated where they are not smooth, and never twice at a point."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_tasks import classes, convolution, drawn, linear, mlp, vectors, with_batch_norm
from torch import nn
from torch.nn import functional as F

import surefoot as sf
from surefoot.landscape import bowl
from surefoot.landscape.grid import evaluate, refined
from surefoot.landscape.ground import Ground
from surefoot.landscape.planes import random_plane

LINES = [np.linspace(-1, 2, 51), np.linspace(-3, 1, 51)]
FIRST = 13**2 + 5**2
"""Crossings that are evaluated at first."""


class Formula:
    """A ground that is a formula of the coordinates; it counts, and may be interrupted after some points."""

    precision = float(np.finfo(np.float64).eps)

    def __init__(self, formula, chunk=64, stop=None):
        self.formula, self.chunk, self.stop, self.seen = formula, chunk, stop, []

    def over(self, origin, directions, coordinates):
        for start in range(0, len(coordinates), self.chunk):
            if self.stop is not None and len(self.seen) >= self.stop:
                raise KeyboardInterrupt
            part = coordinates[start : start + self.chunk]
            self.seen += [tuple(one) for one in part]
            found = self.formula(*part.T)
            yield start, np.where(np.isfinite(found), found, np.inf)


def surface_of(formula, lines=LINES, **more):
    ground = Formula(formula)
    found = evaluate(ground, None, None, lines, **more)
    assert len(ground.seen) == len(set(ground.seen)) == found.evaluated
    true = formula(*np.meshgrid(*lines)) if len(lines) > 1 else formula(lines[0])[None]
    return found, np.where(np.isfinite(true), true, np.inf)


def gelu():
    return vectors(lambda: nn.Sequential(nn.Linear(5, 16), nn.GELU(), nn.Linear(16, 3)))


def smooth_batch_norm():
    return vectors(lambda: nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 3)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.layer(x).mean(dim=1))


def transformer():
    x, y = drawn(12, 5, 8), classes(3, 12)
    return sf.Task(Attention, (x, y), (x, y), loss=F.cross_entropy, name="transformer")


def relu():
    return vectors(lambda: nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3)))


def in_double():
    x, y = drawn(30, 4).double(), drawn(30, 1, seed=2).double()
    layers = lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).double()  # noqa: E731
    return sf.Task(layers, (x, y), (x, y), loss=nn.MSELoss(), name="double")


def planes_of(task, count=45):
    reach = 0.5 if task.name == "transformer" else 1.0  # farther out the layer norm of so few numbers is sharp
    ground = Ground(task, task.make_model(0), examples=None)
    origin = ground.weights.point(dict(ground.model.named_parameters()))
    plane = random_plane("filter", ground.weights, origin, "start", dims=2, seed=0)
    given = ground, plane.origin, plane.directions, [np.linspace(-reach, reach, count)] * 2
    return evaluate(*given), evaluate(*given, exact=True)


class TestNetworks:
    @pytest.mark.parametrize("make", [mlp, linear, gelu, smooth_batch_norm, transformer, in_double])
    def test_with_smooth_activations_a_part_is_evaluated_and_the_error_is_no_larger_than_said(self, make):
        filled, every = planes_of(make())
        off = np.abs(filled.losses - every.losses).max()
        assert filled.evaluated < 0.4 * every.evaluated == 0.4 * 45**2
        assert 0 < off <= filled.error < 4e-4 * np.ptp(every.losses)
        assert (every.error, every.evaluated) == (None, 45**2)

    @pytest.mark.parametrize("make", [relu, with_batch_norm, convolution])
    def test_with_kinks_every_loss_is_evaluated(self, make):
        filled, every = planes_of(make())
        assert (filled.error, filled.evaluated) == (None, 45**2)
        np.testing.assert_allclose(filled.losses, every.losses, rtol=1e-5)

    def test_the_record_says_how_many_and_how_well_and_paths_are_evaluated(self):
        given = {"lr": (0.05, 0.5), "epochs": 3, "batch_size": 20, "grid": 31}
        filled, every = sf.landscape(mlp(), **given), sf.landscape(mlp(), **given, exact=True)
        assert filled.evaluated < 0.5 * every.evaluated == 0.5 * every.surface.size
        assert every.error is None
        for one, other in zip(filled.paths, every.paths, strict=True):
            np.testing.assert_array_equal(one.losses, other.losses)
            np.testing.assert_allclose(one.plane_losses, other.plane_losses, rtol=1e-6)
        assert np.abs(filled.surface - every.surface).max() <= filled.error
        again = type(filled).from_json(filled.to_json())
        assert (again.evaluated, again.error) == (filled.evaluated, filled.error)

    def test_a_bowl_is_evaluated(self):
        found = bowl(lr=0.1, steps=5)
        assert (found.error, found.evaluated) == (None, found.surface.size)


class TestFormulas:
    @pytest.mark.parametrize(
        "formula",
        [
            lambda x, y: 2 + x - 3 * y + 0.5 * x * y,
            lambda x, y: 0.1 * x**2 + 5 * y**2 + 1,
            lambda x, y: np.logaddexp(x, y) + np.logaddexp(0, -x * y),
            lambda x, y: np.tanh(x + y) ** 2 + 1,
        ],
    )
    def test_what_is_smooth_is_filled(self, formula):
        found, true = surface_of(formula)
        assert found.evaluated < 0.35 * true.size
        assert np.abs(found.losses - true).max() <= found.error < 3e-4 * np.ptp(true)

    def test_more_lines_are_taken_where_the_first_ones_are_too_few(self):
        few, _ = surface_of(lambda x, y: 2 + np.tanh(x + y))
        more, true = surface_of(lambda x, y: 2 + np.tanh(2.5 * x + y))
        assert few.evaluated == FIRST < more.evaluated < 0.4 * true.size
        assert np.abs(more.losses - true).max() <= more.error

    @pytest.mark.parametrize(
        "formula",
        [
            lambda x, y: np.abs(x - 0.31) + y**2,
            lambda x, y: np.maximum(x + y, 0) + 1,
            lambda x, y: np.sin(40 * x) + y,
            lambda x, y: x + np.random.default_rng(abs(hash(tuple(np.ravel(x))))).normal(size=x.shape),
        ],
        ids=["kink", "ramp", "waves", "noise"],
    )
    def test_what_is_not_smooth_is_evaluated_and_no_point_twice(self, formula):
        ground = Formula(formula)
        found = evaluate(ground, None, None, LINES)
        assert (found.error, found.evaluated) == (None, 51**2)
        assert len(ground.seen) == len(set(ground.seen)) == 51**2

    def test_infinite_losses_are_where_they_are(self):
        found, true = surface_of(lambda x, y: np.where(x + y > -3.5, np.log(np.maximum(x + y + 3.5, 1e-9)), np.inf))
        assert np.isposinf(true).any()
        np.testing.assert_array_equal(found.losses, true)
        assert found.error is None

    def test_losses_near_zero_are_evaluated_because_a_logarithmic_picture_shows_their_errors(self):
        found, true = surface_of(lambda x, y: 1e4 * (x + y) ** 2 * np.cosh(x) + 1e-3)
        small = found.error > 0.01 * true
        assert small.sum() > 10
        np.testing.assert_array_equal(found.losses[small], true[small])
        assert FIRST < found.evaluated < 0.4 * true.size

    @pytest.mark.parametrize("height", [0.0, 1e-12])
    def test_what_is_flat_but_for_rounding_is_evaluated(self, height):
        found, true = surface_of(lambda x, y: 1 + height * np.tanh(x + y))
        np.testing.assert_array_equal(found.losses, true)
        assert found.error is None

    def test_few_points_are_evaluated_and_so_are_all_that_are_asked_for(self):
        lines = [np.linspace(-1, 1, 22)] * 2
        assert surface_of(lambda x, y: x + y, lines)[0].error is None
        assert surface_of(lambda x, y: x + y, exact=True)[0].error is None

    def test_a_line_of_many_points(self):
        found, true = surface_of(lambda x: 1 + np.logaddexp(0, 3 * x), [np.linspace(-2, 3, 701)])
        assert found.evaluated < 60
        assert found.losses.shape == (1, 701)
        assert np.abs(found.losses - true).max() <= found.error < 4e-4 * np.ptp(true)

    def test_progress_counts_what_is_evaluated_of_the_whole_grid(self):
        told = []
        evaluate(Formula(lambda x, y: 9 + x + y), None, None, LINES, lambda done, of: told.append((done, of)))
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert {of for _, of in told} == {51**2}
        assert told[-1][0] == FIRST


class TestInterrupts:
    def test_early_they_leave_a_coarse_grid_that_is_true(self):
        ground = Formula(lambda x, y: x**2 + y, chunk=20, stop=100)
        found = evaluate(ground, None, None, LINES)
        assert not found.complete
        columns, rows = found.lines
        assert len(columns) == 13
        assert 3 <= len(rows) < 13
        np.testing.assert_allclose(found.losses, columns**2 + rows[:, None])
        assert found.evaluated == found.losses.size

    def test_later_they_leave_whole_rows(self):
        ground = Formula(lambda x, y: np.abs(x - 0.1) + y, chunk=20, stop=1500)
        found = evaluate(ground, None, None, LINES)
        assert not found.complete
        assert len(found.lines[0]) == 51
        assert 20 < len(found.lines[1]) < 51
        np.testing.assert_allclose(found.losses, np.abs(found.lines[0] - 0.1) + found.lines[1][:, None])


def test_lines_that_refinement_adds_are_evaluated_and_counted():
    ground = Formula(lambda x, y: 50 * (x - y) ** 2 + 1)
    surface = evaluate(ground, None, None, LINES)
    at = np.array([[0.11, 0.11], [0.5, 0.5]])
    finer = refined(ground, None, None, surface, at, np.ones(2), most=5)
    assert finer.added > 0
    assert finer.error == surface.error
    assert finer.evaluated == len(ground.seen) == surface.evaluated + finer.losses.size - surface.losses.size
    assert not torch.is_tensor(finer.losses)
