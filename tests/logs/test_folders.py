"""Folders: which files make one training, for tools that spread a training over several."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from example_logs import EXAMPLES

from surefoot.logs import read_logs
from surefoot.logs.crc32c import crc32c, masked


def write_events(path, tag, values, *, first=0, time=1e9, apart=1.0):
    """An event file with one series."""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = b""
    for place, value in enumerate(values):
        one = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
        summary = b"\x0a" + bytes([len(one)]) + one
        body = b"\x09" + struct.pack("<d", time + apart * place) + b"\x10" + bytes([first + place])
        body += b"\x2a" + bytes([len(summary)]) + summary
        head = struct.pack("<Q", len(body))
        out += head + struct.pack("<I", masked(crc32c(head))) + body + struct.pack("<I", masked(crc32c(body)))
    path.write_bytes(out)


def test_training_and_validation_side_by_side_are_one_training(tmp_path):
    write_events(tmp_path / "a" / "train" / "e.1", "loss", [3, 2, 1])
    write_events(tmp_path / "a" / "validation" / "e.1", "loss", [4, 3, 2])
    write_events(tmp_path / "b" / "e.1", "loss", [9, 8, 7])
    a, b = read_logs(tmp_path)
    assert (a.path, b.path) == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert list(a.run.loss) == [3, 2, 1]
    assert list(a.run.val_loss) == [4, 3, 2]
    assert a.noted("separate-writers")
    assert not b.has_val_loss


def test_a_folder_for_every_line_belongs_to_the_run_above_it(tmp_path):
    write_events(tmp_path / "run" / "e.1", "lr", [0.1, 0.1, 0.1])
    write_events(tmp_path / "run" / "loss_train" / "e.1", "loss", [3, 2, 1])
    write_events(tmp_path / "run" / "loss_val" / "e.1", "loss", [4, 3, 2])
    (one,) = read_logs(tmp_path)
    assert one.names == {"loss": "loss_train/loss", "val_loss": "loss_val/loss", "lr": "lr"}
    assert one.loss_kind == "epoch"


def test_a_second_file_goes_on_or_begins_again(tmp_path):
    write_events(tmp_path / "resumed" / "e.1", "loss", range(10))
    write_events(tmp_path / "resumed" / "e.2", "loss", range(20, 30), first=6, time=2e9)
    (one,) = read_logs(tmp_path / "resumed")
    assert list(one.run.loss) == [*range(6), *range(20, 30)]
    assert one.resumed == (6,)
    write_events(tmp_path / "again" / "e.1", "loss", range(10))
    write_events(tmp_path / "again" / "e.2", "loss", range(20, 30), time=2e9)
    first, second = read_logs(tmp_path / "again")
    assert list(first.run.loss) == list(range(10))
    assert list(second.run.loss) == list(range(20, 30))


def test_the_order_of_files_is_told_by_their_times_and_not_by_their_names(tmp_path):
    write_events(tmp_path / "e.2", "loss", range(10))
    write_events(tmp_path / "e.1", "loss", range(20, 30), first=6, time=2e9)
    (one,) = read_logs(tmp_path)
    assert list(one.run.loss) == [*range(6), *range(20, 30)]


def test_two_writers_at_one_time_are_merged(tmp_path):
    write_events(tmp_path / "e.1", "loss", range(10))
    write_events(tmp_path / "e.2", "loss", range(20, 30), time=1e9 + 0.5)
    (one,) = read_logs(tmp_path)
    assert one.noted("two-writers")
    assert list(one.run.loss) == list(range(20, 30))


def test_names_of_files_decide_nothing(tmp_path):
    for place, source in enumerate(("plain/log.jsonl", "wandb/run-example.wandb", "mlflow/mlflow.db.xz")):
        (tmp_path / f"{place}.txt").write_bytes((EXAMPLES / source).read_bytes())
    assert [one.format for one in read_logs(tmp_path)] == ["jsonl", "wandb", "mlflow"]


def test_files_that_are_no_logs_are_passed_over(tmp_path):
    (tmp_path / "weights.bin").write_bytes(np.arange(1000.0).tobytes())
    (tmp_path / "config.json").write_text('{"hidden": 3, "layers": [1, 2]}')
    (tmp_path / "notes.md").write_text("loss: 3\nloss: 2\n")
    (tmp_path / "data.csv").write_text("height,weight\n1,2\n2,3\n")
    (tmp_path / "log.csv").write_text("step,loss\n0,2\n1,1\n")
    (one,) = read_logs(tmp_path)
    assert one.path.endswith("log.csv")


def test_whoever_waits_is_told_how_many_files_of_a_folder_were_looked_at(tmp_path):
    for name in ("a.csv", "b.csv", "notes.md"):
        (tmp_path / name).write_text("step,loss\n0,3\n1,2\n2,1\n" if name.endswith("csv") else "# Notes\n")
    told = []
    runs = read_logs(tmp_path, watch=lambda looked_at, files: told.append((looked_at, files)))
    assert len(runs) == 2
    assert told == [(0, 3), (1, 3), (2, 3)]
    read_logs(tmp_path / "a.csv", watch=lambda *_: told.append("a file alone"))
    assert len(told) == 3


def test_several_paths_keep_their_order(tmp_path):
    paths = [EXAMPLES / name for name in ("plain/log.jsonl", "keras/history.json", "plain/log.csv")]
    assert [one.path for one in read_logs(paths)] == [str(path) for path in paths]
    assert [one.format for one in read_logs(str(path) for path in paths)] == ["jsonl", "keras-history", "csv"]


@pytest.mark.parametrize(("name", "role"), [("run-tag-train_loss.csv", "loss"), ("tag-val_loss.csv", "val_loss")])
def test_a_series_downloaded_from_tensorboard(tmp_path, name, role):
    (tmp_path / name).write_text("Wall time,Step,Value\n1.5,0,3.0\n2.5,10,2.0\n3.5,20,1.0\n")
    (one,) = read_logs(tmp_path / name)
    assert one.format == "tensorboard-export"
    assert list(one.names) == [role]
    series = one.run.loss if role == "loss" else one.run.val_loss
    assert list(series) == [3, 2, 1]
    (tmp_path / "x.json").write_text("[[1.5, 0, 3.0], [2.5, 10, 2.0], [3.5, 20, 1.0]]")
    (one,) = read_logs(tmp_path / "x.json")
    assert list(one.run.step) == [0, 10, 20]


def test_rows_in_one_document(tmp_path):
    (tmp_path / "log").write_text('{"model": "x", "history": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]}')
    (one,) = read_logs(tmp_path / "log")
    assert (one.format, list(one.run.loss)) == ("json", [2, 1])
    (tmp_path / "split").write_text('{"columns": ["step", "loss"], "index": [0, 1], "data": [[1, 2.0], [2, 1.0]]}')
    (one,) = read_logs(tmp_path / "split")
    assert list(one.run.loss) == [2, 1]
    (tmp_path / "frame").write_text(
        '{"loss": {"0": 2.0, "1": 1.0, "10": 0.5, "2": 0.9}, "val_loss": {"0": 3.0, "1": 2.0}}'
    )
    (one,) = read_logs(tmp_path / "frame")
    assert list(one.run.loss) == [2, 1, 0.9, 0.5]


def test_printed_text_counts_by_its_name_also_packed_or_rotated(tmp_path):
    text = "".join(f"step {step} loss {2 - 0.1 * step}\n" for step in range(9))
    for name in ("one.log", "two.log.1", "slurm-12.out", "notes.md", "program.py", "log"):
        (tmp_path / name).write_text(text)
    for name in ("three.log.gz", "page.html.gz"):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    runs = read_logs(tmp_path)
    assert [Path(run.path).name for run in runs] == ["log", "one.log", "slurm-12.out", "three.log.gz", "two.log.1"]
