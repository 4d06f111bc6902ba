"""The loss to expect at the end of the full training, carried on from shorter ones.

Judged by `benchmarks/find_quality.py`, by how far off it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from surefoot.find.search import Search, Trial

__all__ = ["carried_on", "expected_loss"]

_REAL = 0.5
"""Of the share that curves drawn lose at a rate, how much the training will: each curve is compared with the lowest
place of its own, where chance put it lower than it is."""
_EARLY = 32
"""Updates within which training has hardly begun: what it gains with every doubling does not level off yet."""
_FAR = 8
"""A training so many times as long is too far off to tell its end by more than a guess."""
_PACE = 0.5
"""Pace at which the loss goes on to fall after them, over the last pace seen."""


def expected_loss(search: Search, good: Sequence[Trial], lost: float) -> tuple[float, tuple[str, ...]]:
    """Final loss at the recommended rate, and a note where it was carried on.

    Args:
        search: whose trials they are.
        good: those that learned.
        lost: share of the improvement that curves drawn from the posterior lose at the rate, the median.
    """
    start = search.initial_loss or 0.0
    best: dict[int, float] = {}
    for one in good:
        best[one.horizon] = min(one.loss, best.get(one.horizon, math.inf))
    end, longest = carried_on(best, search.horizon), max(best)
    rough = ": a rough guess" if _FAR * longest < search.horizon else ""
    note = f"the expected loss is carried on from trainings of {longest} of {search.horizon} steps{rough}"
    return end + _REAL * lost * (start - end), () if longest == search.horizon else (note,)


def carried_on(losses: Mapping[int, float], steps: int) -> float:
    """The loss after `steps` updates, by the pace between the longest two trainings.

    Args:
        losses: updates of a training to its final loss; the longest one is taken as it is where nothing tells a pace.
        steps: updates of the full training.
    """
    *shorter, longest = sorted(losses)
    end = losses[longest]
    if longest >= steps or not shorter or end <= 0 or losses[shorter[-1]] <= 0:
        return end
    pace = math.log(losses[shorter[-1]] / end) / math.log2(longest / shorter[-1])
    slower = 1.0 if longest < _EARLY else _PACE
    return end * math.exp(-slower * max(pace, 0.0) * math.log2(steps / longest))
