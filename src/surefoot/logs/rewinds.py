"""Rewinds: what the order of writing tells. Entries repeated after a resume, runs appended to one file.

A series is given as it was written: steps that mostly rise. Where they fall back, either a resumed training repeats
what was lost (its entries replace the older ones), or a new training was appended (the log is split there), or
several writers took turns (the entries are sorted).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Settled", "restarts", "settled"]

_Floats = npt.NDArray[np.float64]

_MOST_RESTARTS = 50
_FEWEST = 3
_LOOK = 1000


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
    odd: bool = False
    """Whether entries whose steps fall back alone, or at the very end, were left out."""
    shuffled: bool = False
    """Whether the steps were in no order and had to be sorted."""


def restarts(order: _Floats, step: _Floats) -> list[float]:
    """Positions in `order` at which a new training begins: the steps fall back to where the one before began."""
    lone = _lone(step)
    order, step = order[~lone], step[~lone]
    falls = np.flatnonzero(np.diff(step) < 0) + 1
    if not len(falls) or _mixed(len(falls), len(step)):
        return []
    found: list[float] = []
    start, reach = 0, _near_start(step, 0)
    for fall in falls:
        if step[fall] > reach or len(np.unique(step[start : min(fall, start + _LOOK)])) < _FEWEST:
            continue
        if len(np.unique(step[fall : fall + _LOOK])) > 1:
            found.append(float(order[fall]))
            start, reach = int(fall), _near_start(step, int(fall))
            if len(found) > _MOST_RESTARTS:
                return []
    return found


def _near_start(step: _Floats, start: int) -> float:
    """The largest step that still counts as where the training at `start` began: half a spacing above it."""
    spacings = np.diff(np.unique(step[start : start + _LOOK]))
    return float(step[start] + 0.5 * (np.median(spacings) if len(spacings) else 1.0))


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
    lone = _lone(steps)
    odd = bool(np.any(lone))
    steps, value = steps[~lone], value[~lone]
    rises = np.diff(steps)
    falls = np.flatnonzero(rises < 0) + 1
    tail = int(falls[-1]) if len(falls) else len(steps)
    # A low step or two at the very end are a summary that was written with step 0, not a resume.
    trailing = _FEWEST <= tail < len(steps) <= tail + 2 and bool(np.all(steps[tail:] <= steps[0]))
    if trailing:
        steps, value, falls, rises = steps[:tail], value[:tail], falls[:-1], rises[: tail - 1]
    after = np.minimum.accumulate(steps[::-1])[::-1]
    keep = np.append(steps[:-1] < after[1:], True)
    repeated = int(np.sum(rises == 0))
    dropped = int(np.sum(~keep))
    resumed = tuple(int(steps[fall]) for fall in falls)
    return Settled(
        steps[keep], value[keep], min(repeated, dropped), max(0, dropped - repeated), resumed, odd or trailing
    )


def _lone(step: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Entries that alone fall back while the next goes on from before them: slips of a logger, not resumes."""
    lone = np.zeros(len(step), dtype=bool)
    if len(step) > _FEWEST:
        lone[1:-1] = (step[1:-1] < step[:-2]) & (step[2:] > step[:-2])
    return lone


def _mixed(falls: int, entries: int) -> bool:
    """Whether the steps fall back too often for resumes: several writers, or no order at all."""
    return falls > max(3, entries // 20)
