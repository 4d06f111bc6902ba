"""Progress: what a search tells while it runs, for whoever draws it.

A `Progress` is a snapshot: the stage, what was spent, and a row per member of that stage. It is sent after every few
steps and once at the end of each stage; the last one of a search has the stage ``"done"`` and no rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from surefoot.records import Fate

__all__ = ["Progress", "Row", "Watch"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One member of the stage that is being trained."""

    lr: float
    loss: float
    """Latest validation loss; NaN before the first, infinity once it diverged."""
    steps: int
    """Updates made so far."""
    fate: Fate | None
    """How it ended; None while it trains."""
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Progress:
    """A snapshot of a search."""

    stage: str
    """Name of the stage, such as ``rung 1 of 4``; ``done`` at the end."""
    horizon: int
    """Updates that each member of the stage makes if it is not retired."""
    spent: int
    """Member-steps made so far in the whole search."""
    budget: int
    """Member-steps the search may make."""
    rows: tuple[Row, ...]
    """Members of the stage, by rising rate."""


Watch = Callable[[Progress], None]
"""Receives every snapshot, on the thread that searches."""
