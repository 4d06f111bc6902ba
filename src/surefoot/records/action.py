"""An action: something that was changed in a training while it ran, with the evidence for it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.records.finding import Finding
from surefoot.records.record import Record

__all__ = ["Action", "Deed"]

Deed = Literal["cut", "restore", "decay", "stop", "raise"]
"""Cut the rate; restore the last good weights; decay the rate at a noise floor; stop; raise the rate."""


@dataclasses.dataclass(frozen=True, eq=False)
class Action(Record):
    """One change to a running training, or, with `done` false, one that was only said."""

    kind: ClassVar[str] = "action"

    deed: Deed
    step: int
    """Updates made when it was decided."""
    factor: float = 1.0
    """What every rate was multiplied by."""
    lr_before: float | None = None
    """Rate of the first parameter group."""
    lr_after: float | None = None
    restored: int | None = None
    """Updates after which the weights that were put back had been kept; None where none were."""
    evidence: Finding | None = None
    done: bool = True
    """False in a dry run."""
    undone: bool = False
    text: str = ""
    """What was done and why, in one sentence."""
