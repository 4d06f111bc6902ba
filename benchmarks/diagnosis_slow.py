"""Slow tasks of the corpus of diagnoses: trainings that learn little in their budget even at the best rate.

There the loss of a good training moves hardly more than that of one at a rate too low, and what tells them apart is
faint: labels or values that are mostly noise, sums and orders of symbols, networks that pass on next to nothing. As in
diagnosis_wide.py, each family makes data of one kind and everything else is drawn by a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from torch import nn

from diagnosis_networks import drawn_rows, symbols
from diagnosis_varied import OPTIMIZERS, Training, Way, tabled
from diagnosis_wide import Made, Rng, over_places
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["SLOW", "make_slow", "slow_family", "slow_way"]


def _carry(rng: Rng) -> Made:
    """A digit of the sum of two numbers of two digits."""
    a, b = rng.integers(0, 100, (2, 1200))
    x = np.stack([a // 10, a % 10, b // 10, b % 10], 1)
    return x, (a + b) // int(rng.choice([1, 10])) % 10, symbols(rng, 10, 4, 10), None


def _echo(rng: Rng) -> Made:
    """At every place, the symbol some places before."""
    count, back = int(rng.integers(4, 12)), int(rng.integers(1, 5))
    codes = rng.integers(0, count, (600, 12 + back))
    x, y = codes[:, back:], codes[:, :-back]
    return x, y, symbols(rng, count, 12, count, everywhere=True), over_places


def _even(rng: Rng) -> Made:
    """Whether the number of ones in a line is even."""
    length = int(rng.integers(4, 8))
    x = rng.integers(0, 2, (900, length))
    return x, x.sum(1) % 2, symbols(rng, 2, length, 2), None


def _turns(rng: Rng) -> Made:
    """Where turns to the left and to the right lead, from place to place."""
    count = int(rng.integers(3, 8))
    x = rng.integers(0, 3, (700, 10))
    y = (x - 1).cumsum(1) % count
    return x, y, symbols(rng, max(3, count), 10, max(3, count), everywhere=True), over_places


def _murmur(rng: Rng) -> Made:
    """Most labels say nothing."""
    count = int(rng.integers(2, 7))
    x = rng.standard_normal((1400, 10))
    y = (x @ rng.standard_normal((10, count))).argmax(1)
    noise = rng.random(1400) < rng.uniform(0.6, 0.85)
    return x, np.where(noise, rng.integers(0, count, 1400), y), drawn_rows(rng, 10, count), None


def _faint(rng: Rng) -> Made:
    """A small part of a number follows from the row."""
    x = rng.standard_normal((1300, 8))
    y = x[:, 0] * x[:, 1] + x[:, 2] + rng.uniform(2.0, 4.5) * rng.standard_normal(1300)
    return x, y / y.std(), drawn_rows(rng, 8, 1, flat=True), nn.MSELoss()


def _muffled(rng: Rng) -> Made:
    """A deep network of sigmoids, which pass on next to nothing."""
    x = rng.standard_normal((900, 6))
    y = (np.sin(x[:, 0]) + x[:, 1] * x[:, 2] > 0).astype(int) + (x[:, 3] > 0.5)
    depth = int(rng.integers(3, 6))
    return x, y, partial(mlp, (6, *[24] * depth, 3), activation="sigmoid"), None


def _letters(rng: Rng) -> Made:
    """The next character of a text, from too few updates."""
    from surefoot.tasks.data.tiny_text import tiny_text

    split = tiny_text(length=16)
    rows = rng.permutation(len(split.x))[:700]
    x, y = split.x[rows].numpy().astype(int), split.y[rows].numpy().astype(int)
    return x, y, symbols(rng, 63, 16, 63, everywhere=True), over_places


FAMILIES: dict[str, Callable[[Rng], Made]] = {
    "carry": _carry, "echo": _echo, "even": _even, "turns": _turns, "murmur": _murmur, "faint": _faint,
    "muffled": _muffled, "letters": _letters,
}  # fmt: skip
_DRAWN = tuple(f"{name}-{number}" for number in (1, 2) for name in FAMILIES)
_LONG = ("turns-1", "letters-1", "carry-2", "echo-2", "turns-2", "letters-2")
SLOW = tuple(name for name in _DRAWN if name not in _LONG)
"""What was drawn, without those that would have taken too long."""
_DECAYS = ("cosine", "linear", "warmup:linear:0.05+cosine", "one-cycle", "polynomial")


def slow_family(name: str) -> str:
    """The family of a slow task."""
    return name.rpartition("-")[0]


def _rng(name: str, what: int) -> Rng:
    return np.random.default_rng([71, _DRAWN.index(name), what])


def slow_way(name: str) -> Way:
    """How the slow task of that name is trained."""
    rng = _rng(name, 0)
    kinds = rng.permutation([*OPTIMIZERS])[:2]
    schedules = ("constant", str(rng.choice(_DECAYS)))
    return Way(
        int(10 ** rng.uniform(1.9, 2.5)),
        int(2 ** rng.uniform(3, 5.5)),
        tuple(Training(str(kind), schedule) for kind in kinds for schedule in schedules),
        float(rng.uniform(-0.3, 0.3)),
    )


def make_slow(name: str) -> Task:
    """The slow task of that name."""
    x, y, model, loss = FAMILIES[slow_family(name)](_rng(name, 1))
    return tabled(name, x, y, model, loss)
