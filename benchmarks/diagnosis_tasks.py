"""What the trainings of the corpus of diagnoses are of: tasks, split into two parts, and how each is trained.

The split is by data: no data set of the held-out tasks is among those the checks and the model of verdicts were fitted
on. It was fixed before anything was fitted.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

import panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.data.tables import digits
from surefoot.tasks.data.tiny_text import tiny_text
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.recurrent import recurrent
from surefoot.tasks.models.transformer import transformer
from surefoot.tasks.task import Task

__all__ = ["CALIBRATION", "FRESH", "HELD_OUT", "LENGTHS", "LOWEST", "RATES", "STEP", "TRAININGS", "make_task"]

SGD: tuple[str, dict[str, Any]] = ("sgd", {})
MOMENTUM: tuple[str, dict[str, Any]] = ("sgd", {"momentum": 0.9})
ADAM: tuple[str, dict[str, Any]] = ("adam", {})
ADAMW: tuple[str, dict[str, Any]] = ("adamw", {"weight_decay": 0.01})
RMS: tuple[str, dict[str, Any]] = ("rmsprop", {})

RATES = 11
STEP = 0.6
"""Decades between two rates of a sweep."""
LOWEST = {"sgd": -4.5, "momentum": -5.2, "adam": -5.6, "adamw": -5.6, "rmsprop": -5.9}
"""log10 of the lowest rate of a sweep."""

LENGTHS: dict[str, tuple[int, int | str]] = {
    # task: updates, batch size
    "digits": (300, 64),
    "digits-cnn": (200, 64),
    "digits-bn": (160, 64),
    "digits-autoencoder": (240, 48),
    "few-digits": (300, 25),
    "breast-cancer": (240, 24),
    "diabetes": (320, 32),
    "iris": (300, 12),
    "spirals": (400, 32),
    "half-spirals": (320, 32),
    "friedman-deep": (300, 40),
    "least-squares": (300, 20),
    "marked-sum": (240, 45),
    "markov-transformer": (160, 16),
    "xor": (400, "full"),
    "wine": (240, 12),
    "penguins": (280, 16),
    "bowl": (320, 16),
    "mnist-norm": (200, 50),
    "mnist-mlp": (160, 50),
    "text-gru": (160, 16),
    "text-elman": (160, 16),
    "text-transformer": (160, 16),
    "classes": (260, 32),
    "moons": (300, 20),
    "waves": (180, 32),
    "blobs": (240, 40),
    "curve": (320, 24),
}

CALIBRATION = (
    "digits", "digits-cnn", "digits-bn", "digits-autoencoder", "few-digits", "breast-cancer", "diabetes", "iris",
    "spirals", "half-spirals", "friedman-deep", "least-squares", "marked-sum", "markov-transformer", "xor",
)  # fmt: skip
HELD_OUT = ("wine", "penguins", "bowl", "mnist-norm", "mnist-mlp", "text-gru", "text-elman", "text-transformer")

FRESH = ("classes", "moons", "waves", "blobs", "curve")
"""Made after everything was fitted and chosen, and looked at once."""


@dataclasses.dataclass(frozen=True)
class Training:
    """An optimizer and a schedule; a whole sweep of rates is trained with it."""

    optimizer: str
    options: dict[str, Any]
    schedule: str

    @property
    def key(self) -> str:
        return "momentum" if self.options.get("momentum") else self.optimizer


_PAIRS = {
    0: (SGD, ADAM), 1: (MOMENTUM, ADAMW), 2: (MOMENTUM, RMS), 3: (SGD, RMS), 4: (MOMENTUM, ADAM),
}  # fmt: skip


def _trainings(place: int) -> tuple[Training, ...]:
    """Two optimizers, each at a constant and at a decaying rate: the decay is the counterfactual of a noise floor."""
    return tuple(
        Training(name, options, schedule)
        for name, options in _PAIRS[place % len(_PAIRS)]
        for schedule in ("constant", ("cosine", "linear", "warmup:linear:0.05+cosine")[place % 3])
    )


TRAININGS = {name: _trainings(place) for place, name in enumerate((*CALIBRATION, *HELD_OUT, *FRESH))}


def _autoencoder() -> Task:
    """Digits through 12 numbers and back; squared error."""
    split = digits()
    model = lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 12), nn.Linear(12, 64))  # noqa: E731
    return Task(model, train=(split.x, split.x), val=(split.xv, split.xv), loss=nn.MSELoss(), name="digits-autoencoder")


def _markov() -> Task:
    """Next symbol of a random chain of order 1 over 12 symbols; transformer."""
    rng = torch.Generator().manual_seed(21)
    chances = torch.softmax(2.5 * torch.randn(12, 12, generator=rng), 1)
    codes = torch.randint(12, (640, 1), generator=rng)
    for _ in range(16):
        codes = torch.cat([codes, torch.multinomial(chances[codes[:, -1]], 1, generator=rng)], 1)
    x, y = codes[:, :-1], codes[:, 1:]
    model = partial(transformer, 12, context=16, width=24)
    return Task(model, train=(x[:512], y[:512]), val=(x[512:], y[512:]), loss=_symbols, name="markov-transformer")


def _symbols(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(output, target)


def _elman() -> Task:
    split = tiny_text(length=16)
    data = {"train": (split.x[:512], split.y[:512]), "val": (split.xv[:128], split.yv[:128])}
    model = partial(recurrent, 63, width=32, cell="elman")
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="text-elman")


def _mnist_mlp() -> Task:
    from surefoot.tasks.data.mnist import mnist_small

    split = mnist_small()
    pooled = [
        nn.functional.avg_pool2d(x.reshape(-1, 1, 28, 28), 2).flatten(1) for x in (split.x[:3000], split.xv[:600])
    ]
    model = partial(mlp, (196, 64, 10))
    data = {"train": (pooled[0], split.y[:3000]), "val": (pooled[1], split.yv[:600])}
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-mlp")


def _classes() -> Task:
    from sklearn.datasets import make_classification

    x, y = make_classification(
        900, 24, n_informative=8, n_classes=4, flip_y=0.05, class_sep=1.2, random_state=11
    )  # fmt: skip
    return _tabled("classes", x, y, partial(mlp, (24, 48, 48, 4)))


def _moons() -> Task:
    from sklearn.datasets import make_moons

    x, y = make_moons(700, noise=0.15, random_state=12)
    return _tabled("moons", x, y, partial(mlp, (2, 24, 24, 2), activation="tanh"))


def _blobs() -> Task:
    from sklearn.datasets import make_blobs

    x, y = make_blobs(1000, 12, centers=7, cluster_std=5.0, random_state=13)
    return _tabled("blobs", x / 10, y, partial(nn.Linear, 12, 7))


def _waves() -> Task:
    """Noisy waves of five shapes, told apart by convolutions over time."""
    rng = np.random.default_rng(14)
    y = rng.integers(0, 5, 900)
    at = np.linspace(0, 1, 48)
    phase, pitch = rng.uniform(0, 1, (900, 1)), (1.5 + y)[:, None]
    x = np.sin(2 * np.pi * (pitch * at + phase)) + 0.5 * rng.standard_normal((900, 48))

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Unflatten(1, (1, 48)), nn.Conv1d(1, 8, 7), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 12, 5), nn.ReLU(),
            nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(48, 5),
        )  # fmt: skip

    return _tabled("waves", x, y, model)


def _curve() -> Task:
    rng = np.random.default_rng(15)
    x = rng.uniform(-2, 2, (800, 1))
    y = np.sin(3 * x) * np.exp(-(x**2) / 3) + 0.1 * rng.standard_normal((800, 1))
    return _tabled("curve", x, y, partial(mlp, (1, 40, 40, 1), activation="tanh"), loss=nn.MSELoss())


def _tabled(name: str, x: Any, y: Any, model: Any, loss: Any = None) -> Task:
    rows = torch.tensor(x, dtype=torch.float32)
    target = torch.tensor(y, dtype=torch.long if loss is None else torch.float32)
    cut = int(0.75 * len(rows))
    data = {"train": (rows[:cut], target[:cut]), "val": (rows[cut:], target[cut:])}
    return Task(model, **data, loss=nn.CrossEntropyLoss() if loss is None else loss, name=name)


_MADE = {
    "classes": _classes,
    "moons": _moons,
    "blobs": _blobs,
    "waves": _waves,
    "curve": _curve,
    "digits-autoencoder": _autoencoder,
    "markov-transformer": _markov,
    "text-elman": _elman,
    "mnist-mlp": _mnist_mlp,
}
_PANEL = (
    "bowl", "few-digits", "friedman-deep", "half-spirals", "least-squares", "marked-sum", "mnist-norm", "text-gru",
    "text-transformer",
)  # fmt: skip


def make_task(name: str) -> Task:
    """The task of that name."""
    if name in _MADE:
        return _MADE[name]()
    return panel.make_task(name) if name in _PANEL else find_entry(name).make()
