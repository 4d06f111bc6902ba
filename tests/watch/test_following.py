"""`surefoot watch PATH`: a log that grows is read again, and a finding is said once, when it has held twice."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from surefoot.cli.main import main
from surefoot.cli.watch import follow
from surefoot.errors import InputError
from surefoot.records import FINE


class Writer:
    """A training that writes some lines into its log whenever the watch sleeps."""

    def __init__(self, path, losses, chunk=100):
        self.path, self.losses, self.chunk, self.at, self.now = path, losses, chunk, 0, 0.0
        path.write_text("step,loss,lr\n")
        self.write()

    def write(self):
        with self.path.open("a") as stream:
            for step in range(self.at, min(self.at + self.chunk, len(self.losses))):
                stream.write(f"{step},{self.losses[step]},0.1\n")
        self.at += self.chunk

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.write()


def course(count):
    rng = np.random.default_rng(0)
    return 2 * np.exp(-np.arange(count) / 60) + 0.3 + 0.02 * rng.normal(size=count)


def test_a_loss_that_ends_in_nan_is_said_once(tmp_path):
    losses = [*course(300), *[math.nan] * 300]
    training, said = Writer(tmp_path / "log.csv", losses), []
    readings = list(
        follow(str(training.path), every=5, idle=20, say=said.append, clock=training.clock, sleep=training.sleep)
    )
    assert len(readings) == 6, "once for every time it had grown"
    assert len(readings[-1].each[0].run.step) > len(readings[0].each[0].run.step)
    assert any(finding.id == "loss-not-finite" for finding in readings[-1].each[0].holding)
    assert len(said) == len(set(said))
    assert sum("not finite" in line or "nan" in line.lower() or "no number" in line for line in said) >= 1
    assert training.now == pytest.approx(5 * 5 + 20, abs=5)


def test_no_such_path_is_one_line():
    with pytest.raises(InputError, match="no such file or folder"):
        next(follow("nowhere.csv", every=1, idle=0, say=print))


def test_the_command_reads_once_and_writes_the_record(tmp_path, capsys):
    log = tmp_path / "log.csv"
    Writer(log, [*course(300), *[math.nan] * 30], chunk=400)
    code = main(["watch", str(log), "--idle", "0", "--json", str(tmp_path / "found.json")])
    (one,) = json.loads((tmp_path / "found.json").read_text())
    assert code == (0 if one["verdict"] in FINE else 1)
    assert any(found["id"] == "loss-not-finite" and found["result"] == "holds" for found in one["findings"])
    assert capsys.readouterr().out.strip()
    assert main(["watch", str(tmp_path / "nowhere")]) == 2
