"""A real cluster of two nodes on this machine: the same records, a node that is lost, a driver that is killed."""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import os
import secrets
import signal
import sqlite3
import threading
import time
import warnings

import pytest
import torch
from small_study import done_units, small_plan, small_task

from surefoot.errors import InputError, SurefootError
from surefoot.study.on_ray import Cluster, ray_module
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import run_plan

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)
AXES = {
    "optimizer": "sgd", "schedule": "constant", "lr": "1e-2..1:2", "batch_size": "16,32", "seeds": 12, "epochs": 5,
    "form": "serial",
}  # fmt: skip


def slow_task(marks=None):
    """The small task with a loss that takes its time without computing: units of one or two seconds, same numbers.

    In the folder `marks`, `wanted` may name a node: the next step there leaves the mark `held` and goes no further.
    """
    task = small_task()

    def unhurried(output, target):
        time.sleep(0.02)
        if marks is not None and (marks / "wanted").exists():
            import ray

            if ray.get_runtime_context().get_node_id() == (marks / "wanted").read_text():
                (marks / "held").touch()
                time.sleep(300)
        return torch.nn.functional.cross_entropy(output, target)

    task.loss = task.own_loss = unhurried
    return task


@pytest.fixture(scope="module")
def whole():
    plan = small_plan(**AXES)
    return plan, run_plan(TaskSource(small_task()), plan, workers=1).contents


@pytest.fixture(scope="module")
def cluster():
    """A head without processors, and a node with two."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_AUTH_MODE", "token")
        ray_module()
        from ray.cluster_utils import Cluster as Nodes

        nodes = Nodes(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False},
        )
        second = nodes.add_node(num_cpus=1, object_store_memory=80_000_000)
        yield nodes, second
        import ray

        ray.shutdown()
        nodes.shutdown()


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.timeout(400)
def test_a_killed_driver_and_a_lost_node_cost_nothing_but_time(tmp_path, cluster, whole):
    nodes, second = cluster
    plan, contents = whole
    path = tmp_path / "kept.study"
    assert os.environ["RAY_AUTH_MODE"] == "token"
    # A driver in a process of its own is killed once it has committed something.
    process = multiprocessing.get_context("spawn").Process(target=drive_alone, args=(path, nodes.address))
    process.start()
    wait_for(lambda: done_units(path))
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    process.close()
    before = done_units(path)
    assert 0 < len(before) < len(plan.units)

    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "wanted").write_text(second.node_id)

    def lose_the_node():
        wait_for((marks / "held").exists)
        nodes.remove_node(second, allow_graceful=False)

    # The next driver loses a node while that works on a unit.
    thread = threading.Thread(target=lose_the_node)
    thread.start()
    study = run_plan(TaskSource(slow_task(marks)), plan, study=path, resume=True, on=nodes.address)
    thread.join()
    assert study.complete
    assert study.contents == contents, "not what one process computes"
    assert done_units(path) >= before
    with Store(path) as store:
        assert store.damage() == []
        assert sum(store.attempts(unit.key) for unit in plan.units) >= 1, "the node was idle when it was lost"


def test_no_cluster_is_said_in_one_line(monkeypatch):
    import ray

    if ray.is_initialized():
        ray.shutdown()

    def refuse(**options):
        raise ConnectionError("Could not find any running Ray instance\nmore text")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(InputError, match=r"no Ray cluster answers there: .*refused.* RAY_AUTH_MODE=token"):
        Cluster(TaskSource(small_task()), "127.0.0.1:1", study="x")
    with pytest.raises(InputError, match=r"`on` is 'ray://127.0.0.1:10001', and no Ray cluster answers"):
        Cluster(TaskSource(small_task()), "ray://127.0.0.1", study="x")
    with pytest.raises(InputError, match=r"no Ray cluster answers there: Could not find .* RAY_AUTH_MODE=token"):
        Cluster(TaskSource(small_task()), "auto", study="x")


def test_without_ray_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'surefoot\[ray\]'"):
        ray_module()


def drive_alone(path, address):
    run_plan(TaskSource(slow_task()), small_plan(**AXES), study=path, on=address)


def wait_for(holds):
    for _ in range(3000):
        with contextlib.suppress(SurefootError, sqlite3.Error, FileNotFoundError):
            if holds():
                return
        time.sleep(0.04)
    raise AssertionError("it did not come about in two minutes")
