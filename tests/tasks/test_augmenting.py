"""Changes of a task: what they do to training, and that they leave everything else alone."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from surefoot.errors import DataError, RecipeError, TaskError
from surefoot.tasks.augmenting import changed
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task


def images(count=64, side=10, seed=0, flat=False):
    x = torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
    x = x.flatten(1) if flat else x
    y = torch.arange(count) % 3
    return Task(lambda: nn.Sequential(nn.Flatten(), nn.Linear(side * side, 3)), (x, y), (x, y), loss=nn.CrossEntropyLoss(), name="images")  # fmt: skip # noqa: E501


ALL = torch.arange(64)


class TestShift:
    @pytest.mark.parametrize("flat", [False, True])
    def test_every_image_is_moved_by_whole_pixels_and_edges_repeat(self, flat):
        task = images(flat=flat)
        x = task.train.whole[0].view(64, 10, 10)
        moved = changed(task, {"augment": ["shift:2"]}).train.batch(ALL, 5)[0]
        assert moved.shape == task.train.whole[0].shape
        padded = F.pad(x[:, None], (2, 2, 2, 2), mode="replicate")[:, 0]
        found = []
        for one, wide in zip(moved.view(64, 10, 10), padded, strict=True):
            places = [(a, b) for a in range(5) for b in range(5) if torch.equal(one, wide[a : a + 10, b : b + 10])]
            assert len(places) == 1
            found += places
        # Each of the 25 moves is as likely as any other: 64 draws leave few of them out.
        assert len(set(found)) > 15
        assert {a for a, _ in found} == {b for _, b in found} == set(range(5))

    def test_draws_follow_the_seed_of_the_batch(self):
        source = changed(images(), {"augment": ["shift", "noise:0.1"]}).train
        one, again, other = (source.batch(ALL, seed)[0] for seed in (1, 1, 2))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)

    def test_numbers_that_are_no_image_are_refused(self):
        with pytest.raises(DataError, match="`augment` shift needs images; the inputs of `iris` are 4 numbers each"):
            changed(find_entry("iris").make(), {"augment": ["shift"]})
        with pytest.raises(RecipeError, match="10 pixels and the images have 10"):
            changed(images(), {"augment": ["shift:10"]})


def test_noise_is_a_share_of_the_spread_of_each_input():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=generator) * torch.tensor([0.1, 1.0, 10.0])
    task = Task(lambda: nn.Linear(3, 1), (x, x[:, :1]), (x, x[:, :1]), loss=nn.MSELoss())
    index = torch.arange(4000)
    added = changed(task, {"augment": ["noise:0.5"]}).train.batch(index, 3)[0] - x
    spread = added.std(0) / x.std(0)
    # The standard error of a standard deviation from n = 4000 normal draws is 1/sqrt(2n) of it.
    np.testing.assert_allclose(spread, 0.5, atol=4 * 0.5 / math.sqrt(8000) + 1e-3)
    assert abs(float(added.mean(0)[1])) < 4 * 0.5 / math.sqrt(4000)


def test_validation_and_the_task_itself_stay_as_they_are():
    task = images()
    before = task.train.whole[0].clone()
    made = changed(task, {"augment": ["noise:2"], "label_smoothing": 0.3})
    made.train.batch(ALL, 1)
    assert torch.equal(task.train.whole[0], before)
    assert torch.equal(made.val.batch(ALL)[0], before)
    model = task.make_model(0)
    batch = task.val.batch(ALL)
    with torch.no_grad():
        assert made.loss_of(model, batch) == task.loss_of(model, batch)
    assert made.notes[len(task.notes) :] == (
        "augmentation of the training inputs: noise:2",
        "label smoothing 0.3 in training",
    )
    assert changed(task, {}) is task
    assert changed(task, {"augment": [], "label_smoothing": 0}).train is task.train


def test_labels_are_smoothed_as_torch_does_in_training():
    task = images()
    made = changed(task, {"label_smoothing": 0.3})
    model, batch = task.make_model(0), task.train.batch(ALL)
    expected = F.cross_entropy(model(batch[0]), batch[1], label_smoothing=0.3)
    assert torch.equal(made.loss_of(model, batch), expected)
    assert made.loss_of(model, batch) != task.loss_of(model, batch)


def test_dropout_is_set_in_every_layer_and_travels_to_other_processes():
    task = find_entry("digits-bn").make()
    made = changed(task, {"dropout": 0.75})
    layers = [one for one in made.make_model(3).modules() if isinstance(one, nn.Dropout)]
    assert layers
    assert {one.p for one in layers} == {0.75}
    assert {one.p for one in task.make_model(3).modules() if isinstance(one, nn.Dropout)} != {0.75}
    weights = zip(made.make_model(3).parameters(), task.make_model(3).parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    assert [one.p for one in pickle.loads(pickle.dumps(made.model))().modules() if isinstance(one, nn.Dropout)]


def test_a_module_given_as_it_is_is_not_touched(borrowed):
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(100, 3))
    task = images()
    task.model = model
    with borrowed(model):
        assert changed(task, {"dropout": 0.5}).make_model(0)[1].p == 0.5
    assert model[1].p == 0.1


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"mixup": 1}, RecipeError, "`changes` names `mixup`"),
        ({"dropout": 0.2}, TaskError, "has no dropout layer to set"),
        ({"dropout": 1.0}, RecipeError, "`dropout` is 1.0; it is a number from 0 to below 1"),
        ({"label_smoothing": -0.1}, RecipeError, "`label_smoothing` is -0.1"),
        ({"augment": ["flip"]}, RecipeError, "`augment` is 'flip'"),
        ({"augment": ["noise:x"]}, RecipeError, "the size of `noise` is a finite number above 0"),
        ({"augment": ["shift:1.5"]}, RecipeError, "a whole number of pixels"),
    ],
)
def test_what_cannot_be_changed_is_said_in_one_line(changes, error, said):
    with pytest.raises(error) as caught:
        changed(images(), changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_smoothing_needs_cross_entropy_and_augmentation_needs_numbers():
    with pytest.raises(TaskError, match=r"needs nn.CrossEntropyLoss as the loss, and that of `diabetes` is MSELoss"):
        changed(find_entry("diabetes").make(), {"label_smoothing": 0.1})
    with pytest.raises(DataError, match="`augment` needs batches"):
        changed(find_entry("tiny-text").make(), {"augment": ["noise"]})


def test_a_dict_batch_is_augmented_by_its_one_input():
    x, y = torch.rand(8, 3), torch.zeros(8, dtype=torch.long)
    task = Task(lambda: nn.Linear(3, 2), {"y": y, "input": x}, {"y": y, "input": x}, loss=nn.CrossEntropyLoss())
    batch = changed(task, {"augment": "noise"}).train.batch(torch.arange(8), 1)
    assert list(batch) == ["y", "input"]
    assert not torch.equal(batch["input"], x)
    assert torch.equal(batch["y"], y)
