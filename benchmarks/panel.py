"""The panel: pairs of task and model on which the quality of a found rate is measured.

The *design* tasks were used to develop and calibrate the method; the *report* tasks only to report on it.
Each task is trained with three optimizers, each with a schedule of its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.data.spirals import spirals
from surefoot.tasks.data.surfaces import mean_height, quadratic
from surefoot.tasks.data.tiny_text import tiny_text
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.recurrent import recurrent
from surefoot.tasks.models.transformer import transformer
from surefoot.tasks.task import Task

__all__ = ["CASES", "Case", "cases_in", "make_task"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One training whose rate is sought."""

    task: str
    panel: str
    optimizer: str
    options: dict[str, Any]
    schedule: str
    epochs: float
    batch_size: int | str

    @property
    def name(self) -> str:
        return f"{self.task} {self.label}"

    @property
    def label(self) -> str:
        return f"{self.optimizer}{'+momentum' if self.options.get('momentum') else ''} {self.schedule}"


Row = tuple[str, str, float, int | str, tuple[tuple[tuple[str, dict[str, Any]], str], ...]]
"""A task: its name, its panel, epochs, batch size, and how it is trained: optimizers with options, and schedules."""


def cases_in(rows: tuple[Row, ...]) -> tuple[Case, ...]:
    """A case for every training in a panel's table."""
    return tuple(
        Case(task, panel, optimizer, options, schedule, epochs, batch)
        for task, panel, epochs, batch, trainings in rows
        for (optimizer, options), schedule in trainings
    )


def split_at(x: torch.Tensor, y: torch.Tensor, count: int) -> dict[str, Any]:
    return {"train": (x[:count], y[:count]), "val": (x[count:], y[count:])}


def _friedman() -> Task:
    """Friedman's first function (1991) with noise; a deep ReLU network, squared error."""
    rng = torch.Generator().manual_seed(11)
    x = torch.rand(900, 10, generator=rng)
    y = 10 * torch.sin(math.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = (y + torch.randn(900, generator=rng) - 14.4) / 5.0

    def model() -> nn.Module:
        hidden = [layer for _ in range(3) for layer in (nn.Linear(32, 32), nn.ReLU())]
        return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), *hidden, nn.Linear(32, 1), nn.Flatten(0))

    return Task(model, **split_at(x, y, 600), loss=nn.MSELoss(), name="friedman-deep")


def _least_squares() -> Task:
    """Noisy linear regression with a condition number of about 300."""
    rng = torch.Generator().manual_seed(12)
    scale = torch.logspace(0, -1.25, 20)
    x = torch.randn(600, 20, generator=rng) * scale
    y = x @ (torch.randn(20, generator=rng) / scale.sqrt()) + 0.5 * torch.randn(600, generator=rng)
    model = lambda: nn.Sequential(nn.Linear(20, 1), nn.Flatten(0))  # noqa: E731
    return Task(model, **split_at(x, y, 400), loss=nn.MSELoss(), name="least-squares")


def _few_digits() -> Task:
    """150 digits to train on and a wide network: it overfits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(13))
    x = torch.tensor(data.data, dtype=torch.float32)[order] / 16
    y = torch.tensor(data.target)[order]
    model = lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))  # noqa: E731
    return Task(model, train=(x[:150], y[:150]), val=(x[150:750], y[150:750]), loss=nn.CrossEntropyLoss(), name="few")


class _Sum(nn.Module):
    """Elman network that reads a sequence and answers at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2 + 24, 24)
        self.outer = nn.Linear(24, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x.new_zeros(x.shape[0], 24)
        for time in range(x.shape[1]):
            state = torch.tanh(self.inner(torch.cat([x[:, time], state], 1)))
        return self.outer(state).squeeze(1)


def _marked_sum() -> Task:
    """The adding problem (Hochreiter and Schmidhuber 1997) over 12 steps: add the two marked numbers."""
    rng = torch.Generator().manual_seed(14)
    numbers = torch.rand(1200, 12, generator=rng)
    marks = torch.zeros(1200, 12).scatter_(1, torch.rand(1200, 12, generator=rng).topk(2).indices, 1.0)
    x, y = torch.stack([numbers, marks], 2), (numbers * marks).sum(1)
    return Task(_Sum, **split_at(x, y, 900), loss=nn.MSELoss(), name="marked-sum")


def _mnist_norm() -> Task:
    """2,000 images of MNIST, pooled to 14x14, MLP with batch normalisation."""
    from surefoot.tasks.data.mnist import mnist_small

    split = mnist_small()
    pooled = [
        nn.functional.avg_pool2d(x.reshape(-1, 1, 28, 28), 2).flatten(1) for x in (split.x[:2000], split.xv[:800])
    ]
    model = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(196, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    data = {"train": (pooled[0], split.y[:2000]), "val": (pooled[1], split.yv[:800])}
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-norm")


def _text(name: str, model: Callable[[], nn.Module]) -> Task:
    """Next character of 512 pieces of prose, 16 characters each."""
    split = tiny_text(length=16)
    data = {"train": (split.x[:512], split.y[:512]), "val": (split.xv[:128], split.yv[:128])}
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name=name)


def _bowl() -> Task:
    surface = quadratic(eigenvalues=(20.0, 8.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01), noise=1.0, rotation=3, rows=256)
    data = surface.split
    return Task(surface.model, train=(data.x, data.y), val=(data.xv, data.yv), loss=mean_height, name="bowl")


def _half_spirals() -> Task:
    """Two arms of half a turn; tanh network. The catalogue's three whole turns stay half learned at this length."""
    split = spirals(arms=2, points=300, turns=0.6)
    model = partial(mlp, (2, 24, 24, 2), activation="tanh")
    data = {"train": (split.x, split.y), "val": (split.xv, split.yv)}
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="half-spirals")


_MADE: dict[str, Callable[[], Task]] = {
    "bowl": _bowl,
    "few-digits": _few_digits,
    "friedman-deep": _friedman,
    "half-spirals": _half_spirals,
    "least-squares": _least_squares,
    "marked-sum": _marked_sum,
    "mnist-norm": _mnist_norm,
    "text-gru": lambda: _text("text-gru", partial(recurrent, 63, width=32)),
    "text-transformer": lambda: _text("text-transformer", partial(transformer, 63, context=16, width=32)),
}


def make_task(name: str) -> Task:
    """The task of that name: of a panel, or of the catalogue."""
    from panel_apart import APART_TASKS
    from panel_blind import BLIND_TASKS
    from panel_held import HELD_TASKS
    from panel_kept import KEPT_TASKS
    from panel_last import LAST_TASKS
    from panel_more import MORE_TASKS
    from panel_ordinary import ORDINARY_TASKS
    from panel_sealed import SEALED_TASKS
    from panel_wide import WIDE_TASKS

    made = _MADE | MORE_TASKS | ORDINARY_TASKS | LAST_TASKS | WIDE_TASKS | HELD_TASKS | KEPT_TASKS | BLIND_TASKS
    made |= SEALED_TASKS | APART_TASKS
    return made[name]() if name in made else find_entry(name).make()


MOMENTUM: tuple[str, dict[str, Any]] = ("sgd", {"momentum": 0.9})
PLAIN: tuple[str, dict[str, Any]] = ("sgd", {})
ADAM: tuple[str, dict[str, Any]] = ("adam", {})
ADAMW: tuple[str, dict[str, Any]] = ("adamw", {"weight_decay": 0.01})
RMSPROP: tuple[str, dict[str, Any]] = ("rmsprop", {})

_PANEL = (
    ("digits", "design", 12, 64, ((MOMENTUM, "cosine"), (ADAM, "constant"), (RMSPROP, "linear"))),
    ("spirals", "design", 40, 32, ((MOMENTUM, "constant"), (ADAMW, "cosine"), (PLAIN, "one-cycle"))),
    ("half-spirals", "design", 40, 32, ((MOMENTUM, "cosine"), (ADAM, "constant"), (PLAIN, "linear"))),
    ("diabetes", "design", 40, 32, ((MOMENTUM, "linear"), (ADAM, "cosine"), (RMSPROP, "constant"))),
    ("least-squares", "design", 40, 40, ((PLAIN, "constant"), (ADAM, "linear"), (MOMENTUM, "one-cycle"))),
    ("digits-bn", "design", 8, 64, ((MOMENTUM, "constant"), (ADAM, "one-cycle"), (RMSPROP, "cosine"))),
    ("text-gru", "design", 10, 16, ((MOMENTUM, "cosine"), (ADAM, "constant"), (RMSPROP, "linear"))),
    ("few-digits", "design", 80, 30, ((PLAIN, "cosine"), (ADAMW, "constant"), (MOMENTUM, "linear"))),
    ("breast-cancer", "report", 20, 32, ((MOMENTUM, "constant"), (ADAM, "cosine"), (RMSPROP, "linear"))),
    ("digits-cnn", "report", 10, 64, ((MOMENTUM, "cosine"), (ADAMW, "constant"), (PLAIN, "linear"))),
    ("friedman-deep", "report", 25, 40, ((MOMENTUM, "linear"), (ADAM, "constant"), (RMSPROP, "cosine"))),
    ("bowl", "report", 40, 32, ((PLAIN, "constant"), (ADAM, "cosine"), (MOMENTUM, "linear"))),
    ("mnist-norm", "report", 10, 50, ((MOMENTUM, "one-cycle"), (ADAM, "linear"), (RMSPROP, "constant"))),
    ("marked-sum", "report", 20, 45, ((PLAIN, "cosine"), (ADAM, "one-cycle"), (RMSPROP, "constant"))),
    ("text-transformer", "report", 10, 16, ((MOMENTUM, "constant"), (ADAMW, "cosine"), (RMSPROP, "linear"))),
    ("wine", "report", 60, 16, ((MOMENTUM, "one-cycle"), (ADAM, "constant"), (PLAIN, "cosine"))),
)

CASES = cases_in(_PANEL)
