from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

CODE = """
import sys
from surefoot.cli.main import main
code = main(sys.argv[1:])
sys.exit(9 if "torch" in sys.modules else code)
"""


def _apart(*words):
    """Run ``surefoot`` in a process of its own, which ends with 9 if it loaded torch."""
    command = [sys.executable, "-c", CODE, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_saved_record_is_drawn_again_without_torch(searched, tmp_path):
    shutil.copy(searched / "found.json", tmp_path / "mine.json")
    ran = _apart("report", tmp_path / "mine.json")
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "find.html", "find.png", "members.png"}
    assert (tmp_path / "find.html").read_text() == (searched / "find.html").read_text()
    assert "Train iris at a rate of" in ran.stdout.replace("\n", " ")


def test_the_folder_can_be_named_and_the_summary_left_out(surefoot, searched, tmp_path):
    said = surefoot("report", searched / "found.json", "--out", tmp_path / "new", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "new" / "find.html").exists()


def test_a_record_without_a_page_is_refused(surefoot, tmp_path):
    from surefoot.records import Recipe

    Recipe(lr=0.1).save(tmp_path / "recipe.json")
    said = surefoot("report", tmp_path / "recipe.json")
    assert said.code == 2
    assert "is a record of kind 'recipe'" in said.err
    assert "record is needed" in said.err


@pytest.mark.parametrize(
    ("words", "record", "files", "said"),
    [
        (("lab", "loss-arithmetic"), "loss-arithmetic.json", ("loss-arithmetic.html", "loss-arithmetic.png"), "agree"),
        (("schedule", "one-cycle", "--steps", 50), "schedule.json", ("schedule.png",), "one-cycle, peak 0.1"),
    ],
)
def test_lab_and_schedule_records_become_the_files_of_their_commands(surefoot, tmp_path, words, record, files, said):
    first, again = tmp_path / "first", tmp_path / "again"
    assert surefoot(*words, "--out", first, "--quiet").code == 0
    ran = _apart("report", first / record, "--out", again)
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stdout
    assert {path.name for path in again.iterdir()} == set(files)
    assert all((again / name).read_bytes() == (first / name).read_bytes() for name in files)


@pytest.mark.parametrize(
    ("words", "record", "key", "value", "said"),
    [
        (("lab", "loss-arithmetic"), "loss-arithmetic.json", "name", "../x", "`name` is '../x'"),
        (("schedule", "cosine", "--steps", 5), "schedule.json", "lrs", [0.1], "`lrs` has 1 entries"),
        (("schedule", "cosine", "--steps", 5), "schedule.json", "peak", 0.0, "`peak` is 0.0"),
    ],
)
def test_a_damaged_record_is_refused(surefoot, tmp_path, words, record, key, value, said):
    folder = tmp_path / "out"
    assert surefoot(*words, "--out", folder, "--quiet").code == 0
    data = json.loads((folder / record).read_text())
    (folder / record).write_text(json.dumps(data | {key: value}))
    got = surefoot("report", folder / record, "--out", tmp_path / "new")
    assert got.code == 2
    assert said in got.err
    assert not (tmp_path / "new").exists()
