"""How far does the best rate fall when a training is made longer, and what can shorter ones tell at most?

Two tables: how far the best rate falls when a training is made twice as long, by how often the longer one sees its
data; and what is lost at the rate that a whole sweep over a part of the training names, lowered by what helps most in
hindsight.

    python benchmarks/find_replay.py bank PANEL --bank FOLDER      # once for every panel: an hour or so each
    python benchmarks/find_moves.py --bank FOLDER --json benchmarks/records/moves.json

The best rate over one length is the lowest place of the smoothed final validation losses, averaged over the seeds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from find_quality import ALL_CASES, shares_lost
from surefoot.maths.response import heights
from surefoot.records import Provenance

PASSES = ((-math.inf, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0), (5.0, math.inf))
"""Groups, by log2 of how often the longer training sees its data."""
SMOOTHING = 0.22
"""Decades, standard deviation."""
FEWEST = 12
"""Updates of the shorter training, below which it is left out."""
HALVINGS, LENGTHS = 5, 4
FALLS = np.arange(0.0, 0.81, 0.05)
"""Decades by which the rate of a sweep over a part of the training is lowered."""


def best_places(bank: Mapping[str, np.ndarray]) -> np.ndarray:
    """log10 of the best rate [lengths, seeds], from the longest on; NaN where nothing was learned."""
    x, start = np.log10(bank["lrs"]), float(bank["start"].mean())
    losses = np.where(np.isfinite(bank["losses"]), bank["losses"], np.inf)[..., -1].swapaxes(0, 1)
    weight = np.exp(-0.5 * ((x[:, None] - x[None, :]) / SMOOTHING) ** 2)
    best = np.full(losses.shape[:2], np.nan)
    for at in np.ndindex(best.shape):
        if losses[at].min() < start:
            best[at] = x[(weight @ heights(losses[at], np.zeros(len(x)), start) / weight.sum(1)).argmin()]
    return best


def moves_of(lengths: np.ndarray, best: np.ndarray, epochs: float) -> list[tuple[float, float]]:
    """Of every length and the one twice as long: log2 of the passes of the longer, and decades that the rate falls."""
    places = [float(one[np.isfinite(one)].mean()) if np.isfinite(one).any() else math.nan for one in best]
    moves = [
        (math.log2(epochs) - number, shorter - longer)
        for number, (longer, shorter) in enumerate(itertools.pairwise(places[: HALVINGS + 1]))
        if lengths[number + 1] >= FEWEST and math.isfinite(shorter - longer)
    ]
    return [(seen, min(1.0, max(-1.0, move))) for seen, move in moves]


def lost_at(bank: Mapping[str, np.ndarray], best: np.ndarray) -> np.ndarray:
    """Share lost [lengths, seeds, falls] at what one seed's sweep over a length names; NaN where there is none."""
    lost = shares_lost(bank["oracle"], float(bank["start"].mean()))
    found = np.full((LENGTHS, best.shape[1], len(FALLS)), np.nan)
    if lost is not None:
        for at in np.argwhere(np.isfinite(best[:LENGTHS])):
            found[tuple(at)] = np.interp(best[tuple(at)] - FALLS, np.log10(bank["lrs"]), lost)
    return found


def told(lost: np.ndarray) -> list[dict[str, Any]]:
    """Of sweeps over every length: what is lost with the fall that loses least on the mean."""
    rows = []
    for place, sweeps in enumerate(lost):
        known = sweeps[np.isfinite(sweeps[:, 0])]
        fall = int(known.mean(0).argmin())
        row = {"share": 2.0**-place, "sweeps": len(known), "fall": round(float(FALLS[fall]), 2)}
        rows.append(
            row | {"lost": [round(100 * float(one), 2) for one in np.percentile(known[:, fall], (50, 90, 100))]}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, required=True, help="folder of the bank")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    panels, moves, lost = [], [], []
    for case in ALL_CASES:
        path = given.bank / f"{case.name}.npz"
        if path.exists():
            with np.load(path) as stored:
                bank = dict(stored)
            best = best_places(bank)
            panels.append(case.panel)
            moves += moves_of(bank["lengths"], best, case.epochs)
            lost.append(lost_at(bank, best))
    if not moves:
        parser.error(f"{given.bank} holds no bank of a panel's case; `find_replay.py bank` makes them")
    seen, fallen = np.array(moves).T
    rows = []
    for low, high in PASSES:
        here = fallen[(seen >= low) & (seen < high)]
        rows.append(
            {
                "passes": [2**low if math.isfinite(low) else 0.0, 2**high if math.isfinite(high) else None],
                "moves": len(here),
                "decades": round(float(here.mean()), 3),
                "standard_error": round(float(here.std(ddof=1) / math.sqrt(len(here))), 3),
            }
        )
        print(rows[-1])
    sweeps = told(np.concatenate(lost, axis=1))
    print(*sweeps, sep="\n")
    if given.json:
        record = {
            "kind": "benchmark", "name": "find-moves",
            "panels": {panel: panels.count(panel) for panel in sorted(set(panels))},
            "rows": rows, "sweeps": sweeps,
            "provenance": Provenance.here(command="python benchmarks/find_moves.py").to_json(),
        }  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
