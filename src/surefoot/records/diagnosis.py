"""A diagnosis: what is wrong with one training, how sure that is, by how much the rate is off, and the evidence."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from surefoot.errors import RecordError
from surefoot.records.finding import Finding
from surefoot.records.record import Record, write_text
from surefoot.records.run import Run

__all__ = ["FINE", "Diagnoses", "Diagnosis", "Verdict"]

Verdict = Literal[
    "rate_too_low",
    "rate_ok",
    "rate_too_high",
    "diverged",
    "overfitting",
    "noise_floor",
    "converged",
    "not_learning",
    "no_update",
    "data_problem",
    "dead_units",
    "schedule_too_early",
    "spike_recovered",
    "nan",
    "unknown",
]

FINE: frozenset[str] = frozenset({"rate_ok", "converged", "spike_recovered", "unknown"})
"""Verdicts that ask for no change. A spike that the training recovered from cost some steps, and is over."""


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis(Record):
    """What the checks and the model of verdicts say of one run."""

    kind: ClassVar[str] = "diagnosis"

    verdict: Verdict
    probability: float
    """Calibrated chance that the verdict is right; of `unknown`, that of the likeliest cause, which did not suffice."""
    decades: tuple[float, float] | None = None
    """By how many powers of ten to multiply the rate to come to the middle of the good ones: lower and upper end of an
    80% interval; None where the run does not tell."""
    findings: tuple[Finding, ...] = ()
    """The answer of every check, in the order in which they were asked."""
    notes: tuple[str, ...] = ()
    """Quirks of the log, and what limits the answer."""
    path: str = ""
    """File or folder of the log; empty for a run that was given."""
    format: str = ""
    """Format of the log; empty for a run that was given."""
    text: str = ""
    """What is wrong, in one sentence."""
    remedy: str = ""
    """What to change."""
    likelihoods: dict[str, float] = dataclasses.field(default_factory=dict)
    """Verdict to calibrated probability, of all that the model weighed; likeliest first."""
    run: Run | None = None
    """The run as it was read, thinned for drawing."""

    def __post_init__(self) -> None:
        """Refuse a probability outside 0 to 1, and an interval upside down."""
        if not 0.0 <= self.probability <= 1.0:
            raise RecordError(f"`probability` is {self.probability}; it lies between 0 and 1")
        if self.decades is not None and self.decades[0] > self.decades[1]:
            raise RecordError(f"`decades` is {self.decades}; the lower end comes first")

    @property
    def is_fault(self) -> bool:
        """Whether something should be changed."""
        return self.verdict not in FINE

    @property
    def holding(self) -> tuple[Finding, ...]:
        """The findings that hold."""
        return tuple(one for one in self.findings if one.result == "holds")

    def to_json(self) -> dict[str, Any]:
        """As any record; every finding also has its first number as `statistic` (null without one)."""
        out = super().to_json()
        for finding, written in zip(self.findings, out["findings"], strict=True):
            value = finding.evidence[0].to_json()["value"] if finding.evidence else None
            written["statistic"] = value
        return out


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnoses(Record):
    """Diagnoses of several runs; as JSON a list of them."""

    kind: ClassVar[str] = "diagnoses"

    each: tuple[Diagnosis, ...] = ()

    @property
    def is_fault(self) -> bool:
        """Whether a fault was found in any run."""
        return any(one.is_fault for one in self.each)

    def dumps(self) -> str:
        """The list of diagnoses as JSON text, a line for each."""
        lines = (json.dumps(one.to_json(), allow_nan=False) for one in self.each)
        return "[\n" + ",\n".join(lines) + "\n]\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the list to `path`, whole or not at all.

        Raises:
            OutputError: the file cannot be written; an older file at `path` is then as it was.
        """
        return write_text(path, self.dumps())

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Build the record from the list that `dumps` wrote.

        Raises:
            RecordError: `data` is no list of diagnoses.
        """
        if isinstance(data, list):
            return cls(tuple(Diagnosis.from_json(one) for one in data))
        return super().from_json(data)
