"""A sweep: many runs of one task that differ in the recipe."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surefoot.records.provenance import Provenance
from surefoot.records.record import Record
from surefoot.records.run import Run

__all__ = ["Sweep"]


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep(Record):
    """Runs of one task, in the order in which their recipes were given."""

    kind: ClassVar[str] = "sweep"

    task: str
    """Name of the task."""
    runs: tuple[Run, ...] = ()
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    @property
    def cost(self) -> int:
        """Member-steps spent: the sum of the steps of all runs."""
        return sum(run.steps for run in self.runs)
