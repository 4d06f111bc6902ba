"""Ordinary trainings with large validation sets: few seeds suffice to tell a good rate from a better one.

Real data, usual networks, six kinds of loss, lengths over which they converge reasonably; no task is shared with any
other panel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from surefoot.tasks.data.mnist import mnist_small
from surefoot.tasks.data.tiny_text import alphabet, prose
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["HELD", "WIDE_CASES", "WIDE_TASKS", "Attention", "images", "tiles", "windows"]

HELD = 1000
"""Validation examples of images and text."""


def images(count: int, seed: int, held: int | None = HELD) -> tuple[torch.Tensor, torch.Tensor]:
    """That many training images of MNIST, 28x28, and `held` of its test images behind them; drawn by the seed.

    None takes all 2,000 test images as they come.
    """
    split, rng = mnist_small(), torch.Generator().manual_seed(seed)
    some = torch.randperm(len(split.x), generator=rng)[:count]
    behind = slice(None) if held is None else torch.randperm(len(split.xv), generator=rng)[:held]
    return torch.cat([split.x[some], split.xv[behind]]), torch.cat([split.y[some], split.yv[behind]])


def _mnist_dropout() -> Task:
    """2,000 images of MNIST, 14x14; two convolutions with batch normalisation, then dropout."""
    x, y = images(2000, 51)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Dropout(0.25), nn.Linear(256, 10),
        )  # fmt: skip

    data = split_at(nn.functional.avg_pool2d(x, 2), y, 2000)
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-dropout")


def _mnist_even() -> Task:
    """Whether the digit on an image of MNIST is even, from 3,000; two hidden layers with dropout, one yes or no."""
    x, y = images(3000, 52)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1), nn.Flatten(0),
        )  # fmt: skip

    return Task(model, **split_at(x, (y % 2 == 0).float(), 3000), loss=nn.BCEWithLogitsLoss(), name="mnist-even")


def _mnist_turned() -> Task:
    """By how much of 45 degrees an image of MNIST was turned, to either side; three convolutions, absolute error."""
    x, _ = images(2400, 53)
    y = 2 * torch.rand(len(x), generator=torch.Generator().manual_seed(54)) - 1
    angle, none = y * math.pi / 4, torch.zeros(len(x))
    turn = torch.stack([angle.cos(), -angle.sin(), none, angle.sin(), angle.cos(), none], 1).reshape(-1, 2, 3)
    ground = x.min()
    grid = nn.functional.affine_grid(turn, list(x.shape), align_corners=False)
    x = nn.functional.grid_sample(x - ground, grid, align_corners=False) + ground

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(108, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0),
        )  # fmt: skip

    return Task(model, **split_at(nn.functional.avg_pool2d(x, 2), y, 2400), loss=nn.L1Loss(), name="mnist-turned")


class Attention(nn.Module):
    """Attention of all to all and a two-layer part, each normalised before and added to what came in.

    The two-layer part is `wider` times as wide inside.
    """

    def __init__(self, width: int, heads: int = 2, wider: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, wider * width), nn.GELU(), nn.Linear(wider * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, length, width = x.shape
        each = width // self.heads
        parts = self.inward(self.first(x)).reshape(count, length, 3, self.heads, each).permute(2, 0, 3, 1, 4)
        likeness = parts[0] @ parts[1].transpose(-2, -1) / each**0.5
        taken = (torch.softmax(likeness, -1) @ parts[2]).transpose(1, 2).reshape(count, length, width)
        x = x + self.outward(taken)
        mixed: torch.Tensor = x + self.layers(self.second(x))
        return mixed


class _VisionTransformer(nn.Module):
    """Sixteen patches of 7x7 pixels, a block of attention, the mean classified (Dosovitskiy et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.out = nn.Linear(49, 32), nn.Linear(32, 10)
        self.places = nn.Parameter(0.02 * torch.randn(16, 32))
        self.blocks = nn.Sequential(Attention(32), nn.LayerNorm(32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = x.reshape(-1, 4, 7, 4, 7).transpose(2, 3).reshape(-1, 16, 49)
        scores: torch.Tensor = self.out(self.blocks(self.enter(patches) + self.places).mean(1))
        return scores


def _mnist_vision() -> Task:
    """1,600 images of MNIST; a small vision transformer, smoothed labels."""
    data = split_at(*images(1600, 55), 1600)
    return Task(_VisionTransformer, **data, loss=nn.CrossEntropyLoss(label_smoothing=0.1), name="mnist-vision")


def tiles(name: str, rows: int, size: int, count: int, seed: int) -> torch.Tensor:
    """That many colour tiles of a photograph, of `size` pixels a side and from its first rows; drawn by the seed."""
    from sklearn.datasets import load_sample_image

    photograph = torch.tensor(load_sample_image(name)[:rows].copy(), dtype=torch.float32).permute(2, 0, 1)
    photograph = (photograph - photograph.mean()) / photograph.std()
    cut = photograph.unfold(1, size, size).unfold(2, size, size).permute(1, 2, 0, 3, 4).reshape(-1, 3, size, size)
    return cut[torch.randperm(len(cut), generator=torch.Generator().manual_seed(seed))[:count]]


def windows(length: int, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of pieces of prose: `count` from its first four fifths, 1,000 from the last; drawn by the seed."""
    symbols, rng = alphabet(), torch.Generator().manual_seed(seed)
    codes = torch.tensor([symbols.index(one) for one in prose()])
    border = len(codes) * 4 // 5
    train, val = codes[:border].unfold(0, length, 1), codes[border:].unfold(0, length, 1)
    return (
        train[torch.randperm(len(train), generator=rng)[:count]],
        val[torch.randperm(len(val), generator=rng)[:HELD]],
    )


def _china_code() -> Task:
    """Colour tiles of a photograph, 8x8, squeezed through 16 numbers and restored; convolutions, squared error."""
    x = tiles("china.jpg", 424, 8, 1500 + HELD, 56)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 16),
            nn.Linear(16, 256), nn.ReLU(), nn.Unflatten(1, (16, 4, 4)), nn.ConvTranspose2d(16, 3, 4, 2, padding=1),
        )  # fmt: skip

    return Task(model, **split_at(x, x, 1500), loss=nn.MSELoss(), name="china-code")


class _Siamese(nn.Module):
    """How far apart two images come out of one network."""

    def __init__(self) -> None:
        super().__init__()
        self.each = mlp((64, 48, 12))

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        between: torch.Tensor = self.each(pair[:, 0]) - self.each(pair[:, 1])
        return (between.square().sum(1) + 1e-6).sqrt()


class _Contrastive(nn.Module):
    """Likes are to lie together, others at least 1 apart (Hadsell, Chopra and LeCun 2006)."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (target * output.square() + (1 - target) * torch.relu(1 - output).square()).mean()


def _digits_alike() -> Task:
    """Whether two images show the same digit: half of the pairs do; a Siamese network, contrastive loss."""
    from sklearn.datasets import load_digits

    data, rng = load_digits(), torch.Generator().manual_seed(57)
    order = torch.randperm(1797, generator=rng)
    images, digits = torch.tensor(data.data, dtype=torch.float32)[order] / 16, torch.tensor(data.target)[order]

    def pairs(first: int, last: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        one = torch.randint(first, last, (count,), generator=rng)
        alike = torch.arange(count) % 2 == 0
        fits = (digits[one][:, None] == digits[first:last]) == alike[:, None]
        other = first + torch.multinomial(fits.float(), 1, generator=rng)[:, 0]
        return torch.stack([images[one], images[other]], 1), alike.float()

    train, val = pairs(0, 900, 1536), pairs(900, 1797, HELD)
    return Task(_Siamese, train, val, loss=_Contrastive(), name="digits-alike")


class _TextEnd(nn.Module):
    """Reads characters with a gated recurrence and answers at its end."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, 16)
        self.inside, self.out = nn.GRU(16, 32, batch_first=True), nn.Linear(32, symbols)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(self.inside(self.embedding(codes))[0][:, -1])
        return scores


def _text_end() -> Task:
    """The character behind twelve others, from 2,048 places in prose; a gated recurrent unit."""
    train, val = ((one[:, :-1].contiguous(), one[:, -1].contiguous()) for one in windows(13, 2048, 58))
    return Task(partial(_TextEnd, len(alphabet())), train, val, loss=nn.CrossEntropyLoss(), name="text-end")


def _tumour_dents() -> Task:
    """How dented a tumour's worst cell nuclei are, from means and their errors; layer normalisation, Huber's loss."""
    from sklearn.datasets import load_breast_cancer

    data = torch.tensor(load_breast_cancer().data, dtype=torch.float32)
    data = ((data - data.mean(0)) / data.std(0))[torch.randperm(569, generator=torch.Generator().manual_seed(59))]

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(20, 32), nn.LayerNorm(32), nn.SiLU(), nn.Linear(32, 32), nn.LayerNorm(32), nn.SiLU(),
            nn.Linear(32, 1), nn.Flatten(0),
        )  # fmt: skip

    return Task(model, **split_at(data[:, :20], data[:, 26], 400), loss=nn.HuberLoss(), name="tumour-dents")


WIDE_TASKS: dict[str, Callable[[], Task]] = {
    "china-code": _china_code,
    "digits-alike": _digits_alike,
    "mnist-dropout": _mnist_dropout,
    "mnist-even": _mnist_even,
    "mnist-turned": _mnist_turned,
    "mnist-vision": _mnist_vision,
    "text-end": _text_end,
    "tumour-dents": _tumour_dents,
}

_WIDE = (
    ("mnist-dropout", "wide", 10, 50, ((MOMENTUM, "one-cycle"), (ADAMW, "cosine"), (RMSPROP, "constant"))),
    ("mnist-even", "wide", 20, 100, ((PLAIN, "constant"), (ADAM, "cosine"), (ADAMW, "linear"))),
    ("mnist-turned", "wide", 15, 80, ((MOMENTUM, "cosine"), (PLAIN, "linear"), (ADAM, "one-cycle"))),
    ("mnist-vision", "wide", 12, 32, ((MOMENTUM, "cosine"), (ADAMW, "one-cycle"), (RMSPROP, "linear"))),
    ("china-code", "wide", 20, 60, ((PLAIN, "cosine"), (ADAM, "one-cycle"), (ADAMW, "constant"))),
    ("digits-alike", "wide", 20, 48, ((MOMENTUM, "linear"), (PLAIN, "one-cycle"), (ADAM, "constant"))),
    ("text-end", "wide", 18, 128, ((MOMENTUM, "constant"), (ADAM, "linear"), (RMSPROP, "one-cycle"))),
    ("tumour-dents", "wide", 22, 16, ((PLAIN, "constant"), (ADAMW, "linear"), (RMSPROP, "cosine"))),
)

WIDE_CASES = cases_in(_WIDE)
