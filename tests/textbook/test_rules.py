"""Rules decide by intervals: inside holds, outside fails, across is open; conditions make `depends`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.errors import RecordError
from surefoot.records.claim import Rule, Test
from surefoot.records.measurement import Measurement
from surefoot.textbook.measuring import exact, mean_of, median_of, share_of, slope_of, unknown
from surefoot.textbook.rules import above, below, between, decide, holds, rule


def seen(value: float, low: float | None = None, high: float | None = None, n: int = 5, name: str = "x") -> Measurement:
    return Measurement(name, value, low=low, high=high, n=n)


@pytest.mark.parametrize(
    ("test", "measurement", "answer"),
    [
        (above("x", 1), seen(2, 1.5, 2.5), True),
        (above("x", 1), seen(2, 0.5, 3.5), None),
        (above("x", 1), seen(0.5, 0.1, 0.9), False),
        (above("x", 1), seen(1.0), False),
        (above("x", 0), seen(0.0, 0.0, 0.0), False),
        (above("x", 1), seen(math.inf), True),
        (below("x", 1), seen(0.5, 0.1, 0.9), True),
        (below("x", 1), seen(1.5, 0.9, 2), None),
        (below("x", 1), seen(1.0, 1.0, 2), False),
        (between("x", 0.9, 1.1), seen(1.0, 0.95, 1.05), True),
        (between("x", 0.9, 1.1), seen(1.0, 0.8, 1.05), None),
        (between("x", 0.9, 1.1), seen(1.3, 1.2, 1.4), False),
        (above("x", 1, n=6), seen(2, 1.5, 2.5, n=5), None),
        (above("x", 1), unknown("x", "broken"), None),
        (above("x", 1), None, None),
    ],
)
def test_a_test_holds_fails_or_is_open(test: Test, measurement: Measurement | None, answer: bool | None) -> None:
    assert holds(test, measurement) is answer


def test_all_tests_of_a_condition_must_hold() -> None:
    both = rule(above("x", 1), below("y", 1))
    assert decide(both, [seen(2), seen(0, name="y")]) == ("supported", "")
    assert decide(both, [seen(2), seen(2, name="y")]) == ("contradicted", "")
    verdict, why = decide(both, [seen(2), seen(1, 0, 2, name="y")])
    assert verdict == "undecided"
    assert "y lies between 0 and 2" in why
    verdict, why = decide(both, [seen(2)])
    assert (verdict, why) == ("undecided", "y was not measured")


def test_conditions_that_disagree_make_it_depend() -> None:
    split = rule(above("x", 1, when="bowls"), above("y", 1, when="networks"), above("z", 1, when="text"))
    verdict, on = decide(split, [seen(2), seen(0, name="y"), seen(1, 0, 2, name="z")])
    assert verdict == "depends"
    assert on == "holds: bowls; does not hold: networks"
    assert decide(split, [seen(2), seen(2, name="y"), seen(1, 0, 2, name="z")])[0] == "undecided"
    assert decide(split, [seen(0), seen(0, name="y"), seen(0, name="z")]) == ("contradicted", "")


def test_a_rule_reads_as_words() -> None:
    assert str(rule(above("the speed", 2, n=3))) == "It holds when the speed is above 2 (n ≥ 3)."
    words = str(rule(above("a", 2, when="on bowls"), between("b", 0, 1, when="on hills")))
    assert "on bowls: a is above 2" in words
    assert "on hills: b is from 0 to 1" in words
    with pytest.raises(RecordError):
        Rule(())


def test_rules_travel_as_json() -> None:
    one = rule(above("a", 2, when="on bowls"), between("b", 0, 1))
    assert Rule.from_json(one.to_json()) == one


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """200 samples of known mean, median and share; at 95% a count below 180 has a chance of 1 in 1000."""
    random = np.random.default_rng(0)
    inside = {"mean": 0, "median": 0, "share": 0}
    for _ in range(200):
        sample = random.normal(3, 2, 12)
        mean, median = mean_of("m", sample), median_of("m", sample)
        share = share_of("s", int((random.random(40) < 0.3).sum()), 40)
        for name, one, truth in (("mean", mean, 3), ("median", median, 3), ("share", share, 0.3)):
            assert one.low is not None
            assert one.high is not None
            inside[name] += one.low <= truth <= one.high
    assert min(inside.values()) >= 180


def test_what_is_no_number_is_unknown() -> None:
    assert mean_of("m", [1.0, math.inf]).value is None
    assert exact("m", math.nan).value is None
    assert slope_of("m", [1, 2], [[1.0, 0.0]]).value is None
    assert share_of("m", 0, 0).value is None
    late = median_of("m", [1.0, 2.0, math.inf, math.inf, math.inf])
    assert late.value == math.inf
    assert slope_of("m", [1, 2, 4], [[3.0, 12.0, 48.0]]).value == pytest.approx(2)
