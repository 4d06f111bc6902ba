"""Planes: an origin and one or two directions in the space of weights, each with its name and its unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from surefoot.errors import InputError
from surefoot.landscape.weights import Numbers, Weights
from surefoot.maths.directions import (
    chance_shares,
    coordinates_of,
    filter_scaled,
    layer_scaled,
    orthonormal,
    principal_directions,
    whole_scaled,
)

__all__ = ["DIRECTIONS", "Plane", "between", "eigen_plane", "principal_plane", "random_plane"]

Floats = npt.NDArray[np.float64]

DIRECTIONS = ("eigenvector", "pca", "between", "filter", "layer", "random")
"""Ways to choose directions."""
_UNITS = {"random": "size of the weights", "filter": "size of the filters", "layer": "size of the layers"}
_SCALED: dict[str, Callable[[Sequence[Numbers], Sequence[Numbers]], list[Numbers]]] = {
    "random": whole_scaled,
    "filter": filter_scaled,
    "layer": layer_scaled,
}
_MARGIN = 0.15
"""Room around paths, as a share of their extent."""
_THINNEST = 0.12
"""An axis along which paths hardly move still shows this share of the other one's extent."""


@dataclasses.dataclass
class Plane:
    """Where the picture is taken: origin + coordinates @ directions."""

    kind: str
    around: str
    """What the origin is, in words."""
    origin: Numbers
    """[P]."""
    directions: Numbers
    """[k, P], k of 1 or 2."""
    names: list[str]
    units: list[str]
    shares: list[float | None] = dataclasses.field(default_factory=lambda: [None, None])
    walk_shares: list[float | None] = dataclasses.field(default_factory=lambda: [None, None])
    curvatures: list[float | None] = dataclasses.field(default_factory=lambda: [None, None])
    span: float | None = None
    """Half the width of the picture where the directions have a natural one."""
    shown: list[Floats] = dataclasses.field(default_factory=list)
    """Coordinates that the picture must show beside the paths."""
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def lengths(self) -> list[float]:
        """Euclidean length of a coordinate of 1, per direction."""
        return [float(np.linalg.norm(one.astype(np.float64))) for one in self.directions]

    def extent(self, at: Sequence[Floats], span: float | None) -> list[tuple[float, float]]:
        """From where to where each axis goes, to show the coordinates `at` [n, k] of all paths.

        A given `span`, half a width around the origin, comes first; then the natural one; then the paths, unless
        they stay where they are.
        """
        count = len(self.directions)
        if span is not None:
            return [(-span, span)] * count
        if self.span is not None and (self.kind in _UNITS or not len(at)):
            return [(-self.span, self.span)] * count
        if self.kind == "between" and count == 1:
            return [(-0.25, 1.25)]
        every = np.concatenate([*at, *self.shown, np.zeros((1, count))])
        low, high = every.min(axis=0), every.max(axis=0)
        widths = np.maximum(high - low, _THINNEST * float((high - low).max()))
        if self.span is not None and not np.any(high > low):
            return [(-self.span, self.span)] * count
        middle = (low + high) / 2
        reach = np.where(widths > 0, widths, 1.0) * (0.5 + _MARGIN)
        return [(float(m - r), float(m + r)) for m, r in zip(middle, reach, strict=True)]


def random_plane(kind: str, weights: Weights, origin: Numbers, around: str, *, dims: int, seed: int) -> Plane:
    """Random normal directions, scaled to the weights (`random`), to each layer's or to each filter's."""
    generator = np.random.default_rng(seed)
    own = weights.parts(origin)
    found = []
    for _ in range(dims):
        drawn = [generator.standard_normal(one.shape).astype(origin.dtype) for one in own]
        found.append(weights.joined(_SCALED[kind](drawn, own)))
    directions = np.stack(found)
    if not np.all(np.linalg.norm(directions.astype(np.float64), axis=1) > 0):
        raise InputError(
            f"`directions` is {kind!r}, and the model has no weight matrix that is not zero to scale them by; take pca "
            "or eigenvector"
        )
    names = [f"random direction {place + 1}" for place in range(dims)]
    return Plane(kind, around, origin, directions, names, [_UNITS[kind]] * dims, span=1.0)


def principal_plane(walks: Sequence[Numbers], lengths: Sequence[Floats], *, dims: int) -> Plane:
    """The plane of the largest spread of all points of the walks, through their mean."""
    points = np.concatenate(list(walks))
    mean, directions, shares = principal_directions(points, dims)
    chance = chance_shares(lengths, dims)
    return Plane(
        "pca",
        "the mean of all points of the paths",
        mean.astype(points.dtype),
        directions,
        [f"principal component {place + 1}" for place in range(dims)],
        ["distance"] * dims,
        shares=[float(one) for one in shares[:dims]],
        walk_shares=[float(one) for one in chance[:dims]],
    )


def eigen_plane(
    origin: Numbers, around: str, vectors: Numbers, values: Floats, displacement: Numbers | None, *, dims: int
) -> Plane:
    """The top eigenvector of the Hessian against the displacement, so that a path that jumps to and fro shows it.

    The eigenvector keeps its course; of the displacement, what is at right angles to it. Without a displacement the
    second eigenvector takes its place.

    Args:
        origin: where the eigenvectors were taken, [P].
        around: what that is, in words.
        vectors: [1 or 2, P], the largest eigenvalue first.
        values: their eigenvalues.
        displacement: [P] or None.
        dims: directions of the plane.
    """
    names = ["top eigenvector", "second eigenvector"]
    if dims == 1:
        return Plane(
            "eigenvector", around, origin, orthonormal(vectors[:1], names), names[:1], ["distance"],
            curvatures=[float(values[0])],
        )  # fmt: skip
    if displacement is None:
        both = orthonormal(vectors[:2], names)
        return Plane(
            "eigenvector", around, origin, both[[1, 0]], names[::-1], ["distance", "distance"],
            curvatures=[float(values[1]), float(values[0])],
        )  # fmt: skip
    both = orthonormal(np.stack([vectors[0], displacement.astype(origin.dtype)]), [names[0], "displacement"])
    return Plane(
        "eigenvector", around, origin, both[[1, 0]], ["displacement, start to end", names[0]], ["distance", "distance"],
        curvatures=[None, float(values[0])],
    )  # fmt: skip


def between(ends: Sequence[Numbers], names: Sequence[str], *, dims: int) -> Plane:
    """The line from one solution to another, or the plane through three points."""
    first, second = ends[0], ends[1]
    if not np.any(second != first):
        raise InputError(f"{names[0]} and {names[1]} are the same point; nothing lies between them")
    if dims == 1:
        way = (second.astype(np.float64) - first).astype(first.dtype)
        return Plane("between", names[0], first, way[None], [f"{names[0]} to {names[1]}"], ["share"])
    shifts = np.stack([one.astype(np.float64) - first for one in ends[1:3]]).astype(first.dtype)
    called = [f"way from {names[0]} to {name}" for name in names[1:3]]
    return Plane(
        "between", names[0], first, orthonormal(shifts, called),
        [f"{names[0]} to {names[1]}", f"beside that, to {names[2]}"], ["distance", "distance"],
    )  # fmt: skip


def on_plane(plane: Plane, points: Numbers) -> tuple[Floats, Floats]:
    """Coordinates [n, k] of points [n, P], and their distances [n] from the plane."""
    return coordinates_of(points, plane.origin, plane.directions)
