"""Sixteen tasks for one look after everything was fitted and chosen on all others: half of real data, put anew.

Four of sequences and text, four of images, four of tables, and four of the rest (a mean of extremes, two halves that go
together, an energy, bags). None shares its data, as they are put here, or its network and loss with a task that was
fitted on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from diagnosis_fresh import way
from diagnosis_further_networks import (
    Additive,
    Agreement,
    Aimed,
    Annotators,
    Archetypes,
    Arranged,
    Bags,
    Company,
    Conserved,
    Devowelled,
    EndPoint,
    Expectile,
    Forgiving,
    InTurn,
    LogCosh,
    Mirrored,
    Poly,
    Shifted,
    SoftTree,
    Together,
    Translated,
    ZeroInflated,
)
from diagnosis_varied import Way, tabled
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task

__all__ = ["MADE"]


def _devowelled() -> Task:
    """Which vowel, or none, stood behind every character of a text that is shown without its vowels."""
    from surefoot.tasks.data.tiny_text import alphabet, prose

    symbols, text = alphabet(), prose().lower()
    code = {symbol: place for place, symbol in enumerate(symbols)}
    kept = np.array([place for place, one in enumerate(text[:-1]) if one not in "aeiou"])
    codes, vowels = np.array([code[text[at]] for at in kept]), np.array(["aeiou".find(text[at + 1]) + 1 for at in kept])
    at = np.random.default_rng(901).permutation(len(kept) - 14)[:1000, None] + np.arange(14)
    return tabled("devowelled", codes[at], vowels[at], partial(Devowelled, len(symbols), 14))


def _company() -> Task:
    """How often two of the most common words of a text stand near each other."""
    from surefoot.tasks.data.tiny_text import prose

    words = "".join(one if one.isalpha() else " " for one in prose().lower()).split()
    common = {word: place for place, (word, _) in enumerate(Counter(words).most_common(90))}
    near: Counter[tuple[int, int]] = Counter()
    for far in range(1, 6):
        for one, other in zip(words, words[far:], strict=False):
            if one in common and other in common:
                near[common[one], common[other]] += 1
    x, often = np.array(list(near)), np.array(list(near.values()), float)
    order = np.random.default_rng(902).permutation(len(x))[:2400]
    y = np.stack([np.log(often), np.minimum(1, often / 10) ** 0.75], 1)
    return tabled("company", x[order], y[order], partial(Company, 90), Together())


def _arranged() -> Task:
    """The rank of each of five things, by a score of three numbers that nobody tells."""
    x = np.random.default_rng(903).standard_normal((1000, 5, 3))
    score = x[..., 0] + 1.5 * np.sin(1.5 * x[..., 1]) - 0.5 * x[..., 2] ** 2
    return tabled("arranged", x, score.argsort(1).argsort(1), Arranged, nn.NLLLoss())


def _translated() -> Task:
    """Which of eight acids each three bases of a strand stand for; a tenth of the bases were read wrong."""
    rng = np.random.default_rng(904)
    meaning, x = rng.integers(0, 8, 64), rng.integers(0, 4, (800, 21))
    y = meaning[x.reshape(800, 7, 3) @ np.array([16, 4, 1])]
    x = np.where(rng.random(x.shape) < 0.1, rng.integers(0, 4, x.shape), x)
    return tabled("translated", x, y, Translated, Poly())


def _in_turn() -> Task:
    """Handwritten digits in black and white, each pixel from those before it."""
    from sklearn.datasets import load_digits

    x = (load_digits().data[np.random.default_rng(905).permutation(1797)[:1200]] > 7).astype(float)
    return tabled("in-turn", x, x, partial(InTurn, 64, 56), nn.BCEWithLogitsLoss())


def _shifted() -> Task:
    """By how many pixels a patch of a photograph was moved against another one, both with noise."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(906)
    greys = [
        one.astype(float).mean(2)[:426].reshape(213, 2, 320, 2).mean((1, 3)) for one in load_sample_images().images
    ]
    places = np.stack([rng.integers(0, 2, 900), rng.integers(4, 195, 900), rng.integers(4, 300, 900)], 1)
    moves = rng.integers(-2, 3, (900, 2))
    x = np.zeros((900, 2, 10, 10))
    for pair, (which, r, c), (down, along) in zip(x, places, moves, strict=True):
        pair[0] = greys[which][r : r + 10, c : c + 10]
        pair[1] = greys[which][r + down : r + down + 10, c + along : c + along + 10]
    x -= x.mean((1, 2, 3), keepdims=True)
    x = x / (x.std((1, 2, 3), keepdims=True) + 3) + 0.15 * rng.standard_normal(x.shape)
    return tabled("shifted", x, moves.astype(float), Shifted, EndPoint())


def _aimed() -> Task:
    """Where an upright cross stands in an image, among two that lie."""
    rng = np.random.default_rng(907)
    x, y = 0.3 * rng.standard_normal((800, 1, 12, 12)), np.zeros((800, 2))
    upright = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    lying = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    for image, target in zip(x[:, 0], y, strict=True):
        for sign in (lying, lying, upright):
            r, c = rng.integers(0, 10, 2)
            image[r : r + 3, c : c + 3] += sign
        target[:] = (r + 1) / 5.5 - 1, (c + 1) / 5.5 - 1
    return tabled("aimed", x, y, Aimed, LogCosh())


def _mirrored() -> Task:
    """Whether an image of noise is its own mirror image, from left to right or from top to bottom."""
    rng = np.random.default_rng(908)
    x, y = rng.standard_normal((900, 8, 8)), rng.integers(0, 3, 900)
    x[y == 1] = (x[y == 1] + x[y == 1][:, ::-1]) / 2**0.5
    x[y == 2] = (x[y == 2] + x[y == 2][:, :, ::-1]) / 2**0.5
    return tabled("mirrored", (x + 0.5 * rng.standard_normal(x.shape))[:, None], y, Mirrored)


def _grades() -> Task:
    """In which quarter the extent of a tumour's worst nuclei lies, from measurements none of which is a size."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer().data[np.random.default_rng(909).permutation(569)]
    x = data[:, [1, 4, 5, 6, 7, 8, 9, 11, 14, 15, 16, 17, 18, 19]]
    y = np.searchsorted(np.quantile(data[:, 22], [0.25, 0.5, 0.75]), data[:, 22])
    return tabled("grades", (x - x.mean(0)) / x.std(0), y, partial(SoftTree, 14, 4), nn.NLLLoss())


def _expectiles() -> Task:
    """How far diabetes may progress: an expectile above the middle, a sum over what is known."""
    from sklearn.datasets import load_diabetes

    data, order = load_diabetes(), np.random.default_rng(910).permutation(442)
    return tabled("expectiles", data.data[order] * 21, data.target[order] / 77 - 1, partial(Additive, 10), Expectile())


def _absent() -> Task:
    """How many are counted, where at times nobody was there to be counted."""
    rng = np.random.default_rng(911)
    x = rng.standard_normal((1200, 7))
    rate = np.exp(1 + 0.7 * x[:, 0] - 0.5 * np.tanh(x[:, 1] * x[:, 2]))
    there = rng.random(1200) < 1 / (1 + np.exp(1.5 * x[:, 3] + x[:, 4] ** 2 - 2))
    y = (there * rng.poisson(rate)).astype(float)
    return tabled("absent", x, y, partial(mlp, (7, 26, 14, 2), activation="silu"), ZeroInflated())


def _annotators() -> Task:
    """What three people say of a row, each of whom mistakes some kinds for others."""
    rng = np.random.default_rng(912)
    x = rng.standard_normal((1100, 9))
    so = (np.tanh(1.5 * x @ rng.standard_normal((9, 6)) / 2) @ rng.standard_normal((6, 4))).argmax(1)
    care = np.array([0.85, 0.7, 0.5])[:, None, None]
    said = care * np.eye(4) + (1 - care) * rng.dirichlet(np.full(4, 0.5), (3, 4))
    y = np.stack([(one[so].cumsum(1) < rng.random((1100, 1))).sum(1).clip(0, 3) for one in said], 1)
    return tabled("annotators", x, y, Annotators, nn.NLLLoss())


def _archetypes() -> Task:
    """Penguins, told as means of five extreme ones."""
    from surefoot.tasks.data.penguins import penguins

    split = penguins()
    x = torch.cat([split.x, split.xv]).numpy().astype(float)[np.random.default_rng(913).permutation(333)]
    return tabled("archetypes", x, x, Archetypes, nn.MSELoss())


def _halves() -> Task:
    """What the left halves of handwritten images tell of the main directions of their right halves."""
    from surefoot.tasks.data.mnist import mnist_small

    images = mnist_small().x.reshape(-1, 1, 28, 28)
    some = torch.tensor(np.random.default_rng(914).permutation(len(images))[:1500])
    seen = nn.functional.avg_pool2d(images[some], 4)[:, 0].numpy().astype(float)
    left, right = seen[:, :, :3].reshape(1500, 21), seen[:, :, 4:].reshape(1500, 21)
    main, _, _ = np.linalg.svd(right - right.mean(0), full_matrices=False)
    x = (left - left.mean()) / left.std()
    return tabled("halves", x, main[:, :6] * 1500**0.5, partial(mlp, (21, 32, 6), activation="tanh"), Agreement())


def _conserved() -> Task:
    """How two weights on bent springs move, by where they are and how fast they go."""
    rng = np.random.default_rng(915)
    x = rng.uniform(-1.8, 1.8, (900, 4))
    one, other = x[:, 0], x[:, 1]
    pull = np.stack([np.sin(2 * one) + 0.8 * (one - other), 0.4 * other**3 - 0.8 * (one - other)], 1)
    y = np.concatenate([x[:, 2:] * np.array([1.0, 0.5]), -pull], 1)
    return tabled("conserved", x, y + 0.05 * rng.standard_normal(y.shape), Conserved, nn.MSELoss())


def _bags() -> Task:
    """Of which of three kinds the one of six things in a bag is that has most of a number."""
    rng = np.random.default_rng(916)
    x = rng.standard_normal((1300, 6, 5))
    most = x[np.arange(1300), x[:, :, 0].argmax(1)]
    y = np.where(np.abs(most[:, 1]) < 0.45, 0, 1 + (most[:, 1] > 0)).astype(int)
    y = np.where(rng.random(1300) < 0.05, rng.integers(0, 3, 1300), y)
    return tabled("bags", x, y, Bags, Forgiving())


MADE: dict[str, tuple[Callable[[], Task], Way]] = {
    "devowelled": (_devowelled, way(124, 16, "adamw", "momentum", "linear")),
    "company": (_company, way(842, 72, "adagrad", "adam", "cosine")),
    "arranged": (_arranged, way(263, 23, "adam", "nesterov", "one-cycle")),
    "translated": (_translated, way(96, 13, "rmsprop", "sgd", "warmup:linear:0.05+cosine")),
    "in-turn": (_in_turn, way(318, 31, "momentum", "adamw", "polynomial")),
    "shifted": (_shifted, way(146, 24, "adam", "rmsprop", "cosine")),
    "aimed": (_aimed, way(205, 18, "nesterov", "adam", "warmup-stable-decay")),
    "mirrored": (_mirrored, way(171, 43, "adamw", "sgd", "linear")),
    "grades": (_grades, way(613, 8, "momentum", "adagrad", "warmup:linear:0.1+linear")),
    "expectiles": (_expectiles, way(376, 34, "sgd", "adam", "one-cycle")),
    "absent": (_absent, way(709, 57, "adam", "nesterov", "polynomial")),
    "annotators": (_annotators, way(438, 50, "rmsprop", "momentum", "warmup:linear:0.05+cosine")),
    "archetypes": (_archetypes, way(515, 11, "adagrad", "nesterov", "cosine")),
    "halves": (_halves, way(234, 121, "sgd", "adamw", "linear")),
    "conserved": (_conserved, way(83, 99, "adamw", "momentum", "one-cycle")),
    "bags": (_bags, way(566, 64, "rmsprop", "sgd", "warmup-stable-decay")),
}
"""Task: how it is made, and how it is trained."""
