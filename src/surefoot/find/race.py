"""The race: many rates over a short horizon, fewer over longer ones, the best over the full training."""

from __future__ import annotations

import numpy as np

from surefoot.find.answer import Answer, learned, unknown
from surefoot.find.search import Search

__all__ = ["race"]


def race(search: Search, lr_range: tuple[float, float] | None) -> Answer:
    """Run the race within the budget of `search`."""
    low, high = lr_range or (1e-6, 10.0)
    lrs = np.geomspace(low, high, 15).tolist()
    for number, share in enumerate((64, 16, 4, 1), 1):
        horizon = max(1, search.horizon // share)
        lrs = lrs[: search.left // horizon]
        trials = [t for t in search.train(lrs, horizon, stage=f"rung {number} of 4") if learned(t, search.initial_loss)]
        if not trials:
            break
        best = min(trials, key=lambda one: one.loss)
        lrs = [best.lr * factor for factor in (1.0, 0.5, 2.0, 0.25, 4.0)]
    done = [trial for trial in search.trials if learned(trial, search.initial_loss)]
    if not done:
        return unknown("every rate diverged or learned nothing; try a wider `lr_range`")
    top = max(trial.horizon for trial in done)
    best = min((trial for trial in done if trial.horizon == top), key=lambda one: one.loss)
    return Answer(best.lr, "lowest loss over the longest horizon", (best.lr / 2, best.lr * 2), best.loss)
