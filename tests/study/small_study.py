"""A small task, a plan of many short units, and what the tests of studies ask of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import warnings

import torch
from torch import nn

import surefoot as sf
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import make_plan, run_plan


def small_task():
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(96, 4, generator=draw)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return sf.Task(
        model=lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)),
        train=(x[:64], y[:64]), val=(x[64:], y[64:]), loss=nn.CrossEntropyLoss(), metrics={"accuracy": sf.accuracy},
        name="small", device="cpu",
    )  # fmt: skip


def small_plan(source=None, **changes):
    axes = {
        "lr": "1e-2..10:4", "optimizer": "sgd,adamw", "schedule": "constant,cosine", "batch_size": "16,32", "epochs": 4,
        "seeds": 2, "form": "stacked:4",
    }  # fmt: skip
    return make_plan(source or TaskSource(small_task()), **(axes | changes))


def train_kept(path, plan, *, resume=True, workers=1):
    return run_plan(TaskSource(small_task()), plan, study=path, resume=resume, workers=workers)


def in_a_child(work, *arguments):
    """A forked process that does `work`; far quicker to begin than a new interpreter."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_alone, args=(work, arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def _alone(work, arguments):
    torch.set_num_threads(1)
    work(*arguments)


def kill_after(process, seconds):
    """SIGKILL the process after some seconds; whether it still ran."""
    time.sleep(seconds)
    alive = process.is_alive()
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    process.close()
    return alive


def done_units(path):
    with Store(path) as store:
        return {unit.key for unit in store.units("done")}


@contextlib.contextmanager
def interrupted_at_commit(monkeypatch, number):
    """Inside, that commit of a study is cut off by Ctrl-C."""
    commit, calls = Store.commit, [0]

    def interrupted(self, *arguments, **named):
        calls[0] += 1
        if calls[0] == number:
            raise KeyboardInterrupt
        return commit(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", interrupted)
        yield
