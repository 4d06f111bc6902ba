"""Ordinary trainings to be looked at once, after everything was chosen.

Real data, usual networks, four kinds of loss, large validation sets, lengths over which they converge reasonably; no
task is shared with any other panel. Optimizers and schedules were drawn by a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from panel_wide import HELD, images, tiles, windows
from surefoot.tasks.data.mnist import mnist_small
from surefoot.tasks.data.tiny_text import alphabet
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["HELD_CASES", "HELD_TASKS"]


def _mnist_deep() -> Task:
    """2,500 images of MNIST, 28x28; four hidden layers of ReLU."""
    x, y = images(2500, 71)
    model = partial(mlp, (784, 96, 64, 64, 48, 10))
    return Task(model, **split_at(x.flatten(1), y, 2500), loss=nn.CrossEntropyLoss(), name="mnist-deep")


def _flower_larger() -> Task:
    """Colour tiles of a photograph, 10x10, from their 5x5; convolutions and a shuffle of pixels, absolute error.

    The network is a small one of Shi et al. (2016).
    """
    y = tiles("flower.jpg", 420, 10, 1500 + HELD, 72)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.Tanh(), nn.Conv2d(24, 16, 3, padding=1), nn.Tanh(),
            nn.Conv2d(16, 12, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip

    data = split_at(nn.functional.avg_pool2d(y, 2), y, 1500)
    return Task(model, **data, loss=nn.L1Loss(), name="flower-larger")


class _TextGap(nn.Module):
    """Reads up to a gap from either side, with a long short-term memory for each, and fills it."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, 16)
        self.before, self.behind = nn.LSTM(16, 32, batch_first=True), nn.LSTM(16, 32, batch_first=True)
        self.out = nn.Linear(64, symbols)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        one, other = self.embedding(codes).chunk(2, 1)
        ends = [self.before(one)[0][:, -1], self.behind(other.flip(1))[0][:, -1]]
        scores: torch.Tensor = self.out(torch.cat(ends, 1))
        return scores


def _text_gap() -> Task:
    """The character between six others on either side, at 3,000 places in prose; two long short-term memories."""
    parts = windows(13, 3000, 73)
    train, val = ((torch.cat([one[:, :6], one[:, 7:]], 1), one[:, 6].contiguous()) for one in parts)
    return Task(partial(_TextGap, len(alphabet())), train, val, loss=nn.CrossEntropyLoss(), name="text-gap")


def _tumour_kind() -> Task:
    """Whether a tumour is benign, from the ten means of its cell nuclei; a wide network with dropout, one yes or no."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    order = torch.randperm(569, generator=torch.Generator().manual_seed(74))
    x = torch.tensor(data.data[:, :10], dtype=torch.float32)[order]
    y = torch.tensor(data.target, dtype=torch.float32)[order]

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(10, 160), nn.GELU(), nn.Dropout(0.3), nn.Linear(160, 160), nn.GELU(), nn.Dropout(0.3),
            nn.Linear(160, 1), nn.Flatten(0),
        )  # fmt: skip

    data_parts = split_at((x - x.mean(0)) / x.std(0), y, 368)
    return Task(model, **data_parts, loss=nn.BCEWithLogitsLoss(), name="tumour-kind")


class _Nearer(nn.Module):
    """How much nearer the first of three images lies to the second than to the third, as one network places them."""

    def __init__(self) -> None:
        super().__init__()
        self.each = mlp((196, 64, 16))

    def forward(self, three: torch.Tensor) -> torch.Tensor:
        asked, one, other = self.each(three).unbind(1)
        nearer: torch.Tensor = (asked - other).square().mean(1) - (asked - one).square().mean(1)
        return nearer


class _SoftMargin(nn.Module):
    """The loss of triplets without a hard margin (Hermans, Beyer and Leibe 2017); the target is 1 or -1."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.softplus(-target * output).mean()


def _mnist_nearer() -> Task:
    """Which of two images of MNIST, 14x14, shows the digit of a third, from 2,048 triplets; loss with a soft margin."""
    split, rng = mnist_small(), torch.Generator().manual_seed(75)

    def triplets(x: torch.Tensor, y: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        images = nn.functional.avg_pool2d(x, 2).flatten(1)
        asked = torch.randint(0, len(x), (count,), generator=rng)
        like = y[asked][:, None] == y
        alike = torch.multinomial(like.float(), 1, generator=rng)[:, 0]
        unlike = torch.multinomial((~like).float(), 1, generator=rng)[:, 0]
        first = torch.rand(count, generator=rng) < 0.5
        one, other = torch.where(first, alike, unlike), torch.where(first, unlike, alike)
        return torch.stack([images[asked], images[one], images[other]], 1), 2 * first.float() - 1

    train, val = triplets(split.x[2000:5000], split.y[2000:5000], 2048), triplets(split.xv, split.yv, HELD)
    return Task(_Nearer, train, val, loss=_SoftMargin(), name="mnist-nearer")


HELD_TASKS: dict[str, Callable[[], Task]] = {
    "flower-larger": _flower_larger,
    "mnist-deep": _mnist_deep,
    "mnist-nearer": _mnist_nearer,
    "text-gap": _text_gap,
    "tumour-kind": _tumour_kind,
}

_HELD = (
    ("mnist-deep", "held", 12, 50, ((MOMENTUM, "constant"), (ADAM, "linear"), (RMSPROP, "cosine"))),
    ("flower-larger", "held", 10, 30, ((MOMENTUM, "linear"), (PLAIN, "cosine"), (ADAM, "one-cycle"))),
    ("text-gap", "held", 18, 100, ((MOMENTUM, "one-cycle"), (ADAMW, "constant"), (RMSPROP, "linear"))),
    ("tumour-kind", "held", 20, 16, ((PLAIN, "constant"), (ADAMW, "cosine"), (RMSPROP, "one-cycle"))),
    ("mnist-nearer", "held", 12, 64, ((PLAIN, "linear"), (ADAM, "constant"), (ADAMW, "one-cycle"))),
)

HELD_CASES = cases_in(_HELD)
