"""The posterior of a search: what its trials say about the response over the full training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from surefoot.find.search import Search, Trial
from surefoot.find.usual import Usual, usual_rate
from surefoot.maths.response import Prior, Response, heights, share_of
from surefoot.records import Recipe

__all__ = ["Posterior", "halvings_of"]

Floats = npt.NDArray[np.float64]

_STEP = 0.04
"""Decades between the rates at which the response is looked at."""
_DRAWS = 500
_RETIRED = 0.6
"""Share of the improvement that a retired trial counts as having lost, at least."""
_SETTLING = {"rmsprop": 0.1, "adam": 0.04, "adamw": 0.04, "nadam": 0.04, "radam": 0.04, "adamax": 0.04}
"""Decades for each halving by which a short training wants a lower rate than a small copy of the long one would: the
mean of squared gradients begins at 0, most of all in RMSprop, which does not correct for that."""
_WARMING = 0.06
"""The same of one-cycle, which begins and ends near 0."""


def halvings_of(search: Search, horizon: int) -> float:
    """Halvings of the full training that lead to `horizon`."""
    return round(math.log2(search.horizon / horizon), 6)


class Posterior:
    """Response curves that agree with the trials of a search.

    Args:
        search: whose trials are used; those that were interrupted are not.
        also: a horizon that was not tried yet, over which rates will be chosen. Then it is taken that training only
            learns: were it to memorise, rates above would still have to be seen to fail.
        prior: of the response; None takes the one for the recipe.
    """

    def __init__(self, search: Search, *, also: int | None = None, prior: Prior | None = None) -> None:
        self._search = search
        self.trials = [one for one in search.trials if one.fate != "interrupted"]
        self._start = search.initial_loss or 0.0
        seen = [(one.lr, one.horizon, _loss(one, self.trials, self._start)) for one in self.trials]
        seen += [(one.lr, horizon, loss) for one in self.trials for horizon, loss in one.on_the_way]
        x = np.array([math.log10(lr) for lr, _, _ in seen])
        halvings = np.array([halvings_of(search, horizon) for _, horizon, _ in seen])
        losses = np.array([loss if math.isfinite(loss) else math.inf for _, _, loss in seen])
        height = heights(losses, halvings, self._start)
        gains = {float(s): self._start - float(np.min(losses[halvings == s])) for s in np.unique(halvings)}
        self.low, self.high = float(x.min()), float(x.max())
        usual = usual_rate(search.recipe, search.horizon, search.parameters)
        self.response = Response(
            x,
            halvings,
            height,
            training=self._training(halvings),
            gaps=self._gaps(),
            again=-math.inf if also else math.log2(search.recipe.epochs),
            gains=gains,
            also=halvings_of(search, also) if also else 0.0,
            initial_loss=self._start,
            usual=None if usual is None else usual.place,
            prior=prior or _prior(search.recipe, usual),
        )
        self._rng = np.random.default_rng(search.recipe.seed)

    def _training(self, halvings: Floats) -> Floats:
        """Heights of the training losses, NaN where a trial did not end."""
        losses = np.full(len(halvings), math.nan)
        losses[: len(self.trials)] = [one.training_loss for one in self.trials]
        known = ~np.isnan(losses)
        result = np.full(len(halvings), math.nan)
        result[known] = heights(losses[known], halvings[known], self._start)
        return result

    def _gaps(self) -> dict[float, float]:
        """By length: validation less training loss of the rate that validates best, over what it has improved."""
        best: dict[int, Trial] = {}
        for one in self.trials:
            if one.loss < self._start and math.isfinite(one.training_loss):
                known = best.get(one.horizon)
                best[one.horizon] = one if known is None or one.loss < known.loss else known
        return {
            halvings_of(self._search, horizon): (one.loss - one.training_loss) / (self._start - one.loss)
            for horizon, one in best.items()
        }

    @property
    def grid(self) -> Floats:
        """log10 of the rates at which the response is looked at: all that were tried, and between."""
        return np.linspace(self.low, self.high, max(2, round((self.high - self.low) / _STEP) + 1))

    def best_places(self, horizon: int, beyond: float) -> Floats:
        """log10 of the best rates over `horizon` and over the full training, in equal numbers, drawn.

        They reach up to `beyond` decades further than what was tried.
        """
        grid = np.arange(self.low - beyond, self.high + beyond + 1e-9, 2.0 * _STEP)
        lengths = {halvings_of(self._search, horizon), 0.0}
        drawn = [grid[self.response.draw(grid, s, _DRAWS // 4, self._rng).argmin(1)] for s in sorted(lengths)]
        return np.concatenate(drawn)

    def shares(self, count: int = _DRAWS) -> Floats:
        """Share of the achievable improvement lost at every rate of the grid, [count, grid], drawn."""
        lost = share_of(self.response.draw(self.grid, 0.0, count, self._rng))
        result: Floats = np.minimum(lost - lost.min(1, keepdims=True), 1.0)
        return result


def _prior(recipe: Recipe, usual: Usual | None) -> Prior:
    lower = _SETTLING.get(recipe.optimizer, 0.0) + _WARMING * ("one-cycle" in recipe.schedule)
    scale = Prior.usual_scale if usual is None else usual.scale
    return Prior(drifts=tuple(one.faster(-lower) for one in Prior.drifts), usual_scale=scale)


def _loss(trial: Trial, trials: Sequence[Trial], start: float) -> float:
    loss = trial.loss_from(start)
    if trial.fate != "retired":
        return loss
    # None of them finished where those that did better half-way diverged afterwards.
    finished = (one.loss_from(start) for one in trials if one.horizon == trial.horizon and one.fate == "finished")
    best = min(finished, default=loss)
    return max(loss, start - (1.0 - _RETIRED) * (start - best))
