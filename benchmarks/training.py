"""How much does `surefoot train` cost beside the training itself? Seconds per epoch against a loop written by hand.

Both train the same model on the same batches to the same loss; both note the loss and the rate of every step, and
validate after every epoch. Surefoot also notes gradient norms and training metrics, watches for divergence and draws
its progress. The two take turns, epoch by epoch, so that whatever else the machine does hits both; the ratio is the
median over pairs, with the standard error of the median.

    python benchmarks/training.py                       # both cases, printed
    python benchmarks/training.py --json FILE           # and written as a record
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from surefoot.engines.training import Training
from surefoot.records import Provenance, Recipe
from surefoot.tasks.borrowing import mixed_seed
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.task import Task

CASES = {"digits MLP": ("digits", 400), "SimpleCNN on mnist-small": ("mnist-small", 20)}
"""Name -> task and pairs of epochs."""
ALLOWED = 1.03
WARM_UP = 2
"""Epochs of both that are not counted."""


def by_hand(task: Task, recipe: Recipe, history: list[tuple[float, float]]) -> Iterator[None]:
    """A plain PyTorch loop: yields after every epoch."""
    torch.manual_seed(recipe.seed)
    model = task.model() if not isinstance(task.model, nn.Module) else task.model
    x, y = task.train.whole
    xv, yv = task.val.whole
    size, count = int(recipe.batch_size), len(x)
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr or 0.0, **recipe.options)
    loss_function = nn.CrossEntropyLoss()
    losses, rates, validations = [], [], []
    for epoch in range(int(recipe.epochs)):
        model.train()
        # The same order as Surefoot's, so that the losses can be compared.
        generator = torch.Generator().manual_seed(mixed_seed(recipe.order_seed, epoch))
        order = torch.randperm(count, generator=generator)
        for start in range(0, count, size):
            index = order[start : start + size]
            optimizer.zero_grad()
            loss = loss_function(model(x[index]), y[index])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            rates.append(optimizer.param_groups[0]["lr"])
        model.eval()
        total = right = 0.0
        with torch.no_grad():
            for start in range(0, len(xv), 256):
                output, target = model(xv[start : start + 256]), yv[start : start + 256]
                total += loss_function(output, target).item() * len(target)
                right += accuracy(output, target).item() * len(target)
        validations.append((total / len(xv), right / len(xv)))
        history.append((sum(losses[-math.ceil(count / size) :]), validations[-1][0]))
        yield


def with_surefoot(task: Task, recipe: Recipe, watch: Callable[[Any], None]) -> Iterator[None]:
    """`surefoot train`, held after every epoch."""
    training = Training(task, recipe, watch=watch, tick=lambda *_: None)
    return training.epochs()


def measure(name: str) -> dict[str, Any]:
    spec, pairs = CASES[name]
    task = find_entry(spec).make()
    recipe = Recipe(lr=0.02, options={"momentum": 0.9}, batch_size=64, epochs=float(pairs + WARM_UP))
    history: list[tuple[float, float]] = []
    lines: list[str] = []

    def watch(epoch: Any) -> None:
        lines.append(
            f"{epoch.epoch:g} {epoch.loss:.4f} {epoch.val_loss:.4f} {epoch.metrics} {epoch.train_metrics} "
            f"{epoch.lr:.3g} {epoch.grad_norm:.3g}"
        )

    loops = {"hand": by_hand(task, recipe, history), "surefoot": with_surefoot(task, recipe, watch)}
    next(loops["surefoot"])  # the validation before the first update
    seconds: dict[str, list[float]] = {"hand": [], "surefoot": []}
    cpu: dict[str, list[float]] = {"hand": [], "surefoot": []}
    for pair in range(pairs + WARM_UP):
        for which in ("hand", "surefoot") if pair % 2 else ("surefoot", "hand"):
            started, busy = time.perf_counter(), time.process_time()
            next(loops[which])
            if pair >= WARM_UP:
                seconds[which].append(time.perf_counter() - started)
                cpu[which].append(time.process_time() - busy)
    loops["surefoot"].close()  # type: ignore[attr-defined]
    # What is left where nothing else ran: the machine may be shared.
    fastest = [float(np.quantile(seconds[which], 0.1)) for which in ("surefoot", "hand")]
    busy_ratio = float(np.median(np.array(cpu["surefoot"]) / np.array(cpu["hand"])))
    ratios = np.array(seconds["surefoot"]) / np.array(seconds["hand"])
    spread = 1.2533 * ratios.std(ddof=1) / math.sqrt(len(ratios))
    last = float(lines[-1].split()[2])
    return {
        "case": name,
        "pairs": pairs,
        "epoch_by_hand": float(np.median(seconds["hand"])),
        "epoch_surefoot": float(np.median(seconds["surefoot"])),
        "ratio": float(np.median(ratios)),
        "ratio_standard_error": float(spread),
        "ratio_of_fastest": fastest[0] / fastest[1],
        "cpu_ratio": busy_ratio,
        "allowed": ALLOWED,
        "validation_loss_by_hand": history[-1][1],
        "validation_loss_surefoot": last,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    results = []
    for name in CASES:
        one = measure(name)
        results.append(one)
        print(
            f"{name}: {one['epoch_by_hand'] * 1e3:.2f} ms by hand, {one['epoch_surefoot'] * 1e3:.2f} ms with Surefoot, "
            f"ratio {one['ratio']:.3f} ± {one['ratio_standard_error']:.3f} (allowed {ALLOWED}), "
            f"of the fastest tenth {one['ratio_of_fastest']:.3f}, of processor time {one['cpu_ratio']:.3f}; "
            f"validation loss "
            f"{one['validation_loss_by_hand']:.4f} and {one['validation_loss_surefoot']:.4f}"
        )
    if given.json:
        origin = Provenance.here()
        record = {
            "date": origin.date, "machine": origin.machine, "versions": origin.versions,
            "threads": given.threads, "load": os.getloadavg()[0], "cases": results,
        }  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
