"""The plan of a race: how many rates to train for how long, within a budget.

A *rung* trains some rates over one horizon. Most rates are only seen over the shortest one; the longer the horizon,
the fewer. What a budget cannot pay for over the full training is spent on the longest horizons that it can.
"""

from __future__ import annotations

import dataclasses

__all__ = ["FIRST_GAP", "Rung", "rungs"]

FIRST_GAP = 0.45
"""Decades between the rates of the first rung."""
_SHORTEST = 4
"""Steps below which a horizon says nothing."""
_FULL_GAP = 0.3
_GAP = 0.25
_FINALISTS = 3
"""Rates that are trained to the end side by side before the next ones are chosen."""


@dataclasses.dataclass(frozen=True)
class Rung:
    """A number of rates that are trained over one horizon."""

    horizon: int
    """Updates of each."""
    count: int
    """How many rates, at most; the first rung takes as many as its range needs."""
    gap: float
    """Least distance between its rates, decades."""


def rungs(budget: int, horizon: int) -> list[Rung]:
    """The rungs after one another.

    Args:
        budget: member-steps that may be made.
        horizon: updates of the full training.

    Every rung's horizon is longer than the one before, or equal to it at the full length.
    """
    trainings, length = budget / horizon, min(budget, horizon)
    if length < 190:
        shape = [(25, 0), (6, 3)]
    elif trainings >= 2.7:
        shape = [(64, 0), (16, 6), (8, 3)]
    else:
        shape = [(64, 0), (16, 4), (4, 2)]
    plan = [Rung(max(_SHORTEST, round(length / share)), count, _GAP) for share, count in shape]
    plan = [
        one for place, one in enumerate(plan) if one.horizon < horizon and (not place or one.horizon > plan[0].horizon)
    ]
    left = int(trainings - sum(one.count * one.horizon for one in plan) / horizon - 0.2) if trainings >= 1.7 else 0
    while left > 0:
        now = min(left, _FINALISTS)
        plan.append(Rung(horizon, now, _FULL_GAP))
        left -= now
    return plan or [Rung(min(horizon, _SHORTEST), 0, _GAP)]
