"""What the trainings of the corpus of diagnoses are of: tasks, split into two parts, and how each is trained.

The split is by task. Tasks are added in turns: those of a turn are made for one look at what was fitted on those of the
turns before, and are fitted on from then on, together with more that are drawn: diagnosis_varied.py,
diagnosis_wide.py, diagnosis_slow.py. Those of the last turn, `FRESH`, nothing has been fitted or chosen on.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

import panel
from diagnosis_afterwards import MADE as FIFTH_MADE
from diagnosis_fresh import MADE as THIRD_MADE
from diagnosis_further import MADE as FURTHER_MADE
from diagnosis_last import MADE as LAST_MADE
from diagnosis_newest import MADE as NEWEST_MADE
from diagnosis_slow import SLOW, make_slow, slow_way
from diagnosis_unseen import MADE as FOURTH_MADE
from diagnosis_varied import VARIED, Training, Way, make_varied, tabled, way_of
from diagnosis_wide import WIDE, make_wide, wide_way
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.data.tables import digits
from surefoot.tasks.data.tiny_text import tiny_text
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.recurrent import recurrent
from surefoot.tasks.models.transformer import transformer
from surefoot.tasks.task import Task

__all__ = [
    "CALIBRATION", "FRESH", "PARTS", "Training", "batch_of", "family_of", "make_task", "rates_of", "steps_of",
    "trainings_of_task",
]  # fmt: skip

LOWEST = {
    "sgd": -4.5, "momentum": -5.2, "nesterov": -5.2, "adam": -5.6, "adamw": -5.6, "rmsprop": -5.9, "adagrad": -4.6,
}  # fmt: skip
"""log10 of the lowest rate of a sweep, which spans 6 decades."""

LENGTHS: dict[str, tuple[int, int | str]] = {
    # task: updates, batch size
    "digits": (300, 64),
    "digits-cnn": (200, 64),
    "digits-bn": (160, 64),
    "digits-autoencoder": (240, 48),
    "few-digits": (300, 25),
    "breast-cancer": (240, 24),
    "diabetes": (320, 32),
    "iris": (300, 12),
    "spirals": (400, 32),
    "half-spirals": (320, 32),
    "friedman-deep": (300, 40),
    "least-squares": (300, 20),
    "marked-sum": (240, 45),
    "markov-transformer": (160, 16),
    "xor": (400, "full"),
    "wine": (240, 12),
    "penguins": (280, 16),
    "bowl": (320, 16),
    "mnist-norm": (200, 50),
    "mnist-mlp": (160, 50),
    "text-gru": (160, 16),
    "text-elman": (160, 16),
    "text-transformer": (160, 16),
    "classes": (260, 32),
    "moons": (300, 20),
    "waves": (180, 32),
    "blobs": (240, 40),
    "curve": (320, 24),
}

FIRST = (
    "digits", "digits-cnn", "digits-bn", "digits-autoencoder", "few-digits", "breast-cancer", "diabetes", "iris",
    "spirals", "half-spirals", "friedman-deep", "least-squares", "marked-sum", "markov-transformer", "xor",
)  # fmt: skip
HELD_OUT = ("wine", "penguins", "bowl", "mnist-norm", "mnist-mlp", "text-gru", "text-elman", "text-transformer")
"""Held out once, and looked at several times."""

SECOND = ("classes", "moons", "waves", "blobs", "curve")
"""Once made for a look at what was fitted on the first tasks alone."""

LATER = (*SECOND, *VARIED)
THIRD = tuple(THIRD_MADE)
"""Once made for a look at what was fitted on the tasks before."""
FOURTH = tuple(FOURTH_MADE)
"""Made for a look at what was fitted on the tasks before these."""
FIFTH = tuple(FIFTH_MADE)
"""Half of real data; looked at once, and fitted on since."""
SIXTH = tuple(LAST_MADE)
"""Half of real data too, thirty; looked at once, and fitted on since."""
SEVENTH = tuple(NEWEST_MADE)
"""Made for a look at what was fitted on all before."""
CALIBRATION = (*FIRST, *LATER, *THIRD, *HELD_OUT, *FOURTH, *FIFTH, *SIXTH, *SEVENTH, *SLOW, *WIDE)
"""Whatever had been looked at, and more."""
FRESH = tuple(FURTHER_MADE)
"""Looked at once, after everything had been fitted and chosen."""
PARTS: dict[str, tuple[str, ...]] = {
    "corpus": (*FIRST, *HELD_OUT), "later": LATER, "third": THIRD, "fourth": FOURTH, "fifth": FIFTH, "last": SIXTH,
    "newest": SEVENTH, "slow": SLOW, "wide": WIDE, "further": FRESH,
}  # fmt: skip
"""Name of a record to the tasks in it."""

_PAIRS = {
    0: ("sgd", "adam"), 1: ("momentum", "adamw"), 2: ("momentum", "rmsprop"), 3: ("sgd", "rmsprop"),
    4: ("momentum", "adam"),
}  # fmt: skip
_GIVEN = THIRD_MADE | FOURTH_MADE | FIFTH_MADE | LAST_MADE | NEWEST_MADE | FURTHER_MADE
_DRAWN = {
    name: (way, make)
    for names, way, make in ((VARIED, way_of, make_varied), (WIDE, wide_way, make_wide), (SLOW, slow_way, make_slow))
    for name in names
}
_PLACES = (*FIRST, *HELD_OUT, *SECOND)


def trainings_of_task(name: str) -> tuple[Training, ...]:
    """Two optimizers, each at a constant and at a decaying rate: the decay is the counterfactual of a noise floor."""
    way = _way_of(name)
    if way is not None:
        return way.trainings
    place = _PLACES.index(name)
    return tuple(
        Training(key, schedule)
        for key in _PAIRS[place % len(_PAIRS)]
        for schedule in ("constant", ("cosine", "linear", "warmup:linear:0.05+cosine")[place % 3])
    )


def family_of(name: str) -> str:
    """The family of a drawn task; any other task is its own."""
    return name.rpartition("-")[0] if name in _DRAWN else name


def _way_of(name: str) -> Way | None:
    if name in _DRAWN:
        return _DRAWN[name][0](name)
    return _GIVEN[name][1] if name in _GIVEN else None


def steps_of(name: str) -> int:
    """Updates of a training of the task."""
    way = _way_of(name)
    return LENGTHS[name][0] if way is None else way.steps


def batch_of(name: str) -> int | str:
    """Its batch size."""
    way = _way_of(name)
    return LENGTHS[name][1] if way is None else way.batch


def rates_of(name: str, training: Training) -> list[float]:
    """The rates of a sweep, lowest first."""
    way = _way_of(name)
    if way is not None:
        lowest = LOWEST[training.key] + way.shift
        if name in WIDE or name in SLOW:
            return [float(10 ** (lowest + 0.375 * place)) for place in range(17)]
        return [float(10 ** (lowest + 0.5 * place)) for place in range(13)]
    return [float(10 ** (LOWEST[training.key] + 0.6 * place)) for place in range(11)]


def _autoencoder() -> Task:
    """Digits through 12 numbers and back; squared error."""
    split = digits()
    model = lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 12), nn.Linear(12, 64))  # noqa: E731
    return Task(model, train=(split.x, split.x), val=(split.xv, split.xv), loss=nn.MSELoss(), name="digits-autoencoder")


def _markov() -> Task:
    """Next symbol of a random chain of order 1 over 12 symbols; transformer."""
    rng = torch.Generator().manual_seed(21)
    chances = torch.softmax(2.5 * torch.randn(12, 12, generator=rng), 1)
    codes = torch.randint(12, (640, 1), generator=rng)
    for _ in range(16):
        codes = torch.cat([codes, torch.multinomial(chances[codes[:, -1]], 1, generator=rng)], 1)
    x, y = codes[:, :-1], codes[:, 1:]
    model = partial(transformer, 12, context=16, width=24)
    return Task(model, train=(x[:512], y[:512]), val=(x[512:], y[512:]), loss=_symbols, name="markov-transformer")


def _symbols(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(output, target)


def _elman() -> Task:
    split = tiny_text(length=16)
    data = {"train": (split.x[:512], split.y[:512]), "val": (split.xv[:128], split.yv[:128])}
    model = partial(recurrent, 63, width=32, cell="elman")
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="text-elman")


def _mnist_mlp() -> Task:
    from surefoot.tasks.data.mnist import mnist_small

    split = mnist_small()
    pooled = [
        nn.functional.avg_pool2d(x.reshape(-1, 1, 28, 28), 2).flatten(1) for x in (split.x[:3000], split.xv[:600])
    ]
    model = partial(mlp, (196, 64, 10))
    data = {"train": (pooled[0], split.y[:3000]), "val": (pooled[1], split.yv[:600])}
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-mlp")


def _classes() -> Task:
    from sklearn.datasets import make_classification

    x, y = make_classification(
        900, 24, n_informative=8, n_classes=4, flip_y=0.05, class_sep=1.2, random_state=11
    )  # fmt: skip
    return tabled("classes", x, y, partial(mlp, (24, 48, 48, 4)))


def _moons() -> Task:
    from sklearn.datasets import make_moons

    x, y = make_moons(700, noise=0.15, random_state=12)
    return tabled("moons", x, y, partial(mlp, (2, 24, 24, 2), activation="tanh"))


def _blobs() -> Task:
    from sklearn.datasets import make_blobs

    x, y = make_blobs(1000, 12, centers=7, cluster_std=5.0, random_state=13)
    return tabled("blobs", x / 10, y, partial(nn.Linear, 12, 7))


def _waves() -> Task:
    """Noisy waves of five shapes, told apart by convolutions over time."""
    rng = np.random.default_rng(14)
    y = rng.integers(0, 5, 900)
    at = np.linspace(0, 1, 48)
    phase, pitch = rng.uniform(0, 1, (900, 1)), (1.5 + y)[:, None]
    x = np.sin(2 * np.pi * (pitch * at + phase)) + 0.5 * rng.standard_normal((900, 48))

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Unflatten(1, (1, 48)), nn.Conv1d(1, 8, 7), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 12, 5), nn.ReLU(),
            nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(48, 5),
        )  # fmt: skip

    return tabled("waves", x, y, model)


def _curve() -> Task:
    rng = np.random.default_rng(15)
    x = rng.uniform(-2, 2, (800, 1))
    y = np.sin(3 * x) * np.exp(-(x**2) / 3) + 0.1 * rng.standard_normal((800, 1))
    return tabled("curve", x, y, partial(mlp, (1, 40, 40, 1), activation="tanh"), loss=nn.MSELoss())


_MADE = {
    "classes": _classes,
    "moons": _moons,
    "blobs": _blobs,
    "waves": _waves,
    "curve": _curve,
    "digits-autoencoder": _autoencoder,
    "markov-transformer": _markov,
    "text-elman": _elman,
    "mnist-mlp": _mnist_mlp,
}
_PANEL = (
    "bowl", "few-digits", "friedman-deep", "half-spirals", "least-squares", "marked-sum", "mnist-norm", "text-gru",
    "text-transformer",
)  # fmt: skip


def make_task(name: str) -> Task:
    """The task of that name."""
    if name in _GIVEN:
        return _GIVEN[name][0]()
    if name in _DRAWN:
        return _DRAWN[name][1](name)
    if name in _MADE:
        return _MADE[name]()
    return panel.make_task(name) if name in _PANEL else find_entry(name).make()
