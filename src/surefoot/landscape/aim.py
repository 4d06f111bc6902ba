"""The aim: which plane is meant, settled before anything is trained, and found once it is."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surefoot.errors import InputError
from surefoot.landscape.checkpoints import load_point
from surefoot.landscape.ground import Ground
from surefoot.landscape.planes import DIRECTIONS, Plane, between, eigen_plane, principal_plane, random_plane
from surefoot.landscape.top import top_direction
from surefoot.landscape.walks import Walk
from surefoot.landscape.weights import Numbers

__all__ = ["Aim", "aim_at", "plane_of"]

Floats = npt.NDArray[np.float64]
Place = str | os.PathLike[str]

_WORDS = ("init", "trained")
"""Places that are no files."""
_VALLEY = 1.5
"""Half a width, over the distance at which a parabola of the top curvature has twice the loss."""


@dataclasses.dataclass(frozen=True)
class Aim:
    """Which plane is meant."""

    kind: str
    """One of `DIRECTIONS`."""
    dims: int
    around: str | None
    """`init`, `trained`, or None for what suits the kind."""
    files: tuple[tuple[str, Numbers], ...] = ()
    """Names and points of the weights that were given as files."""


def aim_at(
    directions: str | None, around: Place | None, to: Place | None, dims: int | None, ground: Ground, paths: int
) -> Aim:
    """What the arguments mean where `paths` trainings will be drawn; files are read.

    Raises:
        InputError: they contradict each other, need a path that is not there, or a file does not fit.
    """
    if directions is not None and directions not in DIRECTIONS:
        raise InputError(f"`directions` is {directions!r}; there are {', '.join(DIRECTIONS)}")
    if dims not in (None, 1, 2):
        raise InputError(f"`dims` is {dims!r}; 1 draws a line, 2 a plane")
    kind = directions or ("between" if to is not None else "eigenvector" if paths else "filter")
    count = dims or (1 if kind == "between" else 2)
    if to is not None and kind != "between":
        raise InputError(f"`to` is given, and `directions` is {kind!r}; it is the other end of `between`")
    if kind == "pca" and not paths:
        raise InputError("`directions` is 'pca', and there is no path to take it of; give `lr`")
    if kind == "pca" and around not in (None, "trained"):
        raise InputError(f"`around` is {str(around)!r}; the plane of `pca` goes through the mean of the paths")
    if around == "trained" and not paths:
        raise InputError("`around` is 'trained', and nothing is trained; give `lr`")
    given = [one for one in (around, to) if one is not None and one not in _WORDS]
    solutions = len(given) + paths + 1
    if kind == "between" and solutions <= count:
        raise InputError(
            f"`directions` is 'between', which needs {count + 1} solutions, and there is the start"
            f"{f' and {solutions - 1} more' if solutions > 1 else ''}; give `around` and `to`, or rates with `lr`"
        )
    files = []
    for one in given:
        point, state = load_point(one, ground.weights)
        ground.keep_buffers(state)
        files.append((Path(one).name or str(one), point))
    word = str(around) if around in _WORDS else None
    return Aim(kind, count, word, tuple(files))


def plane_of(
    aim: Aim, ground: Ground, start: Numbers, walks: Sequence[Walk], losses: Mapping[str, Floats], seed: int
) -> Plane:
    """Origin and directions.

    Args:
        aim: what was asked for.
        ground: gives losses and curvature.
        start: the weights before training, [P].
        walks: what was trained.
        losses: name of each walk to the true losses at its points.
        seed: draws random directions.

    Raises:
        InputError: what was trained spans no such plane.
    """
    ranked = sorted(walks, key=lambda one: float(losses[one.name][-1]))
    if aim.kind == "between":
        return _between(aim, start, walks)
    if aim.kind == "pca":
        return principal_plane([walk.stacked for walk in walks], [walk.lengths for walk in walks], dims=aim.dims)
    origin, words = start, "the weights before training"
    if aim.files:
        origin, words = aim.files[0][1], f"the weights in {aim.files[0][0]}"
    elif ranked and aim.around != "init":
        origin, words = ranked[0].points[-1], f"the end of the path `{ranked[0].name}`, which has the lowest loss"
    if aim.kind != "eigenvector":
        return random_plane(aim.kind, ground.weights, origin, words, dims=aim.dims, seed=seed)
    end = ranked[0].points[-1] if ranked else origin
    shift = (end.astype(np.float64) - start).astype(start.dtype)
    moved = bool(np.any(shift))
    if ranked and not moved and aim.dims == 2:
        raise InputError(
            f"the path `{ranked[0].name}` has not moved ({ranked[0].run.reason if ranked[0].run else 'no step'}), so "
            "there is no displacement to draw; lower `lr`, or take other `directions`"
        )
    vectors, values, notes = top_direction(ground, origin, seed, count=1 if moved or aim.dims == 1 else 2)
    plane = eigen_plane(origin, words, vectors, values, shift if moved else None, dims=aim.dims)
    plane.notes += notes
    if not walks:
        height = float(ground.losses(origin[None])[0])
        plane.span = _VALLEY * math.sqrt(2 * max(height, 1e-6) / max(float(values[0]), 1e-6))
    return plane


def _between(aim: Aim, start: Numbers, walks: Sequence[Walk]) -> Plane:
    """Through the ends that were given; the start is one of them where there are too few, or where paths begin."""
    ends = [*((point, name) for name, point in aim.files)]
    ends += [(walk.points[-1], f"the end of {walk.name}") for walk in walks]
    before = (start, "the start")
    if aim.around == "init" or len(ends) < 2 or (aim.dims == 2 and walks):
        ends = [before, *ends]
    elif aim.dims == 2:
        ends = [*ends, before]
    return between([point for point, _ in ends], [name for _, name in ends], dims=aim.dims)
