from __future__ import annotations

import dataclasses
import importlib
import io
import json
import math

import pytest
import torch
from quick_search import QUICK
from rich.console import Console

from surefoot.cli.race_table import RaceTable, race_view
from surefoot.find.progress import Progress, Row
from surefoot.records import CurvePoint, Found, Recipe


@pytest.fixture
def stand_in(monkeypatch):
    """Replace the search by one that returns `result` and keeps what it was asked."""
    asked = {}

    def install(**changes):
        def find(task, **given):
            asked.update(given, task=task)
            given.pop("watch")
            return dataclasses.replace(_found(), **changes)

        monkeypatch.setattr(importlib.import_module("surefoot.find"), "find", find)
        return asked

    return install


def _found():
    return Found(
        task="iris", status="found", lr=0.123456, interval=(0.1, 0.2), divergence_lr=None, expected_loss=0.1,
        reason="lowest", cost=1.0, recipe=Recipe(lr=0.123456),
    )  # fmt: skip


UNKNOWN = {"status": "unknown", "lr": None, "interval": None, "expected_loss": None, "reason": "all diverged"}


def test_a_search_writes_its_record_page_and_pictures(searched):
    assert sorted(path.name for path in searched.iterdir()) == ["find.html", "find.png", "found.json", "members.png"]
    found = Found.load(searched / "found.json")
    assert found.status == "found"
    assert 1e-4 < found.lr < 10
    assert found.interval[0] <= found.lr <= found.interval[1]
    assert found.cost <= 3.0 + 1e-9
    assert found.recipe.epochs == 5
    assert found.provenance.command.startswith("surefoot find iris --epochs 5 ")


def test_the_summary_goes_to_standard_output_and_progress_nowhere(surefoot):
    said = surefoot(*QUICK)
    assert said.code == 0
    assert said.err == ""
    assert "Train iris at a rate of" in said.out.replace("\n", " ")
    assert "◆" in said.out
    assert "--json found.json here, then surefoot train iris --recipe found.json" in said.out
    assert "\x1b" not in said.out


def test_json_to_standard_output_is_all_there(surefoot, stand_in):
    stand_in()
    said = surefoot("find", "iris", "--json", "-")
    assert json.loads(said.out)["lr"] == 0.123456
    assert "Train iris" in said.err
    said = surefoot("find", "iris", "--json", "-", "--quiet")
    assert said.err == ""
    keys = {
        "lr",
        "interval",
        "divergence_lr",
        "expected_loss",
        "status",
        "reason",
        "cost",
        "curve",
        "recipe",
        "provenance",
    }
    assert keys <= json.loads(said.out).keys()


def test_quiet_prints_the_rate_alone(surefoot, stand_in):
    stand_in()
    assert surefoot("find", "iris", "--quiet").out == "0.123456\n"


def test_unknown_is_exit_code_one_with_the_reason(surefoot, stand_in):
    stand_in(**UNKNOWN)
    said = surefoot("find", "iris")
    assert said.code == 1
    assert "No rate can be recommended for iris\nAll diverged." in said.out
    said = surefoot("find", "iris", "-q")
    assert (said.code, said.out, said.err) == (1, "unknown\n", "surefoot: all diverged\n")


def test_an_interrupted_search_shows_and_keeps_what_is_done(surefoot, stand_in, tmp_path):
    point = CurvePoint(lr=0.1, loss=1.0, spread=None, steps=3, horizon=9, fate="interrupted")
    stand_in(curve=(point,), **UNKNOWN)
    said = surefoot("find", "iris", "--json", tmp_path / "found.json")
    assert said.code == 130
    assert "All diverged" in said.out
    assert said.err == "surefoot: interrupted\n"
    assert Found.load(tmp_path / "found.json").curve == (point,)


def test_a_full_disk_still_prints_the_result(surefoot, stand_in):
    stand_in()
    said = surefoot("find", "iris", "--json", "/dev/full")
    assert said.code == 2
    assert "Train iris at a rate of 0.123" in said.out
    assert said.err.count("\n") == 1
    assert (
        "`/dev/full` cannot be written: No space left on device; name another place; the record is kept in " in said.err
    )
    found = Found.load(said.err.rpartition("kept in ")[2].strip())
    assert found.lr == 0.123456


def test_options_reach_the_search_under_its_names(surefoot, stand_in):
    asked = stand_in()
    words = (
        "--optimizer adam --betas 0.9,0.99 --weight-decay 0.01 --option amsgrad=true --schedule one-cycle "
        "--schedule-option pct_start=0.25 --epochs 2.5 --batch-size full --cost 0.5 --method grid --folds 3 "
        "--lr-range 1e-4..1 --seed 7 --clip 1 --accumulate 2 --memory 1GB --workers 1"
    )
    assert surefoot("find", "iris", *words.split()).code == 0
    asked.pop("watch")
    assert asked.pop("task").name == "iris"
    assert asked == {
        "optimizer": "adam", "betas": (0.9, 0.99), "weight_decay": 0.01, "amsgrad": True, "schedule": "one-cycle",
        "schedule_options": {"pct_start": 0.25}, "epochs": 2.5, "batch_size": "full", "cost": 0.5, "method": "grid",
        "folds": 3, "lr_range": (1e-4, 1.0), "seed": 7, "clip": 1.0, "accumulate": 2, "memory": 10**9, "workers": 1,
    }  # fmt: skip


def test_without_options_a_built_in_task_has_its_own_length(surefoot, stand_in):
    asked = stand_in()
    surefoot("find", "xor", "-q")
    assert (asked["epochs"], asked["batch_size"]) == (1000.0, "full")
    assert asked["cost"] == 3.0
    assert not {"optimizer", "momentum", "schedule", "lr_range"} & asked.keys()


ROWS = tuple(Row(10.0**-place, 1.0 / (place + 1), 5, None) for place in range(8))


def _drawn(progress, height=40):
    console = Console(file=io.StringIO(), width=100, height=height, color_system=None)
    console.print(race_view(progress, "iris", height))
    return console.file.getvalue()


def test_the_table_has_a_line_for_every_member_with_loss_and_fate():
    rows = (Row(0.001, math.nan, 0, None), Row(0.1, 0.5, 7, "finished"), Row(1.0, math.inf, 3, "diverged"))
    text = _drawn(Progress("rung 1 of 4", 9, 1234, 5000, rows))
    assert "rung 1 of 4" in text
    assert "1,234 of 5,000 member-steps" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["0.001", "–", "0"] in lines
    assert ["1", "∞", "3", "diverged"] in lines
    assert any(line[:2] == ["0.1", "0.5"] and line[-1] == "finished" for line in lines)


def test_a_low_terminal_shows_the_best_members():
    text = _drawn(Progress("finals", 9, 1, 2, ROWS), height=9)
    assert len(text.splitlines()) <= 9
    assert "and 4 more" in text
    assert "1e-7" in text
    assert "\n   1 " not in text


def test_progress_is_drawn_on_a_terminal_and_cleared():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, height=30)
    with RaceTable(console, "iris") as table:
        table.download("train-images", 1_000_000, 9_000_000)
        table(Progress("rung 1 of 4", 9, 1, 2, ROWS))
    assert "downloading train-images: 1.0 of 9.0 MB" in stream.getvalue()
    assert "rung 1 of 4" in stream.getvalue()
    with RaceTable(None, "iris") as table:
        table(Progress("rung 1 of 4", 9, 1, 2, ROWS))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in it")
@pytest.mark.parametrize("command", [("find",), ("train", "--lr", "0.1")])
def test_a_precision_that_the_device_has_not_is_told_in_one_line(surefoot, command):
    verb, *more = command
    said = surefoot(verb, "iris", *more, "--precision", "bf16", "--epochs", "1")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "`precision` is `bf16`, which needs a GPU; take `float32` on the CPU" in said.err
