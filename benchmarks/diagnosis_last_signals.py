"""The sequences and images among the tasks of diagnosis_last.py."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from diagnosis_last_networks import (
    AtEveryPlace,
    Backwards,
    Cosine,
    Filler,
    Mixed,
    Outlined,
    Overlap,
    Residual,
    Rounded,
    Scanner,
    Spaces,
)
from diagnosis_varied import Array, tabled
from surefoot.tasks.task import Task

__all__ = [
    "backwards", "coloured", "demand", "echoes", "glyphs", "heartbeats", "hidden_states", "masked", "outlined",
    "overlaid", "quarter_turned", "scanned", "spaces", "tilted", "whence",
]  # fmt: skip


def _text() -> tuple[Array, int]:
    """The codes of a text, and how many characters there are."""
    from surefoot.tasks.data.tiny_text import alphabet, prose

    symbols = alphabet()
    return np.array([symbols.index(one) for one in prose()]), len(symbols)


def _images_of_digits(count: int, seed: int) -> tuple[Array, Array]:
    """Images of MNIST, halved in size."""
    from surefoot.tasks.data.mnist import mnist_small

    split = mnist_small()
    some = torch.tensor(np.random.default_rng(seed).permutation(len(split.x))[:count])
    x = nn.functional.avg_pool2d(split.x[some].reshape(-1, 1, 28, 28), 2)[:, 0]
    return x.numpy().astype(float), split.y[some].numpy()


def spaces() -> Task:
    """Where the spaces were in a text without them."""
    codes, symbols = _text()
    from surefoot.tasks.data.tiny_text import prose

    blank = np.array([one.isspace() for one in prose()])
    kept = np.flatnonzero(~blank[:-1])
    begins = np.random.default_rng(701).permutation(len(kept) - 24)[:1000]
    at = kept[begins[:, None] + np.arange(24)]
    return tabled("spaces", codes[at], blank[at + 1].astype(float), partial(Spaces, symbols), nn.BCEWithLogitsLoss())


def backwards() -> Task:
    """Whether a piece of text runs backwards."""
    codes, symbols = _text()
    rng = np.random.default_rng(702)
    x = codes[rng.permutation(len(codes) - 14)[:1200, None] + np.arange(14)]
    y = rng.integers(0, 2, 1200)
    x = np.where(y[:, None] == 1, x[:, ::-1], x)
    return tabled("backwards", x, y.astype(float), partial(Backwards, symbols), nn.BCEWithLogitsLoss())


def masked() -> Task:
    """Four hidden characters of sixteen; nothing is asked of the others."""
    codes, symbols = _text()
    rng = np.random.default_rng(703)
    text = codes[rng.permutation(len(codes) - 16)[:1000, None] + np.arange(16)]
    hidden = rng.permuted(np.tile(np.arange(16) < 4, (1000, 1)), axis=1)
    x, y = np.where(hidden, symbols, text), np.where(hidden, text, -100)
    return tabled("masked", x, y, partial(Filler, symbols, 16))


def scanned() -> Task:
    """Handwritten digits column by column."""
    x, y = _images_of_digits(1200, 704)
    return tabled("scanned", x, y, Scanner)


def echoes() -> Task:
    """What a noise was three places before, bent, and one place before."""
    x = np.random.default_rng(705).standard_normal((800, 10))
    y = np.zeros((800, 10))
    y[:, 3:] = np.sin(1.5 * x[:, :-3]) + 0.5 * x[:, 2:-1]
    model = lambda: AtEveryPlace(nn.GRU(1, 16, batch_first=True), 16, 1)  # noqa: E731
    return tabled("echoes", x[..., None], y, model, nn.MSELoss())


def demand() -> Task:
    """The next six hours of a demand for power with days, weeks, and a temperature that is known."""
    rng = np.random.default_rng(706)
    hour = np.arange(4000)
    warm = 0.8 * np.sin(hour / 180) + np.convolve(rng.standard_normal(4000), np.exp(-np.arange(40) / 12), "same") / 4
    day = np.sin(2 * np.pi * hour / 12) + 0.4 * np.sin(2 * np.pi * hour / 6 + 1)
    load = day * (1 - 0.5 * (hour // 12 % 7 > 4)) + warm**2 + 0.15 * rng.standard_normal(4000)
    at = rng.permutation(4000 - 42)[:900, None] + np.arange(42)
    x = np.stack([load[at[:, :36]], warm[at[:, 6:]]], 1)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(2, 12, 5), nn.BatchNorm1d(12), nn.ReLU(), nn.Conv1d(12, 12, 4, stride=4), nn.BatchNorm1d(12),
            nn.ReLU(), nn.Flatten(), nn.Linear(96, 6),
        )  # fmt: skip

    return tabled("demand", x, load[at[:, 36:]], model, nn.L1Loss())


def hidden_states() -> Task:
    """Which of four hidden states is behind each of twelve symbols; read in both directions."""
    rng = np.random.default_rng(707)
    moves, shown = rng.dirichlet(np.full(4, 0.4), 4), rng.dirichlet(np.full(7, 0.4), 4)
    states = [rng.integers(0, 4, 900)]
    for _ in range(11):
        states.append((rng.random((900, 1)) < moves[states[-1]].cumsum(1)).argmax(1))
    y = np.stack(states, 1)
    x = (rng.random((900, 12, 1)) < shown[y].cumsum(2)).argmax(2)
    model = lambda: AtEveryPlace(nn.RNN(8, 12, batch_first=True, bidirectional=True), 24, 4, symbols=7)  # noqa: E731
    return tabled("hidden-states", x, y, model)


def heartbeats() -> Task:
    """A beating heart: steady, with a beat missing, with one too early, or with broad beats."""
    rng = np.random.default_rng(708)
    y, time = rng.integers(0, 4, 800), np.arange(64)
    x = 0.15 * rng.standard_normal((800, 64)) + 0.2 * np.sin(time / 20 + rng.uniform(0, 6, (800, 1)))
    for row, kind in zip(x, y, strict=True):
        beats = rng.uniform(0, 8) + 11.0 * np.arange(6) + 0.4 * rng.standard_normal(6)
        if kind == 1:
            beats = np.delete(beats, rng.integers(1, 5))
        beats[3] -= 5.0 * (kind == 2)
        away = time - beats[:, None]
        broad = 2.2 if kind == 3 else 1.0
        row[:] += (np.exp(-0.5 * (away / broad) ** 2) - 0.3 * np.exp(-0.5 * ((away - 2.5) / broad) ** 2)).sum(0)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(1, 12, 5, stride=2), nn.ReLU(),
            Residual(nn.GroupNorm(3, 12), nn.ReLU(), nn.Conv1d(12, 12, 5, padding=2)),
            nn.MaxPool1d(2),
            Residual(nn.GroupNorm(3, 12), nn.ReLU(), nn.Conv1d(12, 12, 5, padding=2)),
            nn.AdaptiveMaxPool1d(3), nn.Flatten(), nn.Linear(36, 4),
        )  # fmt: skip

    return tabled("heartbeats", x[:, None], y, model)


def quarter_turned() -> Task:
    """By how many quarters a handwritten digit was turned; residual, with batch normalisation."""
    x, _ = _images_of_digits(1000, 709)
    y = np.random.default_rng(709).integers(0, 4, 1000)
    x = np.stack([np.rot90(image, turn) for image, turn in zip(x, y, strict=True)])

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
            Residual(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)),
            nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 4),
        )  # fmt: skip

    return tabled("quarter-turned", x[:, None], y, model)


def _patches_of_photographs(count: int, size: int, seed: int) -> tuple[Array, Array]:
    """Colour patches of both photographs, channels first, -0.5 to 0.5; and from which half of which each is."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(seed)
    images, which = load_sample_images().images, rng.integers(0, 2, count)
    rows, columns = rng.integers(0, 427 - 2 * size, count), rng.integers(0, 640 - 2 * size, count)
    found = [
        images[w][r : r + 2 * size, c : c + 2 * size].reshape(size, 2, size, 2, 3).mean((1, 3)).transpose(2, 0, 1)
        for w, r, c in zip(which, rows, columns, strict=True)
    ]
    return np.stack(found) / 255 - 0.5, 2 * which + (rows > (427 - 2 * size) / 2)


def coloured() -> Task:
    """The colours of patches of photographs from their brightness."""
    patches, _ = _patches_of_photographs(700, 8, 710)
    grey = patches.mean(1, keepdims=True)
    y = 4 * (patches[:, [0, 2]] - grey)

    def model() -> nn.Module:
        inside = [Residual(nn.GroupNorm(2, 10), nn.SiLU(), nn.Conv2d(10, 10, 3, padding=1)) for _ in range(2)]
        return nn.Sequential(nn.Conv2d(1, 10, 3, padding=1), *inside, nn.Conv2d(10, 2, 1))

    return tabled("coloured", 2 * grey, y, model, Rounded())


def overlaid() -> Task:
    """Which two handwritten digits lie over each other: ten answers of yes or no."""
    from sklearn.datasets import load_digits

    data, rng = load_digits(), np.random.default_rng(711)
    a, b = rng.integers(0, 1797, (2, 1200))
    x = np.maximum(data.images[a], data.images[b]) / 8 - 0.7
    y = np.maximum(np.eye(10)[data.target[a]], np.eye(10)[data.target[b]])

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, stride=2), nn.ReLU(), nn.Flatten(),
            nn.Dropout(0.2), nn.Linear(108, 32), nn.ReLU(), nn.Linear(32, 10),
        )  # fmt: skip

    return tabled("overlaid", x[:, None], y, model, nn.BCEWithLogitsLoss())


def whence() -> Task:
    """From which photograph, and from its upper or lower half, a colour patch is."""
    x, y = _patches_of_photographs(900, 8, 712)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=2), nn.BatchNorm2d(12), nn.Hardswish(),
            nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.BatchNorm2d(12), nn.Hardswish(), nn.Conv2d(12, 20, 1),
            nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 4),
        )  # fmt: skip

    return tabled("whence", 2 * x, y, model)


def outlined() -> Task:
    """Which pixels belong to one of two discs, in noise of stripes."""
    rng = np.random.default_rng(713)
    rows, columns = np.indices((12, 12))
    centres, size = rng.uniform(1, 11, (600, 2, 2)), rng.uniform(1.5, 3.5, (600, 2))
    far = np.hypot(rows - centres[..., 0, None, None], columns - centres[..., 1, None, None])
    y = (far < size[..., None, None]).any(1).astype(float)
    stripes = np.sin(rows * rng.uniform(0.5, 2, (600, 1, 1)) + rng.uniform(0, 6, (600, 1, 1)))
    x = y + 0.6 * stripes + 0.4 * rng.standard_normal((600, 12, 12))
    return tabled("outlined", x[:, None], y[:, None], Outlined, Overlap())


def tilted() -> Task:
    """How an ellipse lies, as twice its angle on a circle."""
    rng = np.random.default_rng(714)
    angle, thin = rng.uniform(0, np.pi, 900), rng.uniform(0.25, 0.6, 900)
    rows, columns = np.indices((12, 12))[:, None] - rng.uniform(4.5, 6.5, (2, 900, 1, 1))
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along, across = cosine * columns + sine * rows, cosine * rows - sine * columns
    x = 2.0 * (along**2 + (across / thin[:, None, None]) ** 2 < 20) - 1 + 0.5 * rng.standard_normal((900, 12, 12))

    def model() -> nn.Module:
        block = Residual(
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.GroupNorm(1, 8),
            nn.Conv2d(8, 16, 1),
            nn.GELU(),
            nn.Conv2d(16, 8, 1),
        )
        return nn.Sequential(nn.Conv2d(1, 8, 3, stride=3), block, nn.Flatten(), nn.Linear(128, 2))

    return tabled("tilted", x[:, None], np.stack([np.cos(2 * angle), np.sin(2 * angle)], 1), model, Cosine())


def glyphs() -> Task:
    """Which of four signs stands in one of the nine fields of an image."""
    rng = np.random.default_rng(715)
    signs = np.array(
        [
            [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]],
            [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]],
            [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]],
            [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]],
        ]
    )
    y, field = rng.integers(0, 4, 900), rng.integers(0, 9, 900)
    x = 0.5 * rng.standard_normal((900, 3, 4, 3, 4))
    x[np.arange(900), field // 3, :, field % 3] += 2 * signs[y] - 1
    return tabled("glyphs", x.reshape(900, 1, 12, 12), y, Mixed)
