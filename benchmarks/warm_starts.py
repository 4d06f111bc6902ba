"""How many products does a warm start take, against how far the training has gone on since the last one?

The digits network of `surefoot lab edge-of-stability` (MLP 64-32-32-10 of tanh, half the squared error, 500 examples),
full-batch gradient descent: at a rate below the edge of stability, at the edge, and where several eigenvalues are at
it. The sharpness is found cold once, to 1e-6, and then warm every so many updates. Counted are Hessian-vector products
over all examples until the search settles by itself; beside it stands how far off it is when 25 products must do cold,
and six warm. The truth is a Lanczos run to 1e-8 that begins at the vector found, with a random part.

    OMP_NUM_THREADS=1 python benchmarks/warm_starts.py --json benchmarks/records/warm_starts.json
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from surefoot.curvature.hvp import Hvp, batches_of
from surefoot.curvature.top import top_eigenvector
from surefoot.curvature.track import ShortRun
from surefoot.maths.krylov import Eigenpairs, eigenpairs, random_vector
from surefoot.records import Provenance, Recipe
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.textbook.lab.edge_of_stability import digits_task

REGIMES = {"below the edge": (0.1, 300), "at the edge": (0.3, 900), "several at the edge": (0.5, 700)}
"""Name -> rate, updates before the cold start."""
CADENCES = (1, 2, 4, 10, 30)
TOLERANCE = 1e-6
ALLOWED, ALLOWED_COLD = 6, 25
"""Products that must do, in a second search from the same start."""
FIRST_SEED = 10
"""What search and errors are made of was chosen on trainings from lower ones."""


def followed(lr: float, begin: int, cadence: int, points: int, seed: int) -> dict[str, Any]:
    """Products of the cold start and of each warm one, and their errors."""
    task = digits_task()
    with borrowed_rng(seed), torch.enable_grad():
        training = ShortRun(task, Recipe(lr=lr, batch_size="full", epochs=1e6, seed=seed))
        hvp = Hvp(task, training.single.model, batches_of(task), method="reverse")
        training.advance(begin)
        hvp.load(training.single.model)
        allowed = top_eigenvector(hvp, tolerance=TOLERANCE, most=ALLOWED_COLD, seed=seed)
        known = top_eigenvector(hvp, tolerance=TOLERANCE, seed=seed)
        cold, short_cold = known.products, abs(allowed.value / truth_near(hvp, known) - 1)
        warm, errors, held, short = [], [], [], []
        for _ in range(points):
            training.advance(training.done + cadence)
            hvp.load(training.single.model)
            allowed = top_eigenvector(hvp, warm=known, tolerance=TOLERANCE, most=ALLOWED, seed=seed)
            known = top_eigenvector(hvp, warm=known, tolerance=TOLERANCE, seed=seed)
            truth = truth_near(hvp, known)
            warm.append(known.products)
            errors.append(abs(known.value / truth - 1))
            held.append(abs(known.value - truth) <= known.errors[0])
            short.append(abs(allowed.value / truth - 1))
    held = [bool(one) for one in held]
    return {"cold": cold, "short_cold": short_cold, "warm": warm, "errors": errors, "held": held, "short": short}


def truth_near(hvp: Hvp, found: Eigenpairs) -> float:
    """The largest eigenvalue, by a search of its own that begins near what was found."""
    start = found.vector + 0.05 * random_vector(hvp.size, 99, dtype=hvp.dtype)
    return eigenpairs(hvp, start, tolerance=1e-8, most=100).value


def main() -> None:
    parser = argparse.ArgumentParser(description="Products of warm starts against the updates between them.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=4)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, (lr, begin) in REGIMES.items():
        for cadence in CADENCES:
            seen = [
                followed(lr, begin, cadence, given.points, seed) for seed in range(FIRST_SEED, FIRST_SEED + given.seeds)
            ]
            warm = [products for one in seen for products in one["warm"]]
            errors = [error for one in seen for error in one["errors"]]
            row = {
                "regime": name,
                "lr": lr,
                "cadence": cadence,
                "cold": statistics.median(one["cold"] for one in seen),
                "cold_error_after_25": max(one["short_cold"] for one in seen),
                "warm": statistics.median(warm),
                "most": max(warm),
                "worst_error": max(errors),
                "error_after_six": statistics.median(error for one in seen for error in one["short"]),
                "held": statistics.mean(held for one in seen for held in one["held"]),
            }
            rows.append(row)
            print(
                f"{name:20} every {cadence:2} updates: cold {row['cold']:4.0f}, off after {ALLOWED_COLD} at worst "
                f"{row['cold_error_after_25']:.0e}  warm {row['warm']:4.1f}  most "
                f"{row['most']:2}  worst error {row['worst_error']:.1e}  error bar held {row['held']:.0%}  "
                f"median error after {ALLOWED}: {row['error_after_six']:.1e}",
                flush=True,
            )
    record = {
        "kind": "benchmark",
        "name": "warm-starts",
        "tolerance": TOLERANCE,
        "points": given.points,
        "seeds": given.seeds,
        "rows": rows,
        "provenance": Provenance.here(command="python benchmarks/warm_starts.py").to_json(),
    }
    if given.json is not None:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
