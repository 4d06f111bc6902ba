"""A transfer: the best rate at a size that was not trained, from how it moves over sizes that were."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.provenance import Provenance
from surefoot.records.record import Record
from surefoot.records.study import ResponsePoint

__all__ = ["Transfer"]


@dataclasses.dataclass(frozen=True, eq=False)
class Transfer(Record):
    """Where the best rate should lie at `to`; with `status` unknown, `lr` and `interval` are None."""

    kind: ClassVar[str] = "transfer"

    task: str
    axis: Literal["batch_size", "width", "depth", "epochs"]
    to: float
    """The value that the rate is wanted for."""
    status: Literal["found", "unknown"]
    lr: float | None
    interval: tuple[float, float] | None
    """95 % interval, from resampled seeds and the step of the tried rates, if the power law goes on."""
    reason: str
    points: tuple[ResponsePoint, ...] = ()
    """The best rate at every value that was trained."""
    exponent: float | None = None
    """Slope of log best rate over log value."""
    exponent_low: float | None = None
    exponent_high: float | None = None
    cost: dict[str, float] = dataclasses.field(default_factory=dict)
    """As of the study behind it: `member_steps`, `seconds`."""
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    def __post_init__(self) -> None:
        """Refuse a found status without a rate, and an answer without a reason."""
        if (self.status == "found") != (self.lr is not None):
            raise RecordError(f"`status` is {self.status} and `lr` is {self.lr}; a rate is given if and only if found")
        if not self.reason:
            raise RecordError("a transfer needs a `reason`")
