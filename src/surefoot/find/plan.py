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
"""Steps below which a horizon says little; budgets below `_SCANT` steps cannot pay for so many."""
_SCANT = 60
_TINY = ((25, 0, FIRST_GAP), (6, 3, 0.25))
_SMALL = ((64, 0, FIRST_GAP), (16, 4, 0.25), (4, 2, 0.3))
_FAIR = ((64, 0, FIRST_GAP), (16, 4, 0.25), (2, 3, 0.3))
_AMPLE = ((32, 0, FIRST_GAP), (8, 4, 0.25), (2, 4, 0.3))
"""Rungs as (share of the length: one over this, rates, gap); the first takes as many rates as its range needs."""
_FAIR_COST, _AMPLE_COST = 1.95, 2.85
"""Full trainings that these rungs cost."""
_FULL_GAP = 0.3
_FINALISTS = 3
"""Rates that are trained to the end side by side, before the next ones are chosen."""


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
    """The rungs after one another, each over a longer horizon than the one before until the full one is reached.

    Three or four rates over half the training say more about the whole of it than one or two over all of it: their
    noise averages out, and over one halving the optimum moves little. More rungs in between would follow the optimum
    more closely, but cost the rates over half the training, and are worth less than these. Each has a seed of its own.
    Full trainings come on top once they can be paid for.

    Args:
        budget: member-steps that may be made.
        horizon: updates of the full training.
    """
    trainings, length = budget / horizon, min(budget, horizon)
    ample, fair = trainings >= _AMPLE_COST, trainings >= _FAIR_COST
    shape = _TINY if length < 190 else _AMPLE if ample else _FAIR if fair else _SMALL
    least = 2 if length < _SCANT else _SHORTEST
    plan = [Rung(max(least, round(length / share)), count, gap) for share, count, gap in shape]
    plan = [one for one in plan if one.horizon < horizon and (one is plan[0] or one.horizon > plan[0].horizon)]
    taken = sum(one.count * one.horizon for one in plan) / horizon + 0.2
    left = int(trainings - taken)
    while left > 0:
        plan.append(Rung(horizon, min(left, _FINALISTS), _FULL_GAP))
        left -= _FINALISTS
    return plan or [Rung(min(horizon, least), 0, FIRST_GAP)]
