"""A real cluster of two nodes on this machine: the same records, a node that is lost, a driver that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings

import pytest
from small_study import done_units, small_plan, small_task

from surefoot.errors import InputError
from surefoot.study.on_ray import Cluster, ray_module
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import run_plan

pytest.importorskip("ray")
AXES = {"optimizer": "sgd", "schedule": "constant", "lr": "1e-2..1:2", "batch_size": "8,16", "seeds": 3, "epochs": 400}
"""Six units of about half a second."""


@pytest.fixture(scope="module")
def whole():
    plan = small_plan(**AXES)
    return plan, run_plan(TaskSource(small_task()), plan, workers=1).contents


@pytest.fixture(scope="module")
def cluster():
    """A head without processors, and a node with two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
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


@pytest.mark.timeout(200)
def test_a_cluster_gives_the_same_study_asks_for_a_token_and_survives_a_killed_driver(tmp_path, cluster, whole):
    nodes, _ = cluster
    plan, contents = whole
    path = tmp_path / "driver.study"
    assert os.environ["RAY_AUTH_MODE"] == "token"
    # A driver of its own process, killed once it has committed something.
    process = multiprocessing.get_context("spawn").Process(target=drive_alone, args=(path, nodes.address))
    process.start()
    for _ in range(1200):
        if path.exists() and path.stat().st_size and _committed(path):
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    process.close()
    before = done_units(path)
    assert before
    study = run_plan(TaskSource(small_task()), plan, study=path, resume=True, on=nodes.address)
    assert study.complete
    assert study.contents == contents
    assert done_units(path) >= before


@pytest.mark.timeout(200)
def test_a_node_that_is_lost_within_a_unit_costs_nothing_but_time(tmp_path, cluster, whole):
    nodes, second = cluster
    plan, contents = whole
    path = tmp_path / "node.study"

    def lose_it():
        for _ in range(1200):
            if path.exists() and path.stat().st_size and _committed(path):
                nodes.remove_node(second, allow_graceful=False)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=lose_it)
    thread.start()
    study = run_plan(TaskSource(small_task()), plan, study=path, on=nodes.address)
    thread.join()
    assert study.complete
    assert study.contents == contents
    with Store(path) as store:
        assert store.damage() == []


def test_no_cluster_is_said_in_one_line(monkeypatch):
    import ray

    if ray.is_initialized():
        ray.shutdown()

    def refuse(**options):
        assert options["address"] == "127.0.0.1:1"
        raise ConnectionError("Could not find any running Ray instance\nmore text")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(InputError, match=r"no Ray cluster answers there: Could not find .* RAY_AUTH_MODE=token"):
        Cluster(TaskSource(small_task()), "127.0.0.1:1", study="x")


def test_without_ray_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'surefoot\[ray\]'"):
        ray_module()


def drive_alone(path, address):
    run_plan(TaskSource(small_task()), small_plan(**AXES), study=path, on=address)


def _committed(path):
    try:
        return bool(done_units(path))
    except Exception:
        return False
