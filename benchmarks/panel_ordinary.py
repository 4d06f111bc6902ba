"""Ordinary trainings: real small data, usual networks, lengths over which they converge reasonably.

The *ordinary* half is for developing the search for a rate, beside `panel_more.py`; the *fresh* half is looked at once,
after everything was chosen. Neither shares a task with the other, nor with any other panel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from surefoot.tasks.data.mnist import mnist_small
from surefoot.tasks.data.penguins import penguins
from surefoot.tasks.data.tables import iris
from surefoot.tasks.data.tiny_text import alphabet, prose
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.recurrent import GRUCell
from surefoot.tasks.models.transformer import Block
from surefoot.tasks.task import Task

__all__ = ["ORDINARY_CASES", "ORDINARY_TASKS"]


def _pooled(first: int, count: int, held: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of MNIST, 14x14, from the `first` one on; the last `held` of them from its test images."""
    split = mnist_small()
    x = torch.cat([split.x[first : first + count], split.xv[first // 10 : first // 10 + held]])
    y = torch.cat([split.y[first : first + count], split.yv[first // 10 : first // 10 + held]])
    return nn.functional.avg_pool2d(x.reshape(-1, 1, 28, 28), 2), y


def _mnist_mlp() -> Task:
    """1,000 images of MNIST, 14x14; one hidden layer."""
    x, y = _pooled(5000, 1000, 400)
    return Task(partial(mlp, (196, 48, 10)), **split_at(x.flatten(1), y, 1000), loss=nn.CrossEntropyLoss(), name="m")


def _mnist_cnn() -> Task:
    """800 images of MNIST, 14x14; two convolutions."""
    x, y = _pooled(8000, 800, 400)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * 25, 10),
        )  # fmt: skip

    return Task(model, **split_at(x, y, 800), loss=nn.CrossEntropyLoss(), name="mnist-cnn")


def _iris_deep() -> Task:
    """Iris, two hidden layers of tanh."""
    split = iris()
    data = {"train": (split.x, split.y), "val": (split.xv, split.yv)}
    model = partial(mlp, (4, 24, 24, 3), activation="tanh")
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="iris-deep")


def _patches() -> Task:
    """The brightness of a pixel of a photograph from the 24 around it; one hidden layer, squared error."""
    from sklearn.datasets import load_sample_image

    grey = torch.tensor(load_sample_image("china.jpg").mean(2), dtype=torch.float32)
    rng = torch.Generator().manual_seed(31)
    rows = torch.randint(0, grey.shape[0] // 3 - 5, (1500,), generator=rng)
    columns = torch.randint(0, grey.shape[1] // 3 - 5, (1500,), generator=rng)
    coarse = nn.functional.avg_pool2d(grey[None, None], 3)[0, 0]
    coarse = (coarse - coarse.mean()) / coarse.std()
    patch = torch.stack([coarse[r : r + 5, c : c + 5].flatten() for r, c in zip(rows, columns, strict=True)])
    around = torch.cat([patch[:, :12], patch[:, 13:]], 1)
    model = lambda: nn.Sequential(mlp((24, 32, 1)), nn.Flatten(0))  # noqa: E731
    return Task(model, **split_at(around, patch[:, 12], 1000), loss=nn.MSELoss(), name="patches")


def _penguin_mass() -> Task:
    """The body mass of a penguin from its other measurements; two hidden layers, squared error."""
    split = penguins()

    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([x[:, :3], x[:, 4:]], 1), x[:, 3]

    model = lambda: nn.Sequential(mlp((8, 24, 24, 1)), nn.Flatten(0))  # noqa: E731
    return Task(model, train=parts(split.x), val=parts(split.xv), loss=nn.MSELoss(), name="penguin-mass")


def _rows_of_digits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(seed))[:1200]
    x = torch.tensor(np.asarray(data.images), dtype=torch.float32)[order] / 16
    return x, torch.tensor(data.target)[order]


class _RowsGRU(nn.Module):
    """Reads an image row by row and answers at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = GRUCell(8, 24), nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x.new_zeros(x.shape[0], 24)
        for row in range(x.shape[1]):
            state = self.cell(self.cell.outside(x[:, row]), state)
        scores: torch.Tensor = self.out(state)
        return scores


class _RowsTransformer(nn.Module):
    """One block of attention over the rows of an image; their mean is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.out = nn.Linear(8, 24), nn.Linear(24, 10)
        self.places = nn.Parameter(0.1 * torch.randn(8, 24))
        self.block = Block(24, 2, 8, 0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(self.block(self.enter(x) + self.places).mean(1))
        return scores


def _rows(model: Callable[[], nn.Module], seed: int) -> Task:
    return Task(model, **split_at(*_rows_of_digits(seed), 800), loss=nn.CrossEntropyLoss(), name="rows")


class _Window(nn.Module):
    """The next character from the eight before it (Bengio et al. 2003): their embeddings side by side, one layer."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, 12)
        self.layers = mlp((96, 64, symbols), activation="tanh")

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layers(self.embedding(codes).flatten(1))
        return scores


def _text_window() -> Task:
    text, symbols = prose(), alphabet()
    codes = torch.tensor([symbols.index(one) for one in text])
    begins = torch.randperm(len(codes) - 9, generator=torch.Generator().manual_seed(32))[:2000]
    x = torch.stack([codes[begin : begin + 8] for begin in begins])
    return Task(
        partial(_Window, len(symbols)), **split_at(x, codes[begins + 8], 1500), loss=nn.CrossEntropyLoss(), name="text"
    )


ORDINARY_TASKS: dict[str, Callable[[], Task]] = {
    "iris-deep": _iris_deep,
    "mnist-cnn": _mnist_cnn,
    "mnist-mlp": _mnist_mlp,
    "patches": _patches,
    "penguin-mass": _penguin_mass,
    "rows-gru": lambda: _rows(_RowsGRU, 33),
    "rows-transformer": lambda: _rows(_RowsTransformer, 34),
    "text-window": _text_window,
}

_ORDINARY = (
    ("mnist-mlp", "ordinary", 12, 40, ((MOMENTUM, "cosine"), (ADAM, "constant"), (PLAIN, "linear"))),
    ("iris-deep", "ordinary", 40, 12, ((MOMENTUM, "constant"), (ADAMW, "one-cycle"), (RMSPROP, "cosine"))),
    ("patches", "ordinary", 15, 40, ((PLAIN, "constant"), (ADAM, "linear"), (MOMENTUM, "cosine"))),
    ("rows-transformer", "ordinary", 15, 40, ((MOMENTUM, "linear"), (ADAMW, "cosine"), (RMSPROP, "constant"))),
    ("mnist-cnn", "fresh", 10, 40, ((MOMENTUM, "constant"), (ADAM, "cosine"), (PLAIN, "one-cycle"))),
    ("penguin-mass", "fresh", 30, 16, ((MOMENTUM, "linear"), (ADAM, "constant"), (RMSPROP, "cosine"))),
    ("text-window", "fresh", 12, 50, ((PLAIN, "cosine"), (ADAMW, "linear"), (MOMENTUM, "constant"))),
    ("rows-gru", "fresh", 15, 40, ((MOMENTUM, "one-cycle"), (ADAM, "linear"), (RMSPROP, "constant"))),
)

ORDINARY_CASES = cases_in(_ORDINARY)
