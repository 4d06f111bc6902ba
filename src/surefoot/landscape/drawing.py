"""Drawing: a surface and the walks over it, evaluated on a plane and made a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from surefoot.landscape.grid import evaluate, refined
from surefoot.landscape.ground import Ground
from surefoot.landscape.planes import Plane, on_plane
from surefoot.landscape.sheet import Surface
from surefoot.landscape.walks import Walk
from surefoot.records import Provenance, float_series, int_series
from surefoot.records.landscape import Axis, Landscape, PathOnPlane
from surefoot.tasks.task import Task

__all__ = ["Watch", "drawn", "within"]

Floats = npt.NDArray[np.float64]
Watch = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and of how much."""

_MOST_LINES = 25
"""Lines that refinement adds along an axis."""
_FLYING = 2.0
"""Points whose loss is above this many times the first one are beyond the picture: a path that diverges leaves it."""


def drawn(
    task: Task,
    ground: Ground,
    plane: Plane,
    walks: Sequence[Walk],
    losses: Mapping[str, Floats],
    *,
    grid: int,
    span: float | None,
    refine: bool,
    exact: bool,
    tell: Watch,
    notes: list[str],
    skip: bool,
    started: float,
    seed: int,
) -> Landscape:
    """Surface and paths on a plane, as a record.

    Args:
        task: what is trained.
        ground: gives the loss.
        plane: where the picture is taken.
        walks: to draw.
        losses: name of each walk to the true losses at its points.
        grid: lines along an axis.
        span: half the width of the picture, or None.
        refine: whether lines are added below the paths.
        exact: whether every loss of the surface is evaluated.
        tell: told the progress.
        notes: what was noted before.
        skip: whether the surface is left out, because the work was interrupted.
        started: when the work began, by `time.perf_counter`.
        seed: for the record.
    """
    places = {walk.name: on_plane(plane, walk.stacked) for walk in walks}
    shown = [places[walk.name][0][within(losses[walk.name])] for walk in walks]
    lines = [np.linspace(low, high, grid) for low, high in plane.extent(shown, span)]
    below = {name: _on_surface(ground, plane, at) for name, (at, _) in places.items()}
    origin_loss = float(ground.losses(plane.origin[None])[0])
    if skip:
        surface = Surface([lines[0], np.empty(0)][: len(lines)], np.empty((0, grid)), complete=False)
        notes.append("interrupted while the paths were trained: no surface was evaluated")
    else:
        surface = evaluate(
            ground, plane.origin, plane.directions, lines, lambda a, b: tell("surface", a, b), exact=exact
        )
        if not surface.complete:
            part = "" if len(surface.lines[0]) == grid else f", at {len(surface.lines[0])} of {grid} columns"
            notes.append(f"interrupted: {len(surface.losses)} of {grid} rows of the surface were evaluated{part}")
        elif refine and walks:
            at = np.concatenate([places[walk.name][0] for walk in walks])
            here = np.concatenate([below[walk.name] for walk in walks])
            surface = refined(
                ground, plane.origin, plane.directions, surface, at, here, most=min(grid // 2, _MOST_LINES),
                tick=lambda a, b: tell("refining below the paths", a, b),
            )  # fmt: skip
    if surface.added:
        notes.append(f"{surface.added} grid lines were added where the picture was wrong below a path")
    lost = int(np.sum(~np.isfinite(surface.losses)))
    if lost:
        notes.append(f"the loss is not finite at {lost} of {surface.losses.size} points of the grid, shown as infinite")
    return Landscape(
        task=task.name,
        directions=plane.kind,
        around=plane.around,
        axes=tuple(
            Axis(
                name=plane.names[place], values=float_series(line), unit=plane.units[place],
                length=plane.lengths[place], share=plane.shares[place], walk_share=plane.walk_shares[place],
                curvature=plane.curvatures[place],
            )
            for place, line in enumerate(surface.lines)
        ),
        grid=tuple(float_series(row) for row in surface.losses),
        paths=tuple(_path(walk, *places[walk.name], losses[walk.name], below[walk.name]) for walk in walks),
        origin_loss=origin_loss,
        evaluated=surface.evaluated,
        error=surface.error,
        examples=ground.examples,
        parameters=ground.weights.size,
        method=ground.method,
        complete=surface.complete and not skip,
        notes=tuple(dict.fromkeys([*notes, *plane.notes, *ground.notes])),
        seconds=time.perf_counter() - started,
        provenance=Provenance.here(seeds={"seed": seed}, device=str(task.device), data=task.checksum()),
    )  # fmt: skip


def within(losses: Floats) -> npt.NDArray[np.bool_]:
    """Points of a path that the picture must show: all, but those where the training has blown up."""
    return np.asarray(losses <= _FLYING * max(float(losses[0]), 1e-12))


def _on_surface(ground: Ground, plane: Plane, at: Floats) -> Floats:
    return np.concatenate([np.empty(0), *(one for _, one in ground.over(plane.origin, plane.directions, at))])


def _path(walk: Walk, at: Floats, away: Floats, losses: Floats, below: Floats) -> PathOnPlane:
    run = walk.run
    ended = run is not None and run.fate not in ("finished",)
    first = walk.points[0].astype(np.float64)
    return PathOnPlane(
        name=walk.name,
        step=int_series(walk.step),
        lrs=float_series(walk.lrs),
        coordinates=tuple(float_series(column) for column in at.T),
        losses=float_series(losses),
        plane_losses=float_series(below),
        off_plane=float_series(away),
        distance=float_series([np.linalg.norm(point - first) for point in walk.points]),
        recipe=walk.recipe,
        fate="finished" if run is None else run.fate,
        reason=run.reason if run is not None and ended else "",
        final_val_loss=None if run is None or not len(run.val_loss) else run.final_val_loss,
    )
