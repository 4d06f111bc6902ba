"""More trainings to develop the search for a rate on: the *develop* half to choose with, the *confirm* half to confirm.

Neither half shares a task with the report panel. The networks are tiny, so that whole banks of trainings, many rates
over many lengths from many seeds, are made in minutes (see `find_replay.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.recurrent import recurrent
from surefoot.tasks.task import Task

__all__ = ["MORE_CASES", "MORE_TASKS"]


def _noisy_xor() -> Task:
    """Four noisy clouds at the corners of a square, sigmoid network, squared error: a plateau comes first."""
    rng = torch.Generator().manual_seed(21)
    corner = torch.randint(0, 2, (500, 2), generator=rng).float()
    x = 2 * corner - 1 + 0.35 * torch.randn(500, 2, generator=rng)
    y = (corner[:, 0] != corner[:, 1]).float()

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 1), nn.Sigmoid(), nn.Flatten(0))

    return Task(model, **split_at(x, y, 300), loss=nn.MSELoss(), name="noisy-xor")


def _digits_code() -> Task:
    """Digits squeezed through eight numbers and restored, squared error."""
    from sklearn.datasets import load_digits

    x = torch.tensor(load_digits().data, dtype=torch.float32)[:900] / 16
    model = partial(mlp, (64, 32, 8, 32, 64), activation="tanh")
    return Task(model, **split_at(x, x, 640), loss=nn.MSELoss(), name="digits-code")


def _counts() -> Task:
    """Counts whose logarithm a network predicts: the Poisson likelihood punishes large outputs exponentially."""
    rng = torch.Generator().manual_seed(23)
    x = torch.randn(700, 6, generator=rng)
    y = torch.poisson(torch.exp(0.8 * torch.sin(2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.5).clamp(max=20), rng)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1), nn.Flatten(0))

    return Task(model, **split_at(x, y, 480), loss=nn.PoissonNLLLoss(log_input=True), name="counts")


def _wrong_labels() -> Task:
    """Ten columns, three classes, a quarter of the labels drawn anew; wide network with dropout."""
    rng = torch.Generator().manual_seed(24)
    x = torch.randn(800, 10, generator=rng)
    y = (x @ torch.randn(10, 3, generator=rng) + 0.5 * x[:, :3] * x[:, 3:6]).argmax(1)
    y = torch.where(torch.rand(800, generator=rng) < 0.25, torch.randint(0, 3, (800,), generator=rng), y)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 3))

    return Task(model, **split_at(x, y, 400), loss=nn.CrossEntropyLoss(), name="wrong-labels")


def _brackets() -> Task:
    """The next symbol of random well-formed brackets of two kinds; Elman network."""
    rng = torch.Generator().manual_seed(25)
    rows = []
    for _ in range(400):
        row, stack = [], []
        for _ in range(13):
            if stack and float(torch.rand((), generator=rng)) < 0.5:
                row.append(2 + stack.pop())
            else:
                stack.append(int(torch.randint(0, 2, (), generator=rng)))
                row.append(stack[-1])
        rows.append(row)
    text = torch.tensor(rows)
    model = partial(recurrent, 4, width=16, cell="elman")
    return Task(model, **split_at(text[:, :-1], text[:, 1:], 280), loss=nn.CrossEntropyLoss(), name="brackets")


class _Ratings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.users, self.things = nn.Embedding(60, 6), nn.Embedding(40, 6)
        for table in (self.users, self.things):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        return (self.users(pair[:, 0]) * self.things(pair[:, 1])).sum(1)


def _ratings() -> Task:
    """Ratings of 40 things by 60 people, from two tables of factors: the start is a saddle."""
    rng = torch.Generator().manual_seed(26)
    people, things = torch.randn(60, 3, generator=rng), torch.randn(40, 3, generator=rng)
    pairs = torch.cartesian_prod(torch.arange(60), torch.arange(40))[torch.randperm(2400, generator=rng)[:1400]]
    y = (people[pairs[:, 0]] * things[pairs[:, 1]]).sum(1) + 0.4 * torch.randn(1400, generator=rng)
    return Task(_Ratings, **split_at(pairs, y, 1000), loss=nn.MSELoss(), name="ratings")


def _wave() -> Task:
    """A wave of four periods, deep narrow tanh network, squared error."""
    rng = torch.Generator().manual_seed(27)
    x = torch.rand(450, 1, generator=rng) * 2 - 1
    y = torch.sin(4 * math.pi * x[:, 0]) + 0.1 * torch.randn(450, generator=rng)
    model = lambda: nn.Sequential(mlp((1, 24, 24, 24, 1), activation="tanh"), nn.Flatten(0))  # noqa: E731
    return Task(model, **split_at(x, y, 300), loss=nn.MSELoss(), name="wave")


def _pulses() -> Task:
    """Which of four shapes a noisy signal of 32 samples holds; convolutions over time and group normalisation."""
    rng = torch.Generator().manual_seed(28)
    y = torch.randint(0, 4, (640,), generator=rng)
    time = torch.arange(32.0)
    place = 8 + 16 * torch.rand(640, 1, generator=rng)
    away = (time - place) / 3
    shapes = torch.stack([torch.exp(-(away**2)), away * torch.exp(-(away**2)), away.abs() < 1, torch.sinc(away)])
    x = 1.5 * shapes[y, torch.arange(640)] + 0.6 * torch.randn(640, 32, generator=rng)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(1, 8, 5), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv1d(8, 8, 5, stride=2), nn.ReLU(),
            nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(32, 4),
        )  # fmt: skip

    return Task(model, **split_at(x[:, None], y, 400), loss=nn.CrossEntropyLoss(), name="pulses")


class _Lookup(nn.Module):
    """Single-head attention with layer normalisation over eight entries."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mixed, self.out = nn.Linear(10, 16), nn.Linear(16, 48), nn.Linear(16, 4)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = self.enter(x)
        query, key, value = self.mixed(self.norm(state)).chunk(3, -1)
        weight = torch.softmax(query @ key.transpose(1, 2) / 4.0, -1)
        result: torch.Tensor = self.out((state + weight @ value)[:, 0])
        return result


def _lookup() -> Task:
    """The colour that stands beside the key asked for, among seven entries."""
    rng = torch.Generator().manual_seed(29)
    keys = torch.rand(700, 7, 6, generator=rng).round()
    asked = torch.randint(0, 7, (700,), generator=rng)
    colours = torch.randint(0, 4, (700, 7), generator=rng)
    entries = torch.cat([keys, nn.functional.one_hot(colours, 4).float()], 2)
    question = torch.cat([keys[torch.arange(700), asked], torch.zeros(700, 4)], 1)[:, None]
    x, y = torch.cat([question, entries], 1), colours[torch.arange(700), asked]
    return Task(_Lookup, **split_at(x, y, 480), loss=nn.CrossEntropyLoss(), name="lookup")


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(2, 24), nn.Linear(24, 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 24), nn.GELU(), nn.Linear(24, 24)) for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = self.enter(x)
        for block in self.blocks:
            state = state + block(state)
        result: torch.Tensor = self.leave(state)
        return result


def _squares() -> Task:
    """A board of sixteen black and white squares; residual network with layer normalisation."""
    rng = torch.Generator().manual_seed(30)
    x = torch.rand(700, 2, generator=rng) * 2 - 1
    y = ((x[:, 0] * 2).floor() + (x[:, 1] * 2).floor()).long() % 2
    return Task(_Residual, **split_at(x, y, 480), loss=nn.CrossEntropyLoss(), name="squares")


MORE_TASKS: dict[str, Callable[[], Task]] = {
    "brackets": _brackets,
    "counts": _counts,
    "digits-code": _digits_code,
    "lookup": _lookup,
    "noisy-xor": _noisy_xor,
    "pulses": _pulses,
    "ratings": _ratings,
    "squares": _squares,
    "wave": _wave,
    "wrong-labels": _wrong_labels,
}

_MORE = (
    ("noisy-xor", "develop", 40, 20, ((MOMENTUM, "constant"), (ADAM, "cosine"), (PLAIN, "one-cycle"))),
    ("penguins", "develop", 30, 16, ((MOMENTUM, "linear"), (RMSPROP, "constant"), (ADAMW, "one-cycle"))),
    ("digits-code", "develop", 30, 64, ((MOMENTUM, "cosine"), (ADAM, "constant"), (RMSPROP, "linear"))),
    ("counts", "develop", 25, 32, ((PLAIN, "cosine"), (ADAM, "linear"), (MOMENTUM, "constant"))),
    ("wrong-labels", "develop", 30, 32, ((PLAIN, "constant"), (ADAMW, "cosine"), (RMSPROP, "one-cycle"))),
    ("brackets", "develop", 30, 28, ((MOMENTUM, "linear"), (ADAM, "constant"), (RMSPROP, "cosine"))),
    ("ratings", "confirm", 20, 50, ((PLAIN, "linear"), (ADAM, "constant"), (MOMENTUM, "cosine"))),
    ("wave", "confirm", 40, 30, ((MOMENTUM, "constant"), (ADAM, "linear"), (RMSPROP, "cosine"))),
    ("pulses", "confirm", 20, 32, ((PLAIN, "cosine"), (ADAMW, "constant"), (MOMENTUM, "one-cycle"))),
    ("lookup", "confirm", 30, 32, ((MOMENTUM, "linear"), (ADAM, "cosine"), (RMSPROP, "constant"))),
    ("rosenbrock", "confirm", 50, 8, ((PLAIN, "constant"), (ADAM, "one-cycle"), (MOMENTUM, "linear"))),
    ("squares", "confirm", 40, 40, ((MOMENTUM, "cosine"), (ADAM, "constant"), (PLAIN, "linear"))),
)

MORE_CASES = cases_in(_MORE)
