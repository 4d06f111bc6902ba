"""Stacked and vmapped forms against autograd of single models, in float64."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from surefoot.engines.members import Unsupported
from surefoot.engines.stacked import convolution
from surefoot.engines.stacked.form import StackedForm
from surefoot.engines.vmapped import VmappedForm
from surefoot.tasks.borrowing import borrowed_rng, mixed_seed
from surefoot.tasks.task import Task

N, CLASSES, STEP = 6, 3, 7
D = torch.float64


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(4, CLASSES)

    def forward(self, x):
        h = F.relu(self.first(x))
        h = F.relu(self.norm(self.second(h)) + h)
        return self.last(torch.flatten(self.pool(h), 1))


class Branches(nn.Module):
    """Two activations whose derivatives are taken in place, of one sum."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(5, 6), nn.Linear(5, 6), nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.last(F.relu(self.first(x)) + torch.tanh(self.second(x)))


class Functional(nn.Module):
    """Shapes, dropout and softmax as functions and methods; a gate; a sum with a shared value."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 5)
        self.gate = nn.Linear(5, 5)
        self.last = nn.Linear(5, CLASSES)

    def forward(self, x):
        h = torch.tanh(self.first(x.view(x.size(0), -1))) + x
        h = h * torch.sigmoid(self.gate(h)) * 2.0 + 0.5
        h = F.dropout(F.gelu(h), 0.25, training=self.training)
        return F.log_softmax(self.last(h), dim=-1)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 4, padding_idx=0)
        self.last = nn.Linear(12, CLASSES)

    def forward(self, index):
        return self.last(self.table(index).flatten(1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, index):
        return self.last(self.block(self.table(index)).mean(1))


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(5, CLASSES)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.last(x) * self.scale


def sequence(*layers):
    return lambda: nn.Sequential(*(layer() for layer in layers))


def mlp_with(*between):
    return sequence(lambda: nn.Linear(5, 8), *between, lambda: nn.Linear(8, CLASSES))


def cnn(*layers, features):
    return sequence(*layers, nn.Flatten, lambda: nn.Linear(features, CLASSES))


FLAT, IMAGES = (N, 5), (N, 2, 9, 8)
STACKED = {
    "linear": (sequence(lambda: nn.Linear(5, CLASSES)), FLAT),
    "linear without bias": (sequence(lambda: nn.Linear(5, CLASSES, bias=False)), FLAT),
    "mlp": (mlp_with(nn.ReLU, lambda: nn.Linear(8, 8), nn.Tanh, lambda: nn.Linear(8, 8), nn.Sigmoid), FLAT),
    "activations": (mlp_with(nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Hardtanh), FLAT),
    "batch norm": (mlp_with(lambda: nn.BatchNorm1d(8), lambda: nn.ReLU(inplace=True)), FLAT),
    "batch norm first": (sequence(lambda: nn.BatchNorm1d(5), lambda: nn.Linear(5, CLASSES)), FLAT),
    "layer norm, dropout": (mlp_with(lambda: nn.LayerNorm(8), lambda: nn.Dropout(0.4)), FLAT),
    "dropout first": (sequence(lambda: nn.Dropout(0.4), lambda: nn.Linear(5, CLASSES)), FLAT),
    "branches": (Branches, FLAT),
    "functional": (Functional, FLAT),
    "words": (Words, (N, 3)),
    "pooled cnn": (
        cnn(
            lambda: nn.Conv2d(2, 4, 3, padding=1), nn.ReLU, lambda: nn.MaxPool2d(2),
            lambda: nn.Conv2d(4, 5, 3, padding=1), nn.ReLU, lambda: nn.MaxPool2d(2), features=20,
        ),
        IMAGES,
    ),
    "strided cnn": (
        cnn(
            lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU, lambda: nn.Conv2d(4, 5, 3, stride=2),
            lambda: nn.Conv2d(5, 5, 1), lambda: nn.AvgPool2d(2, 1, padding=1), features=30,
        ),
        IMAGES,
    ),
    "uneven cnn": (
        cnn(
            lambda: nn.Conv2d(2, 4, (3, 2), padding=(0, 1), dilation=(2, 1), bias=False),
            lambda: nn.MaxPool2d(3, 2, padding=1), lambda: nn.BatchNorm2d(4), lambda: nn.Dropout2d(0.4),
            lambda: nn.Conv2d(4, 3, 3, padding=2, dilation=2), lambda: nn.Conv2d(3, 3, 3, padding="same"),
            lambda: nn.AdaptiveAvgPool2d(1), features=3,
        ),
        IMAGES,
    ),
    "residual": (Residual, IMAGES),
}  # fmt: skip
VMAPPED = {
    **{name: STACKED[name] for name in ("mlp", "batch norm", "words", "residual", "functional")},
    "attention": (Attention, (N, 3)),
    "scaled": (Scaled, FLAT),
}


def task_for(make, shape, loss=None):
    generator = torch.Generator().manual_seed(5)
    x = torch.randint(7, shape, generator=generator) if len(shape) == 2 and shape[1] == 3 else None
    if x is None:
        x = torch.randn(shape, generator=generator, dtype=D)
        if len(shape) == 4:
            x = x.round(decimals=1)  # ties, which max pooling must break as torch does
    y = torch.randint(CLASSES, (N,), generator=generator)
    return Task(lambda: make().to(D), (x, y), (x, y), loss=loss or nn.CrossEntropyLoss())


def worst_difference(task, form, batch, seeds=(3, 4, 3)):
    """Largest difference in loss, gradient, buffer and evaluation between a place and single models."""
    models = [task.make_model(10 + k) for k in range(len(seeds))]
    place = form.place(seeds)
    for name, view in place.weights.named.items():
        for k, model in enumerate(models):
            view[k].copy_(model.get_parameter(name).detach())
    worst = 0.0
    for _ in range(2):  # twice: buffers of intermediate values are used again
        with torch.no_grad(), borrowed_rng():
            place.start(STEP)
            losses = place.losses(form.prepare(batch)).clone()
        for k, model in enumerate(models):
            with borrowed_rng(mixed_seed(seeds[k], STEP, 1)):
                model.zero_grad()
                loss = task.loss_of(model, batch)
                loss.backward()
            pairs = [(losses[k], loss.detach())]
            pairs += [(place.grads.named[n][k], p.grad) for n, p in model.named_parameters()]
            pairs += [(place.buffers[n][k], b) for n, b in model.named_buffers()]
            worst = max([worst, *(float((a - b).abs().max()) for a, b in pairs)])
    with torch.no_grad():
        outputs = place.outputs(form.prepare(batch))
        for k, model in enumerate(models):
            alone = model.eval()(*task.split(batch)[0])
            worst = max(worst, float((outputs[k] - alone).abs().max()))
    return worst


WITH_TILES = [(name, 1 << 20) for name in STACKED]
# Small tiles matter where there are images to convolve.
WITH_TILES += [(name, 4096) for name, (_, shape) in STACKED.items() if len(shape) == 4]


@pytest.mark.parametrize(("name", "tile"), WITH_TILES)
def test_stacked_form_equals_single_models(name, tile, monkeypatch):
    make, shape = STACKED[name]
    monkeypatch.setattr(convolution, "TILE_BYTES", tile)
    task = task_for(make, shape)
    batch = task.batch(task.train, torch.arange(N))
    form = StackedForm(task, task.make_model(0), batch)
    assert worst_difference(task, form, batch) < 1e-10
    # a short last batch, and one member alone
    assert worst_difference(task, form, task.batch(task.train, torch.arange(4)), seeds=(3,)) < 1e-10


@pytest.mark.parametrize("name", VMAPPED)
def test_vmapped_form_equals_single_models(name):
    make, shape = VMAPPED[name]
    task = task_for(make, shape)
    batch = task.batch(task.train, torch.arange(N))
    form = VmappedForm(task, task.make_model(0), batch)
    assert form.one_seed == (name == "functional")
    assert worst_difference(task, form, batch, seeds=(3, 3, 3)) < 1e-10


def smooth_loss(output, target):
    return (output.logsumexp(1) - output[:, 0] * (target + 1)).square().mean()


@pytest.mark.parametrize(
    "loss",
    [nn.CrossEntropyLoss(), F.cross_entropy, nn.CrossEntropyLoss(label_smoothing=0.1), nn.NLLLoss(), smooth_loss],
    ids=["module", "function", "smoothed", "nll", "own"],
)
def test_losses_of_classes(loss):
    task = task_for(mlp_with(nn.ReLU), FLAT, loss)
    batch = task.batch(task.train, torch.arange(N))
    assert worst_difference(task, StackedForm(task, task.make_model(0), batch), batch) < 1e-10


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(), F.mse_loss, nn.L1Loss(), nn.BCEWithLogitsLoss(), nn.MSELoss(reduction="sum")]
)
def test_losses_of_numbers(loss):
    generator = torch.Generator().manual_seed(5)
    x, y = torch.randn(N, 5, generator=generator, dtype=D), torch.rand(N, 2, generator=generator, dtype=D)
    task = Task(lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)).to(D), (x, y), (x, y), loss=loss)
    form = StackedForm(task, task.make_model(0), (x, y))
    assert worst_difference(task, form, (x, y)) < 1e-10


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.last = nn.Linear(5, 5), nn.Linear(5, CLASSES)

    def forward(self, x):
        return self.last(self.layer(self.layer(x)))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(5, CLASSES)

    def forward(self, x):
        return self.last(x) if x.sum() > 0 else self.last(-x)


class Choosing(Branching):
    def forward(self, x):
        y = self.last(x)
        return y if y.sum() > 0 else -y


class Counting(Branching):
    """Behaves differently from call to call."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return self.last(x) * 1.0 if self.calls % 2 else self.last(x)


class Random(Branching):
    def forward(self, x):
        return self.last(x) * (1.0 if random.random() < 0.5 else 2.0)


def hooked():
    layers = nn.Sequential(nn.Linear(5, CLASSES))
    layers.register_forward_hook(lambda *_: None)
    return layers


class Transposing(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(5, CLASSES)

    def forward(self, x):
        return self.last(x).t().t()


class Overwriting(nn.Module):
    """An in-place activation whose input is used again: the sum sees the changed value."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 5), nn.Linear(5, CLASSES)

    def forward(self, x):
        h = self.first(x)
        return self.last(F.relu(h, inplace=True) + h)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Twice, "more than one layer"),
        (Branching, "cannot be traced"),
        (Scaled, "outside of a layer"),
        (Counting, "changes attributes"),
        (Random, "draws random numbers"),
        (hooked, "hooks"),
        (Transposing, "batch as its first dimension"),
        (Overwriting, "in-place"),
        (sequence(lambda: nn.Linear(5, CLASSES).requires_grad_(False)), "frozen"),
        (sequence(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(5, CLASSES))), "hooks or parametrizations"),
    ],
)
def test_what_has_no_stacked_form_is_refused_with_the_reason(make, words):
    task = task_for(make, FLAT)
    batch = task.batch(task.train, torch.arange(N))
    with pytest.raises(Unsupported, match=words):
        StackedForm(task, task.make_model(0), batch)


@pytest.mark.parametrize("make", [Choosing, Counting, sequence(lambda: nn.Linear(5, CLASSES).requires_grad_(False))])
def test_what_vmap_cannot_do_is_refused_with_the_reason(make):
    task = task_for(make, FLAT)
    batch = task.batch(task.train, torch.arange(N))
    with pytest.raises(Unsupported, match=r"vmap fails|changes attributes|frozen"):
        VmappedForm(task, task.make_model(0), batch)


def test_template_is_only_read():
    task = task_for(*STACKED["residual"])
    batch = task.batch(task.train, torch.arange(N))
    for form in (StackedForm, VmappedForm):
        template = task.make_model(0)
        before = {name: value.clone() for name, value in template.state_dict().items()}
        form(task, template, batch)
        assert template.training
        assert all(torch.equal(before[name], value) for name, value in template.state_dict().items())
