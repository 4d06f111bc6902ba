"""A measurement: a number with its unit, its spread and the method that gave it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surefoot.errors import RecordError
from surefoot.records.record import Record

__all__ = ["Measurement"]


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement(Record):
    """A number that was measured. `value` None means unknown, and `reason` says why."""

    kind: ClassVar[str] = "measurement"

    name: str
    value: float | None
    unit: str = ""
    low: float | None = None
    """Lower end of the interval at `confidence`, in the same unit."""
    high: float | None = None
    confidence: float = 0.95
    """Share of repetitions in which the interval holds the true value; between 0 and 1."""
    n: int = 1
    """Independent repetitions behind the number."""
    method: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse an interval upside down and an unknown without a reason."""
        if self.low is not None and self.high is not None and self.low > self.high:
            raise RecordError(f"`low` is {self.low} and `high` is {self.high}; low is at most high")
        if not 0 < self.confidence < 1:
            raise RecordError(f"`confidence` is {self.confidence}; it lies between 0 and 1")
        if self.value is None and not self.reason:
            raise RecordError("a measurement without a `value` needs a `reason`")
