"""`surefoot train` that saves, resumes, inspects, and changes its task."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.torch import load_file

from surefoot.records import Inspection, Run

TRAIN = ("train", "iris", "--lr", "0.1", "--epochs", "3", "--seed", "4")


def test_a_saved_training_has_weights_and_can_be_taken_up(surefoot, tmp_path):
    said = surefoot(*TRAIN, "--save", tmp_path / "run", "--json", tmp_path / "r.json")
    assert said.code == 0
    assert re.search(
        r"All 3 epochs were made; the lowest validation loss, .*, was\s+measured after\s+epoch 3", said.out
    )
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert weights["0.weight"].shape == (16, 4)
    again = surefoot("train", "iris", "--resume", tmp_path / "run", "--json", tmp_path / "again.json")
    assert again.code == 0
    one, other = Run.load(tmp_path / "r.json"), Run.load(tmp_path / "again.json")
    assert np.array_equal(one.loss, other.loss)
    assert one.recipe == other.recipe


@pytest.mark.skipif(sys.platform == "win32", reason="sends Ctrl-C as a signal")
def test_ctrl_c_saves_and_the_resumed_training_is_the_whole_one(surefoot, tmp_path):
    words = ["train", "digits", "--lr", "0.1", "--epochs", "2000", "--schedule", "cosine"]
    child = subprocess.Popen(
        [sys.executable, "-m", "surefoot", *words, "--save", str(tmp_path / "run"), "--json", str(tmp_path / "a.json")],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list((tmp_path / "run").glob("checkpoint-*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert f"go on with `surefoot train digits --resume {tmp_path / 'run'}`" in err
    cut = Run.load(tmp_path / "a.json")
    assert cut.fate == "interrupted"
    assert 0 < len(cut.loss) < 2000 * 23
    other = surefoot(*words, "--resume", tmp_path / "run", "--lr", "0.2")
    assert other.code == 2
    assert "`lr` is 0.1 there and 0.2 here" in other.err


def test_early_stopping_says_what_it_saved(surefoot, tmp_path):
    said = surefoot(
        "train", "wine", "--lr", "0.5", "--epochs", "60", "--early-stop", "3", "--json", tmp_path / "r.json"
    )
    run = Run.load(tmp_path / "r.json")
    assert run.fate == "stopped"
    made = len(run.val_loss) - 1
    assert f"stopped after epoch {made} of 60, which saved {60 - made} epochs" in run.reason
    assert f"which saved {60 - made} epochs" in " ".join(said.out.split())


def test_inspection_is_printed_and_drawn(surefoot, tmp_path):
    said = surefoot("train", "xor", "--lr", "1", "--epochs", "20", "--inspect", "--out", tmp_path)
    assert said.code == 0
    assert "Layers, root mean square" in said.out
    assert re.search(r"predictions\s+after\s+20\s+steps", said.out)
    found = Inspection.load(tmp_path / "inspection.json")
    assert [layer.name for layer in found.layers] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for name in ("inspection.png", "inspection-pictures.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    plain = surefoot("train", "xor", "--lr", "1", "--epochs", "20", "--json", tmp_path / "plain.json", "-q")
    assert plain.code == 0
    assert np.array_equal(Run.load(tmp_path / "plain.json").loss, Run.load(tmp_path / "run.json").loss)


def test_changes_of_the_task_are_in_the_recipe_and_train_again_from_it(surefoot, tmp_path):
    words = ("--augment", "shift:1", "--augment", "noise:0.1", "--label-smoothing", "0.1", "--dropout", "0.2")
    more = ("--weight-decay", "0.01", "--clip", "1", "--batch-size", "100")
    said = surefoot(
        "train", "digits-bn", "--lr", "0.1", "--epochs", "0.5", *words, *more, "--json", tmp_path / "a.json", "-q"
    )
    assert said.code == 0
    run = Run.load(tmp_path / "a.json")
    assert run.recipe.changes == {"augment": ["shift:1", "noise:0.1"], "label_smoothing": 0.1, "dropout": 0.2}
    assert (run.recipe.options, run.recipe.clip, run.recipe.batch_size) == ({"weight_decay": 0.01}, 1.0, 100)
    assert any("dropout 0.2 in" in note for note in run.notes)
    run.recipe.save(tmp_path / "recipe.json")
    surefoot("train", "digits-bn", "--recipe", tmp_path / "recipe.json", "--json", tmp_path / "b.json", "-q")
    assert np.array_equal(Run.load(tmp_path / "b.json").loss, run.loss)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--save", "a", "--resume", "b"], "`--save` and `--resume` are both given"),
        (["--resume", "nowhere"], "holds no checkpoint"),
        (["--dropout", "0.5"], "has no dropout layer"),
        (["--dropout", "1"], "is not in the range"),
        (["--augment", "shift"], "needs images"),
        (["--augment", "rotate"], "`augment` is 'rotate'"),
        (["--early-stop", "0"], "does not say when to stop"),
    ],
)
def test_bad_input_is_one_line(surefoot, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = surefoot(*TRAIN, *words)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1
