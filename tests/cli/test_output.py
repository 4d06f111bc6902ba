from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from surefoot.cli import output as module
from surefoot.cli.output import Output, PartlyWrittenError
from surefoot.errors import InputError, OutputError
from surefoot.records import Recipe, Run
from surefoot.report.files import NAMES, files_of

RECORD = Recipe(lr=0.1)


def test_nothing_of_the_users_is_replaced(tmp_path):
    (tmp_path / "notes.json").write_text('{"kind of": "notes"}')
    with pytest.raises(InputError, match="was not written by Surefoot"):
        Output(str(tmp_path / "notes.json"), None, ())
    (tmp_path / "find.png").write_bytes(b"\x89PNG a holiday")
    with pytest.raises(InputError, match=r"find\.png"):
        Output(None, str(tmp_path), ("find.png",))
    assert (tmp_path / "find.png").read_bytes() == b"\x89PNG a holiday"


def test_what_surefoot_wrote_may_be_replaced(tmp_path):
    run = Run(task="x")
    for _ in range(2):
        written = Output(str(tmp_path / "r.json"), str(tmp_path / "out"), NAMES["run"]).write(run, files_of(run))
        assert sorted(path.name for path in written) == ["r.json", "run.json", "train.html", "train.png"]
    (tmp_path / "empty.json").touch()
    Output(str(tmp_path / "empty.json"), None, ())


def test_a_record_does_not_replace_a_picture(tmp_path):
    run = Run(task="x")
    Output(None, str(tmp_path), NAMES["run"]).write(run, files_of(run))
    with pytest.raises(InputError, match="was not written by Surefoot"):
        Output(str(tmp_path / "train.png"), None, ())


def test_checking_leaves_no_trace(tmp_path):
    Output(str(tmp_path / "a.json"), str(tmp_path / "deep" / "er"), ("x.png",))
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert list((tmp_path / "deep" / "er").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_found_out_beforehand(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.tempfile, "mkstemp", refuse)
    with pytest.raises(OutputError, match="Permission denied; name another place"):
        Output(str(tmp_path / "a.json"), None, ())


def test_a_full_disk_keeps_the_record_and_the_other_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()

    def full(path):
        raise OSError(28, "No space left on device")

    output = Output(None, str(tmp_path / "out"), ("a.json", "b.html", "c.png"))
    writers = {"a.json": full, "b.html": full, "c.png": lambda path: path.write_text("c")}
    with pytest.raises(PartlyWrittenError) as error:
        output.write(RECORD, writers)
    assert [path.name for path in error.value.written] == ["c.png"]
    message = str(error.value)
    assert "a.json` cannot be written: No space left on device (and 1 more); the record is kept in " in message
    kept = Path(message.rpartition("kept in ")[2])
    assert Recipe.load(kept) == RECORD


def test_a_defect_in_a_picture_does_not_cost_the_result(tmp_path):
    output = Output(None, str(tmp_path), ("a.json", "b.png"))
    with pytest.raises(PartlyWrittenError, match=r"`.*b\.png` could not be drawn: ZeroDivisionError") as error:
        output.write(RECORD, {"b.png": lambda path: 1 / 0, "a.json": RECORD.save})
    assert "kept in" not in str(error.value)
    assert Recipe.load(tmp_path / "a.json") == RECORD


def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    for device in ("/dev/null", "/dev/full"):
        before = os.stat(device)
        output = Output(device, None, ())
        if device == "/dev/full":
            with pytest.raises(PartlyWrittenError, match="No space left on device"):
                output.write(RECORD, {})
        else:
            output.write(RECORD, {})
        assert stat.S_ISCHR(os.stat(device).st_mode)
        assert os.stat(device).st_ino == before.st_ino


def test_a_link_is_followed(tmp_path):
    target = tmp_path / "target.json"
    (tmp_path / "link.json").symlink_to(target)
    RECORD.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert Recipe.load(target) == RECORD
