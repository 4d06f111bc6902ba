"""Every experiment on bowls, wells, XOR, schedules and noise, at quick size: what must come out of it."""

from __future__ import annotations

import functools
import math

import pytest

from surefoot.engines.update_rules.sgd import SGDRule
from surefoot.records.claim import Outcome
from surefoot.textbook.claims import find_claim
from surefoot.textbook.experiments import run_family
from surefoot.textbook.measured import result_of
from surefoot.textbook.verify import run_families

FAMILIES = (
    "clip", "combo", "cost", "curve-shape", "dead-units", "digits-noise", "digits-sweep", "double-well", "drift", "eos",
    "grad-noise", "hypergradient", "init", "noisy-quad", "quad-sweep", "repeat", "rescue", "saddle", "schedule-race",
    "warmup", "xor-lr",
)  # fmt: skip


@functools.cache
def outcome(family: str) -> Outcome:
    return run_family(family, "quick")


@pytest.mark.parametrize("family", FAMILIES)
def test_outcome_is_a_record_with_numbers(family: str) -> None:
    found = outcome(family)
    assert found.family == family
    assert found.notes
    assert found.panels
    assert Outcome.from_json(found.to_json()) == found
    for one in found.measurements:
        if one.value is None:
            assert one.reason
            continue
        low = one.value if one.low is None else one.low
        high = one.value if one.high is None else one.high
        assert low <= one.value <= high or math.isinf(one.value)


def value(family: str, name: str) -> float:
    found = outcome(family).measurement(name)
    assert found is not None, f"{family} has no {name!r}"
    assert found.value is not None, found.reason
    return found.value


def test_exact_laws_come_out() -> None:
    assert value("quad-sweep", "exponent of the best rate against the curvature") == pytest.approx(-1, abs=0.01)
    assert value("xor-lr", "XOR: largest change of a weight in 50 updates at rate 0") == 0
    assert value("xor-lr", "XOR: exponent of the best rate against a factor on the loss") == pytest.approx(-1, abs=0.01)
    assert value("repeat", "repeats: spread of the test loss over orders with full batches, relative") < 1e-5
    assert value(
        "drift", "drift: exponent of the lag behind a steadily moving minimum against the rate"
    ) == pytest.approx(-1, abs=0.01)
    assert value("hypergradient", "rate of plain SGD: largest change from the first update to the last") == 0


ON_BOWLS = (
    "curvature-sets-usable-lr", "zigzag-path-in-valley", "divergence-above-two-over-curvature",
    "small-lr-more-precise-endpoint", "decay-speed-tradeoff", "moderate-lr-handles-noisy-gradients",
    "moderate-lr-crosses-saddles",
)  # fmt: skip


def _verdicts(families: tuple[str, ...]) -> dict[str, str]:
    # An experiment that cannot make sense of what it sees breaks, and its claims are undecided.
    found = {family: one for family, one in run_families(families, "quick") if isinstance(one, Outcome)}
    return {claim: result_of(find_claim(claim), found, "quick").verdict for claim in ON_BOWLS}


@pytest.mark.parametrize("how", ["wrong sign", "rate ignored"])
def test_a_broken_engine_changes_verdicts(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    families = ("quad-sweep", "noisy-quad", "saddle")
    whole = {
        claim: result_of(find_claim(claim), {one: outcome(one) for one in families}, "quick").verdict
        for claim in ON_BOWLS
    }
    step = SGDRule.step

    def broken(self, params, grads, state, lr, step_number, **more):  # type: ignore[no-untyped-def]
        rate = -lr if how == "wrong sign" else (lr * 0 + 0.01)
        step(self, params, grads, state, rate, step_number, **more)

    monkeypatch.setattr(SGDRule, "step", broken)
    after = _verdicts(families)
    changed = [claim for claim in ON_BOWLS if after[claim] != whole[claim]]
    assert len(changed) >= 4, (whole, after)
    assert sum(one == "supported" for one in after.values()) < sum(one == "supported" for one in whole.values())
