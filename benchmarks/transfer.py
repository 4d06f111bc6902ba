"""How does the best rate move with the width, as usual and in a width-stable parametrisation?

An MLP with two hidden layers on the digits, AdamW, widths 16 to 128, 3 seeds. As usual: torch's initialisation, one
rate for all parameters. Width-stable (muP for Adam; Yang et al. 2021, Tensor Programs V, table 8): rates of the hidden
and output weights fall as 1/width, the output's initial weights are smaller by another root of the width. The record
holds the slope of log best rate over log width with its 95 % interval, and what `transfer` says of width 256.

    python benchmarks/transfer.py              # a minute, and benchmarks/records/transfer.json
    python benchmarks/transfer.py --no-record
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import surefoot as sf
from surefoot.tasks.loading import load_task
from surefoot.tasks.task import Task

RECORD = Path(__file__).parent / "records" / "transfer.json"
BASE = 32
"""The width at which both parametrisations have the same rates."""
WIDTHS, TO = (16, 32, 64, 128), 256


def usual(width: int = BASE) -> Task:
    return _task(width, stable=False)


def stable(width: int = BASE) -> Task:
    return _task(width, stable=True)


def _task(width: int, *, stable: bool) -> Task:
    digits = load_task("digits", device="cpu")

    def model() -> nn.Module:
        made = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
        if stable:
            with torch.no_grad():
                made[4].weight.mul_(math.sqrt(BASE / width))
        return made

    def groups(name: str, _parameter: nn.Parameter) -> dict[str, float] | None:
        return {"lr_factor": BASE / width} if name in ("2.weight", "4.weight") else None

    return Task(model, train=digits.train, val=digits.val, loss=digits.loss, metrics=digits.metrics, name="digits",
                groups=groups if stable else None, device="cpu")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="The best rate against the width, as usual and width-stable.")
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--epochs", type=float, default=5)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name, make in (("usual", usual), ("width-stable", stable)):
        one = sf.transfer(make, "width", WIDTHS, TO, lr="3e-4..0.3:13", seeds=3, optimizer="adamw", schedule="cosine",
                          batch_size=64, epochs=options.epochs)  # fmt: skip
        found[name] = one.to_json()
        for point in one.points:
            print(f"{name:13} width {point.value:4}: best rate {point.lr:.3g}, loss {point.loss:.4f}")
        if one.exponent is not None:
            print(f"{name:13} power {one.exponent:.2f} ({one.exponent_low:.2f} to {one.exponent_high:.2f})")
        print(f"{name:13} at width {TO}: {one.status} {one.lr} {one.interval}: {one.reason}", flush=True)
    if options.no_record:
        return
    record = {
        "what": "slope of the best rate over the width, as usual and in a width-stable parametrisation",
        "command": " ".join(["python", "benchmarks/transfer.py", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"architecture": platform.machine(), "cores": len(os.sched_getaffinity(0))},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "transfers": found,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {RECORD}")


if __name__ == "__main__":
    main()
