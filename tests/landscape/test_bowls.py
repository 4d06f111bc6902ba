"""The bowl: every path beside its theory, on every surface, with whatever trains networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from surefoot import Recipe
from surefoot.errors import InputError
from surefoot.landscape import bowl
from surefoot.landscape.surfaces import SURFACES
from surefoot.records import Landscape

QUICK = {"grid": 5, "refine": False}


def test_below_between_and_past_the_limits():
    """At eigenvalue 10 the bounds are 0.1 and 0.2; at eigenvalue 1 all these rates are far below."""
    found = bowl(lr=(0.02, 0.19, 0.205), **QUICK)
    regimes = [path.theory.regime for path in found.paths]
    assert regimes == [("monotone", "monotone"), ("flips", "monotone"), ("diverges", "monotone")]
    for path, factor in zip(found.paths, (0.8, -0.9, -1.05), strict=True):
        theory = path.theory
        assert theory.factor[0] == pytest.approx(factor)
        assert theory.largest_error < 1e-13
        assert theory.flips.tolist() == theory.predicted_flips.tolist() == [40 if factor < 0 else 0, 0]
        np.testing.assert_allclose(path.coordinates[0], 0.9 * factor ** np.arange(41.0), rtol=1e-12)
        np.testing.assert_allclose(
            path.losses, 5 * path.coordinates[0] ** 2 + 0.5 * path.coordinates[1] ** 2, rtol=1e-12
        )
        np.testing.assert_allclose(path.plane_losses, path.losses, rtol=1e-12)
        assert path.off_plane.max() == 0
    sizes = [path.losses[-1] / path.losses[0] for path in found.paths]
    assert sizes[1] < sizes[0] < 1 < sizes[2]


@pytest.mark.parametrize(("lr", "k"), [(0.3, 0.15), (0.45, 0.3), (0.15, 0.02)])
def test_under_inverse_time_decay_the_last_flip_is_the_predicted_one(lr, k):
    found = bowl(lr=lr, schedule="inverse-time", schedule_options={"k": k}, steps=80, **QUICK)
    theory = found.paths[0].theory
    bound = (10 * lr - 1) / k
    assert theory.last_flip[0] == theory.predicted_last_flip[0] == int(np.ceil(round(bound, 9))) - 1
    assert theory.regime[0] == ("grows, then settles" if lr > 0.2 else "flips, then settles")
    assert any(f"flips it until step {bound:.1f}" in note for note in found.notes)


def test_by_default_a_small_a_large_and_a_decayed_rate():
    found = bowl(**QUICK)
    assert [path.theory.regime[0] for path in found.paths] == ["monotone", "flips", "flips, then settles"]
    assert Landscape.from_json(found.to_json()) == found


@pytest.mark.parametrize("options", [{"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}])
def test_momentum_has_its_own_limit_and_exact_path(options):
    found = bowl(lr=(0.1, 0.35), **options, **QUICK)
    calm, wild = (path.theory for path in found.paths)
    # (2 + 2 * 0.5) / 10 for the heavy ball, (2 + 2 * 0.5) / (1 + 2 * 0.5) / 10 for Nesterov's.
    assert calm.regime[0] == "swings and settles"
    assert wild.regime[0] == "diverges"
    for theory in (calm, wild):
        assert theory.largest_error < 1e-12
        assert theory.flips.tolist() == theory.predicted_flips.tolist()


def test_other_optimizers_walk_without_theory():
    found = bowl(optimizer=("sgd", "adam"), lr=(0.05, 0.05), **QUICK)
    assert [path.theory is None for path in found.paths] == [False, True]
    decayed = bowl(lr=0.05, weight_decay=0.1, **QUICK)
    assert decayed.paths[0].theory is None


@pytest.mark.parametrize(
    ("options", "said", "limit"),
    [
        ({}, "plain descent", 0.2),
        ({"momentum": 0.5}, "descent with momentum 0.5", 0.3),
        ({"momentum": 0.5, "nesterov": True}, "descent with Nesterov's momentum 0.5", 0.15),
    ],
)
def test_the_limit_that_is_told_is_where_the_paths_part(options, said, limit):
    found = bowl(lr=(0.99 * limit, 1.01 * limit), steps=400, **options, **QUICK)
    notes = [note for note in found.notes if "diverges past" in note]
    assert len(notes) == 1
    assert notes[0].startswith(said)
    assert f"{limit:g}, diverges past that" in notes[0]
    below, above = (path.losses[-1] / path.losses[0] for path in found.paths)
    assert below < 1 < above


@pytest.mark.parametrize("options", [{"optimizer": "adam"}, {"weight_decay": 0.1}, {"momentum": 0.5, "dampening": 0.5}])
def test_of_other_rules_no_limit_is_told(options):
    assert not any("diverges" in note for note in bowl(lr=0.1, **options, **QUICK).notes)
    both = bowl(lr=0.1, optimizer=("sgd", "adam"), **QUICK)
    assert next(note for note in both.notes if "diverges" in note).startswith("plain descent")


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_are_flat_and_bent_as_they_say_at_their_lowest_points(name):
    surface = SURFACES[name]
    for place, lowest in enumerate(surface.lowest):
        point = torch.tensor(lowest, dtype=torch.float64)
        assert surface.height(point).item() == pytest.approx(0, abs=1e-15)
        slope = torch.func.grad(surface.height)(point)
        assert slope.abs().max().item() == pytest.approx(0, abs=1e-12)
        values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(surface.height, point))
        if place == 0:
            assert values.tolist() == pytest.approx(sorted(surface.eigenvalues), rel=1e-6)
    start = torch.tensor(surface.start, dtype=torch.float64)
    found = bowl(name, steps=3, **QUICK)
    assert found.paths[0].losses[0] == pytest.approx(surface.height(start).item(), rel=1e-12)
    for path in found.paths:
        assert np.isfinite(path.losses).all()
    # The lowest points are on the picture.
    for axis, column in zip(found.axes, np.array(surface.lowest)[:, :2].T, strict=True):
        assert axis.values[0] < column.min()
        assert column.max() < axis.values[-1]


def test_a_large_rate_hops_out_of_the_well_in_which_a_small_one_settles():
    small, large, _ = bowl("double-well", steps=200, **QUICK).paths
    assert small.coordinates[0][-1] == pytest.approx(1, abs=1e-6)
    assert large.coordinates[0][-1] == pytest.approx(-1, abs=1e-3)


def test_more_eigenvalues_than_the_picture_shows_lie_off_the_plane():
    found = bowl(eigenvalues=(10, 1, 0.1), start=(1, 1, 2), lr=0.05, **QUICK)
    path = found.paths[0]
    np.testing.assert_allclose(path.off_plane, 2 * (1 - 0.05 * 0.1) ** np.arange(41), rtol=1e-12)
    assert np.all(path.losses > path.plane_losses)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("cup", {}, "there are quadratic, ravine"),
        ("ravine", {"eigenvalues": (1, 2)}, "only the quadratic"),
        ("quadratic", {"eigenvalues": (1,)}, "2 to 8"),
        ("quadratic", {"eigenvalues": (-1, -2)}, "above 0"),
        ("quadratic", {"eigenvalues": (1, float("inf"))}, "finite"),
        ("quadratic", {"eigenvalues": "10,1"}, "`eigenvalues` is '10,1'; give a sequence of numbers"),
        ("quadratic", {"eigenvalues": 5}, "`eigenvalues` is 5; give a sequence of numbers"),
        ("quadratic", {"start": "1,2"}, "`start` is '1,2'; give a sequence of numbers"),
        ("quadratic", {"start": (1, 2, 3)}, "give 2 finite numbers"),
        ("quadratic", {"steps": 0}, "`steps` is 0"),
        ("quadratic", {"grid": 1}, "`grid` is 1"),
        ("quadratic", {"span": -1}, "`span` is -1"),
        ("quadratic", {"lr": 0}, "`lr` holds 0"),
        ("quadratic", {"lr": 0.1, "paths": {"a": Recipe(lr=1)}}, "both given"),
    ],
)
def test_what_is_no_bowl_is_refused(name, options, said):
    with pytest.raises(InputError, match=said):
        bowl(name, **options)
