"""Grid and random search: the same length of training for every rate, for comparison with the race."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.find.answer import Answer, learned, unknown
from surefoot.find.candidates import default_range
from surefoot.find.search import Search

__all__ = ["grid", "random"]

FEWEST, MOST = 7, 25
"""Rates of a grid; the cost decides between, and shortens the trainings when it does not even pay for the fewest."""


def grid(search: Search, lr_range: tuple[float, float] | None) -> Answer:
    """Rates evenly spaced in their logarithm."""
    low, high = lr_range or default_range(search.recipe)
    count = _count(search)
    return _tried(search, np.geomspace(low, high, count).tolist(), "grid")


def random(search: Search, lr_range: tuple[float, float] | None) -> Answer:
    """Rates drawn with a uniform logarithm (Bergstra and Bengio 2012)."""
    low, high = lr_range or default_range(search.recipe)
    rng = np.random.default_rng(search.recipe.seed)
    drawn = np.exp(rng.uniform(math.log(low), math.log(high), _count(search)))
    return _tried(search, sorted(drawn.tolist()), "random")


def _count(search: Search) -> int:
    return min(max(search.left // search.horizon, FEWEST), MOST)


def _tried(search: Search, lrs: Sequence[float], method: str) -> Answer:
    horizon = min(search.horizon, search.left // len(lrs))
    if horizon < 1:
        return unknown(f"`cost` allows {search.left} steps, fewer than the {len(lrs)} rates to try; raise `cost`")
    trials = search.train(lrs, horizon, stage=method)
    if search.interrupted:
        return unknown("the search was interrupted before its rates had trained equally long; run it again")
    good = [trial for trial in trials if learned(trial)]
    if not good:
        return unknown(f"none of the {len(lrs)} rates from {lrs[0]:.2g} to {lrs[-1]:.2g} lowered the loss; try others")
    best = min(good, key=lambda trial: trial.loss)
    place = trials.index(best)
    low, high = lrs[max(place - 1, 0)], lrs[min(place + 1, len(lrs) - 1)]
    if place in (0, len(lrs) - 1):
        edge = "lowest" if place == 0 else "highest"
        return unknown(f"the best rate is the {edge} one tried, {best.lr:.2g}: give an `lr_range` that reaches further")
    length = "" if horizon == search.horizon else f" over {horizon / search.horizon:.0%} of the full training"
    return Answer(
        best.lr,
        f"lowest validation loss of {len(lrs)} rates{length}. The interval spans its neighbours on the {method}.",
        interval=(low, high),
        expected_loss=best.loss if not length else None,
        notes=(f"every rate was trained for {horizon} of {search.horizon} steps",) if length else (),
    )
