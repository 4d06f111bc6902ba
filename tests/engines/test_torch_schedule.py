"""A schedule as a torch scheduler: same rates, exact resume, groups with peaks of their own, horizons that change."""

from __future__ import annotations

import copy
import gc
import io
import itertools
import json
import warnings
from typing import Any

import pytest
import torch

from surefoot.engines.torch_schedule import TorchSchedule
from surefoot.errors import RecipeError
from surefoot.schedules import Schedule, make

STEPS = 24
SPECS = [
    "constant",
    "cosine",
    "one-cycle",
    "triangular2:4",
    "warmup:linear:5+cosine",
    "step:7*cosine",
    "repeat:part=(warmup:linear:2+linear):times=3:decay=0.5",
    "warmup:linear:4+plateau:patience=1",
    "greedy:patience=0",
]


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(2))


def sgd(lr: float = 0.1, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD([parameter()], lr=lr, momentum=0.9, **options)


def metric_at(step: int) -> float | None:
    """A metric that falls, jumps and stalls, measured at every second update."""
    return None if step % 2 else [1.0, 0.8, 0.7, 3.0, 0.9, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6][step // 2]


def after_update(scheduler: Any, step: int) -> None:
    """One update, and a validation at every second one."""
    scheduler.optimizer.step()
    scheduler.step()
    metric = metric_at(step)
    if metric is not None:
        scheduler.step(metric)


def followed(scheduler: Any, first: int, last: int) -> list[tuple[float, float]]:
    """Rate and momentum of the updates from `first` to `last`."""
    seen = []
    for step in range(first, last):
        group = scheduler.optimizer.param_groups[0]
        seen.append((float(group["lr"]), float(group["momentum"])))
        after_update(scheduler, step)
    return seen


@pytest.mark.parametrize("spec", SPECS)
def test_the_rates_and_momenta_are_those_of_the_schedule(spec: str) -> None:
    schedule = make(spec, 0.1, STEPS)
    seen = followed(schedule.torch(sgd()), 0, STEPS)
    if schedule.follows_metric:
        state, rates = schedule.start(), []
        for step in range(STEPS):
            rates.append(schedule.rate(state))
            state, _ = schedule.next(state)
            metric = metric_at(step)
            state = state if metric is None else schedule.tell(state, metric)
        assert [rate for rate, _ in seen] == rates
        assert len(set(rates)) > 2
    else:
        assert [rate for rate, _ in seen] == schedule.lrs()
        moved = [schedule.momentum(step) for step in range(STEPS)]
        assert [momentum for _, momentum in seen] == [0.9 if one is None else one for one in moved]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_resuming_at_any_step_is_exact(spec: str, optimizer_first: bool) -> None:
    schedule = make(spec, 0.1, STEPS)
    whole = followed(schedule.torch(sgd()), 0, STEPS)
    for at in range(STEPS + 1):
        scheduler = schedule.torch(sgd())
        before = followed(scheduler, 0, at)
        buffer = io.BytesIO()
        torch.save([scheduler.optimizer.state_dict(), scheduler.state_dict()], buffer)
        buffer.seek(0)
        saved_optimizer, saved = torch.load(buffer, weights_only=True)
        optimizer = sgd()
        if optimizer_first:
            optimizer.load_state_dict(saved_optimizer)
        resumed = schedule.torch(optimizer)
        resumed.load_state_dict(saved)
        if not optimizer_first:
            optimizer.load_state_dict(saved_optimizer)
        assert resumed.last_epoch == scheduler.last_epoch
        assert resumed.last_epoch == at or spec.startswith("greedy")
        assert before + followed(resumed, at, STEPS) == whole


@pytest.mark.parametrize("spec", SPECS)
def test_the_state_is_plain(spec: str) -> None:
    scheduler = make(spec, 0.1, STEPS).torch(sgd())
    followed(scheduler, 0, 9)
    assert json.loads(json.dumps(scheduler.state_dict())) == scheduler.state_dict()


def test_it_starts_in_the_middle_without_a_state() -> None:
    schedule = make("warmup:linear:5+cosine", 0.1, STEPS)
    assert schedule.torch(sgd(), done=11).get_last_lr() == [schedule(11)]


def test_the_schedules_peak_replaces_the_one_rate_of_all_groups() -> None:
    optimizer = sgd(lr=0.5)
    make("cosine", 0.1, STEPS).torch(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_groups_keep_their_own_peaks() -> None:
    optimizer = torch.optim.Adam([{"params": [parameter()], "lr": 0.1}, {"params": [parameter()], "lr": 0.01}])
    scheduler = make("linear", 0.1, 10).torch(optimizer)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.06, 0.006])
    assert scheduler.base_lrs == [0.1, 0.01]


def test_groups_that_fit_no_peak_are_refused_until_peaks_are_given() -> None:
    optimizer = torch.optim.Adam([{"params": [parameter()], "lr": 0.1}, {"params": [parameter()], "lr": 0.01}])
    with pytest.raises(RecipeError, match=r"`peak` is 0\.3 and the groups have the rates 0\.1, 0\.01; give `peaks`"):
        make("linear", 0.3, 10).torch(optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
    assert make("linear", 0.3, 10).torch(optimizer, peaks=[0.3, 0.2]).get_last_lr() == pytest.approx([0.3, 0.2])
    with pytest.raises(RecipeError, match="`peaks`"):
        make("linear", 0.3, 10).torch(optimizer, peaks=[0.3])


def test_a_group_added_later_has_its_rate_from_its_first_update_on() -> None:
    optimizer = sgd(lr=0.1)
    scheduler = make("linear", 0.1, 10).torch(optimizer)
    optimizer.step()
    scheduler.step()
    added = torch.nn.Parameter(torch.zeros(1))
    optimizer.add_param_group({"params": [added], "lr": 0.01})
    added.grad = torch.ones(1)
    optimizer.step()
    assert float(added.detach()) == pytest.approx(-0.01 * 0.9)
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.08, 0.008])
    saved = scheduler.state_dict()
    other = torch.optim.SGD([{"params": [parameter()]}, {"params": [parameter()], "lr": 0.01}], lr=0.1)
    resumed = make("linear", 0.1, 10).torch(other)
    resumed.load_state_dict(saved)
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    with pytest.raises(RecipeError, match="2 parameter groups and the optimizer 1"):
        make("linear", 0.1, 10).torch(sgd()).load_state_dict(saved)


def test_a_group_added_later_is_scaled_as_the_others_were() -> None:
    optimizer = sgd(lr=1.0)
    scheduler = make("constant", 0.1, 10).torch(optimizer)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.5})
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize("spec", ["cosine", "warmup:linear:10+linear", "warmup:linear:10+plateau:patience=1", "wsd"])
@pytest.mark.parametrize("longer", [60, 150])
def test_a_changed_horizon_is_announced_and_planned_from_the_present_rate(spec: str, longer: int) -> None:
    scheduler = make(spec, 0.1, 100).torch(sgd())
    for step in range(40):
        after_update(scheduler, step % 20)
    present = scheduler.get_last_lr()
    resumed = make(spec, 0.1, longer).torch(sgd())
    with pytest.warns(UserWarning, match=f"planned for 100 updates and is now for {longer}; after 40 of them"):
        resumed.load_state_dict(scheduler.state_dict())
    assert resumed.get_last_lr() == present
    assert resumed.schedule.steps == longer
    rates = []
    for _ in range(40, longer):
        rates.append(resumed.get_last_lr()[0])
        resumed.optimizer.step()
        resumed.step()
    for _ in range(40, 100):
        last = scheduler.get_last_lr()[0]
        scheduler.optimizer.step()
        scheduler.step()
    assert rates[-1] == pytest.approx(last)
    # Going on with the new plan is no news.
    again = make(spec, 0.1, longer).torch(sgd())
    again.load_state_dict(resumed.state_dict())
    assert again.get_last_lr() == resumed.get_last_lr()


def test_a_horizon_can_be_changed_by_hand() -> None:
    scheduler = make("linear", 0.1, 10).torch(sgd())
    for _ in range(5):
        scheduler.optimizer.step()
        scheduler.step()
    scheduler.replan(25)
    rates = []
    for _ in range(20):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.01)
    falls = [before - after for before, after in itertools.pairwise(rates)]
    assert falls == pytest.approx([0.04 / 19] * 19)
    with pytest.raises(RecipeError, match="`steps` is 25 and 25 updates are already made"):
        make("linear", 0.1, 40).torch(sgd(), done=25).replan(25)


def test_another_schedule_is_announced_and_takes_over() -> None:
    scheduler = make("cosine", 0.1, 10).torch(sgd(), done=4)
    resumed = make("linear", 0.2, 10).torch(sgd())
    with pytest.warns(UserWarning, match=r"schedule `cosine` and goes on with another, `linear`; after 4 updates"):
        resumed.load_state_dict(scheduler.state_dict())
    assert resumed.get_last_lr() == pytest.approx([0.12])


def test_a_plateau_has_no_horizon_to_change() -> None:
    scheduler = make("plateau:patience=0", 0.1, 10).torch(sgd())
    for _ in range(3):
        scheduler.step(1.0)
    resumed = make("plateau:patience=0", 0.1, 50).torch(sgd())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed.load_state_dict(scheduler.state_dict())
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    assert resumed.get_last_lr()[0] < 0.0011


def test_a_metric_is_no_update() -> None:
    scheduler = make("warmup:linear:4+plateau", 0.1, 10).torch(sgd())
    scheduler.step()
    scheduler.step(1.0)
    assert scheduler.last_epoch == 1
    alone = make("plateau", 0.1, 10).torch(sgd())
    alone.step(1.0)
    assert alone.last_epoch == 1  # as torch's plateau counts


def test_a_metric_that_nothing_follows_is_announced() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = make("cosine", peak=0.1, steps=4).torch(optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):  # as a loop does that takes any schedule
            scheduler.step()
            scheduler.step(0.5)
    with pytest.warns(UserWarning, match=r"step\(0.25\) tells a metric, which this schedule does not follow"):
        scheduler.step(0.25)
    assert scheduler.last_epoch == 2


def test_momentum_is_cycled_where_the_optimizer_has_one() -> None:
    schedule = make("one-cycle", 0.1, 20)
    adam = torch.optim.AdamW([parameter()], lr=0.1, betas=(0.9, 0.98))
    scheduler = schedule.torch(adam)
    for step in range(20):
        assert adam.param_groups[0]["betas"] == (schedule.momentum(step), 0.98)
        adam.step()
        scheduler.step()
    plain = torch.optim.SGD([parameter()], lr=0.1)
    schedule.torch(plain)
    assert plain.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Rprop"])
def test_torchs_own_optimizers_train_under_it(kind: str) -> None:
    target = parameter()
    optimizer = getattr(torch.optim, kind)([target], lr=0.1)
    scheduler = make("warmup:linear:3+cosine", 0.1, 10).torch(optimizer)
    for _ in range(10):
        optimizer.zero_grad()
        (target - 1).square().sum().backward()
        optimizer.step()
        scheduler.step()
    assert float(target.detach()[0]) > 0
    assert scheduler.get_last_lr() == [make("warmup:linear:3+cosine", 0.1, 10)(9)]


def test_a_tensor_rate_stays_the_same_tensor() -> None:
    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam([parameter()], lr=rate)
    held = optimizer.param_groups[0]["lr"]
    scheduler = make("linear", 0.1, 10).torch(optimizer)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is held
    assert float(held) == pytest.approx(0.09)
    assert scheduler.get_last_lr() == pytest.approx([0.09])


def test_torch_takes_it_for_a_scheduler() -> None:
    scheduler = make("cosine", 0.1, 10).torch(sgd())
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    assert isinstance(scheduler, TorchSchedule)


def test_nothing_is_left_in_the_optimizer_when_the_scheduler_is_gone() -> None:
    optimizer = sgd()
    step = optimizer.step
    scheduler = make("cosine", 0.1, 10).torch(optimizer)
    assert optimizer.step == step  # torch's own schedulers wrap it
    assert len(optimizer._optimizer_step_pre_hooks) == 1
    del scheduler
    gc.collect()
    assert not optimizer._optimizer_step_pre_hooks


def test_a_copy_goes_its_own_way() -> None:
    scheduler = make("linear", 0.1, 10).torch(sgd())
    twin = copy.deepcopy(scheduler)
    scheduler.step()
    assert twin.get_last_lr() == [0.1]
    assert scheduler.get_last_lr() == pytest.approx([0.09])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: s.torch("sgd"), "`optimizer` is str"),
        (lambda s: s.torch(sgd(), done=-1), "`done` is -1"),
        (lambda s: s.torch(sgd()).step("low"), "`metric` is str"),
        (lambda s: s.torch(sgd()).step(torch.zeros(3)), "`metric` is Tensor"),
        (lambda s: s.torch(sgd()).load_state_dict({"last_epoch": 3}), "`state_dict` is not the state"),
        (lambda s: make("plateau", 0.1, 10).torch(sgd(), done=3), "`done` is 3, and the schedule follows a metric"),
    ],
)
def test_bad_input_is_one_line(act: Any, message: str) -> None:
    schedule: Schedule = make("cosine", 0.1, 10)
    with pytest.raises(RecipeError, match=message) as caught:
        act(schedule)
    assert "\n" not in str(caught.value)
