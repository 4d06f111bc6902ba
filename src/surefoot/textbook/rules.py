"""Decision rules: the vocabulary in which claims fix, in code, what decides them.

A *test* says where a measurement has to lie; `above`, `below` and `between` make one. `rule` collects tests, and
`decide` applies a rule to measurements: a test holds when the whole interval of its measurement lies where it has to,
fails when the whole interval lies elsewhere, and is open otherwise, when the measurement is missing, or when it rests
on too few repetitions. No verdict is made in any other way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from surefoot.records.claim import Rule, Test, Verdict
from surefoot.records.measurement import Measurement

__all__ = ["above", "below", "between", "decide", "holds", "rule"]


def above(measurement: str, low: float, *, when: str = "", n: int = 1) -> Test:
    """The measurement lies above `low`; `when` names the condition it was made under, `n` the repetitions needed."""
    return Test(measurement, low=low, condition=when, n=n)


def below(measurement: str, high: float, *, when: str = "", n: int = 1) -> Test:
    """The measurement lies below `high`."""
    return Test(measurement, high=high, condition=when, n=n)


def between(measurement: str, low: float, high: float, *, when: str = "", n: int = 1) -> Test:
    """The measurement lies from `low` to `high`."""
    return Test(measurement, low=low, high=high, condition=when, n=n)


def rule(*tests: Test) -> Rule:
    """The rule of these tests; all that share a condition must hold for the claim to hold in it."""
    return Rule(tests)


def holds(test: Test, measurement: Measurement | None) -> bool | None:
    """Whether a test holds; None when the measurement does not decide it."""
    if measurement is None or measurement.value is None or math.isnan(measurement.value) or measurement.n < test.n:
        return None
    low = measurement.value if measurement.low is None else measurement.low
    high = measurement.value if measurement.high is None else measurement.high
    inside = test.low <= low and high <= test.high
    # A threshold is no part of what lies above or below it.
    if math.isinf(test.high):
        inside = low > test.low
    elif math.isinf(test.low):
        inside = high < test.high
    if inside:
        return True
    outside = (high <= test.low if math.isinf(test.high) else high < test.low) or (
        low >= test.high if math.isinf(test.low) else low > test.high
    )
    return False if outside else None


def decide(decided_by: Rule, measurements: Iterable[Measurement]) -> tuple[Verdict, str]:
    """The verdict of a rule on measurements, and what it depends on or what is missing.

    Supported when every condition holds, contradicted when every one fails, `depends` when at least one holds and at
    least one fails; `undecided` otherwise.
    """
    found = {one.name: one for one in measurements}
    holding, failing, open_ones = [], [], []
    for condition in decided_by.conditions:
        tests = [one for one in decided_by.tests if one.condition == condition]
        answers = [holds(one, found.get(one.measurement)) for one in tests]
        if all(answers):
            holding.append(condition)
        elif any(one is False for one in answers):
            failing.append(condition)
        else:
            open_ones += [_missing(one, found) for one, answer in zip(tests, answers, strict=True) if answer is None]
    if holding and failing:
        return "depends", f"holds: {', '.join(holding)}; does not hold: {', '.join(failing)}"
    if open_ones:
        return "undecided", "; ".join(open_ones)
    return ("supported", "") if holding else ("contradicted", "")


def _missing(test: Test, found: Mapping[str, Measurement]) -> str:
    measurement = found.get(test.measurement)
    if measurement is None:
        return f"{test.measurement} was not measured"
    if measurement.value is None:
        return f"{test.measurement} is unknown: {measurement.reason}"
    if measurement.n < test.n:
        return f"{test.measurement} rests on {measurement.n} repetitions, {test.n} are needed"
    if measurement.low is not None and measurement.high is not None:
        return (
            f"{test.measurement} lies between {measurement.low:.4g} and {measurement.high:.4g}, which decides nothing"
        )
    return f"{test.measurement} is not a number"
