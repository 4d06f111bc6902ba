"""Members over worker processes: same results, whatever happens to a worker."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from surefoot.engines.fused import Fused
from surefoot.engines.pool import Pool, can_fork
from surefoot.engines.serial import Serial
from surefoot.errors import RecipeError, SurefootError
from surefoot.records import Recipe
from surefoot.tasks.task import Task

pytestmark = pytest.mark.skipif(not can_fork(), reason="worker processes are forked")
HORIZON = 12


@pytest.fixture
def task():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 6, generator=generator)
    y = (x @ torch.randn(6, 3, generator=generator)).argmax(1)
    return Task(
        lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), (x, y), (x, y), loss=nn.CrossEntropyLoss()
    )


@pytest.fixture
def recipes():
    return [Recipe("sgd", lr, batch_size=8) for lr in (0.01, 0.03, 0.1, 0.3, 1e38)]


def pool(task, recipes, kind=Fused, processes=2):
    return Pool(lambda part: kind(task, [recipes[p] for p in part], horizon=HORIZON), recipes, HORIZON, processes)


def drive(engine, disturb=lambda: None):
    engine.validate()
    engine.advance(5)
    engine.retire([1], "retired", "others were better")
    disturb()
    last = engine.validate()
    state = engine.state_dict(3)
    engine.advance(100)
    engine.validate()
    engine.close()
    return last, state, engine.runs()


def assert_same(one, other):
    assert one[0].members == other[0].members
    np.testing.assert_allclose(other[0].groups, one[0].groups, rtol=1e-5)
    assert list(one[1]) == list(other[1])
    for name, value in one[1].items():
        torch.testing.assert_close(other[1][name], value)
    for a, b in zip(one[2], other[2], strict=True):
        assert (a.recipe, a.fate) == (b.recipe, b.fate)
        np.testing.assert_allclose(b.loss, a.loss, rtol=1e-5)
        np.testing.assert_allclose(b.val_loss, a.val_loss, rtol=1e-5)


@pytest.mark.parametrize("kind", [Serial, Fused])
def test_pool_trains_as_one_engine(task, recipes, kind):
    alone = kind(task, recipes, horizon=HORIZON)
    spread = pool(task, recipes, kind)
    assert spread.alive == alone.alive == [0, 1, 2, 3, 4]
    one, other = drive(alone), drive(spread)
    assert_same(one, other)
    assert spread.done == HORIZON
    assert spread.alive == []
    assert other[2][4].fate == "diverged"


def test_a_worker_that_dies_is_replaced(task, recipes):
    spread = pool(task, recipes)

    def kill():
        os.kill(spread._workers[0]._process.pid, signal.SIGKILL)

    assert_same(drive(pool(task, recipes)), drive(spread, kill))


def test_a_worker_that_keeps_dying_is_reported(task, recipes):
    class Dying(Fused):
        def advance(self, steps):
            os._exit(3)

    spread = pool(task, recipes, Dying)
    with pytest.raises(SurefootError, match=r"died twice \(exit code 3\).*`memory`"):
        spread.advance(1)
    spread.close()


def test_errors_in_a_worker_come_back_as_they_are(task):
    with pytest.raises(RecipeError, match="`lr`"):
        pool(task, [Recipe("sgd", batch_size=8)] * 2)


def test_an_interrupt_loses_nothing(task, recipes, monkeypatch):
    spread = pool(task, recipes)
    worker = spread._workers[0]
    real = type(worker).receive
    calls = []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(type(worker), "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        spread.advance(5)
    spread.retire(spread.alive, "interrupted", "interrupted from outside")
    spread.close()
    runs = spread.runs()
    assert {run.fate for run in runs[:4]} == {"interrupted"}
    assert all(run.steps == 5 for run in runs[:4])


def test_workers_end_with_the_pool(task, recipes):
    spread = pool(task, recipes)
    processes = [worker._process.pid for worker in spread._workers]
    assert len(processes) == 2
    spread.close()
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
