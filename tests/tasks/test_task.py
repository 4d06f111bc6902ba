"""A task: how it takes what users have, splits batches, calls losses and metrics, and holds data back."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from surefoot.errors import DataError, InputError, TaskError
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.task import Task, find_device

N = 20
X = torch.randn(N, 4, generator=torch.Generator().manual_seed(1))
Y = torch.arange(N) % 3


def make_model():
    return nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3))


def classifier(**changes):
    given = {"model": make_model, "train": (X, Y), "val": (X[:6], Y[:6]), "loss": nn.CrossEntropyLoss()}
    return Task(**(given | changes))


class TestModel:
    def test_a_seed_decides_and_the_random_state_is_borrowed(self, borrowed):
        task = classifier()
        with borrowed():
            one, same, other = (task.make_model(seed).state_dict()["0.weight"] for seed in (1, 1, 2))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)

    def test_it_trains_and_is_on_the_device(self):
        model = classifier(model=lambda: make_model().eval()).make_model(0)
        assert all(module.training for module in model.modules())
        assert next(model.parameters()).device == classifier().device

    def test_a_module_is_copied_for_every_member(self, borrowed):
        model = make_model().eval()
        task = classifier(model=model)
        with borrowed(model):
            made = task.make_model(3)
            with torch.no_grad():
                made[0].weight.zero_()
        assert made is not model
        assert torch.equal(task.make_model(9)[0].weight, model[0].weight)

    @pytest.mark.parametrize(
        ("model", "said"),
        [
            (None, "`model` is NoneType; give a function that returns a new nn.Module"),
            ("mlp", "`model` is str"),
            (dict, "`model` is the class dict, which is no nn.Module"),
        ],
    )
    def test_what_is_no_model(self, model, said):
        with pytest.raises(TaskError) as caught:
            classifier(model=model)
        assert said in str(caught.value)

    def test_a_factory_that_refuses_its_input_says_so_itself(self):
        def refuse():
            raise DataError("no pictures here")

        with pytest.raises(DataError, match="no pictures here"):
            classifier(model=refuse).make_model(0)


class TestLosses:
    def test_both_styles_are_one(self):
        batch = (X, Y)
        model = classifier().make_model(0).eval()
        by_output = classifier().loss_of(model, batch)
        by_model = classifier(loss=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1])).loss_of(
            model, batch
        )
        assert by_output == by_model == F.cross_entropy(model(X), Y)

    def test_the_style_is_told_by_the_name_of_the_first_parameter(self):
        assert classifier(loss=lambda model, batch: 0).loss_takes_model
        assert not classifier(loss=lambda output, target: 0).loss_takes_model
        assert not classifier(loss=nn.CrossEntropyLoss()).loss_takes_model
        assert not classifier(loss=F.cross_entropy).loss_takes_model

    def test_metrics_of_both_styles_share_one_pass(self):
        calls = []

        class Counting(nn.Linear):
            def forward(self, x):
                calls.append(1)
                return super().forward(x)

        metrics = {
            "accuracy": accuracy,
            "second": lambda output, target: output.mean(),
            "third": lambda model, batch: 1.5,
        }
        task = classifier(model=lambda: Counting(4, 3), metrics=metrics)
        model = task.make_model(0)
        loss, output = task.loss_and_output(model, (X, Y))
        values = task.metrics_of(model, (X, Y), output)
        assert len(calls) == 1
        assert values["accuracy"] == accuracy(output, Y)
        assert values["second"] == output.mean()
        assert values["third"] == 1.5
        assert task.metrics_of(model, (X, Y))["second"] == output.mean()
        assert loss.requires_grad

    def test_what_is_no_loss_and_no_metric(self):
        with pytest.raises(TaskError, match=r"`loss` is the class MSELoss; make one of it, MSELoss\(\)"):
            Task(nn.Linear(1, 1), (torch.zeros(4, 1), torch.zeros(4, 1)), loss=nn.MSELoss)
        with pytest.raises(TaskError, match=r"`loss` is str; give loss\(output, target\) or loss\(model, batch\)"):
            classifier(loss="mse")
        with pytest.raises(TaskError, match="metric `accuracy` is float; a function is needed"):
            classifier(metrics={"accuracy": 0.9})


class TestSplit:
    def test_tuples_lists_and_dicts(self):
        task = classifier()
        assert task.split((1, 2)) == ((1,), {}, 2)
        assert task.split([1, 2, 3]) == ((1, 2), {}, 3)
        for key in ("target", "targets", "label", "labels", "y"):
            assert task.split({"x": 1, key: 2}) == ((), {"x": 1}, 2)

    @pytest.mark.parametrize("batch", [torch.zeros(3), (1,), {"x": 1}, 5])
    def test_a_batch_without_a_target(self, batch):
        with pytest.raises(TaskError, match=r"give `loss\(model, batch\)`"):
            classifier().split(batch)


class TestHoldingBack:
    @pytest.mark.parametrize(("share", "held"), [(0.2, 4), (0.25, 5), (0.01, 1), (0.99, 19)])
    def test_each_example_is_in_one_part_and_that_is_said(self, share, held):
        task = classifier(val=None, holdout=share, train=(X, torch.arange(N)))
        kept, out = task.train.whole[1].tolist(), task.val.whole[1].tolist()
        assert sorted(kept + out) == list(range(N))
        assert len(out) == held
        assert task.notes == (f"no validation data was given: {held} of 20 training examples were held back for it",)
        assert out != list(range(held))
        assert not task.val_given

    def test_it_is_the_same_each_time_whatever_the_random_state(self):
        torch.manual_seed(1)
        one = classifier(val=None).val.whole[0]
        torch.manual_seed(2)
        assert torch.equal(classifier(val=None).val.whole[0], one)

    def test_of_a_dataset_too(self):
        items = [(X[place], place) for place in range(N)]
        task = classifier(train=items, val=None)
        seen = [int(one) for source in (task.train, task.val) for one in source.batch(torch.arange(source.size))[1]]
        assert (task.train.size, task.val.size, sorted(seen)) == (16, 4, list(range(N)))

    def test_what_cannot_be_held_back(self):
        for share in (0, 1, -0.5, 2):
            with pytest.raises(DataError, match="`holdout` is"):
                classifier(val=None, holdout=share)
        with pytest.raises(DataError, match="`train` has 1 example and no `val` is given"):
            classifier(train=(X[:1], Y[:1]), val=None)


class TestDevice:
    def test_auto_and_names(self):
        assert find_device("cpu") == torch.device("cpu")
        assert find_device("auto").type in ("cpu", "cuda")
        assert classifier(device=torch.device("cpu")).device.type == "cpu"

    @pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "cpu0"])
    def test_a_device_that_is_not_there(self, device):
        with pytest.raises(InputError) as caught:
            classifier(device=device)
        assert str(caught.value).startswith(f"`device` is {device!r}, which torch does not offer here: ")
        assert "\n" not in str(caught.value)

    def test_moved_elsewhere(self):
        class Weighted(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("weight", torch.ones(3))

        loss = Weighted()
        task = classifier(loss=loss)
        moved = task.to("meta")
        assert (task.device.type, moved.device.type) == ("cpu", "meta")
        assert moved.batch(moved.train, torch.arange(2, device="meta"))[0].device.type == "meta"
        assert loss.weight.device.type == "cpu"
        assert task.train.whole[0].device.type == "cpu"
        assert moved.make_model(0)[0].weight.device.type == "meta"

    def test_batches_of_a_dataset_are_moved(self):
        task = classifier(train=[(X[place], {"a": place}) for place in range(N)]).to("meta")
        x, rest = task.batch(task.train, torch.arange(3))
        assert (x.device.type, rest["a"].device.type) == ("meta", "meta")


def test_it_shows_what_it_is():
    assert repr(classifier(name="mine")) == "Task('mine', 20 training and 6 validation examples)"


def test_the_checksum_covers_training_and_validation_data():
    sums = {classifier().checksum(), classifier(val=(X[:7], Y[:7])).checksum(), classifier(train=(X + 1, Y)).checksum()}
    assert len(sums) == 3
    assert classifier().checksum() in sums
