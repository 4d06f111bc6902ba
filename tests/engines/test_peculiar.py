"""What no fused form does as the module does: such members are trained one by one, and as a single model is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from surefoot.engines.fused import fused_form
from surefoot.engines.members import Unsupported
from surefoot.engines.peculiar import peculiarity
from surefoot.engines.train import train_members
from surefoot.engines.training import train
from surefoot.records import Recipe
from surefoot.tasks.task import Task

X = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
RECIPES = [Recipe(lr=lr, batch_size=8, epochs=2) for lr in (0.03, 0.3)]


def plain():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        with torch.no_grad():
            kept = torch.tanh(self.body(x))
        return self.head(kept)


class Replacing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        return self.layer(x - self.mean)


class Writing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        x /= 4
        return self.layer(x)


def slowed():
    model = plain()
    model[0].weight.register_hook(lambda slope: 0.1 * slope)
    return model


def replaced():
    model = plain()
    model[1].forward = torch.relu
    return model


def turned():
    model = plain()
    model[1].register_full_backward_hook(lambda _module, into, _out: tuple(-one for one in into))
    return model


ODD = {
    "no gradient reaches": Frozen,
    "in the place of buffers": Replacing,
    "writes into its batch": Writing,
    "parameters carry hooks": slowed,
    "was replaced": replaced,
    "backward hooks": turned,
}


def task_of(make):
    return Task(make, (X.clone(), Y), (X[:16].clone(), Y[:16]), loss=nn.CrossEntropyLoss(), device="cpu")


@pytest.mark.parametrize("said", ODD)
def test_members_are_trained_as_a_single_model_is(said):
    with pytest.raises(Unsupported, match=said):
        fused_form(task_of(ODD[said]), RECIPES[0])
    runs = train_members(task_of(ODD[said]), RECIPES)
    for run, recipe in zip(runs, RECIPES, strict=True):
        alone = train(task_of(ODD[said]), recipe)
        assert run.loss == pytest.approx(alone.loss, rel=1e-5)
        assert run.final_val_loss == pytest.approx(alone.final_val_loss, rel=1e-5)


def test_an_ordinary_module_has_nothing_peculiar():
    task = task_of(plain)
    assert peculiarity(task, plain(), (X[:8].clone(), Y[:8])) == ""
    assert fused_form(task, RECIPES[0]) is not None


def test_validation_data_that_a_model_writes_into_stays_as_it_was():
    task = task_of(Writing)
    kept = X[:16].clone()
    train(task, RECIPES[0])
    assert torch.equal(task.batch(task.val, torch.arange(16))[0], kept)
