"""Printed rounds: what boosters say after each tree, one sentence for all evaluation sets.

XGBoost: `[3] train-logloss:0.4 eval-logloss:0.5`; LightGBM: `[3] training's l2: 0.4 valid_1's l2: 0.5`; CatBoost:
`3: learn: 0.4 test: 0.5 best: 0.5 (3)`.
"""

from __future__ import annotations

import re

from surefoot.logs.channels import RawLog
from surefoot.logs.json_logs import boosted
from surefoot.logs.limits import clean

__all__ = ["RoundText", "tells_rounds"]

_ROUND = re.compile(r"\[(\d{1,9})\]\s+(?=\S{1,80}(?:-\S{1,40}|'s \S{1,40}):)|(\d{1,9}):\s+(?=learn: )")
_TELLING = re.compile(
    r"(?P<cat>learn|test\d*): (?P<c>\S{1,30})"
    r"|(?P<set>[^\s':]{1,80})'s (?P<metric>[^\s:]{1,60}): (?P<l>\S{1,30})"
    r"|(?P<x>[^\s:]{1,80}-[^\s:]{1,60}):(?P<v>\S{1,30})"
)


def tells_rounds(head: str) -> bool:
    """Whether a text has lines of rounds near its beginning."""
    return sum(bool(_ROUND.match(line)) for line in head.splitlines()[:60]) > 1


class RoundText:
    """The rounds met so far, by set and metric."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._again = False

    def row(self, line: str) -> list[tuple[str, float]] | None:
        """One round as named numbers, its number as `step`; None when the line is none, empty when it is told again."""
        start = _ROUND.match(line)
        if start is None:
            self._again = self._again or "best iteration" in line[:200].lower()
            return None
        if self._again:
            self._again = False
            return []
        row: list[tuple[str, float]] = []
        for match in _TELLING.finditer(line, start.end()):
            name, written = _named(match)
            try:
                # a spread over folds stands behind the mean: 0.4+0.01
                value = float(re.split(r"(?<=[\d.])[+±]", written)[0])
            except ValueError:
                continue
            row.append((name, value))
        if not row:
            return None
        self.seen.extend(name for name, _ in row if name not in self.seen)
        return [("step", float(start[1] or start[2])), *row]

    def dress(self, raw: RawLog) -> None:
        """Say which set is the training's, when rounds were all that the text told."""
        if self.seen:
            boosted(raw, self.seen)
            raw.unit = "round"


def _named(match: re.Match[str]) -> tuple[str, str]:
    if match["cat"]:
        return ("train/loss" if match["cat"] == "learn" else f"{match['cat']}/loss"), match["c"]
    if match["set"]:
        return clean(f"{match['set']}/{match['metric']}"), match["l"]
    group, _, metric = match["x"].rstrip("-").rpartition("-")
    return clean(f"{group or match['x']}/{metric}"), match["v"]
