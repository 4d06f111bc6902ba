"""The aim: which plane is meant, settled before anything is trained, and found once it is."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import nn

from surefoot.errors import InputError, TaskError
from surefoot.landscape.checkpoints import End, read_end
from surefoot.landscape.drawing import within
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
    begin: End | None = None
    """The file to draw around, where paths begin."""
    other: End | None = None
    """The file with the other end."""

    @property
    def files(self) -> tuple[End, ...]:
        """What was given as files."""
        return tuple(one for one in (self.begin, self.other) if one is not None)

    def through_start(self, paths: int) -> bool:
        """Whether the start is one of the points that the line or plane goes through beside files and paths' ends."""
        if self.kind != "between" or (self.begin is not None and paths):
            return False
        return self.around == "init" or self.dims == 2 or len(self.files) + paths < 2


def aim_at(
    directions: str | None, around: Place | None, to: Place | None, dims: int | None, model: nn.Module, paths: int
) -> Aim:
    """What the arguments mean where `paths` trainings will be drawn; files are read.

    Args:
        directions: see `landscape`, as the next three.
        around: where the picture is.
        to: the other end.
        dims: of the picture.
        model: says what a file must hold.
        paths: trainings that will be drawn.

    Raises:
        InputError: they contradict each other, need a path that is not there, or a file does not fit.
    """
    if directions is not None and directions not in DIRECTIONS:
        raise InputError(f"`directions` is {directions!r}; there are {', '.join(DIRECTIONS)}")
    if dims not in (None, 1, 2):
        raise InputError(f"`dims` is {dims!r}; 1 draws a line, 2 a plane")
    kind = directions or ("between" if to is not None else "eigenvector" if paths else "filter")
    alone = sum(one.numel() for one in model.parameters() if one.requires_grad) == 1
    if alone and dims == 2:
        raise InputError("`dims` is 2, and the model has a single weight, which spans no plane; take 1, a line")
    count = dims or (1 if kind == "between" or alone else 2)
    if to is not None and kind != "between":
        raise InputError(f"`to` is given, and `directions` is {kind!r}; it is the other end of `between`")
    if kind == "pca" and not paths:
        raise InputError("`directions` is 'pca', and there is no path to take it of; give `lr`")
    if kind == "pca" and around not in (None, "trained"):
        raise InputError(f"`around` is {str(around)!r}; the plane of `pca` goes through the mean of the paths")
    if around == "trained" and not paths:
        raise InputError("`around` is 'trained', and nothing is trained; give `lr`")
    begin, other = (None if one in (None, *_WORDS) else one for one in (around, to))
    # Paths begin at the file that is drawn around: then there is no other start.
    solutions = (begin is not None) + (other is not None) + paths + (begin is None or not paths)
    if kind == "between" and solutions <= count:
        raise InputError(
            f"`directions` is 'between', which needs {count + 1} solutions, and there is the start"
            f"{f' and {solutions - 1} more' if solutions > 1 else ''}; give `around` and `to`, or rates with `lr`"
        )
    return Aim(
        kind, count, str(around) if around in _WORDS else None,
        None if begin is None else read_end("around", begin, model),
        None if other is None else read_end("to", other, model),
    )  # fmt: skip


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
        return _between(aim, ground, start, walks)
    if aim.kind == "pca":
        return _principal(aim, walks, losses)
    best = ranked[0] if ranked else None
    if best is not None and aim.begin is None and aim.around != "init":
        return _along(aim, ground, start, best, losses[best.name], seed)
    origin, words = start, "the weights before training"
    if aim.begin is not None:
        origin, words = ground.point(aim.begin.state), f"the weights in {aim.begin.name}"
    if aim.kind != "eigenvector":
        return random_plane(aim.kind, ground.weights, origin, words, dims=aim.dims, seed=seed)
    if best is None:
        return _steepest(aim, ground, start, origin, words, origin, seed)
    notes = _check_moved(best, start) if aim.dims == 2 else []
    end = best.points[np.flatnonzero(np.isfinite(losses[best.name]))[-1]]
    plane = _steepest(aim, ground, start, origin, words, end, seed)
    plane.notes += notes
    return plane


def _along(aim: Aim, ground: Ground, start: Numbers, walk: Walk, losses: Floats, seed: int) -> Plane:
    """Around the end of a path; where its loss has run away to where nothing can be told of it, around a point before.

    Raises:
        TaskError: the curvature is not even finite at the start.
    """
    last = len(walk.points) - 1
    notes = _check_moved(walk, start) if aim.kind == "eigenvector" and aim.dims == 2 else []
    calm = int(np.flatnonzero(within(losses))[-1])
    places = [place for place in dict.fromkeys((last, calm)) if place and math.isfinite(losses[place])]
    for place in (*places, 0):
        origin, words = walk.points[place], "the weights before training"
        if place:
            words = f"the path `{walk.name}` after {walk.step[place]} steps"
        if place == last > 0:
            words = f"the end of the path `{walk.name}`, which has the lowest loss"
        try:
            if aim.kind == "eigenvector":
                plane = _steepest(aim, ground, start, origin, words, origin, seed)
            else:
                plane = random_plane(aim.kind, ground.weights, origin, words, dims=aim.dims, seed=seed)
        except TaskError:
            if not place:
                raise
            continue
        if place < last:
            notes.append(
                f"at the end of the path `{walk.name}` its loss has run away so far that loss or curvature are not "
                f"finite: the picture is around {words}"
            )
        plane.notes += notes
        return plane
    raise AssertionError


def _principal(aim: Aim, walks: Sequence[Walk], losses: Mapping[str, Floats]) -> Plane:
    """Where the paths spread most, without what comes after a path has begun to run away for good."""
    kept, lengths, left = [], [], 0
    for walk in walks:
        count = len(walk.points)
        if walk.run is not None and walk.run.fate == "diverged":
            count = 1 + int(np.flatnonzero(within(losses[walk.name]))[-1])
        kept.append(walk.stacked[:count])
        lengths.append(walk.lengths[: count - 1])
        left += len(walk.points) - count
    plane = principal_plane(kept, lengths, dims=aim.dims)
    if left:
        plane.notes.append(f"{left} points of paths that ran away are left out of the principal components")
    return plane


def _steepest(aim: Aim, ground: Ground, start: Numbers, origin: Numbers, words: str, end: Numbers, seed: int) -> Plane:
    """Along the top eigenvector at the origin, and from start to end.

    Raises:
        TaskError: the curvature is not finite at the origin.
    """
    shift = (end.astype(np.float64) - start).astype(start.dtype)
    moved = bool(np.any(shift))
    vectors, values, notes = top_direction(ground, origin, seed, count=1 if moved or aim.dims == 1 else 2)
    plane = eigen_plane(origin, words, vectors, values, shift if moved else None, dims=aim.dims)
    plane.notes += notes
    height = float(ground.losses(origin[None])[0])
    plane.span = _VALLEY * math.sqrt(2 * max(height, 1e-6) / max(float(values[0]), 1e-6))
    return plane


def _check_moved(walk: Walk, start: Numbers) -> list[str]:
    """What is to be said of a path that never left the start.

    Raises:
        InputError: it could have.
    """
    if np.any(walk.points[-1] != start):
        return []
    reason = walk.run.reason if walk.run else "no step"
    if walk.run is not None and walk.run.fate == "diverged":
        return [f"the path `{walk.name}` is lost at once ({reason}): there is no displacement to draw; lower `lr`"]
    raise InputError(
        f"the path `{walk.name}` has not moved ({reason}), so there is no displacement to draw; raise or lower `lr`, "
        "or take other `directions`"
    )


def _between(aim: Aim, ground: Ground, start: Numbers, walks: Sequence[Walk]) -> Plane:
    """Through the ends that were given; the start is one of them where there are too few, or where paths begin."""
    ends = [(ground.point(one.state), one.name) for one in aim.files]
    ends += [(walk.points[-1], f"the end of {walk.name}") for walk in walks]
    before = (start, "the start")
    if aim.through_start(len(walks)):
        # Last where nothing begins there and there is a way between the others.
        last = aim.dims == 2 and not walks and len(ends) > 1 and aim.around != "init"
        ends = [*ends, before] if last else [before, *ends]
    return between([point for point, _ in ends], [name for _, name in ends], dims=aim.dims)
