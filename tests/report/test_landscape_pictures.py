"""Pictures of landscapes: scales that tell losses apart, files of every kind, and what must be said under them."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from surefoot.errors import InputError, OutputError
from surefoot.records import Axis, BowlTheory, Landscape, PathOnPlane, float_series, int_series
from surefoot.report import landscape_film
from surefoot.report.figures import Picture
from surefoot.report.landscape_figure import draw_losses, landscape_figure, surface_figure
from surefoot.report.landscape_files import landscape_files, landscape_names
from surefoot.report.landscape_film import check_writer, write_film
from surefoot.report.landscape_levels import levels_of, until_it_leaves
from surefoot.report.landscape_page import landscape_page
from surefoot.report.landscape_words import axis_sentences, caption, path_rows, path_sentence, theory_rows

STEPS = 6


def path(name="rate 0.1", reach=1.0, off=0.5, **more):
    t = np.linspace(0, 1, STEPS)
    return PathOnPlane(
        **{
            "name": name, "step": int_series(range(STEPS)), "lrs": float_series(np.full(STEPS, 0.1)),
            "coordinates": (float_series(-1 + reach * t), float_series(0.3 * (-1) ** np.arange(STEPS))),
            "losses": float_series(2 - 1.9 * t), "plane_losses": float_series(2 - 1.5 * t),
            "off_plane": float_series(off * t), "distance": float_series(t),
        } | more
    )  # fmt: skip


def made(paths=None, dims=2, **more):
    paths = (path(),) if paths is None else paths
    x, y = np.linspace(-2, 2, 7), np.linspace(-1, 1, 5)
    grid = 0.01 + x[None, :] ** 2 + 3 * y[:, None] ** 2 if dims == 2 else (0.01 + x**2)[None]
    axes = (
        Axis("displacement, start to end", float_series(x)),
        Axis("top eigenvector", float_series(y), curvature=4.0),
    )
    given = {
        "task": "toy <b>&", "directions": "eigenvector", "around": "the end", "axes": axes[:dims],
        "grid": tuple(float_series(row) for row in grid), "paths": tuple(paths), "origin_loss": 0.01, "examples": 30,
        "parameters": 99, "method": "by hand", "notes": ("noted <i>",),
    }  # fmt: skip
    if dims == 1:
        given["paths"] = tuple(dataclasses.replace(one, coordinates=one.coordinates[:1]) for one in paths)
    return Landscape(**given | more)


VARIANTS = {
    "plane": made(),
    "several": made((path(), path("rate 1", 5.0), path("rate 2", off=0.0, fate="diverged"))),
    "surface alone": made(()),
    "line": made(dims=1),
    "infinite": made(grid=tuple(float_series(np.full(7, math.inf)) for _ in range(5))),
    "no rows": made(grid=(), complete=False, axes=(made().axes[0], Axis("top eigenvector", float_series()))),
    "flat": made((), grid=tuple(float_series(np.ones(7)) for _ in range(5))),
    "diverged": made((path(losses=float_series([2, 5, 80, 1e9, math.inf, math.inf])),)),
    "one point": made((path(**{
        key: float_series([1.0]) for key in ("lrs", "losses", "plane_losses", "off_plane", "distance")
    }, step=int_series([0]), coordinates=(float_series([0.0]), float_series([0.0]))),)),
    "negative": made((), grid=tuple(float_series(np.linspace(-3, 1, 7)) for _ in range(5))),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_drawn_and_put_on_a_page(name, tmp_path):
    found = VARIANTS[name]
    assert landscape_figure(found).axes
    if name in ("several", "line"):
        landscape_figure(found, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert min(pixels.shape[:2]) > 500
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    if len(found.axes) == 2:
        assert surface_figure(found).axes
    page = landscape_page(found)
    assert page.startswith("<!DOCTYPE html>")
    assert "toy &lt;b&gt;&amp;" in page
    assert "noted &lt;i&gt;" in page
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_the_page_holds_contours_a_surface_and_a_table_for_each_path():
    page = landscape_page(VARIANTS["several"])
    for part in ("plot-above", "plot-surface", "plot-losses", "plot-distances", "rate 2", "off the plane"):
        assert part in page
    assert "plot-distances" not in landscape_page(made((path(off=0.0),)))
    assert "plot-surface" not in landscape_page(VARIANTS["line"])


class TestLevels:
    def test_wide_losses_go_by_factors_and_narrow_ones_evenly(self):
        wide, narrow = (
            levels_of(made()),
            levels_of(made((), grid=tuple(float_series(np.linspace(1, 2, 7)) for _ in "abcde"))),
        )
        assert wide.logarithmic
        assert not narrow.logarithmic
        assert np.ptp(np.diff(np.log(wide.values))) < 1e-9
        assert np.ptp(np.diff(narrow.values)) < 1e-9
        assert (narrow.floor, narrow.ceiling) == (1, 2)

    def test_walls_do_not_set_the_scale_where_paths_are(self):
        grid = [np.full(7, 1e6) for _ in range(5)]
        grid[2] = np.linspace(0.1, 2, 7)
        levels = levels_of(made(grid=tuple(map(float_series, grid))))
        assert levels.ceiling == pytest.approx(3 * 2)
        assert levels.clipped(np.array([0.0, 1.0, 1e6, math.inf])).tolist() == [
            pytest.approx(0.1), 1.0, pytest.approx(6), pytest.approx(6),
        ]  # fmt: skip

    def test_a_bowl_looks_like_one_on_its_surface(self):
        bowl = made(directions="coordinates")
        assert levels_of(bowl).logarithmic
        assert not levels_of(bowl, solid=True).logarithmic

    @pytest.mark.parametrize("name", VARIANTS)
    def test_ticks_lie_within_and_say_the_loss(self, name):
        levels = levels_of(VARIANTS[name])
        marks, words = levels.ticks()
        heights = levels.heights(levels.values)
        assert len(marks) == len(words) >= 2
        assert heights[0] - 1e-9 <= min(marks) < max(marks) <= heights[-1] + 1e-9
        for mark, word in zip(marks, words, strict=True):
            assert float(word) == pytest.approx(10**mark if levels.logarithmic else mark, rel=0.01, abs=1e-9)


def test_a_path_is_drawn_until_it_leaves_the_picture():
    wild = path(coordinates=(float_series([0, 1, -9, 1, 9, 0]), float_series(np.zeros(6))))
    assert until_it_leaves(made((wild,)), wild).tolist() == [True, True, True, False, False, False]
    assert until_it_leaves(made(), path()).all()


@pytest.mark.parametrize("lowest", [0.09, 0.02])
def test_an_axis_of_losses_has_labels_where_they_span_less_than_two_decades(lowest):
    """Powers of ten alone would be one label, or two."""
    grid = np.geomspace(lowest, 2.0, 35).reshape(5, 7)
    losses = float_series(np.geomspace(2.0, lowest, STEPS))
    found = made((path(losses=losses, plane_losses=losses),), grid=tuple(float_series(row) for row in grid))
    levels = levels_of(found)
    assert levels.logarithmic
    picture = Picture(figsize=(5, 4))
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    draw_losses(axes, found, levels)
    picture.canvas.draw()
    low, high = axes.get_ylim()
    shown = {
        mark.get_text(): place
        for mark, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if mark.get_text() and low <= place <= high
    }
    assert len(shown) >= 4
    for word, place in shown.items():
        assert float(word) == pytest.approx(place)


class TestWords:
    def test_the_caption_says_that_paths_are_off_the_plane_only_where_they_are(self):
        assert "do not lie on it" in caption(made())
        assert "lie on the surface" in caption(made((path(off=0.0),)))
        assert "no training" in caption(made(()))

    def test_the_caption_counts_what_lies_outside_of_the_picture(self):
        gone = path(reach=8.0, off=0.0)  # from -1 to 7, on a picture that ends at 2
        assert caption(made((gone,))) == (
            "The paths lie on the surface. Outside the picture: 4 of the 6 points of rate 0.1."
        )
        two = caption(made((gone, path("calm", off=0.0), path("wild", 80.0, off=0.0))))
        assert two.endswith("Outside the picture: 4 of the 6 points of rate 0.1 and 5 of the 6 points of wild.")
        assert caption(made((path(reach=8.0),))).endswith("4 of the 6 points of rate 0.1.")
        assert "Outside" not in caption(made())

    def test_a_path_tells_its_true_losses_and_how_far_off_it_is(self):
        assert (
            path_sentence(path()) == "rate 0.1: true loss 2 to 0.1 in 5 steps, up to 0.5 off the plane (50% of its way)"
        )
        assert path_sentence(path(off=0.0, fate="diverged")).endswith("on the plane all the way; diverged after step 5")
        row = path_rows(made()).rows[0]
        assert row == ("rate 0.1", "5", "0.1", "2 → 0.1", "0.5", "0.5", "1", "finished")

    def test_shares_stand_beside_those_of_chance(self):
        axes = [
            Axis(f"principal component {k}", float_series([0, 1]), share=share, walk_share=chance)
            for k, share, chance in ((1, 0.6, 0.61), (2, 0.16, 0.15))
        ]
        grid = (float_series([1, 1]), float_series([1, 1]))
        told = axis_sentences(Landscape("t", "pca", "x", tuple(axes), grid))[0]
        assert "76%" in told
        assert "no more than" in told
        axes[0] = dataclasses.replace(axes[0], share=0.83)
        assert "more than steps" in axis_sentences(Landscape("t", "pca", "x", tuple(axes), grid))[0]

    def test_the_top_eigenvalue_tells_the_rates_at_which_descent_flips_and_diverges(self):
        assert "flips from rate 0.25 and diverges past 0.5" in axis_sentences(made())[0]

    def test_theory_stands_beside_what_was_seen(self):
        theory = BowlTheory(
            eigenvalues=float_series([10, 1]), factor=float_series([-0.9, 0.8]), regime=("flips", "monotone"),
            predicted_flips=int_series([5, 0]), flips=int_series([4, 0]), predicted_last_flip=int_series([4, -1]),
            last_flip=int_series([3, -1]), largest_error=1e-15,
        )  # fmt: skip
        rows = theory_rows(made((path(theory=theory),))).rows
        assert rows[0] == ("rate 0.1", "10", "-0.900", "flips", "5 / 4", "4 / 3", "1e-15")
        assert rows[1][3:6] == ("monotone", "0 / 0", "– / –")
        assert theory_rows(made()) is None


class TestFiles:
    def test_names_are_those_that_are_written_and_no_others(self, tmp_path):
        files = landscape_files(made(), animate="gif")
        assert set(files) == {*landscape_names(), "landscape.gif"}
        for name in landscape_names():
            files[name](tmp_path / name)
            assert (tmp_path / name).stat().st_size > 1000
            head = (tmp_path / name).read_bytes()[:4096].lower()
            assert b"surefoot" in head or name.endswith(".json")
        assert "landscape-3d.png" not in landscape_files(VARIANTS["line"])

    def test_the_face_of_the_record_is_the_picture_from_above(self):
        assert len(made().plot().axes) == 4

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(OutputError, match="cannot be written"):
            landscape_figure(made(()), tmp_path / "no" / "x.png")


class TestFilm:
    def test_paths_grow_from_picture_to_picture(self, tmp_path, monkeypatch):
        monkeypatch.setattr(landscape_film, "_FRAMES", 4)
        target = write_film(made(), tmp_path / "x.gif")
        assert b"surefoot" in target.read_bytes()
        assert list(tmp_path.iterdir()) == [target]
        with Image.open(target) as film:
            assert film.n_frames >= 4
            pictures = []
            for place in range(4):
                film.seek(place)
                pictures.append(np.asarray(film.convert("RGB"), dtype=int))
        colour = np.array([0x2F, 0x6F, 0xDE])
        drawn = [int((np.abs(one - colour).sum(axis=2) < 60).sum()) for one in pictures]
        assert drawn[0] < drawn[1] < drawn[2] < drawn[3]

    def test_an_mp4_needs_ffmpeg(self, monkeypatch):
        monkeypatch.setattr(landscape_film.shutil, "which", lambda _: None)
        with pytest.raises(InputError, match="install ffmpeg, or take gif"):
            check_writer("mp4")
        check_writer("gif")
        with pytest.raises(InputError, match="one of gif, mp4"):
            check_writer("avi")

    @pytest.mark.parametrize("found", [VARIANTS["line"], VARIANTS["surface alone"]])
    def test_what_has_no_path_on_a_plane_makes_no_film(self, found, tmp_path):
        with pytest.raises(InputError, match="needs a plane with paths"):
            write_film(found, tmp_path / "x.gif")

    def test_a_place_that_cannot_be_written(self, tmp_path, monkeypatch):
        monkeypatch.setattr(landscape_film, "_FRAMES", 1)
        (tmp_path / "x.gif").mkdir()
        with pytest.raises(OutputError, match="cannot be written"):
            write_film(made(), tmp_path / "x.gif")
        assert [one.name for one in tmp_path.iterdir()] == ["x.gif"]


def test_what_was_filled_in_is_said_on_the_page_and_nothing_where_all_was_evaluated():
    told = "12 of its 35 losses were evaluated, and a polynomial gave the others, off by less than 0.00025"
    assert told in landscape_page(made(evaluated=12, error=0.00025))
    assert "polynomial" not in landscape_page(made())
    assert "polynomial" not in landscape_page(made(evaluated=35))


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_an_eigenvalue_that_gives_no_limit_is_said_without_one(value):
    axes = (made().axes[0], dataclasses.replace(made().axes[1], curvature=value))
    assert "the loss does not bend upwards there" in landscape_page(made(axes=axes))
