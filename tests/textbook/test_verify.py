"""`surefoot verify`: same verdict and numbers as the record, or exit code 1 and the reason in words."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import time
from pathlib import Path

import pytest

from surefoot.cli.main import main
from surefoot.records import Recipe, Run
from surefoot.records.claim import Outcome, TextbookRecord, Verification
from surefoot.report.panel_svg import panel_svg
from surefoot.report.textbook_page import textbook_page
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook import verify as work
from surefoot.textbook.claims import all_claims, find_claim
from surefoot.textbook.experiments import trials
from surefoot.textbook.measured import load_record, result_of
from surefoot.textbook.measuring import TIMED

CLAIM = "moderate-lr-crosses-saddles"


@pytest.fixture(scope="module")
def record() -> TextbookRecord:
    return load_record()


def changed(record: TextbookRecord, family: str, **how: object) -> TextbookRecord:
    """The record with every number of one family's quick outcome changed."""
    quick = tuple(
        dataclasses.replace(
            one, measurements=tuple(dataclasses.replace(m, **how) for m in one.measurements)  # type: ignore[arg-type]
        )
        if one.family == family
        else one
        for one in record.quick
    )  # fmt: skip
    return dataclasses.replace(record, quick=quick)


def test_a_claim_matches_the_record(record: TextbookRecord) -> None:
    seen = work.verify([find_claim(CLAIM)], record, size="quick")
    assert [one.id for one in seen.claims] == [CLAIM]
    assert seen.claims[0].matches_record, seen.claims[0].differences
    assert seen.claims[0].verdict == seen.claims[0].recorded
    assert seen.matching == 1
    assert Verification.from_json(json.loads(seen.dumps())) == seen


def test_another_verdict_and_other_numbers_do_not_match(record: TextbookRecord) -> None:
    other = changed(record, "saddle", value=0.5, low=0.49, high=0.51, n=100)
    seen = work.verify([find_claim(CLAIM)], other, size="quick")
    assert not seen.claims[0].matches_record
    assert any("the record says" in one for one in seen.claims[0].differences)
    empty = work.verify([find_claim(CLAIM)], TextbookRecord(), size="quick")
    assert empty.claims[0].recorded is None
    assert empty.claims[0].differences == ("the record has no such result",)


def test_numbers_of_time_are_not_compared(record: TextbookRecord) -> None:
    before = record.result("single-example-step-cheaper")
    assert before is not None
    assert before.measurements[0].method.startswith(TIMED)
    slower = tuple(
        dataclasses.replace(m, value=m.value * 50, low=None, high=None)
        for m in before.measurements
        if m.value is not None
    )
    assert work.differences(before, dataclasses.replace(before, measurements=slower)) == []
    other = record.result(CLAIM)
    assert other is not None
    moved = tuple(dataclasses.replace(m, value=9.0, low=8.9, high=9.1) for m in other.measurements)
    assert len(work.differences(other, dataclasses.replace(other, measurements=moved))) == len(moved)


def test_a_broken_experiment_is_named_and_the_rest_goes_on(
    record: TextbookRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surefoot.textbook.experiments.drift.run", lambda size, seeds: 1 / 0)
    seen = work.verify([find_claim("lr-sets-tracking-of-drift"), find_claim(CLAIM)], record, size="quick")
    assert list(seen.failed) == ["drift"]
    assert "ZeroDivisionError" in seen.failed["drift"]
    by_id = {one.id: one for one in seen.claims}
    assert not by_id["lr-sets-tracking-of-drift"].matches_record
    assert by_id["lr-sets-tracking-of-drift"].verdict == "undecided"
    assert by_id[CLAIM].matches_record


def test_an_interrupt_keeps_what_is_done(record: TextbookRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(size: str, seeds: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("surefoot.textbook.experiments.drift.run", stop)
    seen = work.verify([find_claim(CLAIM), find_claim("lr-sets-tracking-of-drift")], record, size="quick")
    assert seen.interrupted
    assert [one.id for one in seen.claims] == [CLAIM]


def test_ctrl_c_that_a_training_swallows_ends_the_work(record: TextbookRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings end early on Ctrl-C and return what they have, which must not be taken for a measurement."""

    def swallow(size: str, seeds: object) -> Outcome:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return Outcome("drift")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr("surefoot.textbook.experiments.drift.run", swallow)
        seen = work.verify([find_claim("lr-sets-tracking-of-drift")], record, size="quick")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen.interrupted
    assert seen.claims == ()


def test_half_trainings_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "train_members", lambda *_, **__: [Run(fate="interrupted")])
    with pytest.raises(KeyboardInterrupt):
        trials.trained(find_entry("xor").make(), {0: Recipe()}, (1,))


def test_experiments_that_share_trainings_run_in_one_process() -> None:
    units = work._units(("drift", "early-stop", "saddle", "mnist-cnn"))
    assert units == [("drift",), ("mnist-cnn", "early-stop"), ("saddle",)]
    assert work._units(("early-stop",)) == [("early-stop",)]


def test_command_line(record: TextbookRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", CLAIM, "--quick", "--json", "-", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert set(data["claims"][0]) >= {"id", "verdict", "measurements", "matches_record"}
    assert "matches" in said.err
    page = (tmp_path / "out" / "textbook.html").read_text(encoding="utf-8")
    assert f'id="{CLAIM}"' in page
    other = changed(record, "saddle", value=0.5, low=0.49, high=0.51, n=100)
    other.save(tmp_path / "other.json")
    assert main(["verify", CLAIM, "--quick", "--record", str(tmp_path / "other.json")]) == 1
    assert "differs" in capsys.readouterr().out
    assert main(["verify"]) == 0
    assert CLAIM in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "decay-escape-minima"], "decay-escapes-local-minima"),
        (["verify", "x" * 10_000], "without a name lists them"),
        (["verify", "--topic", "decai"], "decay"),
        (["verify", "--all", "--topic", "decay"], "exclude each other"),
        (["verify", CLAIM, "--record", "nowhere.json"], "no such file"),
    ],
)
def test_bad_input_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert len(err) < 500


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "textbook", "results": [1]}', '{"kind": "run"}'])
def test_a_damaged_record_is_one_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "damaged.json").write_text(text, encoding="utf-8")
    assert main(["verify", CLAIM, "--record", str(tmp_path / "damaged.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page_shows_every_claim_and_connects_to_nowhere(record: TextbookRecord) -> None:
    page = textbook_page(record)
    for claim in all_claims():
        assert f'id="{claim}"' in page
        assert f"surefoot verify {claim}" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") >= 60
    printed = [one for claim in all_claims().values() for one in claim.printed]
    assert all(one.place.split()[1] in page for one in printed if one.place)


def test_every_panel_of_lines_or_bars_can_be_drawn(record: TextbookRecord) -> None:
    for outcome in record.outcomes:
        for panel in outcome.panels:
            drawn = panel_svg(panel)
            if panel.style in ("lines", "bars"):
                assert drawn is not None, panel.title
                assert "nan" not in drawn
                assert "inf" not in drawn.replace("info", "")


def test_verdicts_come_from_the_rule_alone(record: TextbookRecord) -> None:
    """Without outcomes nothing is decided."""
    for claim in all_claims().values():
        assert result_of(claim, {}).verdict == "undecided"
