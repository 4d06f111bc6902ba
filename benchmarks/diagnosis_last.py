"""Tasks for one look after everything was fitted and chosen again: half of them of real data, put as none before.

A user's work in small: sequences and text, images, tables, and the rest (neighbours, graphs, physics, several answers
at once). None shares its data, as they are put here, or its network and loss with a task that was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

import diagnosis_last_signals as signals
from diagnosis_fresh import way
from diagnosis_last_networks import (
    Censored,
    Chores,
    ChoresLoss,
    Focal,
    GatedColumns,
    Kinship,
    Levels,
    Loans,
    Maxout,
    Messages,
    MixtureLoss,
    Neighbours,
    Operator,
    Pairwise,
    Variational,
    VariationalLoss,
)
from diagnosis_varied import Array, Way, tabled
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["MADE"]


def _birds(seed: int) -> tuple[Array, Array]:
    """Standardised measurements, islands and sexes of penguins, and their species, in random order."""
    from surefoot.tasks.data.penguins import penguins

    split = penguins()
    x, y = torch.cat([split.x, split.xv]).numpy().astype(float), torch.cat([split.y, split.yv]).numpy()
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order], y[order]


def _sexed() -> Task:
    """The sex of a penguin from its species and measurements, each known as one of six ranges."""
    x, species = _birds(716)
    ranges = [np.searchsorted(np.quantile(one, np.arange(1, 6) / 6), one) for one in x[:, :4].T]
    return tabled(
        "sexed", np.stack([*ranges, species], 1), x[:, 8] > 0, partial(Pairwise, 5, 6), nn.BCEWithLogitsLoss()
    )


def _doubtful() -> Task:
    """Whether a tumour is malignant, from how uncertain its measurements are."""
    from sklearn.datasets import load_breast_cancer

    data, order = load_breast_cancer(), np.random.default_rng(717).permutation(569)
    x = data.data[:, 10:20]
    x = ((x - x.mean(0)) / x.std(0))[order]

    def model() -> nn.Module:
        inside = [nn.Linear(10, 24), nn.SELU(), nn.AlphaDropout(0.1), nn.Linear(24, 24), nn.SELU()]
        return nn.Sequential(*inside, nn.Linear(24, 1), nn.Flatten(0))

    return tabled("doubtful", x, (data.target[order] == 0).astype(float), model, Focal())


def _stages() -> Task:
    """How far diabetes progressed, in four stages that have an order."""
    from sklearn.datasets import load_diabetes

    data, order = load_diabetes(), np.random.default_rng(718).permutation(442)
    bounds = np.quantile(data.target, [0.25, 0.5, 0.75])
    y = (data.target[order, None] > bounds).astype(float)
    return tabled("stages", data.data[order] * 21, y, Levels, nn.BCEWithLogitsLoss())


def _islands() -> Task:
    """On which island a penguin lives; those of small islands count more."""
    x, _ = _birds(719)
    y = x[:, 4:7].argmax(1)
    counts = np.bincount(y)
    loss = nn.CrossEntropyLoss(weight=torch.tensor(len(y) / (3 * counts), dtype=torch.float32))
    return tabled("islands", np.concatenate([x[:, :4], x[:, 7:]], 1), y, Maxout, loss)


def _loans() -> Task:
    """Which of many loans fail: one in nine, from four kinds and six amounts."""
    rng = np.random.default_rng(720)
    kinds, amounts = rng.integers(0, 9, (1500, 4)), np.exp(0.6 * rng.standard_normal((1500, 6)))
    effects = rng.standard_normal((4, 9))
    score = effects[np.arange(4), kinds].sum(1) + amounts[:, 0] / amounts[:, 1] - amounts[:, 2] * (kinds[:, 0] > 4)
    score += 0.7 * rng.standard_normal(1500)
    y = score > np.quantile(score, 8 / 9)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(4.0))
    return tabled("loans", np.concatenate([kinds, np.log(amounts)], 1), y, Loans, loss)


def _prices() -> Task:
    """Prices of houses in tens of thousands, as they are: nothing standardised but by the network."""
    rng = np.random.default_rng(721)
    area, rooms, age, far = (
        rng.gamma(6, 18, 1000),
        rng.integers(1, 8, 1000),
        rng.uniform(0, 90, 1000),
        rng.gamma(2, 4, 1000),
    )
    taxes = 300 + 4 * area + 60 * rng.standard_normal(1000)
    price = (0.12 * area + 1.5 * rooms - 0.05 * age) * np.exp(-far / 25) * np.exp(0.12 * rng.standard_normal(1000)) + 4
    x = np.stack([area, rooms, age, far, taxes, rng.integers(0, 2, 1000)], 1)
    model = lambda: nn.Sequential(nn.BatchNorm1d(6), mlp((6, 36, 18, 1)), nn.Flatten(0))  # noqa: E731
    return tabled("prices", x, price, model, nn.MSELoss())


def _soils() -> Task:
    """Which of seven soils lies at a place: the nearest of twenty samples, in bent measurements."""
    rng = np.random.default_rng(722)
    x = rng.standard_normal((1300, 9))
    bent = np.concatenate([np.tanh(x[:, :5]), x[:, :4] * x[:, 5:]], 1)
    samples, kinds = bent[rng.permutation(1300)[:20]], np.arange(20) % 7
    y = kinds[((bent[:, None] - samples) ** 2).sum(2).argmin(1)]
    return tabled("soils", x, y, partial(GatedColumns, 9, 7))


def _survival() -> Task:
    """Who fails before whom, where a third left before they failed."""
    rng = np.random.default_rng(723)
    x = rng.standard_normal((1000, 8))
    risk = np.exp(0.9 * x[:, 0] - 0.7 * np.abs(x[:, 1]) + 0.6 * x[:, 2] * (x[:, 3] > 0))
    fails, leaves = rng.exponential(1 / risk), rng.exponential(2.0, 1000)
    y = np.stack([np.minimum(fails, leaves), fails < leaves], 1)
    model = lambda: nn.Sequential(mlp((8, 24, 24, 1), activation="silu"), nn.Flatten(0))  # noqa: E731
    return tabled("survival", x, y, model, Censored())


def _neighbours() -> Task:
    """A map of handwritten digits to three numbers in which neighbours are alike."""
    from sklearn.datasets import load_digits

    data, order = load_digits(), np.random.default_rng(724).permutation(1797)[:1200]
    model = partial(mlp, (64, 48, 3), activation="leaky-relu")
    return tabled("neighbours", data.data[order] / 8 - 1, data.target[order], model, Neighbours())


def _variational() -> Task:
    """Handwritten digits drawn from six numbers that are normal."""
    from sklearn.datasets import load_digits

    data = load_digits().data[np.random.default_rng(725).permutation(1797)[:1200]] / 16
    return tabled("variational", data, data, Variational, VariationalLoss())


def _bills() -> Task:
    """How long a penguin's bill may be, given its flipper, mass and sex: a density of three bells."""
    x, _ = _birds(726)
    model = partial(mlp, (4, 20, 9), activation="tanh")
    return tabled("bills", x[:, [2, 3, 7, 8]], x[:, 0] / x[:, 0].std(), model, MixtureLoss())


def _graphs() -> Task:
    """The energy of a graph of eight nodes: a sum over its edges."""
    rng = np.random.default_rng(727)
    nodes, chances = rng.standard_normal((700, 8, 3)), rng.uniform(0.1, 0.5, (700, 1, 1))
    edges = np.triu(rng.random((700, 8, 8)) < chances, 1).astype(float)
    edges += edges.transpose(0, 2, 1)
    pulls = (
        np.tanh((nodes[:, :, None] * nodes[:, None]).sum(3)) + 0.5 * (nodes[:, :, None, 0] - nodes[:, None, :, 0]) ** 2
    )
    y = (edges * pulls).sum((1, 2)) / 8
    return tabled("graphs", np.concatenate([nodes, edges], 2), y - y.mean(), Messages, nn.MSELoss())


def _operator() -> Task:
    """The integral of a wave up to a place, from the wave at twenty places."""
    rng = np.random.default_rng(728)
    parts, phase = rng.standard_normal((1500, 4, 1)), rng.uniform(0, 6, (1500, 4, 1))
    pitch, place = np.arange(1, 5)[:, None] * 1.2, rng.uniform(0, 1, (1500, 1))
    wave = lambda at: (parts * np.sin(pitch * at + phase)).sum(1)  # noqa: E731
    far = (-parts * (np.cos(pitch * place[:, None] + phase) - np.cos(phase)) / pitch).sum(1)
    x = np.concatenate([wave(np.linspace(0, 1, 20)), place], 1)
    return tabled("operator", x, far[:, 0], Operator, nn.MSELoss())


def _kinship() -> Task:
    """Whether one of seventy stands to another in one of four relations."""
    rng = np.random.default_rng(729)
    places, steps = rng.standard_normal((70, 3)), 0.8 * rng.standard_normal((4, 3))
    head, relation, any_one = rng.integers(0, 70, 2400), rng.integers(0, 4, 2400), rng.integers(0, 70, 2400)
    far = ((places[head] + steps[relation])[:, None] - places) ** 2
    near = far.sum(2).argsort(1)[np.arange(2400), rng.integers(0, 5, 2400)]
    y = rng.integers(0, 2, 2400)
    x = np.stack([head, relation, np.where(y == 1, near, any_one)], 1)
    return tabled("kinship", x, y.astype(float), Kinship, nn.BCEWithLogitsLoss())


def _chores() -> Task:
    """A kind and a number at once, whose losses are weighed as they are learned."""
    rng = np.random.default_rng(730)
    x = rng.standard_normal((900, 12))
    hidden = np.tanh(x @ rng.standard_normal((12, 6)) / 2)
    kind, number = (hidden @ rng.standard_normal((6, 4))).argmax(1), 3 * hidden[:, 0] + hidden[:, 1] * hidden[:, 2]
    y = np.stack([kind, number + 0.2 * rng.standard_normal(900)], 1)
    return tabled("chores", x, y, Chores, ChoresLoss())


MADE: dict[str, tuple[Callable[[], Task], Way]] = {
    "spaces": (signals.spaces, way(279, 22, "adamw", "momentum", "cosine")),
    "backwards": (signals.backwards, way(143, 27, "adam", "nesterov", "linear")),
    "masked": (signals.masked, way(169, 14, "adamw", "sgd", "warmup:linear:0.1+linear")),
    "scanned": (signals.scanned, way(303, 32, "adam", "momentum", "one-cycle")),
    "echoes": (signals.echoes, way(132, 12, "rmsprop", "momentum", "cosine")),
    "demand": (signals.demand, way(389, 44, "adam", "sgd", "polynomial")),
    "hidden-states": (signals.hidden_states, way(121, 18, "adamw", "rmsprop", "warmup:linear:0.05+cosine")),
    "heartbeats": (signals.heartbeats, way(218, 24, "momentum", "adam", "warmup-stable-decay")),
    "quarter-turned": (signals.quarter_turned, way(156, 52, "momentum", "adamw", "one-cycle")),
    "coloured": (signals.coloured, way(236, 9, "adam", "nesterov", "cosine")),
    "overlaid": (signals.overlaid, way(329, 60, "sgd", "adam", "linear")),
    "whence": (signals.whence, way(112, 20, "nesterov", "rmsprop", "cosine")),
    "outlined": (signals.outlined, way(95, 16, "adam", "momentum", "warmup:linear:0.05+cosine")),
    "tilted": (signals.tilted, way(257, 64, "adamw", "adagrad", "polynomial")),
    "glyphs": (signals.glyphs, way(184, 40, "adamw", "momentum", "warmup:linear:0.1+linear")),
    "sexed": (_sexed, way(460, 13, "adagrad", "sgd", "linear")),
    "doubtful": (_doubtful, way(87, 30, "sgd", "adam", "cosine")),
    "stages": (_stages, way(696, 10, "momentum", "rmsprop", "linear")),
    "islands": (_islands, way(200, 8, "nesterov", "adamw", "warmup-stable-decay")),
    "loans": (_loans, way(542, 80, "adagrad", "adam", "one-cycle")),
    "prices": (_prices, way(821, 40, "momentum", "adam", "cosine")),
    "soils": (_soils, way(358, 90, "adamw", "sgd", "warmup:linear:0.05+cosine")),
    "survival": (_survival, way(103, 100, "rmsprop", "nesterov", "linear")),
    "neighbours": (_neighbours, way(423, 72, "sgd", "adamw", "polynomial")),
    "variational": (_variational, way(640, 48, "adam", "rmsprop", "warmup-stable-decay")),
    "bills": (_bills, way(589, 16, "adam", "sgd", "one-cycle")),
    "graphs": (_graphs, way(499, 36, "adamw", "nesterov", "cosine")),
    "operator": (_operator, way(893, 110, "momentum", "rmsprop", "warmup:linear:0.1+linear")),
    "kinship": (_kinship, way(756, 128, "adagrad", "sgd", "linear")),
    "chores": (_chores, way(80, 19, "nesterov", "adagrad", "one-cycle")),
}
"""Task: how it is made, and how it is trained."""
