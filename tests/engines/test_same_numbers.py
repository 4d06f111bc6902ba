"""One by one, side by side, or as a single training: the losses are the same, in training and in validation."""

from __future__ import annotations

import os
import random
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from surefoot.engines.batches import BatchOrder
from surefoot.engines.fused import Fused, fused_form
from surefoot.engines.serial import Serial
from surefoot.engines.train import train_members
from surefoot.engines.training import Training, train
from surefoot.records import Recipe
from surefoot.tasks.task import Task

X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
RECIPE = Recipe(lr=0.1, batch_size=16, epochs=1)


class Centring(nn.Module):
    """What it makes of an example depends on the others of the batch."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x - x.mean(0))


def normalising():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, track_running_stats=False), nn.ReLU(), nn.Linear(6, 2))


class Drawing(nn.Module):
    """Draws in evaluation mode too, from the generators of `kinds`."""

    def __init__(self, *kinds):
        super().__init__()
        self.layer, self.kinds = nn.Linear(4, 2), kinds

    def forward(self, x):
        noise = {
            "torch": lambda: torch.rand(len(x), 1),
            "numpy": np.random.rand,
            "python": random.random,
        }
        return self.layer(x * sum(noise[kind]() for kind in self.kinds))


class Noisy(Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index] + 0.3 * torch.randn(4) + 0.1 * random.random(), Y[index]


def plain():
    return nn.Linear(4, 2)


class Scaled(nn.Module):
    """A loss that divides by a running mean of itself."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.ones(()))

    def forward(self, output, target):
        loss = nn.functional.cross_entropy(output, target)
        self.mean.mul_(0.9).add_(0.1 * loss.detach())
        return loss / self.mean


class Growing:
    """A loss that counts its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, output, target):
        self.calls.append(len(target))
        return nn.functional.cross_entropy(output, target) * (1 + 0.1 * len(self.calls))


KINDS = {
    "centring": (Centring, (X, Y)),
    "normalising by the batch": (normalising, (X, Y)),
    "drawing from torch": (lambda: Drawing("torch"), (X, Y)),
    "drawing from NumPy and Python": (lambda: Drawing("numpy", "python"), (X, Y)),
    "data that is drawn": (plain, Noisy()),
}


def task_of(kind):
    model, data = KINDS[kind]
    return Task(model, data, loss=nn.CrossEntropyLoss(), device="cpu")


def driven(engine):
    engine.advance(1000)
    engine.validate()
    return engine.runs()[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_has_the_losses_of_a_single_training(kind):
    alone, member = train(task_of(kind), RECIPE), driven(Serial(task_of(kind), [RECIPE]))
    assert member.loss == pytest.approx(alone.loss, rel=1e-5)
    assert member.final_val_loss == pytest.approx(alone.final_val_loss, rel=1e-5)


@pytest.mark.parametrize("make_loss", [Scaled, Growing])
def test_what_a_loss_remembers_is_of_one_model_and_its_updates_alone(make_loss, borrowed):
    loss = make_loss()
    task = Task(plain, (X, Y), loss=loss, device="cpu")
    recipes = [RECIPE, RECIPE.replace(lr=0.5)]
    with borrowed(*([loss] if isinstance(loss, nn.Module) else [])):
        alone = [train(task, recipe) for recipe in recipes]
        engine = Serial(task, recipes)
        driven(engine)
        chosen = train_members(task, recipes)
    for by_itself, *others in zip(alone, engine.runs(), chosen, strict=True):
        for member in others:
            assert member.loss == pytest.approx(by_itself.loss, rel=1e-5)
            assert member.final_val_loss == pytest.approx(by_itself.final_val_loss, rel=1e-5)
    assert getattr(loss, "calls", []) == []
    # The same by hand, which validates never.
    model, own = task.make_model(0), make_loss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    order = BatchOrder(task.train.size, 16, 0)
    for number, expected in enumerate(alone[0].loss):
        x, y = task.batch(task.train, order.index(number))
        optimizer.zero_grad()
        made = own(model(x), y)
        made.backward()
        optimizer.step()
        assert made.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["stacked", "vmapped"])
def test_data_that_is_drawn_is_the_same_for_members_side_by_side(form):
    task = task_of("data that is drawn")
    beside = driven(Fused(task, [RECIPE, RECIPE.replace(lr=0.2)], form=fused_form(task, RECIPE, [form])))
    member = driven(Serial(task, [RECIPE]))
    assert beside.loss == pytest.approx(member.loss, rel=1e-5)
    assert beside.final_val_loss == pytest.approx(member.final_val_loss, rel=1e-5)


@pytest.mark.parametrize("kind", ["drawing from NumPy and Python", "a loss that remembers"])
def test_a_training_goes_on_as_it_was(kind, tmp_path):
    recipe = RECIPE.replace(epochs=2)
    task = task_of(kind) if kind in KINDS else Task(plain, (X, Y), loss=Scaled(), device="cpu")
    whole = train(task, recipe)
    cut = Training(task, recipe, save=tmp_path / "cut")
    update = cut._single.update

    def until(step, *arguments):
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return update(step, *arguments)

    cut._single.update = until
    assert cut.run().fate == "interrupted"
    resumed = train(task, resume=tmp_path / "cut")
    assert resumed.loss.tolist() == whole.loss.tolist()
    assert resumed.val_loss.tolist() == whole.val_loss.tolist()
