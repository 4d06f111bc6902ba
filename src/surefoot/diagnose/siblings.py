"""Siblings: runs of one sweep, which differ in the rate, placed on the response curve that they form together.

A run alone shows how its loss went; its siblings show how it would have gone at other rates. So where there are at
least three of them at different rates, of about the same length and from about the same first loss, the verdict on the
rate, and by how much to change it, follow from the final losses, and the model of verdicts is only asked for the rest.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from surefoot.diagnose.correction import correction_words
from surefoot.records import Run
from surefoot.records.diagnosis import Diagnosis, Verdict

__all__ = ["BAD", "GOOD", "Placed", "place", "placed"]

GOOD, BAD = 0.05, 0.10
"""Share of the improvement lost up to which a rate is good, and beyond which it is wrong."""
_LEAST = 3
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


def place(runs: Sequence[Run], formats: Sequence[str] = ()) -> list[Placed | None]:
    """Where each run lies among those that are its siblings; None where it has too few.

    Runs of different units, or from logs of different `formats`, are no siblings.
    """
    known = [_facts(run, name) for run, name in zip(runs, formats or [""] * len(runs), strict=True)]
    found: list[Placed | None] = []
    for one in known:
        if one is None:
            found.append(None)
            continue
        group = [other for other in known if other is not None and _alike(one, other)]
        rates = {round(other[0], 3) for other in group}
        found.append(_placed(one, group) if len(rates) >= _LEAST else None)
    return found


_Facts = tuple[float, float, float, float, str]
"""log10 of the peak rate; first loss; final loss; last step; unit and format."""


def _facts(run: Run, name: str) -> _Facts | None:
    rates = run.lr[np.isfinite(run.lr) & (run.lr > 0)]
    finite = run.loss[np.isfinite(run.loss)]
    if not len(rates) or len(finite) < _LEAST:
        return None
    tail = run.loss[-max(1, len(run.loss) // 10) :]
    final = float(tail.mean()) if np.isfinite(tail).all() else math.inf
    if run.fate == "diverged":
        final = math.inf
    return math.log10(float(rates.max())), float(finite[0]), final, float(run.step[-1]), f"{run.unit} {name}"


def _alike(one: _Facts, other: _Facts) -> bool:
    """Same kind of log, about the same first loss; about the same length unless one of them broke off."""
    near = abs(one[1] - other[1]) <= 0.4 * max(abs(one[1]), abs(other[1]))
    long = max(one[3], 1.0) / max(other[3], 1.0)
    return one[4] == other[4] and near and (0.75 < long < 1.34 or math.inf in (one[2], other[2]))


def _placed(one: _Facts, group: list[_Facts]) -> Placed | None:
    group = sorted(group)
    finite = [other for other in group if math.isfinite(other[2])]
    if len(finite) < 2:
        return None
    initial = float(np.median([other[1] for other in group]))
    lowest = min(other[2] for other in finite)
    gain = initial - lowest
    if gain <= 0.01 * abs(initial):
        return None
    x = np.array([other[0] for other in group])
    shares = np.array([min(max((other[2] - lowest) / gain, 0.0), 5.0) for other in group])
    fine = np.union1d(np.linspace(x[0], x[-1], 600), x)
    good = fine[np.interp(fine, x, shares) <= GOOD]
    best = int(shares.argmin())
    share = min(max((one[2] - lowest) / gain, 0.0), 5.0)
    edge = x[best] in (x[0], x[-1])
    return Placed(share, float(good[0]) - one[0], float(good[-1]) - one[0], len(group), bool(edge))


def placed(each: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The diagnoses, those of siblings with the verdict on the rate that follows from one another."""
    diagnoses = list(each)
    found = place([one.run or Run() for one in diagnoses], [one.format for one in diagnoses])
    return tuple(one if where is None else _with_place(one, where) for one, where in zip(diagnoses, found, strict=True))


def _with_place(one: Diagnosis, where: Placed) -> Diagnosis:
    lost = f"{where.share:.0%}" if where.share < 5 else "more than all"
    note = f"among {where.runs} runs of one sweep this one lost {lost} of the best one's improvement"
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
