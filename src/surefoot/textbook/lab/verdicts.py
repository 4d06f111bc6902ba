"""Verdicts: whether a printed and a measured number agree, computed by a rule that is stated in words.

`Verdicts` collects the numbers of one program. Each key gets its rule when its numbers are given: they agree when they
lie within a stated distance, within a stated share of the printed number, or within the spread over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

from surefoot.textbook.lab.record import AGREES, DIFFERS

__all__ = ["Checked", "Verdicts"]

Number = float | int


class Checked(TypedDict):
    """The four fields of a `LabResult` that belong together."""

    printed: dict[str, Any]
    measured: dict[str, Any]
    verdict: dict[str, Any]
    rule: dict[str, str]


class Verdicts:
    """The printed and measured numbers of one program."""

    def __init__(self) -> None:
        self._printed: dict[str, Any] = {}
        self._measured: dict[str, Any] = {}
        self._verdict: dict[str, Any] = {}
        self._rule: dict[str, str] = {}

    def compare(
        self,
        key: str,
        printed: Number | Sequence[Number],
        measured: Number | Sequence[Number],
        *,
        what: str,
        within: float = 0.0,
        share: float = 0.0,
        spread: float | Sequence[float] | None = None,
    ) -> None:
        """Note a number, or a list of them entry by entry, and whether the two agree.

        Args:
            key: name of the number in the record.
            printed: what the textbook states.
            measured: what came out.
            what: the number in words.
            within: largest distance at which they agree, in the number's own unit.
            share: largest distance as a share of the printed number; the larger of the two bounds counts.
            spread: standard deviation of the measured number over seeds; twice it is allowed as well.
        """
        many = isinstance(printed, Sequence)
        left = [float(one) for one in printed] if isinstance(printed, Sequence) else [float(printed)]
        right = [float(one) for one in measured] if isinstance(measured, Sequence) else [float(measured)]
        if len(left) != len(right):
            raise ValueError(f"{key}: {len(left)} printed numbers and {len(right)} measured ones")
        spreads = [0.0] * len(left)
        if isinstance(spread, Sequence):
            spreads = [float(one) for one in spread]
        elif spread is not None:
            spreads = [float(spread)] * len(left)
        verdicts = [
            AGREES if _near(one, other, max(within, share * abs(one), 2 * width)) else DIFFERS
            for one, other, width in zip(left, right, spreads, strict=True)
        ]
        self._printed[key] = left if many else left[0]
        self._measured[key] = right if many else right[0]
        self._verdict[key] = verdicts if many else verdicts[0]
        bounds = [f"{within:g}"] if within else []
        bounds += [f"{100 * share:g}% of the printed number"] if share else []
        bounds += ["two standard deviations over seeds"] if spread is not None else []
        allowed = f"within {' or '.join(bounds)}" if bounds else "when they are equal"
        self._rule[key] = f"{what}; they agree {allowed}"

    def state(self, key: str, holds: bool, *, what: str, when: str) -> None:
        """Note a statement in words as the number 1, and 1 or 0 for whether it holds.

        Args:
            key: name of the statement in the record.
            holds: whether it does, by the rule `when`.
            what: the statement.
            when: what must be measured for it to hold.
        """
        self.compare(key, 1.0, 1.0 if holds else 0.0, what=what)
        self._rule[key] = f"{what}; 1 when {when}, else 0"

    def fields(self) -> Checked:
        """As keywords of a `LabResult`."""
        return {"printed": self._printed, "measured": self._measured, "verdict": self._verdict, "rule": self._rule}

    def __getitem__(self, key: str) -> Any:
        """The verdict, or list of verdicts, of `key`."""
        return self._verdict[key]

    def agreeing(self, key: str) -> str:
        """``2 of 5`` for a list, ``1 of 1`` for a number."""
        verdict = self._verdict[key]
        every = verdict if isinstance(verdict, list) else [verdict]
        return f"{every.count(AGREES)} of {len(every)}"


def _near(one: float, other: float, bound: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return False
    if math.isinf(one) or math.isinf(other):
        return one == other
    return abs(one - other) <= bound * (1 + 1e-9)
