"""What wants a gradient and is no parameter of the model is told of, and gets none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.engines.serial import Serial
from surefoot.records import Recipe
from surefoot.tasks.checking import check_task
from surefoot.tasks.outside import ModelGradients, outside_of
from surefoot.tasks.task import Task

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
RECIPE = Recipe(lr=0.1, batch_size=8, epochs=1)


class Listing(nn.Module):
    """Keeps a layer where torch does not look for it."""

    def __init__(self, layer=None):
        super().__init__()
        self.layers = [layer or nn.Linear(4, 4)]
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.relu(self.layers[0](x)))


def task_of(model, **settings):
    return Task(model, (X, Y), (X[:16], Y[:16]), loss=settings.get("loss", nn.CrossEntropyLoss()), device="cpu")


def test_leaves_that_are_no_parameters():
    model, unused, scale = nn.Linear(4, 2), nn.Linear(2, 2), torch.ones(2, requires_grad=True)
    loss = (model(X) * scale * torch.ones(2)).sum()
    assert outside_of(loss, [*model.parameters(), *unused.parameters()]) == [scale]
    assert outside_of(loss, [*model.parameters(), scale]) == []
    assert outside_of(torch.ones(()), []) == []


def test_gradients_go_to_the_model_alone():
    model, scale = nn.Linear(4, 2), torch.ones(2, requires_grad=True)
    gradients = ModelGradients(model)
    for _ in range(2):
        gradients((model(X) * scale).sum())
    assert scale.grad is None
    twice = model.weight.grad.clone()
    model.zero_grad()
    (model(X) * scale).sum().backward()
    torch.testing.assert_close(twice, 2 * model.weight.grad)


def test_layers_in_a_list_are_noted():
    (note,) = check_task(task_of(Listing), RECIPE)
    assert "not trained (2, of shape (4,), (4, 4)): keep layers in nn.ModuleList" in note or "(4, 4), (4,)" in note
    assert check_task(task_of(lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))), RECIPE) == []
    assert note in sf.train(task_of(Listing), RECIPE).notes


class Weighing(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, output, target):
        return self.weight * nn.functional.cross_entropy(output, target)


def test_parameters_of_a_loss_have_a_note_of_their_own():
    (note,) = check_task(task_of(lambda: nn.Linear(4, 2), loss=Weighing()), RECIPE)
    assert note.startswith("`loss` has parameters of its own")


@pytest.mark.parametrize("work", ["check", "train", "members", "find"])
def test_a_layer_of_the_users_outside_of_the_model_gets_no_gradient(work, borrowed):
    layer = nn.Linear(4, 4)
    task = task_of(lambda: Listing(layer))
    with borrowed(layer):
        if work == "check":
            check_task(task, RECIPE)
        elif work == "train":
            sf.train(task, RECIPE)
        elif work == "members":
            engine = Serial(task, [RECIPE, RECIPE])
            engine.advance(3)
        else:
            sf.find(task, epochs=1, batch_size=8, cost=1.5)
