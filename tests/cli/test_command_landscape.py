"""`surefoot landscape`: the record, the files, the bowl, and one line for every mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from surefoot.records import Landscape, Recipe

TASK = """
import torch
from torch import nn
import surefoot as sf

g = torch.Generator().manual_seed(0)
x, y = torch.randn(40, 3, generator=g), torch.randint(2, (40,), generator=g)
task = sf.Task(lambda: nn.Linear(3, 2), (x, y), (x, y), loss=nn.CrossEntropyLoss(), name="tiny")
"""
QUICK = ("--grid", 5, "--steps", 4, "--batch-size", "full", "--no-refine")


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "mine.py").write_text(TASK)
    return f"{tmp_path / 'mine.py'}:task"


def test_record_pictures_and_summary(surefoot, spec, tmp_path):
    said = surefoot(
        "landscape", spec, "--lr", "0.1,1", *QUICK, "--out", tmp_path / "out", "--json", tmp_path / "l.json"
    )
    assert said.code == 0, said.err
    names = ["landscape-3d.png", "landscape.html", "landscape.json", "landscape.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    found = Landscape.load(tmp_path / "l.json")
    assert found == Landscape.load(tmp_path / "out" / "landscape.json")
    data = json.loads((tmp_path / "l.json").read_text())
    assert np.array(data["grid"]).shape == (5, 5)
    assert [path["name"] for path in data["paths"]] == ["rate 0.1", "rate 1"]
    assert len(data["paths"][0]["off_plane"]) == 5
    assert data["provenance"]["command"].startswith("surefoot landscape")
    assert "rate 0.1" in said.out
    assert "The top eigenvalue at the origin is" in said.out
    assert "wrote" in said.out
    again = surefoot("landscape", spec, "--lr", "0.1,1", *QUICK, "--out", tmp_path / "out", "-q")
    assert (again.code, again.out) == (0, "")


def test_the_bowl_prints_theory_beside_what_it_saw(surefoot, tmp_path):
    said = surefoot("landscape", "bowl", "--lr", "0.02,0.19,0.205", "--grid", 5, "--json", tmp_path / "b.json")
    assert said.code == 0, said.err
    for words in ("Theory of descent", "40 / 40", "diverges", "monotone"):
        assert words in said.out
    found = Landscape.load(tmp_path / "b.json")
    assert [path.theory.regime[0] for path in found.paths] == ["monotone", "flips", "diverges"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--paths", "small,decayed", "--lr", "0.5"), ["small: 0.05", "decayed from 0.5"]),
        (("--optimizer", "sgd,adam", "--lr", "0.5,0.01", "--momentum", "0.5"), ["sgd 0.5", "adam 0.01"]),
        (("--around", "init"), []),
        (("--lr", "0.2", "--schedule", "cosine", "--directions", "pca"), ["rate 0.2, cosine"]),
    ],
)
def test_paths_are_chosen_by_words(surefoot, spec, words, names):
    said = surefoot("landscape", spec, *words, *QUICK, "--json", "-", "-q")
    assert said.code == 0, said.err
    assert [path["name"] for path in json.loads(said.out)["paths"]] == names


def test_a_recipe_and_a_checkpoint(surefoot, spec, tmp_path):
    recipe = Recipe(optimizer="adam", lr=0.02, epochs=3, batch_size=20, schedule="cosine")
    recipe.save(tmp_path / "r.json")
    said = surefoot("landscape", spec, "--recipe", tmp_path / "r.json", "--grid", 5, "--json", "-", "-q")
    assert Recipe.from_json(json.loads(said.out)["paths"][0]["recipe"]) == recipe
    torch.save({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, tmp_path / "w.pt")
    said = surefoot("landscape", spec, "--around", tmp_path / "w.pt", "--dims", 1, "--grid", 5, "--json", "-", "-q")
    assert json.loads(said.out)["around"] == "the weights in w.pt"


def test_a_smooth_surface_is_filled_in_and_that_is_said_or_evaluated_when_asked_for(surefoot, spec, tmp_path):
    given = ("landscape", spec, "--around", "init", "--grid", 41, "--json", tmp_path / "l.json")
    said = surefoot(*given)
    found = Landscape.load(tmp_path / "l.json")
    assert found.error > 0
    words = " ".join(said.out.split())
    assert f"{found.evaluated} of its 1,681 losses were evaluated, and a polynomial gave the others" in words
    said = surefoot(*given, "--exact")
    every = Landscape.load(tmp_path / "l.json")
    assert (every.evaluated, every.error) == (1681, None)
    assert "polynomial" not in said.out
    assert abs(every.surface - found.surface).max() <= found.error
    assert surefoot("landscape", "bowl", "--lr", "0.1", "--steps", 3, "--exact").code == 0


def test_an_interrupt_keeps_the_rows_that_are_done(surefoot, spec, tmp_path, monkeypatch):
    from surefoot.landscape.ground import Ground

    original = Ground._evaluate
    calls = []

    def stop(self, points, width, kernels):
        calls.append(width)
        if len(calls) > 12:
            raise KeyboardInterrupt
        return original(self, points, width, kernels)

    monkeypatch.setattr(Ground, "_evaluate", stop)
    said = surefoot("landscape", spec, "--around", "init", "--grid", 101, "--exact", "--json", tmp_path / "l.json")
    assert said.code == 130
    found = Landscape.load(tmp_path / "l.json")
    assert not found.complete
    assert 0 < len(found.grid) < 101
    assert "interrupted" in said.err
    assert "rows of the surface were evaluated" in said.out


def test_an_interrupt_before_there_is_anything_to_draw(surefoot, spec, tmp_path, monkeypatch):
    from surefoot.engines.serial import Serial
    from surefoot.landscape import walks

    def advance(self, steps):
        raise KeyboardInterrupt

    monkeypatch.setattr(Serial, "advance", advance)
    monkeypatch.setattr(walks, "choose_engine", Serial)
    for words in ((spec, "--lr", "0.1", "--steps", 9), ("bowl", "--lr", "0.1", "--steps", 9)):
        said = surefoot("landscape", *words, "--json", tmp_path / "l.json")
        assert said.code == 130
        assert said.err.strip().startswith("surefoot: interrupted after 0 of 9 updates, before there was a step")
        assert len(said.err.strip().splitlines()) == 1
        assert not (tmp_path / "l.json").exists()


def test_a_training_that_runs_away_is_drawn_around_its_start(surefoot, tmp_path):
    (tmp_path / "wild.py").write_text(
        TASK.replace("nn.Linear(3, 2)", "nn.Sequential(nn.Linear(3, 9), nn.Linear(9, 2))").replace(
            "nn.CrossEntropyLoss()", "lambda o, t: (o - 3).pow(4).mean()"
        )
    )
    said = surefoot("landscape", f"{tmp_path / 'wild.py'}:task", "--lr", "9", *QUICK)
    assert said.code == 0, said.err
    assert "the picture is around the weights before training" in " ".join(said.out.split())
    assert "diverged" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch", "--lr", "0.1"), "no built-in task"),
        (("bowl", "--directions", "pca"), "it is for tasks"),
        (("bowl", "--epochs", "3"), "it is for tasks"),
        (("bowl", "--surface", "cup"), "there are quadratic"),
        (("bowl", "--eigenvalues", "1,x"), "no list of numbers"),
        (("TASK", "--surface", "saddle"), "`--surface` is given for the task"),
        (("TASK", "--lr", "fast"), "no list of numbers"),
        (("TASK", "--lr", "-1"), "`lr` holds -1"),
        (("TASK", "--grid", "2"), "--grid"),
        (("TASK", "--dims", "3"), "--dims"),
        (("TASK", "--span", "0"), "--span"),
        (("TASK", "--examples", "few"), "no number of examples"),
        (("TASK", "--examples", "99", "--lr", "0.1"), "`examples` is 99"),
        (("TASK", "--points", "1"), "--points"),
        (("TASK", "--steps", "0"), "--steps"),
        (("TASK", "--steps", "3", "--epochs", "3"), "both given"),
        (("TASK", "--memory", "tiny"), "no size"),
        (("TASK", "--directions", "up"), "there are eigenvector"),
        (("TASK", "--around", "nowhere.pt", "--grid", "3"), "there is no such file"),
        (("TASK", "--recipe", "nowhere.json"), "no such file"),
        (("TASK", "--animate", "gif", "--lr", "0.1"), "without `--out`"),
        (("TASK", "--animate", "avi"), "--animate"),
        (("TASK", "--option", "task=3", "--lr", "0.1"), "no option of an optimizer"),
        (("TASK", "--lr", "0.1", "--json", "/nowhere/x.json"), "make it first"),
    ],
)
def test_every_mistake_has_one_line(surefoot, spec, words, said):
    told = surefoot("landscape", *(spec if word == "TASK" else word for word in words))
    assert told.code == 2
    assert said in told.err
    assert len(told.err.strip().splitlines()) == 1


def test_a_recipe_is_not_mixed_with_rates(surefoot, spec, tmp_path):
    Recipe(lr=0.1).save(tmp_path / "r.json")
    Recipe().save(tmp_path / "empty.json")
    for words, said in (
        (("--recipe", tmp_path / "r.json", "--lr", "0.1"), "its own rate"),
        (("--recipe", tmp_path / "r.json", "--schedule", "cosine"), "which says it"),
        (("--recipe", tmp_path / "r.json", "--steps", "5"), "`--steps` is given with `--recipe`"),
        (("--recipe", tmp_path / "r.json", "--epochs", "5"), "`--epochs` is given with `--recipe`"),
        (("--recipe", tmp_path / "empty.json"), "holds no rate"),
    ):
        told = surefoot("landscape", spec, *words)
        assert (told.code, said in told.err) == (2, True)
