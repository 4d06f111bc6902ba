"""The driver under faults that an executor can report; and the same study on one process and on several."""

from __future__ import annotations

import dataclasses
import os
import signal

import pytest
from small_study import small_plan, small_task

from surefoot.errors import SurefootError
from surefoot.records import Provenance
from surefoot.study.driver import LOSSES, drive
from surefoot.study.executors import Outcome, Processes, outcome_of
from surefoot.study.rounds import Rounds
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import run_plan
from surefoot.study.unit import Job

SMALL = {"optimizer": "sgd", "schedule": "constant", "seeds": 2}


class Faulty:
    """Works jobs off here, but for those that `fault` gives an outcome of its own."""

    name = "faulty"

    def __init__(self, source, fault):
        self._source, self._fault, self._jobs, self.seen = source, fault, [], []

    @property
    def free(self):
        return 2 - len(self._jobs)

    def submit(self, job):
        self._jobs.append(job)

    def next(self, timeout):
        job = self._jobs.pop()  # the last one first: order must not matter
        self.seen.append(job)
        return self._fault(job, len(self.seen)) or outcome_of(self._source, job)

    def close(self):
        self._jobs.clear()


@pytest.fixture(scope="module")
def plan():
    return small_plan(**SMALL)


def worked_off(path, plan, fault):
    source = TaskSource(small_task())
    with Store.create(path, plan, Provenance()) as store:
        executor = Faulty(source, fault)
        drive(store, executor)
        assert store.damage() == []
        return store.members(), store.contents(), store.states(), executor.seen


def test_a_lost_worker_is_replaced_and_the_numbers_are_the_same(tmp_path, plan):
    whole = run_plan(TaskSource(small_task()), plan, workers=1).contents

    def lose(job, number):
        return Outcome(job.unit.key, "lost", error="killed") if number in (1, 3) else None

    _, contents, states, seen = worked_off(tmp_path / "a.study", plan, lose)
    assert contents == whole
    assert states == {"done": len(plan.units)}
    assert {job.attempt for job in seen} == {0, 1}, "an attempt is told from the one before it"


def test_a_unit_that_does_not_fit_is_split_until_it_does(tmp_path, plan):
    def too_large(job, number):
        return Outcome(job.unit.key, "memory", error="no room") if len(job.recipes) > 2 else None

    members, _, states, seen = worked_off(tmp_path / "b.study", plan, too_large)
    assert [one.fate for one in members] == ["finished"] * len(members)
    assert {len(unit.members) for unit in plan.units} == {8}
    assert states["split"] == 3 * len(plan.units), "8 members in halves, and these in halves"
    assert max(len(job.recipes) for job in seen if job.attempt == 0) > 2
    whole = run_plan(TaskSource(small_task()), plan, workers=1).members
    for one, other in zip(members, whole, strict=True):
        assert one.final_loss == pytest.approx(other.final_loss, rel=1e-4)


def test_a_unit_that_keeps_losing_its_worker_counts_as_too_large(tmp_path, plan):
    def always(job, number):
        return Outcome(job.unit.key, "lost", error="killed") if len(job.recipes) > 1 else None

    members, _, _, seen = worked_off(tmp_path / "c.study", plan, always)
    assert [one.fate for one in members] == ["finished"] * len(members)
    first = plan.units[0].key
    assert sum(job.unit.key == first for job in seen) == LOSSES


def test_a_poisonous_recipe_is_set_aside_with_its_error_and_the_others_are_trained(tmp_path, plan):
    poison = plan.recipes[1]

    def fail(job, number):
        return Outcome(job.unit.key, "failed", error="net.py, line 3: boom") if poison in job.recipes else None

    members, _, _, _ = worked_off(tmp_path / "d.study", plan, fail)
    assert members[1].fate == "aside"
    assert members[1].reason == "net.py, line 3: boom"
    assert {one.fate for place, one in enumerate(members) if place != 1} == {"finished"}


@pytest.mark.parametrize("sizes", ["16,32", "32,16"])
def test_a_recipe_that_cannot_be_trained_does_not_stop_the_study_wherever_it_stands(sizes):
    task = small_task()
    loss = task.loss

    def picky(output, target):
        if len(output) == 16:
            raise ValueError("no sixteens")
        return loss(output, target)

    task.loss = task.own_loss = picky
    task.val = task.train  # of which no part has sixteen
    source = TaskSource(task)
    study = run_plan(source, small_plan(source, **SMALL | {"batch_size": sizes, "form": None}), workers=1)
    fates = {size: {one.fate for one in study.members if one.recipe.batch_size == size} for size in (16, 32)}
    assert fates == {16: {"aside"}, 32: {"finished"}}
    assert any("no sixteens" in note for note in study.notes)
    with pytest.raises(SurefootError, match="no sixteens"):
        small_plan(source, **SMALL | {"batch_size": "16"})


def test_who_watches_is_told_the_best_members_and_never_all_of_them(tmp_path, plan, monkeypatch):
    monkeypatch.setattr("surefoot.study.driver._WAIT", 0.0)
    monkeypatch.setattr("surefoot.study.driver._SHOWN", 3)
    read = Store.members

    def some(self, *, best=None):
        assert best is not None, "reading all takes longer than training, in a large study"
        return read(self, best=best)

    monkeypatch.setattr(Store, "members", some)
    seen, source = [], TaskSource(small_task())
    with Store.create(tmp_path / "w.study", plan, Provenance()) as store:
        drive(store, Faulty(source, lambda job, number: None), seen.append)
        ended = [one for one in read(store) if one.fate == "finished"]
    told = [one for one in seen if one.best is not None]
    assert told[-1].units_done == told[-1].units == len(plan.units)
    best = sorted(ended, key=lambda one: one.final_loss)[:3]
    assert [one.final_loss for one in told[-1].best] == [one.final_loss for one in best]


def test_errors_of_the_users_code_come_back_as_outcomes(plan):
    task = small_task()

    def broken(output, target):
        raise ValueError("no such thing")

    task.loss = task.own_loss = broken
    unit = plan.units[0]

    recipes = tuple(plan.recipes[place] for place in unit.members)
    outcome = outcome_of(TaskSource(task), Job(unit, recipes))
    assert outcome.kind == "failed"
    assert "no such thing" in outcome.error

    def starved(output, target):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    task.loss = task.own_loss = starved
    assert outcome_of(TaskSource(task), Job(unit, recipes)).kind == "memory"


def test_a_worker_that_is_killed_comes_back_as_lost_and_the_study_goes_on(tmp_path, plan):
    source = TaskSource(small_task())
    whole = run_plan(source, plan, workers=1).contents
    with Store.create(tmp_path / "e.study", plan, Provenance()) as store:
        executor = Processes(source, 2)
        submit, killed = executor.submit, []

        def then_kill(job):
            submit(job)
            if not killed:
                killed.append(executor.pids[-1])
                os.kill(killed[0], signal.SIGKILL)

        executor.submit = then_kill
        try:
            drive(store, executor)
        finally:
            executor.close()
        assert killed
        assert store.contents() == whole
        assert sum(store.attempts(unit.key) for unit in plan.units) == 1


@pytest.mark.parametrize("prune", ["none", "race"])
def test_one_process_and_several_give_the_same_study(plan, prune):
    source = TaskSource(small_task())
    raced = small_plan(source, lr="1e-3..30:9", seeds=3, schedule="constant", prune=prune)
    one = run_plan(source, raced, workers=1)
    several = run_plan(source, raced, workers=2)
    assert one.contents == several.contents
    assert [m.final_loss for m in one.members] == [m.final_loss for m in several.members]


def test_the_users_objects_are_as_before(plan, borrowed):
    task = small_task()
    model = task.make_model(0)
    with borrowed(model, *task.train._leaves):
        run_plan(TaskSource(task), plan, workers=1)


def test_a_race_keeps_the_best_and_says_why_it_gave_the_others_up():
    source = TaskSource(small_task())
    axes = {
        "lr": "1e-3..30:9",
        "seeds": 3,
        "schedule": "constant",
        "optimizer": "sgd",
        "batch_size": "16",
        "epochs": 16,
    }
    full = run_plan(source, small_plan(source, **axes), workers=1)
    raced = run_plan(source, small_plan(source, **axes, prune="race"), workers=1)
    assert raced.cost["member_steps"] < 0.8 * full.cost["member_steps"]
    assert raced.best.recipe.lr == full.best.recipe.lr
    given_up = [one for one in raced.members if one.fate == "retired"]
    assert given_up
    assert all("improvement" in one.reason or "did not finish" in one.reason for one in given_up)
    untrained = [one for one in given_up if one.steps == 0]
    assert all(one.recipe.seed > 0 for one in untrained)
    assert untrained


def worked(executor, job):
    executor.submit(job)
    outcome = executor.next(60)
    assert outcome is not None
    return outcome


def test_short_jobs_share_a_process_until_one_fails_or_it_dies(plan):
    source = TaskSource(small_task())
    first, second = plan.units[:2]
    good, other = (Job(unit, tuple(plan.recipes[place] for place in unit.members)) for unit in (first, second))
    bad = dataclasses.replace(good, recipes=tuple(one.replace(optimizer="no.such:Thing") for one in good.recipes))
    executor = Processes(source, 1)
    try:
        host = worked(executor, good).host
        assert worked(executor, other).host == host
        failed = worked(executor, bad)
        assert (failed.kind, failed.host) == ("failed", host)
        fresh = worked(executor, good)
        assert fresh.host != host
        os.kill(int(fresh.host.rpartition(":")[2]), signal.SIGKILL)  # while it has nothing to do
        after = worked(executor, good)
        if after.kind == "lost":  # it took the job before the kill arrived: the driver gives it out again
            after = worked(executor, good)
        assert after.kind == "done"
        assert after.host != fresh.host
        assert [one.loss for one in after.results] == [one.loss for one in fresh.results]
    finally:
        executor.close()


def test_a_unit_waits_for_what_its_members_compete_in_and_for_nothing_else(tmp_path):
    raced = small_plan(lr="1e-3..3:6", optimizer="sgd", batch_size="8,16", seeds=2, schedule="constant", prune="race")
    rounds_of = {unit.key: unit.round for unit in raced.units}
    assert set(rounds_of.values()) == {0, 1}
    with Store.create(tmp_path / "e.study", raced, Provenance()) as store:
        rounds = Rounds(store, raced.units)
        size = {unit.key: raced.recipes[unit.members[0]].batch_size for unit in raced.units}
        late = {size[unit.key]: unit for unit in raced.units if unit.round}
        assert all(rounds.waits(unit) for unit in late.values())
        for unit in raced.units:
            if not unit.round and size[unit.key] == 8:
                rounds.ended(unit)
        assert not rounds.waits(late[8])
        assert rounds.waits(late[16])
