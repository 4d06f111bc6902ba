"""Sixteen tasks for one look after everything was fitted and chosen on all others: half of real data, put anew.

Four of sequences and text, four of images, four of tables, and four of the rest (a teacher, an equation, a policy, an
adapter). None shares its data, as they are put here, or its network and loss with a task that was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from diagnosis_fresh import way
from diagnosis_newest_networks import (
    Adapted,
    Beam,
    Brier,
    Cauchy,
    Choice,
    Denoiser,
    Distilled,
    Expected,
    Flood,
    Heads,
    Hidden,
    Highway,
    Listener,
    Margin,
    Misprints,
    Motifs,
    Pooled,
    Products,
    Strangers,
    Unaligned,
)
from diagnosis_varied import Array, Way, tabled
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["MADE"]


def _pieces(count: int, length: int, seed: int) -> tuple[Array, int]:
    """Pieces of a text in codes, and how many codes there are."""
    from surefoot.tasks.data.tiny_text import alphabet, prose

    code = {symbol: place for place, symbol in enumerate(alphabet())}
    text = np.array([code[one] for one in prose()])
    starts = np.random.default_rng(seed).integers(0, len(text) - length, count)
    return text[starts[:, None] + np.arange(length)], len(code)


def _enciphered() -> Task:
    """By how many tens every character of a text was moved on in the alphabet; their order says nothing."""
    x, symbols = _pieces(1400, 16, 801)
    y = np.random.default_rng(801).integers(0, 6, 1400)
    return tabled("enciphered", (x + 10 * y[:, None]) % symbols, y, partial(Pooled, symbols), Margin())


def _misprints() -> Task:
    """Where in a piece of text one character was put for another."""
    x, symbols = _pieces(1500, 14, 802)
    rng = np.random.default_rng(802)
    y = rng.integers(0, 14, 1500)
    x[np.arange(1500), y] += rng.integers(1, symbols, 1500)
    return tabled("misprints", x % symbols, y, partial(Misprints, symbols))


def _spoken() -> Task:
    """Three of five sounds, one after another, at moments that nobody wrote down."""
    rng = np.random.default_rng(803)
    sounds, x = rng.standard_normal((5, 6)), 0.4 * rng.standard_normal((700, 6, 20))
    y = rng.integers(0, 5, (700, 3))
    for said, kinds in zip(x, y, strict=True):
        begins = np.array([1, 7, 13]) + rng.integers(0, 3, 3)
        for begin, length, kind in zip(begins, rng.integers(2, 5, 3), kinds, strict=True):
            said[:, begin : begin + length] += sounds[kind, :, None]
    return tabled("spoken", x, y + 1, Listener, Unaligned())


def _motifs() -> Task:
    """Which of two motifs a strand of forty bases has: one, the other with a base that does not matter, or neither."""
    rng = np.random.default_rng(804)
    x, y, starts = rng.integers(0, 4, (1200, 40)), rng.integers(0, 3, 1200), rng.integers(0, 32, 1200)
    for strand, kind, start in zip(x, y, starts, strict=True):
        if kind == 1:
            strand[start : start + 6] = (0, 2, 2, 3, 1, 0)
        elif kind == 2:
            strand[[start, start + 1, start + 2, start + 4, start + 5, start + 6]] = (3, 1, 0, 1, 3, 3)
    return tabled("motifs", x, y, Motifs)


def _beside() -> Task:
    """Whether a strip of a photograph goes on as it did, or is of two places put beside each other."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(805)
    greys = [
        one.astype(float).mean(2)[:426].reshape(213, 2, 320, 2).mean((1, 3)) for one in load_sample_images().images
    ]
    y, which = rng.integers(0, 2, 1200), rng.integers(0, 2, 1200)
    rows, columns = rng.integers(0, 213 - 6, (2, 1200)), rng.integers(0, 320 - 10, (2, 1200))
    x = np.zeros((1200, 1, 6, 10))
    for strip, goes_on, w, (r, s), (a, b) in zip(x, y, which, rows.T, columns.T, strict=True):
        strip[0] = greys[w][r : r + 6, a : a + 10]
        if not goes_on:
            strip[0, :, 5:] = greys[w][s : s + 6, b : b + 5]

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 12, (1, 4)), nn.Mish(), nn.Conv2d(12, 12, (3, 3), groups=3), nn.Mish(),
            nn.AdaptiveAvgPool2d((1, 5)), nn.Flatten(), nn.Linear(60, 1), nn.Flatten(0),
        )  # fmt: skip

    return tabled("beside", x / 100 - 1.2, 2.0 * y - 1, model, nn.SoftMarginLoss())


def _diffused() -> Task:
    """The noise on handwritten digits, of which one knows how strong it is."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(806)
    images = load_digits().images[rng.permutation(1797)[:900]] / 8 - 1
    angle, noise = rng.uniform(0.2, 1.4, (900, 1, 1)), rng.standard_normal((900, 8, 8))
    noisy = np.cos(angle) * images + np.sin(angle) * noise
    return tabled("diffused", np.stack([noisy, angle + 0 * noise], 1), noise[:, None], Denoiser, nn.MSELoss())


def _odd_one() -> Task:
    """Which of three handwritten images shows another digit than the two others."""
    from surefoot.tasks.data.mnist import mnist_small

    split, rng = mnist_small(), np.random.default_rng(807)
    digits = split.y.numpy()
    images = nn.functional.avg_pool2d(split.x.reshape(-1, 1, 28, 28), 4).flatten(1).numpy().astype(float)
    places, y = [np.flatnonzero(digits == digit) for digit in range(10)], rng.integers(0, 3, 1500)
    chosen = np.zeros((1500, 3), int)
    for row, place in zip(chosen, y, strict=True):
        usual, odd = rng.permutation(10)[:2]
        row[:] = rng.choice(places[usual], 3)
        row[place] = rng.choice(places[odd])
    return tabled("odd-one", images[chosen], y, Strangers)


def _flooded() -> Task:
    """Which fields the water reaches from its source, between walls."""
    rng = np.random.default_rng(808)
    walls, wet = rng.random((700, 7, 7)) < 0.35, np.zeros((700, 9, 9), bool)
    source = np.zeros((700, 7, 7), bool)
    source[np.arange(700), rng.integers(1, 6, 700), rng.integers(1, 6, 700)] = True
    walls &= ~source
    wet[:, 1:-1, 1:-1] = source
    for _ in range(25):
        beside = wet[:, :-2, 1:-1] | wet[:, 2:, 1:-1] | wet[:, 1:-1, :-2] | wet[:, 1:-1, 2:]
        wet[:, 1:-1, 1:-1] |= beside & ~walls
    x = np.stack([walls, source], 1).astype(float)
    return tabled("flooded", x, wet[:, None, 1:-1, 1:-1].astype(float), Flood, nn.BCEWithLogitsLoss())


def _imputed() -> Task:
    """Measurements of tumours of which a third is hidden, and asked for."""
    from sklearn.datasets import load_breast_cancer

    data, rng = load_breast_cancer().data, np.random.default_rng(809)
    data = ((data - data.mean(0)) / data.std(0))[rng.permutation(569)]
    hidden = rng.random(data.shape) < 1 / 3
    x = np.concatenate([np.where(hidden, 0.0, data), ~hidden], 1)
    return tabled("imputed", x, np.stack([data, hidden], 1), Highway, Hidden())


def _patchwork() -> Task:
    """Whether a row is of one penguin, or every part of it of another."""
    from surefoot.tasks.data.penguins import penguins

    split, rng = penguins(), np.random.default_rng(810)
    birds = torch.cat([split.x, split.xv]).numpy().astype(float)
    parts = np.split(birds, [1, 2, 3, 4, 7], 1)
    made = np.concatenate([part[rng.permutation(len(birds))] for part in parts], 1)
    y, order = np.repeat([1.0, 0.0], len(birds)), rng.permutation(2 * len(birds))
    return tabled("patchwork", np.concatenate([birds, made])[order], y[order], Products, Brier())


def _chosen() -> Task:
    """Which of five offers is taken, by somebody of whom three things are known."""
    rng = np.random.default_rng(811)
    offers, people = rng.standard_normal((1400, 5, 4)), rng.standard_normal((1400, 1, 3))
    worth = (
        -np.exp(0.6 * people[..., 0]) * offers[..., 0] + 2 * np.tanh(offers[..., 1]) + people[..., 1] * offers[..., 2]
    )
    y = (1.5 * worth + rng.gumbel(size=(1400, 5))).argmax(1)
    return tabled("chosen", np.concatenate([offers, np.repeat(people, 5, 1)], 2), y, Choice)


def _treated() -> Task:
    """How it went with those treated and those not, where the worse ones were treated more; a few records are wrong."""
    rng = np.random.default_rng(812)
    x = rng.standard_normal((1100, 8))
    treated = rng.random(1100) < 1 / (1 + np.exp(-x[:, 0]))
    y = 2 * np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + treated * (1.5 - np.abs(x[:, 3])) + 0.3 * rng.standard_t(2, 1100)
    return tabled("treated", np.concatenate([x, treated[:, None]], 1), y, Heads, Cauchy())


def _distilled() -> Task:
    """What the twenty nearest neighbours of a handwritten digit would answer, learned by a small network."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    data, order = load_digits(), np.random.default_rng(813).permutation(1797)
    x, y = data.data[order] / 8 - 1, data.target[order]
    teacher = KNeighborsClassifier(20).fit(x[:400], y[:400])
    chances = 0.9 * teacher.predict_proba(x[400:]) + 0.01
    return tabled("distilled", x[400:], chances, partial(mlp, (64, 14, 10), activation="elu"), Distilled())


def _beam() -> Task:
    """How a beam bends that is held at both ends: only its load is known, at places in between."""
    at = np.random.default_rng(814).uniform(0.05, 0.95, 500)
    load = np.sin(2 * np.pi * at) + 0.7 * np.cos(9 * at) - 1.5 * (np.abs(at - 0.6) < 0.15)
    return tabled("beam", at[:, None] + np.array([-0.05, 0.0, 0.05]), load, Beam, nn.MSELoss())


def _policy() -> Task:
    """What to do of four things, from a record of what was done, how likely that was, and what it cost."""
    rng = np.random.default_rng(815)
    x = rng.standard_normal((1300, 6))
    scores = 0.5 * rng.gumbel(size=(1300, 4)) + 0.4 * x @ rng.standard_normal((6, 4))
    usual = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    done = (usual.cumsum(1) < rng.random((1300, 1))).sum(1).clip(0, 3)
    right = np.tanh(1.5 * x @ rng.standard_normal((6, 4)) + x[:, :4] ** 2 - 1).argmax(1)
    cost = rng.random(1300) < np.where(done == right, 0.1, 0.8)
    chance = usual[np.arange(1300), done]
    model = partial(mlp, (6, 32, 16, 4))
    return tabled("policy", x, np.stack([done, cost / chance.clip(0.05)], 1), model, Expected())


def _adapted() -> Task:
    """A network that stays as it is learns a law that differs a little from its own, through few weights."""
    rng = np.random.default_rng(816)
    first, second = rng.standard_normal((14, 40)) / 14**0.5, rng.standard_normal((40, 3)) / 40**0.5
    x = rng.standard_normal((900, 14))
    other = first + rng.standard_normal((14, 3)) @ rng.standard_normal((3, 40)) / 8
    y = np.tanh(x @ other) @ second + 0.05 * rng.standard_normal((900, 3))
    held = [torch.tensor(one, dtype=torch.float32) for one in (first, second)]
    return tabled("adapted", x, y, lambda: Adapted(held[0].clone(), held[1].clone()), nn.SmoothL1Loss(beta=0.2))


MADE: dict[str, tuple[Callable[[], Task], Way]] = {
    "enciphered": (_enciphered, way(411, 42, "sgd", "adamw", "warmup-stable-decay")),
    "misprints": (_misprints, way(157, 29, "adam", "sgd", "linear")),
    "spoken": (_spoken, way(83, 20, "adamw", "nesterov", "warmup:linear:0.1+linear")),
    "motifs": (_motifs, way(298, 35, "momentum", "adam", "cosine")),
    "beside": (_beside, way(216, 20, "adamw", "momentum", "one-cycle")),
    "diffused": (_diffused, way(113, 14, "adam", "rmsprop", "warmup:linear:0.05+cosine")),
    "odd-one": (_odd_one, way(174, 61, "nesterov", "adagrad", "linear")),
    "flooded": (_flooded, way(127, 9, "momentum", "adamw", "polynomial")),
    "imputed": (_imputed, way(241, 17, "rmsprop", "sgd", "cosine")),
    "patchwork": (_patchwork, way(566, 10, "rmsprop", "nesterov", "one-cycle")),
    "chosen": (_chosen, way(457, 50, "adam", "momentum", "polynomial")),
    "treated": (_treated, way(631, 88, "adagrad", "adamw", "cosine")),
    "distilled": (_distilled, way(333, 106, "adagrad", "nesterov", "warmup:linear:0.05+cosine")),
    "beam": (_beam, way(880, 8, "adam", "momentum", "linear")),
    "policy": (_policy, way(778, 73, "sgd", "rmsprop", "warmup-stable-decay")),
    "adapted": (_adapted, way(92, 127, "sgd", "adam", "warmup:linear:0.1+linear")),
}
"""Task: how it is made, and how it is trained."""
