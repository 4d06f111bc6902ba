"""A finding: one diagnosis with its evidence and its remedy."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.records.measurement import Measurement
from surefoot.records.record import Record

__all__ = ["Finding"]


@dataclasses.dataclass(frozen=True, eq=False)
class Finding(Record):
    """The answer of one check. `unknown` is an answer: the evidence does not decide."""

    kind: ClassVar[str] = "finding"

    id: str
    """Name of the check, such as `rate-too-high`."""
    result: Literal["holds", "fails", "unknown"]
    evidence: tuple[Measurement, ...] = ()
    steps: tuple[int, int] | None = None
    """First and last step the answer rests on."""
    text: str = ""
    """What was seen, in one sentence."""
    remedy: str = ""
    """What to change, or what to record so that the check can decide."""
