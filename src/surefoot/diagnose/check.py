"""A check: one symptom, looked for in the evidence it asks for by name.

A check is a function registered with `check`. Its parameters name the evidence it needs (see `Evidence`); evidence
that the run does not tell makes the answer *unknown*, and the finding says what to record. Its docstring is what
`surefoot explain` shows: the first paragraph says what it looks for, `Why:` why that is a symptom, `Remedy:` what to
do, `Source:` where the rule is from.

`after` names checks that must not hold: where they do, the symptom would have another cause, and the answer is unknown
too. Checks are asked in the order in which they are registered, so what comes first is a prerequisite of what follows.

A check returns an `Answer`: True, False or None (the evidence does not decide), the numbers it rests on (the first is
the statistic, with its interval where it has one), and the steps where the evidence lies.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Literal

from surefoot.diagnose.evidence import WANTED, Evidence
from surefoot.records import Finding, Measurement

__all__ = ["CHECKS", "Answer", "Check", "ask_all", "check", "number"]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a check says."""

    holds: bool | None
    text: str
    numbers: tuple[Measurement, ...] = ()
    steps: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Check:
    """A registered check."""

    id: str
    look: Callable[..., Answer]
    needs: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def sections(self) -> dict[str, str]:
        """Parts of the documentation: `what`, `why`, `remedy`, `source`; each one paragraph."""
        parts = re.split(r"\n\s*\n", inspect.getdoc(self.look) or "")
        found = {"what": " ".join(parts[0].split())}
        for part in parts[1:]:
            name, _, said = part.partition(":")
            found[name.strip().lower()] = " ".join(said.split())
        return found

    def ask(self, evidence: Evidence, earlier: dict[str, Finding]) -> Finding:
        """The finding of this check, given those of the checks before it."""
        blocked = [name for name in self.after if earlier[name].result == "holds"]
        if blocked:
            return Finding(self.id, "unknown", text=f"not decided, because {blocked[0]} holds")
        given = {name: evidence.named(name) for name in self.needs}
        missing = [name for name, value in given.items() if value is None]
        if missing:
            wanted = WANTED[missing[0]]
            return Finding(
                self.id, "unknown", text=f"the log does not tell: {wanted}", remedy=f"{wanted}.".capitalize()
            )
        answer = self.look(**given)
        result: Literal["holds", "fails", "unknown"]
        result = "unknown" if answer.holds is None else "holds" if answer.holds else "fails"
        remedy = self.sections["remedy"] if answer.holds else ""
        return Finding(self.id, result, answer.numbers, answer.steps, answer.text, remedy)


CHECKS: dict[str, Check] = {}
"""Every check by its id, in the order in which they are asked."""


def check(*, after: tuple[str, ...] = ()) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a function as the check of its own name, with hyphens."""

    def register(look: Callable[..., Answer]) -> Callable[..., Answer]:
        name = look.__name__.replace("_", "-")
        CHECKS[name] = Check(name, look, tuple(inspect.signature(look).parameters), after)
        return look

    return register


def ask_all(evidence: Evidence) -> dict[str, Finding]:
    """The findings of all checks, by id."""
    found: dict[str, Finding] = {}
    for name, one in CHECKS.items():
        found[name] = one.ask(evidence, found)
    return found


def number(name: str, value: float, error: float = 0.0, *, unit: str = "", n: int = 1, method: str = "") -> Measurement:
    """A statistic with its 95% interval from a standard error; an infinite or undefined error gives none."""
    known = 0.0 < error < float("inf") and abs(value) < float("inf")
    low, high = (value - 1.96 * error, value + 1.96 * error) if known else (None, None)
    if value != value:
        return Measurement(name, None, unit, n=n, method=method, reason="too few entries")
    return Measurement(name, float(value), unit, low, high, n=n, method=method)
