from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from surefoot.records import Found, Recipe, Run


def _lines(text):
    return [line.split() for line in text.splitlines()]


def test_what_was_found_is_trained_with(surefoot, searched, tmp_path):
    found = Found.load(searched / "found.json")
    said = surefoot(
        "train", "iris", "--recipe", searched / "found.json", "--out", tmp_path, "--json", tmp_path / "r.json"
    )
    assert said.code == 0
    assert said.err == ""
    run = Run.load(tmp_path / "r.json")
    assert run.recipe == found.recipe
    assert run == Run.load(tmp_path / "run.json")
    assert run.steps == found.steps
    assert run.task == "iris"
    assert run.provenance.command.startswith("surefoot train iris --recipe ")
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "run.json", "train.html", "train.png"}
    heads, *rows = [line for line in _lines(said.out) if line and (line[1:2] == ["loss"] or line[0].isdigit())]
    assert heads == ["epoch", "loss", "val", "loss", "accuracy", "val", "accuracy", "rate", "grad", "norm"]
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert float(rows[-1][2]) == pytest.approx(run.val_loss[-1], rel=1e-3)
    assert float(rows[-1][3]) == pytest.approx(run.train_metrics["accuracy"][-1], rel=1e-3)
    assert float(rows[-1][4]) == pytest.approx(run.val_metrics["accuracy"][-1], rel=1e-3)


def test_options_override_the_recipe(surefoot, tmp_path):
    Recipe(optimizer="sgd", options={"momentum": 0.9}, lr=0.1, epochs=1, batch_size=16).save(tmp_path / "recipe.json")
    words = ("train", "iris", "--recipe", tmp_path / "recipe.json", "--quiet", "--json", "-")

    def recipe(*more):
        return Recipe.from_json(json.loads(surefoot(*words, *more).out)["recipe"])

    assert recipe().options == {"momentum": 0.9}
    changed = recipe("--lr", "0.01", "--option", "nesterov=true")
    assert (changed.lr, changed.options) == (0.01, {"momentum": 0.9, "nesterov": True})
    other = recipe("--optimizer", "adam", "--lr", "0.01")
    assert (other.optimizer, other.options, other.epochs) == ("adam", {}, 1.0)
    # A rate for one optimizer says nothing about another.
    refused = surefoot(*words, "--optimizer", "adam")
    assert refused.code == 2
    assert "0.1, is one for sgd" in refused.err
    assert "surefoot find iris --optimizer adam" in refused.err


def test_what_a_rate_was_not_found_for_is_said(surefoot, searched):
    def notes(task, *more):
        said = surefoot("train", task, "--recipe", searched / "found.json", "-q", "--json", "-", *more)
        assert said.code == 0
        kept = [note for note in Run.from_json(json.loads(said.out)).notes if "was found" in note]
        assert all(note in said.err for note in kept)
        return kept

    assert notes("iris") == []
    assert "on the task iris, this is wine" in notes("wine")[0]
    (shorter,) = notes("iris", "--epochs", "1", "--batch-size", "50")
    assert "`epochs` 5" in shorter
    assert "`batch_size`" in shorter
    assert notes("iris", "--epochs", "1", "--lr", "0.01") == []


def test_a_training_stops_early_when_asked(surefoot):
    said = surefoot("train", "iris", "--lr", "1e-6", "--epochs", "9", "--early-stop", "2:0.1", "--json", "-", "-q")
    run = Run.from_json(json.loads(said.out))
    assert said.code == 0
    assert run.fate == "stopped"
    assert len(run.val_step) == 3


def test_a_training_that_diverges_is_exit_code_one(surefoot):
    said = surefoot("train", "diabetes", "--lr", "1e30", "--epochs", "2")
    assert said.code == 1
    assert "diverged" in said.out


def test_long_trainings_leave_epochs_out(surefoot):
    said = surefoot("train", "xor", "--lr", "1", "--epochs", "100")
    shown = [int(line[0]) for line in _lines(said.out) if line and line[0].isdigit()]
    assert shown[0] == 0
    assert shown[-1] == 100
    assert len(shown) <= 42


def test_ctrl_c_keeps_and_shows_what_is_done(tmp_path):
    words = ["-m", "surefoot", "train", "xor", "--lr", "1", "--epochs", "30000", "--json", str(tmp_path / "run.json")]
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    for line in process.stdout:
        if line.split()[:1] == ["0"]:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "was interrupted after" in out.replace("\n", " ")
    assert Run.load(tmp_path / "run.json").fate == "interrupted"
