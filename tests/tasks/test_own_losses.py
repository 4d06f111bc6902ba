"""A task computes with copies of losses and metrics, which share what is large and never changes."""

from __future__ import annotations

import functools
import threading

import pytest
import torch
from torch import nn

from surefoot.tasks.own_losses import borrowed_function, copied_loss, may_remember
from surefoot.tasks.task import Task

DATA = torch.randn(20, 3), torch.randn(20, 3)


class Perceptual(nn.Module):
    """Compares what a network makes of outputs and targets."""

    def __init__(self):
        super().__init__()
        self.network = nn.Linear(3, 5).requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, output, target):
        self.seen += 1
        return (self.network(output) - self.network(target)).pow(2).mean()


class Locked:
    def __init__(self):
        self.lock, self.calls = threading.Lock(), 0

    def __call__(self, output, target):
        self.calls += 1
        return (output - target).pow(2).mean()


def mean_error(output, target):
    return (output - target).abs().mean()


@pytest.mark.parametrize("loss", [mean_error, functools.partial(mean_error), nn.MSELoss(), len])
def test_functions_and_losses_of_torch_remember_nothing(loss):
    assert not may_remember(loss)
    assert copied_loss(loss) is loss
    task = Task(lambda: nn.Linear(3, 3), DATA, loss=loss)
    assert task.afresh() is task
    assert task.aside() is task


def test_each_model_has_a_loss_that_begins_as_the_users_and_shares_its_parameters():
    loss = Perceptual()
    task = Task(lambda: nn.Linear(3, 3), DATA, loss=loss, device="cpu")
    first = task.afresh()
    first.loss_of(nn.Identity(), DATA)
    task.loss_of(nn.Identity(), DATA)
    second, look = first.afresh(), first.aside()
    look.loss_of(nn.Identity(), DATA)
    seen = [float(one.own_loss.seen) for one in (task, first, second, look)]
    assert (float(loss.seen), *seen) == (0, 1, 1, 0, 2)
    assert second.own_loss.network.weight is task.own_loss.network.weight
    assert second.own_loss.network.weight is not loss.network.weight


def test_what_cannot_be_copied_is_used_as_it_is():
    locked = Locked()
    assert borrowed_function(locked) is locked
    assert copied_loss(locked) is locked


def test_objects_that_are_metrics_are_copied_too():
    class Counting:
        calls = 0

        def __call__(self, output, target):
            self.calls += 1
            return mean_error(output, target)

    metric = Counting()
    task = Task(lambda: nn.Linear(3, 3), DATA, loss=nn.MSELoss(), metrics={"error": metric}, device="cpu")
    task.metrics_of(nn.Identity(), DATA)
    assert metric.calls == 0
