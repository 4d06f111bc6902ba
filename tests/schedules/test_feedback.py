"""Schedules that follow a metric: equal to their peers where those are right, and not fooled by a spike."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from surefoot.errors import RecipeError
from surefoot.schedules import Schedule, make


def rates_of(schedule: Schedule, metrics: list[float]) -> list[float]:
    """The rate after each metric."""
    state, rates = schedule.start(), []
    for metric in metrics:
        state, rate = schedule.next(state, metric)
        rates.append(rate)
    return rates


def torch_rates(metrics: list[float], **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = ReduceLROnPlateau(optimizer, eps=0.0, **options)  # type: ignore[arg-type]
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def noisy_descent(seed: int, sign: float = 1.0) -> list[float]:
    """A loss that falls to 1 with noise that does not."""
    draw = random.Random(seed)
    return [sign * (1.0 + 2.0 * math.exp(-step / 8) + draw.gauss(0, 0.05)) for step in range(80)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"patience": 3}, {"patience": 3}),
        ({"patience": 0, "cooldown": 4, "reduction": 0.5}, {"patience": 0, "cooldown": 4, "factor": 0.5}),
        ({"patience": 2, "threshold": 0.1, "threshold_mode": "abs"}, {}),
        ({"patience": 2, "min_factor": 0.05, "reduction": 0.3}, {"patience": 2, "min_lr": 0.005, "factor": 0.3}),
    ],
)
def test_plateau_has_the_rates_of_torch(seed: int, mine: dict, theirs: dict) -> None:
    metrics = noisy_descent(seed)
    plateau = make("plateau", 0.1, 80, **mine)
    expected = torch_rates(metrics, **(theirs or mine))
    assert rates_of(plateau, metrics) == pytest.approx(expected, rel=1e-9)
    assert rates_of(dataclasses.replace(plateau, spike=None), metrics) == pytest.approx(expected, rel=1e-9)
    assert expected[-1] < 0.1


def test_plateau_maximises_too() -> None:
    metrics = [-one + 5 for one in noisy_descent(3)]
    mine = rates_of(make("plateau", 0.1, 80, mode="max", patience=3), metrics)
    assert mine == pytest.approx(torch_rates(metrics, mode="max", patience=3), rel=1e-9)
    assert mine[-1] < 0.1


def test_a_metric_that_is_no_number_is_no_improvement() -> None:
    metrics = [math.inf, 1.0, math.nan, math.nan, math.nan, 0.5]
    assert rates_of(make("plateau:patience=2", 0.1, 9), metrics) == pytest.approx(torch_rates(metrics, patience=2))


SPIKED = [2.0, 1.6, 1.4, 1.3, 1.25, 1.22, 1.2, 1.19] + [9.0 * 0.85**n + 1.2 for n in range(12)] + [1.18, 1.17]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_recovery_after_a_spike_is_no_plateau(mode: str) -> None:
    metrics = SPIKED if mode == "min" else [-one for one in SPIKED]
    assert (
        torch_rates(metrics, patience=5, mode=mode)[-1] < 0.1
    )  # torch gives the rate up in the middle of the recovery
    assert rates_of(make("plateau", 0.1, 99, patience=5, mode=mode), metrics) == [0.1] * len(metrics)
    without = make("plateau", 0.1, 99, patience=5, mode=mode, spike=None)
    assert rates_of(without, metrics)[-1] < 0.1


def test_a_training_that_stays_up_after_a_spike_is_on_a_plateau() -> None:
    metrics = [*SPIKED[:8], *[6.0] * 8]
    assert rates_of(make("plateau:patience=5", 0.1, 99), metrics)[-1] == pytest.approx(0.01)


def test_a_plateau_after_the_recovery_is_still_seen() -> None:
    metrics = [*SPIKED, *[1.17] * 7]
    assert rates_of(make("plateau:patience=5", 0.1, 99), metrics)[-1] == pytest.approx(0.01)


def test_noise_is_rarely_taken_for_a_spike() -> None:
    # 40 noisy plateaus: the wait for the first fall may be prolonged by a false spike in a few of them at most.
    later = 0
    for seed in range(40):
        draw = random.Random(1000 + seed)
        metrics = [1.0 + draw.gauss(0, 0.1) for _ in range(60)]
        mine, torchs = (rates_of(make("plateau", 0.1, 99, patience=5, spike=s), metrics) for s in (6.0, None))
        later += mine != torchs
    assert later <= 4


def test_states_are_values() -> None:
    plateau = make("plateau:patience=1", 0.1, 9)
    state = plateau.start()
    first, _ = plateau.next(state, 1.0)
    again, _ = plateau.next(state, 1.0)
    assert first == again
    assert hash(first) == hash(again)
    assert state == plateau.start()
    bad, _ = plateau.next(first, 2.0)
    branch, good_rate = plateau.next(bad, 0.5)
    _, bad_rate = plateau.next(bad, 2.0)
    assert (good_rate, bad_rate) == (0.1, pytest.approx(0.01))
    assert branch.memory.best == 0.5


def test_a_schedule_before_a_plateau_and_a_scale_on_it() -> None:
    schedule = make("constant@4+0.5*plateau:patience=0", 0.1, 20)
    rates = rates_of(schedule, [1.0] * 8)
    assert rates[:3] == pytest.approx([0.1] * 3)  # what is measured before its turn does not count
    assert rates[3] == pytest.approx(0.05)
    assert rates[4] == pytest.approx(0.05)
    assert rates[5] == pytest.approx(0.005)


def test_greedy_rises_and_falls_within_its_bounds() -> None:
    greedy = make("greedy:patience=0:reduction=0.5:min_factor=0.1:max_factor=4", 0.1, 99)
    up = rates_of(greedy, [1.0 / (1 + n) for n in range(8)])
    assert up == pytest.approx([0.2, 0.4] + [0.4] * 6)
    down = rates_of(greedy, [1.0] * 8)
    assert down == pytest.approx([0.2, 0.1, 0.05, 0.025, 0.0125, 0.01, 0.01, 0.01])


def test_greedy_can_fall_from_any_peak() -> None:
    assert rates_of(make("greedy:patience=0", 5e-5, 99), [1.0, 2.0, 2.0])[-1] < 5e-5


def test_a_feedback_schedule_has_no_rate_by_step() -> None:
    for spec in ("plateau", "warmup:linear:2+greedy"):
        schedule = make(spec, 0.1, 9)
        assert schedule.follows_metric
        with pytest.raises(RecipeError, match=r"follows a metric and has no rate by step alone; use `next\("):
            schedule(5)
    assert not make("warmup:linear:2+cosine", 0.1, 9).follows_metric


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": -1}, "`patience` is -1"),
        ({"reduction": 1.0}, "`reduction` is 1"),
        ({"reduction": 0}, "`reduction` is 0"),
        ({"mode": "low"}, "`mode` is 'low'"),
        ({"threshold_mode": "abs."}, "did you mean `abs`"),
        ({"patence": 3}, "did you mean `patience`"),
    ],
)
@pytest.mark.parametrize("name", ["plateau", "greedy"])
def test_bad_options_are_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make(name, 0.1, 9, **options)
