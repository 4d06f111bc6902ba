"""Networks that the wide tasks of the corpus of diagnoses draw from: for rows, images, series and symbols."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.tasks.models.mlp import ACTIVATIONS
from surefoot.tasks.models.recurrent import recurrent
from surefoot.tasks.models.transformer import transformer

__all__ = [
    "Each", "Gated", "Linked", "Make", "Seen", "drawn_rows", "images", "learned", "pictures_back", "scaled", "series",
    "symbols",
]  # fmt: skip

Make = Callable[[], nn.Module]


class Gated(nn.Module):
    """A gated recurrent unit over a series of numbers, channels last; it answers at the end."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.gates, self.inner = nn.Linear(inputs + width, 2 * width), nn.Linear(inputs + width, width)
        self.outer, self.width = nn.Linear(width, outputs), width

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], self.width)
        for time in range(x.shape[1]):
            reset, keep = torch.sigmoid(self.gates(torch.cat([x[:, time], state], 1))).chunk(2, 1)
            new = torch.tanh(self.inner(torch.cat([x[:, time], reset * state], 1)))
            state = keep * state + (1 - keep) * new
        answer: Tensor = self.outer(state)
        return answer


class _Added(nn.Module):
    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.inside(x)
        return found


def scaled(module: nn.Module, factor: float) -> nn.Module:
    """The module, the weights of its linear layers multiplied."""
    with torch.no_grad():
        for one in module.modules():
            if isinstance(one, nn.Linear):
                one.weight *= factor
    return module


def drawn_rows(rng: np.random.Generator, inputs: int, outputs: int, *, flat: bool = False) -> Make:
    """A plain or residual network of drawn depth, width, activation, normalisation, dropout and scale at the start."""
    depth = int(rng.choice([0, 1, 1, 2, 2, 3, 4, 6, 9]))
    width = int(2 ** rng.uniform(3, 6.5))
    kind = str(rng.choice(["relu", "relu", "tanh", "gelu", "sigmoid", "silu", "leaky-relu"]))
    norm = str(rng.choice(["none", "none", "none", "batch", "layer"]))
    factor = float(rng.choice([1.0, 1.0, 1.0, 0.6, 1.7]))
    residual, dropout = bool(rng.random() < 0.3), 0.2 if rng.random() < 0.12 else 0.0
    return partial(_rows, inputs, outputs, depth, width, kind, norm, factor, residual, dropout, flat)


def _rows(
    inputs: int,
    outputs: int,
    depth: int,
    width: int,
    kind: str,
    norm: str,
    factor: float,
    residual: bool,
    dropout: float,
    flat: bool,
) -> nn.Module:
    layers: list[nn.Module] = []
    for number in range(depth):
        part: list[nn.Module] = [nn.Linear(inputs, width)]
        if norm != "none":
            part.append(nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width))
        part.append(ACTIVATIONS[kind]())
        layers += [_Added(nn.Sequential(*part))] if residual and number else part
        inputs = width
    layers += [nn.Dropout(dropout)] if dropout and depth else []
    layers += [nn.Linear(inputs, outputs), *([nn.Flatten(0)] if flat else [])]
    return scaled(nn.Sequential(*layers), factor)


def images(rng: np.random.Generator, size: int, outputs: int, *, flat: bool = False) -> Make:
    """Convolutions over images of one channel; batch normalisation or none; pooled or read out whole."""
    width, norm, pooled = int(rng.integers(4, 11)), bool(rng.random() < 0.6), bool(rng.random() < 0.5)
    kind = str(rng.choice(["relu", "relu", "silu", "tanh"]))

    def model() -> nn.Module:
        between = ACTIVATIONS[kind]
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1)]
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers += [between(), nn.MaxPool2d(2), nn.Conv2d(width, 2 * width, 3, padding=1)]
        layers += [nn.BatchNorm2d(2 * width)] if norm else []
        layers += [between(), nn.AdaptiveAvgPool2d(1) if pooled else nn.AvgPool2d(2), nn.Flatten()]
        count = 2 * width * (1 if pooled else (size // 4) ** 2)
        return nn.Sequential(*layers, nn.Linear(count, outputs), *([nn.Flatten(0)] if flat else []))

    return model


def pictures_back(rng: np.random.Generator) -> Make:
    """Convolutions from an image to an image, narrow in between or straight."""
    width, kind = int(rng.integers(5, 12)), str(rng.choice(["relu", "silu", "tanh"]))
    narrow = bool(rng.random() < 0.5)

    def model() -> nn.Module:
        between = ACTIVATIONS[kind]
        first = [nn.Conv2d(1, width, 3, padding=1, stride=2 if narrow else 1), between()]
        middle = [nn.Conv2d(width, width, 3, padding=1), between()]
        last = nn.ConvTranspose2d(width, 1, 2, stride=2) if narrow else nn.Conv2d(width, 1, 3, padding=1)
        return nn.Sequential(*first, *middle, last)

    return model


def series(rng: np.random.Generator, outputs: int, *, flat: bool = False) -> Make:
    """A gated unit, or convolutions, over a series of numbers with one channel last."""
    if rng.random() < 0.5:
        width = int(rng.integers(8, 25))
        return lambda: nn.Sequential(Gated(1, width, outputs), *([nn.Flatten(0)] if flat else []))
    width = int(rng.integers(6, 17))

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Flatten(1), nn.Unflatten(1, (1, -1)), nn.Conv1d(1, width, 5, stride=2), nn.ReLU(),
            nn.Conv1d(width, width, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(2), nn.Flatten(),
            nn.Linear(2 * width, outputs), *([nn.Flatten(0)] if flat else []),
        )  # fmt: skip

    return model


class _Last(nn.Module):
    """The answer at the last place, of what answers at every place."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inside(x)[:, :, -1]
        return found


def symbols(rng: np.random.Generator, codes: int, length: int, outputs: int, *, everywhere: bool = False) -> Make:
    """A transformer, a gated or plain recurrence, or rows of embeddings, over symbols."""
    draw, width, most = rng.random(), int(rng.integers(10, 25)), max(codes, outputs)
    cell = str(rng.choice(["gru", "elman"]))
    if draw < 0.75 or everywhere:
        inside = (
            partial(transformer, most, context=length, width=4 * (width // 4) + 8)
            if draw < 0.45
            else partial(recurrent, most, width=width, cell=cell)
        )
        return inside if everywhere else lambda: _Last(inside())
    rows = drawn_rows(rng, 8 * length, outputs)
    return lambda: nn.Sequential(nn.Embedding(codes, 8), nn.Flatten(), rows())


class Seen(nn.Module):
    """Both views of a thing through one network; rows of length one."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.each = make()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(self.each(x.flatten(0, 1)), dim=-1).unflatten(0, (x.shape[0], 2))


class Each(nn.Module):
    """Every row of a group through one network."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.each = make()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.each(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return found


class Linked(nn.Module):
    """Fifty points; two are linked where their inner product is large."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.offset = nn.Embedding(50, 6), nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = (self.places(x[:, 0]) * self.places(x[:, 1])).sum(1, keepdim=True)
        found: Tensor = self.offset(near).squeeze(1)
        return found


def learned(make: Make, rows: Tensor, target: Tensor) -> nn.Module:
    """A network that has learned `target` to some degree."""
    module = make()
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    with torch.enable_grad():
        for _ in range(150):
            optimizer.zero_grad()
            nn.functional.mse_loss(module(rows), target).backward()
            optimizer.step()
    optimizer.zero_grad()
    return module
