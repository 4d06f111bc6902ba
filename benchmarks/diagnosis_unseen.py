"""Unseen tasks of the corpus of diagnoses: made for one look at what was fitted and chosen without them.

Neither their data nor their networks are among those fitted on: attention, pairs, heat, likelihoods that can be
negative, quantiles, a deep narrow network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from diagnosis_fresh import way
from diagnosis_varied import Way, tabled
from surefoot.tasks.task import Task

__all__ = ["MADE"]


class _Recall(nn.Module):
    """One layer of attention from the last symbol to all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.codes, self.places = nn.Embedding(12, 16), nn.Embedding(9, 16)
        self.ask, self.key, self.value = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.outer = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 6))

    def forward(self, x: Tensor) -> Tensor:
        known = self.codes(x) + self.places.weight
        fit = (self.key(known) * self.ask(known[:, -1:])).sum(2) / 4.0
        found: Tensor = self.outer((torch.softmax(fit, 1)[:, :, None] * self.value(known)).sum(1))
        return found


def _recall() -> Task:
    """What symbol stood behind the one that is asked for, of four pairs."""
    rng = np.random.default_rng(401)
    keys = np.stack([rng.permutation(6)[:4] for _ in range(900)])
    values, asked = rng.integers(0, 6, (900, 4)), rng.integers(0, 4, 900)
    x = np.zeros((900, 9), int)
    x[:, 0:8:2], x[:, 1:8:2] = keys, values + 6
    rows = np.arange(900)
    x[:, 8] = keys[rows, asked]
    return tabled("recall", x, values[rows, asked], _Recall)


class _Twins(nn.Module):
    """Two rows through one network, and how far apart they come out."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(8, 20), nn.Tanh(), nn.Linear(20, 10))
        self.near = nn.Linear(10, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.near((self.each(x[:, 0]) - self.each(x[:, 1])).abs()).squeeze(1)
        return found


def _twins() -> Task:
    """Whether two rows come from the same of ten centres."""
    rng = np.random.default_rng(402)
    centres = 1.5 * rng.standard_normal((10, 8))
    first = rng.integers(0, 10, 900)
    same = rng.integers(0, 2, 900)
    second = np.where(same == 1, first, (first + rng.integers(1, 10, 900)) % 10)
    x = centres[np.stack([first, second], 1)] + 0.5 * rng.standard_normal((900, 2, 8))
    return tabled("twins", x, same.astype(float), _Twins, nn.BCEWithLogitsLoss())


def _heat() -> Task:
    """How heat on a ring has spread after a while: a few convolutions without anything between them."""
    rng = np.random.default_rng(403)
    now = start = rng.standard_normal((600, 1, 20))
    for _ in range(6):
        now = now + 0.2 * (np.roll(now, 1, 2) + np.roll(now, -1, 2) - 2 * now)

    def model() -> nn.Module:
        wide = {"padding": 2, "padding_mode": "circular"}
        return nn.Sequential(nn.Conv1d(1, 4, 5, **wide), nn.Conv1d(4, 4, 5, **wide), nn.Conv1d(4, 1, 1))  # type: ignore[arg-type]

    return tabled("heat", start, now, model, nn.MSELoss())


class _Spread(nn.Module):
    """Minus the log likelihood of a normal number, without its constant: it can be negative."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        log_scale = output[:, 1].clamp(-6, 6)
        return (log_scale + 0.5 * ((target - output[:, 0]) * torch.exp(-log_scale)) ** 2).mean()


def _spread() -> Task:
    """A number and how uncertain it is."""
    rng = np.random.default_rng(404)
    x = rng.uniform(-2, 2, (900, 3))
    y = np.sin(2 * x[:, 0]) + (0.05 + 0.3 * (x[:, 1] > 0)) * rng.standard_normal(900)
    model = lambda: nn.Sequential(nn.Linear(3, 30), nn.SiLU(), nn.Linear(30, 2))  # noqa: E731
    return tabled("spread", x, y, model, _Spread())


class _Pinball(nn.Module):
    """The loss of a quantile: the 0.9 quantile here."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        away = target - output
        return torch.maximum(0.9 * away, -0.1 * away).mean()


def _quantile() -> Task:
    rng = np.random.default_rng(405)
    x = rng.standard_normal((900, 5))
    y = x[:, 0] - 0.5 * x[:, 1] * x[:, 2] + rng.exponential(0.7, 900)

    def model() -> nn.Module:
        inside = [nn.Linear(5, 16), nn.Softsign(), nn.Linear(16, 16), nn.Softsign()]
        return nn.Sequential(*inside, nn.Linear(16, 1), nn.Flatten(0))

    return tabled("quantile", x, y, model, _Pinball())


class _Deep(nn.Module):
    """Ten narrow layers that each add a little."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 12), nn.Linear(12, 3)
        self.layers = nn.ModuleList(nn.Linear(12, 12) for _ in range(10))

    def forward(self, x: Tensor) -> Tensor:
        state = self.first(x)
        for layer in self.layers:
            state = state + 0.3 * torch.tanh(layer(state))
        found: Tensor = self.last(state)
        return found


def _deep() -> Task:
    """In which of three nested shapes four numbers lie."""
    rng = np.random.default_rng(406)
    x = rng.uniform(-1, 1, (900, 4))
    far = np.abs(x[:, 0] * x[:, 1]) + x[:, 2] ** 2 + 0.3 * x[:, 3]
    return tabled("deep", x, np.digitize(far, [0.2, 0.6]), _Deep)


MADE: dict[str, tuple[Callable[[], Task], Way]] = {
    "recall": (_recall, way(220, 30, "adamw", "momentum", "warmup:linear:0.05+cosine")),
    "twins": (_twins, way(180, 22, "sgd", "adam", "cosine")),
    "heat": (_heat, way(160, 20, "momentum", "rmsprop", "linear")),
    "spread": (_spread, way(240, 30, "adam", "sgd", "cosine")),
    "quantile": (_quantile, way(200, 25, "nesterov", "adamw", "linear")),
    "deep": (_deep, way(160, 30, "sgd", "rmsprop", "one-cycle")),
}
"""Task: how it is made, and how it is trained."""
