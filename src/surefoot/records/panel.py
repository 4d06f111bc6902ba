"""A panel: one picture as numbers, for whoever draws it: curves over a common axis, bars, images or a surface."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.record import FloatSeries, Record, float_series

__all__ = ["Curve", "Grid", "Panel"]


@dataclasses.dataclass(frozen=True, eq=False)
class Curve(Record):
    """A line, or a path on a surface: `x`, `y` (and `z`) of one length."""

    kind: ClassVar[str] = "curve"

    name: str
    x: FloatSeries = dataclasses.field(default_factory=float_series)
    y: FloatSeries = dataclasses.field(default_factory=float_series)
    z: FloatSeries = dataclasses.field(default_factory=float_series)
    """Heights of a path in a surface panel; else empty."""
    low: FloatSeries = dataclasses.field(default_factory=float_series)
    """Lower edge of the band around `y`; empty where there is none."""
    high: FloatSeries = dataclasses.field(default_factory=float_series)
    dashed: bool = False
    marker: str = ""
    """`o`, `s` or `x` at every point; none when empty."""
    joined: bool = True
    """Whether a line joins the points."""

    def __post_init__(self) -> None:
        """Refuse series of different lengths."""
        for name in ("y", "z", "low", "high"):
            length = len(getattr(self, name))
            if length != len(self.x) and (length or name == "y"):
                raise RecordError(f"`{name}` of curve `{self.name}` has {length} entries and `x` has {len(self.x)}")


@dataclasses.dataclass(frozen=True, eq=False)
class Grid(Record):
    """Numbers over two axes, row by row: an image, or the height of a surface over `x` (columns) and `y` (rows)."""

    kind: ClassVar[str] = "grid"

    name: str
    rows: int
    columns: int
    values: FloatSeries
    x: FloatSeries = dataclasses.field(default_factory=float_series)
    y: FloatSeries = dataclasses.field(default_factory=float_series)

    def __post_init__(self) -> None:
        """Refuse a grid that is not full."""
        if len(self.values) != self.rows * self.columns:
            raise RecordError(
                f"grid `{self.name}` has {len(self.values)} values; {self.rows} rows of {self.columns} are needed"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Panel(Record):
    """One picture."""

    kind: ClassVar[str] = "panel"

    title: str
    style: Literal["lines", "bars", "images", "contour", "surface"] = "lines"
    x_label: str = ""
    y_label: str = ""
    x_log: bool = False
    y_log: bool = False
    curves: tuple[Curve, ...] = ()
    grids: tuple[Grid, ...] = ()
    bars: dict[str, float] = dataclasses.field(default_factory=dict)
    """Name of each bar and its height."""
    marks: dict[str, float] = dataclasses.field(default_factory=dict)
    """Named horizontal lines, by their height."""
    columns: dict[str, float] = dataclasses.field(default_factory=dict)
    """Named vertical lines, by their place."""
