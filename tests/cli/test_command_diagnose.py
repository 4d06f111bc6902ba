"""`surefoot diagnose` and `surefoot explain` on files, as a user calls them."""

import json
import sys
from typing import get_args

import numpy as np
import pytest

from surefoot.cli.main import main
from surefoot.records.diagnosis import FINE, Verdict

EVIL = "<script>alert(1)</script>\x1b[31m\u202e"


def write(path, loss, lr=None):
    head = "step,loss" + (",lr" if lr else "")
    rows = [f"{step},{value:.6g}" + (f",{lr}" if lr else "") for step, value in enumerate(loss)]
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def straight(count=200):
    return 2.3 - 0.2 * np.arange(count) / count + 0.02 * np.random.default_rng(0).normal(size=count)


def slackening(count=200):
    """A descent so slow that it is far from done, and yet bent enough to tell by how much."""
    return 2.3 * np.exp(-np.arange(count) / count) + 0.02 * np.random.default_rng(0).normal(size=count)


@pytest.mark.parametrize(("chance", "said"), [(0.5, "50%"), (0.987, "99%"), (0.994, "over 99%"), (1.0, "over 99%")])
def test_no_verdict_is_said_to_be_certain(chance, said):
    from surefoot.report.diagnosis_words import chance_words

    assert chance_words(chance) == said


def test_a_fault_gives_exit_code_1_a_card_a_list_and_a_page(tmp_path, capsys):
    log, out = write(tmp_path / "slow.csv", slackening(), 1e-5), tmp_path / "out"
    assert main(["diagnose", log, "--json", str(tmp_path / "d.json"), "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert "Rate too low" in said
    assert "multiply" in said
    (one,) = json.loads((tmp_path / "d.json").read_text())
    assert (one["path"], one["verdict"]) == (log, "rate_too_low")
    assert one["decades"][0] < one["decades"][1]
    page = (out / "diagnosis.html").read_text()
    assert "Rate too low" in page
    assert "slow-descent" in page
    assert json.loads((out / "diagnosis.json").read_text()) == [one]
    # One rounding: the line of the size and the remedy name the same factors.
    factors = one["remedy"].partition("multiply it by ")[2].rstrip(".")
    assert factors
    assert f"multiply the rate by {factors} (" in said
    assert f"multiply the rate by {factors} (" in page
    # What Surefoot wrote it may write again.
    assert main(["diagnose", log, "--json", str(tmp_path / "d.json"), "--out", str(out), "--quiet"]) == 1


def test_a_saved_diagnosis_is_drawn_again(tmp_path, capsys):
    logs = [write(tmp_path / f"{name}.csv", straight(), 1e-5) for name in ("one", "two")]
    assert main(["diagnose", *logs, "--out", str(tmp_path / "first"), "--quiet"]) == 1
    capsys.readouterr()
    assert main(["report", str(tmp_path / "first" / "diagnosis.json"), "--out", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out.count("Rate too low") == 2
    pages = [(tmp_path / where / "diagnosis.html").read_text() for where in ("first", "again")]
    assert pages[0] == pages[1]
    (tmp_path / "empty.json").write_text("[]")
    assert main(["report", str(tmp_path / "empty.json")]) == 2
    assert "no record" in capsys.readouterr().err


def test_a_log_that_does_not_tell_gives_exit_code_0(tmp_path, capsys):
    log = write(tmp_path / "short.csv", [2.3, 2.2, 2.1])
    assert main(["diagnose", log, "--json", "-", "--quiet"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["verdict"] in FINE


def test_names_in_the_log_can_be_mapped(tmp_path, capsys):
    path = tmp_path / "named.csv"
    path.write_text("step,quux\n" + "\n".join(f"{step},{value:.5f}" for step, value in enumerate(straight())))
    assert main(["diagnose", str(path), "--map", "loss=quux", "--json", "-", "--quiet"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == "rate_too_low"
    assert main(["diagnose", str(path), "--map", "loss"]) == 2
    assert "ROLE=NAME" in capsys.readouterr().err


def test_text_from_a_log_neither_runs_nor_steers(tmp_path, capsys):
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    log = write(folder / "a.csv", straight(), 1e-5)
    assert main(["diagnose", log, "--out", str(tmp_path / "out")]) == 1
    assert "\x1b[31m" not in capsys.readouterr().out
    page = (tmp_path / "out" / "diagnosis.html").read_text()
    assert "<img src=x" not in page


def test_notes_and_paths_are_escaped_on_every_face():
    from surefoot.diagnose import diagnose_run
    from surefoot.records import Run
    from surefoot.report.diagnosis_card import terminal_card
    from surefoot.report.diagnosis_notebook import diagnosis_card
    from surefoot.report.diagnosis_page import diagnosis_page

    loss = straight()
    run = Run(step=np.arange(len(loss)), loss=loss, lr=np.full(len(loss), np.nan), notes=(EVIL,), unit=EVIL)
    found = diagnose_run(run, path=EVIL, format=EVIL, notes=(EVIL,))
    for text in (diagnosis_page(found), diagnosis_card(found)):
        assert "<script>alert" not in text
    shown = "\n".join(line.plain for line in terminal_card(found))
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("path", ["missing.csv", "."])
def test_nothing_to_read_is_bad_input_in_one_line(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", path]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert complaint.startswith("surefoot: ")


def test_diagnosing_loads_no_torch(tmp_path):
    import subprocess

    log = write(tmp_path / "slow.csv", straight())
    call = f"main(['diagnose', {log!r}, '-q'])"
    code = f"import sys; from surefoot.cli.main import main; {call}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_explain_lists_and_explains_every_finding(capsys):
    import surefoot.diagnose.checks  # noqa: F401 - registers the checks
    from surefoot.diagnose.check import CHECKS

    assert main(["explain"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CHECKS)
    for name in CHECKS:
        assert main(["explain", name.replace("-", "_")]) == 0
        said = capsys.readouterr().out
        assert "Why" in said
        assert "Remedy" in said
    assert main(["explain", "noise-flor"]) == 2
    assert "noise-floor" in capsys.readouterr().err


def test_explain_knows_the_verdicts_too(capsys):
    """What a card and the record say first is what a user asks about."""
    for verdict in get_args(Verdict):
        for written in (verdict, verdict.replace("_", "-"), verdict.replace("_", " ").capitalize()):
            assert main(["explain", written]) == 0
            assert capsys.readouterr().out.strip()
    assert main(["explain", "rate_too_high"]) == 0
    said = capsys.readouterr().out
    assert "Cut the rate." in said
    assert "oscillation-growing" in said
    assert main(["explain", "rate_to_high"]) == 2
    assert "rate-too-high" in capsys.readouterr().err


def test_trainings_in_one_file_are_numbered_behind_its_name(tmp_path, capsys):
    rows = [f"{step},{2.3 - step / 100}" for _ in range(2) for step in range(60)]
    (tmp_path / "two.csv").write_text("step,loss\n" + "\n".join(rows) + "\n")
    main(["diagnose", str(tmp_path / "two.csv"), "--json", "-", "--quiet"])
    found = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in found] == [f"{tmp_path / 'two.csv'}#{number}" for number in (1, 2)]
