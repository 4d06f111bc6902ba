"""A search that Optuna leads is kept: killed, resumed, continued, it is the search that nothing interrupted."""

from __future__ import annotations

import random
import warnings

import pytest
from small_study import done_units, in_a_child, interrupted_at_commit, kill_after, small_task

from surefoot.errors import InputError, OutputError, SurefootError
from surefoot.study import sampling
from surefoot.study.merging import merge
from surefoot.study.sampling import sample
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import make_plan, run_plan

optuna = pytest.importorskip("optuna")
AXES = {"lr": "1e-3..10", "optimizer": "sgd,adamw", "schedule": "constant", "batch_size": "16,32", "epochs": 2}
DRAWS = 15


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch):
    """Rounds of four settings, so that the sampler has several to learn from, and few random ones before."""
    monkeypatch.setattr(sampling, "ROUND", 4)
    tpe = optuna.samplers.TPESampler

    def early(**options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tpe(n_startup_trials=4, **options)

    monkeypatch.setattr(optuna.samplers, "TPESampler", early)


def search(path=None, *, resume=True, **changes):
    given = {"draws": DRAWS, "seeds": 2, "form": "stacked:4", "workers": 1} | changes
    axes = AXES | given.pop("axes", {})
    return sample(TaskSource(small_task()), axes, study=path, resume=resume, **given)


def test_killed_at_random_moments_a_search_goes_on_and_ends_as_if_nothing_had_been(tmp_path):
    uninterrupted = search()
    assert len({one.recipe.lr for one in uninterrupted.members}) == DRAWS
    path, moments, kills = tmp_path / "killed.study", random.Random(7), 0
    seen = set()
    for _ in range(16):
        process = in_a_child(lambda: search(path))
        if not kill_after(process, moments.uniform(0.02, 0.3)):
            break
        kills += 1
        if path.exists():
            try:
                done = done_units(path)
            except SurefootError:
                continue  # killed while it was made
            assert done >= seen
            seen = done
    assert kills >= 2
    ended = search(path)
    assert ended.complete
    assert [one.recipe for one in ended.members] == [one.recipe for one in uninterrupted.members]
    assert ended.contents == uninterrupted.contents
    assert ended.best.final_loss == uninterrupted.best.final_loss
    with Store(path) as store:
        assert store.damage() == []
        assert [len(one) for one in store.trials()] == [4, 4, 4, 3]


def test_ctrl_c_keeps_the_round_and_a_done_search_trains_nothing(tmp_path, monkeypatch):
    path = tmp_path / "stopped.study"
    with interrupted_at_commit(monkeypatch, 4):
        first = search(path, resume=False)
    assert "interrupted; what was done is kept" in first.notes
    assert first.counts["waiting"] > 0
    ended = search(path)
    assert ended.contents == search().contents
    monkeypatch.setattr(Store, "commit", None)
    again = search(path)
    assert again.contents == ended.contents
    with pytest.raises(OutputError, match="continue it with --resume"):
        search(path, resume=False)


def test_a_kept_search_may_go_on_to_more_settings_but_not_to_other_ones(tmp_path):
    path = tmp_path / "more.study"
    search(path, draws=8)
    assert search(path, draws=12).contents == search(draws=12).contents
    with pytest.raises(InputError, match="`draws` is 5, and the study has 12 settings already"):
        search(path, draws=5)
    with pytest.raises(InputError, match=r"holds another sweep: its `lr` is '0.001..10' and not '0.001..1'"):
        search(path, axes={"lr": "1e-3..1"})
    with pytest.raises(InputError, match="its `seeds` is 2 and not 1"):
        search(path, seeds=1)
    with pytest.raises(InputError, match="no parts to be joined"):
        merge(tmp_path / "whole.study", [path])
    grid = tmp_path / "grid.study"
    source = TaskSource(small_task())
    run_plan(
        source,
        make_plan(source, seeds=1, lr="0.1,0.2", optimizer="sgd", epochs=1, form="serial"),
        study=grid,
        workers=1,
    )
    with pytest.raises(InputError, match="no sampler proposed its settings"):
        search(grid)


def test_where_the_sampler_cannot_be_brought_back_the_study_goes_on_and_says_so(tmp_path, monkeypatch):
    path = tmp_path / "other.study"
    search(path, draws=8)
    with Store(path) as store:
        kept = store.trials()
    tpe = optuna.samplers.TPESampler
    monkeypatch.setattr(optuna.samplers, "TPESampler", lambda seed: tpe(seed=seed + 1))  # as another version would
    ended = search(path, draws=12)
    assert len({one.recipe.lr for one in ended.members}) == 12
    assert any("settings from number 8 on" in note and "may be others" in note for note in ended.notes)
    with Store(path) as store:
        assert store.trials()[:2] == kept
        assert store.damage() == []
    assert any("settings from number 8 on" in note for note in search(path, draws=12).notes), "it is kept"


def test_a_study_of_the_users_is_told_each_kept_trial_once(tmp_path, monkeypatch):
    path = tmp_path / "into.study"
    monkeypatch.undo()
    monkeypatch.setattr(sampling, "ROUND", 4)
    into = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    with interrupted_at_commit(monkeypatch, 3):
        search(path, into=into, draws=8)
    ended = search(path, into=into, draws=8)
    assert len(into.trials) == 8
    assert all(trial.state.is_finished() for trial in into.trials)
    assert into.best_value == pytest.approx(ended.best.final_loss)
    other = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    search(path, into=other, draws=9)
    assert len(other.trials) == 9
    assert [one.params for one in other.trials[:8]] == [one.params for one in into.trials]
    assert [one.value for one in other.trials[:8]] == [one.value for one in into.trials]


def test_the_public_sweep_takes_the_sampler_and_refuses_what_it_cannot_do(tmp_path):
    import surefoot as sf

    axes = {"optimizer": ["sgd", "adamw"], "batch_size": [16, 32], "epochs": 2.0, "form": "stacked:4", "workers": 1}
    study = sf.sweep(small_task(), "1e-3..10", draws=6, sampler="optuna", study=tmp_path / "a.study", **axes)
    assert study.contents == search(draws=6, seeds=1).contents
    ordered = sf.sweep(small_task(), "1e-3..10", draws=2, seeds=2, same_order=True, sampler="optuna", **axes)
    assert {one.recipe.data_seed for one in ordered.members} == {0}
    for wrong in ({}, {"draws": 6, "prune": "race"}):
        with pytest.raises(InputError, match="needs `draws`, and trains whole members"):
            sf.sweep(small_task(), "1e-3..10", sampler="optuna", **wrong)


def test_a_setting_that_cannot_be_planned_fails_its_trial_and_not_the_search(tmp_path):
    into = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    # A warmup of six updates is longer than two epochs of batches of 32.
    axes = {"schedule": "constant,warmup:linear:6", "batch_size": "16,32"}
    path = tmp_path / "some.study"
    study = search(path, axes=axes, into=into, draws=16, seeds=1, form=None)
    failed = {trial.number for trial in into.trials if trial.state == optuna.trial.TrialState.FAIL}
    cut = {t.number for t in into.trials if t.params["schedule"] != "constant" and t.params["batch_size"] == 32}
    assert cut
    assert cut <= failed
    assert len(study.members) == 16 - len(cut)
    assert any(f"{len(cut)} of 16 settings could not be planned" in note for note in study.notes)
    assert search(path, axes=axes, draws=16, seeds=1, form=None, into=into).contents == study.contents
    with pytest.raises(SurefootError, match="6 updates"):
        search(tmp_path / "none.study", axes={"schedule": "warmup:linear:6", "batch_size": "32"})
    assert not (tmp_path / "none.study").exists()


def test_settings_that_are_proposed_twice_are_trained_once_and_told_apart_by_every_axis():
    into = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    axes = {"lr": "0.1,0.2", "optimizer": "sgd,adamw", "momentum": "0,0.9", "batch_size": "16"}
    study = search(axes=axes, into=into, draws=30, seeds=1)
    assert len(into.trials) == 30
    assert len(study.members) == 2 * 2 + 2  # AdamW has no momentum
    by_value = {}
    for trial in into.trials:
        momentum = trial.params["momentum"] if trial.params["optimizer"] == "sgd" else None
        by_value.setdefault((trial.params["lr"], trial.params["optimizer"], momentum), set()).add(trial.value)
    assert len(by_value) == 6
    for (lr, optimizer, momentum), values in by_value.items():
        member = next(
            one
            for one in study.members
            if (one.recipe.lr, one.recipe.optimizer, one.recipe.options.get("momentum")) == (lr, optimizer, momentum)
        )
        assert values == {member.final_loss}
