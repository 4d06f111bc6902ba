"""What a search for the rate found, or why it found nothing."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.provenance import Provenance
from surefoot.records.recipe import Recipe
from surefoot.records.record import Record
from surefoot.records.run import Fate, Run

__all__ = ["CurvePoint", "Found"]


@dataclasses.dataclass(frozen=True, eq=False)
class CurvePoint(Record):
    """One member of a search: a rate that was tried and how it fared."""

    kind: ClassVar[str] = "curve_point"

    lr: float
    loss: float
    """Validation loss when the member ended; infinity if it diverged."""
    spread: float | None
    """Standard error of `loss` from the sampling of the validation data; None where it is not known."""
    steps: int
    """Updates the member made."""
    horizon: int
    """Updates its schedule was laid out for."""
    fate: Fate
    seed: int = 0
    stage: str = ""
    """The part of the search that trained it, such as `rung 1` or `finals`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found(Record):
    """The result of a search. With `status` unknown, `lr` and `interval` are None and `reason` says what to do."""

    kind: ClassVar[str] = "found"

    task: str
    status: Literal["found", "unknown"]
    lr: float | None
    """The recommended peak rate."""
    interval: tuple[float, float] | None
    """Rates that cannot be told from the best one at this budget."""
    divergence_lr: float | None
    """The rate above which training diverges; None when no tried rate diverged."""
    expected_loss: float | None
    """Validation loss to expect at the end of the full training at `lr`."""
    reason: str
    """Why this rate, or why none and what to do, in words."""
    cost: float
    """What the search spent, in full trainings of the recipe (member-steps over steps of one training)."""
    recipe: Recipe
    """The recipe with the found rate filled in; `lr` is None when unknown."""
    method: str = "race"
    initial_loss: float | None = None
    """Validation loss before any update."""
    steps: int = 0
    """Updates of one full training."""
    curve: tuple[CurvePoint, ...] = ()
    rules: dict[str, float | None] = dataclasses.field(default_factory=dict)
    """For a range test: the rate that each published rule suggests; None where a rule gives none."""
    runs: tuple[Run, ...] = ()
    """The members' runs, thinned for drawing."""
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    def __post_init__(self) -> None:
        """Refuse a found status without a rate, and an unknown without a reason."""
        if (self.status == "found") != (self.lr is not None):
            raise RecordError(f"`status` is {self.status} and `lr` is {self.lr}; a rate is given if and only if found")
        if not self.reason:
            raise RecordError("a search result needs a `reason`")
