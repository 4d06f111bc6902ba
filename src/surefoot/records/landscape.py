"""A landscape: the loss over a line or plane in the space of weights, and the paths that trainings took there.

A path does not lie on the plane; it is drawn at the nearest point of it. So each point of a path carries two losses,
the true one and that of the plane below it, and its distance from the plane.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from surefoot.errors import RecordError
from surefoot.records.provenance import Provenance
from surefoot.records.recipe import Recipe
from surefoot.records.record import FloatSeries, IntSeries, Record

__all__ = ["Axis", "BowlTheory", "Landscape", "PathOnPlane"]


@dataclasses.dataclass(frozen=True, eq=False)
class Axis(Record):
    """One direction of the picture and the grid lines along it."""

    kind: ClassVar[str] = "axis"

    name: str
    """What the direction is, such as `top eigenvector`."""
    values: FloatSeries
    """Coordinates of the grid lines, rising; not evenly spaced where the grid was refined. 0 is the origin."""
    unit: str = "distance"
    """What a coordinate of 1 means: `distance`, Euclidean in the space of weights; `size of the weights` (of the
    filters, of the layers), a step as long as they are; `share`, of the way between two points; `coordinate`, a
    number of a bowl."""
    length: float = 1.0
    """Euclidean length of a coordinate of 1."""
    share: float | None = None
    """For a principal component: its share of the variance of the paths' points, 0 to 1."""
    walk_share: float | None = None
    """What the share would be if the same steps had had random directions."""
    curvature: float | None = None
    """For an eigenvector: its eigenvalue."""


@dataclasses.dataclass(frozen=True, eq=False)
class BowlTheory(Record):
    """What is known of a path down a quadratic before it is walked, beside what was seen; per eigenvalue."""

    kind: ClassVar[str] = "bowl_theory"

    eigenvalues: FloatSeries
    factor: FloatSeries
    """What the first update multiplies each coordinate by: 1 - rate * eigenvalue (without momentum)."""
    regime: tuple[str, ...]
    """`monotone` below 1 / eigenvalue, `flips` from there, `diverges` past 2 / eigenvalue, by the peak rate;
    `flips, then settles` or `grows, then settles` where the rate falls below these bounds in time."""
    predicted_flips: IntSeries
    """How often the sign of each coordinate changes, from the rates."""
    flips: IntSeries
    """How often it did."""
    predicted_last_flip: IntSeries
    """The last update that changes the sign, counted from 0; -1 for none."""
    last_flip: IntSeries
    """The last one that did."""
    largest_error: float | None = None
    """Largest distance of a coordinate from the exact one, over its start; None where there is no closed form."""


@dataclasses.dataclass(frozen=True, eq=False)
class PathOnPlane(Record):
    """The path of one training; all series have the length of `step`."""

    kind: ClassVar[str] = "path_on_plane"

    name: str
    step: IntSeries
    """Updates done at each point that was kept."""
    lrs: FloatSeries
    """Rate of the update that leaves each point; the last point repeats the one before."""
    coordinates: tuple[FloatSeries, ...]
    """Where the nearest point of the plane lies, one series per axis."""
    losses: FloatSeries
    """True loss at the point, on the examples of the surface."""
    plane_losses: FloatSeries
    """Loss of the plane at those coordinates: the surface below the point."""
    off_plane: FloatSeries
    """Euclidean distance of the point from the plane."""
    distance: FloatSeries
    """Euclidean distance of the point from where the path began."""
    recipe: Recipe | None = None
    fate: str = "finished"
    reason: str = ""
    """Why the path ends, in words, unless it was trained to its end."""
    final_val_loss: float | None = None
    theory: BowlTheory | None = None

    def __post_init__(self) -> None:
        """Refuse series of several lengths."""
        series = {
            "lrs": self.lrs, "losses": self.losses, "plane_losses": self.plane_losses, "off_plane": self.off_plane,
            "distance": self.distance,
        } | {f"coordinates[{place}]": one for place, one in enumerate(self.coordinates)}  # fmt: skip
        for name, one in series.items():
            if len(one) != len(self.step):
                raise RecordError(f"`{name}` has {len(one)} entries and `step` has {len(self.step)}; they go together")


@dataclasses.dataclass(frozen=True, eq=False)
class Landscape(Record):
    """The loss over a line or plane, with paths."""

    kind: ClassVar[str] = "landscape"

    task: str
    directions: str
    """`random`, `filter`, `layer`, `pca`, `eigenvector`, `between`, or `coordinates` of a bowl."""
    around: str
    """What lies at the origin, in words."""
    axes: tuple[Axis, ...]
    """One for a line, two for a plane."""
    grid: tuple[FloatSeries, ...] = ()
    """Losses: a row per value of the second axis (one row for a line), a number per value of the first."""
    paths: tuple[PathOnPlane, ...] = ()
    evaluated: int | None = None
    """Losses of the grid that were evaluated; the others were filled in by a polynomial. None: all of them."""
    error: float | None = None
    """How far a loss that was filled in is from the true one at most: four times the largest difference at fresh points
    of the grid, which were evaluated to measure it. None where nothing was filled in."""
    origin_loss: float | None = None
    """Loss at the origin."""
    examples: int = 0
    """Training examples over which each loss is the mean."""
    parameters: int = 0
    """Numbers in the model that the directions move."""
    method: str = ""
    """How the surface was evaluated, in words."""
    complete: bool = True
    """False when it was interrupted: rows that were not evaluated are not there."""
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    def __post_init__(self) -> None:
        """Refuse a grid that does not fit its axes."""
        if not 1 <= len(self.axes) <= 2:
            raise RecordError(f"`axes` has {len(self.axes)} entries; a line has 1 and a plane 2")
        rows = len(self.axes[1].values) if len(self.axes) == 2 else min(1, len(self.grid))
        if len(self.grid) != rows:
            raise RecordError(f"`grid` has {len(self.grid)} rows and the second axis {rows} values; they go together")
        for row in self.grid:
            if len(row) != len(self.axes[0].values):
                raise RecordError(
                    f"a row of `grid` has {len(row)} entries and the first axis {len(self.axes[0].values)} values; "
                    "they go together"
                )
        for path in self.paths:
            if len(path.coordinates) != len(self.axes):
                raise RecordError(
                    f"path `{path.name}` has {len(path.coordinates)} coordinates; {len(self.axes)} are needed"
                )

    @property
    def surface(self) -> FloatSeries:
        """The grid as one array, [rows, columns]."""
        return np.array(list(self.grid), dtype=np.float64).reshape(-1, len(self.axes[0].values))
