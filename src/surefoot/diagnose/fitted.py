"""What was fitted on the calibration trainings and is kept in the package: thresholds of checks, and boosted trees.

For each verdict, *trees* add up the log odds that it is right about a run; several verdicts can be right about one. A
straight line through the log odds makes them honest probabilities (Platt 1999). Further trees say how probable it is
that the training is a good one. For each side on which a rate can be wrong, other trees guess the decades by which it
is, and their quantiles (Koenker and Bassett 1978), whose distance says how sure that is; a margin, fitted on tasks that
were left out, makes the interval hold as often as it says (Romano, Patterson and Candès 2019). All trees are boosted
(Friedman 2001). They were made by benchmarks/diagnosis_fit.py; reading them needs the standard library alone.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from surefoot.diagnose.features import NAMES

__all__ = ["MISSING", "Trees", "constants", "good_likelihood", "likelihoods", "size_interval", "threshold"]

MISSING = -99.0
"""What stands for a feature that the run does not tell: below every value that one can have."""


@functools.cache
def constants() -> Mapping[str, Any]:
    """Everything that was fitted, as its file holds it."""
    text = resources.files("surefoot.diagnose").joinpath("fitted.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def threshold(check: str) -> float:
    """The value beyond which the statistic of a check speaks for its symptom."""
    return float(constants()["thresholds"][check]["value"])


class Trees:
    """Trees whose leaves add up. A tree is lists of nodes: `feature` (-1 at a leaf), `bound`, `right`, `value`.

    A node's left child follows it; a value up to `bound` goes left, others to the node `right`.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._start = float(data["start"])
        self._trees = [(tree["feature"], tree["bound"], tree["right"], tree["value"]) for tree in data["trees"]]

    def total(self, values: Sequence[float]) -> float:
        """The sum for a run whose features are `values`, in the order of `NAMES`."""
        total = self._start
        for feature, bound, right, value in self._trees:
            at = 0
            while feature[at] >= 0:
                at = at + 1 if values[feature[at]] <= bound[at] else right[at]
            total += value[at]
        return total


def _values(features: Mapping[str, float]) -> list[float]:
    found = [features[name] for name in NAMES]
    return [MISSING if value != value else value for value in found]


@functools.cache
def _verdicts() -> dict[str, Trees]:
    return {verdict: Trees(data) for verdict, data in constants()["verdicts"].items()}


@functools.cache
def _good() -> Trees:
    return Trees(constants()["good"])


@functools.cache
def _sizes(side: str) -> tuple[Trees, ...]:
    fit = constants()["sizes"][side]
    return tuple(Trees(data) for data in (fit["guess"], *fit["quantiles"]))


def likelihoods(features: Mapping[str, float]) -> dict[str, float]:
    """Calibrated probability of each verdict to be right, likeliest first; they need not sum to 1."""
    values = _values(features)
    slope, offset = constants()["scaling"]
    chances = {verdict: _chance(slope * trees.total(values) + offset) for verdict, trees in _verdicts().items()}
    return dict(sorted(chances.items(), key=lambda one: -one[1]))


def good_likelihood(features: Mapping[str, float]) -> float:
    """Probability that the training is a good one, of which any fault would be a false alarm."""
    return _chance(_good().total(_values(features)))


def _chance(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(log_odds, -30.0), 30.0)))


def size_interval(features: Mapping[str, float], side: int) -> tuple[float, float] | None:
    """How many decades to multiply the rate by: the ends of an 80% interval around the best guess.

    Args:
        features: of the run.
        side: 1 if the rate is too low, -1 if it is too high: nothing on the other side is given.

    Returns:
        Lower and upper end; None where the log does not tell it well enough.
    """
    fit, trees = constants()["sizes"]["low" if side > 0 else "high"], _sizes("low" if side > 0 else "high")
    values = _values(features)
    guess, low, high = (one.total(values) for one in trees)
    width = max(high - low, 0.0)
    if width > float(fit["widest"]) or guess * side <= 0 or not math.isfinite(guess):
        return None
    half = min(0.5 * width + float(fit["slack"]), abs(guess))
    return guess - half, guess + half
