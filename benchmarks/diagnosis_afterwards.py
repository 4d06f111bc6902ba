"""Tasks made after everything was fitted and chosen, for one look: half of them of real data, in shapes of their own.

None of their data, and none of the ways in which they are put, are among those fitted on: photographs in patches,
penguins weighed, digits read row by row, pairs of handwritten images, gaps in a text, what is in a wine, sums, orders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from diagnosis_fresh import way
from diagnosis_networks import Gated
from diagnosis_varied import Way, tabled
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.transformer import transformer
from surefoot.tasks.task import Task

__all__ = ["MADE"]


def _photographs() -> Task:
    """Patches of two photographs, halved in size, made sharp again."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(501)
    patches = []
    for photograph in load_sample_images().images:
        grey = photograph.astype(float).mean(2) / 255 - 0.5
        for _ in range(500):
            a, b = rng.integers(0, grey.shape[0] - 10), rng.integers(0, grey.shape[1] - 10)
            patches.append(grey[a : a + 10, b : b + 10])
    y = np.stack(patches)[rng.permutation(1000)]
    x = y.reshape(1000, 5, 2, 5, 2).mean((2, 4))

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.PReLU(), nn.Conv2d(12, 4, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip

    return tabled("photographs", x[:, None], y[:, None], model, nn.L1Loss())


def _weighed() -> Task:
    """What a penguin weighs, from its bill and its flipper."""
    from surefoot.tasks.data.penguins import penguins

    split = penguins()
    x = torch.cat([split.x, split.xv])
    y = x[:, 3] / x[:, 3].std()
    model = lambda: nn.Sequential(mlp((3, 20, 20, 1), activation="elu"), nn.Flatten(0))  # noqa: E731
    return tabled("weighed", x[:, :3].numpy().astype(float), y.numpy().astype(float), model, nn.MSELoss())


def _read_in_rows() -> Task:
    """Handwritten digits read row by row by a gated recurrence."""
    from sklearn.datasets import load_digits

    data, order = load_digits(), np.random.default_rng(503).permutation(1797)[:1300]
    return tabled("read-in-rows", data.images[order] / 8 - 1, data.target[order], partial(Gated, 8, 24, 10))


class _Pair(nn.Module):
    """Two images through the same convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 16))
        self.last = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.each(x[:, :1]), self.each(x[:, 1:])
        found: Tensor = self.last(torch.cat([first * second, (first - second).abs()], 1))
        return found


def _larger() -> Task:
    """Which of two handwritten digits is the larger."""
    from surefoot.tasks.data.mnist import mnist_small

    split, rng = mnist_small(), np.random.default_rng(504)
    x = nn.functional.avg_pool2d(split.x.reshape(-1, 1, 28, 28), 2)[:, 0].numpy().astype(float)
    a, b = rng.integers(0, 3000, (2, 1200))
    y = (split.y.numpy()[a] > split.y.numpy()[b]).astype(float)
    return tabled("larger", np.stack([x[a], x[b]], 1), y, _Pair, nn.BCEWithLogitsLoss())


def _gaps() -> Task:
    """The character in a gap of a text, from four before and four behind."""
    from surefoot.tasks.data.tiny_text import tiny_text

    codes = tiny_text(length=16).x.numpy()
    rows = codes[:, 3:12]
    rows = rows[np.random.default_rng(505).permutation(len(rows))[:1500]]
    model = lambda: nn.Sequential(nn.Embedding(63, 10), nn.Flatten(), mlp((80, 64, 63), activation="gelu"))  # noqa: E731
    return tabled("gaps", np.delete(rows, 4, 1).astype(int), rows[:, 4].astype(int), model)


def _contents() -> Task:
    """Measurements of wines through two numbers and back."""
    from sklearn.datasets import load_wine

    data = load_wine().data[np.random.default_rng(506).permutation(178)]
    data = (data - data.mean(0)) / data.std(0)
    model = lambda: mlp((13, 16, 2, 16, 13), activation="silu")  # noqa: E731
    return tabled("contents", data, data, model, nn.SmoothL1Loss())


def _tumours() -> Task:
    """Size of a tumour's worst cell nuclei from the mean ones: straight, columns correlated."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer().data
    data = ((data - data.mean(0)) / data.std(0))[np.random.default_rng(507).permutation(569)]
    return tabled("tumours", data[:, :10], data[:, 20:], partial(nn.Linear, 10, 10), nn.MSELoss())


def _progress() -> Task:
    """Whether diabetes progressed more than in half of the patients: wide, normalised, with label smoothing."""
    from sklearn.datasets import load_diabetes

    data, order = load_diabetes(), np.random.default_rng(508).permutation(442)
    y = (data.target > np.median(data.target)).astype(int)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(10, 96), nn.LayerNorm(96), nn.ReLU(), nn.Dropout(0.3), nn.Linear(96, 2))

    return tabled("progress", data.data[order] * 20, y[order], model, nn.CrossEntropyLoss(label_smoothing=0.1))


class _Places(nn.Module):
    """A transformer that answers at its last place."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = transformer(11, context=7, width=24)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inside(x)[:, :, -1]
        return found


def _carried() -> Task:
    """The tens of a sum of two numbers of two places, digit by digit."""
    rng = np.random.default_rng(509)
    a, b = rng.integers(0, 100, (2, 1400))
    x = np.stack([a // 10, a % 10, np.full(1400, 10), b // 10, b % 10, np.full(1400, 10), np.full(1400, 10)], 1)
    return tabled("carried", x, (a + b) // 10 % 10, _Places)


def _ranked() -> Task:
    """Scores whose order is learned from pairs: a logistic loss of differences."""
    rng = np.random.default_rng(510)
    x = rng.standard_normal((1200, 2, 9))
    worth = np.exp(0.5 * x[..., 0]) + np.sin(2 * x[..., 1]) * x[..., 2]
    y = np.sign(worth[:, 0] - worth[:, 1])
    return tabled("ranked", x, y, _Ranker, _Ordered())


class _Ranker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.each = mlp((9, 32, 32, 1), activation="leaky-relu")

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = (self.each(x[:, 0]) - self.each(x[:, 1])).squeeze(1)
        return found


class _Ordered(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.softplus(-output * target).mean()


def _bouncing() -> Task:
    """The next place of a ball in a box, from its last five, through a deep plain network."""
    rng = np.random.default_rng(511)
    place, speed = rng.uniform(-1, 1, (1000, 2)), rng.uniform(-0.5, 0.5, (1000, 2))
    path = []
    for _ in range(6):
        path.append(place)
        place = place + speed
        beyond = np.abs(place) > 1
        speed = np.where(beyond, -speed, speed)
        place = np.where(beyond, 2 * np.sign(place) - place, place)
    model = partial(mlp, (10, 28, 28, 28, 28, 28, 28, 2))
    return tabled("bouncing", np.concatenate(path[:5], 1), path[5], model, nn.MSELoss())


def _rainfall() -> Task:
    """Amounts that are often nought: the unit deviance of Tweedie's distributions with power 1.5."""
    rng = np.random.default_rng(512)
    x = rng.standard_normal((1100, 6))
    mean = np.exp(0.5 * x[:, 0] - 0.3 * x[:, 1] ** 2 + 0.4 * np.tanh(x[:, 2] * x[:, 3]))
    y = rng.gamma(np.maximum(rng.poisson(mean), 1e-9), 1.0)
    model = lambda: nn.Sequential(mlp((6, 40, 1)), nn.Flatten(0))  # noqa: E731
    return tabled("rainfall", x, y, model, _Tweedie())


class _Tweedie(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        told = output.clamp(-8, 8)
        return (2 * target * torch.exp(-0.5 * told) + 2 * torch.exp(0.5 * told)).mean()


MADE: dict[str, tuple[Callable[[], Task], Way]] = {
    "photographs": (_photographs, way(180, 25, "adam", "momentum", "cosine")),
    "weighed": (_weighed, way(450, 19, "sgd", "adamw", "linear")),
    "read-in-rows": (_read_in_rows, way(120, 26, "rmsprop", "nesterov", "one-cycle")),
    "larger": (_larger, way(200, 30, "adamw", "sgd", "warmup:linear:0.1+linear")),
    "gaps": (_gaps, way(260, 45, "momentum", "adam", "polynomial")),
    "contents": (_contents, way(700, 12, "adam", "sgd", "cosine")),
    "tumours": (_tumours, way(350, 21, "momentum", "rmsprop", "linear")),
    "progress": (_progress, way(150, 17, "nesterov", "adam", "warmup:linear:0.05+cosine")),
    "carried": (_carried, way(220, 24, "adamw", "momentum", "cosine")),
    "ranked": (_ranked, way(500, 36, "sgd", "adam", "one-cycle")),
    "bouncing": (_bouncing, way(300, 50, "rmsprop", "momentum", "cosine")),
    "rainfall": (_rainfall, way(100, 22, "adagrad", "nesterov", "linear")),
}
"""Task: how it is made, and how it is trained."""
