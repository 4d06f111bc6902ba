"""Ordinary trainings kept aside, to judge the search for a rate on.

Real data, usual networks, four kinds of loss, large validation sets, lengths over which they converge reasonably; no
task is shared with any other panel. Optimizers and schedules were drawn by a seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from panel_wide import Attention, images, tiles, windows
from surefoot.tasks.data.tiny_text import alphabet
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["KEPT_CASES", "KEPT_TASKS"]


def _china_colours() -> Task:
    """The colours of photograph tiles, 8x8, less their grey, from the grey; batch normalisation, Huber's loss."""
    colours = tiles("china.jpg", 424, 8, 1800 + 2400, 91)
    grey = colours.mean(1, keepdim=True)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 3, 1),
        )  # fmt: skip

    return Task(model, **split_at(grey, colours - grey, 1800), loss=nn.HuberLoss(delta=0.2), name="china-colours")


def _flower_field() -> Task:
    """The colour at a place of a photograph, from waves over the place; three hidden layers, squared error.

    The waves are the random Fourier features of Tancik et al. (2020); the photograph is a quarter as wide and high.
    """
    from sklearn.datasets import load_sample_image

    rng = torch.Generator().manual_seed(92)
    photograph = torch.tensor(load_sample_image("flower.jpg"), dtype=torch.float32).permute(2, 0, 1)
    y = nn.functional.avg_pool2d(photograph, 4)
    rows, columns = y.shape[1:]
    y = ((y - y.mean()) / y.std()).flatten(1).T
    places = torch.cartesian_prod(torch.linspace(-0.66, 0.66, rows), torch.linspace(-1, 1, columns))
    phases = 2 * math.pi * places @ torch.randn(2, 32, generator=rng)
    x = torch.cat([phases.sin(), phases.cos()], 1)
    order = torch.randperm(len(x), generator=rng)
    model = partial(mlp, (64, 64, 64, 64, 3))
    return Task(model, **split_at(x[order], y[order], 8192), loss=nn.MSELoss(), name="flower-field")


def _mnist_restored() -> Task:
    """Images of MNIST, 14x14, of which two fifths of the pixels were put out; autoencoder, how likely each is ink."""
    x = nn.functional.avg_pool2d(images(3000, 93, held=None)[0], 2)
    ink = ((x - x.min()) / (x.max() - x.min())).flatten(1)
    seen = torch.rand(ink.shape, generator=torch.Generator().manual_seed(94)) < 0.6

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(196, 96), nn.ReLU(), nn.Linear(96, 24), nn.ReLU(),
            nn.Linear(24, 96), nn.ReLU(), nn.Linear(96, 196),
        )  # fmt: skip

    return Task(model, **split_at(ink * seen, ink, 3000), loss=nn.BCEWithLogitsLoss(), name="mnist-restored")


def _mnist_vgg() -> Task:
    """2,400 images of MNIST, 14x14; two pairs of convolutions and two layers, after Simonyan and Zisserman (2015)."""
    x, y = images(2400, 95, held=None)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(144, 48), nn.ReLU(), nn.Linear(48, 10),
        )  # fmt: skip

    data = split_at(nn.functional.avg_pool2d(x, 2), y, 2400)
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-vgg")


class _Masked(nn.Module):
    """Scores (n, symbols, length) for the symbol at every place; one code more than there are symbols hides a place."""

    def __init__(self, symbols: int, length: int) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(symbols + 1, 32), nn.Linear(32, symbols)
        self.places = nn.Parameter(0.02 * torch.randn(length, 32))
        self.blocks = nn.Sequential(*(Attention(32, heads=4, wider=3) for _ in range(2)), nn.LayerNorm(32))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(self.blocks(self.embedding(codes) + self.places))
        return scores.transpose(1, 2)


def _text_masked() -> Task:
    """Three hidden characters of 16, in 3,200 pieces of prose; transformer of two blocks (Devlin et al. 2019)."""
    symbols, rng = len(alphabet()), torch.Generator().manual_seed(97)

    def parted(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.rand(codes.shape, generator=rng).argsort(1) < 3
        return codes.masked_fill(hidden, symbols), codes.masked_fill(~hidden, -100)

    train, val = (parted(one) for one in windows(16, 3200, 96))
    return Task(partial(_Masked, symbols, 16), train, val, loss=nn.CrossEntropyLoss(), name="text-masked")


class _Replaced(nn.Module):
    """Reads characters from either side, with a gated recurrence for each, and answers once at every place."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(symbols, 16), nn.Linear(64, 1)
        self.before, self.behind = nn.GRU(16, 32, batch_first=True), nn.GRU(16, 32, batch_first=True)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        x = self.embedding(codes)
        read = [self.before(x)[0], self.behind(x.flip(1))[0].flip(1)]
        answers: torch.Tensor = self.out(torch.cat(read, 2)).squeeze(2)
        return answers


def _text_replaced() -> Task:
    """Which of 20 characters were replaced by others of the prose, as a fifth were; gated recurrence, yes or no each.

    The question is that of Clark et al. (2020).
    """
    rng = torch.Generator().manual_seed(99)

    def parted(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        others = codes.flatten()[torch.randint(0, codes.numel(), codes.shape, generator=rng)]
        shown = torch.where(torch.rand(codes.shape, generator=rng) < 0.2, others, codes)
        return shown, (shown != codes).float()

    train, val = (parted(one) for one in windows(20, 3000, 98))
    return Task(partial(_Replaced, len(alphabet())), train, val, loss=nn.BCEWithLogitsLoss(), name="text-replaced")


KEPT_TASKS: dict[str, Callable[[], Task]] = {
    "china-colours": _china_colours,
    "flower-field": _flower_field,
    "mnist-restored": _mnist_restored,
    "mnist-vgg": _mnist_vgg,
    "text-masked": _text_masked,
    "text-replaced": _text_replaced,
}

_KEPT = (
    ("china-colours", "kept", 16, 60, ((PLAIN, "linear"), (MOMENTUM, "one-cycle"), (ADAM, "cosine"))),
    ("flower-field", "kept", 10, 128, ((PLAIN, "constant"), (PLAIN, "one-cycle"), (PLAIN, "linear"))),
    ("mnist-restored", "kept", 20, 100, ((ADAM, "linear"), (PLAIN, "linear"), (ADAMW, "one-cycle"))),
    ("mnist-vgg", "kept", 10, 48, ((MOMENTUM, "constant"), (RMSPROP, "linear"), (MOMENTUM, "linear"))),
    ("text-masked", "kept", 10, 64, ((PLAIN, "constant"), (ADAMW, "cosine"), (RMSPROP, "constant"))),
    ("text-replaced", "kept", 12, 75, ((ADAM, "linear"), (MOMENTUM, "one-cycle"), (MOMENTUM, "cosine"))),
)

KEPT_CASES = cases_in(_KEPT)
