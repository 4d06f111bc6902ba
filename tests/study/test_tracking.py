"""Studies in the tools that users have: what is read back with the tool's own reader is what was trained."""

from __future__ import annotations

import importlib.util
import warnings

import pytest
from small_study import small_plan, small_task

from surefoot.errors import InputError
from surefoot.integrations.tracking import log_study
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


def test_tensorboard_reads_back_the_losses(kept, tmp_path):
    pytest.importorskip("tensorboard")
    study, series = kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        assert log_study(study, "tensorboard", folder=tmp_path) == 2
        read = EventAccumulator(str(tmp_path / "surefoot-small" / "member-1"))
        read.Reload()
    found = read.Scalars("train/loss")
    assert [one.step for one in found] == list(range(len(series["loss"])))
    assert [one.value for one in found] == pytest.approx(series["loss"].tolist())
    assert read.Scalars("val/loss")[-1].value == pytest.approx(study.members[1].final_loss)


def test_a_tool_that_is_not_there_or_unknown_is_said(kept):
    with pytest.raises(InputError, match="tensorboard, mlflow, wandb, trackio"):
        log_study(kept[0], "paper")
    if importlib.util.find_spec("trackio") is not None:
        pytest.skip("trackio is installed")
    with pytest.raises(InputError, match=r"surefoot\[trackio\]"):
        log_study(kept[0], "trackio")


def test_tools_of_the_form_of_wandb_get_config_steps_and_names(kept, monkeypatch):
    import sys
    import types

    seen = []

    class Run:
        def __init__(self, **options):
            self.options, self.logged, self.summary, self.done = options, {}, {}, False
            seen.append(self)

        def log(self, values, step):
            self.logged[step] = values

        def finish(self):
            self.done = True

    fake = types.ModuleType("wandb")
    fake.init = lambda **options: Run(**options)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    study, series = kept
    assert log_study(study, "wandb") == 2
    run = seen[1]
    assert run.options["project"] == "surefoot-small"
    assert run.options["config"]["lr"] == study.members[1].recipe.lr
    assert run.logged[3]["train/loss"] == pytest.approx(float(series["loss"][3]))
    assert run.summary["val/loss"] == pytest.approx(study.members[1].final_loss)
    assert run.done
