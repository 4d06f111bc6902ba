"""What forked processes share with the one that they come from: a lock that a killed one held must block nobody."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from small_study import in_a_child, small_plan, small_task

from surefoot.errors import OutputError
from surefoot.study.locking import WriterLock
from surefoot.study.sources import TaskSource
from surefoot.study.sweep import run_plan


class Taken:
    """A lock as a killed process leaves it: whoever waits for it waits for ever."""

    def acquire(self, *_, **__):
        raise AssertionError("waits for the lock of progress bars")

    def release(self):
        raise AssertionError("gives back a lock that it cannot have")

    def __enter__(self):
        self.acquire()

    def __exit__(self, *_):
        self.release()


def test_training_takes_no_lock_that_all_forked_processes_share():
    bars = pytest.importorskip("tqdm").tqdm
    before = bars.get_lock()
    bars.set_lock(Taken())
    try:
        study = run_plan(TaskSource(small_task()), small_plan(optimizer="sgd", schedule="constant"), workers=1)
    finally:
        bars.set_lock(before)
    assert {one.fate for one in study.members} <= {"finished", "diverged"}, study.members[0].reason


def test_a_worker_has_a_lock_of_its_own_for_the_users_progress_bars():
    bars = pytest.importorskip("tqdm").tqdm
    task = small_task()
    loss = task.loss

    def with_a_bar(output, target):
        bar = sys.modules["tqdm"].tqdm(range(1), disable=True)
        return loss(output, target) * len(bar)

    task.loss = task.own_loss = with_a_bar
    before = bars.get_lock()
    plan = small_plan(optimizer="sgd", schedule="constant", form="serial", lr="0.1,0.2", epochs=1, seeds=1)
    bars.set_lock(Taken())
    try:
        study = run_plan(TaskSource(task), plan, workers=2)
    finally:
        bars.set_lock(before)
    assert {one.fate for one in study.members} <= {"finished", "diverged"}, study.members[0].reason


def test_a_process_that_outlives_the_writer_does_not_hold_its_lock(tmp_path):
    path = tmp_path / "a.study"

    def write_and_leave_a_process():
        lock = WriterLock(path)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        (tmp_path / "child").write_text(str(child))
        (tmp_path / "ready").touch()
        time.sleep(60)
        lock.release()

    process = in_a_child(write_and_leave_a_process)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    with pytest.raises(OutputError, match="another process"):
        WriterLock(path)
    process.kill()
    while process.is_alive():
        time.sleep(0.01)
    child = int((tmp_path / "child").read_text())
    try:
        os.kill(child, 0)  # it lives
        WriterLock(path).release()
    finally:
        os.kill(child, signal.SIGKILL)
    process.close()
