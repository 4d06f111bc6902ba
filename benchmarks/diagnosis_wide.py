"""Wide tasks of the corpus of diagnoses: more families of data, losses and networks, and budgets from short to long.

As in diagnosis_varied.py, each family makes data of one kind and everything else is drawn by a seed: the network, the
batch, the length (some too short for the best rate to come to rest, some long enough to plateau), the optimizers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diagnosis_networks import (
    Each,
    Linked,
    Make,
    Seen,
    drawn_rows,
    images,
    learned,
    pictures_back,
    scaled,
    series,
    symbols,
)  # fmt: skip
from diagnosis_varied import OPTIMIZERS, Training, Way, tabled
from surefoot.tasks.task import Task

__all__ = ["WIDE", "make_wide", "over_places", "wide_family", "wide_way"]

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Made = tuple[Array, Array, Make, Any]
"""Inputs, targets, how the network is made, the loss (None for cross-entropy)."""


def _rows(rng: Rng, x: Array, y: Array, outputs: int, loss: Any = None) -> Made:
    return x, y, drawn_rows(rng, x.shape[1], outputs, flat=outputs == 1 and y.ndim == 1), loss


def _number(rng: Rng, x: Array, y: Array) -> Made:
    losses: tuple[nn.Module, ...] = (
        nn.MSELoss(),
        nn.MSELoss(),
        nn.L1Loss(),
        nn.SmoothL1Loss(),
        nn.HuberLoss(delta=0.3),
    )
    y = (y - y.mean()) / y.std() * float(rng.choice([0.3, 1.0, 1.0, 4.0]))
    return _rows(rng, x, y, 1 if y.ndim == 1 else y.shape[1], losses[int(rng.integers(len(losses)))])


def _crowd(rng: Rng) -> Made:
    """Many classes, a cloud each."""
    count = int(rng.integers(15, 40))
    y = rng.integers(0, count, 1500)
    x = rng.standard_normal((count, 16))[y] + rng.uniform(0.4, 1.0) * rng.standard_normal((1500, 16))
    return _rows(rng, x, y, count)


def _forks(rng: Rng) -> Made:
    """Classes that a tree of random questions assigns."""
    x = rng.standard_normal((1200, 10))
    place = np.zeros(1200, int)
    for _ in range(4):
        column, bound = rng.integers(0, 10, 16), rng.normal(0, 0.5, 16)
        place = 2 * (place % 8) + (x[np.arange(1200), column[place]] > bound[place])
    return _rows(rng, x, place % 5, 5)


def _rare(rng: Rng) -> Made:
    """One in twelve rows is to be found."""
    x = rng.standard_normal((1500, 14))
    score = x @ rng.standard_normal(14) + 0.5 * x[:, 0] * x[:, 1]
    y = (score > np.quantile(score, 0.92)).astype(float)
    return _rows(rng, x, y, 1, nn.BCEWithLogitsLoss())


def _hinged(rng: Rng) -> Made:
    """A cubic law tells two classes apart; the loss is a hinge, or squared."""
    x = rng.uniform(-1, 1, (900, 4))
    y = np.sign(x[:, 0] ** 3 - 0.5 * x[:, 1] * x[:, 2] + 0.2 * x[:, 3])
    return _rows(rng, x, y, 1, _Hinge(2 if rng.random() < 0.4 else 1))


class _Hinge(nn.Module):
    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (torch.relu(1.0 - output * target) ** self.power).mean()


def _columns(rng: Rng) -> Made:
    """More columns than rows are needed: 150, of which few tell anything."""
    x = rng.standard_normal((500, 150))
    return _rows(rng, x, (x[:, :5] @ rng.standard_normal((5, 3))).argmax(1), 3)


def _guessed(rng: Rng) -> Made:
    """Two fifths of the labels are drawn anew."""
    x = rng.standard_normal((900, 8))
    y = (np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] > 0).astype(int) + 2 * (x[:, 3] > 0.4)
    return _rows(rng, x, np.where(rng.random(900) < 0.4, rng.integers(0, 4, 900), y), 4)


def _sine_law(rng: Rng) -> Made:
    x = rng.uniform(-2, 2, (1000, 6))
    return _number(rng, x, (np.sin(rng.uniform(0.5, 3, 6) * x)).sum(1) + 0.1 * rng.standard_normal(1000))


def _tails(rng: Rng) -> Made:
    """A law in noise with heavy tails."""
    x = rng.standard_normal((1000, 7))
    return _number(rng, x, x @ rng.standard_normal(7) + np.abs(x[:, 0]) + rng.standard_t(2.5, 1000))


def _taught_numbers(rng: Rng) -> Made:
    """What a random network of two layers answers."""
    x = rng.standard_normal((1200, 12))
    hidden = np.maximum(x @ rng.standard_normal((12, 24)) / 3, 0)
    return _number(rng, x, hidden @ rng.standard_normal((24, 4)))


def _units(rng: Rng) -> Made:
    """Columns in units of their own, from tenths to tens, as nobody standardised them."""
    x = rng.standard_normal((800, 9)) * 10 ** rng.uniform(-1, 0.8, 9) + rng.normal(0, 0.5, 9)
    return _number(rng, x, (x / x.std(0)) @ rng.standard_normal(9) + 0.3 * rng.standard_normal(800))


def _attractor(rng: Rng) -> Made:
    """Where a point of Lorenz's equations is a while later."""
    point = rng.uniform(-10, 10, (900, 3)) + np.array([0, 0, 25])
    states = [point]
    for _ in range(20 + 30):
        a, b, c = point.T
        point = point + 0.01 * np.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], 1)
        states.append(point)
    mean, size = states[20].mean(0), states[20].std(0)
    return _number(rng, (states[20] - mean) / size, (states[-1] - mean) / size)


def _visits(rng: Rng) -> Made:
    x = rng.uniform(-1, 1, (900, 5))
    y = rng.poisson(np.exp(1.0 + x[:, 0] + np.sin(3 * x[:, 1]) * x[:, 2])).astype(float)
    return _rows(rng, x, y, 1, nn.PoissonNLLLoss())


class _Waiting(nn.Module):
    """Minus the log likelihood of an exponential number, whose log mean is told."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        told = output.clamp(-8, 8)
        return (told + target * torch.exp(-told)).mean()


def _waits(rng: Rng) -> Made:
    x = rng.standard_normal((900, 6))
    y = rng.exponential(np.exp(0.6 * x[:, 0] - 0.4 * np.abs(x[:, 1])))
    return _rows(rng, x, y, 1, _Waiting())


def _smooth(rng: Rng, count: int, size: int) -> Array:
    raw = rng.standard_normal((count, size, size))
    found: Array = sum(np.roll(raw, (a, b), (1, 2)) for a in (-1, 0, 1) for b in (-1, 0, 1)) / 3  # type: ignore[assignment]
    return found


def _weaves(rng: Rng) -> Made:
    """Textures of six pitches and directions."""
    y = rng.integers(0, 6, 700)
    rows, columns = np.indices((10, 10))
    angle, pitch = (y % 3) * np.pi / 3, 1.0 + 0.7 * (y // 3)
    across = np.cos(angle)[:, None, None] * rows + np.sin(angle)[:, None, None] * columns
    x = np.sin(pitch[:, None, None] * across + rng.uniform(0, 6, (700, 1, 1))) + 0.7 * rng.standard_normal(
        (700, 10, 10)
    )
    return x[:, None], y, images(rng, 10, 6), None


def _spots(rng: Rng) -> Made:
    """How many spots an image has, as a class or as a count."""
    count = rng.integers(0, 6, 700)
    x = 0.2 * rng.standard_normal((700, 12, 12))
    for image, many in zip(x, count, strict=True):
        for _ in range(many):
            a, b = rng.integers(0, 11, 2)
            image[a : a + 2, b : b + 2] += 1.0
    if rng.random() < 0.5:
        return x[:, None], count, images(rng, 12, 6), None
    return x[:, None], count.astype(float), images(rng, 12, 1, flat=True), nn.PoissonNLLLoss()


def _cleaned(rng: Rng) -> Made:
    """Images of smooth noise without the rough noise on them."""
    clean = _smooth(rng, 600, 12)[:, None]
    loss = nn.L1Loss() if rng.random() < 0.3 else nn.MSELoss()
    return clean + 0.5 * rng.standard_normal(clean.shape), clean, pictures_back(rng), loss


def _filled(rng: Rng) -> Made:
    """Handwritten digits whose lower half is asked for; yes or no for each pixel."""
    from sklearn.datasets import load_digits

    data = load_digits().data[rng.permutation(1797)[:1000]] / 16
    return _rows(rng, data[:, :32], (data[:, 32:] > 0.5).astype(float), 32, nn.BCEWithLogitsLoss())


def _petals(rng: Rng) -> Made:
    """One column of the wines, or of the irises, from the others."""
    from sklearn.datasets import load_iris, load_wine

    data = (load_wine if rng.random() < 0.5 else load_iris)().data
    data = ((data - data.mean(0)) / data.std(0))[rng.permutation(len(data))]
    column = int(rng.integers(data.shape[1]))
    return _number(rng, np.delete(data, column, 1), data[:, column])


def _repeated(rng: Rng) -> Made:
    """The first symbol of a line."""
    x = rng.integers(0, 8, (900, 9))
    return x, x[:, 0], symbols(rng, 8, 9, 8), None


def _most(rng: Rng) -> Made:
    """Which symbol a line has most of."""
    x = rng.integers(0, 4, (900, 11))
    return x, np.stack([(x == one).sum(1) for one in range(4)], 1).argmax(1), symbols(rng, 4, 11, 4), None


def _clock(rng: Rng) -> Made:
    """The sum of two hours on a clock."""
    hours = int(rng.integers(9, 24))
    x = rng.integers(0, hours, (1000, 2))
    return x, x.sum(1) % hours, symbols(rng, hours, 2, hours), None


def _grammar(rng: Rng) -> Made:
    """Next symbol of a chain of order 2."""
    count = int(rng.integers(5, 20))
    chances = rng.dirichlet(np.full(count, 0.15), (count, count))
    codes = [rng.integers(0, count, 500), rng.integers(0, count, 500)]
    for _ in range(11):
        table = chances[codes[-2], codes[-1]].cumsum(1)
        codes.append((rng.random((500, 1)) < table).argmax(1))
    x = np.stack(codes, 1)
    return x[:, :-1], x[:, 1:], symbols(rng, count, 12, count, everywhere=True), over_places


def over_places(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over all places of all lines."""
    return nn.functional.cross_entropy(output, target)


def _tides(rng: Rng) -> Made:
    """The next value of a sum of two waves in noise."""
    time = rng.uniform(0, 50, (900, 1)) + np.arange(21)
    wave = np.sin(0.5 * time) + np.sin(rng.uniform(0.8, 1.4) * time + 1) + 0.2 * rng.standard_normal((900, 21))
    return wave[:, :20, None], wave[:, 20], series(rng, 1, flat=True), nn.MSELoss()


def _drift(rng: Rng) -> Made:
    """Whether a walk had a drift, and where to."""
    y = rng.integers(0, 3, 900)
    x = (rng.standard_normal((900, 18)) + 0.35 * (y[:, None] - 1)).cumsum(1) / 3
    return x[..., None], y, series(rng, 3), None


class _Contrast(nn.Module):
    """Which view belongs to which, among those of the batch."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        like = output[:, 0] @ output[:, 1].transpose(0, 1) / 0.2
        own = torch.eye(len(like), device=like.device, dtype=like.dtype)
        return -(torch.log_softmax(like, 1) * own).sum(1).mean() + 0.0 * target.sum()


def _views(rng: Rng) -> Made:
    things = np.tanh(rng.standard_normal((800, 5)) @ rng.standard_normal((5, 14)))
    x = things[:, None] + 0.3 * rng.standard_normal((800, 2, 14))
    make = drawn_rows(rng, 14, 8)
    return x, np.zeros(800), lambda: Seen(make), _Contrast()


class _Triple(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        near = ((output[:, 0] - output[:, 1]) ** 2).sum(1)
        far = ((output[:, 0] - output[:, 2]) ** 2).sum(1)
        return torch.relu(near - far + 1.0).mean() + 0.0 * target.sum()


def _triplets(rng: Rng) -> Made:
    """A row, one of its kind, and one of another kind."""
    centres = 1.2 * rng.standard_normal((12, 10))
    kind = rng.integers(0, 12, 800)
    other = (kind + rng.integers(1, 12, 800)) % 12
    x = centres[np.stack([kind, kind, other], 1)] + 0.8 * rng.standard_normal((800, 3, 10))
    make = drawn_rows(rng, 10, 6)
    return x, np.zeros(800), lambda: Each(make), _Triple()


def _given_back(rng: Rng) -> Made:
    """Points of a bent surface, through a narrow middle and back."""
    x = np.sin(rng.uniform(-2, 2, (900, 3)) @ rng.standard_normal((3, 24)))
    down, up = drawn_rows(rng, 24, 4), drawn_rows(rng, 4, 24)
    return x, x, lambda: nn.Sequential(down(), up()), nn.MSELoss()


def _links(rng: Rng) -> Made:
    """Whether two of fifty know each other."""
    group = rng.integers(0, 4, 50)
    x = rng.integers(0, 50, (1600, 2))
    y = rng.random(1600) < np.where(group[x[:, 0]] == group[x[:, 1]], 0.85, 0.15)
    return x, y.astype(float), Linked, nn.BCEWithLogitsLoss()


def _moved(rng: Rng) -> Made:
    """A network that has learned a law goes on with another one that is much like it."""
    x = rng.standard_normal((900, 8))
    law, more = rng.standard_normal((8, 4)), rng.standard_normal((8, 4))
    before, after = ((np.tanh(x @ one) @ np.arange(1, 5)) / 3 for one in (law, law + 0.35 * more))
    make = drawn_rows(rng, 8, 1, flat=True)
    rows, target = torch.tensor(x, dtype=torch.float32), torch.tensor(before, dtype=torch.float32)
    return x, after, partial(learned, make, rows, target), nn.MSELoss()


def _surface(rng: Rng) -> Made:
    """A straight network of several layers for a straight law: saddles, then a narrow valley."""
    x = rng.standard_normal((700, 10)) * np.logspace(0, -0.8, 10)
    y = x @ rng.standard_normal((10, 3)) + 0.2 * rng.standard_normal((700, 3))
    depth, size = int(rng.integers(1, 5)), float(rng.choice([0.5, 1.0, 1.5]))

    def model() -> nn.Module:
        inside = [nn.Linear(10, 10) for _ in range(depth)]
        return scaled(nn.Sequential(*inside, nn.Linear(10, 3)), size)

    return x, y, model, nn.MSELoss()


FAMILIES: dict[str, tuple[Callable[[Rng], Made], bool]] = {
    # family: what it makes, whether a step of it is slow
    "crowd": (_crowd, False), "forks": (_forks, False), "rare": (_rare, False), "hinged": (_hinged, False),
    "columns": (_columns, False), "guessed": (_guessed, False), "sine-law": (_sine_law, False),
    "tails": (_tails, False), "taught-numbers": (_taught_numbers, False), "units": (_units, False),
    "attractor": (_attractor, False), "visits": (_visits, False), "waits": (_waits, False),
    "weaves": (_weaves, True), "spots": (_spots, True), "cleaned": (_cleaned, True), "filled": (_filled, False),
    "petals": (_petals, False), "repeated": (_repeated, True), "most": (_most, True), "clock": (_clock, False),
    "grammar": (_grammar, True), "tides": (_tides, True), "drift": (_drift, True), "views": (_views, False),
    "triplets": (_triplets, False), "given-back": (_given_back, False), "links": (_links, False),
    "moved": (_moved, False), "surface": (_surface, False),
}  # fmt: skip
_DRAWN = tuple(f"{name}-{number}" for number in (1, 2) for name in FAMILIES)
_LONG = (
    "cleaned-1",
    "clock-1",
    "grammar-1",
    "views-1",
    "triplets-1",
    "given-back-1",
    "tails-2",
    "petals-2",
    "repeated-2",
    "most-2",
    "grammar-2",
    "tides-2",
    "drift-2",
)
WIDE = tuple(name for name in _DRAWN if name not in _LONG)
"""What was drawn, without those that would have taken too long."""
_DECAYS = ("cosine", "linear", "warmup:linear:0.05+cosine", "warmup:linear:0.1+linear", "one-cycle", "polynomial")


def wide_family(name: str) -> str:
    """The family of a wide task."""
    return name.rpartition("-")[0]


def _rng(name: str, what: int) -> Rng:
    return np.random.default_rng([67, _DRAWN.index(name), what])


def wide_way(name: str) -> Way:
    """How the wide task of that name is trained: the length is drawn over a factor of twenty."""
    rng, slow = _rng(name, 0), FAMILIES[wide_family(name)][1]
    steps = int(10 ** rng.uniform(1.8, 2.4 if slow else 3.05))
    batch = "full" if rng.random() < 0.08 and not slow else int(2 ** rng.uniform(2.3, 5.5 if slow else 7.0))
    kinds = rng.permutation([key for key in OPTIMIZERS if key != "adagrad" or rng.random() < 0.5])[:2]
    schedules = ("constant", str(rng.choice(_DECAYS)))
    return Way(
        steps, batch, tuple(Training(str(k), s) for k in kinds for s in schedules), float(rng.uniform(-0.3, 0.3))
    )


def make_wide(name: str) -> Task:
    """The wide task of that name."""
    x, y, model, loss = FAMILIES[wide_family(name)][0](_rng(name, 1))
    return tabled(name, x, y, model, loss)
