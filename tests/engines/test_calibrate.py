"""The choice of an engine: from measurements, within memory, without a trace on the user's objects."""

from __future__ import annotations

import contextlib
import gc
import math

import numpy as np
import pytest
import torch
from torch import nn

from surefoot.engines import calibrate
from surefoot.engines.calibrate import arrange, build_engine, choose_engine
from surefoot.engines.fused import Fused
from surefoot.engines.memory import allowed_bytes, bytes_per_member
from surefoot.engines.pool import Pool
from surefoot.engines.serial import Serial
from surefoot.errors import InputError, MemoryBoundError
from surefoot.records import Recipe
from surefoot.tasks.task import Task


class Choosing(nn.Module):
    """Control flow by the data: neither traced nor vmapped."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        y = self.last(x)
        return y if y.sum() > 0 else y * 2


def small():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def make_task(model=small, size=40):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(size, 6, generator=generator)
    y = (x @ torch.randn(6, 3, generator=generator)).argmax(1)
    return Task(model, (x, y), (x, y), loss=nn.CrossEntropyLoss())


def recipes(count, **changes):
    return [Recipe("sgd", 0.01 * (k + 1), batch_size=8, **changes) for k in range(count)]


@pytest.fixture
def measured(monkeypatch):
    """Seconds of a member-step are what the test says, by engine and members."""
    seconds = {}

    def measure(self, key, engine, members):
        engine.close()
        self.seconds[key] = seconds.get(key, seconds["other"])
        return self.seconds[key]

    monkeypatch.setattr(calibrate._Calibration, "measure", measure)
    monkeypatch.setattr(calibrate, "_cores", lambda: 2)
    return seconds


def test_the_faster_way_is_taken(measured):
    measured.update({"serial": 1e-3, "other": 1e-4})
    found = arrange(make_task(), recipes(8), 1000)
    assert found.form is not None
    assert found.processes == 2
    assert "10.0 times as fast" in found.reason
    measured.update({"serial": 1e-4, "other": 1e-3})
    found = arrange(make_task(), recipes(8), 1000)
    assert (found.form, found.processes) == (None, 2)
    assert "0.10 times as fast" in found.reason


def test_the_width_climbs_while_it_pays(measured, monkeypatch):
    monkeypatch.setattr(calibrate, "CACHE_BYTES", 1)  # the guess is one member
    measured.update({"serial": 1e-3, "fused 1": 9e-4, "fused 4": 5e-4, "fused 16": 2e-4, "fused 32": 3e-4, "other": 1})
    assert arrange(make_task(), recipes(64), 1000).width == 16
    measured["fused 4"] = 1e-3
    assert arrange(make_task(), recipes(64), 1000).width == 1


def test_little_work_stays_in_this_process(measured):
    measured.update({"serial": 1e-3, "other": 1e-5})
    assert arrange(make_task(), recipes(8), 1000).processes == 1
    assert arrange(make_task(), recipes(8), 20_000).processes == 2
    assert arrange(make_task(), recipes(8), 20_000, processes=1).processes == 1


def test_one_large_member_takes_all_threads(measured, monkeypatch):
    monkeypatch.setattr(calibrate.torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(calibrate, "borrowed_threads", lambda _: contextlib.nullcontext())
    measured.update({"serial": 1.0, "serial, 4 threads": 0.3, "other": 0.9})
    found = arrange(make_task(), recipes(1), 1000)
    assert (found.form, found.processes, found.threads) == (None, 1, 4)


def test_what_cannot_be_fused_runs_serially_and_says_why(measured):
    measured.update({"other": 1e-3})
    found = arrange(make_task(Choosing), recipes(8), 10_000)
    assert found.form is None
    assert "cannot be traced" in found.reason
    assert "vmap" in found.reason


def test_memory_bounds_the_width_and_then_refuses(measured):
    measured.update({"serial": 1e-3, "other": 1e-5})
    task, many = make_task(), recipes(64)
    waiting, training = bytes_per_member(task, many[0])
    numbers = sum(p.numel() for p in task.make_model(0).parameters()) * 4
    assert waiting == numbers  # sgd without momentum keeps nothing else
    assert training >= 2 * numbers + 8 * (6 + 8 + 3) * 4
    assert arrange(task, many, 20_000, memory=64 * waiting + 6 * training).width == 3
    assert arrange(task, many, 20_000, memory=64 * waiting + training).processes == 1
    with pytest.raises(MemoryBoundError, match=r"`memory` is .* (bytes|kB|MB) and 64 members need at least"):
        arrange(task, many, 20_000, memory=64 * waiting)
    with pytest.raises(InputError, match="`memory` is 0"):
        allowed_bytes(0)
    assert allowed_bytes(None) > 2**20


def test_momentum_and_buffers_count_as_memory():
    plain = bytes_per_member(make_task(), recipes(1)[0])[0]
    with_momentum = bytes_per_member(make_task(), recipes(1, options={"momentum": 0.9})[0])[0]
    assert with_momentum == 2 * plain
    normed = bytes_per_member(make_task(lambda: nn.Sequential(small(), nn.BatchNorm1d(3))), recipes(1)[0])[0]
    assert normed == plain + 4 * (3 + 3) + 4 * (3 + 3) + 8


def test_measuring_is_brief_and_once_per_kind_of_recipe(monkeypatch):
    task, some = make_task(), recipes(6)
    first = arrange(task, some, 50)
    assert 0 < first.seconds["serial"] < math.inf
    assert any(key.startswith("fused") for key in first.seconds)
    monkeypatch.setattr(calibrate._Calibration, "measure", lambda *_: pytest.fail("measured again"))
    assert arrange(task, some, 50).seconds == first.seconds


def test_what_was_measured_is_forgotten_with_the_task():
    task = make_task()
    arrange(task, recipes(6), 50)
    known = len(calibrate._KNOWN)
    del task
    gc.collect()
    assert len(calibrate._KNOWN) < known


def test_chosen_engines_train_like_the_serial_one():
    task, some = make_task(), recipes(5, options={"momentum": 0.9}, schedule="cosine")
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    serial = Serial(task, some, horizon=20)
    found = arrange(task, some, 20, processes=2)
    engines = [
        choose_engine(task, some, horizon=20),
        build_engine(calibrate.dataclasses.replace(found, processes=2), task, some, horizon=20),
    ]
    assert isinstance(engines[0], Fused | Serial)
    assert isinstance(engines[1], Pool)
    for engine in (serial, *engines):
        engine.advance(20)
        engine.validate()
        engine.close()
    for engine in engines:
        for one, other in zip(serial.runs(), engine.runs(), strict=True):
            np.testing.assert_allclose(other.loss, one.loss, rtol=1e-4)
            np.testing.assert_allclose(other.val_loss, one.val_loss, rtol=1e-4)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
