"""Grids: what is read off them, where lines are added, and what an interrupt leaves."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.landscape.grid import evaluate, interpolated, refined
from surefoot.landscape.sheet import Surface


class Formula:
    """A ground that is a formula of the coordinates, and may be interrupted after some points."""

    def __init__(self, formula, chunk=7, stop=None):
        self.formula, self.chunk, self.stop, self.seen = formula, chunk, stop, 0

    def over(self, origin, directions, coordinates):
        for start in range(0, len(coordinates), self.chunk):
            if self.stop is not None and self.seen >= self.stop:
                raise KeyboardInterrupt
            part = coordinates[start : start + self.chunk]
            self.seen += len(part)
            yield start, self.formula(*part.T)


def valley(x, y):
    return 0.1 * x**2 + 50 * y**2


LINES = [np.linspace(-1, 1, 9), np.linspace(-2, 2, 11)]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_rows_belong_to_the_second_axis(chunk):
    surface = evaluate(Formula(valley, chunk), None, None, LINES)
    assert surface.complete
    np.testing.assert_allclose(surface.losses, valley(*np.meshgrid(*LINES)))


def test_a_line_has_one_row():
    surface = evaluate(Formula(lambda x: x**3), None, None, LINES[:1])
    np.testing.assert_allclose(surface.losses, [LINES[0] ** 3])


@pytest.mark.parametrize("stop", [0, 20, 50])
def test_an_interrupt_leaves_whole_rows_around_the_middle(stop):
    surface = evaluate(Formula(valley, 7, stop), None, None, LINES)
    assert not surface.complete
    rows = surface.lines[1]
    assert surface.losses.shape == (len(rows), 9)
    assert len(rows) >= stop // 9 - 1
    assert np.isfinite(surface.losses).all()
    np.testing.assert_allclose(surface.losses, valley(*np.meshgrid(LINES[0], rows)))
    assert set(rows) <= set(LINES[1])
    if len(rows):
        assert abs(rows).min() == 0
        np.testing.assert_allclose(np.diff(rows), 0.4)


def test_reading_off_is_exact_between_lines_for_what_is_bilinear():
    surface = evaluate(Formula(lambda x, y: 2 + x - 3 * y + 0.5 * x * y), None, None, LINES)
    at = np.random.default_rng(0).uniform(-1, 1, size=(50, 2))
    x, y = at.T
    np.testing.assert_allclose(interpolated(surface, at), 2 + x - 3 * y + 0.5 * x * y, rtol=1e-12)
    assert np.isnan(interpolated(surface, np.array([[1.01, 0], [0, -2.1]]))).all()


class TestRefining:
    def test_lines_come_where_the_picture_was_wrong_and_only_new_points_are_evaluated(self):
        ground = Formula(valley)
        surface = evaluate(ground, None, None, LINES)
        before = ground.seen
        at = np.stack([np.linspace(-0.9, 0.9, 25), np.where(np.arange(25) % 2, 0.21, -0.17)], axis=1)
        true = valley(*at.T)
        finer = refined(ground, None, None, surface, at, true, most=5)
        assert np.abs(interpolated(finer, at) - true).max() < 0.3 * np.abs(interpolated(surface, at) - true).max()
        assert len(finer.lines[1]) > len(LINES[1])
        np.testing.assert_allclose(finer.losses, valley(*np.meshgrid(*finer.lines)))
        assert ground.seen - before == finer.losses.size - surface.losses.size
        assert finer.added == sum(len(line) for line in finer.lines) - 20

    def test_nothing_is_added_where_the_picture_is_right(self):
        def flat(x, y):
            return 2 + x - 3 * y

        ground = Formula(flat)
        surface = evaluate(ground, None, None, LINES)
        at = np.random.default_rng(0).uniform(-1, 1, size=(20, 2))
        assert refined(ground, None, None, surface, at, flat(*at.T), most=5) is surface

    def test_never_more_lines_than_allowed_and_points_beyond_or_infinite_do_no_harm(self):
        ground = Formula(valley)
        surface = evaluate(ground, None, None, LINES)
        at = np.random.default_rng(0).uniform(-3, 3, size=(200, 2))
        true = valley(*at.T)
        true[:10] = np.inf
        finer = refined(ground, None, None, surface, at, true, most=3)
        assert all(len(new) <= len(old) + 3 for new, old in zip(finer.lines, LINES, strict=True))

    def test_an_interrupt_leaves_the_grid_before_it(self):
        surface = evaluate(Formula(valley), None, None, LINES)
        at = np.array([[0.1, 0.21]])
        kept = refined(Formula(valley, 7, 0), None, None, surface, at, valley(*at.T), most=5)
        assert isinstance(kept, Surface)
        assert not kept.complete
        np.testing.assert_array_equal(kept.losses, surface.losses)
