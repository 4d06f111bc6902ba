"""What fails in the middle of a training: the user's code is told in one line, and no form that fails is taken."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import surefoot as sf
from surefoot.engines.calibrate import choose_engine, refuse_fused
from surefoot.engines.early_stopping import EarlyStop
from surefoot.engines.fused import Fused
from surefoot.engines.train import train_members
from surefoot.errors import DataError, RecipeError, TaskError
from surefoot.find import find
from surefoot.records import Recipe
from surefoot.tasks.failures import failure_of

RECIPE = Recipe(lr=0.1, epochs=4, batch_size=8)


def rows(count=64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 4, generator=generator)
    return x, (x[:, 0] > 0).long()


def network():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


class Counting(nn.Module):
    """Breaks in its twelfth forward pass in training."""

    def __init__(self):
        super().__init__()
        self.net, self.passes = network(), 0

    def forward(self, x):
        self.passes += self.training
        if self.passes > 12:
            raise ValueError("twelve passes are enough")
        return self.net(x)


class Broken(Dataset):
    def __init__(self, item):
        self.x, self.y = rows(2100)
        self.item = item

    def __len__(self):
        return 2100

    def __getitem__(self, place):
        return self.item() if place == 1501 else (self.x[place], self.y[place])


def missing():
    raise FileNotFoundError("1501.png")


def task(model=network, train=None, **given):
    return sf.Task(model, train or rows(), rows(), **({"loss": nn.CrossEntropyLoss(), "device": "cpu"} | given))


def wide_label():
    return torch.zeros(4), torch.tensor(7)


class LateMetric:
    """Fails when it is asked for the fourth time."""

    calls = 0

    def __call__(self, output, target):
        self.calls += 1
        if self.calls == 4:
            raise ZeroDivisionError("a part without a hit")
        return (output.argmax(1) == target).float().mean()


FAILING = {
    "model": (
        lambda: task(Counting),
        TaskError,
        r"model or loss failed( after \d+ updates)?: ValueError: twelve passes",
    ),
    "item": (lambda: task(train=Broken(missing)), DataError, "reading a batch failed.*1501.png"),
    "label": (lambda: task(train=Broken(wide_label)), TaskError, "Target 7 is out of bounds.*correct the data"),
    "gradient": (
        lambda: task(loss=lambda output, target: _Refusing.apply(output).square().mean()),
        TaskError,
        "the gradient of `loss` (failed|cannot be computed).*no way back",
    ),
}


class _Refusing(torch.autograd.Function):
    calls = 0

    @staticmethod
    def forward(context, output):
        return output.clone()

    @staticmethod
    def backward(context, grad):
        raise RuntimeError("no way back")


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("way", ["train", "members", "find", "workers"])
def test_a_failure_of_the_users_code_is_one_line_with_its_place(name, way):
    make, kind, said = FAILING[name]
    if way == "train":
        call = lambda: sf.train(make(), RECIPE.replace(epochs=10))  # noqa: E731
    elif way == "members":
        call = lambda: train_members(make(), [RECIPE.replace(lr=lr, epochs=10) for lr in (0.1, 0.2)])  # noqa: E731
    else:
        call = lambda: find(make(), epochs=20, batch_size=8, workers=2 if way == "workers" else 1)  # noqa: E731
    with pytest.raises(kind, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)
    assert name == "label" or "test_failures.py, line" in str(raised.value)


def test_a_metric_that_fails_later_is_named():
    with pytest.raises(TaskError, match=r"a metric failed.*a part without a hit.*test_failures.py, line"):
        sf.train(task(metrics={"hits": LateMetric()}), RECIPE)


def test_a_defect_and_the_watchers_own_errors_stay_as_they_are(monkeypatch):
    def watch(progress):
        raise ZeroDivisionError("of the watcher")

    with pytest.raises(ZeroDivisionError, match="of the watcher"):
        find(task(), epochs=4, batch_size=8, watch=watch)
    monkeypatch.setattr("surefoot.engines.validator.Validator.__call__", lambda *_: {}["of ours"])
    with pytest.raises(KeyError, match="of ours"):
        sf.train(task(), RECIPE)


def test_want_of_memory_is_no_failure_of_the_users():
    def scarce(output, target):
        raise RuntimeError("not enough memory: you tried to allocate")

    given = task(loss=scarce)
    with pytest.raises(RuntimeError) as seen:
        given.loss_of(given.make_model(0), rows())
    assert failure_of(seen.value) is None
    assert failure_of(ValueError("nowhere")) is None
    assert failure_of(DataError("as it is")) is None


class Skipping(nn.Module):
    """Leaves its middle layer out now and then, which the first steps need not show."""

    def __init__(self):
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = torch.tanh(self.first(x))
        if not self.training or random.random() < 0.9:
            x = x + self.middle(x)
        return self.last(x)


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: nn.functional.cross_entropy(output.mul_(0.5), target),
        lambda output, target: ((output.sigmoid_() - nn.functional.one_hot(target, 2)) ** 2).mean(),
    ],
)
def test_a_loss_that_writes_into_the_output_is_trained_as_one_by_one(loss):
    recipes = [RECIPE.replace(lr=lr) for lr in (0.05, 0.1, 0.2)]
    given = task(loss=loss)
    together = train_members(given, recipes, make_engine=lambda task, some: Fused(task, some, width=3, horizon=32))
    for run, recipe in zip(together, recipes, strict=True):
        alone = sf.train(given, recipe)
        assert run.final_val_loss == pytest.approx(float(alone.val_loss[-1]), rel=1e-5)


def test_what_stops_a_fused_form_in_the_middle_goes_on_one_by_one():
    found = find(task(Skipping), epochs=30, batch_size=8, workers=1)
    assert found.curve
    assert all(point.fate != "interrupted" for point in found.curve)


def test_a_form_that_failed_is_not_taken_again():
    given, recipes = task(), [RECIPE.replace(lr=lr) for lr in (0.05, 0.1, 0.2)]
    choose_engine(given, recipes, horizon=32, processes=1).close()
    assert refuse_fused(given, recipes, ValueError("it cannot"))
    assert not refuse_fused(given, recipes, ValueError("it cannot"))
    engine = choose_engine(given, recipes, horizon=32, processes=1)
    assert type(engine).__name__ == "Serial"
    engine.close()


def test_early_stopping_begins_anew_with_a_training_that_does():
    stop = EarlyStop(patience=2)
    run = sf.train(task(), RECIPE.replace(epochs=2), early_stop=stop)
    assert run.fate == "finished"


class TestTrainItself:
    def test_the_task_is_checked_first(self):
        one = network()
        with pytest.raises(TaskError, match="returns the same module each time"):
            sf.train(task(lambda: one), RECIPE)
        x, y = rows()
        x[3, 1] = float("nan")
        with pytest.raises(DataError, match="NaN"):
            sf.train(task(train=(x, y)), RECIPE)

    def test_what_was_found_is_a_recipe(self):
        given = task()
        found = find(given, epochs=4, batch_size=8, workers=1)
        taken, given_by_hand = sf.train(given, found), sf.train(given, found.recipe)
        assert taken.recipe == given_by_hand.recipe
        assert taken.val_loss.tolist() == given_by_hand.val_loss.tolist()
        with pytest.raises(RecipeError, match="holds no rate, because the search found none"):
            sf.train(given, dataclasses.replace(found, status="unknown", lr=None, interval=None))

    def test_something_else(self):
        with pytest.raises(TaskError, match="`task` is str"):
            sf.train("iris", RECIPE)
        with pytest.raises(RecipeError, match="`recipe` is float"):
            sf.train(task(), 0.1)

    def test_where_gradients_are_off(self):
        plain, recipes = sf.train(task(), RECIPE), [RECIPE, RECIPE.replace(lr=0.2)]
        members = train_members(task(), recipes)
        with torch.no_grad():
            assert sf.train(task(), RECIPE).val_loss.tolist() == plain.val_loss.tolist()
            assert not torch.is_grad_enabled()
            again = train_members(task(), recipes)
            assert not torch.is_grad_enabled()
        assert [one.final_val_loss for one in again] == pytest.approx([one.final_val_loss for one in members], rel=1e-5)


class Remembering(nn.Module):
    """A loss, or a metric, with a parameter and a buffer that counts its calls."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, output, target):
        self.calls += 1
        return self.scale.detach() * nn.functional.cross_entropy(output, target)


def test_what_a_loss_or_metric_keeps_of_its_calls_is_not_the_users():
    loss, metric = Remembering(), Remembering()
    given = task(loss=loss, metrics={"twice": metric})
    sf.train(given, RECIPE)
    find(given, epochs=4, batch_size=8, workers=1, cost=1)
    for own in (loss, metric):
        assert float(own.calls) == 0
        assert own.scale.grad is None
    assert given.loss is loss
