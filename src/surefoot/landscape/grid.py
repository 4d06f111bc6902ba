"""Grids: the losses where lines cross on a plane.

A grid is rectangular; its lines need not be evenly spaced. It is *refined* where the picture would be wrong under a
path: lines are added to the cells in which the loss between the grid points, read off the picture, differs most from
the loss that is there.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from surefoot.landscape.ground import Ground
from surefoot.landscape.sheet import Sheet, Surface, Tick
from surefoot.landscape.smooth import fill
from surefoot.landscape.weights import Numbers

__all__ = ["evaluate", "interpolated", "refined"]

Floats = npt.NDArray[np.float64]

_ROUNDS = 2
_ENOUGH = 0.01
"""Errors below this share of the range of losses are not seen on the picture."""


def evaluate(
    ground: Ground,
    origin: Numbers,
    directions: Numbers,
    lines: list[Floats],
    tick: Tick | None = None,
    *,
    exact: bool = False,
) -> Surface:
    """The loss at every crossing of the lines; after Ctrl-C the rows that are complete.

    Args:
        ground: gives the loss.
        origin: of the plane, [P].
        directions: of the plane, [k, P].
        lines: coordinates of the lines along each axis: one axis or two.
        tick: told how many losses were evaluated, and how many there are.
        exact: whether every loss is evaluated; else those of a smooth surface are filled in from a few.
    """
    sheet = Sheet(ground, origin, directions, lines, tick)
    error = None if exact else fill(sheet)
    if error is None and not sheet.interrupted:
        sheet.take()
    return sheet.surface(error)


def refined(
    ground: Ground,
    origin: Numbers,
    directions: Numbers,
    surface: Surface,
    at: Floats,
    losses: Floats,
    *,
    most: int,
    tick: Tick | None = None,
) -> Surface:
    """The surface with at most `most` more lines along each axis, where it is wrong under the points of paths.

    Args:
        ground: gives the loss.
        origin: of the plane.
        directions: of the plane.
        surface: complete.
        at: coordinates of the points, [n, k].
        losses: of the plane there, [n].
        most: lines to add along an axis.
        tick: told how many points are done, of how many at most.
    """
    current, left = surface, most
    for _ in range(_ROUNDS):
        wrong = _wrong(current, at, losses)
        if not len(wrong) or left < 1:
            break
        lines = [_halved(line, at[wrong, axis], left) for axis, line in enumerate(current.lines)]
        added = max(len(new) - len(old) for new, old in zip(lines, current.lines, strict=True))
        if not added:
            break
        finer = _filled(ground, origin, directions, current, lines, tick)
        if finer is None:
            return dataclasses.replace(current, complete=False)
        current, left = finer, left - added
    return current


def interpolated(surface: Surface, at: Floats) -> Floats:
    """Losses [n] read off the surface at coordinates [n, k], linear between the lines; NaN beyond them."""
    places, shares = [], []
    inside = np.ones(len(at), dtype=bool)
    for axis, line in enumerate(surface.lines):
        value = at[:, axis]
        place = np.clip(np.searchsorted(line, value, side="right") - 1, 0, len(line) - 2)
        places.append(place)
        shares.append((value - line[place]) / (line[place + 1] - line[place]))
        inside &= (value >= line[0]) & (value <= line[-1])
    x, a = places[0], shares[0]
    if len(places) == 1:
        row = surface.losses[0]
        found = row[x] * (1 - a) + row[x + 1] * a
    else:
        y, b = places[1], shares[1]
        z = surface.losses
        found = (z[y, x] * (1 - a) + z[y, x + 1] * a) * (1 - b) + (z[y + 1, x] * (1 - a) + z[y + 1, x + 1] * a) * b
    return np.where(inside, found, np.nan)


def _wrong(surface: Surface, at: Floats, losses: Floats) -> npt.NDArray[np.int64]:
    """Places of the points under which the picture is wrong, worst first."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return np.empty(0, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        errors = np.abs(interpolated(surface, at) - losses)
    errors = np.where(np.isfinite(errors), errors, 0.0)
    scale = float(finite.max() - finite.min())
    # On a logarithmic picture an error counts by how large the loss is there.
    allowed = (
        _ENOUGH * np.maximum(scale, 0.0) if scale < 10 * abs(float(finite.min())) else 5 * _ENOUGH * np.abs(losses)
    )
    wrong = np.flatnonzero(errors > allowed)
    return np.asarray(wrong[np.argsort(-errors[wrong], kind="stable")])


def _halved(line: Floats, values: Floats, most: int) -> Floats:
    """The line with the middles of the intervals in which `values` lie, at most `most` of them, first ones first."""
    places = np.clip(np.searchsorted(line, values, side="right") - 1, 0, len(line) - 2)
    chosen = list(dict.fromkeys(places.tolist()))[:most]
    return np.sort(np.concatenate([line, [(line[place] + line[place + 1]) / 2 for place in chosen]]))


def _filled(
    ground: Ground, origin: Numbers, directions: Numbers, surface: Surface, lines: list[Floats], tick: Tick | None
) -> Surface | None:
    """The surface on a finer grid; only crossings that are new are evaluated. None when interrupted."""
    rows = lines[1] if len(lines) > 1 else np.zeros(1)
    old_rows = surface.lines[1] if len(lines) > 1 else np.zeros(1)
    losses = np.full((len(rows), len(lines[0])), np.nan)
    losses[np.ix_(np.searchsorted(rows, old_rows), np.searchsorted(lines[0], surface.lines[0]))] = surface.losses
    new = np.argwhere(np.isnan(losses))
    coordinates = np.array([[lines[0][x], rows[y]] for y, x in new])[:, : len(lines)]
    try:
        for start, found in ground.over(origin, directions, coordinates):
            part = new[start : start + len(found)]
            losses[part[:, 0], part[:, 1]] = found
            if tick is not None:
                tick(start + len(found), len(coordinates))
    except KeyboardInterrupt:
        return None
    added = sum(len(line) - len(old) for line, old in zip(lines, surface.lines, strict=True))
    return dataclasses.replace(
        surface, lines=lines, losses=losses, added=surface.added + added, evaluated=surface.evaluated + len(new)
    )
