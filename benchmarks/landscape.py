"""How long does a plane of losses take? Beside other tools from their packages, and beside bare forward passes.

A plane of 51 x 51 losses over 256 examples of a small MLP: seconds, and time per point of the grid beside
loss-landscapes and loss-landscape-3d, each used as its documentation says, with all examples in one batch. And a plane
of the digits CNN beside as many bare forward passes of that CNN: module and loss, nothing else.

- Ours is the whole call, which leaves all 2,601 losses (drawing directions, choosing how many points go at once,
  evaluating, filling in), divided by 2,601. Few of them are evaluated: tanh makes the surface smooth, and a polynomial
  gives the others. How many were is in the record, with the largest error at all 2,601 points against a surface of
  which every point was evaluated; the run fails if it is larger than the error that the call states. The row "surefoot,
  every point" is that other surface: `exact=True`, and what is done where a network is not smooth. Of the CNN every
  point is evaluated.
- What is there before every call, of ours and of the peers': the model, and the examples as tensors. Making that takes
  us `set_up` seconds. What depends on the size of the grid alone, which lines are taken, is computed by the first call.
- One thread; times are the processor's, so that other work on the machine does not stretch them. Ways are measured in
  turn, several times, and medians compared; in its turn a short call is repeated until 100 ms have passed, as the peers
  take that long. The first call of each turn, which finds cold caches, is recorded as well.
- Some losses of our planes are checked against the obvious loop.

    pip install loss-landscapes loss-landscape-3d
    python benchmarks/landscape.py                     # the table, and benchmarks/records/landscape.json
    python benchmarks/landscape.py --grid 11 --repeats 1 --no-record

A peer that is not installed is left out, and its goal is then not judged.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from surefoot.landscape.grid import evaluate
from surefoot.landscape.ground import Ground
from surefoot.landscape.planes import Plane, random_plane
from surefoot.landscape.sheet import Surface
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task

RECORD = Path(__file__).parent / "records" / "landscape.json"
EXAMPLES = 256
TURN = 0.1
GOAL_SECONDS = 0.15
GOAL_RATIO = 30.0
GOAL_FORWARD = 2.0


def tiny_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))


def tiny_task() -> Task:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(EXAMPLES, 2, generator=generator)
    y = torch.randint(3, (EXAMPLES,), generator=generator)
    return Task(tiny_mlp, (x, y), (x, y), loss=nn.CrossEntropyLoss(), name="MLP 2-16-3")


def processor_seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Of the first call, and of each of as many as fit into a turn."""
    started = time.thread_time()
    work()
    first = passed = time.thread_time() - started
    calls = 1
    while passed < TURN:
        work()
        calls += 1
        passed = time.thread_time() - started
    return first, passed / calls


def our_plane(task: Task, grid: int, *, exact: bool = False) -> tuple[Callable[[], Surface], Ground]:
    """The whole of it: chunks are calibrated anew each time."""
    ground = Ground(task, task.make_model(0), examples=min(EXAMPLES, task.train.size))
    origin = ground.weights.point(dict(ground.model.named_parameters()))
    lines = [np.linspace(-1.0, 1.0, grid)] * 2

    def drawn() -> Plane:
        return random_plane("filter", ground.weights, origin, "start", dims=2, seed=0)

    def work() -> Surface:
        plane = drawn()
        ground._width = None
        return evaluate(ground, plane.origin, plane.directions, lines, exact=exact)

    surface, plane = work(), drawn()
    losses = surface.losses
    middle = grid // 2
    rows = [(0, 0), (middle, middle), (grid - 1, middle), (middle, 1)]
    points = np.stack(
        [plane.origin + lines[0][x] * plane.directions[0] + lines[1][y] * plane.directions[1] for y, x in rows]
    )
    named = ground.weights.named(torch.as_tensor(points.astype(origin.dtype)))
    with torch.no_grad():
        loop = ground.one_by_one(named, ground.batches[0][0]).double().numpy()
    off = np.abs(np.array([losses[y, x] for y, x in rows]) - loop)
    assert np.all(off <= 1e-4 * loop + (surface.error or 0.0)), off
    return work, ground


def bare_forwards(task: Task, count: int) -> Callable[[], None]:
    """Module and loss on the same examples, as often as the plane has points."""
    ground = Ground(task, task.make_model(0), examples=min(EXAMPLES, task.train.size))
    model, batch = ground.model, ground.batches[0][0]

    def work() -> None:
        with torch.no_grad():
            for _ in range(count):
                task.loss_of(model, batch)

    return work


def loss_landscapes(grid: int) -> Callable[[], Any]:
    import loss_landscapes as peer
    from loss_landscapes.metrics import Loss

    task = tiny_task()
    x, y = task.train.batch(torch.arange(EXAMPLES))
    model = task.make_model(0).eval()
    metric = Loss(F.cross_entropy, x, y)

    def work() -> Any:
        return peer.random_plane(model, metric, distance=1, steps=grid, normalization="filter", deepcopy_model=True)

    return work


def loss_landscape_3d(grid: int) -> Callable[[], Any]:
    from loss_landscape_3d import LossLandscapeCalculator, generate_random_directions

    task = tiny_task()
    x, y = task.train.batch(torch.arange(EXAMPLES))
    model = task.make_model(0)
    loader = DataLoader(TensorDataset(x, y), batch_size=EXAMPLES)
    calculator = LossLandscapeCalculator(model, loader, nn.CrossEntropyLoss())
    across, along = generate_random_directions(model)
    lines = np.linspace(-1.0, 1.0, grid)

    def work() -> Any:
        center = {name: one.clone() for name, one in model.state_dict().items()}
        return calculator.calculate(lines, lines, across, along, center)

    return work


PEERS: dict[str, tuple[str, Callable[[int], Callable[[], Any]]]] = {
    "loss-landscapes": ("loss_landscapes", loss_landscapes),
    "loss-landscape-3d": ("loss_landscape_3d", loss_landscape_3d),
}


def measured(ways: dict[str, tuple[Callable[[], Any], int]], repeats: int) -> dict[str, dict[str, Any]]:
    """Seconds and points of every way, in turn; the first round is for warming up and does not count."""
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, (work, _) in ways.items():
            turns[name].append(processor_seconds(work))
    found = {}
    for name, (_, points) in ways.items():
        seconds = [each for _, each in turns[name][1:]]
        found[name] = {
            "points": points,
            "seconds": statistics.median(seconds),
            "per_point": statistics.median(seconds) / points,
            "first_call": statistics.median(first for first, _ in turns[name][1:]),
            "all": seconds,
        }
    return found


def errors_of(filled: Surface, every: Surface) -> dict[str, float]:
    """How many losses were evaluated, and how far the others are off, at all points of the grid."""
    off = float(np.abs(filled.losses - every.losses).max())
    stated = filled.error or 0.0
    assert off <= stated or filled.error is None, f"an error of {off:.2g} where {stated:.2g} was stated"
    span = float(np.ptp(every.losses))
    return {"evaluated": filled.evaluated, "error": off, "stated_error": stated, "error_of_range": off / span}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of a plane of losses beside other tools and bare passes.")
    parser.add_argument("--grid", type=int, default=51, help="lines along an axis")
    parser.add_argument("--peer-grid", type=int, default=51, help="lines of the peers, which are compared per point")
    parser.add_argument("--cnn-grid", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]

    tiny, ground = our_plane(tiny_task(), options.grid)
    every, every_ground = our_plane(tiny_task(), options.grid, exact=True)
    errors = errors_of(tiny(), every())
    task = tiny_task()
    errors["set_up"] = processor_seconds(lambda: Ground(task, task.make_model(0), examples=EXAMPLES))[1]
    points = options.grid**2
    ways: dict[str, tuple[Callable[[], Any], int]] = {
        "surefoot": (tiny, points),
        "surefoot, every point": (every, points),
    }
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    for name, (package, make) in PEERS.items():
        if importlib.util.find_spec(package) is not None:
            ways[name] = (make(options.peer_grid), options.peer_grid**2)
            versions[name] = metadata.version(name)
    ways["bare forward passes"] = (bare_forwards(tiny_task(), options.peer_grid**2), options.peer_grid**2)
    small = measured(ways, options.repeats)
    own = small["surefoot"]
    print(f"MLP 2-16-3, {EXAMPLES} examples, {options.grid} x {options.grid} points, load {load:.1f}")
    for name, row in small.items():
        ratio = row["per_point"] / own["per_point"]
        print(f"  {name:22}{row['per_point'] * 1e6:10.1f} us a point {ratio:8.1f} times ours")
    print(f"  whole plane: {own['seconds']:.4f} s, first call {own['first_call']:.4f} s (goal {GOAL_SECONDS})")
    print(
        f"  {errors['evaluated']} of {points} evaluated, {ground.method}; largest error {errors['error']:.1e}, which is"
    )
    print(f"  {errors['error_of_range']:.1e} of the range of losses; {errors['stated_error']:.1e} was stated")

    entry = find_entry("digits-cnn").make()
    cnn, cnn_ground = our_plane(entry, options.cnn_grid)
    points = options.cnn_grid**2
    large = measured({"surefoot": (cnn, points), "bare forward passes": (bare_forwards(entry, points), points)},
                     options.repeats)  # fmt: skip
    factor = large["surefoot"]["per_point"] / large["bare forward passes"]["per_point"]
    each = large["surefoot"]["per_point"] * 1e3
    print(f"digits CNN, {EXAMPLES} examples: {each:.2f} ms a point, {factor:.2f} times the bare forward pass")
    print(f"  (goal {GOAL_FORWARD:g}); {cnn_ground.method}")
    if options.no_record:
        return
    goals: dict[str, Any] = {
        "plane_seconds": {"goal": GOAL_SECONDS, "found": own["seconds"], "reached": own["seconds"] <= GOAL_SECONDS},
        "cnn_over_forward": {"goal": GOAL_FORWARD, "found": factor, "reached": factor <= GOAL_FORWARD},
    }
    for name in PEERS:
        if name in small:
            ratio = small[name]["per_point"] / own["per_point"]
            goals[f"times_faster_than_{name}"] = {"goal": GOAL_RATIO, "found": ratio, "reached": ratio >= GOAL_RATIO}
    record = {
        "kind": "benchmark",
        "schema": 1,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "threads": 1, "load": load},
        "versions": versions,
        "goals": goals,
        "mlp": small
        | {
            "surefoot": own | errors,
            "method": ground.method,
            "every_method": every_ground.method,
            "examples": EXAMPLES,
        },
        "cnn": large | {"method": cnn_ground.method, "examples": EXAMPLES},
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
