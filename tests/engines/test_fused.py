"""The fused engine against the serial one, member by member, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from surefoot.engines.fused import Fused, fused_form
from surefoot.engines.members import Unsupported
from surefoot.engines.serial import Serial
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.task import Task

D = torch.float64


def accuracy(output, target):
    return (output.argmax(1) == target).double().mean()


def spread(output, target):
    return float(output.std())  # leaves torch, so no vmap


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)).to(D)


def cnn():
    return nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)).to(D)


def dropping():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3)).to(D)


def make_task(model=mlp, **settings):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(70, 6, generator=generator, dtype=D)
    y = (x @ torch.randn(6, 3, generator=generator, dtype=D)).argmax(1)
    metrics = {"accuracy": accuracy, "spread": spread}
    settings = {"loss": nn.CrossEntropyLoss(), "metrics": metrics, **settings}
    return Task(model, (x[:50], y[:50]), (x[50:], y[50:]), **settings)


def both(task, recipes, *, forms=("stacked",), width=3, horizon=40):
    serial = Serial(task, recipes, horizon=horizon, grad_norms=True)
    form = fused_form(task, recipes[0], forms)
    return serial, Fused(task, recipes, form=form, width=width, horizon=horizon, grad_norms=True)


def assert_same_runs(serial, fused, tolerance=1e-8):
    for one, other in zip(serial.runs(), fused.runs(), strict=True):
        assert (one.fate, one.reason) == (other.fate, other.reason)
        assert one.steps_per_epoch == other.steps_per_epoch
        np.testing.assert_array_equal(one.step, other.step)
        np.testing.assert_array_equal(one.val_step, other.val_step)
        np.testing.assert_allclose(other.lr, one.lr, rtol=1e-12)
        np.testing.assert_allclose(other.loss, one.loss, rtol=tolerance)
        np.testing.assert_allclose(other.grad_norm, one.grad_norm, rtol=tolerance)
        np.testing.assert_allclose(other.val_loss, one.val_loss, rtol=tolerance)
        for name, values in one.val_metrics.items():
            np.testing.assert_allclose(other.val_metrics[name], values, rtol=tolerance)


def drive(engine):
    engine.validate()
    engine.advance(7)
    engine.retire([1], "retired", "others were better")
    engine.advance(25)
    last = engine.validate()
    engine.advance(1000)
    engine.validate()
    return last


@pytest.mark.parametrize("forms", [("stacked",), ("vmapped",)], ids=str)
def test_members_are_trained_as_alone(forms):
    recipes = [
        Recipe("sgd", lr, {"momentum": m, "weight_decay": 0.01}, schedule="cosine", batch_size=16, seed=s, data_seed=4)
        for lr, m, s in [(0.01, 0.9, 0), (0.1, 0.5, 0), (0.05, 0.0, 1), (0.2, 0.9, 1), (0.1, 0.9, 1)]
    ]
    task = make_task()
    serial, fused = both(task, recipes, forms=forms)
    one, other = drive(serial), drive(fused)
    assert_same_runs(serial, fused)
    assert one.members == other.members == (0, 2, 3, 4)
    np.testing.assert_allclose(other.groups, one.groups, rtol=1e-8)
    for name, value in serial.state_dict(3).items():
        torch.testing.assert_close(fused.state_dict(3)[name], value, rtol=1e-8, atol=1e-10)
    assert fused.done == 40
    assert fused.alive == []


@pytest.mark.parametrize("forms", [("stacked",), ("vmapped",)], ids=str)
def test_clipping_accumulation_and_groups(forms):
    def groups(name, parameter):
        if parameter.ndim < 2:
            return {"weight_decay": 0.0, "lr_factor": 2.0} if name == "1.bias" else {"lr_factor": 0.3}
        return {"lr_factor": 0.5} if name.startswith("1") else None

    task = make_task(cnn, groups=groups)
    recipes = [
        Recipe("adamw", lr, {"weight_decay": w}, batch_size=16, clip=0.5, accumulate=2)
        for lr, w in [(0.001, 0.1), (0.01, 0.5), (0.03, 0.0)]
    ]
    serial, fused = both(task, recipes, forms=forms, width=2)
    drive(serial)
    drive(fused)
    assert_same_runs(serial, fused, 1e-6)


def test_schedules_that_move_the_momentum_spare_members_without():
    recipes = [
        Recipe("sgd", 0.05, {"momentum": m}, schedule="one-cycle", batch_size="full", seed=2) for m in (0.9, 0.0, 0.5)
    ]
    serial, fused = both(make_task(cnn), recipes)
    drive(serial)
    drive(fused)
    assert_same_runs(serial, fused)


def test_divergence_ends_a_member_at_the_same_step():
    # A linear model on these data: huge rates overflow, large ones run away, small ones learn.
    task = make_task(lambda: nn.Linear(6, 3).to(D), loss=nn.MSELoss(), metrics={})
    task.train._leaves[1] = nn.functional.one_hot(task.train._leaves[1], 3).to(D)
    task.val._leaves[1] = nn.functional.one_hot(task.val._leaves[1], 3).to(D)
    recipes = [Recipe("sgd", lr, batch_size="full") for lr in (0.01, 1e38, 6.0, 0.1)]
    serial, fused = both(task, recipes, width=2, horizon=60)
    for engine in (serial, fused):
        engine.advance(60)
        engine.validate()
    assert_same_runs(serial, fused)
    assert [run.fate for run in fused.runs()] == ["finished", "diverged", "diverged", "finished"]


def test_dead_members_cost_nothing(monkeypatch):
    recipes = [Recipe("sgd", lr, batch_size=16) for lr in (0.01, 0.02, 0.03, 0.04)]
    _, fused = both(make_task(cnn), recipes, width=2)
    trained = []
    real = Fused._train
    monkeypatch.setattr(
        Fused, "_train", lambda self, chunk, batches: (trained.append(chunk), real(self, chunk, batches))
    )
    fused.retire([0, 1, 3], "retired", "")
    fused.advance(4)
    assert trained == [[2]]


@pytest.mark.parametrize("width", [1, 2, 64])
def test_width_does_not_change_the_result(width):
    recipes = [Recipe("adam", lr, batch_size=16, seed=s, data_seed=0) for lr, s in ((0.01, 0), (0.03, 1), (0.1, 0))]
    engines = [both(make_task(dropping), recipes, width=w, horizon=20)[1] for w in (width, 3)]
    for engine in engines:
        engine.advance(20)
        engine.validate()
    assert_same_runs(*engines, tolerance=1e-9)


def test_loss_that_calls_the_model():
    def loss(model, batch):
        x, y = batch
        return nn.functional.cross_entropy(model(x), y) + 0.01 * model(-x).square().mean()

    task = make_task(cnn, loss=loss)
    recipes = [Recipe("sgd", lr, batch_size=16) for lr in (0.01, 0.1)]
    with pytest.raises(Unsupported, match="calls the model itself"):
        fused_form(task, recipes[0], ("stacked",))
    serial, fused = both(task, recipes, forms=("stacked", "vmapped"))
    for engine in (serial, fused):
        engine.advance(40)
        engine.validate()
    assert_same_runs(serial, fused)


def test_what_cannot_be_fused_is_refused_with_the_reason():
    task = make_task()
    with pytest.raises(Unsupported, match="rprop"):
        fused_form(task, Recipe("rprop", 0.1, batch_size=16))
    with pytest.raises(Unsupported, match="bf16"):
        fused_form(task, Recipe("sgd", 0.1, precision="bf16", batch_size=16))
    with pytest.raises(RecipeError, match="`lr`"):
        Fused(task, [Recipe("sgd", batch_size=16)])

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(2, 4, batch_first=True)
            self.last = nn.Linear(4, 3)

        def forward(self, x):
            return self.last(self.cell(x.unflatten(1, (3, 2)))[0][:, -1])

    with pytest.raises(Unsupported, match=r"stacked: .*; vmapped: "):
        fused_form(make_task(lambda: Recurrent().to(D)), Recipe("sgd", 0.1, batch_size=16))


def test_users_objects_are_as_before():
    module = mlp()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    task = make_task(module)
    torch.manual_seed(11)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    engine = Fused(task, [Recipe("sgd", lr, batch_size=16) for lr in (0.1, 0.2)], horizon=5)
    engine.advance(5)
    engine.validate()
    engine.state_dict(0)
    engine.close()
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert [run.fate for run in engine.runs()] == ["finished", "finished"]
