"""Schedules by name and as text: what is read, and how mistakes are answered."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from surefoot.errors import RecipeError
from surefoot.schedules import Cosine, Join, Step, Warmup, chain, from_json, join, make, names, replan, warmup

PEAK, STEPS = 0.1, 60


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("step:30:0.5", Step(PEAK, STEPS, step_size=30, gamma=0.5)),
        ("step : gamma=0.5 : step_size=50%", Step(PEAK, STEPS, step_size=0.5, gamma=0.5)),
        ("(cosine)", Cosine(PEAK, STEPS)),
        ("0.5*cosine", Cosine(PEAK / 2, STEPS)),
        ("2*0.25*cosine", Cosine(PEAK / 2, STEPS)),
        ("wsd", make("warmup-stable-decay", PEAK, STEPS)),
        ("sgdr:10", make("cosine-restarts", PEAK, STEPS, first=10)),
        ("warmup:linear:5", Warmup(PEAK, STEPS, length=5)),
        ("warmup:linear:5+cosine", Warmup(PEAK, STEPS, length=5, then="cosine")),  # type: ignore[arg-type]
        ("exponential:1e-1", make("exponential", PEAK, STEPS, gamma=0.1)),
        (
            "one-cycle:base_momentum=none:three_phase=true",
            make("one-cycle", PEAK, STEPS, base_momentum=None, three_phase=True),
        ),
        ("multi-step:20/40", make("multi-step", PEAK, STEPS, milestones=[20, 40])),
        ("multi-step:20/", make("multi-step", PEAK, STEPS, milestones=[20])),
        ("multi-step:20", make("multi-step", PEAK, STEPS, milestones=[20])),
    ],
)
def test_a_spec_means_what_it_says(spec: str, same: Any) -> None:
    assert make(spec, PEAK, STEPS) == same


def test_a_warmup_stands_in_front_of_all_that_follows() -> None:
    made = make("warmup:linear:12+constant@24+linear", PEAK, STEPS)
    assert made.lrs() == pytest.approx(warmup(join(make("constant", PEAK, 24), make("linear", PEAK, 24)), 12).lrs())
    later = make("constant@24+warmup:linear:12+linear", PEAK, STEPS)
    assert later.lrs() == pytest.approx(join(make("constant", PEAK, 24), warmup(make("linear", PEAK, 24), 12)).lrs())


def test_parts_share_what_is_left() -> None:
    equal = make("constant+linear+cosine", PEAK, STEPS)
    assert isinstance(equal, Join)
    assert [part.steps for part in equal.parts] == [20, 20, 20]
    mixed = make("constant@0.5+linear@10+cosine", PEAK, STEPS)
    assert isinstance(mixed, Join)
    assert [part.steps for part in mixed.parts] == [30, 10, 20]
    assert mixed.lrs() == pytest.approx(
        join(make("constant", PEAK, 30), make("linear", PEAK, 10), make("cosine", PEAK, 20)).lrs()
    )


def test_products_bind_closer_than_sequences() -> None:
    made = make("cosine*linear+0.5*constant", PEAK, STEPS)
    first = chain(make("cosine", PEAK, 30), make("linear", 1.0, 30))
    assert made.lrs() == pytest.approx(join(first, make("constant", PEAK / 2, 30)).lrs())


def test_a_spec_can_stand_where_a_part_is_needed() -> None:
    by_text = make("repeat", PEAK, STEPS, part="warmup:linear:5+cosine", times=3)
    by_json = make("repeat", PEAK, STEPS, part=by_text.to_json()["options"]["part"], times=3)
    assert by_text == by_json == make("repeat:part=(warmup:linear:5+cosine):times=3", PEAK, STEPS)
    assert by_text.lrs()[:20] == by_text.lrs()[20:40]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cosin", "`schedule` is 'cosin', which Surefoot does not know; did you mean `cosine`"),
        ("warmup:lin:5+cosine", "`shape` is 'lin'; did you mean `linear`"),
        ("warmup:linear:60+cosine", "`length` is 60 updates and the run has 60; shorten it"),
        ("warmup:linear:1.5+cosine", r"`length` is 1\.5; it is 0, a share of the run"),
        ("noam:61", "`warmup` is 61 updates, longer than the run of 60"),
        ("wsd:30:40", "`warmup` and `decay` take 70 updates and the run has 60"),
        ("wsd:0.5:0.6", "`warmup` and `decay` are 0.5 and 0.6 of the run"),
        ("cosine:end=0.1", "schedule `cosine` has no option `end`"),
        ("cosine:0.1:end_factor=0.1", "is given `end_factor` twice"),
        ("cosine:0.1:0.2", "schedule `cosine` has no option for the value 0.2"),
        ("step:gamma=0.1:3", "options by place come first"),
        ("constant:1", "it takes no options"),
        ("cosine+", "has its end where a name or value is needed"),
        ("(cosine", r"has its end where `\)` is needed"),
        ("cosine)", r"has '\)' at character 7"),
        ("cosine+$5", r"has '\$' at character 8"),
        ("", "has its end"),
        ("0.5", "has its end"),
        ("cosine@0.5", "nothing follows it"),
        ("constant@0.8+linear@0.8", "take 1.6 of the run"),
        ("constant@30+cosine@20", "take 50 of 60 updates"),
        ("warmup:linear:5@5+cosine", "give its length as an option"),
        ("multi-step:40/20", "`milestones` is .40, 20., which is not in rising order; sort it"),
        ("multi-step:20/80", "it must lie below 60"),
        ("inverse-time:-0.01", "`k` is -0.01; it is a finite number from 0"),
        ("exponential:1e9:1", "`gamma` is 1000000000.0, which makes the rate infinite before the run ends"),
        ("cosine-restarts:first=0", "`first` is 0"),
        ("piecewise:0.5:1/-1", "`factors` is -1"),
        ("piecewise:0.5:1/2/3", "`factors` has 3 values and `at` has 1; give one factor more"),
        ("piecewise:0.5:0/0", "one of them must be above 0"),
        ("step:gamma=(cosine)", "`gamma` is a schedule in parentheses"),
        ("repeat:part=plateau", "follows a metric, which does not start again"),
        ("repeat", "`part` is missing"),
        ("offset:cosine:-60", "`by` waits for 60 updates in a run of 60"),
        ("replan:cosine:30:60", "`since` is 60 in a run of 60 updates"),
        ("chain", "`parts` is empty"),
    ],
)
def test_mistakes_are_answered_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        make(spec, PEAK, STEPS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make("cosine", -1, 5), "`peak` is -1.0"),
        (lambda: make("cosine", float("nan"), 5), "`peak` is nan"),
        (lambda: make("cosine", "high", 5), "`peak` is 'high'"),
        (lambda: make("cosine", 1, 0), "`steps` is 0"),
        (lambda: make("cosine", 1, 2.5), "`steps` is 2.5"),
        (lambda: make(None, 1, 5), "`schedule` is None"),
        (lambda: make("warmup:linear:5+cosine", 1, 50, end_factor=0.1), "write `end_factor` into it"),
        (lambda: make("join", 1, 50, parts=[3, "cosine"], at=[10]), "a part is 3"),
        (lambda: make("join", 1, 50, parts=["linear", "cosine"], at=[]), "`at` has 0 values for 2 `parts`"),
        (lambda: from_json({"name": "cosine"}), "a schedule is an object with `name`, `peak`, `steps`"),
        (lambda: from_json([1]), "a schedule is an object"),
        (lambda: make("cosine", 1, 50).scale(-2), "`factor` is -2"),
        (lambda: make("cosine", 1, 50).scaled_to(0), "`steps` is 0"),
        (lambda: chain(make("cosine", 1, 5), make("linear", 1, 6)), "laid out for .5, 6. updates"),
        (lambda: make("exponential:1e9:0.03*exponential:1e9:0.03", 1, 50), "infinite rate"),
    ],
)
def test_bad_calls_are_answered_in_one_line(call: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_all_schedules_of_the_textbooks_and_papers_are_there() -> None:
    assert set(names()) >= {
        "chain", "constant", "cosine", "cosine-restarts", "exponential", "exponential-range", "greedy", "inverse-sqrt",
        "inverse-time", "join", "k-decay", "linear", "multi-step", "noam", "offset", "one-cycle", "piecewise",
        "plateau", "polynomial", "repeat", "rex", "step", "tanh", "triangular", "triangular2", "warmup",
        "warmup-stable-decay",
    }  # fmt: skip


def test_formulas_at_known_places() -> None:
    assert make("inverse-time:0.5", 1.0, 10)(4) == pytest.approx(1 / 3)
    per_epoch = make("inverse-time:1:5:true", 1.0, 15)
    assert per_epoch.lrs() == pytest.approx([1.0] * 5 + [1 / 2] * 5 + [1 / 3] * 5)
    noam = make("noam:4", 1.0, 100)
    assert noam(0) == pytest.approx(0.25)
    assert noam(3) == pytest.approx(1.0)
    assert noam(15) == pytest.approx(0.5)
    assert make("inverse-sqrt:10", 1.0, 100)(30) == pytest.approx(0.5)
    assert make("rex", 1.0, 10)(5) == pytest.approx(0.5 / 0.75)
    assert make("warmup:linear:4", 1.0, 9).lrs() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1])
    assert make("warmup:exponential:2:0.01", 1.0, 3).lrs() == pytest.approx([0.01, 0.1, 1])
    assert make("step", 1.0, 100).lrs() == pytest.approx([1.0] * 34 + [0.1] * 34 + [0.01] * 32)


def test_torch_is_not_imported() -> None:
    code = "import sys, surefoot.schedules as s; s.make('wsd', 1, 9).lrs(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_warmup_wastes_no_update() -> None:
    assert make("warmup:linear:10", 1.0, 20)(0) == pytest.approx(1 / 11)
    assert make("warmup:linear:10:0.0", 1.0, 20)(0) == 0.0


def test_shares_are_free_of_rounding_errors() -> None:
    assert 0.07 * 100 > 7
    assert make("step:0.07:0.5", 1.0, 100).lrs()[6:8] == [1.0, 0.5]
    assert 50 * 1.1 > 55
    assert make("cosine-restarts:50:1.1", 1.0, 200)(105) == 1.0


def test_per_update_decays_end_as_low_in_a_shorter_run() -> None:
    for spec in ("inverse-time:0.01", "exponential:0.999:1", "exponential-range:0.25:gamma=0.999:base_factor=0.0"):
        long = make(spec, 1.0, 4000)
        short = long.scaled_to(40)
        assert short(39) == pytest.approx(long(3900), rel=0.03), spec


def test_a_plan_that_is_prolonged_after_its_end_stays_at_its_last_rate() -> None:
    plan = replan(make("linear", 0.1, 10), 20, 15)
    assert plan.lrs()[10:] == [plan(9)] * 10


def test_restarts_keep_their_proportions() -> None:
    rates = make("cosine-restarts:10:1:0.1:0.5", 1.0, 30).lrs()
    assert rates[10:20] == pytest.approx([0.5 * rate for rate in rates[:10]])
    assert rates[20:] == pytest.approx([0.25 * rate for rate in rates[:10]])
