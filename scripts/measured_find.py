"""Tables of `docs/measured.md` that say how good a found rate is, and how its records are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["first_look", "hopeless", "load", "measured_on", "moves", "quality", "reach", "usual"]

RECORDS = Path(__file__).resolve().parent.parent / "benchmarks" / "records"

SEARCHES = ("cost 3", "cost 1", "100 steps")
GOALS = {"cost 3": (0.3, 2.0, 5.0), "cost 1": (0.5, 4.0, None)}
"""Goals for the share lost, in percent: median, 90th percentile, worst."""
HELD, WIDTH = 0.9, 0.5
"""Goals for the interval: share of cases in which it holds the oracle's best; decades at the median."""
SWEEP, FAR_OFF = "25 runs, 1 seed", 0.15
"""What no tool is, and the share lost that counts as far off."""


def load(name: str) -> dict[str, Any]:
    """The record of that name."""
    found: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def measured_on(record: dict[str, Any]) -> str:
    """When, where and with what a record was made."""
    machine = record["machine"]
    if isinstance(machine, dict):
        machine = f"{machine.get('processor') or machine['architecture']}, {machine['cores']} cores"
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"Measured {record['date'][:10]}; {machine}; {versions}."


def quality(name: str, title: str, about: str) -> str:
    """The section of a panel: what each method loses, and what the intervals hold."""
    record = load(name)
    cases = record["cases"]
    lines = [f"### {title}", "", about, "", measured_on(record), ""]
    lines += ["| Method | median | 90th percentile | worst | goals reached |", "|---|--:|--:|--:|---|"]
    for method in cases[0]["lost"]:
        values = _lost(cases, method)
        label = f"**Surefoot, {method}**" if method in SEARCHES else method
        lines.append("| " + " | ".join([label, *(f"{one:.2f}" for one in values), _reached(method, values)]) + " |")
    head = "| Search | trainings spent | interval holds the best rate | median width, decades | goals reached |"
    lines += ["", f"{head} expected loss off by, median |", "|---|--:|--:|--:|---|--:|"]
    for method in SEARCHES:
        kept = [case["intervals"][method] for case in cases]
        held = float(np.mean([one["holds"] for one in kept]))
        width = float(np.median([one["width"] for one in kept if one["width"] is not None]))
        spent = float(np.mean([one["cost"] for one in kept]))
        said = f"{'yes' if held >= HELD else 'no'}, {'yes' if width <= WIDTH else 'no'}"
        lines.append(f"| {method} | {spent:.2f} | {held:.0%} | {width:.2f} | {said} | {_off(kept)} |")
    return "\n".join(lines)


def _off(kept: list[dict[str, Any]]) -> str:
    """How far off the expected loss is, at the median; a dash in records that do not tell."""
    off = [abs(one["expected_off"]) for one in kept if one.get("expected_off") is not None]
    return f"{np.median(off):.1%}" if off else "–"


def _lost(cases: list[dict[str, Any]], method: str) -> list[float]:
    """Median, 90th percentile and worst of the share lost, in percent."""
    return [float(one) for one in np.percentile([100 * case["lost"][method]["lost"] for case in cases], (50, 90, 100))]


def first_look(name: str) -> str:
    """What the searches lost before something was changed."""
    cases = load(name)["cases"]
    said = [f"{method} {' / '.join(f'{one:.2f}' for one in _lost(cases, method))}" for method in SEARCHES]
    return f"At the look before, median / 90th percentile / worst: {', '.join(said)}."


def hopeless(name: str) -> str:
    """In how many cases of a panel no tool comes near."""
    cases = load(name)["cases"]
    lost = [min(one["lost"] for method, one in case["lost"].items() if method != SWEEP) for case in cases]
    return f"In {sum(one > FAR_OFF for one in lost)} of the {len(lost)} every tool loses more than {FAR_OFF:.0%}."


def reach() -> str:
    """How far the best rate of a sweep lies from that of another: no interval can be expected to be narrower."""
    apart = []
    for path in sorted(RECORDS.glob("oracle*.json")):
        for case in load(path.stem)["cases"]:
            losses, place = np.array(case["losses"], dtype=float), np.log10(case["lrs"])
            for seed, own in enumerate(losses):
                others = np.delete(losses, seed, 0).mean(0)
                apart.append(abs(place[own.argmin()] - place[others.argmin()]))
    most, nearly = np.percentile(apart, [80, 90])
    return (
        f"In {len(apart) // 3} oracles, the best of 25 rates trained to the end with one seed lies within {most:.1f} "
        f"decades of the best with the two other seeds in 80% of cases, within {nearly:.1f} in 90%. An interval of one "
        f"width for all tasks, around the best rate of a whole sweep, has to be {2 * nearly:.1f} decades wide to hold "
        "the best rate of another sweep in 90%."
    )


def moves() -> str:
    """How far the best rate falls with the length, and what a whole sweep over a part of the training loses."""
    record = load("moves")
    lines = ["A training is made twice as long: how far does the best rate fall?", ""]
    lines += ["| the longer one sees its data | pairs | decades | standard error |", "|---|--:|--:|--:|"]
    for row in record["rows"]:
        low, high = row["passes"]
        often = f"{low:.0f} times and more" if high is None else f"up to {high:.0f} times"
        lines.append(f"| {often} | {row['moves']} | {row['decades']:.2f} | {row['standard_error']:.2f} |")
    lines += [
        "",
        "A whole sweep with one seed over a part of the training, and its best rate lowered by what loses least on the "
        "mean, in hindsight: what is lost? With 25 rates such a sweep over half of the training costs 12 trainings.",
        "",
        "| part of the training | sweeps | lowered by, decades | median | 90th percentile | worst |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in record["sweeps"]:
        share = "all" if row["share"] == 1 else f"1/{1 / row['share']:.0f}"
        lost = " | ".join(f"{one:.2f}" for one in row["lost"])
        lines.append(f"| {share} | {row['sweeps']} | {row['fall']:.2f} | {lost} |")
    panels = ", ".join(f"{name} {count}" for name, count in record["panels"].items())
    return "\n".join([*lines, "", f"Cases: {panels}. {measured_on(record['provenance'])}"])


def usual() -> str:
    """Which rate is usually best, and how far off that is elsewhere."""
    record = load("usual_rates")
    fit = record["fit"]
    what = {
        "sgd": f"log10 of the mean rate of SGD over {fit['steps']} updates",
        "adam": f"the same of Adam and AdamW, {fit['parameters']:,} parameters",
        "rmsprop": f"the same of RMSprop, {fit['parameters']:,} parameters",
        "momentum": "for momentum 0.9",
        "doubling": "for each doubling of the updates",
        "tenfold": "for ten times as many parameters, Adam, AdamW and RMSprop",
    }
    lines = ["| | decades | standard error |", "|---|--:|--:|"]
    for name, number in fit["numbers"].items():
        lines.append(f"| {what[name]} | {number['value']:+.2f} | {number['standard_error']:.2f} |")
    lines += ["", "| Judged on | cases | half of them lie within, decades | standard deviation |", "|---|--:|--:|--:|"]
    for name, one in fit["judged"].items():
        where = "the same tasks, left out in turn" if name == "left out" else f"{name} panel"
        lines.append(f"| {where} | {one['cases']} | {one['middle_half_within']:.2f} | {one['deviation']:.2f} |")
    return "\n".join([*lines, "", f"{len(record['cases'])} cases. {measured_on(record['provenance'])}"])


def _reached(method: str, values: list[float]) -> str:
    goals = GOALS.get(method)
    if goals is None:
        return ""
    said = zip(values, goals, strict=True)
    return ", ".join("yes" if value <= goal else "no" for value, goal in said if goal is not None)
