"""Siblings: runs of one sweep, which differ in the rate, placed on the response curve that they form together.

A run alone shows how its loss went; its siblings show how it would have gone at other rates. So where there are at
least three of them at different rates, of about the same length and from about the same first loss, the verdict on the
rate, and by how much to change it, follow from the final losses, and the model of verdicts is only asked for the rest.

Runs that say how they were trained are siblings if that differs in the rate and the seeds alone. Most logs do not say
it, and runs of two optimizers begin alike: where the final losses do not lie on one curve with one valley, something
else than the rate differs, and nothing follows from them.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from surefoot.diagnose.correction import correction_words
from surefoot.records import FloatSeries, Run
from surefoot.records.diagnosis import Diagnosis, Verdict

__all__ = ["BAD", "GOOD", "Placed", "place", "placed"]

GOOD, BAD = 0.05, 0.10
"""Share of the improvement lost up to which a rate is good, and beyond which it is wrong."""
_LEAST = 3
_BUMP = 0.3
"""Share of the improvement by which runs of one rate may lie apart, and the curve may fall again on its way up from
its valley, by chance."""
_RATE_VERDICTS = frozenset({"rate_too_low", "rate_ok", "rate_too_high", "converged", "noise_floor", "unknown"})
_CERTAIN = 0.95
"""Probability that is stated for a verdict that follows from siblings; benchmarks/diagnosis_report.py checks it."""


@dataclasses.dataclass(frozen=True)
class Placed:
    """Where a run lies on the response curve of its sweep."""

    share: float
    """Share of the best run's improvement that this one lost."""
    low: float
    """log10 of the lowest good rate over this one's."""
    high: float
    runs: int
    at_edge: bool
    """Whether the best rate is the lowest or the highest that was tried."""
    told: bool
    """Whether the runs say that nothing but rates and seeds differs; else they are taken for siblings."""


def place(runs: Sequence[Run], formats: Sequence[str] = ()) -> list[Placed | None]:
    """Where each run lies among those that are its siblings; None where it has too few.

    Runs of different units, from logs of different `formats`, or of different tasks or recipes are no siblings.
    """
    known = [_facts(run, name) for run, name in zip(runs, formats or [""] * len(runs), strict=True)]
    found: list[Placed | None] = []
    for one in known:
        if one is None:
            found.append(None)
            continue
        group = [other for other in known if other is not None and _alike(one, other)]
        rates = {round(other.lr, 3) for other in group}
        found.append(_placed(one, group) if len(rates) >= _LEAST else None)
    return found


class _Facts(NamedTuple):
    lr: float
    """log10 of the peak rate."""
    first: float
    """First loss."""
    final: float
    """Mean of the last tenth of the losses; infinite where the run diverged."""
    last: float
    """Last step."""
    kind: str
    """Unit, format, task, and recipe but for rate and seeds."""
    told: bool
    """Whether the run says by which recipe it was trained."""


def _facts(run: Run, name: str) -> _Facts | None:
    rates = run.lr[np.isfinite(run.lr) & (run.lr > 0)]
    finite = run.loss[np.isfinite(run.loss)]
    if not len(rates) or len(finite) < _LEAST:
        return None
    tail = run.loss[-max(1, len(run.loss) // 10) :]
    final = float(tail.mean()) if np.isfinite(tail).all() else math.inf
    if run.fate == "diverged":
        final = math.inf
    kind = f"{run.unit} {name} {run.task} {_recipe(run)}"
    lr, first, last = math.log10(float(rates.max())), float(finite[0]), float(run.step[-1])
    return _Facts(lr, first, final, last, kind, run.recipe is not None)


def _recipe(run: Run) -> str:
    """How the run was trained, but for its rate and seeds; empty where it does not say."""
    if run.recipe is None:
        return ""
    return json.dumps({**run.recipe.to_json(), "lr": None, "seed": None, "data_seed": None}, sort_keys=True)


def _alike(one: _Facts, other: _Facts) -> bool:
    """Same kind of log, about the same first loss; about the same length unless one of them broke off."""
    near = abs(one.first - other.first) <= 0.4 * max(abs(one.first), abs(other.first))
    long = max(one.last, 1.0) / max(other.last, 1.0)
    return one.kind == other.kind and near and (0.75 < long < 1.34 or math.inf in (one.final, other.final))


def _placed(one: _Facts, group: list[_Facts]) -> Placed | None:
    if sum(math.isfinite(other.final) for other in group) < 2:
        return None
    by_rate: dict[float, list[_Facts]] = {}
    for other in sorted(group):
        by_rate.setdefault(round(other.lr, 3), []).append(other)
    x = np.array([np.mean([other.lr for other in some]) for some in by_rate.values()])
    finals = [np.array([other.final for other in some]) for some in by_rate.values()]
    means = np.array([some.mean() for some in finals])
    initial, lowest = float(np.median([other.first for other in group])), float(means.min())
    gain = initial - lowest
    if not gain > 0.01 * abs(initial):
        return None
    shares = _lost(means, lowest, gain)
    if not one.told and not _one_curve(shares, [_lost(some, lowest, gain) for some in finals]):
        return None
    fine = np.union1d(np.linspace(x[0], x[-1], 600), x)
    good = fine[np.interp(fine, x, shares) <= GOOD]
    best = int(shares.argmin())
    share = float(_lost(np.array([one.final]), lowest, gain)[0])
    edge = x[best] in (x[0], x[-1])
    low, high = float(good[0]) - one.lr, float(good[-1]) - one.lr
    if share > BAD and low <= 0.0 <= high:
        return None  # bad among good rates: it is not the rate
    return Placed(share, low, high, len(group), bool(edge), one.told)


def _lost(finals: FloatSeries, lowest: float, gain: float) -> FloatSeries:
    """Shares of the improvement `gain` that final losses lost; 5 of one that is infinite, or far above."""
    return np.minimum(np.maximum((finals - lowest) / gain, 0.0), 5.0)


def _one_curve(shares: FloatSeries, at: Sequence[FloatSeries]) -> bool:
    """Whether the shares lost, by rising rates, may lie on one curve with one valley.

    Args:
        shares: at every rate.
        at: those of the runs at every rate.
    """
    # Beyond a share of 1 a run ended higher than it began; by how much, says nothing about the rate.
    if any(float(np.ptp(np.minimum(one, 1.0))) > _BUMP for one in at):
        return False
    capped, best = np.minimum(shares, 1.0), int(shares.argmin())
    ways = (capped[best::-1], capped[best:])
    return all(bool((np.maximum.accumulate(way) - way <= _BUMP).all()) for way in ways)


def placed(each: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The diagnoses, those of siblings with the verdict on the rate that follows from one another."""
    diagnoses = list(each)
    found = place([one.run or Run() for one in diagnoses], [one.format for one in diagnoses])
    return tuple(one if where is None else _with_place(one, where) for one, where in zip(diagnoses, found, strict=True))


def _with_place(one: Diagnosis, where: Placed) -> Diagnosis:
    lost = f"{where.share:.0%}" if where.share < 5 else "more than all"
    others = "of one sweep" if where.told else "that begin alike, and are taken for one sweep,"
    note = f"among {where.runs} runs {others} this one lost {lost} of the best one's improvement"
    if where.at_edge:
        note += "; the best rate is the last that was tried on its side, so a better one may lie beyond"
    said = dataclasses.replace(one, notes=(*one.notes, note))
    if one.verdict == "diverged" and where.high < 0:
        return dataclasses.replace(said, decades=_rounded(where), remedy=_remedy(where))
    if one.verdict not in _RATE_VERDICTS or GOOD < where.share <= BAD:
        return said
    verdict: Verdict
    if where.share <= GOOD:
        if one.verdict in ("rate_ok", "converged"):
            return said
        verdict, text, remedy = "rate_ok", "The rate is right, beside its siblings.", "Leave the rate as it is."
        decades = None
    else:
        low = where.low > 0
        if one.verdict == "noise_floor" and not low:
            return dataclasses.replace(said, decades=_rounded(where))
        verdict = "rate_too_low" if low else "rate_too_high"
        decades = _rounded(where)
        remedy = _remedy(where)
        text = f"The rate is too {'low' if low else 'high'}: siblings at other rates ended better."
    chances = {verdict: _CERTAIN, **{name: part for name, part in one.likelihoods.items() if name != verdict}}
    return dataclasses.replace(
        said, verdict=verdict, probability=_CERTAIN, decades=decades, text=text, remedy=remedy, likelihoods=chances
    )


def _remedy(where: Placed) -> str:
    verb = "Raise" if where.low > 0 else "Cut"
    return f"{verb} the rate: {correction_words(_rounded(where))}; runs there were good."


def _rounded(where: Placed) -> tuple[float, float]:
    return round(where.low, 2), round(where.high, 2)
