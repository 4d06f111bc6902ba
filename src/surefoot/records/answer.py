"""An answer: what was measured about what somebody asked."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.measurement import Measurement
from surefoot.records.record import Record

__all__ = ["Answer"]


@dataclasses.dataclass(frozen=True, eq=False)
class Answer(Record):
    """The answer to a question, from the record of the claims or from a measurement made for it."""

    kind: ClassVar[str] = "answer"

    question: str
    status: Literal["answered", "nothing_measured"]
    claims: tuple[str, ...] = ()
    """Ids of the claims that answer it, best first."""
    answer: str = ""
    """The answer in words."""
    verdict: str = ""
    """The verdict on the first claim; of a measurement made now: too_low, right, too_high or unknown; of a log read
    now: that of the diagnosis."""
    measurements: tuple[Measurement, ...] = ()
    command: str = ""
    """The command that measures it again, or for the first time."""
    statement: str = ""
    """What the first claim says."""
    conditions: str = ""
    """Under which conditions it was measured."""
    literature: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()
    """Statements of courses that say the opposite, and what was measured of them."""
    related: tuple[str, ...] = ()
    """Ids of claims near to it."""
    topics: tuple[str, ...] = ()
    """Topics near to the question."""

    def __post_init__(self) -> None:
        """Refuse an answer without words."""
        if not self.answer:
            raise RecordError("an answer needs words in `answer`")
