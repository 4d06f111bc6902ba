"""A diagnosis in words, the same on the terminal, the page and the picture."""

from __future__ import annotations

from surefoot.diagnose.correction import correction_words
from surefoot.diagnose.verdict import FINDINGS_OF
from surefoot.records import Finding
from surefoot.records.diagnosis import Diagnosis

__all__ = ["chance_words", "evidence_first", "share_words", "size_words", "title_of"]

_TITLES = {
    "rate_too_low": "Rate too low", "rate_ok": "Rate right", "rate_too_high": "Rate too high", "diverged": "Diverged",
    "overfitting": "Overfitting", "noise_floor": "At the noise floor", "converged": "Converged",
    "not_learning": "Not learning", "no_update": "Weights not updated", "data_problem": "Bad data",
    "dead_units": "Dead units", "schedule_too_early": "Schedule ends too early",
    "spike_recovered": "Spike, recovered", "nan": "Not a number", "unknown": "Unknown",
}  # fmt: skip


def title_of(diagnosis: Diagnosis) -> str:
    """The verdict in a few words."""
    return _TITLES[diagnosis.verdict]


def share_words(diagnosis: Diagnosis) -> str:
    """How sure the verdict is; for unknown, what is likeliest."""
    if diagnosis.verdict == "unknown":
        likely = next(iter(diagnosis.likelihoods.items()), None)
        return "" if likely is None else f"likeliest: {likely[0].replace('_', ' ')}, {chance_words(likely[1])}"
    return f"{chance_words(diagnosis.probability)} sure"


def chance_words(probability: float) -> str:
    """A probability as a percentage, which is never 100: no log makes a verdict certain."""
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"


def size_words(diagnosis: Diagnosis) -> str:
    """By how much to change the rate."""
    if diagnosis.decades is None:
        return ""
    return f"{correction_words(diagnosis.decades, 'the rate')} ({low_high(diagnosis.decades)} decades)"


def low_high(ends: tuple[float, float]) -> str:
    """Both ends with their signs."""
    return f"{ends[0]:+.2g} to {ends[1]:+.2g}"


def evidence_first(diagnosis: Diagnosis) -> list[Finding]:
    """The findings that hold, those that speak for the verdict first."""
    telling = list(FINDINGS_OF.get(diagnosis.verdict, ()))
    return sorted(diagnosis.holding, key=lambda one: telling.index(one.id) if one.id in telling else len(telling))
