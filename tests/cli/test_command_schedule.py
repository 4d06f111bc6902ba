"""`surefoot schedule`: the table, the picture, the record, and one line for every mistake."""

from __future__ import annotations

import json

import pytest

from surefoot.schedules import make, names


def test_the_record_holds_the_rates(surefoot, tmp_path):
    said = surefoot("schedule", "warmup:linear:5+cosine", "--steps", 40, "--peak", 0.3, "--json", tmp_path / "s.json")
    assert said.code == 0
    data = json.loads((tmp_path / "s.json").read_text())
    schedule = make("warmup:linear:5+cosine", 0.3, 40)
    assert data["lrs"] == schedule.lrs()
    assert (data["kind"], data["schema"], data["peak"], data["steps"]) == ("schedule", 1, 0.3, 40)
    assert make(data["spec"], 0.3, 40) == schedule
    assert make(data["name"], 0.3, 40, **data["options"]) == schedule
    assert data["momenta"] == []


def test_the_table_has_both_ends(surefoot):
    said = surefoot("schedule", "one-cycle", "--steps", 101, "--peak", 1)
    rows = [line.split() for line in said.out.splitlines()]
    assert ["step", "rate", "of", "peak", "momentum"] in rows
    assert ["0", "0.04", "0.04", "0.95"] in rows
    assert rows[-1][0] == "100"
    assert "│" in said.out


def test_options_and_defaults(surefoot):
    words = ("--option", "step_size=10", "--option", "gamma=0.5", "--steps", 20, "--json", "-", "--quiet")
    said = surefoot("schedule", "step", *words)
    assert json.loads(said.out)["lrs"] == [0.1] * 10 + [0.05] * 10


def test_pictures_go_into_the_folder(surefoot, tmp_path):
    for name in ("triangular", "step"):
        assert surefoot("schedule", name, "--log", "--out", tmp_path, "--quiet").code == 0
    assert (tmp_path / "schedule.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "schedule.json").read_text())["name"] == "step"


@pytest.mark.parametrize(
    "text",
    [
        "1\n0.5\n0.5\n0.5\n",
        "[1, 0.5, 0.5, 0.5]",
        '{"kind": "run", "val_loss": [1, 0.5, 0.5, 0.5], "loss": [9, 8, 7]}',
        '{"kind": "run", "val_loss": [], "loss": [1, 0.5, 0.5, "nan"]}',
    ],
)
def test_feedback_is_replayed_on_a_recorded_metric(surefoot, tmp_path, text):
    (tmp_path / "metric").write_text(text)
    said = surefoot(
        "schedule", "plateau", "--option", "patience=0", "--metric", tmp_path / "metric", "--json", "-", "-q"
    )
    assert json.loads(said.out)["lrs"] == pytest.approx([0.1, 0.1, 0.1, 0.01])


def test_without_a_name_all_are_listed(surefoot):
    said = surefoot("schedule")
    listed = {line.split()[0] for line in said.out.splitlines() if line[:1].strip()}
    assert set(names()) <= listed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cosin"], "did you mean `cosine`"),
        (["cosine", "--option", "end=3"], "has no option `end`"),
        (["cosine", "--option", "end_factor=-1"], "`end_factor` is -1"),
        (["warmup:linear:500+cosine", "--steps", "100"], "`length` is 500 updates and the run has 100"),
        (["cosine", "--steps", "0"], "'--steps': 0 is not in the range"),
        (["cosine", "--steps", "99999999999"], "'--steps': 99999999999 is not in the range"),
        (["cosine", "--peak", "-1"], "not a finite number above 0"),
        (["plateau"], "`plateau` follows a metric; give it one with `--metric FILE`"),
        (["plateau", "--metric", "/no/such"], "no such file"),
        (["plateau", "--metric", __file__], "holds no numbers"),
        (["cosine", "--json", "/no/such/folder/file"], "there is no folder"),
        (["--out", "/tmp"], "`NAME` is missing"),
    ],
)
def test_mistakes_are_one_line_and_code_2(surefoot, words, message):
    said = surefoot("schedule", *words)
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1
