"""Experiments: each file is a *family*, which measures what several claims rest on.

A family called `double-well` is the file `double_well.py` with `SEEDS`, how many repetitions a size has, and
`run(size, seeds)`, which returns an `Outcome`. Names of measurements are unique among all families. Everything random
comes from the seeds (`textbook/seeds.py`).
"""

from __future__ import annotations

import dataclasses
import time
from importlib import import_module

from surefoot.records.claim import Outcome, Size
from surefoot.textbook.seeds import repetitions

__all__ = ["run_family"]


def run_family(family: str, size: Size = "full") -> Outcome:
    """Run one experiment from its fixed seeds, on one thread."""
    from surefoot.tasks.borrowing import borrowed_threads

    module = import_module(f"{__name__}.{family.replace('-', '_')}")
    seeds = repetitions(module.SEEDS[size])
    started = time.perf_counter()
    with borrowed_threads(1):
        outcome: Outcome = module.run(size, seeds)
    seconds = time.perf_counter() - started
    return dataclasses.replace(outcome, family=family, size=size, seeds=seeds, seconds=seconds)
