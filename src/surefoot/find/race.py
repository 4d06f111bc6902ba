"""The race: many rates over a short horizon, fewer over longer ones, the best over the full training.

The schedule is scaled to every horizon. Between two rungs the posterior of the response says which rates may still be
best; the last word has the response over the full training, and the rate recommended is the one that is expected to
lose least, so that a cliff of unknown place is kept away from.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from surefoot.engines.engine import Validation
from surefoot.find.answer import Answer, learned, raised, unknown
from surefoot.find.candidates import default_range, first_rates, spread_out
from surefoot.find.plan import FIRST_GAP, Rung, rungs
from surefoot.find.posterior import Posterior
from surefoot.find.search import Search, Trial
from surefoot.find.verdict import verdict

__all__ = ["race"]

_EXTENSIONS = 4
"""How often the first rung may reach further."""
_REACH = 3
"""Rates of one extension."""
_TIE = 0.001
"""Share of the improvement by which the best rate must beat those inside the range, for the range to be extended."""
_SCANNED = 0.7
"""Share of what is left that a scan of the whole range may take; it tries at least `_FEWEST` rates."""
_FEWEST = 3
_BEYOND = 0.6
"""Decades beyond the rates tried that a later rung may reach."""
_AGAIN = 2
"""How often the last rung may be repeated with what retired trials left over."""
_LATER = 8
"""How much longer the first rung is made again where no rate has learned anything yet."""
_LOST = 0.7
"""Share of the best improvement so far that a trial must have lost half-way to be retired."""
_EARLIEST = 16
"""Steps before which no trial is retired."""
_LIMITS = (1e-10, 1e4)


def race(search: Search, lr_range: tuple[float, float] | None) -> Answer:
    """Run the race within the budget of `search`."""
    low, high = lr_range or default_range(search.recipe)
    plan = rungs(search.left, search.horizon)
    if search.left < _FEWEST * plan[0].horizon:
        least = math.ceil(len(first_rates(low, high, FIRST_GAP)) * plan[0].horizon)
        return unknown(
            f"`cost` allows {search.left} member-steps, too few to tell rates apart; "
            f"raise it to at least {least * len(search.tasks) / search.steps:.2g}"
        )
    _scan(search, plan[0], low, high)
    longer = min(search.horizon, _LATER * plan[0].horizon, int(search.left * _SCANNED) // _FEWEST)
    if _nothing(search) and not all(map(raised, search.trials)) and not search.interrupted and longer > plan[0].horizon:
        # A plateau may hide every rate from so short a horizon.
        _scan(search, dataclasses.replace(plan[0], horizon=longer), low, high)
    for number, rung in enumerate(plan[1:] + plan[1:][-1:] * _AGAIN, 2):
        if search.interrupted or _nothing(search):
            break
        place = min(number, len(plan))
        later = plan[number:]
        kept = sum(one.count for one in later if one.horizon == search.horizon) * search.horizon
        # A seed for every rung: what one initialisation favours is not taken for what the task favours.
        seed = search.recipe.seed + place - 1
        _climb(search, rung, kept, f"rung {place} of {len(plan)}" + ", again" * (number > place), seed)
    return verdict(search)


def _nothing(search: Search) -> bool:
    return not any(map(learned, search.trials))


def _scan(search: Search, rung: Rung, low: float, high: float) -> None:
    """The first rung: the whole range, and further where the best is at its edge."""
    lrs = first_rates(low, high, FIRST_GAP)
    if len(lrs) * rung.horizon > search.left * _SCANNED:
        count = max(_FEWEST, int(search.left * _SCANNED) // rung.horizon)
        lrs = first_rates(low, high, math.log10(high / low) / (count - 1))[:count]
    gap = math.log10(lrs[1] / lrs[0])
    trials = _train(search, lrs, rung.horizon, "rung 1, whole range", search.recipe.seed)
    for _ in range(_EXTENSIONS):
        further = _beyond(trials, gap)
        further = [lr for lr in further if _LIMITS[0] <= lr <= _LIMITS[1]]
        if search.interrupted or not further or len(further) * rung.horizon > search.left // 2:
            return
        found = _train(search, further, rung.horizon, "rung 1, further", search.recipe.seed)
        trials = sorted([*trials, *found], key=lambda one: one.lr)


def _beyond(trials: Sequence[Trial], gap: float) -> list[float]:
    """Rates outside those tried, on the side where the best one is; none if it lies inside."""
    good = [place for place, trial in enumerate(trials) if learned(trial)]
    steps = [10 ** (gap * (number + 1)) for number in range(_REACH)]
    below = [trials[0].lr / step for step in steps]
    if not good:
        return below if raised(trials[0]) else []
    best = min(good, key=lambda place: trials[place].loss)
    inside = min((trials[place].loss for place in good if 0 < place < len(trials) - 1), default=math.inf)
    start = trials[best].initial_loss
    if start is not None and inside - trials[best].loss < _TIE * (start - trials[best].loss):
        return []
    return below if best == 0 else [trials[-1].lr * step for step in steps]


def _climb(search: Search, rung: Rung, kept: int, stage: str, seed: int) -> None:
    """A later rung: the rates that may be best, as many as are paid for when `kept` steps are set aside."""
    count = min(rung.count, max(search.left - kept, 0) // rung.horizon)
    if count < 1:
        return
    posterior = Posterior(search, also=rung.horizon)
    low, high = posterior.low - _BEYOND, posterior.high + _BEYOND
    places = spread_out(posterior.best_places(rung.horizon, _BEYOND), count, rung.gap, low, high)
    _train(search, [10**place for place in places], rung.horizon, stage, seed)


def _train(search: Search, lrs: Sequence[float], horizon: int, stage: str, seed: int) -> list[Trial]:
    ways = {round(search.horizon / 2**halvings) for halvings in range(1, 7)} if horizon > _EARLIEST else set()
    points = (0, *(step for step in sorted(ways) if _EARLIEST / 2 <= step < horizon))
    return search.train(
        lrs,
        horizon,
        stage=stage,
        seeds=[seed] * len(lrs),
        validate_at=points,
        prune=_Dominated(horizon // 2),
    )


class _Dominated:
    """Retires trials that half-way have gained almost nothing of what the best has gained.

    Half-way through a schedule the loss does not tell close rates apart: only hopeless ones are given up.
    """

    def __init__(self, half: int) -> None:
        self._half, self._start = max(half, _EARLIEST), math.nan

    def __call__(self, validation: Validation) -> dict[int, str]:
        start, best = self._start, float(validation.loss.min())
        if validation.step == 0:
            self._start = best
        if not best < start or validation.step < self._half or len(validation.members) < 2:
            return {}
        lost = (validation.loss - best) / (start - best)
        return {
            place: f"half-way it had lost {min(share, 9.99):.0%} of the improvement of the best rate"
            for place, share in zip(validation.members, lost.tolist(), strict=True)
            if share > _LOST
        }
