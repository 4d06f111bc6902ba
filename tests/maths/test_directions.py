"""Directions: scaled as their definitions say, projections with exact answers, and what chance gives."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.errors import InputError
from surefoot.maths.directions import (
    chance_shares,
    coordinates_of,
    filter_scaled,
    inner_products,
    layer_scaled,
    orthonormal,
    principal_directions,
    whole_scaled,
)
from surefoot.maths.quadratics import walk_shares


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def layers(rng):
    """A convolution, a matrix, a bias and a scalar: weights and a direction."""
    shapes = ((4, 3, 2, 2), (5, 7), (5,), ())
    return [rng.normal(size=one) for one in shapes], [rng.normal(size=one) for one in shapes]


class TestScaling:
    def test_each_filter_is_as_long_as_the_models_and_keeps_its_course(self, layers):
        weights, direction = layers
        for given, own, one in zip(direction[:2], weights[:2], filter_scaled(direction, weights)[:2], strict=True):
            for row, wanted, kept in zip(one, own, given, strict=True):
                assert np.linalg.norm(row) == pytest.approx(np.linalg.norm(wanted), rel=1e-12)
                assert np.vdot(row, kept) == pytest.approx(np.linalg.norm(row) * np.linalg.norm(kept), rel=1e-12)

    @pytest.mark.parametrize("scale", [filter_scaled, layer_scaled])
    def test_biases_and_scales_stay(self, layers, scale):
        weights, direction = layers
        assert not np.any(np.concatenate([np.ravel(one) for one in scale(direction, weights)[2:]]))

    @pytest.mark.parametrize("scale", [filter_scaled, layer_scaled, whole_scaled])
    def test_it_follows_the_weights_and_not_the_length_of_what_was_drawn(self, layers, scale):
        weights, direction = layers
        first = scale(direction, weights)
        longer = scale([7 * one for one in direction], [3 * one for one in weights])
        for one, other in zip(first, longer, strict=True):
            np.testing.assert_allclose(other, 3 * one, rtol=1e-12)

    def test_layers_and_the_whole_have_the_weights_norms(self, layers):
        weights, direction = layers
        for one, own in zip(layer_scaled(direction, weights)[:2], weights[:2], strict=True):
            assert np.linalg.norm(one) == pytest.approx(np.linalg.norm(own), rel=1e-12)
        both = [np.sqrt(sum(np.sum(one**2) for one in some)) for some in (whole_scaled(direction, weights), weights)]
        assert both[0] == pytest.approx(both[1], rel=1e-12)

    @pytest.mark.parametrize("scale", [filter_scaled, layer_scaled, whole_scaled])
    def test_weights_of_zero_give_zero_and_no_division(self, layers, scale):
        _, direction = layers
        found = scale(direction, [np.zeros_like(one) for one in direction])
        assert all(np.array_equal(one, np.zeros_like(one)) for one in found)
        assert all(np.isfinite(one).all() for one in scale([np.zeros_like(one) for one in direction], direction))


class TestOrthonormal:
    def test_unit_right_angles_and_the_first_keeps_its_course(self, rng):
        given = rng.normal(size=(3, 50))
        given[1] += 4 * given[0]
        found = orthonormal(given)
        np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(found[0], given[0] / np.linalg.norm(given[0]), rtol=1e-12)
        # Each given direction lies in the span of the found ones up to its own place.
        for place, one in enumerate(given):
            inside = found[: place + 1]
            np.testing.assert_allclose(one, (inside @ one) @ inside, atol=1e-10)

    def test_zero_and_dependent_directions_are_refused_by_name(self, rng):
        one = rng.normal(size=20)
        with pytest.raises(InputError, match="displacement is zero"):
            orthonormal(np.stack([one, 0 * one]), ["top eigenvector", "displacement"])
        with pytest.raises(InputError, match="way points along top"):
            orthonormal(np.stack([one, -2 * one]), ["top", "way"])


class TestCoordinates:
    def test_points_of_the_plane_are_found_again_by_directions_that_are_neither_unit_nor_square(self, rng):
        origin, directions = rng.normal(size=40), rng.normal(size=(2, 40))
        directions[1] += 2 * directions[0]
        wanted = rng.normal(size=(6, 2))
        found, away = coordinates_of(origin + wanted @ directions, origin, directions)
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
        assert away.max() < 1e-10

    def test_distance_and_way_within_the_plane_are_those_of_pythagoras(self, rng):
        origin, directions = rng.normal(size=40), orthonormal(rng.normal(size=(2, 40)))
        points = rng.normal(size=(5, 40))
        found, away = coordinates_of(points, origin, directions)
        whole = np.sum((points - origin) ** 2, axis=1)
        np.testing.assert_allclose(np.sum(found**2, axis=1) + away**2, whole, rtol=1e-12)
        # Nothing on the plane is nearer.
        for point, at, distance in zip(points, found, away, strict=True):
            others = origin + (at + 0.1 * rng.normal(size=(20, 2))) @ directions
            assert np.linalg.norm(others - point, axis=1).min() >= distance

    def test_a_small_distance_far_from_the_origin_survives_float32(self, rng):
        directions = orthonormal(rng.normal(size=(2, 3000)).astype(np.float32))
        beside = orthonormal(np.concatenate([directions, rng.normal(size=(1, 3000)).astype(np.float32)]))[2]
        point = 100 * directions[0].astype(np.float64) + 0.01 * beside
        found, away = coordinates_of(point[None], np.zeros(3000, np.float32), directions)
        assert away[0] == pytest.approx(0.01, rel=0.02)
        assert found[0, 0] == pytest.approx(100, rel=1e-6)

    def test_products_over_many_blocks_are_those_of_one_matrix_product(self, rng):
        a, b = rng.normal(size=(3, 150_000)).astype(np.float32), rng.normal(size=(2, 150_000)).astype(np.float32)
        np.testing.assert_allclose(inner_products(a, b), a.astype(float) @ b.astype(float).T, rtol=1e-10)


class TestPrincipalDirections:
    def test_it_is_the_singular_value_decomposition(self, rng):
        points = rng.normal(size=(9, 60)) @ np.diag(np.linspace(3, 0.1, 60))
        mean, directions, shares = principal_directions(points, 3)
        _, sizes, rows = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
        np.testing.assert_allclose(mean, points.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(shares[:8], (sizes**2 / np.sum(sizes**2))[:8], rtol=1e-9)
        np.testing.assert_allclose(np.abs(np.sum(directions * rows[:3], axis=1)), 1, rtol=1e-9)

    @pytest.mark.parametrize("points", [np.ones((5, 8)), np.outer(np.arange(5.0), np.ones(8)), np.ones((2, 8))])
    def test_points_on_a_line_span_no_plane(self, points):
        with pytest.raises(InputError, match="fewer than 2 directions"):
            principal_directions(points, 2)


class TestChance:
    def test_long_walks_of_equal_steps_have_the_shares_of_the_limit(self):
        np.testing.assert_allclose(chance_shares([np.ones(1500)], 3), walk_shares(3), rtol=2e-3)

    def test_random_walks_with_falling_steps_agree_within_three_standard_errors(self, rng):
        """24 walks of 50 steps in 5000 dimensions; the bound is the standard error of their mean, plus the known
        1 / dimensions by which a finite dimension differs."""
        lengths = 1 / (1 + 0.1 * np.arange(50))
        shares = []
        for _ in range(24):
            steps = rng.normal(size=(50, 5000)) / np.sqrt(5000) * lengths[:, None]
            shares.append(principal_directions(np.vstack([np.zeros(5000), np.cumsum(steps, axis=0)]), 2)[2][:2])
        wrong = np.abs(np.mean(shares, axis=0) - chance_shares([lengths], 2))
        error = np.std(shares, axis=0, ddof=1) / np.sqrt(24)
        assert np.all(wrong < 3 * error + 0.01)

    def test_laws(self):
        lengths = np.array([3.0, 1.0, 0.5, 0.2])
        np.testing.assert_allclose(chance_shares([5 * lengths], 2), chance_shares([lengths], 2), rtol=1e-12)
        np.testing.assert_allclose(chance_shares([[1.0]], 2), [1, 0], atol=1e-12)
        assert np.sum(chance_shares([lengths, lengths], 9)) == pytest.approx(1)
        assert np.array_equal(chance_shares([[0.0, 0.0]], 2), [0, 0])
