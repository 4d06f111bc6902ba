"""Records in the tools that users have: what is read back with the tool's own reader is what was trained.

Every tool that is installed is used for real, without a network.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import warnings

import numpy as np
import pytest
from small_study import small_plan, small_task

import surefoot as sf
from surefoot.errors import InputError, OutputError
from surefoot.integrations import tracking
from surefoot.integrations.tracking import log_record
from surefoot.logs.read import read_logs
from surefoot.records import Finding, Found, Recipe, Run, Sweep, float_series, int_series
from surefoot.records.diagnosis import Diagnoses, Diagnosis
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import run_plan

AXES = {"optimizer": "sgd", "schedule": "constant", "batch_size": "32", "lr": "0.1,0.3", "seeds": 1}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("tracked") / "a.study"
    study = run_plan(TaskSource(small_task()), small_plan(**AXES), study=path, workers=1)
    with Store(path) as store:
        return study, store.series(1)


@pytest.fixture(scope="module")
def run():
    return sf.train(small_task(), Recipe(lr=0.3, epochs=2, batch_size=32, options={"momentum": 0.9}))


def a_diagnosis(run):
    finding = Finding("rate-too-high", "holds", text="the loss rose")
    return Diagnosis("rate_too_high", 0.9, (-1.0, -0.3), (finding,), path="log.csv", text="too high", run=run)


def scalars_of(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        read = EventAccumulator(str(folder))
        read.Reload()
    return read


def logged(*arguments, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return log_record(*arguments, **named)


def test_tensorboard_reads_back_the_losses_of_a_study(kept, tmp_path):
    pytest.importorskip("tensorboard")
    study, series = kept
    assert logged(study, "tensorboard", folder=tmp_path) == 2
    read = scalars_of(tmp_path / "surefoot-small" / "member-1")
    found = read.Scalars("train/loss")
    assert [one.step for one in found] == list(range(len(series["loss"])))
    assert [one.value for one in found] == pytest.approx(series["loss"].tolist())
    assert read.Scalars("val/loss")[-1].value == pytest.approx(study.members[1].final_loss)


def test_tensorboard_reads_back_a_run_a_sweep_a_search_and_findings(run, tmp_path):
    pytest.importorskip("tensorboard")
    assert logged(run, "tensorboard", folder=tmp_path) == 1
    read = scalars_of(tmp_path / "surefoot-small" / "run")
    assert [one.value for one in read.Scalars("train/lr")] == pytest.approx(run.lr.tolist())
    assert [one.step for one in read.Scalars("val/accuracy")] == run.val_step.tolist()
    assert logged(Sweep("small", (run, run)), "tensorboard", folder=tmp_path) == 2
    found = Found("small", "found", 0.3, (0.1, 0.5), None, 0.4, "because", 1.0, Recipe(lr=0.3), runs=(run,))
    assert logged(found, "tensorboard", folder=tmp_path) == 2
    assert scalars_of(tmp_path / "surefoot-small" / "found").Scalars("hparam/found/lr")[0].value == pytest.approx(0.3)
    assert logged(Diagnoses((a_diagnosis(run),)), "tensorboard", folder=tmp_path) == 1
    read = scalars_of(tmp_path / "surefoot-small" / "diagnosis-of-log.csv")
    assert read.Scalars("hparam/diagnosis/probability")[0].value == pytest.approx(0.9)
    tensor = read.Tensors("finding/rate-too-high/text_summary")[0].tensor_proto
    assert tensor.string_val[0] == b"holds: the loss rose"


def test_tensorboard_keeps_the_runs_of_two_calls_apart(run, tmp_path):
    """In one folder they would be drawn as one curve that jumps back."""
    pytest.importorskip("tensorboard")
    other = dataclasses.replace(run, loss=float_series(run.loss + 1))
    for one in (run, other, run):
        assert logged(one, "tensorboard", folder=tmp_path) == 1
    for name, one in (("run", run), ("run-2", other), ("run-3", run)):
        found = scalars_of(tmp_path / "surefoot-small" / name).Scalars("train/loss")
        assert [scalar.value for scalar in found] == pytest.approx(one.loss.tolist())


def test_numbers_that_are_not_finite_are_left_out(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setitem(tracking.TRACKERS, "tensorboard", lambda project, runs, folder: seen.extend(runs))
    loss = float_series([1.0, np.nan, np.inf])
    log_record(Run(step=int_series([0, 1, 2]), loss=loss, lr=float_series([1, 1, 1]), fate="diverged"), "tensorboard")
    assert [one for one in seen[0].points if one[0] == "train/loss"] == [("train/loss", 0, 1.0)]
    assert seen[0].summary == {}


def test_mlflow_reads_back_parameters_metrics_and_states(kept, run, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/runs")
    study, series = kept
    assert logged(study, "mlflow") == 2
    assert logged(a_diagnosis(run), "mlflow") == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = mlflow.MlflowClient()
        number = client.get_experiment_by_name("surefoot-small").experiment_id
        runs = {one.info.run_name: one for one in client.search_runs([number])}
        second = runs["member 1"]
        losses = client.get_metric_history(second.info.run_id, "train/loss")
    assert [one.step for one in losses] == list(range(len(series["loss"])))
    assert [one.value for one in losses] == pytest.approx(series["loss"].tolist())
    assert min(one.timestamp for one in losses) > 1_600_000_000_000, "milliseconds since 1970"
    assert float(second.data.params["lr"]) == study.members[1].recipe.lr
    assert second.info.status == "FINISHED"
    assert second.data.metrics["val/loss"] == pytest.approx(study.members[1].final_loss)
    tags = runs["diagnosis of log.csv"].data.tags
    assert tags["surefoot.diagnosis.verdict"] == "rate_too_high"
    assert tags["surefoot.finding.rate-too-high"] == "holds: the loss rose"


def in_a_new_process(tmp_path, study, tool, **environment):
    """Log a study with the tool as a program of its own: the tool leaves threads and processes behind."""
    study.save(tmp_path / "study.json")
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from surefoot.records.study import Study\n"
        "from surefoot.integrations.tracking import log_record\n"
        "print(log_record(Study.load(sys.argv[1]), sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "study.json"), tool],
        cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\n", "standard output is for records"


def test_wandb_keeps_config_steps_and_summary(kept, tmp_path):
    pytest.importorskip("wandb")
    study, series = kept
    in_a_new_process(tmp_path, study, "wandb", WANDB_MODE="offline")
    found = [one.run for one in read_logs(tmp_path / "wandb")]
    assert len(found) == 2
    by_rate = {one.recipe.lr if one.recipe is not None else float(one.lr[0]): one for one in found}
    second = by_rate[study.members[1].recipe.lr]
    assert second.loss.tolist() == pytest.approx(series["loss"].tolist())
    assert second.val_loss[-1] == pytest.approx(study.members[1].final_loss)


def test_trackio_keeps_config_and_steps(kept, tmp_path):
    if importlib.util.find_spec("trackio") is None:
        pytest.skip("trackio is not installed")
    study, series = kept
    in_a_new_process(tmp_path, study, "trackio", TRACKIO_DIR=str(tmp_path / "trackio"), HF_HUB_OFFLINE="1")
    connection = sqlite3.connect(tmp_path / "trackio" / "surefoot-small.db")
    rows = connection.execute("SELECT metrics FROM metrics WHERE run_name = 'member 1' ORDER BY step").fetchall()
    config = connection.execute("SELECT config FROM configs WHERE run_name = 'member 1'").fetchone()
    connection.close()
    losses = [json.loads(row[0])["train/loss"] for row in rows if "train/loss" in json.loads(row[0])]
    assert losses == pytest.approx(series["loss"].tolist())
    assert json.loads(config[0])["lr"] == study.members[1].recipe.lr
    assert json.loads(config[0])["fate"] == "finished"


def test_a_tool_that_is_not_there_unknown_or_fails_is_said(kept, run, monkeypatch):
    with pytest.raises(InputError, match="tensorboard, mlflow, wandb, trackio"):
        log_record(kept[0], "paper")
    with pytest.raises(InputError, match="kind `recipe` cannot be tracked"):
        log_record(Recipe(lr=0.1), "tensorboard")

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    with monkeypatch.context() as without:
        without.setattr("surefoot.integrations.needed.importlib.import_module", missing)
        with pytest.raises(InputError, match=r"surefoot\[trackio\]"):
            log_record(run, "trackio")

    def refuse(*_):
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setitem(tracking.TRACKERS, "mlflow", refuse)
    with pytest.raises(OutputError, match=r"mlflow did not take it \(ConnectionError: no route to host\)$"):
        log_record(run, "mlflow")
