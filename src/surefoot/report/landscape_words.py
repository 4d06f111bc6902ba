"""Words of a landscape: what its pictures show, in sentences and tables, for pages and terminals."""

from __future__ import annotations

import numpy as np

from surefoot.records.landscape import Axis, Landscape, PathOnPlane
from surefoot.records.record import FloatSeries
from surefoot.report.charts import Table
from surefoot.report.landscape_levels import inside
from surefoot.report.numbers import brief, count, rate

__all__ = [
    "axis_label",
    "axis_sentences",
    "caption",
    "filling_sentences",
    "headline",
    "path_rows",
    "path_sentence",
    "surface_sentence",
    "theory_rows",
]


def axis_label(axis: Axis) -> str:
    """What stands at an axis: its direction, unit, and share or curvature."""
    if axis.unit == "coordinate":
        return axis.name
    unit = {"distance": "distance in weight space", "share": "share of the way"}.get(axis.unit, f"in {axis.unit}")
    told = ""
    if axis.share is not None:
        chance = "" if axis.walk_share is None else f"; {axis.walk_share:.0%} by chance"
        told = f": {axis.share:.0%} of the variance{chance}"
    elif axis.curvature is not None and axis.name.endswith("eigenvector"):
        told = f", eigenvalue {brief(axis.curvature, 3)}"
    return f"{axis.name}{told} ({unit})"


def headline(found: Landscape) -> str:
    """What the pictures are of."""
    if found.directions == "coordinates":
        return f"Down the {found.task}"
    return f"Loss landscape of {found.task}"


def surface_sentence(found: Landscape) -> str:
    """Size of the grid, range of the losses, and what they are a mean over."""
    shape = " × ".join(str(len(axis.values)) for axis in found.axes)
    over = (
        "" if found.directions == "coordinates" else f" Each loss is the mean over {count(found.examples, 'example')}."
    )
    losses = found.surface[np.isfinite(found.surface)]
    if not losses.size:
        return f"No surface was evaluated.{over}"
    middle = "" if found.origin_loss is None else f", {brief(found.origin_loss)} at the origin ({found.around})"
    low, high = brief(float(losses.min())), brief(float(losses.max()))
    return f"{shape} losses from {low} to {high}{middle}.{over}"


def filling_sentences(found: Landscape) -> list[str]:
    """How many losses were evaluated, and how near the truth the others are; none where all were."""
    if found.error is None or found.evaluated is None:
        return []
    return [
        f"The surface is smooth: {found.evaluated:,} of its {found.surface.size:,} losses were evaluated, and a "
        f"polynomial gave the others, off by less than {brief(found.error, 2)} as measured at fresh points."
    ]


def axis_sentences(found: Landscape) -> list[str]:
    """What principal components and eigenvectors say."""
    said = []
    shares = [axis for axis in found.axes if axis.share is not None and axis.walk_share is not None]
    if shares:
        held = sum(axis.share or 0.0 for axis in shares)
        chance = sum(axis.walk_share or 0.0 for axis in shares)
        verdict = "no more than" if held < chance + 0.05 else "more than"
        said.append(
            f"The drawn components hold {held:.0%} of the variance of the paths' points, {verdict} steps of the same "
            f"lengths in random directions would give ({chance:.0%}); a long walk of equal steps gives 61% and 15%."
        )
    tops = [axis for axis in found.axes if axis.name == "top eigenvector" and axis.curvature is not None]
    if tops:
        value = tops[0].curvature or 0.0
        told = "; the loss does not bend upwards there"
        if value > 0:
            told = f"; plain descent along it flips from rate {rate(1 / value)} and diverges past {rate(2 / value)}"
        said.append(f"The top eigenvalue at the origin is {brief(value)}{told}.")
    return said


def path_sentence(path: PathOnPlane) -> str:
    """Where a path went: true losses, and how far it is off the plane."""
    if not len(path.step):
        return f"{path.name}: no point was kept"
    off, gone = float(path.off_plane.max()), float(path.distance.max())
    share = f" ({off / gone:.0%} of its way)" if gone > 0 else ""
    where = (
        "on the plane all the way" if off <= 1e-6 * max(gone, 1e-12) else f"up to {brief(off, 3)} off the plane{share}"
    )
    ended = "" if path.fate == "finished" else f"; {path.fate} after step {path.step[-1]}"
    return (
        f"{path.name}: true loss {brief(float(path.losses[0]), 3)} to {brief(float(path.losses[-1]), 3)} in "
        f"{count(int(path.step[-1]), 'step')}, {where}{ended}"
    )


def caption(found: Landscape) -> str:
    """What must be said under the picture of paths."""
    if not found.paths:
        return "The surface alone: no training was drawn on it."
    outside = outside_sentence(found)
    if all(float(path.off_plane.max()) <= 1e-9 for path in found.paths if len(path.step)):
        return f"The paths lie on the surface{'. ' + outside if outside else ': the picture shows all there is.'}"
    said = (
        "Paths are drawn at the nearest point of the plane, but do not lie on it: their true loss is not the height of "
        "the surface below them. True losses and distances from the plane are beside the picture."
    )
    return f"{said} {outside}".rstrip()


def outside_sentence(found: Landscape) -> str:
    """How many points of each path lie outside the picture; nothing where all are in it."""
    told = []
    for path in found.paths:
        beyond = int(np.sum(~inside(found, path)))
        if beyond:
            told.append(f"{beyond} of the {count(len(path.step), 'point')} of {path.name}")
    if not told:
        return ""
    whole = " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    return f"Outside the picture: {whole}."


def path_rows(found: Landscape) -> Table | None:
    """Start and end of every path."""
    if not found.paths:
        return None
    columns = ("path", "steps", "rate", "true loss", "surface", "off plane", "way", "ended")
    rows = tuple(
        (
            path.name, str(path.step[-1]), _from_to(path.lrs, 3), _from_to(path.losses, 3),
            brief(float(path.plane_losses[-1]), 3), brief(float(path.off_plane[-1]), 3),
            brief(float(path.distance[-1]), 3), path.fate,
        )
        for path in found.paths if len(path.step)
    )  # fmt: skip
    return Table(
        "Paths, and at their ends: the surface below, the distance from the plane, the way from the start",
        columns,
        rows,
    )


def theory_rows(found: Landscape) -> Table | None:
    """Theory beside what was seen, per path and eigenvalue of a quadratic; None where there is none."""
    rows = []
    for path in found.paths:
        theory = path.theory
        if theory is None:
            continue
        for place, value in enumerate(theory.eigenvalues):
            lasts = [
                ("–" if one[place] < 0 else str(one[place])) for one in (theory.predicted_last_flip, theory.last_flip)
            ]
            rows.append(
                (
                    path.name, brief(float(value), 3), f"{theory.factor[place]:+.3f}", theory.regime[place],
                    f"{theory.predicted_flips[place]} / {theory.flips[place]}", f"{lasts[0]} / {lasts[1]}",
                    "–" if theory.largest_error is None else f"{theory.largest_error:.0e}",
                )
            )  # fmt: skip
    if not rows:
        return None
    columns = (
        "path", "eigenvalue", "first factor", "theory says", "flips, predicted / seen", "last flip, predicted / seen",
        "error of the path",
    )  # fmt: skip
    return Table("Theory of descent on a quadratic, and what the path did", columns, tuple(rows))


def _from_to(values: FloatSeries, figures: int) -> str:
    first, last = (brief(float(values[place]), figures) for place in (0, -1))
    return first if first == last else f"{first} → {last}"
