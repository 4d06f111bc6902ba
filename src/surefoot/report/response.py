"""The response curve: final loss over rate, as every picture of a search draws it.

A *level* holds the members of a search that were laid out for the same number of updates; the *top* level is the
longest one, whose losses answer for the training that was asked for. Members of one level at the same rate, with
different seeds, are joined to one *place* by the mean of their losses.

A range test has no response curve, only one run in which the rate rose: its smoothed training loss stands in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from surefoot.records import CurvePoint, Found, Run
from surefoot.report.series import smoothed

__all__ = ["Level", "Place", "ceiling", "levels", "loss_name", "lr_range", "swept_run"]


@dataclasses.dataclass(frozen=True)
class Place:
    """What one rate reached on one level."""

    lr: float
    loss: float
    """Mean loss of the members that did not diverge; infinity when all did."""
    spread: float | None
    """Standard error of the mean from the sampling of the validation data; None where it is not known."""
    members: int
    retired: bool
    """Whether every member was given up before its end."""

    @property
    def diverged(self) -> bool:
        """Whether there is no finite loss."""
        return not math.isfinite(self.loss)


@dataclasses.dataclass(frozen=True)
class Level:
    """Places of equal horizon, by rising rate."""

    horizon: int
    places: tuple[Place, ...]

    @property
    def dense(self) -> bool:
        """Whether there are too many places to mark each."""
        return len(self.places) > 40


def swept_run(found: Found) -> Run | None:
    """The run of a range test, whose rate rises from step to step; None for every other search."""
    if found.method != "range-test" or not found.runs:
        return None
    run = found.runs[0]
    return run if len(run.lr) > 2 and bool((run.lr[1:] > run.lr[:-1]).all()) else None


def loss_name(found: Found) -> str:
    """What the losses of the curve are."""
    return "validation loss" if swept_run(found) is None else "training loss, smoothed"


def levels(found: Found) -> list[Level]:
    """Levels of a search, the longest horizon first."""
    swept = swept_run(found)
    if swept is not None:
        pairs = zip(swept.lr.tolist(), smoothed(swept.loss).tolist(), strict=True)
        return [Level(swept.steps, tuple(Place(lr, loss, None, 1, False) for lr, loss in pairs))]
    horizons = sorted({point.horizon for point in found.curve}, reverse=True)
    return [Level(one, _places([point for point in found.curve if point.horizon == one])) for one in horizons]


def _places(points: Sequence[CurvePoint]) -> tuple[Place, ...]:
    places = []
    for lr in sorted({point.lr for point in points}):
        here = [point for point in points if point.lr == lr]
        alive = [point for point in here if math.isfinite(point.loss)]
        if any(point.fate != "retired" for point in alive):
            alive = [point for point in alive if point.fate != "retired"]
        spreads = [point.spread for point in alive if point.spread is not None]
        diverged = any(point.fate == "diverged" for point in here)
        if not alive and not diverged:
            continue  # interrupted before its first validation
        places.append(
            Place(
                lr=lr,
                loss=sum(point.loss for point in alive) / len(alive) if alive else math.inf,
                spread=math.sqrt(sum(s * s for s in spreads)) / len(spreads) if spreads else None,
                members=len(here),
                retired=bool(alive) and all(point.fate == "retired" for point in alive),
            )
        )
    return tuple(places)


def lr_range(found: Found) -> tuple[float, float] | None:
    """Lowest and highest rate that a picture must show; None when nothing was tried."""
    swept = swept_run(found)
    rates = [point.lr for point in found.curve] if swept is None else swept.lr.tolist()
    rates += [lr for lr in (found.lr, found.divergence_lr, *(found.interval or ())) if lr is not None]
    return (min(rates), max(rates)) if rates else None


def ceiling(found: Found) -> tuple[float, float] | None:
    """Lowest and highest loss worth drawing: what lies far above the loss before training is cut off."""
    losses = [place.loss for level in levels(found) for place in level.places if not place.diverged]
    if not losses:
        return None
    low, high = min(losses), max(losses)
    if found.initial_loss is not None and math.isfinite(found.initial_loss):
        start = found.initial_loss
        reach = max(start - low, abs(start) * 0.1) * 0.3
        high = min(max(high, start), start + reach)
    return (low, high) if high > low else (low - max(abs(low), 1e-3) * 0.1, low + max(abs(low), 1e-3) * 0.1)
