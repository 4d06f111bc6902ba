"""Optuna asks and is told whole members; results travel both ways."""

from __future__ import annotations

import warnings

import pytest
from small_study import small_plan, small_task

from surefoot.errors import InputError
from surefoot.study.sampling import sample
from surefoot.study.sources import TaskSource
from surefoot.study.sweep import run_plan
from surefoot.study.with_optuna import optuna as module
from surefoot.study.with_optuna import to_optuna, trials_of

optuna = pytest.importorskip("optuna")
AXES = {"lr": "1e-3..10", "optimizer": "sgd,adamw", "schedule": "constant", "batch_size": "16,32", "epochs": 2}


def new():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))


def test_every_trial_is_told_the_mean_loss_of_its_members():
    into = new()
    study = sample(TaskSource(small_task()), AXES, draws=30, seeds=2, workers=1, into=into)
    assert len(into.trials) == 30
    assert len(study.members) == 60
    assert {"lr", "optimizer", "batch_size"} == set(into.trials[0].params)
    by_rate = {}
    for one in study.members:
        by_rate.setdefault(one.recipe.lr, []).append(one)
    for trial in into.trials:
        members = by_rate[trial.params["lr"]]
        assert {one.recipe.optimizer for one in members} == {trial.params["optimizer"]}
        if trial.state == optuna.trial.TrialState.COMPLETE:
            assert trial.value == pytest.approx(sum(one.final_loss for one in members) / 2)
        else:
            assert any(one.fate == "diverged" for one in members)
    assert into.best_value == pytest.approx(study.best.final_loss)


def test_a_study_becomes_trials_and_a_sampler_goes_on_from_them():
    plan = small_plan(lr="1e-2..1:3", seeds=2, schedule="constant", prune="race", epochs=16)
    study = run_plan(TaskSource(small_task()), plan, workers=1)
    into = new()
    count = to_optuna(study, into)
    assert count == len(trials_of(study)) == 3 * 2 * 2
    states = [trial.state.name for trial in into.trials]
    assert states.count("COMPLETE") >= 4
    assert into.best_value == pytest.approx(study.best.final_loss)
    assert into.best_params["lr"] == study.best.recipe.lr
    more = sample(TaskSource(small_task()), AXES | {"lr": "1e-2..1"}, draws=4, workers=1, into=into)
    assert len(into.trials) == count + 4
    assert len(more.members) == 4


def test_what_cannot_be_sampled_is_refused(monkeypatch):
    with pytest.raises(InputError, match="`draws` is 0"):
        sample(TaskSource(small_task()), AXES, draws=0)
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(InputError, match=r"surefoot\[optuna\]"):
        module()
