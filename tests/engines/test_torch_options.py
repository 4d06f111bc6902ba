"""Options that choose how torch computes a step change no number; those that no training can have are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.engines.fused import fused_form
from surefoot.engines.members import Unsupported
from surefoot.engines.optimizers import build_optimizer, name_of
from surefoot.engines.train import train_members
from surefoot.engines.training import train
from surefoot.engines.update_rules import make_rule
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.task import Task

X = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def make():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))


@pytest.fixture
def task():
    return Task(make, (X, Y), (X[:16], Y[:16]), loss=nn.CrossEntropyLoss(), device="cpu")


def groups():
    return [{"params": [nn.Parameter(torch.ones(3))]}]


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("sgd", {"foreach": True, "maximize": False, "differentiable": False}),
        ("sgd", {"fused": True, "momentum": 0.9}),
        ("adam", {"fused": True}),
        ("adamw", {"capturable": True}),
        ("adamw", {"foreach": False, "fused": None}),
        ("rmsprop", {"capturable": True, "foreach": None}),
        ("adamax", {"capturable": True, "foreach": True}),
    ],
)
def test_the_kernel_changes_no_number(task, optimizer, options):
    kept = {key: value for key, value in options.items() if key == "momentum"}
    recipes = [Recipe(optimizer=optimizer, options=one, lr=0.02, batch_size=8, epochs=2) for one in (options, kept)]
    with_it, without = train_members(task, recipes)
    assert with_it.fate == "finished"
    assert with_it.loss == pytest.approx(without.loss, rel=1e-5)
    assert train(task, recipes[0]).loss == pytest.approx(without.loss, rel=1e-5)
    if optimizer != "adamax":
        assert fused_form(task, recipes[0]) is not None


@pytest.mark.parametrize(
    ("optimizer", "options", "said"),
    [
        (
            "sgd",
            {"maximize": True},
            "`maximize` of sgd is True; a training here lowers its loss; leave it out, and give",
        ),
        ("adamw", {"differentiable": True}, "`differentiable` of adamw is True; steps are made without a graph"),
        ("adam", {"fused": "yes"}, "`fused` of adam is 'yes'; it is True, False or None"),
        ("sgd", {"capturable": True}, "has no option `capturable`"),
        ("sgd", {"fused": True, "foreach": True}, "cannot be `True` together"),
    ],
)
def test_what_no_training_can_have_is_refused_in_one_line(task, optimizer, options, said):
    with pytest.raises(RecipeError, match=said) as caught:
        sf.find(task, optimizer=optimizer, epochs=1, batch_size=8, **options)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match=said):
        build_optimizer(optimizer, groups(), 0.1, options)


def test_a_rule_refuses_what_torch_would_do_otherwise():
    with pytest.raises(RecipeError, match="`maximize` of sgd"):
        make_rule("sgd", {"maximize": True})


def test_an_optimizer_of_ones_own_may_not_climb_either():
    class Mine(torch.optim.SGD):
        pass

    name = name_of(Mine)
    with pytest.raises(RecipeError, match="a training here lowers its loss"):
        build_optimizer(name, groups(), 0.1, {"maximize": True})
    assert build_optimizer(name, groups(), 0.1, {"foreach": True}).defaults["foreach"] is True


def test_an_option_that_only_torch_has_trains_one_by_one(task):
    options = {"weight_decay": 0.1, "decoupled_weight_decay": True}
    decoupled = Recipe(optimizer="adam", options=options, lr=0.02, batch_size=8, epochs=2)
    with pytest.raises(Unsupported, match="has no `decoupled_weight_decay`"):
        fused_form(task, decoupled)
    twin = Recipe(optimizer="adamw", options={"weight_decay": 0.1}, lr=0.02, batch_size=8, epochs=2)
    assert train_members(task, [decoupled])[0].loss == pytest.approx(train_members(task, [twin])[0].loss, rel=1e-5)
