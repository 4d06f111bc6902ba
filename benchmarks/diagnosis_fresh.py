"""More tasks of the corpus of diagnoses: made for one look at what was fitted and chosen without them, fitted on since.

Neither their data nor their networks are among those fitted on: recurrence with gates, images with pooled features,
dynamics, ratings, sets, experts, coordinates, cellular automata.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from diagnosis_varied import Training, Way, tabled
from surefoot.tasks.task import Task

__all__ = ["MADE", "way"]


def way(steps: int, batch: int, first: str, second: str, decay: str) -> Way:
    """A way of training with two optimizers, each at a constant rate and with a decay."""
    return Way(steps, batch, tuple(Training(key, one) for key in (first, second) for one in ("constant", decay)), 0.0)


class _Last(nn.Module):
    """Long short-term memory that answers after the last symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.codes, self.inner = nn.Embedding(4, 8), nn.Linear(8 + 16, 64)
        self.outer = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        known = self.codes(x)
        state = memory = known.new_zeros(x.shape[0], 16)
        for time in range(x.shape[1]):
            gates = self.inner(torch.cat([known[:, time], state], 1)).chunk(4, 1)
            memory = torch.sigmoid(gates[0] + 1.0) * memory + torch.sigmoid(gates[1]) * torch.tanh(gates[2])
            state = torch.sigmoid(gates[3]) * torch.tanh(memory)
        found: Tensor = self.outer(state)
        return found


def _brackets() -> Task:
    """Whether a line of two kinds of brackets is nested rightly, or has one bracket of the wrong kind."""
    rng = np.random.default_rng(301)
    x, y = np.zeros((800, 12), int), rng.integers(0, 2, 800)
    for row, wrong in zip(x, y, strict=True):
        held: list[int] = []
        for at in range(12):
            opens = not held or (len(held) < 12 - at and rng.random() < 0.5)
            row[at] = int(rng.integers(0, 2)) if opens else held.pop() + 2
            if opens:
                held.append(row[at])
        if wrong:
            closing = rng.choice(np.flatnonzero(row >= 2))
            row[closing] = 5 - row[closing]
    return tabled("brackets", x, y, _Last)


def _shapes() -> Task:
    """Outlines of four shapes anywhere in an image of 12 x 12."""
    rng = np.random.default_rng(302)
    y = rng.integers(0, 4, 700)
    rows, columns = np.indices((12, 12))
    x = 0.25 * rng.standard_normal((700, 1, 12, 12))
    for image, kind in zip(x, y, strict=True):
        size = rng.integers(2, 4)
        a, b = rows - rng.integers(3, 9), columns - rng.integers(3, 9)
        far = (
            np.maximum(abs(a), abs(b)), abs(a) + abs(b), np.where(abs(a) <= size, abs(b), 9) + size,
            np.where(abs(b) <= size, abs(a), 9) + size,
        )[kind]  # fmt: skip
        image[0] += far == size

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2), nn.GroupNorm(3, 12), nn.SiLU(), nn.Conv2d(12, 12, 3, groups=12),
            nn.Conv2d(12, 16, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
        )  # fmt: skip

    return tabled("shapes", x, y, model)


class _Stepped(nn.Module):
    """A state that a small network moves on, four times."""

    def __init__(self) -> None:
        super().__init__()
        self.force = nn.Sequential(nn.Linear(2, 24), nn.Softplus(), nn.Linear(24, 2))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = x + 0.25 * self.force(x)
        return x


def _pendulum() -> Task:
    """Where a damped pendulum is a while later."""
    rng = np.random.default_rng(303)
    start = rng.uniform(-2, 2, (800, 2))
    state = start.copy()
    for _ in range(100):
        state = state + 0.01 * np.stack([state[:, 1], -np.sin(state[:, 0]) * 4 - 0.3 * state[:, 1]], 1)
    return tabled("pendulum", start, state, _Stepped, nn.MSELoss())


class _Tastes(nn.Module):
    """Users and things as points; a rating is their inner product and what each is given on average."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.things = nn.Embedding(60, 5), nn.Embedding(40, 5)
        self.mild, self.good = nn.Embedding(60, 1), nn.Embedding(40, 1)

    def forward(self, x: Tensor) -> Tensor:
        user, thing = x[:, 0], x[:, 1]
        found: Tensor = (self.users(user) * self.things(thing)).sum(1) + (self.mild(user) + self.good(thing)).squeeze(1)
        return found


def _ratings() -> Task:
    rng = np.random.default_rng(304)
    x = np.stack([rng.integers(0, 60, 1600), rng.integers(0, 40, 1600)], 1)
    users, things = rng.standard_normal((60, 3)), rng.standard_normal((40, 3))
    y = 3 + (users[x[:, 0]] * things[x[:, 1]]).sum(1) / 1.5 + 0.3 * rng.standard_normal(1600)
    return tabled("ratings", x, y, _Tastes, nn.MSELoss())


class _Set(nn.Module):
    """Elements told apart one by one, then added."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(2, 20), nn.GELU(), nn.Linear(20, 20), nn.GELU())
        self.all = nn.Sequential(nn.Linear(20, 20), nn.GELU(), nn.Linear(20, 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.all(self.each(x).mean(1))
        return found


def _clouds() -> Task:
    """How stretched a cloud of nine points is."""
    rng = np.random.default_rng(305)
    x = rng.standard_normal((700, 9, 2)) * rng.uniform(0.3, 2.0, (700, 1, 2))
    y = np.log(x.std(1)[:, 0] / x.std(1)[:, 1])
    return tabled("clouds", x, y, _Set, nn.HuberLoss(delta=0.5))


class _Experts(nn.Module):
    """Three straight answers, and a gate that says whose counts."""

    def __init__(self) -> None:
        super().__init__()
        self.answers, self.gate = nn.Linear(6, 3), nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = (torch.softmax(self.gate(x), 1) * self.answers(x)).sum(1)
        return found


def _regimes() -> Task:
    """Two straight laws, each in its half of the world."""
    rng = np.random.default_rng(306)
    x = rng.standard_normal((900, 6))
    laws = rng.standard_normal((2, 6))
    y = np.where(x[:, 0] + x[:, 1] > 0.3, x @ laws[0], x @ laws[1] - 1) + 0.2 * rng.standard_normal(900)
    return tabled("regimes", x, y, _Experts, nn.MSELoss())


class _Picture(nn.Module):
    """A picture as a function of where one looks, through fixed waves of many pitches."""

    def __init__(self) -> None:
        super().__init__()
        pitch = torch.randn(2, 16, generator=torch.Generator().manual_seed(6)) * 4
        self.register_buffer("pitch", pitch)
        self.read = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        angle = x @ self.pitch  # type: ignore[operator]
        found: Tensor = self.read(torch.cat([angle.sin(), angle.cos()], 1))
        return found


def _picture() -> Task:
    """The colours of a picture of discs at random places."""
    rng = np.random.default_rng(307)
    x = rng.uniform(-1, 1, (1200, 2))
    y = np.full((1200, 3), 0.2)
    for _ in range(6):
        inside = ((x - rng.uniform(-1, 1, 2)) ** 2).sum(1) < rng.uniform(0.05, 0.3)
        y[inside] = rng.uniform(0, 1, 3)
    return tabled("picture", x, y, _Picture, nn.MSELoss())


def _automaton() -> Task:
    """Where cells live two steps of rule 30 later."""
    rng = np.random.default_rng(308)
    start = rng.integers(0, 2, (700, 18)).astype(float)
    now = start
    for _ in range(2):
        left, right = np.roll(now, 1, 1), np.roll(now, -1, 1)
        now = np.abs(left - np.maximum(now, right))

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(1, 10, 3, padding=1), nn.ELU(), nn.Conv1d(10, 10, 3, padding=1), nn.ELU(), nn.Conv1d(10, 1, 1),
        )  # fmt: skip

    return tabled("automaton", start[:, None], now[:, None], model, nn.BCEWithLogitsLoss())


MADE: dict[str, tuple[Callable[[], Task], Way]] = {
    "brackets": (_brackets, way(180, 20, "adam", "nesterov", "cosine")),
    "shapes": (_shapes, way(150, 28, "momentum", "adamw", "one-cycle")),
    "pendulum": (_pendulum, way(220, 24, "sgd", "rmsprop", "linear")),
    "ratings": (_ratings, way(260, 60, "momentum", "adam", "linear")),
    "clouds": (_clouds, way(200, 21, "adamw", "sgd", "warmup:linear:0.05+cosine")),
    "regimes": (_regimes, way(240, 16, "nesterov", "rmsprop", "cosine")),
    "picture": (_picture, way(200, 50, "adam", "momentum", "polynomial")),
    "automaton": (_automaton, way(170, 14, "sgd", "adam", "warmup:linear:0.1+linear")),
}
"""Task: how it is made, and how it is trained."""
