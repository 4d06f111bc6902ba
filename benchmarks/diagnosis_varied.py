"""Varied tasks of the corpus of diagnoses: data, network, loss, batch, length, optimizer and schedule drawn by a seed.

Each *family* makes data of one kind; everything else is drawn. Tasks of one family are never on both sides of a
comparison: whoever leaves tasks out leaves out families.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from surefoot.tasks.models.mlp import ACTIVATIONS
from surefoot.tasks.task import Task

__all__ = ["OPTIMIZERS", "VARIED", "Training", "Way", "family_of", "make_varied", "tabled", "way_of"]

Array = np.ndarray[Any, Any]

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "adam": ("adam", {}),
    "adamw": ("adamw", {"weight_decay": 0.01}),
    "rmsprop": ("rmsprop", {}),
    "adagrad": ("adagrad", {}),
}
_DECAYS = (
    "cosine", "linear", "warmup:linear:0.05+cosine", "warmup:linear:0.1+linear", "one-cycle", "warmup-stable-decay",
    "polynomial",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Training:
    """An optimizer and a schedule; a whole sweep of rates is trained with it."""

    key: str
    """Name of the optimizer with its options."""
    schedule: str

    @property
    def optimizer(self) -> str:
        return OPTIMIZERS[self.key][0]

    @property
    def options(self) -> dict[str, Any]:
        return OPTIMIZERS[self.key][1]


@dataclasses.dataclass(frozen=True)
class Way:
    """How a varied task is trained."""

    steps: int
    batch: int | str
    trainings: tuple[Training, ...]
    shift: float
    """Decades by which its rates lie beside the usual ones."""


def _clusters(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_classification

    classes, width = int(rng.integers(2, 7)), int(rng.integers(10, 40))
    return cast(
        tuple[Array, Array],
        make_classification(
            900, width, n_informative=8, n_classes=classes, flip_y=float(rng.choice([0.0, 0.05, 0.2])),
            class_sep=float(rng.uniform(0.6, 1.8)), random_state=int(rng.integers(1000)),
        ),
    )  # fmt: skip


def _shells(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_gaussian_quantiles

    found = make_gaussian_quantiles(n_samples=800, n_features=3, n_classes=4, random_state=int(rng.integers(1000)))
    return cast(tuple[Array, Array], found)


def _circles(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_circles

    found = make_circles(700, noise=0.08, factor=float(rng.uniform(0.4, 0.8)), random_state=int(rng.integers(1000)))
    return cast(tuple[Array, Array], found)


def _radius(rng: np.random.Generator) -> tuple[Array, Array]:
    """Whether ten normal numbers lie far from the origin (Hastie, Tibshirani and Friedman 2009, 10.2)."""
    x = rng.standard_normal((1000, 10))
    return x, ((x**2).sum(1) > 9.34).astype(int)


def _bars(rng: np.random.Generator) -> tuple[Array, Array]:
    """Images of 8 x 8 with a bar in one of four directions, in noise."""
    y = rng.integers(0, 4, 800)
    at = np.indices((8, 8)) - 3.5
    angle = y * np.pi / 4
    across = np.cos(angle)[:, None, None] * at[0] + np.sin(angle)[:, None, None] * at[1]
    x = (np.abs(across - rng.uniform(-2, 2, (800, 1, 1))) < 1.0) + rng.uniform(0.2, 0.6) * rng.standard_normal(
        (800, 8, 8)
    )
    return x[:, None], y


def _rhythms(rng: np.random.Generator) -> tuple[Array, Array]:
    """Series of 40 values of which each kind remembers its past in another way."""
    y = rng.integers(0, 4, 800)
    memory = np.array([-0.8, -0.2, 0.4, 0.9])[y]
    x = np.zeros((800, 40))
    for time in range(1, 40):
        x[:, time] = memory * x[:, time - 1] + rng.standard_normal(800)
    return x[:, None], y


def _taught(rng: np.random.Generator) -> tuple[Array, Array]:
    """Classes that a random network assigns."""
    x = rng.standard_normal((1000, 15))
    return x, (np.tanh(x @ rng.standard_normal((15, 20))) @ rng.standard_normal((20, 5))).argmax(1)


def _parity(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.integers(0, 2, (1000, 8)).astype(float)
    return 2 * x - 1, (x[:, : int(rng.integers(2, 4))].sum(1) % 2).astype(int)


def _digit_parts(rng: np.random.Generator) -> tuple[Array, Array]:
    """Digits, some of their pixels, in noise."""
    from sklearn.datasets import load_digits

    data = load_digits()
    some = rng.permutation(1797)[:900]
    pixels = rng.permutation(64)[:40]
    return data.data[some][:, pixels] / 16 + 0.1 * rng.standard_normal((900, 40)), data.target[some]


def _marks(rng: np.random.Generator) -> tuple[Array, Array]:
    """Several yes or no answers about one row."""
    from sklearn.datasets import make_multilabel_classification

    x, y = make_multilabel_classification(800, 20, n_classes=6, random_state=int(rng.integers(1000)))
    return (x - x.mean(0)) / x.std(0), y.astype(float)


def _words(rng: np.random.Generator) -> tuple[Array, Array]:
    """Which of three topics ten words come from."""
    chances = rng.dirichlet(np.full(40, 0.3), 3)
    y = rng.integers(0, 3, 900)
    return np.stack([rng.choice(40, 10, p=chances[topic]) for topic in y]), y


def _sums(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_regression

    x, y = make_regression(800, 20, n_informative=10, noise=5.0, random_state=int(rng.integers(1000)))
    return x, y


def _circuit(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_friedman2

    x, y = make_friedman2(900, noise=20.0, random_state=int(rng.integers(1000)))
    return (x - x.mean(0)) / x.std(0), y


def _phase(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_friedman3

    x, y = make_friedman3(900, noise=0.1, random_state=int(rng.integers(1000)))
    return (x - x.mean(0)) / x.std(0), y


def _roll(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_swiss_roll

    x, y = make_swiss_roll(900, noise=0.3, random_state=int(rng.integers(1000)))
    return x / 8, y


def _sparse(rng: np.random.Generator) -> tuple[Array, Array]:
    from sklearn.datasets import make_sparse_uncorrelated

    return cast(tuple[Array, Array], make_sparse_uncorrelated(700, 25, random_state=int(rng.integers(1000))))


def _tones(rng: np.random.Generator) -> tuple[Array, Array]:
    """A sum of sines over one number."""
    x = rng.uniform(-1, 1, (900, 1))
    pitch = rng.uniform(1, 6, 3)
    return 2 * x, np.sin(np.pi * x * pitch).sum(1) + 0.05 * rng.standard_normal(900)


def _hills(rng: np.random.Generator) -> tuple[Array, Array]:
    """Height over a plane of a few hills."""
    x = rng.uniform(-1, 1, (1000, 2))
    tops = rng.uniform(-1, 1, (5, 2))
    away = ((x[:, None] - tops) ** 2).sum(2)
    return x, (np.exp(-6 * away) * rng.uniform(-1, 1, 5)).sum(1)


def _squeezed(rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows of low rank, to be given back."""
    x = rng.standard_normal((800, 6)) @ rng.standard_normal((6, 30)) + 0.1 * rng.standard_normal((800, 30))
    return x / x.std(), x / x.std()


def _chaos(rng: np.random.Generator) -> tuple[Array, Array]:
    """The next value of a logistic map, from ten noisy ones before it."""
    value = rng.uniform(0.1, 0.9, 800)
    found = []
    for _ in range(11):
        value = 3.7 * value * (1 - value)
        found.append(value)
    series = np.stack(found, 1)
    return series[:, :10] + 0.02 * rng.standard_normal((800, 10)) - 0.5, series[:, 10]


def _counts(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.standard_normal((900, 12))
    return x, rng.poisson(np.exp(0.4 * x @ rng.standard_normal(12) / 2 + 0.5)).astype(float)


def _shadows(rng: np.random.Generator) -> tuple[Array, Array]:
    """Brightness of the middle of images of smooth noise, from the rest of them."""
    raw = rng.standard_normal((700, 10, 10))
    smooth = sum(np.roll(raw, (a, b), (1, 2)) for a in (-1, 0, 1) for b in (-1, 0, 1)) / 3
    y = smooth[:, 4:6, 4:6].mean((1, 2))
    x = smooth.copy()
    x[:, 4:6, 4:6] = 0
    return x[:, None], y


FAMILIES: dict[str, tuple[Callable[[np.random.Generator], tuple[Array, Array]], str]] = {
    # family: data, what is told
    "clusters": (_clusters, "class"), "shells": (_shells, "class"), "circles": (_circles, "class"),
    "radius": (_radius, "class"), "bars": (_bars, "class"), "rhythms": (_rhythms, "class"),
    "taught": (_taught, "class"), "parity": (_parity, "class"), "digit-parts": (_digit_parts, "class"),
    "marks": (_marks, "yes-no"), "words": (_words, "class"), "sums": (_sums, "number"),
    "circuit": (_circuit, "number"), "phase": (_phase, "number"), "roll": (_roll, "number"),
    "sparse": (_sparse, "number"), "tones": (_tones, "number"), "hills": (_hills, "number"),
    "squeezed": (_squeezed, "number"), "chaos": (_chaos, "number"), "counts": (_counts, "count"),
    "shadows": (_shadows, "number"),
}  # fmt: skip
TWICE = ("clusters", "bars", "taught", "radius", "words", "sums", "circuit", "tones", "squeezed", "roll")
_DRAWN = (*(f"{name}-1" for name in FAMILIES), *(f"{name}-2" for name in TWICE))
_LONG = ("tones-1", "counts-1", "sums-2", "tones-2", "squeezed-2")
VARIED = tuple(name for name in _DRAWN if name not in _LONG)
"""What was drawn, without those that would have taken too long."""


def family_of(name: str) -> str:
    """The family of a varied task; any other task is its own."""
    return name.rpartition("-")[0] if name in VARIED else name


def _rng(name: str, what: int) -> np.random.Generator:
    return np.random.default_rng([41, _DRAWN.index(name), what])


def way_of(name: str) -> Way:
    """How the varied task of that name is trained."""
    rng = _rng(name, 0)
    heavy = family_of(name) in ("bars", "rhythms", "shadows")
    steps = int(10 ** rng.uniform(2.0, 2.4 if heavy else 2.85))
    batch = "full" if rng.random() < 0.08 else int(2 ** rng.uniform(2.5, 5.5 if heavy else 7.0))
    kinds = rng.permutation([key for key in OPTIMIZERS if key != "adagrad" or rng.random() < 0.4])[:2]
    schedules = ("constant", str(rng.choice(_DECAYS)))
    return Way(
        steps, batch, tuple(Training(str(k), s) for k in kinds for s in schedules), float(rng.uniform(-0.3, 0.3))
    )


def make_varied(name: str) -> Task:
    """The varied task of that name."""
    data, told = FAMILIES[family_of(name)]
    x, y = data(_rng(name, 1))
    rng = _rng(name, 2)
    if told == "number":
        y = (y - y.mean()) / y.std() * float(rng.choice([0.2, 1.0, 1.0, 1.0, 5.0]))
    losses: dict[str, tuple[nn.Module, ...]] = {
        "class": (nn.CrossEntropyLoss(),),
        "yes-no": (nn.BCEWithLogitsLoss(),),
        "count": (nn.PoissonNLLLoss(),),
        "number": (nn.MSELoss(), nn.MSELoss(), nn.SmoothL1Loss(), nn.L1Loss()),
    }
    outputs = int(y.max()) + 1 if told == "class" else 1 if y.ndim == 1 else y.shape[1]
    loss = losses[told][int(rng.integers(len(losses[told])))]
    return tabled(name, x, y, partial(_network, _drawn(rng), x, outputs, told != "class" and y.ndim == 1), loss)


@dataclasses.dataclass(frozen=True)
class _Net:
    """What is drawn of a network."""

    depth: int
    width: int
    activation: str
    norm: str
    scale: float
    """By which the weights at the start are multiplied."""
    residual: bool


def _drawn(rng: np.random.Generator) -> _Net:
    return _Net(
        depth=int(rng.choice([0, 1, 1, 2, 2, 3, 4, 5])),
        width=int(2 ** rng.uniform(3, 6.6)),
        activation=str(rng.choice(["relu", "relu", "relu", "tanh", "gelu", "sigmoid", "silu", "leaky-relu"])),
        norm=str(rng.choice(["none", "none", "none", "batch", "layer"])),
        scale=float(rng.choice([1.0, 1.0, 1.0, 0.5, 2.0])),
        residual=bool(rng.random() < 0.25),
    )


class _Block(nn.Module):
    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = x + self.inside(x)
        return found


def _network(net: _Net, x: Array, outputs: int, flat: bool) -> nn.Module:
    between = ACTIVATIONS[net.activation]
    layers: list[nn.Module] = []
    if x.dtype.kind == "i":
        layers += [nn.Embedding(int(x.max()) + 1, 8), nn.Flatten()]
        inputs = 8 * x.shape[1]
    elif x.ndim == 4:
        layers += [
            nn.Conv2d(1, 6, 3, padding=1),
            between(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3),
            between(),
            nn.Flatten(),
        ]
        inputs = 8 * (x.shape[2] // 2 - 2) ** 2
    elif x.ndim == 3:
        layers += [nn.Conv1d(1, 8, 5), between(), nn.AvgPool1d(4), nn.Flatten()]
        inputs = 8 * ((x.shape[2] - 4) // 4)
    else:
        inputs = x.shape[1]
    for number in range(net.depth):
        part: list[nn.Module] = [nn.Linear(inputs, net.width)]
        if net.norm != "none":
            part.append(nn.BatchNorm1d(net.width) if net.norm == "batch" else nn.LayerNorm(net.width))
        part.append(between())
        layers += [_Block(nn.Sequential(*part))] if net.residual and number else part
        inputs = net.width
    layers += [nn.Linear(inputs, outputs), *([nn.Flatten(0)] if flat else [])]
    module = nn.Sequential(*layers)
    with torch.no_grad():
        for one in module.modules():
            if isinstance(one, nn.Linear):
                one.weight *= net.scale
    return module


def tabled(name: str, x: Any, y: Any, model: Any, loss: Any = None) -> Task:
    """A task of arrays; three quarters of the rows are trained on."""
    rows, target = (torch.tensor(one, dtype=torch.long if one.dtype.kind == "i" else torch.float32) for one in (x, y))
    cut = int(0.75 * len(rows))
    data = {"train": (rows[:cut], target[:cut]), "val": (rows[cut:], target[cut:])}
    return Task(model, **data, loss=nn.CrossEntropyLoss() if loss is None else loss, name=name)
