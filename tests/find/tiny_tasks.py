"""Tasks whose response is known, small enough to search in a moment."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from surefoot.tasks.data.surfaces import mean_height, quadratic
from surefoot.tasks.task import Task

CURVATURES = (4.0, 1.0, 0.25, 0.05)
START = (1.0, 1.0, 1.0, 1.0)
STEPS = 80


def bowl(noise=0.0):
    """A bowl descended with its whole data as one batch: without noise the final loss is known exactly."""
    surface = quadratic(eigenvalues=CURVATURES, start=START, noise=noise, rows=32)
    data = surface.split
    return Task(surface.model, train=(data.x, data.y), val=(data.xv, data.yv), loss=mean_height, name="bowl")


def bowl_loss(lr, steps=STEPS):
    """Loss of plain gradient descent on the bowl: each coordinate shrinks by 1 - lr * curvature per step."""
    with np.errstate(over="ignore"):
        shrunk = [(1.0 - lr * c) ** (2 * steps) * c * s**2 / 2 for c, s in zip(CURVATURES, START, strict=True)]
    return sum(shrunk)


def share_lost(lr, steps=STEPS):
    best = min(bowl_loss(one, steps) for one in np.geomspace(1e-3, 0.5, 4000))
    return (bowl_loss(lr, steps) - best) / (bowl_loss(0.0) - best)


def best_rate(steps=STEPS):
    lrs = np.geomspace(1e-3, 0.5, 4000)
    return float(lrs[int(np.argmin([bowl_loss(lr, steps) for lr in lrs]))])


def blobs(size=96, noise=0.6, seed=0, model=None):
    """Two clouds of points and a small network."""
    rng = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % 2
    x = torch.randn(size, 2, generator=rng) * noise + (2.0 * y[:, None] - 1.0)
    cut = size * 2 // 3
    make = model or (lambda: nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)))
    return Task(make, train=(x[:cut], y[:cut]), val=(x[cut:], y[cut:]), loss=nn.CrossEntropyLoss(), name="blobs")


def unlearnable(size=64):
    """Validation labels are the opposite of the training's: whatever is learned makes it worse."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(size, 3, generator=rng)
    y = torch.randint(0, 2, (size,), generator=rng)
    model = nn.Linear(3, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return Task(model, train=(x, y), val=(x, 1 - y), loss=nn.CrossEntropyLoss(), name="unlearnable")


class _NoSlope(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x[:, :1] + 0.0 * self.weight


def constant_loss():
    """A loss that no parameter changes."""
    x = torch.linspace(-1, 1, 32)[:, None]
    return Task(_NoSlope, train=(x, 0 * x), val=(x, 0 * x), loss=nn.MSELoss(), name="constant")


def always_diverging():
    """A loss that is no number after the first update, whatever the rate."""

    class Explodes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x[:, :1] + self.weight + torch.where(self.weight != 0, math.inf, 0.0)

    x = torch.linspace(-1, 1, 32)[:, None]
    return Task(Explodes, train=(x, 0 * x + 1), val=(x, 0 * x + 1), loss=nn.MSELoss(), name="diverging")


class _HiddenValley(nn.Module):
    """A place that training moves up by the rate in every step; validation sees a valley around 1.5, else a plain."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(self, training):
        away = (self.place.clamp(min=1e-9) / 1.5).log() / math.log(5.0)
        return torch.where(training > 0, -self.place, (away**2).clamp(max=1.0))


def hidden_valley():
    """A validation loss of 1 until the place is above 0.3; it is 0 at 1.5 and 1 again from 7.5."""
    train, val = torch.ones(8), torch.zeros(8)
    return Task(
        _HiddenValley, train=(train, train), val=(val, val), loss=lambda output, target: output.mean(), name="valley"
    )
