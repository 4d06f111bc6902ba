"""Six ordinary trainings that were written without a look at the search for a rate, to judge it on once.

Four of them are on real data; networks, beginnings and losses are usual, and no task is shared with any other panel.
Optimizers and schedules were drawn by a seed, the first one that drew every optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from panel_wide import images, tiles, windows
from surefoot.tasks.data.tiny_text import alphabet
from surefoot.tasks.task import Task

__all__ = ["BLIND_CASES", "BLIND_TASKS"]


class _Preactivated(nn.Module):
    """Two convolutions, each behind a normalisation of groups and a ReLU, added to what came in (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.GroupNorm(4, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(4, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = x + self.inside(x)
        return added


def _china_damage() -> Task:
    """Whether a photograph's tile, 10x10, is whole, blurred, noisy, of few levels or pixels, or grey; residual."""
    x, rng = tiles("china.jpg", 427, 10, 2600, 101), torch.Generator().manual_seed(102)
    y = torch.randint(0, 6, (2600,), generator=rng)
    coarse = nn.functional.avg_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    blurred = nn.functional.avg_pool2d(nn.functional.pad(x, (1, 1, 1, 1), "replicate"), 3, stride=1)
    noisy, grey = x + 0.25 * torch.randn(x.shape, generator=rng), x.mean(1, keepdim=True).expand_as(x)
    made = torch.stack([x, blurred, noisy, (2 * x).round() / 2, coarse, grey])

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3), _Preactivated(16), nn.AvgPool2d(2), _Preactivated(16), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 6),
        )  # fmt: skip

    data = split_at(made[y, torch.arange(2600)], y, 1600)
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="china-damage")


def _chord_notes() -> Task:
    """Which of eight notes sound in 256 noisy samples, one to three at once; convolutions over time, yes or no each."""
    rng, steps = torch.Generator().manual_seed(103), torch.tensor([0, 2, 4, 5, 7, 9, 11, 12])
    sounding = 1 + torch.randint(0, 3, (3400, 1), generator=rng)
    y = (torch.rand(3400, 8, generator=rng).argsort(1).argsort(1) < sounding).float()
    loud = y * (0.6 + 0.8 * torch.rand(3400, 8, generator=rng))
    turns = 523.25 * 2 ** (steps / 12)[:, None] * torch.arange(256) / 5000 + torch.rand(3400, 8, 1, generator=rng)
    tones = (2 * math.pi * turns).sin() + 0.4 * (4 * math.pi * turns).sin()
    x = (loud[:, :, None] * tones).sum(1, keepdim=True) + 1.6 * torch.randn(3400, 1, 256, generator=rng)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(1, 32, 64, stride=8), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 32, 5), nn.BatchNorm1d(32),
            nn.ReLU(), nn.Conv1d(32, 32, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 8),
        )  # fmt: skip

    return Task(model, **split_at(x, y, 2400), loss=nn.BCEWithLogitsLoss(), name="chord-notes")


class _Cosines(nn.Module):
    """The cosines between where a network places an image and a learned direction for each digit."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Sequential(
            nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 24)
        )
        self.directions = nn.Linear(24, 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        directions = nn.functional.normalize(self.directions.weight)
        return nn.functional.normalize(self.places(x)) @ directions.T


def _margin(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of cosines times 12, the right one less a margin of 0.2 (Wang et al. 2018)."""
    right = nn.functional.one_hot(target, output.shape[1])
    return nn.functional.cross_entropy(12 * (output - 0.2 * right), target)


def _digits_cosine() -> Task:
    """Handwritten digits, 8x8, placed on a sphere by convolutions so that those alike lie together with a margin."""
    from sklearn.datasets import load_digits

    data, order = load_digits(), torch.randperm(1797, generator=torch.Generator().manual_seed(104))
    x, y = torch.tensor(data.images, dtype=torch.float32)[order, None] / 16, torch.tensor(data.target)[order]
    return Task(_Cosines, **split_at(x, y, 960), loss=_margin, name="digits-cosine")


def _mnist_outline() -> Task:
    """Which pixels are ink of a digit laid over a photograph, 14x14; convolutions with growing gaps, yes or no each.

    The digits are blended in as by Ganin et al. (2016); the network is after Yu and Koltun (2016).
    """
    ink = nn.functional.avg_pool2d(images(2000, 105)[0], 2)
    ink = (ink - ink.min()) / (ink.max() - ink.min())
    behind = tiles("flower.jpg", 427, 14, 1350, 106)
    x = (behind[torch.arange(3000) % len(behind)] - 2 * ink).abs() - 1

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=2, dilation=2), nn.ReLU(),
            nn.Conv2d(12, 12, 3, padding=4, dilation=4), nn.ReLU(), nn.Conv2d(12, 1, 1),
        )  # fmt: skip

    return Task(model, **split_at(x, (ink > 0.5).float(), 2000), loss=nn.BCEWithLogitsLoss(), name="mnist-outline")


class _Rides(nn.Module):
    """Embeddings of zones, hour and weekday beside three numbers, and two hidden layers (Guo and Berkhahn 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(*one) for one in ((12, 6), (12, 6), (24, 4), (7, 3)))
        self.layers = nn.Sequential(
            nn.Linear(22, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 32), nn.ReLU(),
            nn.Linear(32, 1), nn.Flatten(0),
        )  # fmt: skip

    def forward(self, codes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        known = [table(column) for table, column in zip(self.embeddings, codes.unbind(1), strict=True)]
        minutes: torch.Tensor = self.layers(torch.cat([*known, numbers], 1))
        return minutes


def _ride_minutes() -> Task:
    """The log minutes of a taxi's ride from one of 12 zones to another, by hour, weekday, weather; squared error."""
    rng = torch.Generator().manual_seed(107)
    codes = torch.stack([torch.randint(0, size, (4000,), generator=rng) for size in (12, 12, 24, 7)], 1)
    zones, numbers = 10 * torch.rand(12, 2, generator=rng), torch.randn(4000, 3, generator=rng)
    begin, end, hour = zones[codes[:, 0]], zones[codes[:, 1]], codes[:, 2]
    rush = (codes[:, 3] < 5) * (torch.exp(-((hour - 8) ** 2) / 6) + torch.exp(-((hour - 17) ** 2) / 10))
    slower = 1 + rush * (0.6 + torch.exp(-((end - 5) ** 2).sum(1) / 8)) + 0.3 * torch.relu(numbers[:, 0])
    y = (3 + 2 * slower * (1 + (begin - end).abs().sum(1))).log() + 0.2 * torch.randn(4000, generator=rng)
    y = (y - y.mean()) / y.std()
    train, val = ((codes[part], numbers[part], y[part]) for part in (slice(3000), slice(3000, None)))
    return Task(_Rides, train, val, loss=nn.MSELoss(), name="ride-minutes")


class _Keys(nn.Module):
    """Scores (n, letters, length) from a long short-term memory of two directions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(10, 16), nn.Linear(96, 26)
        self.inside = nn.LSTM(16, 48, batch_first=True, bidirectional=True)

    def forward(self, keys: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(self.inside(self.embedding(keys))[0])
        return scores.transpose(1, 2)


def _text_keys() -> Task:
    """The small letters of 2,400 pieces of prose, 20 characters each, from the keys of a telephone that bear them."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    on_key = dict(zip(letters, "22233344455566677778889999", strict=True)) | {" ": "0"}
    keys = torch.tensor([int(on_key.get(one.lower(), "1")) for one in alphabet()])
    places = torch.tensor([letters.find(one) for one in alphabet()])
    places = places.masked_fill(places < 0, -100)
    train, val = ((keys[codes], places[codes]) for codes in windows(20, 2400, 108))
    return Task(_Keys, train, val, loss=nn.CrossEntropyLoss(), name="text-keys")


BLIND_TASKS: dict[str, Callable[[], Task]] = {
    "china-damage": _china_damage,
    "chord-notes": _chord_notes,
    "digits-cosine": _digits_cosine,
    "mnist-outline": _mnist_outline,
    "ride-minutes": _ride_minutes,
    "text-keys": _text_keys,
}

_BLIND = (
    ("china-damage", "blind", 14, 50, ((RMSPROP, "one-cycle"), (ADAM, "cosine"), (MOMENTUM, "one-cycle"))),
    ("chord-notes", "blind", 12, 60, ((ADAMW, "linear"), (MOMENTUM, "cosine"), (RMSPROP, "one-cycle"))),
    ("digits-cosine", "blind", 15, 32, ((MOMENTUM, "linear"), (MOMENTUM, "one-cycle"), (ADAM, "constant"))),
    ("mnist-outline", "blind", 10, 50, ((RMSPROP, "cosine"), (MOMENTUM, "one-cycle"), (ADAM, "constant"))),
    ("ride-minutes", "blind", 18, 60, ((PLAIN, "constant"), (ADAMW, "linear"), (MOMENTUM, "cosine"))),
    ("text-keys", "blind", 12, 48, ((RMSPROP, "constant"), (ADAMW, "one-cycle"), (ADAM, "one-cycle"))),
)

BLIND_CASES = cases_in(_BLIND)
