from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TASK = """
import torch
from torch import nn
import surefoot as sf

def fine():
    x = torch.randn(32, 3)
    return sf.Task(lambda: nn.Linear(3, 2), (x, (x[:, 0] > 0).long()), loss=nn.CrossEntropyLoss())

def broken():
    raise ValueError("no data here")

def number():
    return 5

x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] > 0).long()

def task(model=lambda: nn.Linear(3, 2), train=(x, y), loss=nn.CrossEntropyLoss()):
    return sf.Task(model, train, loss=loss)

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x), x

def nan():
    return task(train=(torch.where(x > 2, torch.nan, x), y))

def labels():
    return task(train=(x, y + 5))

def pair():
    return task(Pair)

def vector():
    return task(loss=nn.CrossEntropyLoss(reduction="none"))

def no_parameters():
    return task(nn.Flatten)

def empty():
    return task(train=(x[:0], y[:0]))

def one():
    return task(train=(x[:1], y[:1]))

def shapes():
    return task(lambda: nn.Linear(7, 2))

def crash():
    return task(lambda: 1 / 0)
"""

USAGE = [
    (["nosuch"], "no command `nosuch`"),
    (["fnd"], "did you mean `find`?"),
    (["--nosuch"], "no such option"),
    (["find"], "missing argument 'TASK'"),
    (["find", "iris", "--nosuch"], "--nosuch"),
    (["find", "iris", "--lr-range", "3"], "is no range of rates"),
    (["find", "iris", "--lr-range", "1..0.1"], "is no range of rates"),
    (["find", "iris", "--lr-range", "0..1"], "is no range of rates"),
    (["find", "iris", "--batch-size", "0"], "is no batch size"),
    (["find", "iris", "--memory", "lots"], "is no size"),
    (["find", "iris", "--memory", "0GB"], "is no size"),
    (["find", "iris", "--betas", "a,b"], "is no list of numbers"),
    (["find", "iris", "--option", "nesterov"], "write NAME=VALUE"),
    (["find", "iris", "--option", "a b=1"], "write NAME=VALUE"),
    (["find", "iris", "--epochs", "nan"], "is not a finite number above 0"),
    (["find", "iris", "--cost", "-1"], "is not a finite number above 0"),
    (["find", "iris", "--method", "magic"], "is not one of 'race'"),
    (["find", "iris", "--folds", "1"], "--folds"),
    (["find", "iris", "--seed", "-1"], "--seed"),
    (["train", "iris", "--lr", "0"], "is not a finite number above 0"),
    (["train", "iris", "--early-stop", "soon"], "does not say when to stop"),
    (["train", "iris", "--early-stop", "3:-1"], "does not say when to stop"),
    (["report"], "missing argument 'FILE'"),
]

INPUT = [
    (["find", "irris"], "the nearest are iris"),
    (["find", "iris", "--optimizer", "sgdd"], "did you mean `sgd`?"),
    (["find", "iris", "--option", "speed=1"], "`speed`"),
    (["find", "iris", "--option", "task=1"], "is no option of an optimizer here"),
    (["find", "iris", "--schedule", "cosin"], "cosine"),
    (["find", "iris", "--schedule-option", "a=1"], "`a`"),
    (["find", "iris", "--batch-size", "100000"], "the training data has"),
    (["find", "iris", "--device", "nosuch"], "`device` is 'nosuch'"),
    (["find", "iris", "--data", "."], "needs no folder"),
    (["find", "nowhere.py:task"], "no such file"),
    (["find", "{file}:nosuch"], "nosuch"),
    (["find", "{file}:broken"], "no data here"),
    (["find", "{file}:number"], "int"),
    (["find", "iris", "--json", "{tmp}/none/x.json"], "there is no folder"),
    (["find", "iris", "--json", "{tmp}"], "is a folder"),
    (["find", "iris", "--out", "{file}"], "which is a file"),
    (["find", "iris", "--out", "/dev/null/x"], "cannot be made"),
    (["find", "iris", "--json", "{file}"], "was not written by Surefoot"),
    *(
        (["find", f"{{file}}:{name}", "--epochs", "2"], hint)
        for name, hint in [
            ("nan", "NaN"),
            ("labels", "has the label"),
            ("pair", "a tuple of 2 parts"),
            ("vector", "must return one number"),
            ("no_parameters", "no parameters"),
            ("empty", "`train` is empty"),
            ("one", "has 1 example"),
            ("shapes", "(51, 3)"),
            ("crash", "ZeroDivisionError"),
        ]
    ),
    (["train", "iris"], "no rate is given"),
    (["train", "iris", "--recipe", "{tmp}/none.json"], "no such file"),
    (["train", "iris", "--recipe", "{file}"], "is no JSON"),
    (["train", "iris", "--recipe", "{tmp}"], "cannot be read"),
    (["report", "{file}"], "is no JSON"),
    (["report", "{tmp}/none.json"], "no such file"),
]


@pytest.fixture
def places(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(TASK)
    return {"tmp": tmp_path, "file": file}


def _one_line(said, hint):
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("surefoot: ")
    assert said.err.count("\n") == 1
    assert hint in said.err


@pytest.mark.parametrize(("words", "hint"), USAGE, ids=lambda one: " ".join(one) if isinstance(one, list) else "")
def test_a_wrong_command_line_is_said_in_one_line_with_a_hint(surefoot, words, hint):
    said = surefoot(*words)
    _one_line(said, hint)
    assert said.err.endswith(" --help`)\n")


@pytest.mark.parametrize(("words", "hint"), INPUT, ids=lambda one: " ".join(one) if isinstance(one, list) else "")
def test_bad_input_is_said_in_one_line_before_any_training(surefoot, places, words, hint):
    before = {path: path.read_bytes() for path in places["tmp"].iterdir()}
    _one_line(surefoot(*(word.format(**places) for word in words)), hint)
    assert {path: path.read_bytes() for path in places["tmp"].iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"kind": "run", "schema": 1}', "kind 'run'; a found or recipe record is needed"),
        ('{"kind": "recipe", "schema": 99}', "upgrade Surefoot"),
        ('{"kind": "recipe", "schema": 1, "lr": "fast"}', "recipe.lr"),
        ('{"kind": "found", "schema": 1}', "lacks the field"),
        ("[1, 2]", "is no record of Surefoot"),
        ('{"kind": ["found"]}', "is no record of Surefoot"),
        ("{" * 10, "is no JSON"),
    ],
)
def test_a_damaged_recipe_is_said_with_its_place(surefoot, tmp_path, text, hint):
    file = tmp_path / "recipe.json"
    file.write_text(text)
    _one_line(surefoot("train", "iris", "--recipe", file), hint)


def test_a_recipe_without_a_rate_says_what_to_give(surefoot, tmp_path):
    from surefoot.records import Found, Recipe

    found = Found(
        task="x", status="unknown", lr=None, interval=None, divergence_lr=None, expected_loss=None,
        reason="every rate diverged", cost=1.0, recipe=Recipe(epochs=1, batch_size=16),
    )  # fmt: skip
    found.save(tmp_path / "found.json")
    _one_line(surefoot("train", "iris", "--recipe", tmp_path / "found.json"), "(every rate diverged); give --lr")
    assert surefoot("train", "iris", "--recipe", tmp_path / "found.json", "--lr", "0.1", "-q").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only where there is such a device")
def test_an_output_without_room_is_no_defect():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "surefoot", "tasks"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "output cannot be written" in done.stderr
