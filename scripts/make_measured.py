"""Write docs/measured.md from the committed records of the benchmarks; nothing in it is typed by hand.

python scripts/make_measured.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "benchmarks" / "records"
PAGE = ROOT / "docs" / "measured.md"

SEARCHES = ("cost 3", "cost 1", "100 steps")
GOALS = {"cost 3": (0.3, 2.0, 5.0), "cost 1": (0.5, 4.0, None)}
"""Goals for the share lost, in percent: median, 90th percentile, worst."""
HELD, WIDTH = 0.9, 0.5
"""Goals for the interval: share of cases in which it holds the oracle's best; decades at the median."""


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _origin(record: dict[str, Any]) -> str:
    machine = record["machine"]
    if isinstance(machine, dict):
        machine = f"{machine['processor']}, {machine['cores']} cores"
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"Measured {record['date'][:10]}; {machine}; {versions}."


def _quality(name: str, title: str, about: str) -> str:
    record = _load(name)
    cases = record["cases"]
    lines = [f"### {title}", "", about, "", _origin(record), ""]
    lines += ["| Method | median | 90th percentile | worst | goals reached |", "|---|--:|--:|--:|---|"]
    for method in cases[0]["lost"]:
        lost = [100 * case["lost"][method]["lost"] for case in cases]
        values = [float(np.percentile(lost, at)) for at in (50, 90, 100)]
        label = f"**Surefoot, {method}**" if method in SEARCHES else method
        lines.append("| " + " | ".join([label, *(f"{one:.2f}" for one in values), _reached(method, values)]) + " |")
    lines += ["", "| Search | trainings spent | interval holds the best rate | median width, decades | goals reached |"]
    lines.append("|---|--:|--:|--:|---|")
    for method in SEARCHES:
        kept = [case["intervals"][method] for case in cases]
        held = float(np.mean([one["holds"] for one in kept]))
        width = float(np.median([one["width"] for one in kept if one["width"] is not None]))
        spent = float(np.mean([one["cost"] for one in kept]))
        said = f"{'yes' if held >= HELD else 'no'}, {'yes' if width <= WIDTH else 'no'}"
        lines.append(f"| {method} | {spent:.2f} | {held:.0%} | {width:.2f} | {said} |")
    return "\n".join(lines)


def _reached(method: str, values: list[float]) -> str:
    goals = GOALS.get(method)
    if goals is None:
        return ""
    said = zip(values, goals, strict=True)
    return ", ".join("yes" if value <= goal else "no" for value, goal in said if goal is not None)


def _fused() -> str:
    record = _load("fused")
    lines = [_origin(record), ""]
    lines += [
        "| Network | members | over the loop, default threads | goal | over the loop in two processes | goal |"
        " share of matrix-product peak |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, case in record["cases"].items():
        goals = case["goals"]
        lines.append(
            f"| {name} | {case['members']} | {case['ratio_threads']:.2f} | {goals[0]} | "
            f"{case['ratio_processes']:.2f} | {goals[1]} | {case['share_of_peak']:.1%} |"
        )
    return "\n".join(lines)


def _training() -> str:
    record = _load("training")
    lines = [f"{_origin(record)} Load {record['load']:.1f}, {record['threads']} thread.", ""]
    lines += ["| Training | ratio | standard error | allowed |", "|---|--:|--:|--:|"]
    for case in record["cases"]:
        lines.append(
            f"| {case['case']} | {case['ratio']:.3f} | {case['ratio_standard_error']:.3f} | {case['allowed']} |"
        )
    return "\n".join(lines)


def page() -> str:
    """The page as Markdown."""
    report = (
        "Tasks that the method was not developed on. Its choices were made on the other panel, but for one: intervals "
        "were widened once after a look at how often they held here, so their figures are no first look."
    )
    design = "Tasks that the method was developed and calibrated on: expect these figures to flatter it."
    return f"""# Measured

Made by `scripts/make_measured.py` from the records in `benchmarks/records`; the commands remake the records.

## How good a found rate is

`python benchmarks/find_quality.py report`. An *oracle* trains 25 rates from 3 seeds to the end. With L0 the validation
loss at initialisation and L* the lowest mean over the seeds, a rate whose training ends at L has lost the share
(L - L*) / (L0 - L*) of the achievable improvement; in percent below. A method without a suggestion, or with one that
diverges, has lost all. Other tools run from their own packages with their own defaults. *25 runs, 1 seed* takes the
best rate of a whole sweep with one seed, which costs 25 trainings, and judges it with the other seeds: what is lost
there is lost to chance.

{_quality("report", "Report panel", report)}

{_quality("design", "Design panel", design)}

## How fast many members train side by side

`python benchmarks/fused.py`. Ratios of wall time for the same member-steps, against the stock PyTorch loop.

{_fused()}

## What training costs

`python benchmarks/training.py --json benchmarks/records/training.json`. Time of an epoch of `surefoot train` over that
of a loop by hand that notes loss and rate of every step and validates alike.

{_training()}
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
