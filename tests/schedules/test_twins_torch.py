"""Every schedule with a twin in torch has its rates, over the whole run and at both ends."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as L

from surefoot.schedules import Schedule, chain, join, make

PEAK, STEPS = 0.3, 97

Twin = Callable[[torch.optim.Optimizer], Any]


def torch_rates(twin: Twin, steps: int, lr: float = PEAK, momentum: float = 0.5) -> tuple[list[float], list[float]]:
    """Rates and momenta of the first `steps` updates under a torch scheduler."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=momentum)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR steps its parts in a way that torch warns of itself
        scheduler = twin(optimizer)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        momenta.append(float(optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(rates) < steps:
                scheduler.step()
    return rates, momenta


CASES: dict[str, tuple[Schedule, Twin]] = {
    "linear": (make("linear:0.1", PEAK, STEPS), lambda o: L.LinearLR(o, 1.0, 0.1, STEPS)),
    "exponential": (make("exponential:gamma=0.97:every=1", PEAK, STEPS), lambda o: L.ExponentialLR(o, 0.97)),
    "exponential up": (make("exponential:gamma=1.03:every=1", PEAK, STEPS), lambda o: L.ExponentialLR(o, 1.03)),
    "step": (make("step:20:0.5", PEAK, STEPS), lambda o: L.StepLR(o, 20, 0.5)),
    "multi-step": (make("multi-step:30/30/80:0.2", PEAK, STEPS), lambda o: L.MultiStepLR(o, [30, 30, 80], 0.2)),
    "polynomial 1": (make("polynomial:power=1", PEAK, STEPS), lambda o: L.PolynomialLR(o, STEPS, 1.0)),
    "polynomial 2.5": (make("polynomial:power=2.5", PEAK, STEPS), lambda o: L.PolynomialLR(o, STEPS, 2.5)),
    "cosine": (make("cosine:0.02", PEAK, STEPS), lambda o: L.CosineAnnealingLR(o, STEPS, eta_min=0.02 * PEAK)),
    "restarts": (make("cosine-restarts:10", PEAK, STEPS), lambda o: L.CosineAnnealingWarmRestarts(o, 10)),
    "restarts grow": (
        make("cosine-restarts:7:2:0.1", PEAK, STEPS),
        lambda o: L.CosineAnnealingWarmRestarts(o, 7, 2, eta_min=0.1 * PEAK),
    ),
    "one-cycle linear": (
        make("one-cycle:shape=linear", PEAK, STEPS),
        lambda o: L.OneCycleLR(o, PEAK, STEPS, anneal_strategy="linear"),
    ),
    "one-cycle three phases": (
        make("one-cycle:three_phase=true:pct_start=0.4", PEAK, STEPS),
        lambda o: L.OneCycleLR(o, PEAK, STEPS, pct_start=0.4, three_phase=True),
    ),
    "triangular": (
        make("triangular:8:5:0.1", PEAK, STEPS),
        lambda o: L.CyclicLR(o, 0.1 * PEAK, PEAK, 8, 5),
    ),
    "triangular2": (
        make("triangular2:8:base_factor=0.1", PEAK, STEPS),
        lambda o: L.CyclicLR(o, 0.1 * PEAK, PEAK, 8, mode="triangular2"),
    ),
    "exponential-range": (
        make("exponential-range:8:base_factor=0.1:gamma=0.98", PEAK, STEPS),
        lambda o: L.CyclicLR(o, 0.1 * PEAK, PEAK, 8, mode="exp_range", gamma=0.98),
    ),
    "warmup linear": (
        make("warmup:linear:12:0.25", PEAK, STEPS),
        lambda o: L.LinearLR(o, 0.25, 1.0, 12),
    ),
    "warmup constant": (make("warmup:constant:12:0.25", PEAK, STEPS), lambda o: L.ConstantLR(o, 0.25, 12)),
    "warmup, cosine": (
        make("warmup:linear:12:0.25+cosine", PEAK, STEPS),
        lambda o: L.SequentialLR(o, [L.LinearLR(o, 0.25, 1.0, 12), L.CosineAnnealingLR(o, STEPS - 12)], [12]),
    ),
    "join": (
        make("0.5*constant@20+exponential:gamma=0.97:every=1@40+cosine", PEAK, STEPS),
        lambda o: L.SequentialLR(
            o, [L.ConstantLR(o, 0.5, 1000), L.ExponentialLR(o, 0.97), L.CosineAnnealingLR(o, STEPS - 60)], [20, 60]
        ),
    ),
    "chain": (
        make("cosine*exponential:0.98:1", PEAK, STEPS),
        lambda o: L.ChainedScheduler([L.CosineAnnealingLR(o, STEPS), L.ExponentialLR(o, 0.98)], optimizer=o),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rates_are_those_of_torch(case: str) -> None:
    schedule, twin = CASES[case]
    theirs, their_momenta = torch_rates(twin, STEPS)
    assert schedule.lrs() == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    momenta = [schedule.momentum(step) for step in range(STEPS)]
    if momenta[0] is not None:
        assert momenta == pytest.approx(their_momenta, rel=1e-9)
    else:
        assert their_momenta == [0.5] * STEPS


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_runs_have_the_rates_of_torch(steps: int) -> None:
    for spec, twin in (
        ("linear", lambda o: L.LinearLR(o, 1.0, 0.0, steps)),
        ("polynomial:power=2", lambda o: L.PolynomialLR(o, steps, 2.0)),
        ("cosine", lambda o: L.CosineAnnealingLR(o, steps)),
    ):
        assert make(spec, PEAK, steps).lrs() == pytest.approx(torch_rates(twin, steps)[0], rel=1e-9, abs=1e-12), spec


# Where torch is wrong, Surefoot differs; each defect is shown beside what happens here.


def test_nested_sequences_lose_a_step_in_torch_only() -> None:
    def flat(o: torch.optim.Optimizer) -> Any:
        return [L.ConstantLR(o, factor, 100) for factor in (0.5, 0.2)]

    def nested(o: torch.optim.Optimizer) -> Any:
        return L.SequentialLR(o, [L.SequentialLR(o, flat(o), [2]), L.ConstantLR(o, 0.1, 100)], [4])

    theirs = torch_rates(nested, 5, lr=0.1)[0]
    assert theirs == pytest.approx([0.05, 0.02, 0.02, 0.02, 0.01])  # the second 0.05 is lost
    inner = join(make("constant", 0.05, 2), make("constant", 0.02, 2))
    assert join(inner, make("constant", 0.01, 1)).lrs() == pytest.approx([0.05, 0.05, 0.02, 0.02, 0.01])


def test_resuming_by_last_epoch_gives_a_wrong_rate_in_torch_only() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    rates = torch_rates(lambda o: L.ExponentialLR(o, 0.9), 3, lr=1.0)[0]
    fresh = torch.optim.SGD([parameter], lr=1.0)
    fresh.param_groups[0]["initial_lr"] = 1.0
    resumed = L.ExponentialLR(fresh, 0.9, last_epoch=1)
    assert resumed.last_epoch == 2
    assert rates[2] == pytest.approx(0.81)
    assert fresh.param_groups[0]["lr"] == 1.0  # not 0.81, which the uninterrupted run has there
    mine = torch.optim.SGD([parameter], lr=1.0)
    ours = make("exponential:gamma=0.9:every=1", 1.0, 10).torch(mine, done=2)
    assert ours.last_epoch == 2
    assert mine.param_groups[0]["lr"] == pytest.approx(rates[2])


def test_plateau_cannot_be_composed_in_torch_only() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises((ValueError, TypeError)):
        L.SequentialLR(optimizer, [L.LinearLR(optimizer), L.ReduceLROnPlateau(optimizer)], [5])
    schedule = make("warmup:linear:5+plateau:patience=1", 0.1, 100)
    state, rates = schedule.start(), []
    for _ in range(12):
        state, rate = schedule.next(state, 1.0)
        rates.append(rate)
    assert rates[:5] == sorted(rates[:5])
    assert rates[4] == pytest.approx(0.1)
    assert min(rates[5:]) < 0.011


def test_cosine_climbs_again_past_its_end_in_torch_only() -> None:
    theirs = torch_rates(lambda o: L.CosineAnnealingLR(o, 10), 21)[0]
    assert theirs[20] == pytest.approx(PEAK)
    mine = make("cosine", PEAK, 10)
    assert [mine(step) for step in range(10, 30)] == [mine(9)] * 20


@pytest.mark.parametrize(
    ("spec", "twin", "error"),
    [
        ("cosine-restarts:10", lambda o: L.CosineAnnealingWarmRestarts(o, 10), ValueError),
        ("triangular:10:base_factor=0.1", lambda o: L.CyclicLR(o, 0.01, 0.1, 10), ValueError),
        ("inverse-time", lambda o: L.LambdaLR(o, lambda step: 1 / (1 + 0.01 * step)), ValueError),
        ("one-cycle", lambda o: L.OneCycleLR(o, 0.1, 40), KeyError),
    ],
)
def test_a_group_added_later_breaks_torch_only(spec: str, twin: Twin, error: type[Exception]) -> None:
    def grown(make_scheduler: Twin) -> Any:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        scheduler = make_scheduler(optimizer)
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.05})
        optimizer.step()
        return scheduler

    broken = grown(twin)
    with pytest.raises(error):
        broken.step()
    ours = grown(make(spec, 0.1, 40).torch)
    ours.step()
    assert ours.get_last_lr() == pytest.approx([make(spec, 0.1, 40)(1), make(spec, 0.05, 40)(1)])


def test_a_group_added_later_takes_its_rate_as_its_peak_in_surefoot_only() -> None:
    def last(make_scheduler: Twin) -> float:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = make_scheduler(optimizer)
        for step in range(9):
            if step == 5:
                optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.05})
            optimizer.step()
            scheduler.step()
        return float(optimizer.param_groups[1]["lr"])

    assert last(make("linear", 0.1, 10).torch) == pytest.approx(0.05 * 0.1)
    assert last(lambda o: L.LinearLR(o, 1.0, 0.0, 10)) == pytest.approx(0.01)  # 0.05 taken as the rate at step 5


def test_one_cycle_raises_past_its_end_in_torch_only() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = L.OneCycleLR(optimizer, 0.1, 4)
    optimizer.step()
    for _ in range(3):
        scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step"):
        scheduler.step()
    mine = make("one-cycle", 0.1, 4)
    assert mine(400) == mine(3)


def test_plateau_never_falls_on_negative_metrics_in_torch_only() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = L.ReduceLROnPlateau(optimizer, patience=2)
    plateau = make("plateau:patience=2", 0.1, 100)
    state, rate = plateau.start(), math.nan
    for _ in range(20):
        theirs.step(-1.0)
        state, rate = plateau.next(state, -1.0)
    assert optimizer.param_groups[0]["lr"] == 0.1  # a constant metric counts as an improvement every time
    assert rate < 0.011


def test_chain_multiplies() -> None:
    made = chain(make("cosine", PEAK, 20), make("linear", 1.0, 20))
    assert made.lrs() == pytest.approx([PEAK * make("cosine", 1, 20)(s) * make("linear", 1, 20)(s) for s in range(20)])
