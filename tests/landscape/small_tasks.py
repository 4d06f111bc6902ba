"""Tasks small enough to evaluate a plane of in a blink, of every kind that the ground treats differently."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from surefoot import Task


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(count, examples, seed=1):
    return torch.randint(count, (examples,), generator=torch.Generator().manual_seed(seed))


def vectors(model, *, loss=F.cross_entropy, examples=40, **more):
    x, y = drawn(examples, 5), classes(3, examples)
    return Task(model, (x, y), (x, y), loss=loss, name="small", **more)


def mlp():
    return vectors(lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)))


def linear():
    return vectors(lambda: nn.Linear(5, 3))


def with_dropout():
    return vectors(lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3)))


def with_batch_norm():
    return vectors(lambda: nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))


def convolution():
    x, y = drawn(30, 1, 6, 6), classes(3, 30)
    layers = lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))  # noqa: E731
    return Task(layers, (x, y), (x, y), loss=nn.CrossEntropyLoss(label_smoothing=0.1), name="convolution")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.layer(x).mean(dim=1))


def attention():
    x, y = drawn(20, 6, 4), classes(3, 20)
    return Task(Attention, (x, y), (x, y), loss=F.cross_entropy, name="attention")


def calls_the_model():
    return vectors(
        lambda: nn.Linear(5, 3),
        loss=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]) + 0.01 * model(batch[0]).square().mean(),
    )


def frozen_part():
    def build():
        model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
        model[0].weight.requires_grad_(False)
        return model

    return vectors(build)


class Branching(nn.Module):
    """Looks at its own numbers, which `vmap` forbids."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x):
        if float(self.layer.weight.sum()) > 1e6:
            return 2 * self.layer(x)
        return self.layer(x)


def branching():
    return vectors(Branching)


def valley(eigenvalues=(4.0, 0.5, 0.1)):
    """Linear regression whose Hessian has these eigenvalues, in float64."""
    scale = torch.tensor(eigenvalues, dtype=torch.float64).sqrt()
    x = torch.diag(scale) * len(eigenvalues) ** 0.5
    y = torch.zeros(len(eigenvalues), 1, dtype=torch.float64)

    def build():
        model = nn.Linear(len(eigenvalues), 1, bias=False, dtype=torch.float64)
        nn.init.ones_(model.weight)
        return model

    return Task(
        build, (x, y), (x, y), loss=lambda output, target: 0.5 * (output - target).square().mean(), name="valley"
    )


def frozen_bias():
    def build():
        model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
        model[0].bias.requires_grad_(False)
        return model

    return vectors(build)


def ignores_a_class():
    return vectors(
        lambda: nn.Sequential(nn.Linear(5, 8, bias=False), nn.ReLU(), nn.Linear(8, 3, bias=False)),
        loss=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), ignore_index=1),
    )


def sums_what_is_left():
    return vectors(lambda: nn.Linear(5, 3), loss=nn.CrossEntropyLoss(ignore_index=2, reduction="sum"))


def each_example_by_itself():
    return vectors(
        lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)),
        loss=lambda output, target: F.cross_entropy(output, target, reduction="none").max(),
    )


def soft_targets():
    x = drawn(30, 5)
    y = drawn(30, 3, seed=2).softmax(dim=1)
    return Task(lambda: nn.Linear(5, 3), (x, y), (x, y), loss=nn.CrossEntropyLoss(), name="soft")


def sequence():
    x, y = drawn(20, 6, 4), drawn(20, 6, 2, seed=3)
    layers = lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 2))  # noqa: E731
    return Task(layers, (x, y), (x, y), loss=nn.MSELoss(), name="sequence")


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self):
        super().__init__()
        self.inward, self.outward = nn.Linear(5, 3), nn.Linear(3, 5, bias=False)
        self.last = nn.Linear(5, 3)
        self.last.weight = self.inward.weight

    def forward(self, x):
        return self.last(self.outward(self.inward(x).tanh()))


def tied():
    return vectors(Tied)


FUSED = (
    mlp, linear, with_dropout, with_batch_norm, convolution, attention, calls_the_model, frozen_part, frozen_bias,
    ignores_a_class, sums_what_is_left, each_example_by_itself, soft_targets, sequence, tied,
)  # fmt: skip
