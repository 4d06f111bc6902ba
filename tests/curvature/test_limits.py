"""Limits by optimizer: torch's own optimizers on quadratics grow just above them and shrink just below."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from surefoot.curvature.hvp import Hvp, batches_of
from surefoot.curvature.limits import Reading, Scaled, limit_of, read_optimizer, verdict_of
from surefoot.curvature.sharpness import largest
from surefoot.maths.krylov import eigenpairs, random_vector
from surefoot.tasks.task import Task

F64 = torch.float64
H = torch.diag(torch.tensor([6.0, 2.0, 0.5], dtype=F64))


class Bowl(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, -1.0, 0.5], dtype=F64))

    def forward(self, x):
        return x.mean() * 0.5 * self.w @ H @ self.w


ONES = torch.ones(4, 1, dtype=F64)
TASK = Task(Bowl, (ONES, ONES), (ONES, ONES), loss=lambda output, target: output, device="cpu")

CASES = {
    "plain": (torch.optim.SGD, {}),
    "heavy ball": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    "decay": (torch.optim.SGD, {"momentum": 0.5, "weight_decay": 1.5}),
    "dampening": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.7}),
}


def final(kind, options, lr, steps=400):
    model = TASK.make_model(0)
    optimizer = kind(model.parameters(), lr=lr, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        TASK.loss_of(model, (ONES, ONES)).backward()
        optimizer.step()
        size = float(model.w.detach().abs().max())
        if size > 1e6:
            return size
    return size


@pytest.mark.parametrize("name", CASES)
def test_torch_grows_above_the_limit_and_shrinks_below(name):
    kind, options = CASES[name]
    model = TASK.make_model(0)
    reading = read_optimizer(kind(model.parameters(), lr=1.0, **options), list(model.parameters()))
    top = largest(Hvp(TASK, model, batches_of(TASK)), reading)
    limit = limit_of(reading, top.meets.value)
    assert final(kind, options, 0.98 * limit) < 0.5
    assert final(kind, options, 1.02 * limit) > 1e3


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.01}),
        (torch.optim.AdamW, {"weight_decay": 0.5}),
        (torch.optim.NAdam, {"betas": (0.8, 0.99)}),
        (torch.optim.RMSprop, {"momentum": 0.5}),
        (torch.optim.RMSprop, {"centered": True}),
        (torch.optim.Adagrad, {"lr_decay": 0.1}),
        (torch.optim.Adadelta, {}),
        (torch.optim.RAdam, {}),
    ],
)
def test_the_preconditioner_is_the_one_that_the_optimizer_divides_by(kind, options):
    """A step along a gradient that is changed a little changes by lr · s² · gain times that: read off two steps."""
    model = TASK.make_model(0)
    optimizer = kind(model.parameters(), lr=0.01, **options)
    slope = torch.tensor([0.3, -0.2, 0.1], dtype=F64)
    for _ in range(60):
        model.w.grad = slope.clone()
        optimizer.step()
    reading = read_optimizer(optimizer, [model.w])
    assert reading.adaptive
    before = model.w.detach().clone()
    decay = options.get("weight_decay", 0.0)
    own = (1 - 0.01 * decay) if kind is torch.optim.AdamW else 1.0
    model.w.grad = slope.clone()
    optimizer.step()
    moved = model.w.detach() - own * before
    # With a constant gradient the averaged one equals it, and heavy ball sums to 1 / (1 - momentum) of it.
    gain = 1 / (1 - options.get("momentum", 0.0))
    pushed = slope + (0.0 if kind is torch.optim.AdamW else decay) * before
    expected = -0.01 * gain * reading.scale**2 * pushed
    # The state moved on by one step.
    tolerance = 0.05 if kind in (torch.optim.RAdam, torch.optim.Adadelta) else 0.03
    assert torch.allclose(moved, expected, rtol=tolerance)


def test_adams_limit_is_38_over_the_preconditioned_sharpness():
    model = TASK.make_model(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(200):
        model.w.grad = torch.tensor([0.5, 0.5, 0.5], dtype=F64)
        optimizer.step()
    reading = read_optimizer(optimizer, [model.w])
    top = largest(Hvp(TASK, model, batches_of(TASK)), reading)
    preconditioned = 6.0 / (0.5 * (1 - 0.9**200))
    assert top.scaled.value == pytest.approx(preconditioned, rel=1e-3)
    assert limit_of(reading, top.meets.value) == pytest.approx(38 / preconditioned, rel=1e-3)
    assert top.plain.value == pytest.approx(6.0)


@pytest.mark.parametrize("warmed", [0.0, 20.0, 200.0])
def test_nadams_limit_counts_that_its_momentum_warms_up(warmed):
    """With what it divides by held at 0.5, torch's own steps grow just above the limit and shrink just below."""

    def size_after(share):
        model = TASK.make_model(0)
        optimizer = torch.optim.NAdam(model.parameters(), lr=0.0, momentum_decay=warmed / 1e7, eps=0.0)
        model.w.grad = torch.ones_like(model.w)
        optimizer.step()
        state, late = optimizer.state[model.w], 1e7  # so late that the momentum stays what it is
        state["step"].fill_(late)
        state["mu_product"].fill_(0.0)
        state["exp_avg"].zero_()
        state["exp_avg_sq"].fill_(0.25)
        reading = read_optimizer(optimizer, [model.w])
        limit = limit_of(reading, largest(Hvp(TASK, model, batches_of(TASK)), reading).meets.value)
        optimizer.param_groups[0]["lr"] = share * limit
        for _ in range(1500):
            model.w.grad = H @ model.w.detach()
            state["exp_avg_sq"].copy_((0.25 - 0.001 * model.w.grad**2) / 0.999)
            optimizer.step()
            state["step"].fill_(late)
            if (size := float(model.w.detach().abs().max())) > 1e6:
                break
        return size

    assert size_after(0.98) < 0.5
    assert size_after(1.02) > 1e3


def test_a_dampening_that_stops_every_step_has_no_limit():
    weight = nn.Parameter(torch.ones(2))
    reading = read_optimizer(torch.optim.SGD([weight], lr=0.1, momentum=0.9, dampening=1.0), [weight])
    assert reading.rule is None
    assert any("dampening" in note for note in reading.notes)


def test_the_scaled_matrix_has_the_eigenvalues_of_the_preconditioned_one():
    model = TASK.make_model(0)
    scale = torch.tensor([0.5, 2.0, 3.0], dtype=F64)
    found = eigenpairs(Scaled(Hvp(TASK, model, batches_of(TASK)), scale), random_vector(3, 0))
    exact = torch.linalg.eigvals(torch.diag(scale**2) @ H).real.max()
    assert found.value == pytest.approx(float(exact))


def test_groups_with_their_own_rates_and_decays_count():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)).double()
    groups = [
        {"params": [model[0].weight], "lr_factor": 4.0, "weight_decay": 0.1},
        {"params": [model[1].weight], "lr_factor": 1.0},
    ]
    reading = read_optimizer(torch.optim.SGD(groups, lr=0.1), list(model.parameters()))
    assert reading.scale.tolist() == [2.0] * 4 + [1.0] * 2
    assert reading.added_decay.tolist() == [0.1] * 4 + [0.0] * 2
    assert not reading.adaptive
    assert any("multiple of the rate" in note for note in reading.notes)


def test_before_the_first_step_the_gradients_serve_and_it_is_said():
    model = TASK.make_model(0)
    optimizer = torch.optim.Adam(model.parameters())
    assert read_optimizer(optimizer, [model.w]).rule is None
    reading = read_optimizer(optimizer, [model.w], squares=torch.tensor([4.0, 1.0, 0.25], dtype=F64))
    assert reading.scale**-2 == pytest.approx(torch.tensor([2.0, 1.0, 0.5], dtype=F64))
    assert any("before the first step" in note for note in reading.notes)


def test_an_optimizer_that_is_not_known_gets_no_limit():
    reading = read_optimizer(torch.optim.LBFGS([nn.Parameter(torch.ones(2))]), [nn.Parameter(torch.ones(2))])
    assert reading.rule is None
    assert limit_of(reading, 3.0) is None
    assert verdict_of(reading, 3.0, 0.0, 0.1) == "unknown"


@pytest.mark.parametrize(
    ("lr", "word"),
    [(0.2, "stable"), (0.6, "oscillating but stable"), (0.95, "at the edge"), (1.05, "at the edge"), (1.2, "beyond")],
)
def test_verdicts(lr, word):
    assert verdict_of(Reading("plain"), 2.0, 0.0, lr) == word


def test_an_error_that_allows_two_verdicts_is_unknown():
    assert verdict_of(Reading("plain"), 2.0, 1.0, 1.05) == "unknown"
    assert verdict_of(Reading("plain"), -1.0, 0.0, 1e9) == "stable"
    assert limit_of(Reading("plain"), -1.0) == math.inf
