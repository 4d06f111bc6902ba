"""`--track` of the verbs whose results a tool can hold."""

from __future__ import annotations

import importlib.util

import pytest

from surefoot.integrations import tracking


@pytest.fixture
def tool(monkeypatch):
    """A stand-in for the tool; what it was given."""
    seen = []
    monkeypatch.setitem(tracking.TRACKERS, "tensorboard", lambda project, runs, folder: seen.append((project, runs)))
    return seen


def test_results_of_verbs_and_saved_records_go_to_the_tool(tool, tmp_path, surefoot):
    pytest.importorskip("tensorboard")
    record = tmp_path / "run.json"
    first = surefoot("train", "iris", "--lr", "0.1", "--epochs", "1", "--track", "tensorboard", "--json", record)
    assert first.code == 0
    assert "logged 1 run to tensorboard" in first.out
    assert surefoot("report", record, "--track", "tensorboard", "-q").code == 0
    (project, runs), (_, again) = tool
    assert project == "surefoot-iris"
    assert runs[0].params["lr"] == 0.1
    assert again[0].points == runs[0].points
    log = tmp_path / "log.csv"
    log.write_text("step,loss\n" + "\n".join(f"{step},{1 / (1 + step)}" for step in range(60)))
    told = surefoot("diagnose", log, "--track", "tensorboard", "-q")
    assert told.code in (0, 1)
    assert "diagnosis/verdict" in tool[-1][1][0].texts
    words = ["sweep", "iris", "--lr", "0.1,0.2", "--epochs", "1", "--workers", "1", "--track", "tensorboard", "-q"]
    assert surefoot(*words).code == 0
    assert [one.name for one in tool[-1][1]] == ["member 0", "member 1"]
    assert surefoot("train", "iris", "--lr", "0.1", "--epochs", "1", "-q").code == 0
    assert len(tool) == 4, "only where it is asked for"


def test_a_tool_that_is_missing_is_said_before_anything_is_trained(monkeypatch, surefoot):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = surefoot("sweep", "iris", "--lr", "0.1", "--track", "mlflow")
    assert said.code == 2
    assert "pip install 'surefoot[mlflow]'" in said.err
    assert said.err.count("\n") == 1


def test_a_tool_that_fails_costs_nothing_of_the_result(monkeypatch, tmp_path, surefoot):
    pytest.importorskip("tensorboard")

    def fail(*_):
        raise ConnectionError("no route")

    monkeypatch.setitem(tracking.TRACKERS, "tensorboard", fail)
    record = tmp_path / "run.json"
    said = surefoot("train", "iris", "--lr", "0.1", "--epochs", "1", "--track", "tensorboard", "--json", record)
    assert said.code == 2
    assert "tensorboard did not take it (ConnectionError: no route)" in said.err
    assert record.exists()
    assert "validation loss" in said.out
