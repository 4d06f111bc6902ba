"""Ordinary trainings like those of `panel_ordinary.py`, to be looked at once when everything was chosen again.

Real small data, usual networks, lengths over which they converge reasonably; no task is shared with any other panel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from surefoot.tasks.data.mnist import mnist_small
from surefoot.tasks.data.tiny_text import alphabet, tiny_text
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["LAST_CASES", "LAST_TASKS"]


class _Residual(nn.Module):
    """Two convolutions with batch normalisation, added to what went in (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.inside(x))


def _mnist_residual() -> Task:
    """700 images of MNIST, 14x14; a residual network with batch normalisation."""
    split = mnist_small()
    x = torch.cat([split.x[-700:], split.xv[-300:]]).reshape(-1, 1, 28, 28)
    y = torch.cat([split.y[-700:], split.yv[-300:]])

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), _Residual(8), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(72, 10),
        )  # fmt: skip

    data = split_at(nn.functional.avg_pool2d(x, 2), y, 700)
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-residual")


def _tumour_size() -> Task:
    """The area of a tumour's largest cell nuclei from the means of all; two hidden layers, squared error."""
    from sklearn.datasets import load_breast_cancer

    data = torch.tensor(load_breast_cancer().data, dtype=torch.float32)
    data = ((data - data.mean(0)) / data.std(0))[torch.randperm(569, generator=torch.Generator().manual_seed(41))]
    model = lambda: nn.Sequential(mlp((10, 32, 32, 1)), nn.Flatten(0))  # noqa: E731
    return Task(model, **split_at(data[:, :10], data[:, 23], 400), loss=nn.MSELoss(), name="tumour-size")


class _TextLSTM(nn.Module):
    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, 16)
        self.inside, self.out = nn.LSTM(16, 32, batch_first=True), nn.Linear(32, symbols)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(self.inside(self.embedding(codes))[0])
        return scores.transpose(1, 2)


def _text_lstm() -> Task:
    """The next character of 600 pieces of prose, 20 characters each; long short-term memory."""
    split = tiny_text(length=20, stride=12)
    order = torch.randperm(len(split.x), generator=torch.Generator().manual_seed(42))[:600]
    data = {"train": (split.x[order], split.y[order]), "val": (split.xv[:160], split.yv[:160])}
    return Task(partial(_TextLSTM, len(alphabet())), **data, loss=nn.CrossEntropyLoss(), name="text-lstm")


def _flower_denoised() -> Task:
    """Patches of a photograph without the noise that was put on them; three convolutions, squared error."""
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(43)
    grey = load_sample_image("flower.jpg").astype(float).mean(2)[:426].reshape(213, 2, 320, 2).mean((1, 3))
    grey = (grey - grey.mean()) / grey.std()
    rows, columns = rng.integers(0, 213 - 10, 800), rng.integers(0, 320 - 10, 800)
    clean = torch.tensor(
        np.stack([grey[r : r + 10, c : c + 10] for r, c in zip(rows, columns, strict=True)])[:, None],
        dtype=torch.float32,
    )
    noisy = clean + 0.5 * torch.tensor(rng.standard_normal(clean.shape), dtype=torch.float32)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(),
            nn.Conv2d(12, 1, 3, padding=1),
        )  # fmt: skip

    return Task(model, **split_at(noisy, clean, 560), loss=nn.MSELoss(), name="flower-denoised")


LAST_TASKS: dict[str, Callable[[], Task]] = {
    "flower-denoised": _flower_denoised,
    "mnist-residual": _mnist_residual,
    "text-lstm": _text_lstm,
    "tumour-size": _tumour_size,
}

_LAST = (
    ("mnist-residual", "last", 12, 35, ((MOMENTUM, "cosine"), (ADAMW, "one-cycle"), (PLAIN, "constant"))),
    ("tumour-size", "last", 30, 20, ((MOMENTUM, "constant"), (ADAM, "linear"), (RMSPROP, "cosine"))),
    ("text-lstm", "last", 12, 20, ((MOMENTUM, "linear"), (ADAM, "constant"), (RMSPROP, "one-cycle"))),
    ("flower-denoised", "last", 10, 28, ((MOMENTUM, "one-cycle"), (ADAMW, "cosine"), (PLAIN, "linear"))),
)

LAST_CASES = cases_in(_LAST)
