"""Make docs/findings/*.md, a page for each check of `surefoot diagnose`, and the figures in docs/diagnose.md.

    python scripts/make_findings.py

The pages are the checks' own words; the figures are those of benchmarks/records/diagnosis.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import surefoot.diagnose.checks  # noqa: F401 - registers the checks
from surefoot.diagnose.check import CHECKS
from surefoot.diagnose.explain import page_of

ROOT = Path(__file__).resolve().parent.parent
FOLDER, GUIDE = ROOT / "docs" / "findings", ROOT / "docs" / "diagnose.md"
START, END = "<!-- figures: made by scripts/make_findings.py -->", "<!-- end of figures -->"
NAMES = {
    "right": ("cause right, of the runs on which a verdict was given", "at least"),
    "abstained": ("runs on which none was given", "at most"),
    "false_alarms": ("good runs called faulty", "at most"),
    "direction": ("direction of a wrong rate right, where one was given", "at least"),
    "size_to_middle": ("size of a correction within half a decade, where one was given", "at least"),
    "calibration_error": ("expected calibration error of the stated probabilities", "at most"),
}


def figures(record: dict[str, Any]) -> str:
    """The tables of the guide."""
    away, fresh, where = record["left_out"], record["fresh"], record["provenance"]
    lines = [
        f"{record['trainings']['fresh']} trainings of {len(record['tasks']['fresh'])} tasks made afterwards, logged in "
        f"varied forms; {fresh['runs']} of them have a known cause, {fresh['good_runs']} are good. "
        f"{where['date'][:10]}, {where['machine']}.",
        f"There are {away['tasks']} calibration tasks with {record['trainings']['calibration']} trainings; each is "
        "judged by trees that have not seen its family.",
        "", "| | goal | calibration tasks left out | made afterwards |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, (said, bound) in NAMES.items():
        goal = record["goals"][name]
        cells = (_reached(part[name], goal, bound) for part in (away, fresh))
        lines.append(f"| {said} | {bound} {_percent(goal)} | {' | '.join(cells)} |")
    lines += ["", *_looks([*record["earlier_fresh"], fresh])]
    lines += ["", "| Sizes of wrong rates | made afterwards |", "|---|---|"]
    for said, told in _SIZES:
        lines.append(f"| {said} | {told(fresh)} |")
    beside = record["siblings"]
    lines += [
        "",
        f"Beside the other runs of its sweep the verdict on the rate was right in {_percent(beside['right'])} of "
        f"{beside['runs']} runs made afterwards.",
    ]
    if record["peers"]:
        lines += [
            "", "Other tools on the same logs, their findings read as kindly as possible:", "",
            "| | cause right, all runs | faulty runs noticed | good runs called faulty |", "|---|---|---|---|",
            f"| Surefoot | {_percent(fresh['right_of_all'])} | {_percent(fresh['faults_noticed'])} | "
            f"{_percent(fresh['false_alarms'])} |",
        ]  # fmt: skip
        for name, one in record["peers"].items():
            if "missing" in one:
                continue
            shares = (_percent(one[key]) for key in ("right_of_all", "faults_noticed", "false_alarms"))
            lines.append(f"| {name} {one['version']} | {' | '.join(shares)} |")
        lines += ["", "Surefoot's abstentions count as wrong, and as not noticed, in this table."]
    return "\n".join(lines)


def _looks(looks: list[dict[str, Any]]) -> list[str]:
    """A row for each set of tasks that was fresh once, as it was judged then."""
    words = ("cause right", "none given", "good called faulty", "direction right", "size right", "calibration error")
    lines = [
        "Every look so far, each at tasks that nothing had been fitted or chosen on. All but the last were, later:",
        "", "| tasks | " + " | ".join(words) + " |", "|--:" * (1 + len(words)) + "|",
    ]  # fmt: skip
    for look in looks:
        values = (look.get(name) for name in NAMES)
        cells = ("" if value is None else _percent(value) for value in values)
        lines.append(f"| {len(look['tasks'])} | {' | '.join(cells)} |")
    return lines


def _sides(key: str) -> Callable[[dict[str, Any]], str]:
    return lambda part: f"{_percent(part['too_low'][key])}, {_percent(part['too_high'][key])}"


_SIZES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("verdicts of a wrong rate that came with a size", lambda part: _percent(part["sized"])),
    ("sizes told of rates too low, too high", lambda p: f"{p['too_low']['sizes_told']}, {p['too_high']['sizes_told']}"),
    ("corrected rate within half a decade of the near-best ones: too low, too high", _sides("size")),
    ("the same with one factor for all on a side, the best in hindsight", lambda p: _percent(p["one_factor"]["size"])),
    ("corrected rate near-best itself: too low, too high", _sides("size_on_good")),
    ("size within half a decade, from the middle of the near-best ones: too low, too high", _sides("size_to_middle")),
    ("middle of the good rates inside the interval (made for 80%)", lambda part: _percent(part["size_inside"])),
)
"""What is told of sizes, and how."""


def _reached(value: float, goal: float, bound: str) -> str:
    met = value >= goal if bound == "at least" else value <= goal
    return _percent(value) + ("" if met else ", **missed**")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%".replace(".0%", "%")


def guide(text: str, record: dict[str, Any]) -> str:
    """The guide with the figures of `record`."""
    head, _, rest = text.partition(START)
    return f"{head}{START}\n\n{figures(record)}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.stem not in CHECKS:
            old.unlink()
    for name, check in CHECKS.items():
        (FOLDER / f"{name}.md").write_text(page_of(check), encoding="utf-8")
    record = json.loads((ROOT / "benchmarks" / "records" / "diagnosis.json").read_text(encoding="utf-8"))
    GUIDE.write_text(guide(GUIDE.read_text(encoding="utf-8"), record), encoding="utf-8")


if __name__ == "__main__":
    main()
