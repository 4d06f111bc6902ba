"""What does watching cost? Processor time per update with and without, in pairs.

Two models, two optimizers and the same batches: one is watched for the whole measurement, the other is not. They take
turns, a short block of updates each, the first of a pair by lot, so that whatever else the machine does hits both. What
counts is the processor time of the thread that trains (one thread): waiting for a turn on a busy machine is no cost.
The ratio is that of the sums over all blocks, for watching pays in bursts that a median would hide: a look at every
layer now and then, a diagnosis every few seconds. Where its memory happens to lie makes a training some percent slower
than another: so the two first take turns unwatched, and the ratio is divided by theirs. Its standard error comes from
a bootstrap over pairs; the ratio by medians and that by the clock on the wall stand beside it. `sf.watch` runs as a
user gets it. Peers are measured the same way where they are installed: Cockpit (its `economy` set of instruments, every
16 updates), torchmortem (as its readme says), and hooks that keep a histogram of every gradient every 100 updates, as
experiment trackers do.

    OMP_NUM_THREADS=1 python benchmarks/watch.py                  # everything: about four minutes
    OMP_NUM_THREADS=1 python benchmarks/watch.py --json FILE      # and written as a record
    OMP_NUM_THREADS=1 python benchmarks/watch.py --seconds 5      # small
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import surefoot as sf
from surefoot.records import Provenance
from surefoot.tasks.models.simple_cnn import simple_cnn

ALLOWED = {"SimpleCNN": 1.02, "MLP": 1.05}
WARM_UP = 5
"""Pairs that are not counted."""
RESAMPLES = 1000
SHARES = {"SimpleCNN": 1.3, "MLP": 0.7}
"""Of the seconds for a model; peers get a fifth of them."""

Step = Callable[[], Any]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int]] = {
    "SimpleCNN": (simple_cnn, (1, 28, 28), 64, 12),
    "MLP": (mlp, (64,), 128, 24),
}
"""Name -> model, shape of an example, examples in a batch, updates in a block (more than the 8 that the account of
`sf.watch` takes for a pause)."""


class Training:
    """A model, an optimizer and batches, to be stepped."""

    def __init__(self, name: str) -> None:
        make, shape, size, _ = MODELS[name]
        torch.manual_seed(0)
        self.model = make()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.loss_function: Any = nn.CrossEntropyLoss()
        self.batches = [(torch.randn(size, *shape), torch.randint(0, 10, (size,))) for _ in range(16)]
        self.at = 0

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.at += 1
        return self.batches[self.at % len(self.batches)]

    def step(self, tell: Callable[[torch.Tensor], Any] | None = None) -> None:
        x, y = self.batch()
        loss = self.loss_function(self.model(x), y)
        # Every loop reads its loss; who is told it need not read it again.
        if tell is None:
            loss.item()
        else:
            tell(loss)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def bare(training: Training) -> Iterator[Step]:
    yield training.step


def surefoot(training: Training) -> Iterator[Step]:
    with sf.watch(training.model, training.optimizer, quiet=True) as watch:
        yield lambda: training.step(watch.loss)
        print(f"  surefoot: {len(watch.inspection().step)} looks in {watch.steps} updates", end="")
        print(f", {100 * (watch.overhead or 0):.2f}% by its own account")


def histograms(training: Training) -> Iterator[Step]:
    """A histogram of each gradient, every 100 updates."""
    count = 0
    kept: list[Any] = []

    def hook(parameter: torch.Tensor) -> None:
        if count % 100 == 0 and parameter.grad is not None:
            flat = parameter.grad.detach().flatten()
            kept.append((flat.histc(64).tolist(), float(flat.min()), float(flat.max())))

    handles = [one.register_post_accumulate_grad_hook(hook) for one in training.model.parameters()]

    def step() -> None:
        nonlocal count
        count += 1
        training.step()

    yield step
    for handle in handles:
        handle.remove()


def torchmortem(training: Training) -> Iterator[Step]:
    import torchmortem as peer

    with peer.Autopsy(training.model, optimizer=training.optimizer) as autopsy:
        yield lambda: training.step(lambda loss: autopsy.step(loss=loss.item()))


def cockpit(training: Training) -> Iterator[Step]:
    from backpack import extend
    from cockpit import Cockpit
    from cockpit.utils import schedules
    from cockpit.utils.configuration import configuration

    training.model = extend(training.model)
    training.loss_function = extend(nn.CrossEntropyLoss(reduction="mean"))
    individual = extend(nn.CrossEntropyLoss(reduction="none"))
    instruments = configuration("economy", track_schedule=schedules.linear(interval=16))
    dashboard = Cockpit(training.model.parameters(), quantities=instruments)
    count = 0

    def step() -> None:
        nonlocal count
        x, y = training.batch()
        training.optimizer.zero_grad()
        output = training.model(x)
        loss = training.loss_function(output, y)
        losses = individual(output, y)
        info = {
            "batch_size": len(x), "individual_losses": losses, "loss": loss, "optimizer": training.optimizer,
        }  # fmt: skip
        with dashboard(count, info=info):
            loss.backward(create_graph=dashboard.create_graph(count))
        training.optimizer.step()
        loss.item()
        count += 1

    yield step


WATCHERS = {"surefoot": surefoot, "histograms": histograms, "torchmortem": torchmortem, "cockpit": cockpit}


def blocks(one: Step, other: Step, updates: int, seconds: float, seed: int) -> dict[str, Any]:
    """Processor seconds of an update in blocks of `one` and `other`, in turns by lot, and those of the clock."""
    steps = {"plain": one, "watched": other}
    found: dict[str, list[float]] = {"plain": [], "watched": [], "plain wall": [], "watched wall": []}
    order = np.random.default_rng(seed)
    begun, pair = time.perf_counter(), 0
    while pair < 10 + WARM_UP or time.perf_counter() - begun < seconds:
        for which in ("plain", "watched") if order.random() < 0.5 else ("watched", "plain"):
            step = steps[which]
            clock, started = time.perf_counter(), time.thread_time()
            for _ in range(updates):
                step()
            if pair >= WARM_UP:
                found[which].append((time.thread_time() - started) / updates)
                found[f"{which} wall"].append((time.perf_counter() - clock) / updates)
        pair += 1
    return {name: np.array(values) for name, values in found.items()}


def measure(model: str, watcher: str, seconds: float) -> dict[str, Any]:
    updates = MODELS[model][3]
    plain, watched = Training(model), Training(model)
    before = blocks(plain.step, watched.step, updates, seconds / 2, 0)
    opened = WATCHERS[watcher](watched)
    during = blocks(plain.step, next(opened), updates, seconds / 2, 1)
    next(opened, None)

    def ratio(found: dict[str, Any], kind: str = "") -> float:
        return float(found[f"watched{kind}"].sum() / found[f"plain{kind}"].sum())

    def drawn(found: dict[str, Any], seed: int) -> Any:
        count = len(found["plain"])
        places = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
        return found["watched"][places].sum(1) / found["plain"][places].sum(1)

    medians = [float(np.median(found["watched"] / found["plain"])) for found in (during, before)]
    return {
        "model": model,
        "watcher": watcher,
        "pairs": len(during["plain"]),
        "pairs_unwatched": len(before["plain"]),
        "updates_per_block": updates,
        "plain_ms": 1e3 * float(during["plain"].mean()),
        "watched_ms": 1e3 * float(during["watched"].mean()),
        "ratio": ratio(during) / ratio(before),
        "ratio_standard_error": float((drawn(during, 0) / drawn(before, 1)).std()),
        "ratio_of_the_same_unwatched": ratio(before),
        "median_ratio": medians[0] / medians[1],
        "wall_ratio": ratio(during, " wall") / ratio(before, " wall"),
        "allowed": ALLOWED[model] if watcher == "surefoot" else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=75.0, help="for each model; peers get a fifth of it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--watchers", nargs="*", default=list(WATCHERS))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    results: list[dict[str, Any]] = []
    missing: list[str] = []
    for watcher in given.watchers:
        if watcher in ("torchmortem", "cockpit") and importlib.util.find_spec(watcher) is None:
            missing.append(watcher)
            continue
        for model in MODELS:
            try:
                one = measure(model, watcher, given.seconds * SHARES[model] * (1.0 if watcher == "surefoot" else 0.2))
            except Exception as error:
                if watcher == "surefoot":
                    raise
                results.append({"model": model, "watcher": watcher, "failed": f"{type(error).__name__}: {error}"[:300]})
                print(f"{model}, {watcher}: failed: {type(error).__name__}: {error}"[:300])
                continue
            results.append(one)
            allowed = f" (allowed {one['allowed']})" if one["allowed"] else ""
            print(
                f"{model}, {watcher}: {one['plain_ms']:.3f} ms an update, watched {one['watched_ms']:.3f} ms, "
                f"ratio {one['ratio']:.4f} ± {one['ratio_standard_error']:.4f}{allowed}; by medians of "
                f"{one['pairs']} pairs {one['median_ratio']:.4f}, by the wall clock {one['wall_ratio']:.4f}"
            )
    if missing:
        print(f"not installed, not measured: {', '.join(missing)}")
    if given.json:
        origin = Provenance.here()
        record = {
            "date": origin.date, "machine": origin.machine, "versions": origin.versions, "threads": given.threads,
            "load": os.getloadavg()[0], "not_installed": missing, "cases": results,
        }  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
