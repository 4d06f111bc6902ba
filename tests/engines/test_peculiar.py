"""What no fused form does as the module does: such members are trained one by one, and as a single model is."""

from __future__ import annotations

import itertools
import re

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


class Counting(nn.Module):
    """From the fourth update on it computes something else; `keep` says how it counts."""

    def __init__(self, start, count):
        super().__init__()
        self.layer, self.kept, self.count = nn.Linear(4, 2), start(), count

    def forward(self, x):
        made = self.count(self.kept) if self.training else 0
        return self.layer(x) * (2.0 if made > 3 else 1.0)


class Tally:
    def __init__(self):
        self.made = 0


def count_in_list(kept):
    kept[0] += 1
    return kept[0]


def count_in_object(kept):
    kept.made += 1
    return kept.made


def count_in_mapping(kept):
    kept[len(kept)] = None
    return len(kept)


class Averaging(nn.Module):
    """Keeps activations from batch to batch."""

    def __init__(self):
        super().__init__()
        self.layer, self.mean = nn.Linear(4, 2), torch.zeros(2)

    def forward(self, x):
        output = self.layer(x)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * output.detach().mean(0)
        return output - self.mean


class Drawing(nn.Module):
    """Draws from a generator of its own."""

    def __init__(self):
        super().__init__()
        self.layer, self.generator = nn.Linear(4, 2), torch.Generator().manual_seed(1)

    def forward(self, x):
        return self.layer(x * (torch.rand(4, generator=self.generator) > 0.5) if self.training else x)


class Narrow(nn.Module):
    """Computes in half precision by itself."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = torch.tanh(self.body(x))
        return self.head(hidden.float())


class Bounded(nn.Module):
    """Keeps its weights in bounds by itself."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        with torch.no_grad():
            self.layer.weight.clamp_(-0.3, 0.3)
        return self.layer(x)


def noting():
    model, seen = plain(), []
    model[1].register_forward_hook(lambda _module, _into, out: seen.append(out.detach()))
    return model


ODD = {
    "remembers something in `kept`, a list": lambda: Counting(lambda: [0], count_in_list),
    "remembers something in `kept`, an object": lambda: Counting(Tally, count_in_object),
    "remembers something in `kept`, a dict": lambda: Counting(dict, count_in_mapping),
    "remembers something in `kept`, an iterator": lambda: Counting(itertools.count, next),
    "remembers something in `mean`": Averaging,
    "remembers something in `generator`": Drawing,
    "remembers something in `1._forward_hooks`": noting,
    "switches autocast": Narrow,
    "writes into its parameters": Bounded,
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
    with pytest.raises(Unsupported, match=re.escape(said.split(",")[0])):
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


class Showing(nn.Module):
    """Keeps what others may want to look at, and reads none of it."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.shown = nn.Linear(4, 6), nn.Linear(6, 2), None

    def forward(self, x):
        self.shown = torch.tanh(self.body(x))
        return self.head(self.shown)


def test_what_is_only_kept_to_be_shown_is_no_memory():
    assert peculiarity(task_of(Showing), Showing(), (X[:8].clone(), Y[:8])) == ""


class Scaled(nn.Module):
    """A loss that divides by a running mean of itself."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.ones(()))

    def forward(self, output, target):
        loss = nn.functional.cross_entropy(output, target)
        self.mean.mul_(0.9).add_(0.1 * loss.detach())
        return loss / self.mean


def test_a_loss_that_remembers_is_for_one_model_at_a_time():
    task = Task(plain, (X, Y), (X[:16], Y[:16]), loss=Scaled(), device="cpu")
    assert "loss remembers" in peculiarity(task, plain(), (X[:8].clone(), Y[:8]))


def test_validation_data_that_a_model_writes_into_stays_as_it_was():
    task = task_of(Writing)
    kept = X[:16].clone()
    train(task, RECIPES[0])
    assert torch.equal(task.batch(task.val, torch.arange(16))[0], kept)
