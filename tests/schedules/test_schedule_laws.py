"""Laws that hold for every schedule, however it is composed."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import RecipeError
from surefoot.schedules import (
    Schedule,
    chain,
    from_json,
    join,
    make,
    names,
    offset,
    repeat,
    replan,
    spec_of,
    warmup,
)
from surefoot.schedules.schedule import State, plain_memory

law = settings(max_examples=40, deadline=None, derandomize=True)

COMPOSED = {"join", "chain", "repeat", "offset", "replan"}
FEEDBACK = {"plateau", "greedy"}
PLAIN = sorted(set(names()) - COMPOSED - FEEDBACK)

share = st.floats(0.02, 0.9)
factor = st.floats(0.0, 1.0)
length = st.one_of(share, st.integers(1, 40))
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "cosine": st.fixed_dictionaries({"end_factor": factor}),
    "linear": st.fixed_dictionaries({"end_factor": factor}),
    "polynomial": st.fixed_dictionaries({"end_factor": factor, "power": st.floats(0.1, 5)}),
    "k-decay": st.fixed_dictionaries({"k": st.floats(0.1, 5)}),
    "tanh": st.fixed_dictionaries({"lower": st.floats(-9, 0), "upper": st.floats(0, 9)}),
    "inverse-time": st.fixed_dictionaries({"k": st.floats(0, 3), "every": length, "staircase": st.booleans()}),
    "exponential": st.fixed_dictionaries({"gamma": st.floats(0.2, 1.5), "every": length, "staircase": st.booleans()}),
    "step": st.fixed_dictionaries({"step_size": length, "gamma": st.floats(0.1, 1.2)}),
    "multi-step": st.fixed_dictionaries({"milestones": st.lists(share, max_size=4).map(sorted)}),
    "inverse-sqrt": st.fixed_dictionaries({"timescale": length}),
    "cosine-restarts": st.fixed_dictionaries(
        {"first": length, "growth": st.floats(1, 3), "end_factor": factor, "decay": st.floats(0.1, 1)}
    ),
    "triangular": st.fixed_dictionaries({"up": length, "base_factor": factor}),
    "exponential-range": st.fixed_dictionaries({"up": length, "down": length, "gamma": st.floats(0.9, 1)}),
    "one-cycle": st.fixed_dictionaries({"pct_start": factor})
    | st.fixed_dictionaries({"pct_start": factor.map(lambda share: share / 2), "three_phase": st.just(True)}),
    "warmup-stable-decay": st.fixed_dictionaries(
        {
            "warmup": st.floats(0.0, 0.4),
            "decay": st.floats(0.01, 0.6),
            "decay_shape": st.sampled_from(["linear", "cosine", "1-sqrt", "square", "mirror-cosine", "exponential"]),
            "stable": st.sampled_from(["constant", "inverse-sqrt"]),
        }
    ),
}
peaks = st.floats(1e-6, 10)


@st.composite
def leaves(draw: st.DrawFn) -> Schedule:
    name = draw(st.sampled_from(PLAIN))
    options = draw(OPTIONS.get(name, st.just({})))
    return make(name, draw(peaks), draw(st.integers(1, 50)), **options)


def grown(parts: st.SearchStrategy[Schedule]) -> st.SearchStrategy[Schedule]:
    return st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda some: join(*some)),
        st.builds(lambda a, b: chain(a, b.scaled_to(a.steps).scale(1 / b.peak)), parts, parts),
        st.builds(repeat, parts, st.integers(1, 3), st.floats(0.3, 1)),
        st.builds(lambda a, n: offset(a, min(n, a.steps - 1)), parts, st.integers(-20, 20)),
        st.builds(warmup, parts, st.integers(0, 12), st.sampled_from(["linear", "constant", "exponential", "cosine"])),
        st.builds(lambda a, n, k: replan(a, n, min(k, n - 1)), parts, st.integers(1, 60), st.integers(0, 60)),
    )


schedules = st.recursive(leaves(), grown, max_leaves=5)


@law
@given(schedules)
def test_rates_are_finite_and_never_negative(schedule: Schedule) -> None:
    rates = [schedule(step) for step in range(-1, schedule.steps + 3)]
    assert all(math.isfinite(rate) and rate >= 0 for rate in rates)
    assert rates[-1] == rates[-4]
    momenta = [schedule.momentum(step) for step in range(schedule.steps)]
    assert all(one is None or 0 <= one <= 1 for one in momenta)


@law
@given(schedules, st.floats(1e-3, 1e3))
def test_rates_are_proportional_to_the_peak(schedule: Schedule, by: float) -> None:
    assert schedule.scale(by).lrs() == pytest.approx([by * rate for rate in schedule.lrs()], rel=1e-9, abs=1e-300)
    assert dataclasses.replace(schedule, peak=1.0).lrs() == [schedule.factor(step) for step in range(schedule.steps)]


@law
@given(schedules)
def test_json_and_specs_come_back_equal(schedule: Schedule) -> None:
    back = from_json(json.loads(json.dumps(schedule.to_json(), allow_nan=False)))
    assert back == schedule
    assert hash(back) == hash(schedule)
    assert back.lrs() == schedule.lrs()
    assert make(spec_of(schedule), schedule.peak, schedule.steps) == schedule


@law
@given(schedules)
def test_following_is_the_same_as_asking(schedule: Schedule) -> None:
    state, rates = schedule.start(), []
    for _ in range(schedule.steps):
        rates.append(schedule.rate(state))
        state, _ = schedule.next(state)
    assert rates == schedule.lrs()


@law
@given(st.lists(schedules, min_size=1, max_size=4))
def test_join_is_concatenation_to_any_depth(parts: list[Schedule]) -> None:
    rates = [rate for part in parts for rate in part.lrs()]
    flat = join(*parts)
    assert flat.lrs() == pytest.approx(rates, rel=1e-12)
    nested = parts[0]
    for part in parts[1:]:
        nested = join(nested, part)
    assert nested.lrs() == pytest.approx(rates, rel=1e-11)
    assert flat.steps == nested.steps == len(rates)


@law
@given(schedules, st.integers(-20, 20))
def test_offset_moves(schedule: Schedule, by: int) -> None:
    by = min(by, schedule.steps - 1)
    moved = offset(schedule, by)
    assert moved.steps == schedule.steps - by
    assert moved.lrs() == [schedule(step + by) for step in range(moved.steps)]
    if 0 <= by < schedule.steps - 1:
        assert offset(moved, 1).lrs() == offset(schedule, by + 1).lrs()
        assert join(schedule, moved).lrs()[schedule.steps :] == pytest.approx(moved.lrs(), rel=1e-12)


@law
@given(schedules, st.integers(1, 4))
def test_repeat_repeats(schedule: Schedule, times: int) -> None:
    assert repeat(schedule, times).lrs() == pytest.approx(schedule.lrs() * times, rel=1e-12)
    assert repeat(schedule, times).lrs() == pytest.approx(join(*[schedule] * times).lrs(), rel=1e-12)


@law
@given(schedules, schedules)
def test_chain_commutes_and_has_one(first: Schedule, second: Schedule) -> None:
    second = second.scaled_to(first.steps).scale(1 / second.peak)
    product = [a * b for a, b in zip(first.lrs(), second.lrs(), strict=True)]
    assert chain(first, second).lrs() == pytest.approx(product, rel=1e-9)
    assert chain(second, first).lrs() == pytest.approx(product, rel=1e-9)
    assert chain(first, make("constant", 1.0, first.steps)).lrs() == first.lrs()


@law
@given(schedules, st.integers(1, 120))
def test_a_scaled_schedule_can_be_built_and_keeps_its_ends(schedule: Schedule, steps: int) -> None:
    scaled = schedule.scaled_to(steps)
    assert scaled.steps == steps
    assert scaled.peak == schedule.peak
    assert all(math.isfinite(rate) and rate >= 0 for rate in scaled.lrs())
    assert schedule.scaled_to(schedule.steps) == schedule


@pytest.mark.parametrize("name", PLAIN)
def test_scaling_keeps_the_shape(name: str) -> None:
    schedule = make(name, 0.1, 400)
    scaled = schedule.scaled_to(4000)
    # A warmup begins one rung above 0, and the rungs are finer in the longer run.
    for step in (0, 50, 111, 222, 333):
        assert scaled(step * 10) == pytest.approx(schedule(step), rel=0.03, abs=0.05 * schedule.peak)
        assert scaled.scaled_to(400)(step) == pytest.approx(schedule(step), rel=0.03, abs=0.05 * schedule.peak)
    shrunk = make(name, 0.1, 4000).scaled_to(40)
    for step in (0, 5, 13, 24, 33):
        assert shrunk(step) == pytest.approx(make(name, 0.1, 4000)(step * 100), rel=0.05, abs=0.04)


@law
@given(schedules, st.data())
def test_a_new_plan_goes_on_where_the_old_one_was(schedule: Schedule, data: st.DataObject) -> None:
    since = data.draw(st.integers(0, schedule.steps - 1))
    steps = data.draw(st.integers(since + 1, 2 * schedule.steps + 1))
    plan = replan(schedule, steps, since)
    assert plan.lrs()[: since + 1] == pytest.approx(schedule.lrs()[: since + 1], rel=1e-12)
    if steps > since + 1:
        assert plan(steps - 1) == pytest.approx(schedule(schedule.steps - 1), rel=1e-9, abs=1e-15)
    rest = schedule.lrs()[since:]
    assert all(min(rest) - 1e-12 <= rate <= max(rest) + 1e-12 for rate in plan.lrs()[since:])


@law
@given(
    st.sampled_from(["plateau:patience=1", "warmup:linear:4+plateau:patience=0", "cosine*greedy:patience=0"]),
    st.lists(st.one_of(st.none(), st.floats(-5, 5), st.sampled_from([math.nan, math.inf])), max_size=30),
    st.data(),
)
def test_feedback_can_be_stopped_and_resumed_anywhere(spec: str, metrics: list[Any], data: st.DataObject) -> None:
    schedule = make(spec, 0.1, 30)
    at = data.draw(st.integers(0, len(metrics)))
    state, rates = schedule.start(), []
    for step, metric in enumerate(metrics):
        if step == at:
            plain = json.loads(json.dumps(plain_memory(state.memory)))
            resumed = State(state.step, schedule.recall(plain))
            assert resumed == state or any(one is not None and math.isnan(one) for one in metrics)
            state = resumed
        state, rate = schedule.next(state, metric)
        rates.append(rate)
    again, whole = schedule.start(), []
    for metric in metrics:
        again, rate = schedule.next(again, metric)
        whole.append(rate)
    assert rates == whole
    assert all(math.isfinite(rate) and rate >= 0 for rate in rates)


def test_every_name_is_covered() -> None:
    assert set(PLAIN) | COMPOSED | FEEDBACK == set(names())
    assert set(OPTIONS) <= set(PLAIN)


@pytest.mark.parametrize("pct_start", [0.2, 0.4])
def test_a_cycle_of_three_phases_reaches_its_end(pct_start):
    schedule = make("one-cycle", 0.1, 100, pct_start=pct_start, three_phase=True)
    assert schedule(99) == pytest.approx(0.1 / 25 / 1e4)
    assert schedule.momentum(99) == pytest.approx(0.95)


def test_three_phases_that_do_not_fit_are_refused():
    """torch breaks off on the way down, far above the end, and says nothing."""
    with pytest.raises(RecipeError, match=r"at most 0\.5 with `three_phase`"):
        make("one-cycle", 0.1, 100, pct_start=0.7, three_phase=True)
    assert make("one-cycle", 0.1, 100, pct_start=0.7)(99) == pytest.approx(0.1 / 25 / 1e4)
