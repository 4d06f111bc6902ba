"""Inspection: sizes against values by hand, and a training that is not disturbed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from surefoot.engines.inspection import Inspector
from surefoot.engines.training import Training, train
from surefoot.records import Inspection, Recipe
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task


@pytest.mark.parametrize("name", ["digits-bn", "xor", "tiny-text-transformer"])
def test_the_training_is_the_same_to_the_bit(name):
    task = find_entry(name).make()
    recipe = Recipe(
        optimizer="adam", lr=0.01, epochs=0.05 if "text" in name else 2, batch_size="full" if name == "xor" else 32
    )
    inspector = Inspector()
    seen, plain = Training(task, recipe, inspector=inspector), Training(task, recipe)
    one, other = seen.run(), plain.run()
    assert np.array_equal(one.loss, other.loss)
    assert np.array_equal(one.val_loss, other.val_loss)
    assert all(
        torch.equal(a, b)
        for a, b in zip(seen.model.state_dict().values(), plain.model.state_dict().values(), strict=True)
    )
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in seen.model.modules())
    record = inspector.record()
    assert record.units
    assert len(record.step) == len(one.val_step)
    assert all(len(layer.weight) == len(record.step) for layer in record.layers)


def test_sizes_of_plain_descent_are_those_by_hand():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
    task = Task(lambda: nn.Linear(2, 1, bias=False), (x, y), (x, y), loss=nn.MSELoss())
    inspector = Inspector()
    run = train(task, Recipe(lr=0.05, batch_size="full", epochs=3), inspector=inspector)
    [layer] = inspector.record().layers
    model = task.make_model(0)
    weights, gradients = [model.weight.detach().clone()], []
    for _ in range(3):
        model.zero_grad()
        F.mse_loss(model(x), y).backward()
        gradients.append(model.weight.grad.clone())
        with torch.no_grad():
            model.weight -= 0.05 * model.weight.grad
        weights.append(model.weight.detach().clone())
    size = [float(one.square().mean().sqrt()) for one in weights]
    slope = [float(one.square().mean().sqrt()) for one in gradients]
    np.testing.assert_allclose(layer.weight, size, rtol=1e-5)
    np.testing.assert_allclose(layer.gradient[1:], slope, rtol=1e-5)
    np.testing.assert_allclose(layer.update[1:], 0.05 * np.array(slope), rtol=1e-4)
    np.testing.assert_allclose(layer.ratio[1:], layer.update[1:] / layer.weight[1:], rtol=1e-12)
    np.testing.assert_allclose(layer.change[1:], layer.update[1:], rtol=1e-6)
    assert math.isnan(layer.update[0])
    assert run.fate == "finished"


class Half(nn.Module):
    """Four units, two of which are dead from the start; the activation is a function and no module."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 4), nn.Linear(4, 2)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[1.0, 1], [1, -1], [0, 0], [-1, -1]]))
            self.first.bias.copy_(torch.tensor([0.0, 0, -5, -50]))

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def test_dead_units_are_counted_where_the_activation_is_called():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(100, 2, generator=generator), torch.randint(0, 2, (100,), generator=generator)
    task = Task(Half, (x, y), (x, y), loss=nn.CrossEntropyLoss())
    inspector = Inspector()
    train(task, Recipe(lr=0.01, batch_size=50, epochs=1), inspector=inspector)
    [unit] = inspector.record().units
    assert (unit.name, unit.units) == ("relu", 4)
    assert unit.dead.tolist() == [0.5, 0.5]


def test_small_nets_show_activations_and_predictions_and_images_show_filters():
    inspector = Inspector()
    training = Training(find_entry("xor").make(), Recipe(lr=0.5, batch_size="full", epochs=30), inspector=inspector)
    training.run()
    shown = {(one.what, one.name): one for one in inspector.record().pictures}
    assert {what for what, _ in shown} == {"bias", "activations", "predictions"}
    predictions = shown["predictions", "output"]
    assert predictions.shape == (4, 1)
    assert predictions.step[0] == 0
    assert predictions.step[-1] == 30
    assert len(predictions.step) <= 13
    x, _ = training.task.train.whole
    with torch.no_grad():
        np.testing.assert_allclose(predictions.values[-4:], training.model(x).flatten(), rtol=1e-6)
    for name, shape in (("digits", (32, 8, 8)), ("digits-cnn", (16, 3, 3))):
        inspector = Inspector()
        train(find_entry(name).make(), Recipe(lr=0.01, epochs=0.1), inspector=inspector)
        [filters] = [one for one in inspector.record().pictures if one.what == "filters"]
        assert filters.shape == shape


def test_the_record_travels_and_a_resumed_training_has_the_same(tmp_path):
    task, recipe = find_entry("iris").make(), Recipe(lr=0.1, epochs=4, batch_size=40)
    whole = Inspector()
    train(task, recipe, inspector=whole)
    cut = Training(task, recipe, inspector=Inspector(), save=tmp_path)
    epochs = cut.epochs()
    for _ in range(3):
        next(epochs)
    cut._save(final=False)
    epochs.close()
    again = Inspector()
    train(task, resume=tmp_path, inspector=again)
    assert again.record() == whole.record()
    path = tmp_path / "inspection.json"
    again.record().save(path)
    assert Inspection.load(path) == again.record()
