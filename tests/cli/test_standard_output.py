"""What reaches standard output, and what becomes of a result that cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.cli.main import main
from surefoot.records import Found, Run
from surefoot.records.record import Record

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only where there is such a device")
LOUD = """
import atexit, os, subprocess, sys
import torch
from torch import nn
import surefoot as sf

print("loading")
x = torch.arange(48.0).reshape(24, 2) / 48


class Loud(nn.Linear):
    def forward(self, x):
        print("forward")
        return super().forward(x)


task = sf.Task(lambda: Loud(2, 1), (x, x.sum(1, keepdim=True)), loss=nn.MSELoss())


def everywhere():
    os.write(1, b"from outside of Python\\n")
    subprocess.run([sys.executable, "-c", "print('from another process')"], check=True)
    atexit.register(print, "leaving")
    return task
"""
SHORT = ("--epochs", "1", "--batch-size", "8")


@pytest.fixture
def loud(tmp_path):
    (tmp_path / "loud.py").write_text(LOUD)
    return f"{tmp_path / 'loud.py'}:task"


def _surefoot(words, folder, **streams):
    """Run the command as a process of its own, which keeps what it must in `folder`."""
    environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    command = [sys.executable, "-m", "surefoot", *words]
    return subprocess.run(command, text=True, env=environment, timeout=120, check=False, **streams)


def _kept(said, kind: type[Record], folder):
    """The record that a complaint, one line, says is kept."""
    assert said.count("\n") == 1
    path = Path(said.rpartition("; the record is kept in ")[2].strip())
    assert path.parent == folder
    return kind.load(path)


@pytest.mark.parametrize(
    "words",
    [
        ("find", *SHORT),
        ("train", "--lr", "0.1", *SHORT),
        ("sweep", "--lr", "0.1,0.2", *SHORT),
        ("compare", "--lr", "0.1", "--epochs", "1"),
        ("curvature", *SHORT),
    ],
    ids=lambda words: words[0],
)
def test_nothing_but_the_record_reaches_standard_output(surefoot, loud, words):
    said = surefoot(words[0], loud, *words[1:], "--json", "-")
    assert json.loads(said.out)["schema"] == 1
    assert "loading" in said.err
    assert "forward" in said.err


def test_nor_does_what_other_processes_write_or_what_is_printed_at_the_end(loud, tmp_path):
    done = _surefoot(["find", loud.replace(":task", ":everywhere"), *SHORT, "--json", "-"], tmp_path)
    assert json.loads(done.stdout)["kind"] == "found"
    for words in ("loading", "from outside of Python", "from another process", "forward"):
        assert words in done.stderr
    assert done.stderr.endswith("leaving\n")


def test_of_a_quiet_search_only_the_rate_reaches_standard_output(surefoot, loud):
    said = surefoot("find", loud, *SHORT, "-q")
    assert float(said.out) > 0
    assert "forward" in said.err


def test_afterwards_everybody_may_print_again(loud, capsys):
    before = sys.stdout
    assert main(["train", loud, "--lr", "0.1", *SHORT, "--json", "-"]) == 0
    assert sys.stdout is before
    capsys.readouterr()
    print("heard")
    assert capsys.readouterr().out == "heard\n"


def test_a_search_whose_reader_has_left_is_kept(loud, tmp_path):
    for more in ([], ["--json", "-"]):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as nobody:
            done = _surefoot(["find", "iris", *SHORT, *more], tmp_path, stdout=nobody)
        assert done.returncode == 2
        assert done.stderr.startswith("surefoot: standard output was closed before all was printed; ")
        assert _kept(done.stderr, Found, tmp_path).task == "iris"


def test_a_reader_may_leave_where_the_record_is_in_a_file_or_made_again_at_once(tmp_path):
    for words in (["find", "iris", *SHORT, "--json", str(tmp_path / "found.json")], ["schedule", "cosine"]):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as nobody:
            done = _surefoot(words, tmp_path, stdout=nobody)
        assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


@FULL
def test_a_result_that_a_full_disk_does_not_take_is_kept(tmp_path):
    for words, kind in (
        (["find", "iris", *SHORT], Found),
        (["find", "iris", *SHORT, "--json", "-"], Found),
        (["train", "iris", "--lr", "0.1", *SHORT], Run),
    ):
        with Path("/dev/full").open("w") as full:
            done = _surefoot(words, tmp_path, stdout=full)
        assert done.returncode == 2
        assert done.stderr.startswith("surefoot: standard output cannot be written: No space left on device; ")
        assert _kept(done.stderr, kind, tmp_path).task == "iris"


def test_standard_output_that_is_closed_is_told_before_the_work(tmp_path):
    done = _surefoot(["find", "iris", "--epochs", "100000", "--json", "-"], tmp_path, preexec_fn=lambda: os.close(1))
    assert done.returncode == 2
    assert done.stderr == "surefoot: `--json` is '-', and standard output is closed; name a file\n"
