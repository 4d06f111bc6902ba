"""What `check_task` refuses, in which words, and that nothing of the user's is changed by it."""

from __future__ import annotations

import copy
import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, TensorDataset

import surefoot as sf
from surefoot.errors import DataError, InputError, RecipeError, TaskError
from surefoot.records import Recipe
from surefoot.tasks.catalogue import CATALOGUE
from surefoot.tasks.checking import check_task
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.task import Task

N, INPUTS, CLASSES = 24, 5, 3
BATCH = Recipe(batch_size=8)


def rows(count=N, width=INPUTS):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(1))


def labels(count=N):
    return torch.arange(count) % CLASSES


def numbers(count=N):
    return torch.linspace(-1, 1, count)


def classifier(**changes):
    """A task that can be trained, but for the changes."""
    given = {
        "model": lambda: nn.Sequential(nn.Linear(INPUTS, 4), nn.Tanh(), nn.Linear(4, CLASSES)),
        "train": (rows(), labels()),
        "val": (rows(6), labels(6)),
        "loss": nn.CrossEntropyLoss(),
    }
    return Task(**(given | changes))


def regressor(**changes):
    given = {
        "model": lambda: nn.Linear(INPUTS, 1),
        "train": (rows(), numbers()[:, None]),
        "val": (rows(6), numbers(6)[:, None]),
        "loss": nn.MSELoss(),
    }
    return Task(**(given | changes))


def refusal(task, kind, recipe=BATCH):
    """The message with which the task is refused: one line, of exactly this kind of error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            check_task(task, recipe)
    assert type(caught.value) is kind, caught.value
    message = str(caught.value)
    assert "\n" not in message
    return message


class OneInput(nn.Module):
    """A linear layer and whatever `then` makes of its output."""

    def __init__(self, then=lambda output: output):
        super().__init__()
        self.inner = nn.Linear(INPUTS, CLASSES)
        self.then = then

    def forward(self, x):
        return self.then(self.inner(x))


class Items(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place]


class TestGood:
    @pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if not entry.folder])
    def test_every_built_in_task_passes_without_a_note(self, name):
        entry = CATALOGUE[name]
        assert check_task(entry.make(), Recipe(batch_size=entry.batch_size)) == []

    @pytest.mark.parametrize(
        "task",
        [
            classifier(),
            regressor(),
            classifier(loss=F.cross_entropy, metrics={"accuracy": accuracy}),
            classifier(loss=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1])),
            classifier(train={"x": rows(), "label": labels()}, val={"x": rows(6), "label": labels(6)},
                       model=lambda: OneInput()),
            classifier(model=nn.Linear(INPUTS, CLASSES)),
            classifier(train=TensorDataset(rows(), labels())),
            classifier(loss=nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.tensor([1.0, 2.0, 3.0]))),
            classifier(loss=nn.CrossEntropyLoss(), train=(rows(), F.one_hot(labels(), CLASSES).float()),
                       val=(rows(6), F.one_hot(labels(6), CLASSES).float())),
            classifier(loss=nn.CrossEntropyLoss(ignore_index=7), train=(rows(), labels().where(labels() > 0, 7))),
            classifier(model=lambda: OneInput(lambda output: (output, None)),
                       loss=lambda output, target: F.cross_entropy(output[0], target)),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("batch_size", [8, "full"])
    def test_kinds_of_tasks_that_can_be_trained(self, task, batch_size):
        assert check_task(task, Recipe(batch_size=batch_size)) == []


class TestModel:
    def test_a_factory_that_fails_is_placed(self):
        def broken():
            raise ValueError("no weights file")

        message = refusal(classifier(model=broken), TaskError)
        assert message.startswith("`model` failed: ValueError: no weights file (")
        assert "test_checking.py, line" in message

    def test_a_factory_that_returns_no_module(self):
        assert refusal(classifier(model=lambda: 3), TaskError) == "`model` returned int; an nn.Module is needed"

    def test_a_factory_that_returns_the_same_module(self):
        module = nn.Linear(INPUTS, CLASSES)
        assert "returns the same module each time" in refusal(classifier(model=lambda: module), TaskError)

    def test_a_factory_whose_modules_share_a_layer(self):
        trunk = nn.Linear(INPUTS, 4).eval()
        task = classifier(model=lambda: nn.Sequential(trunk, nn.Linear(4, CLASSES)))
        assert "share `0.weight`" in refusal(task, TaskError)
        assert not trunk.training

    @pytest.mark.parametrize("work", [sf.find, lambda task, **_: sf.train(task, sf.Recipe(lr=0.1, batch_size=8))])
    def test_a_frozen_module_that_models_share_is_to_be_copied(self, borrowed, work):
        trunk = nn.Sequential(nn.Linear(INPUTS, 4), nn.BatchNorm1d(4)).requires_grad_(False).eval()
        with borrowed(trunk):
            with pytest.raises(
                TaskError, match=r"share `0.0.weight`; put a copy of the frozen module .* copy.deepcopy"
            ):
                work(classifier(model=lambda: nn.Sequential(trunk, nn.Linear(4, CLASSES))), epochs=1, batch_size=8)
            copied = classifier(model=lambda: nn.Sequential(copy.deepcopy(trunk), nn.Linear(4, CLASSES)))
            assert check_task(copied, BATCH) == []
            work(copied, epochs=1, batch_size=8)

    def test_a_shared_buffer_is_refused_and_restored_only_if_training_changes_it(self, borrowed):
        mean = torch.zeros(INPUTS)

        class Shared(OneInput):
            def __init__(self, step):
                super().__init__()
                self.register_buffer("mean", mean)
                self.step = step

            def forward(self, x):
                self.mean.add_(self.step)
                return super().forward(x)

        assert check_task(classifier(model=lambda: Shared(0.0)), BATCH) == []
        with borrowed(mean):
            assert "share the buffer `mean`" in refusal(classifier(model=lambda: Shared(1.0)), TaskError)

    def test_no_parameters_and_none_that_learns(self):
        frozen = nn.Linear(INPUTS, CLASSES).requires_grad_(False)
        assert "it has no parameters" in refusal(classifier(model=nn.Identity), TaskError)
        assert "none of its 2 parameters requires a gradient" in refusal(classifier(model=frozen), TaskError)

    def test_parameters_that_are_no_numbers(self):
        broken = nn.Linear(INPUTS, CLASSES)
        with torch.no_grad():
            broken.bias[1] = math.nan
        assert "parameter `bias` of `model` holds NaN" in refusal(classifier(model=broken), TaskError)

    def test_parameters_elsewhere_or_without_a_shape(self):
        assert "on the meta device" in refusal(
            classifier(model=lambda: nn.Linear(INPUTS, CLASSES, device="meta")), TaskError
        )
        assert "has no shape yet" in refusal(classifier(model=lambda: nn.LazyLinear(CLASSES)), TaskError)

    def test_a_constant_on_another_device_is_told_from_a_wrong_shape(self):
        task = classifier(model=lambda: OneInput(lambda output: output + torch.ones(CLASSES, device="meta")))
        assert "register_buffer" in refusal(task, TaskError)

    def test_a_factory_with_a_generator_of_its_own_is_noted(self):
        generator = torch.Generator().manual_seed(3)

        def make():
            module = nn.Linear(INPUTS, CLASSES)
            with torch.no_grad():
                module.weight.normal_(generator=generator)
            return module

        assert "two models made under one seed differ" in check_task(classifier(model=make), BATCH)[0]

    def test_parameters_that_take_no_part_are_noted(self):
        class Spare(OneInput):
            def __init__(self):
                super().__init__()
                self.spare = nn.Linear(2, 2)

        assert check_task(classifier(model=Spare), BATCH) == [
            "2 of 4 parameters take no part in the loss: `spare.weight`, `spare.bias`"
        ]

    @pytest.mark.parametrize(
        ("then", "said"),
        [
            (lambda output: (output, None), "returns a tuple of 2 parts, which the loss cannot take; choose the part"),
            (lambda output: {"logits": output}, "a dict with logits, which the loss cannot take; choose the part"),
            (lambda output: None, "returns None"),
        ],
    )
    def test_an_output_that_the_loss_cannot_take(self, then, said):
        assert said in refusal(classifier(model=lambda: OneInput(then)), TaskError)

    def test_the_part_to_take_is_named(self):
        message = refusal(classifier(model=lambda: OneInput(lambda output: {"a": 1, "logits": output})), TaskError)
        assert "your_loss(output['logits'], target)" in message

    def test_a_bug_in_forward_is_placed(self):
        message = refusal(classifier(model=lambda: OneInput(lambda output: output.no_such_method())), TaskError)
        assert "AttributeError" in message
        assert "test_checking.py, line" in message

    def test_more_inputs_than_forward_takes(self):
        message = refusal(classifier(train=(rows(), rows(), labels()), val=(rows(), rows(), labels())), TaskError)
        assert "cannot be called with the 2 parts of a batch before its target" in message


class TestInputs:
    def test_images_in_front_of_a_linear_layer(self):
        images = torch.zeros(N, 1, 8, 8)
        task = classifier(model=lambda: nn.Sequential(nn.Linear(64, CLASSES)), train=(images, labels()), val=None)
        message = refusal(task, DataError)
        assert "in layer `0` (Linear), which got (8, 1, 8, 8) float32" in message
        assert "put nn.Flatten() in front of it" in message

    def test_a_wrong_width(self):
        message = refusal(classifier(train=(rows(width=7), labels())), DataError)
        assert "in layer `0` (Linear), which got (8, 7) float32: it takes 5 values" in message
        assert "make `in_features` 7" in message

    @pytest.mark.parametrize(("width", "remedy"), [(1, "x[:, None]"), (5, "x[:, None], and `in_features` 1")])
    def test_one_number_an_example_without_a_dimension_of_its_own(self, width, remedy):
        numbers = torch.linspace(-1, 1, N)
        model = lambda: nn.Sequential(nn.Linear(width, CLASSES))  # noqa: E731
        message = refusal(classifier(model=model, train=(numbers, labels()), val=None), DataError)
        assert message.endswith(f"make the data {remedy}")

    @pytest.mark.parametrize(
        ("shape", "channels", "said"),
        [
            ((6, 6), 1, "x.unsqueeze(1)"),
            ((6, 6, 3), 3, "x.movedim(-1, 1)"),
            ((2, 6, 6), 3, "make `in_channels` 2"),
            ((3, 2, 2), 3, "smaller than its kernel"),
        ],
    )
    def test_images_that_a_convolution_cannot_take(self, shape, channels, said):
        def make():
            return nn.Sequential(
                nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)
            )

        images = torch.zeros(N, *shape)
        message = refusal(classifier(model=make, train=(images, labels()), val=(images, labels())), DataError)
        assert "in layer `0` (Conv2d)" in message
        assert said in message

    @pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.int64])
    def test_inputs_of_another_type(self, dtype):
        message = refusal(classifier(train=(rows().to(dtype), labels()), val=(rows().to(dtype), labels())), DataError)
        assert f"{dtype}".removeprefix("torch.") in message
        assert "its weights are float32; convert the data, x.float()" in message

    def test_symbols_beyond_an_embedding(self):
        def make():
            return nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(8, CLASSES))

        symbols = torch.arange(2 * N).reshape(N, 2) % 12
        message = refusal(classifier(model=make, train=(symbols, labels()), val=(symbols, labels())), DataError)
        assert "it has 10 entries, so inputs go from 0 to 9, and one is 11" in message
        floats = symbols.float()
        message = refusal(classifier(model=make, train=(floats, labels()), val=(floats, labels())), DataError)
        assert "x.long()" in message

    def test_validation_data_of_another_width(self):
        message = refusal(classifier(val=(rows(6, 4), labels(6))), DataError)
        assert "on a batch of `val`" in message


class TestValues:
    @pytest.mark.parametrize(("value", "kind"), [(math.nan, "NaN"), (math.inf, "an infinite value")])
    def test_the_tensor_and_the_first_example_are_named(self, value, kind):
        x = rows()
        x[[17, 20, 22], 2] = value
        message = refusal(classifier(train=(x, labels())), DataError)
        assert message.startswith(f"`train[0]` holds {kind} in example 17 and 2 more")
        message = refusal(classifier(val=(x, labels())), DataError)
        assert message.startswith(f"`val[0]` holds {kind} in example 17")

    def test_in_a_target_and_in_a_dict(self):
        y = numbers()[:, None].clone()
        y[3] = math.nan
        assert refusal(regressor(train=(rows(), y)), DataError).startswith("`train[1]` holds NaN in example 3;")
        data = {"input": rows(), "target": y}
        assert refusal(regressor(train=data), DataError).startswith("`train['target']` holds NaN in example 3;")

    @pytest.mark.parametrize("place", range(N))
    def test_the_example_is_the_users_also_after_a_split(self, place):
        x = rows()
        x[place, 0] = math.nan
        message = refusal(classifier(train=(x, labels()), val=None), DataError)
        assert message.startswith(f"`train[0]` holds NaN in example {place};")

    def test_a_dataset_is_sampled_and_that_is_said(self):
        items = [(row, label) for row, label in zip(rows(600), labels(600), strict=True)]
        notes = check_task(classifier(train=Items(items)), BATCH)
        assert notes == ["256 of the 600 examples of `train` were looked at for NaN, not all of them"]
        few = [(row.clone(), label) for row, label in items[:N]]
        few[11][0][0] = math.nan
        message = refusal(classifier(train=Items(few)), DataError)
        assert message.startswith("`train[0]` holds NaN in example 11;")

    def test_a_dataset_that_fails_is_placed(self):
        class Broken(Items):
            def __getitem__(self, place):
                raise OSError("no such image")

        message = refusal(classifier(train=Broken([0] * N)), DataError)
        assert message.startswith("reading a batch of `train` failed: OSError: no such image (")
        assert "test_checking.py, line" in message


class TestSizes:
    def test_a_batch_larger_than_the_data(self):
        message = refusal(classifier(), RecipeError, Recipe(batch_size=25))
        assert message == (
            '`batch_size` is 25 and the training data has 24 examples; take at most 24, or "full" for all of them'
        )

    def test_one_example_is_noted(self):
        notes = check_task(classifier(train=(rows(1), labels(1)), val=(rows(1), labels(1))), Recipe(batch_size=1))
        assert [note.split(";")[0] for note in notes] == ["`train` has 1 example", "`val` has 1 example"]

    @pytest.mark.parametrize(("count", "batch_size"), [(1, "full"), (1, 1), (9, 1), (9, 8), (17, 8)])
    def test_batch_normalisation_on_one_example(self, count, batch_size):
        def make():
            return nn.Sequential(nn.Linear(INPUTS, 4), nn.BatchNorm1d(4), nn.Linear(4, CLASSES))

        task = classifier(model=make, train=(rows(count), labels(count)))
        message = refusal(task, DataError, Recipe(batch_size=batch_size))
        assert "batch normalisation needs at least 2 examples in a training batch" in message
        if count > 1 and batch_size == 8:
            assert message.startswith(f"the last batch of an epoch has 1 example ({count} examples, `batch_size` 8)")

    def test_a_last_batch_of_one_is_fine_without_batch_normalisation(self):
        assert check_task(classifier(train=(rows(17), labels(17))), BATCH) == []


class TestLabels:
    @pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.NLLLoss(), F.cross_entropy], ids=["CE", "NLL", "F"])
    @pytest.mark.parametrize("part", ["train", "val"])
    def test_a_label_out_of_range(self, loss, part):
        y = labels()
        y[13] = 3
        message = refusal(classifier(loss=loss, **{part: (rows(), y)}), DataError)
        assert message == (
            f"`{part}` has the label 3 in example 13; the model has 3 outputs, so labels go from 0 to 2: count labels "
            "from 0 (y - 1), or give the model 4 outputs"
        )

    def test_a_negative_and_a_far_label(self):
        for label, said in ((-1, "`ignore_index`"), (9, "give the model 10 outputs")):
            y = labels()
            y[2] = label
            assert said in refusal(classifier(train=(rows(), y)), DataError)

    def test_a_label_out_of_range_under_a_loss_of_the_users(self):
        task = classifier(train=(rows(), labels() + 1), loss=lambda output, target: F.cross_entropy(output, target))
        assert "a label that the model has no output for" in refusal(task, DataError)

    @pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.bool, torch.float32])
    def test_labels_of_another_type(self, dtype):
        message = refusal(classifier(train=(rows(), labels().to(dtype))), DataError)
        assert "y.long()" in message

    @pytest.mark.parametrize(
        ("output", "target", "said"),
        [
            ((), (1,), "y.squeeze(1)"),
            ((4,), (4,), ""),
            ((), (2,), "reshape"),
        ],
    )
    def test_labels_of_another_shape(self, output, target, said):
        def make():
            return OneInput(lambda out: out.unsqueeze(-1).expand(-1, -1, *output) if output else out)

        y = labels().reshape(N, *[1] * len(target)).expand(N, *target)
        task = classifier(model=make, train=(rows(), y), val=(rows(), y))
        if said:
            assert said in refusal(task, DataError)
        else:
            assert check_task(task, BATCH) == []

    def test_classes_in_the_last_dimension(self):
        y = labels()[:, None].expand(N, 4)
        task = classifier(
            model=lambda: OneInput(lambda out: out[:, None, :].expand(-1, 4, -1)), train=(rows(), y), val=(rows(), y)
        )
        assert "output.movedim(-1, 1)" in refusal(task, DataError)

    def test_labels_of_one_byte(self):
        y = labels().to(torch.uint8)
        assert check_task(classifier(train=(rows(), y)), BATCH) == []
        assert "has the label 3" in refusal(classifier(train=(rows(), y + 1)), DataError)

    def test_binary_targets(self):
        y = (labels() % 2).float()[:, None]
        good = regressor(loss=nn.BCEWithLogitsLoss(), train=(rows(), y), val=(rows(), y))
        assert check_task(good, BATCH) == []
        message = refusal(regressor(loss=nn.BCEWithLogitsLoss(), train=(rows(), y * 2), val=(rows(), y)), DataError)
        assert "has the target 2 in example 1; BCEWithLogitsLoss needs targets from 0 to 1" in message
        message = refusal(regressor(loss=nn.BCELoss(), train=(rows(), y), val=(rows(), y)), TaskError)
        assert "end it with a Sigmoid, or take BCEWithLogitsLoss" in message
        message = refusal(regressor(loss=nn.BCEWithLogitsLoss(), train=(rows(), y.long()), val=(rows(), y)), DataError)
        assert "y.float()" in message


class TestLoss:
    @pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), F.mse_loss])
    def test_an_output_that_would_be_stretched_over_the_target(self, loss):
        message = refusal(regressor(loss=loss, train=(rows(), numbers()), val=(rows(), numbers())), DataError)
        assert "`model` gives (8, 1) and the target of `train` has shape (8,)" in message
        assert "y.unsqueeze(-1)" in message

    def test_a_loss_that_calls_the_model_under_another_name(self):
        message = refusal(classifier(loss=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1])), TaskError)
        assert "names its first argument `model`, not `net`" in message

    def test_the_same_inside_a_loss_of_the_users(self):
        stretched = {"train": (rows(), numbers()), "val": (rows(), numbers())}
        message = refusal(regressor(loss=lambda output, y: F.mse_loss(output, y), **stretched), DataError)
        assert "stretches the output over the target" in message
        notes = check_task(regressor(loss=lambda output, y: (output - y).square().mean(), **stretched), BATCH)
        assert len(notes) == 1
        assert "if `loss` subtracts them" in notes[0]
        meant = regressor(loss=lambda output, y: (output.squeeze(1) - y).square().mean(), **stretched)
        assert check_task(meant, BATCH) == []

    @pytest.mark.parametrize(
        ("loss", "said"),
        [
            (lambda o, t: F.cross_entropy(o, t, reduction="none"), "returns shape (8,); it must return one number"),
            (lambda o, t: F.cross_entropy(o, t)[None], "returns shape (1,)"),
            (lambda o, t: F.cross_entropy(o, t).item(), "without .item()"),
            (lambda o, t: (F.cross_entropy(o, t), 1), "returns a tuple of 2 parts"),
            (lambda o, t: None, "returns None"),
            (lambda o, t: F.cross_entropy(o.detach(), t), "cut off from the parameters"),
            (lambda o, t: (o.argmax(1) != t).float().mean(), "cut off from the parameters"),
            (lambda o, t: (o.argmax(1) != t).sum(), "returns int64; it must be a real number"),
            (lambda o, t: torch.ones((), requires_grad=True), "reaches no parameter"),
            (lambda o, t: (o.mean() - 1e4).log(), "`loss` is nan for the first batch of `train`"),
            (lambda o, t: o.square().mean() / 0, "`loss` is inf"),
            (lambda o, t: (o * 0).sqrt().mean(), "the gradient of parameter"),
            (lambda o, t: o.no_such_method(), "`loss` fails on a batch of `train` (output (8, 3) float32, target"),
        ],
    )
    def test_a_loss_that_cannot_be_trained_on(self, loss, said):
        assert said in refusal(classifier(loss=loss), TaskError)

    def test_a_loss_that_calls_the_model_and_fails(self):
        message = refusal(classifier(loss=lambda model, batch: model(batch["x"])), TaskError)
        assert "`loss` fails on a batch of `train`" in message
        assert "test_checking.py, line" in message

    def test_an_output_that_is_no_number(self):
        task = classifier(model=lambda: OneInput(lambda output: output * math.inf))
        assert "`model` gives NaN or infinity for the first batch of `train`" in refusal(task, TaskError)

    @pytest.mark.parametrize(
        "loss", [nn.CrossEntropyLoss(reduction="sum"), lambda o, t: F.nll_loss(o, t, reduction="sum")]
    )
    def test_a_sum_is_noted(self, loss):
        assert check_task(classifier(loss=loss), BATCH) == [
            "`loss` is a sum over the batch, not a mean: the best rate then changes with the batch size"
        ]

    def test_a_loss_with_parameters_is_noted_and_not_changed(self, borrowed):
        class Learned(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(()))
                self.register_buffer("calls", torch.zeros(()))

            def forward(self, output, target):
                self.calls += 1
                return F.cross_entropy(output * self.scale, target)

        loss = Learned()
        with borrowed(loss):
            notes = check_task(classifier(loss=loss), BATCH)
        assert notes == ["`loss` has parameters of its own; only those of the model are trained"]
        assert loss.scale.grad is None


class TestMetrics:
    @pytest.mark.parametrize(
        ("metric", "said"),
        [
            (lambda output, target: 1 / 0, "metric `m` fails on a batch of `train`: ZeroDivisionError"),
            (lambda output, target: output, "metric `m` returns shape (8, 3)"),
        ],
    )
    def test_a_metric_that_fails(self, metric, said):
        assert said in refusal(classifier(metrics={"m": metric}), TaskError)

    def test_accuracy_of_a_regression(self):
        assert refusal(regressor(metrics={"accuracy": accuracy}), TaskError).startswith("metric `accuracy`: ")


class TestBorrowed:
    @pytest.mark.parametrize("mode", [True, False])
    def test_model_data_and_random_state_are_as_before(self, borrowed, mode):
        model = nn.Sequential(nn.Linear(INPUTS, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, CLASSES)).train(
            mode
        )
        model[0].weight.requires_grad_(False)
        x, y = rows(), labels()
        with borrowed(model, x, y):
            assert check_task(classifier(model=model, train=(x, y)), BATCH) == []

    def test_after_a_refusal_too(self, borrowed):
        model, x, y = nn.Linear(INPUTS, 2), rows(), labels()
        with borrowed(model, x, y):
            refusal(classifier(model=model, train=(x, y)), DataError)

    def test_gradients_may_be_switched_off_around_it(self):
        with torch.no_grad():
            assert check_task(classifier(), BATCH) == []

    def test_it_says_the_same_twice(self):
        task = classifier(model=lambda: OneInput(F.dropout), loss=nn.CrossEntropyLoss(reduction="sum"))
        assert check_task(task, BATCH) == check_task(task, BATCH)
