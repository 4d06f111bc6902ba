"""A database that is being written: its newest points are read from the log beside it, and nothing there changes."""

import contextlib
import json
import os
import sqlite3

import numpy as np
import pytest

import surefoot.logs.write_ahead as write_ahead
from surefoot.logs import read_logs

ROW = "INSERT INTO metrics (run_name, step, metrics) VALUES ('one', ?, ?)"


@pytest.fixture
def busy(tmp_path):
    """A trackio database with 40 rows inside and 20 more beside it, its writer still there."""
    place = tmp_path / "logs" / "busy.db"
    place.parent.mkdir()
    writer = sqlite3.connect(place, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_name TEXT, step INTEGER, metrics TEXT)")
    for step in range(60):
        writer.execute(ROW, (step, json.dumps({"loss": 1 / (step + 1)})))
        if step == 39:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield place
    writer.close()


def state(folder):
    return {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in folder.iterdir()}


def test_points_in_the_write_ahead_log_are_read_and_nothing_is_written(busy):
    before = state(busy.parent)
    assert set(before) == {"busy.db", "busy.db-wal", "busy.db-shm"}
    (one,) = read_logs(busy)
    assert list(one.run.step) == list(range(60))
    np.testing.assert_allclose(one.run.loss, 1 / np.arange(1, 61))
    assert one.noted("write-ahead")
    assert state(busy.parent) == before


def test_in_a_folder_too(busy):
    (one,) = read_logs(busy.parent)
    assert len(one.run.loss) == 60


def test_a_folder_that_cannot_be_written_to_does_no_harm(busy):
    busy.parent.chmod(0o555)
    try:
        assert len(read_logs(busy)[0].run.loss) == 60
    finally:
        busy.parent.chmod(0o755)


def test_what_is_not_committed_is_no_point(busy):
    other = sqlite3.connect(busy, isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN")
        other.execute(ROW, (60, '{"loss": 0.5}'))
        assert len(read_logs(busy)[0].run.loss) == 60
        other.execute("ROLLBACK")


def test_a_log_that_is_a_link_is_not_followed(busy, tmp_path):
    wal = busy.with_name("busy.db-wal")
    moved = tmp_path / "elsewhere"
    copy = tmp_path / "copy.db"
    copy.write_bytes(busy.read_bytes())
    moved.write_bytes(wal.read_bytes())
    os.symlink(moved, tmp_path / "copy.db-wal")
    (one,) = read_logs(copy)
    assert len(one.run.loss) == 40


@pytest.mark.parametrize("junk", [b"\x00" * 40, b"x" * 5000, b"7\x7f\x06\x82" + b"\x01" * 9000])
def test_a_log_that_is_none_leaves_the_database_as_it_is(busy, tmp_path, junk):
    copy = tmp_path / "copy.db"
    copy.write_bytes(busy.read_bytes())
    copy.with_name("copy.db-wal").write_bytes(junk)
    (one,) = read_logs(copy)
    assert len(one.run.loss) == 40
    assert one.noted("write-ahead") == junk.startswith(b"7")
    assert copy.read_bytes() == busy.read_bytes()


def test_too_large_is_said(busy, monkeypatch):
    monkeypatch.setattr(write_ahead, "MOST_UNPACKED", 1000)
    (one,) = read_logs(busy)
    assert len(one.run.loss) == 40
    assert one.noted("unmerged-wal")


def test_what_changes_while_it_is_copied_is_copied_again_and_then_given_up(busy, monkeypatch):
    copied = []
    original = write_ahead._copy_itself

    def slow(path, target):
        original(path, target)
        copied.append(path)
        os.utime(busy, ns=(0, len(copied)))

    monkeypatch.setattr(write_ahead, "_copy_itself", slow)
    (one,) = read_logs(busy)
    assert len(copied) == 3
    assert len(one.run.loss) == 40
    (note,) = (note for note in one.notes if note.id == "unmerged-wal")
    assert "too fast" in note.text


def test_a_journal_is_noted_and_never_used(busy, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(busy.read_bytes())
    journal = copy.with_name("copy.db-journal")
    journal.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))
    (one,) = read_logs(copy)
    assert one.noted("unfinished-write")
    assert journal.exists()
