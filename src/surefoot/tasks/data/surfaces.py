"""Surfaces with exact answers: the parameters of the model are a point, and the loss is the height there.

A *surface* is a model together with the noise it is trained under. The rows of data are noise vectors: for a batch of
them the mean loss is f(point) + mean(noise) . point, so that the gradient is the true one plus the mean of the noise.
The training rows come in pairs n, -n: over the whole training part the noise cancels. The validation rows are zero:
the validation loss is f itself. At the lowest point the eigenvalues of the Hessian, and with them the largest stable
rate of plain gradient descent, are known before anything is trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.tasks.data.split import Split

__all__ = ["Quadratic", "Rosenbrock", "Surface", "mean_height", "quadratic", "rosenbrock"]

DEFAULT_EIGENVALUES = (10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1)
VALIDATION_ROWS = 4


@dataclass(frozen=True, eq=False)
class Surface:
    """A surface, the noise on it, and what is known about it exactly.

    Attributes:
        model: factory of the module whose only parameter is the point, shape (dimensions,).
        split: noise rows of shape (n, dimensions); the targets are zeros of shape (n,) and unused.
        lowest: the point where the surface is lowest, float64; its height is 0.
        eigenvalues: eigenvalues of the Hessian at `lowest`, float64, ascending.
    """

    model: Callable[[], nn.Module]
    split: Split
    lowest: Tensor
    eigenvalues: Tensor

    @property
    def stability_limit(self) -> float:
        """Largest stable rate of plain gradient descent near the lowest point: 2 / largest eigenvalue."""
        return 2.0 / float(self.eigenvalues[-1])


def mean_height(output: Tensor, target: Tensor) -> Tensor:
    """Loss of a surface: the mean of the outputs, shape (n,) to scalar; the target is unused."""
    del target
    return output.mean()


class Quadratic(nn.Module):
    """Bowl f(point) = 1/2 point^T H point; called with noise rows (n, d) it returns f + noise . point, shape (n,).

    Args:
        hessian: H, symmetric, shape (d, d).
        start: where the point begins, d numbers; None draws it from a standard normal (the global generator).
    """

    hessian: Tensor

    def __init__(self, hessian: Tensor, start: Sequence[float] | None = None) -> None:
        super().__init__()
        begin = torch.randn(len(hessian)) if start is None else torch.tensor([float(value) for value in start])
        self.point = nn.Parameter(begin)
        self.register_buffer("hessian", hessian.to(begin.dtype))

    def forward(self, noise: Tensor) -> Tensor:
        """Heights for the noise rows, shape (n, d) to (n,)."""
        return 0.5 * self.point @ (self.hessian @ self.point) + noise @ self.point


class Rosenbrock(nn.Module):
    """Bent valley f(p) = sum over i of b (p[i+1] - p[i]^2)^2 + (1 - p[i])^2; noise as for the bowl.

    Source: H. Rosenbrock, "An automatic method for finding the greatest or least value of a function" (1960), in the
    chained form for more than two dimensions.

    Args:
        dimensions: length of the point, at least 2.
        steepness: b, above 0.
        spread: standard deviation of the normal draw (global generator) added to the start -1.2, 1, -1.2, 1, ...
    """

    def __init__(self, dimensions: int = 2, steepness: float = 100.0, spread: float = 0.0) -> None:
        super().__init__()
        begin = torch.tensor([-1.2 if index % 2 == 0 else 1.0 for index in range(dimensions)])
        self.point = nn.Parameter(begin + spread * torch.randn(dimensions))
        self.steepness = steepness

    def forward(self, noise: Tensor) -> Tensor:
        """Heights for the noise rows, shape (n, d) to (n,)."""
        here, ahead = self.point[:-1], self.point[1:]
        height = (self.steepness * (ahead - here**2) ** 2 + (1 - here) ** 2).sum()
        return height + noise @ self.point


def quadratic(
    *,
    eigenvalues: Sequence[float] = DEFAULT_EIGENVALUES,
    noise: float = 0.5,
    rows: int = 512,
    start: Sequence[float] | None = None,
    rotation: int | None = None,
    seed: int = 0,
) -> Surface:
    """Noisy bowl 1/2 point^T H point + noise . point, with H of the eigenvalues given.

    Args:
        eigenvalues: of H, each 0 or more and one above 0.
        noise: standard deviation of each number of a noise row, 0 or more.
        rows: noise rows to train on, an even number of 2 or more.
        start: where the point begins; None draws it from a standard normal at each call of the factory.
        rotation: None keeps H diagonal (its eigenvalues are then exact to the bit); a seed turns the bowl by a
            random rotation drawn from it.
        seed: seed of the noise; it touches no global random state.

    Raises:
        InputError: if an argument is out of its range.

    Source: drawn when asked for. Licence: none needed.
    """
    values = [float(value) for value in eigenvalues]
    if not values or not all(0 <= value < math.inf for value in values) or max(values) == 0:
        raise InputError(f"`eigenvalues` is {tuple(values)}; give finite numbers of 0 or more, one of them above 0")
    if start is not None and len(start) != len(values):
        raise InputError(f"`start` has {len(start)} numbers; give one per eigenvalue ({len(values)}), or None")
    exact = torch.tensor(values, dtype=torch.float64)
    hessian = torch.diag(exact)
    if rotation is not None:
        square = torch.randn(len(values), len(values), generator=_generator(rotation), dtype=torch.float64)
        turn = torch.linalg.qr(square).Q
        hessian = turn @ hessian @ turn.T
    return Surface(
        model=partial(Quadratic, hessian.float(), None if start is None else tuple(start)),
        split=_noise_rows(len(values), noise=noise, rows=rows, seed=seed),
        lowest=torch.zeros(len(values), dtype=torch.float64),
        eigenvalues=exact.sort().values,
    )


def rosenbrock(
    *,
    dimensions: int = 2,
    steepness: float = 100.0,
    noise: float = 0.1,
    rows: int = 512,
    spread: float = 0.1,
    seed: int = 0,
) -> Surface:
    """Noisy bent valley after Rosenbrock, lowest at (1, ..., 1).

    Args:
        dimensions: length of the point, at least 2.
        steepness: how much steeper the walls are than the floor, above 0; 100 is the classic one.
        noise: standard deviation of each number of a noise row, 0 or more.
        rows: noise rows to train on, an even number of 2 or more.
        spread: deviation of the start around the classic -1.2, 1; 0 starts every seed there.
        seed: seed of the noise; it touches no global random state.

    Raises:
        InputError: if an argument is out of its range.

    Source: Rosenbrock 1960 for the formula, noise drawn when asked for. Licence: none needed.
    """
    if dimensions < 2:
        raise InputError(f"`dimensions` is {dimensions}; give a whole number of 2 or more")
    if not 0 < steepness < math.inf:
        raise InputError(f"`steepness` is {steepness}; give a number above 0")
    if not 0 <= spread < math.inf:
        raise InputError(f"`spread` is {spread}; give a number of 0 or more")
    hessian = torch.zeros(dimensions, dimensions, dtype=torch.float64)
    slope = torch.tensor([-2.0, 1.0], dtype=torch.float64)  # of ahead - here^2, at the lowest point
    for index in range(dimensions - 1):
        hessian[index : index + 2, index : index + 2] += 2 * steepness * torch.outer(slope, slope)
        hessian[index, index] += 2.0
    return Surface(
        model=partial(Rosenbrock, dimensions, steepness, spread),
        split=_noise_rows(dimensions, noise=noise, rows=rows, seed=seed),
        lowest=torch.ones(dimensions, dtype=torch.float64),
        eigenvalues=torch.linalg.eigvalsh(hessian),
    )


def _noise_rows(dimensions: int, *, noise: float, rows: int, seed: int) -> Split:
    if not 0 <= noise < math.inf:
        raise InputError(f"`noise` is {noise}; give a number of 0 or more")
    if rows < 2 or rows % 2:
        raise InputError(f"`rows` is {rows}; give an even number of 2 or more (the rows come in opposite pairs)")
    half = noise * torch.randn(rows // 2, dimensions, generator=_generator(seed))
    return Split(
        x=torch.stack([half, -half], dim=1).reshape(rows, dimensions),
        y=torch.zeros(rows),
        xv=torch.zeros(VALIDATION_ROWS, dimensions),
        yv=torch.zeros(VALIDATION_ROWS),
        kind="surface",
        classes=0,
        source=f"noise rows drawn from seed {seed}; the validation rows are free of noise",
        licence="none needed",
    )


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
