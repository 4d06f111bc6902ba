"""What was watched: a training while it ran, as a record."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surefoot.records.action import Action
from surefoot.records.finding import Finding
from surefoot.records.inspection import Inspection
from surefoot.records.probe import Probe
from surefoot.records.record import Record
from surefoot.records.run import Run

__all__ = ["Watched"]


@dataclasses.dataclass(frozen=True, eq=False)
class Watched(Record):
    """A run, what was seen of its layers, what was found while it trained, and what was done about it."""

    kind: ClassVar[str] = "watched"

    run: Run
    inspection: Inspection
    findings: tuple[Finding, ...] = ()
    """In the order in which they became certain."""
    actions: tuple[Action, ...] = ()
    probes: tuple[Probe, ...] = ()
    skipped: int = 0
    """Updates that were announced by a loss and never made, such as those that a gradient scaler leaves out."""
    overhead: float | None = None
    """Time that watching took, as a share of the time between updates; as measured by itself."""
