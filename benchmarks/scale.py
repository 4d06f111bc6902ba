"""What a study costs beside the training, and what saturates first with many nodes.

Measured here: planning and bytes per member, a commit of a batch of members, the trip of an empty job to a process and
to a Ray worker, and the throughput of a real study with one and two Ray nodes. From these a simulation by events: N
nodes train batches of known length, each batch waits for the one driver, nodes are lost at random. It says how busy
nodes and driver are, and how long 10^7 members take.

    python benchmarks/scale.py                # about two minutes; benchmarks/records/scale.json and docs/scale.md
    python benchmarks/scale.py --no-ray --no-record
"""

from __future__ import annotations

import argparse
import datetime
import heapq
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surefoot.records import Provenance
from surefoot.study.executors import Processes
from surefoot.study.sources import TaskSource
from surefoot.study.store import MemberResult, Store
from surefoot.study.summary import study_of
from surefoot.study.sweep import make_plan, run_plan
from surefoot.study.unit import Job

HERE = Path(__file__).parent
RECORD, PAGE = HERE / "records" / "scale.json", HERE.parent / "docs" / "scale.md"
MARKS = ("<!-- numbers -->\n", "<!-- end of numbers -->\n")
BATCH, STEPS = 25, 230
CORES = len(os.sched_getaffinity(0))


def planning(source: TaskSource) -> dict[str, float]:
    """Seconds and bytes per member of a plan of 10,000 members."""
    began = time.perf_counter()
    plan = make_plan(source, lr="1e-4..1:25", optimizer="sgd,adamw", schedule="constant", batch_size="32,64",
                     epochs=10, seeds=100, form="stacked:25")  # fmt: skip
    took = time.perf_counter() - began
    return {"seconds": took / len(plan.recipes), "bytes": len(plan.dumps()) / len(plan.recipes)}


def committing(source: TaskSource, batches: int) -> dict[str, float]:
    """Seconds of a commit of 25 members with 230 losses each, median; bytes of the file, and seconds of the summary of
    the study at its end, both per member.
    """
    plan = make_plan(source, lr="1e-4..1:25", optimizer="sgd", schedule="constant", batch_size="64", epochs=10,
                     seeds=batches, form="stacked:25")  # fmt: skip
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "commits.study"
        times = []
        with Store.create(path, plan, Provenance()) as store:
            for unit in plan.units:
                results = [
                    MemberResult("finished", "", 0.5, 0.1, 2.3, STEPS, {"accuracy": 0.9}, 0.1,
                                 {"loss": draw.gamma(2.0, 0.5, STEPS).astype(np.float32)})
                    for _ in unit.members
                ]  # fmt: skip
                began = time.perf_counter()
                store.commit(unit, results, seconds=1.0, host="here")
                times.append(time.perf_counter() - began)
        with Store(path) as store:
            began = time.perf_counter()
            study_of(store, Provenance())
            summary = (time.perf_counter() - began) / len(plan.recipes)
        return {"seconds": statistics.median(times), "slowest": max(times), "summary": summary,
                "bytes": path.stat().st_size / len(plan.recipes)}  # fmt: skip


def handled(executor: Any, source: TaskSource, count: int) -> float:
    """Seconds that a job which trains nothing costs, as many under way at once as the executor takes."""
    plan = make_plan(source, lr="1e-4..1:25", optimizer="sgd", schedule="constant", batch_size="64", epochs=10,
                     seeds=count + 4, form="stacked:25")  # fmt: skip
    jobs = []
    for unit in plan.units:
        recipes = tuple(plan.recipes[place] for place in unit.members)
        jobs.append(Job(unit, recipes, dict.fromkeys(range(len(recipes)), "left out")))
    for job in jobs[:4]:  # workers are there
        executor.submit(job)
        while executor.next(60.0) is None:
            pass
    began, waiting, done = time.perf_counter(), jobs[4:], 0
    while done < count:
        while waiting and executor.free > 0:
            executor.submit(waiting.pop())
        done += executor.next(60.0) is not None
    return (time.perf_counter() - began) / count


def on_ray(source: TaskSource) -> dict[str, Any]:
    """The trip to a Ray worker, and members a second of the same study with one node and with two."""
    os.environ.setdefault("RAY_AUTH_TOKEN", "0" * 64)
    from surefoot.study.on_ray import Cluster, ray_module

    ray = ray_module()
    from ray.cluster_utils import Cluster as Nodes

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    nodes = Nodes(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    plan = make_plan(source, lr="1e-4..1:25", optimizer="sgd,adamw", schedule="constant", batch_size="64", epochs=10,
                     seeds=10, form="stacked:25")  # fmt: skip
    rates = {}
    try:
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        executor = Cluster(source, nodes.address, study="scale")
        trip = handled(executor, source, 100)
        for count in (1, 2):
            if count == 2:
                nodes.add_node(**node)
                nodes.wait_for_nodes()
            small = make_plan(source, lr="1e-4..1:2", optimizer="sgd", schedule="constant", batch_size="64", epochs=1,
                              seeds=4, form="stacked:25")  # fmt: skip
            run_plan(source, small, on=nodes.address)  # workers are there
            began = time.perf_counter()
            run_plan(source, plan, on=nodes.address)
            rates[count] = len(plan.recipes) / (time.perf_counter() - began)
    finally:
        ray.shutdown()
        nodes.shutdown()
    return {"trip": trip, "members_per_second": rates}


def simulated(
    nodes: int, members: int, per_batch: int, batch_seconds: float, driver_seconds: float, failures_per_hour: float
) -> dict[str, float]:
    """A study by events: batches of random length on nodes, one driver that takes `driver_seconds` of each.

    Args:
        nodes: with one slot each.
        members: in all.
        per_batch: members of a batch.
        batch_seconds: mean length of a batch; lengths are log-normal with a deviation of half of it.
        driver_seconds: the driver's time for a batch: sending, receiving, committing.
        failures_per_hour: of a node; its batch is lost and begins anew, a minute later.
    """
    draw = np.random.default_rng(0)
    spread = np.sqrt(np.log(1.25))
    left = members // per_batch
    total, lost = left, 0
    free_at, busy, trained = 0.0, 0.0, 0.0
    events: list[tuple[float, int]] = []

    def begin(now: float, node: int) -> None:
        nonlocal lost, trained
        length = batch_seconds * float(np.exp(draw.normal(-(spread**2) / 2, spread)))
        end = now + length
        while failures_per_hour > 0 and draw.random() < 1 - np.exp(-length * failures_per_hour / 3600):
            lost += 1
            end += 60.0 + length * float(draw.random())
        trained += length
        heapq.heappush(events, (end, node))

    for node in range(min(nodes, left)):
        begin(0.0, node)
        left -= 1
    now = 0.0
    while events:
        now, node = heapq.heappop(events)
        free_at = max(free_at, now) + driver_seconds
        busy += driver_seconds
        if left > 0:
            left -= 1
            begin(free_at, node)
    wall = max(free_at, now)
    return {
        "hours": wall / 3600, "driver_busy": busy / wall, "nodes_busy": trained / (wall * min(nodes, total)),
        "batches": total, "batches_lost": lost,
    }  # fmt: skip


def table(record: dict[str, Any]) -> str:
    """The part of the page that holds numbers."""
    one, machine, versions = record["measured"], record["machine"], record["versions"]
    plans, commit = one["planning"], one["commit"]
    lines = [
        f"Measured {record['date'][:10]} on {machine['architecture']} with {machine['cores']} cores (load "
        f"{machine['load']:.1f}), Python {versions['python']}, torch {versions['torch']}.",
        "",
        "| What | Cost |",
        "|---|---|",
        f"| planning, per member | {plans['seconds'] * 1e6:.0f} µs, {plans['bytes']:.0f} bytes of plan |",
        f"| a commit of {BATCH} members with {STEPS} losses each | {commit['seconds'] * 1e3:.1f} ms |",
        f"| the file, per member | {commit['bytes']:.0f} bytes |",
        f"| reading and analysing the study at its end, per member | {commit['summary'] * 1e6:.0f} µs |",
        f"| a job to a forked process and back | {one['process_trip'] * 1e3:.1f} ms |",
    ]
    if one["ray"] is not None:
        lines.append(f"| a job to a Ray worker and back, several under way | {one['ray']['trip'] * 1e3:.1f} ms |")
        for count, rate in one["ray"]["members_per_second"].items():
            lines.append(
                f"| digits MLP, 10 epochs, on {count} Ray node(s) of one core | {rate:.0f} members per second |"
            )
    lines += [
        "",
        f"Simulated with {record['driver_seconds'] * 1e3:.1f} ms of the driver's time for every batch, and one failure "
        "of a node per 100 hours:",
        "",
        "| Nodes | Members | Batch | Length of a batch | Hours | Nodes busy | Driver busy | Batches lost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record["simulated"]:
        lines.append(
            f"| {row['nodes']:,} | {row['members']:,} | {row['per_batch']} | {row['batch_seconds']:g} s | "
            f"{row['hours']:.2f} | {row['nodes_busy']:.0%} | {row['driver_busy']:.0%} | {row['batches_lost']:,} |"
        )
    shortest = record["driver_seconds"] * 1000
    plan = 1e7 * one["planning"]["bytes"] / 1e9
    file = 1e7 * one["commit"]["bytes"] / 1e9
    lines += [
        "",
        f"So with a thousand nodes the driver keeps up while a batch takes at least about {shortest:.0f} s. 10^7 "
        f"members mean {plan:.0f} GB of plans and {file:.0f} GB of files: ten studies of a million members each, one "
        "after the other or from ten drivers, which also takes the driver's part of the load apart.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Overheads of a study, and a simulation of many nodes.")
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    source = TaskSource("digits")
    measured: dict[str, Any] = {"planning": planning(source), "commit": committing(source, 60)}
    executor = Processes(source, 1)
    measured["process_trip"] = handled(executor, source, 30)
    executor.close()
    measured["ray"] = None if options.no_ray else on_ray(source)
    trip = measured["process_trip"] if measured["ray"] is None else measured["ray"]["trip"]
    driver = measured["commit"]["seconds"] + trip
    rows = []
    for nodes, members, per_batch, seconds in (
        (10, 10**5, 25, 10.0), (100, 10**6, 25, 10.0), (1000, 10**7, 25, 2.0), (1000, 10**7, 25, 10.0),
        (1000, 10**7, 100, 40.0),
    ):  # fmt: skip
        found = simulated(nodes, members, per_batch, seconds, driver, 0.01)
        rows.append({"nodes": nodes, "members": members, "per_batch": per_batch, "batch_seconds": seconds} | found)
    record = {
        "what": "what a study costs beside the training, and a simulation of many nodes",
        "command": " ".join(["python", "benchmarks/scale.py", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"architecture": platform.machine(), "cores": CORES, "load": os.getloadavg()[0]},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "measured": measured, "driver_seconds": driver, "simulated": rows,
    }  # fmt: skip
    shown = table(json.loads(json.dumps(record)))
    print(shown)
    if options.no_record:
        return
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    PAGE.write_text(before + MARKS[0] + "\n" + shown + "\n" + MARKS[1] + after, encoding="utf-8")
    print(f"wrote {RECORD} and {PAGE}")


if __name__ == "__main__":
    main()
