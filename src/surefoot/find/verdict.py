"""The verdict: the recommended rate, its interval and the reasons, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from surefoot.find.answer import Answer, divergence, learned, raised, unknown
from surefoot.find.expected import expected_loss
from surefoot.find.posterior import Posterior
from surefoot.find.search import Search, Trial
from surefoot.maths.intervals import lowest_place_interval
from surefoot.maths.response import Prior

__all__ = ["verdict"]

Floats = npt.NDArray[np.float64]

TAIL = 0.01
"""Share of the draws left out on either side: with it intervals hold what they are meant to in about nine of ten."""
NOISE = 0.1
"""Share of the improvement by which a sweep's losses vary, for each unit of the noise of heights: twice what the
height's definition gives, because a sweep has noise of its own."""
RESOLUTION = 0.2
"""Decades between rates of a sweep that the interval is meant to hold the best of."""
_CLOSE = 0.15
"""Decades, the standard deviation by which a cliff moves from seed to seed: the rate is to be good so close by, too."""
_HOPELESS = 0.4
"""Expected share lost above which no rate is recommended."""
_FEWEST = 3
"""Trials that learned, without which an interrupted search says nothing."""
_FLAT = 0.02
"""A first rung in which no rate lost more than this share of the improvement is flat."""
_BY_FAR = 0.05
"""Share of the improvement by which the highest rate must beat the next, for better ones to be expected above."""
_SURE = 1.0
"""Standard errors by which the best trial must have improved on the loss at initialisation."""


def verdict(search: Search, prior: Prior | None = None) -> Answer:
    """What the trials of `search` say."""
    done = [one for one in search.trials if one.fate != "interrupted"]
    good = [one for one in done if learned(one)]
    halted = ("the search was interrupted: this is what it had found",) if search.interrupted else ()
    if search.interrupted and len(good) < _FEWEST:
        return unknown("interrupted before rates could be told apart; run the search again to the end")
    refusal = _refusal(search, done, good)
    if refusal is not None:
        return Answer(None, refusal, notes=halted)
    posterior = Posterior(search, prior=prior)
    grid, shares = posterior.grid, posterior.shares()
    expected = shares.mean(0)
    place = int(_blurred(expected, grid[1] - grid[0]).argmin())
    lr = float(10 ** grid[place])
    rng = np.random.default_rng(search.recipe.seed)
    low, high = lowest_place_interval(
        grid, shares, noise=NOISE * posterior.response.noise, tail=TAIL, resolution=RESOLUTION, rng=rng
    )
    low, high = min(low, float(grid[place])), max(high, float(grid[place]))
    cliff = divergence(search.trials)
    edge = _edge(search, posterior, place, low, high, done, cliff)
    if edge is not None:
        return Answer(None, edge, notes=halted)
    if expected[place] > _HOPELESS:
        return unknown(
            f"rates cannot be told apart yet: even the best guess, {lr:.2g}, is expected to lose {expected[place]:.0%} "
            "of the achievable improvement; raise `cost`",
            notes=halted,
        )
    # The median: the mean share lost is lifted by the few draws that put a cliff below this rate.
    loss, how = expected_loss(search, good, float(np.median(shares[:, place])))
    return Answer(
        lr,
        _reason(search, lr, (10**low, 10**high), float(expected[place]), cliff, good),
        interval=(float(10**low), float(10**high)),
        expected_loss=loss,
        notes=halted + how,
    )


def _blurred(expected: Floats, step: float) -> Floats:
    """`expected`, averaged with normal weights of standard deviation `_CLOSE` over places `step` apart."""
    reach = math.ceil(3.0 * _CLOSE / step)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _CLOSE) ** 2)
    result: Floats = np.convolve(np.pad(expected, reach, mode="edge"), weight / weight.sum(), "valid")
    return result


def _refusal(search: Search, done: Sequence[Trial], good: Sequence[Trial]) -> str | None:
    tried = f"{min(one.lr for one in done):.2g} to {max(one.lr for one in done):.2g}" if done else "none"
    start = search.initial_loss
    if start is None or not math.isfinite(start):
        return f"the loss at initialisation is {start}, no finite number; check the data and the loss"
    if not done:
        return "no rate was tried to the end; raise `cost`"
    if all(map(raised, done)):
        dead = all(one.fate == "diverged" for one in done)
        what = "training diverged" if dead else f"the validation loss of {start:.4g} rose"
        return (
            f"{what} at every rate tried, {tried}: give an `lr_range` that begins lower, clip gradients with `clip`, "
            "or check the scale of inputs and loss" + ("" if dead else " and the validation data")
        )
    if not good:
        return (
            f"no rate from {tried} lowered the validation loss of {start:.4g}: check that the loss falls with the "
            "model's parameters, raise `cost` or `epochs`, or give another `lr_range`"
        )
    best = min(good, key=lambda one: one.loss)
    judged = 2 * best.horizon >= search.horizon
    if judged and len(best.groups) > 1 and len(best.initial_groups) == len(best.groups):
        gained = best.initial_groups - best.groups
        error = float(np.std(gained, ddof=1)) / math.sqrt(len(gained))
        if float(gained.mean()) < _SURE * error:
            return (
                f"no rate learns more than noise: from {tried} the validation loss fell by at most "
                f"{gained.mean():.2g} ± {error:.1g}; raise `epochs`, give more validation data, or check the labels"
            )
    level = _flat(done)
    if level is not None:
        return (
            f"the loss hardly depends on the rate from {tried}: it is {level:.4g} after {done[0].horizon} updates at "
            f"all of them, {start:.4g} before. If that is as good as it gets, any of them will do; if not, the model "
            "may have learned no more than a constant: check the scale of its inputs, or give a wider `lr_range`"
        )
    if len(good) < 2:
        only = good[0].lr
        other = "higher" if all(one.lr <= only for one in done) else "lower"
        return f"only {only:.2g} of {len(done)} rates from {tried} learned; give a {other} `lr_range` or raise `cost`"
    return None


def _flat(done: Sequence[Trial]) -> float | None:
    """The loss at all rates of the first, widest rung, where none lost anything to speak of; else None."""
    first = [one for one in done if one.horizon == done[0].horizon]
    best, start = min(one.loss for one in first), done[0].initial_loss or 0.0
    apart = max(one.lr for one in first) / min(one.lr for one in first)
    flat = apart >= 10 and best < start and max((one.loss - best) / (start - best) for one in first) < _FLAT
    return best if flat else None


def _edge(
    search: Search,
    posterior: Posterior,
    place: int,
    low: float,
    high: float,
    done: Sequence[Trial],
    cliff: tuple[float, int] | None,
) -> str | None:
    last = len(posterior.grid) - 1
    remedy = "give an `lr_range` that reaches further, or raise `cost`"
    if place <= 1 and low <= posterior.low + 1e-9:
        return f"the best rate lies at the lowest one tried, {10**posterior.low:.2g}, or below: {remedy}"
    top = max(done, key=lambda one: one.lr)
    at_the_end = (place >= last - 1 and high >= posterior.high - 1e-9) or _still_rising(
        done, search.initial_loss or 0.0
    )
    if at_the_end and cliff is None and top.fate != "diverged":
        return f"the best rate lies at the highest one tried, {10**posterior.high:.2g}, or above: {remedy}"
    return None


def _still_rising(done: Sequence[Trial], start: float) -> bool:
    """Whether over every length the highest rate did best, and over the longest by far."""
    rungs = [[one for one in done if one.horizon == horizon] for horizon in sorted({one.horizon for one in done})]
    if any(min(rung, key=lambda one: one.loss).lr < max(one.lr for one in rung) for rung in rungs):
        return False
    best, *others = sorted(one.loss for one in rungs[-1])
    return bool(others) and others[0] - best > _BY_FAR * (start - best)


def _reason(
    search: Search,
    lr: float,
    interval: tuple[float, float],
    lost: float,
    cliff: tuple[float, int] | None,
    good: Sequence[Trial],
) -> str:
    longest = max(one.horizon for one in good)
    count = sum(one.horizon == longest for one in search.trials)
    rates = "rate was" if count == 1 else "rates were"
    share = longest / search.horizon
    length = "to the end" if longest == search.horizon else f"for {share:.0%} of the training"
    wall = "no rate tried diverged" if cliff is None else f"training diverges above {cliff[0]:.2g}"
    if cliff is not None and interval[1] > cliff[0]:
        wall = f"trainings of {cliff[1]} updates diverged above {cliff[0]:.2g}, all {search.horizon} may bear more"
    return (
        f"{lr:.2g} is expected to lose {lost:.1%} of the achievable improvement; rates from {interval[0]:.2g} to "
        f"{interval[1]:.2g} cannot be told from the best. {len(search.trials)} members were trained, and {count} "
        f"{rates} trained {length}; {wall}."
    )
