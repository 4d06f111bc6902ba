"""How much faster are many members at once? Ratios of wall time for the same member-steps.

Against (a) the stock PyTorch loop (module, loss, backward, torch.optim.SGD with momentum), members one after the other
with torch's default threads, and (b) the same loop in as many single-threaded processes as there are cores. Data sit in
memory and batches are drawn by index in all of them. The three are measured in turn, several times, and medians are
compared, so that other load on the machine meets all alike; the load is printed too.

    python benchmarks/fused.py                # the table, and benchmarks/records/fused.json
    python benchmarks/fused.py --only digits --seconds 0.5 --no-record
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from surefoot.engines.calibrate import arrange, build_engine
from surefoot.records import Recipe
from surefoot.tasks.models.simple_cnn import SimpleCNN
from surefoot.tasks.task import Task

RECORD = Path(__file__).parent / "records" / "fused.json"
CORES = len(os.sched_getaffinity(0))
MOMENTUM = 0.9


class Case(NamedTuple):
    model: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int
    """0: one number per example, with the squared error."""
    examples: int
    batch: int | str
    members: int
    goals: tuple[float, float]
    """To reach against (a) and (b)."""
    loss: Callable[..., Any] = F.cross_entropy


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def small_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def lenet(first: int, second: int, kernel: int, padding: int, flat: int, dense: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, first, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(first, second, kernel), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), *mlp(flat, *dense, 10),
    )  # fmt: skip


CASES = {
    "XOR 2-4-1": Case(lambda: mlp(2, 4, 1, activation=nn.Tanh), (2,), 0, 4, "full", 256, (60, 30), F.mse_loss),
    "digits MLP 64-32-10": Case(lambda: mlp(64, 32, 10), (64,), 10, 1500, 64, 64, (15, 8)),
    "MLP 784-256-10": Case(lambda: mlp(784, 256, 10), (784,), 10, 4000, 64, 32, (2, 1.2)),
    "CNN 8x8, 16-32 channels": Case(small_cnn, (1, 8, 8), 10, 1500, 64, 32, (3, 1.5)),
    "SimpleCNN 28x28": Case(SimpleCNN, (1, 28, 28), 10, 2000, 64, 8, (1.5, 1.0), F.nll_loss),
    "LeNet 6-16": Case(lambda: lenet(6, 16, 5, 2, 400, (120, 84)), (1, 28, 28), 10, 2000, 64, 8, (1, 1)),
    "LeNet-size 20-50": Case(lambda: lenet(20, 50, 5, 0, 800, (500,)), (1, 28, 28), 10, 2000, 64, 8, (1, 1)),
}


def data_of(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(case.examples, *case.shape, generator=generator)
    if case.classes:
        return x, torch.randint(case.classes, (case.examples,), generator=generator)
    return x, torch.rand(case.examples, 1, generator=generator)


def stock_step(case: Case, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    """One step of the loop everybody writes."""
    model = case.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=MOMENTUM)
    batch = case.examples if case.batch == "full" else int(case.batch)
    state = {"order": torch.randperm(case.examples), "at": 0}

    def step() -> None:
        at = state["at"]
        if at + batch > case.examples:
            state["order"], at = torch.randperm(case.examples), 0
        index = state["order"][at : at + batch]
        state["at"] = at + batch
        optimizer.zero_grad()
        case.loss(model(x[index]), y[index]).backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None], seconds: float) -> float:
    """Seconds of one step, over at least `seconds`."""
    for _ in range(3):
        step()
    count, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds or count < 3:
        step()
        count += 1
    return spent / count


def over_processes(make: Callable[[], Callable[[], None]], seconds: float, processes: int = CORES) -> float:
    """Seconds of one step when as many single-threaded processes make steps at the same time."""
    context = multiprocessing.get_context("fork")
    ready, results = context.Barrier(processes), context.SimpleQueue()

    def work() -> None:
        torch.set_num_threads(1)
        step = make()
        for _ in range(3):
            step()
        ready.wait()
        results.put(timed(step, seconds))

    workers = [context.Process(target=work) for _ in range(processes)]
    for worker in workers:
        worker.start()
    rates = [1 / results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return 1 / sum(rates)


def matmul_peak(seconds: float = 0.3) -> float:
    """Operations per second of all cores in float32 products of 1024 x 1024, one thread each."""

    def make() -> Callable[[], None]:
        a, b, out = torch.rand(1024, 1024), torch.rand(1024, 1024), torch.empty(1024, 1024)
        return lambda: torch.mm(a, b, out=out)  # type: ignore[return-value]

    return 2 * 1024**3 / over_processes(make, seconds)


def operations(case: Case, x: torch.Tensor, y: torch.Tensor) -> int:
    """Floating-point operations in the products and convolutions of one member-step."""
    batch = case.examples if case.batch == "full" else int(case.batch)
    model = case.model()
    with FlopCounterMode(display=False) as counter:
        case.loss(model(x[:batch]), y[:batch]).backward()
    return int(counter.get_total_flops())


def grouped_step(case: Case, x: torch.Tensor, y: torch.Tensor, members: int) -> Callable[[], None] | None:
    """Members as groups of one convolution and batches of one product, with autograd (as HFTA does); a step of all.

    Wang et al. 2021. None for models without convolution.
    """
    layers = [*SimpleLayers()] if case.model is SimpleCNN else [*case.model()]
    if not any(isinstance(layer, nn.Conv2d) for layer in layers):
        return None
    weights: dict[int, list[torch.Tensor]] = {}
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weights[number] = [
                p.detach().expand(members, *p.shape).clone().requires_grad_(True) for p in (layer.weight, layer.bias)
            ]
    optimizer = torch.optim.SGD([p for pair in weights.values() for p in pair], lr=1e-3, momentum=MOMENTUM)
    batch = int(case.batch)

    def step() -> None:
        index = torch.randint(case.examples, (batch,))
        values = x[index].repeat(1, members, 1, 1)
        for number, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                weight, bias = weights[number]
                values = F.conv2d(values, weight.flatten(0, 1), bias.flatten(), padding=layer.padding, groups=members)
            elif isinstance(layer, nn.Flatten):
                values = values.view(batch, members, -1).transpose(0, 1)
            elif isinstance(layer, nn.Linear):
                weight, bias = weights[number]
                values = torch.baddbmm(bias.unsqueeze(1), values, weight.transpose(1, 2))
            else:
                values = layer(values)
        optimizer.zero_grad()
        loss = F.cross_entropy(values.flatten(0, 1), y[index].repeat(members)) * members
        loss.backward()
        optimizer.step()

    return step


class SimpleLayers(nn.Sequential):
    """SimpleCNN as a sequence; its log-softmax is part of the cross-entropy."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 10, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6760, 10))


def measure(case: Case, seconds: float, repeats: int) -> dict[str, Any]:
    x, y = data_of(case)
    task = Task(case.model, (x, y), (x[:4], y[:4]), loss=case.loss)
    recipes = [
        Recipe("sgd", 10 ** (-4 + 2 * k / case.members), {"momentum": MOMENTUM}, batch_size=case.batch)
        for k in range(case.members)
    ]
    horizon = 10**5 if case.classes == 0 else 10**4
    started = time.perf_counter()
    found = arrange(task, recipes, horizon, processes=CORES)
    calibration = time.perf_counter() - started
    engine = build_engine(found, task, recipes, horizon=horizon)
    threads: list[float] = []
    processes: list[float] = []
    fused: list[float] = []
    loads: list[float] = []
    try:
        engine.advance(2)
        guess = min(value for key, value in found.seconds.items() if key.startswith(("fused", "serial")))
        steps = max(1, round(0.5 / (guess * case.members / found.processes)))  # the pace of `train_members`
        for _ in range(repeats):
            loads.append(os.getloadavg()[0])
            threads.append(timed(stock_step(case, x, y), seconds))
            processes.append(over_processes(lambda: stock_step(case, x, y), seconds))
            before, done = time.perf_counter(), engine.done
            while time.perf_counter() - before < seconds:
                engine.advance(steps)
            fused.append((time.perf_counter() - before) / (engine.done - done) / case.members)
    finally:
        engine.retire(engine.alive, "retired", "measured")
        engine.close()
    grouped = {}
    for width in (2, 4, 8):
        if grouped_step(case, x, y, 1) is not None:
            grouped[width] = over_processes(lambda w=width: grouped_step(case, x, y, w), seconds / 2) / width  # type: ignore[misc]
    own = statistics.median(fused)
    ratios = [statistics.median(threads) / own, statistics.median(processes) / own]
    return {
        "members": case.members,
        "batch": case.batch,
        "stock_seconds": statistics.median(threads),
        "stock_processes_seconds": statistics.median(processes),
        "fused_seconds": own,
        "ratio_threads": ratios[0],
        "ratio_processes": ratios[1],
        "goals": list(case.goals),
        "reached": all(ratio >= goal for ratio, goal in zip(ratios, case.goals, strict=True)),
        "operations": operations(case, x, y),
        "grouped_seconds": grouped,
        "arrangement": found.reason,
        "width": found.width,
        "processes": found.processes,
        "calibration_seconds": calibration,
        "all": {"stock": threads, "stock_processes": processes, "fused": fused},
        "load": loads,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Ratios of the stock loop's time to that of many members at once.")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--seconds", type=float, default=1.0, help="per measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    peak = matmul_peak()
    print(f"{CORES} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    print(f"matrix-product peak of all cores: {peak / 1e9:.0f} GFLOP/s\n")
    print(
        f"{'member-steps of':26}{'K':>4}{'stock':>10}{'x procs':>10}{'fused':>10}"
        f"{'ratio a':>9}{'goal':>6}{'ratio b':>9}{'goal':>6}{'peak':>7}{'grouped':>10}{'load':>6}  how"
    )
    rows = {}
    for name, case in CASES.items():
        if options.only and options.only.lower() not in name.lower():
            continue
        row = measure(case, options.seconds, options.repeats)
        row["share_of_peak"] = row["operations"] / row["fused_seconds"] / peak
        rows[name] = row
        grouped = f"{min(row['grouped_seconds'].values()) * 1e6:.0f}" if row["grouped_seconds"] else "-"
        micro = [row[key] * 1e6 for key in ("stock_seconds", "stock_processes_seconds", "fused_seconds")]
        print(
            f"{name:26}{row['members']:4}{micro[0]:10.1f}{micro[1]:10.1f}{micro[2]:10.2f}"
            f"{row['ratio_threads']:9.2f}{case.goals[0]:6g}{row['ratio_processes']:9.2f}{case.goals[1]:6g}"
            f"{row['share_of_peak']:7.1%}{grouped:>10}{max(row['load']):6.1f}  {row['arrangement']}",
            flush=True,
        )
    print("\nmicroseconds per member-step; a: default threads, b: one single-threaded process per core")
    if options.no_record:
        return
    record = {
        "kind": "benchmark",
        "schema": 1,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"processor": processor(), "cores": CORES, "threads": torch.get_num_threads()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "matmul_peak_flops": peak,
        "cases": rows,
    }
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()
