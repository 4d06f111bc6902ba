"""Rewinds: what the order of writing tells. Entries repeated after a resume, runs appended to one file.

A series is given as it was written: steps that mostly rise. Where they fall back, either a resumed training repeats
what was lost (its entries replace the older ones), or a new training was appended (the log is split there), or
several writers took turns (the entries are sorted).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

__all__ = ["Settled", "restarts", "settled"]

_Floats = npt.NDArray[np.float64]

_MOST_RESTARTS = 50
_FEWEST = 3


@dataclasses.dataclass(frozen=True)
class Settled:
    """A series with strictly rising steps, and what had to be done for that."""

    step: npt.NDArray[np.int64]
    value: _Floats
    repeated: int = 0
    """Entries dropped because the same step was written again right after."""
    replaced: int = 0
    """Entries dropped because a resumed training wrote those steps again."""
    resumed: tuple[int, ...] = ()
    """First step of each resumed part."""
    odd_last: bool = False
    """Whether a last entry with a step before all others was left out."""
    shuffled: bool = False
    """Whether the steps were in no order and had to be sorted."""


def restarts(order: _Floats, step: _Floats) -> list[float]:
    """Positions in `order` at which a new training begins: the steps fall back to where the one before began."""
    falls = np.flatnonzero(np.diff(step) < 0) + 1
    if not len(falls) or _mixed(len(falls), len(step)):
        return []
    found: list[float] = []
    start = 0
    for fall in falls:
        first = step[start]
        distinct = len(np.unique(step[start:fall]))
        rest = len(np.unique(step[fall:]))
        spacing = np.median(np.diff(np.unique(step[start:fall]))) if distinct > 1 else 1.0
        if distinct >= _FEWEST and rest > 1 and step[fall] <= first + 0.5 * spacing:
            found.append(float(order[fall]))
            start = int(fall)
    return found if len(found) <= _MOST_RESTARTS else []


def settled(step: _Floats, value: _Floats) -> Settled:
    """Make the steps strictly rise; of two entries for one step the one written last stays."""
    steps = step.astype(np.int64)
    if len(steps) < 2:
        return Settled(steps, value)
    rises = np.diff(steps)
    if bool(np.all(rises > 0)):
        return Settled(steps, value)
    falls = np.flatnonzero(rises < 0) + 1
    if _mixed(len(falls), len(steps)):
        by_step = np.argsort(steps, kind="stable")
        last = np.append(np.diff(steps[by_step]) > 0, True)
        kept = by_step[last]
        return Settled(steps[kept], value[kept], repeated=len(steps) - len(kept), shuffled=True)
    # A single low step at the very end is a summary that was written with step 0, not a resume.
    if len(falls) and falls[-1] == len(steps) - 1 and steps[-1] <= steps[0]:
        return dataclasses.replace(settled(step[:-1], value[:-1]), odd_last=True)
    after = np.minimum.accumulate(steps[::-1])[::-1]
    keep = np.append(steps[:-1] < after[1:], True)
    repeated = int(np.sum(rises == 0))
    dropped = int(np.sum(~keep))
    resumed = tuple(int(steps[fall]) for fall in falls)
    return Settled(steps[keep], value[keep], min(repeated, dropped), max(0, dropped - repeated), resumed)


def _mixed(falls: int, entries: int) -> bool:
    """Whether the steps fall back too often for resumes: several writers, or no order at all."""
    return falls > max(3, entries // 20)
