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
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from find_quality import ALL_CASES
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


def best_place(x: np.ndarray, losses: np.ndarray, start: float) -> float:
    """log10 of the best rate, over the seeds that learned; NaN if none did."""
    weight = np.exp(-0.5 * ((x[:, None] - x[None, :]) / SMOOTHING) ** 2)
    places = []
    for one in losses:
        known = np.where(np.isfinite(one), one, np.inf)
        if known.min() < start:
            places.append(x[int((weight @ heights(known, np.zeros(len(x)), start) / weight.sum(1)).argmin())])
    return float(np.mean(places)) if places else math.nan


def moves_of(path: Path, epochs: float) -> list[tuple[float, float]]:
    """Of every length and the one twice as long: log2 of the passes of the longer, and decades that the rate falls."""
    with np.load(path) as bank:
        x, start, lengths = np.log10(bank["lrs"]), float(bank["start"].mean()), bank["lengths"]
        best = [
            best_place(x, bank["losses"][:, place, :, -1], start) for place in range(min(HALVINGS + 1, len(lengths)))
        ]
    passes = math.log2(epochs)
    moves = [
        (passes - place, best[place + 1] - best[place])
        for place in range(len(best) - 1)
        if lengths[place + 1] >= FEWEST and math.isfinite(best[place + 1] - best[place])
    ]
    return [(seen, min(1.0, max(-1.0, move))) for seen, move in moves]


def lost_at(path: Path) -> np.ndarray | None:
    """Share lost [lengths, seeds, falls] at what one seed's sweep over a length names; NaN where there is none."""
    with np.load(path) as bank:
        x, start, losses = np.log10(bank["lrs"]), float(bank["start"].mean()), bank["losses"]
        whole = np.where(np.isfinite(bank["oracle"]), bank["oracle"], np.inf).mean(0)
    if not whole.min() < start:
        return None
    lost = np.minimum((whole - whole.min()) / (start - whole.min()), 1.0)
    found = np.full((LENGTHS, len(losses), len(FALLS)), np.nan)
    for place in range(min(LENGTHS, losses.shape[1])):
        for seed in range(len(losses)):
            best = best_place(x, losses[seed : seed + 1, place, :, -1], start)
            if math.isfinite(best):
                found[place, seed] = np.interp(best - FALLS, x, lost)
    return found


def told(paths: list[Path]) -> list[dict[str, Any]]:
    """Of sweeps over every length: what is lost with the fall that loses least on the mean."""
    found = np.concatenate([one for one in map(lost_at, paths) if one is not None], axis=1)
    rows = []
    for place in range(LENGTHS):
        known = found[place][np.isfinite(found[place, :, 0])]
        fall = int(known.mean(0).argmin())
        median, nine, worst = (round(100 * float(one), 2) for one in np.percentile(known[:, fall], (50, 90, 100)))
        rows.append(
            {
                "share": 2.0**-place,
                "sweeps": len(known),
                "fall": round(float(FALLS[fall]), 2),
                "lost": [median, nine, worst],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, required=True, help="folder of the bank")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    paths = [(case, given.bank / f"{case.name}.npz") for case in ALL_CASES]
    used = [(case, path) for case, path in paths if path.exists()]
    seen, fallen = np.array([move for case, path in used for move in moves_of(path, case.epochs)]).T
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
    sweeps = told([path for _, path in used])
    print(*sweeps, sep="\n")
    if given.json:
        panels = [case.panel for case, _ in used]
        record = {
            "kind": "benchmark", "name": "find-moves",
            "panels": {panel: panels.count(panel) for panel in sorted(set(panels))},
            "rows": rows, "sweeps": sweeps,
            "provenance": Provenance.here(command="python benchmarks/find_moves.py").to_json(),
        }  # fmt: skip
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
