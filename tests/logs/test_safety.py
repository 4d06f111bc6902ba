"""A log is somebody else's file: nothing in it runs, no other file is opened for it, and its cost is bounded."""

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from example_logs import EXAMPLES, files

import surefoot.logs.channels as channels
import surefoot.logs.columns as columns_module
import surefoot.logs.databases as databases
import surefoot.logs.sources as sources
from surefoot.errors import InputError
from surefoot.logs import read_logs

OPENED = []
WATCHING = []


def _audit(event, arguments):
    if not WATCHING:
        return
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, os.PathLike)):
        OPENED.append(os.fspath(arguments[0]))
    elif event in ("subprocess.Popen", "os.system", "exec", "compile", "pickle.find_class", "socket.connect"):
        OPENED.append(event)
    elif event == "sqlite3.connect":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_audit)


@pytest.fixture
def opened():
    """Paths that are opened while the test reads, and anything that runs."""
    OPENED.clear()
    WATCHING.append(True)
    yield OPENED
    WATCHING.clear()


def write_table(path, rows=50):
    path.write_text("step,loss\n" + "".join(f"{step},{1 / (step + 1)}\n" for step in range(rows)))


@pytest.mark.parametrize("path", files(), ids=lambda path: "-".join(path.parts[-2:]))
def test_reading_opens_the_file_itself_and_runs_nothing(path, opened):
    with contextlib.suppress(InputError):
        read_logs(path)  # what Python itself opens once, such as an encoding, is open after this
    opened.clear()
    try:
        read_logs(path)
    except InputError:
        assert "params" in path.parts
    other = [one for one in opened if str(path) not in one and one != ":memory:" and not one.endswith((".py", ".pyc"))]
    assert other == []
    assert len(opened) >= 1


def test_a_path_in_a_log_is_a_word_like_any_other(tmp_path, opened):
    secret = tmp_path / "secret.csv"
    write_table(secret)
    (tmp_path / "log").write_text(f'{{"step": 0, "loss": 1, "file": "{secret}"}}\n{{"step": 1, "loss": 2}}\n')
    opened.clear()
    read_logs(tmp_path / "log")
    assert not [one for one in opened if "secret" in one]


def test_links_below_a_folder_are_not_followed(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    write_table(outside / "log.csv")
    write_table(inside / "log.csv")
    (inside / "file.csv").symlink_to(outside / "log.csv")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (one,) = read_logs(inside)
    assert one.path == str(inside / "log.csv")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no regular file"):
        read_logs(tmp_path / "pipe")
    with pytest.raises(InputError, match="no such file or folder"):
        read_logs(tmp_path / "absent")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_logs(tmp_path / "empty")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no log of a training in this folder"):
        read_logs(tmp_path / "folder")
    with pytest.raises(InputError, match="`paths` is empty"):
        read_logs([])


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gz"), (lzma.compress, "xz"), (bz2.compress, "bz2")])
def test_packed_logs_are_read_and_bombs_are_not(tmp_path, monkeypatch, pack, name):
    text = b"step,loss\n" + b"".join(b"%d,0.5\n" % step for step in range(2000))
    (tmp_path / "log").write_bytes(pack(text))
    (one,) = read_logs(tmp_path / "log")
    assert len(one.run.loss) == 2000
    assert one.noted("compressed")
    (tmp_path / "bomb").write_bytes(pack(text + b"\n" * 30_000_000))
    monkeypatch.setattr(sources, "MOST_UNPACKED", 1 << 20)
    (one,) = read_logs(tmp_path / "bomb")
    assert "unpacks to more than" in one.stopped
    assert len(one.run.loss) == 2000


def test_zstandard_is_read_when_something_installed_reads_it(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    with arrow.output_stream(str(tmp_path / "log.zst"), compression="zstd") as stream:
        stream.write(b"step,loss\n0,3\n1,2\n2,1\n")
    (one,) = read_logs(tmp_path / "log.zst")
    assert list(one.run.loss) == [3, 2, 1]


def test_numbers_columns_and_names_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(channels, "MOST_POINTS", 20_000)
    write_table(tmp_path / "log", rows=60_000)
    (one,) = read_logs(tmp_path / "log")
    assert 0 < len(one.run.loss) <= 20_000
    assert "more than 20,000 numbers" in one.stopped
    monkeypatch.setattr(columns_module, "MOST_COLUMNS", 5)
    (tmp_path / "wide").write_text(
        '{"loss": 1, ' + ", ".join(f'"x{i}": 1' for i in range(50)) + "}\n" + '{"loss": 2}\n'
    )
    (one,) = read_logs(tmp_path / "wide")
    assert len(one.series) <= 5
    assert one.noted("columns-bounded")


def test_names_cannot_act_on_a_terminal_or_a_page(tmp_path):
    name = "lo\x1b[2Jss \u202e" + "x" * 5000
    (tmp_path / "log.jsonl").write_text(
        "".join(f'{{"loss": {v}, "\\u001b]0;x\\u0007{name[:3]}y": 1}}\n' for v in (3, 2, 1))
    )
    (one,) = read_logs(tmp_path / "log.jsonl")
    told = [*one.series, *one.names.values(), *(note.text for note in one.notes)]
    assert all(text.isprintable() and len(text) <= 500 for text in told)


def database(path, *statements):
    base = sqlite3.connect(path)
    for statement in statements:
        base.execute(statement)
    base.commit()
    base.close()


METRICS = "create table metrics (run_uuid text, key text, value double, step int, is_nan int, timestamp int)"
ENDLESS = (
    "create view metrics as with recursive r(n) as (select 1 union all select n + 1 from r) "
    "select 'a' as run_uuid, 'loss' as key, n as value, n as step, 0 as is_nan, n as timestamp from r"
)


@pytest.mark.parametrize(
    "statement",
    ["attach 'other' as o", "create table t (a)", "delete from metrics", "select randomblob(9)", "pragma journal_mode"],
)
def test_a_database_is_only_read(tmp_path, statement):
    database(tmp_path / "log", METRICS)
    connection = databases._connected(sources.open_source(tmp_path / "log", "log"), channels.Reading())
    with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
        connection.execute(statement)
    connection.close()


def test_a_view_that_never_ends_is_not_asked(tmp_path):
    database(tmp_path / "log", ENDLESS)
    with pytest.raises(InputError, match="holds no numbers of a training"):
        read_logs(tmp_path / "log")


def test_a_question_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    database(tmp_path / "log", METRICS, "create index i on metrics (value)")
    base = sqlite3.connect(tmp_path / "log")
    base.executemany("insert into metrics values ('a', 'loss', ?, ?, 0, 0)", [(0.5, step) for step in range(100_000)])
    base.commit()
    base.close()
    monkeypatch.setattr(databases, "_SECONDS", -1.0)
    (one,) = read_logs(tmp_path / "log")
    assert "interrupted" in one.stopped
    assert len(one.run.loss) < 100_000


def test_a_database_is_left_as_it_was_and_nothing_is_put_beside_it(tmp_path):
    rows = [f"insert into metrics values ('a', 'loss', {step}, {step}, 0, 0)" for step in range(5)]
    database(tmp_path / "log", METRICS, *rows)
    before = (tmp_path / "log").read_bytes()
    (tmp_path / "log").chmod(0o444)
    (one,) = read_logs(tmp_path / "log")
    assert list(one.run.loss) == [0, 1, 2, 3, 4]
    assert (tmp_path / "log").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_cut_database_gives_the_rows_that_are_there(tmp_path):
    database(tmp_path / "log", METRICS)
    base = sqlite3.connect(tmp_path / "log")
    base.executemany("insert into metrics values ('a', 'loss', ?, ?, 0, 0)", [(0.5, step) for step in range(20_000)])
    base.commit()
    base.close()
    data = (tmp_path / "log").read_bytes()
    (tmp_path / "log").write_bytes(data[: len(data) * 7 // 10])
    (one,) = read_logs(tmp_path / "log")
    assert "cut off" in one.stopped
    assert 10_000 < len(one.run.loss) < 20_000
    assert list(one.run.step) == list(range(len(one.run.step)))


def test_a_folder_of_checkpoints_gives_the_longest_state_once(tmp_path):
    state = (EXAMPLES / "huggingface/trainer_state.json").read_text()
    for name in ("checkpoint-60", "."):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "trainer_state.json").write_text(state)
    (one,) = read_logs(tmp_path)
    assert one.noted("checkpoint-copies")


def test_surefoots_own_records_are_logs_too(tmp_path):
    from surefoot.records import Recipe, Run, Sweep, float_series, int_series

    runs = tuple(
        Run(
            recipe=Recipe(optimizer="sgd", lr=lr),
            step=int_series(range(5)),
            loss=float_series(np.arange(5.0)),
            lr=float_series([lr] * 5),
        )
        for lr in (0.1, 1.0)
    )
    runs[0].save(tmp_path / "run.json")
    Sweep(task="digits", runs=runs).save(tmp_path / "sweep.json")
    (one,) = read_logs(tmp_path / "run.json")
    assert (one.format, one.loss_kind, one.lr_of, one.lr_known) == ("surefoot", "step", "this", True)
    assert list(one.run.loss) == [0, 1, 2, 3, 4]
    first, second = read_logs(tmp_path / "sweep.json")
    assert (first.name, second.name) == ("1: sgd lr=0.1", "2: sgd lr=1")
    cut = (tmp_path / "sweep.json").read_text()[:-40]
    (tmp_path / "cut.json").write_text(cut)
    first, *_ = read_logs(tmp_path / "cut.json")
    assert "cut off" in first.stopped
    assert first.run == dataclasses.replace(runs[0], source="log:surefoot")


def test_reading_loads_no_torch():
    code = (
        "import sys; from surefoot.logs import read_logs; "
        f"read_logs({str(EXAMPLES / 'plain')!r}); "
        "print(sorted({'torch', 'pandas', 'yaml', 'pickle5', 'tensorboard', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
