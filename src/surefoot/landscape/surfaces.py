"""Surfaces to walk on that everybody can see: functions of a few numbers with known lowest points.

Each is the model of a task: its only parameter is the point, its output the height there, in float64 and without
noise. So whatever trains networks walks down these too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.tasks.task import Task

__all__ = ["SURFACES", "Surface", "surface_of", "task_of"]

Height = Callable[[Tensor], Tensor]
"""Point [d] to its height."""


@dataclasses.dataclass(frozen=True)
class Surface:
    """A function of a point."""

    name: str
    formula: str
    height: Height
    start: tuple[float, ...]
    lowest: tuple[tuple[float, ...], ...]
    """Its lowest points."""
    eigenvalues: tuple[float, ...]
    """Of the second derivative at the first of them, along the coordinates where `quadratic`."""
    quadratic: bool = False

    @property
    def limit(self) -> float:
        """Largest stable rate of plain descent near the lowest point: 2 / largest eigenvalue."""
        return 2.0 / max(self.eigenvalues)


def _bowl(name: str, eigenvalues: Sequence[float], start: Sequence[float]) -> Surface:
    steep = torch.tensor(list(eigenvalues), dtype=torch.float64)
    terms = " + ".join(f"{one:g} w{place + 1}²" for place, one in enumerate(eigenvalues))
    return Surface(
        name, f"1/2 ({terms})", lambda point: 0.5 * (steep * point**2).sum(), tuple(start),
        ((0.0,) * len(eigenvalues),), tuple(eigenvalues), quadratic=True,
    )  # fmt: skip


_ROSENBROCK = (
    1001.600639,  # of the matrix ((802, -400), (-400, 200))
    0.399361,
)

SURFACES: dict[str, Surface] = {
    "quadratic": _bowl("quadratic", (10.0, 1.0), (0.9, 1.8)),
    "ravine": _bowl("ravine", (0.1, 2.0), (-7.0, 2.0)),
    "rosenbrock": Surface(
        "rosenbrock", "100 (w2 - w1²)² + (1 - w1)²",
        lambda p: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2, (-1.2, 1.0), ((1.0, 1.0),), _ROSENBROCK,
    ),
    "double-well": Surface(
        "double-well", "(w1² - 1)² / 4 + w2² / 2", lambda p: 0.25 * (p[0] ** 2 - 1) ** 2 + 0.5 * p[1] ** 2,
        (1.5, 1.2), ((1.0, 0.0), (-1.0, 0.0)), (2.0, 1.0),
    ),
    "saddle": Surface(
        "saddle", "w1² + (w2² - 1)² / 4", lambda p: p[0] ** 2 + 0.25 * (p[1] ** 2 - 1) ** 2,
        (1.2, 0.01), ((0.0, 1.0), (0.0, -1.0)), (2.0, 2.0),
    ),
}  # fmt: skip
"""Surfaces by name. `ravine` is the long valley x²/20 + y² of textbooks."""


def surface_of(name: str, eigenvalues: Sequence[float] | None, start: Sequence[float] | None) -> Surface:
    """A surface by name; the quadratic with these eigenvalues; with another start.

    Raises:
        InputError: no such surface, or numbers out of range.
    """
    if name not in SURFACES:
        raise InputError(f"`surface` is {name!r}; there are {', '.join(SURFACES)}")
    found = SURFACES[name]
    if eigenvalues is not None:
        values = _numbers("eigenvalues", eigenvalues)
        if name != "quadratic":
            raise InputError(f"`eigenvalues` are given and `surface` is {name!r}; only the quadratic has its own")
        if not 2 <= len(values) <= 8 or not all(abs(one) < 1e12 for one in values) or max(values) <= 0:
            raise InputError(
                f"`eigenvalues` is {tuple(values)}; give 2 to 8 finite numbers, at least one of them above 0"
            )
        steepest = max(range(len(values)), key=lambda place: values[place])
        found = _bowl(name, values, [0.9 if place == steepest else 1.8 for place in range(len(values))])
    if start is not None:
        begin = _numbers("start", start)
        if len(begin) != len(found.start) or not all(abs(one) < 1e12 for one in begin):
            raise InputError(f"`start` is {tuple(begin)}; give {len(found.start)} finite numbers, one per coordinate")
        found = dataclasses.replace(found, start=tuple(begin))
    return found


def _numbers(name: str, given: Any) -> list[float]:
    """The numbers that an argument holds.

    Raises:
        InputError: it is no sequence of numbers.
    """
    try:
        # Of text, every letter would be one.
        return [float(one) for one in ([given] if isinstance(given, str) else given)]
    except (TypeError, ValueError):
        raise InputError(f"`{name}` is {given!r}; give a sequence of numbers, such as (10, 1)") from None


class _Point(nn.Module):
    def __init__(self, surface: Surface) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))
        self.height = surface.height

    def forward(self, rows: Tensor) -> Tensor:
        return self.height(self.point) + 0 * rows[:, 0]


def task_of(surface: Surface) -> Task:
    """A task whose training walks down the surface: every batch is all there is."""
    rows = torch.zeros(2, 1, dtype=torch.float64)
    data = (rows, torch.zeros(2, dtype=torch.float64))
    return Task(
        lambda: _Point(surface), data, data, loss=lambda output, target: output.mean() + 0 * target.sum(),
        name=f"bowl: {surface.name}", device="cpu",
    )  # fmt: skip
