"""Figures of the lab: the panels of a classic program side by side."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from surefoot.report.colours import BAD, CYCLE, FAINT, LINE
from surefoot.report.figures import Picture, plain_title, styled, written
from surefoot.report.series import is_wide
from surefoot.textbook.lab.record import Curve, Grid, LabResult, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CYCLE", "lab_figure"]

_WIDTH, _HEIGHT = 6.2, 4.2


def lab_figure(result: LabResult, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw every panel of a result, two in a row, and write the picture to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    count = max(1, len(result.panels))
    columns = min(2, count)
    rows = math.ceil(count / columns)
    picture = Picture(figsize=(_WIDTH * columns, _HEIGHT * rows + 0.4), layout="constrained")
    FigureCanvasAgg(picture)
    for place, panel in enumerate(result.panels):
        if panel.style == "images":
            _images(picture.add_subplot(rows, columns, place + 1), panel)
        elif panel.style == "surface":
            _surface(picture.add_subplot(rows, columns, place + 1, projection="3d"), panel)
        else:
            axes = picture.add_subplot(rows, columns, place + 1)
            styled(axes)
            {"lines": _lines, "bars": _bars, "contour": _contour}[panel.style](axes, panel)
            axes.set_xlabel(panel.x_label)
            axes.set_ylabel(panel.y_label)
            axes.set_title(plain_title(panel.title))
    picture.suptitle(plain_title(result.title))
    return written(picture, path)


def _lines(axes: Axes, panel: Panel) -> None:
    for place, curve in enumerate(panel.curves):
        colour = CYCLE[place % len(CYCLE)]
        _line(axes, curve, colour)
        if len(curve.low):
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
    _scales(axes, panel)
    for name, height in panel.marks.items():
        axes.axhline(height, color=FAINT, linestyle=":", linewidth=1.2, label=name)
    for name, at in panel.columns.items():
        axes.axvline(at, color=FAINT, linestyle="--", linewidth=1, label=name)
    handles, labels = axes.get_legend_handles_labels()
    if any(labels) and len(labels) <= 12:
        axes.legend(handles, labels, fontsize=7, frameon=False, loc="best")


def _line(axes: Axes, curve: Curve, colour: str) -> None:
    many = len(curve.x) > 60
    style = ("--" if curve.dashed else "-") if curve.joined else "none"
    axes.plot(
        curve.x,
        curve.y,
        color=colour,
        linewidth=1.4,
        linestyle=style,
        label=curve.name,
        marker=None if many or not curve.marker else curve.marker,
        markersize=4,
    )


def _scales(axes: Axes, panel: Panel) -> None:
    if panel.x_log and all(np.all(curve.x > 0) for curve in panel.curves):
        axes.set_xscale("log")
    heights = [float(one) for curve in panel.curves for one in curve.y if math.isfinite(one)]
    if panel.y_log and heights and min(heights) > 0 and is_wide(heights):
        axes.set_yscale("log")


def _bars(axes: Axes, panel: Panel) -> None:
    names, heights = list(panel.bars), list(panel.bars.values())
    axes.bar(range(len(names)), heights, color=LINE, width=0.7)
    axes.set_xticks(range(len(names)), names, rotation=40 if len(names) > 4 else 15, ha="right", fontsize=7)
    if panel.y_log and min(heights, default=0.0) > 0 and is_wide(heights):
        axes.set_yscale("log")
    for name, height in panel.marks.items():
        axes.axhline(height, color=BAD, linestyle=":", linewidth=1.2, label=name)
    if panel.marks:
        axes.legend(fontsize=7, frameon=False)


def _contour(axes: Axes, panel: Panel) -> None:
    grid = panel.grids[0]
    values = _table(grid)
    lowest = max(float(values.min()), 1e-3)
    levels = np.geomspace(lowest, max(float(values.max()), 2 * lowest), 14)
    axes.contour(grid.x, grid.y, values, levels=levels, colors=FAINT, linewidths=0.6)
    for place, curve in enumerate(panel.curves):
        axes.plot(
            curve.x, curve.y, "o-", color=CYCLE[place % len(CYCLE)], linewidth=1.2, markersize=3, label=curve.name
        )
    axes.legend(fontsize=7, frameon=False)


def _surface(axes: Any, panel: Panel) -> None:
    grid = panel.grids[0]
    across, along = np.meshgrid(grid.x, grid.y)
    axes.plot_surface(across, along, _table(grid), color=FAINT, alpha=0.25, linewidth=0, antialiased=True)
    for place, curve in enumerate(panel.curves):
        axes.plot(
            curve.x,
            curve.y,
            curve.z,
            "o-",
            color=CYCLE[place % len(CYCLE)],
            linewidth=1.2,
            markersize=2.5,
            label=curve.name,
        )
    axes.view_init(elev=38, azim=-58)
    axes.tick_params(labelsize=7)
    axes.set_xlabel(panel.x_label, fontsize=8)
    axes.set_ylabel(panel.y_label, fontsize=8)
    axes.set_title(plain_title(panel.title), fontsize=11)
    axes.legend(fontsize=7, frameon=False)


def _images(axes: Axes, panel: Panel) -> None:
    axes.set_axis_off()
    axes.set_title(plain_title(panel.title), fontsize=11)
    if not panel.grids:
        return
    columns = min(5, len(panel.grids))
    rows = math.ceil(len(panel.grids) / columns)
    largest = max(float(np.abs(grid.values).max()) for grid in panel.grids) or 1.0
    for place, grid in enumerate(panel.grids):
        across, down = place % columns, place // columns
        inset = axes.inset_axes((across / columns + 0.01, 1 - (down + 1) / rows + 0.02, 0.9 / columns, 0.82 / rows))
        inset.imshow(_table(grid), cmap="RdBu", vmin=-largest, vmax=largest)
        inset.set_xticks([])
        inset.set_yticks([])
        inset.set_title(grid.name, fontsize=7, pad=2)


def _table(grid: Grid) -> Any:
    return grid.values.reshape(grid.rows, grid.columns)
