"""Charts of the lab: the panels of a classic program as Plotly figures, each with its numbers as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from surefoot.report.charts import Chart, Table
from surefoot.report.colours import BAD, FAINT, LINE
from surefoot.report.lab_figures import CYCLE
from surefoot.report.numbers import brief
from surefoot.report.series import is_wide, thinned_places
from surefoot.textbook.lab.record import Curve, Grid, LabResult, Panel

__all__ = ["lab_charts"]

_POINTS = 300
_ROWS = 25


def lab_charts(result: LabResult) -> list[Chart]:
    """A chart per panel."""
    return [_chart(panel, place) for place, panel in enumerate(result.panels)]


def _chart(panel: Panel, place: int) -> Chart:
    build = {"lines": _lines, "bars": _bars, "images": _images, "contour": _contour, "surface": _surface}[panel.style]
    traces, layout = build(panel)
    layout.setdefault("xaxis", {}).setdefault("title", {"text": panel.x_label})
    layout.setdefault("yaxis", {}).setdefault("title", {"text": panel.y_label})
    return Chart(f"panel-{place}", panel.title, _sentence(panel), traces, layout, _table(panel))


def _lines(panel: Panel) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for place, curve in enumerate(panel.curves):
        colour = CYCLE[place % len(CYCLE)]
        keep = thinned_places(len(curve.x), _POINTS)
        if len(curve.low):
            both = np.concatenate([keep, keep[::-1]])
            edge = np.concatenate([curve.high[keep], curve.low[keep[::-1]]])
            traces.append(
                {
                    "type": "scatter",
                    "x": _floats(curve.x[both]),
                    "y": _floats(edge),
                    "fill": "toself",
                    "fillcolor": colour,
                    "opacity": 0.15,
                    "line": {"width": 0},
                    "showlegend": False,
                    "hoverinfo": "skip",
                    "mode": "lines",
                }
            )
        mode = "lines+markers" if curve.marker and len(curve.x) <= 60 else "lines"
        traces.append(
            {
                "type": "scatter",
                "mode": mode if curve.joined else "markers",
                "x": _floats(curve.x[keep]),
                "y": _floats(curve.y[keep]),
                "name": curve.name or panel.y_label,
                "line": {"color": colour, "width": 2, "dash": "dash" if curve.dashed else "solid"},
            }
        )
    heights = [float(one) for curve in panel.curves for one in curve.y if math.isfinite(one)]
    layout: dict[str, Any] = {"xaxis": {}, "yaxis": {}, "shapes": [], "showlegend": True}
    if panel.x_log and all(np.all(curve.x > 0) for curve in panel.curves):
        layout["xaxis"] |= {"type": "log"}
    if panel.y_log and heights and min(heights) > 0 and is_wide(heights):
        layout["yaxis"] |= {"type": "log", "exponentformat": "power"}
    for height in panel.marks.values():
        layout["shapes"].append(_rule(xref="paper", yref="y", x0=0, x1=1, y0=height, y1=height))
    for at in panel.columns.values():
        layout["shapes"].append(_rule(xref="x", yref="paper", x0=at, x1=at, y0=0, y1=1))
    return traces, layout


def _bars(panel: Panel) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    heights = list(panel.bars.values())
    trace = {
        "type": "bar",
        "x": list(panel.bars),
        "y": _floats(heights),
        "marker": {"color": LINE},
        "name": panel.y_label,
    }
    layout: dict[str, Any] = {
        "yaxis": {},
        "showlegend": False,
        "shapes": [
            _rule(xref="paper", yref="y", x0=0, x1=1, y0=one, y1=one, colour=BAD) for one in panel.marks.values()
        ],
    }
    if panel.y_log and min(heights, default=0.0) > 0 and is_wide(heights):
        layout["yaxis"] |= {"type": "log", "exponentformat": "power"}
    return [trace], layout


def _images(panel: Panel) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All images as one heat map, side by side with gaps between them."""
    columns = max(1, min(5, len(panel.grids)))
    height = max(grid.rows for grid in panel.grids) + 1
    width = max(grid.columns for grid in panel.grids) + 1
    sheet = np.full((math.ceil(len(panel.grids) / columns) * height, columns * width), np.nan)
    notes = []
    for place, grid in enumerate(panel.grids):
        top, left = place // columns * height, place % columns * width
        sheet[top : top + grid.rows, left : left + grid.columns] = _cells(grid)
        notes.append(
            {
                "x": left + (grid.columns - 1) / 2,
                "y": top - 0.75,
                "text": grid.name,
                "showarrow": False,
                "font": {"size": 11},
            }
        )
    largest = float(np.nanmax(np.abs(sheet))) or 1.0
    values = [[None if math.isnan(one) else float(f"{one:.5g}") for one in row] for row in sheet.tolist()]
    trace = {
        "type": "heatmap",
        "z": values,
        "colorscale": "RdBu",
        "zmin": -largest,
        "zmax": largest,
        "hoverongaps": False,
    }
    hidden = {"showgrid": False, "showticklabels": False}
    layout = {
        "xaxis": {**hidden},
        "yaxis": {**hidden, "autorange": "reversed", "scaleanchor": "x"},
        "annotations": notes,
    }
    return [trace], layout


def _contour(panel: Panel) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    grid = panel.grids[0]
    heights = np.log10(np.maximum(_cells(grid), 1e-3))
    ground = {
        "type": "contour",
        "x": _floats(grid.x),
        "y": _floats(grid.y),
        "z": [_floats(row) for row in heights],
        "contours": {"coloring": "lines"},
        "showscale": False,
        "line": {"width": 1},
        "hoverinfo": "skip",
        "colorscale": [[0, FAINT], [1, FAINT]],
        "ncontours": 14,
    }
    return [ground, *(_path(curve, place) for place, curve in enumerate(panel.curves))], {"showlegend": True}


def _surface(panel: Panel) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    grid = panel.grids[0]
    ground = {
        "type": "surface",
        "x": _floats(grid.x),
        "y": _floats(grid.y),
        "z": [_floats(row) for row in _cells(grid)],
        "opacity": 0.5,
        "showscale": False,
        "colorscale": [[0, "#c9d4e3"], [1, FAINT]],
        "hoverinfo": "skip",
    }
    paths = []
    for place, curve in enumerate(panel.curves):
        path = _path(curve, place)
        paths.append(path | {"type": "scatter3d", "z": _floats(curve.z), "marker": {"size": 2.5}})
    axes = {
        "xaxis": {"title": {"text": panel.x_label}},
        "yaxis": {"title": {"text": panel.y_label}},
        "zaxis": {"title": {"text": "height"}},
    }
    return [ground, *paths], {"showlegend": True, "scene": axes}


def _path(curve: Curve, place: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": _floats(curve.x),
        "y": _floats(curve.y),
        "name": curve.name,
        "line": {"color": CYCLE[place % len(CYCLE)], "width": 2},
        "marker": {"size": 5},
    }


def _rule(*, colour: str = FAINT, **place: Any) -> dict[str, Any]:
    return {"type": "line", "line": {"color": colour, "width": 1.5, "dash": "dot"}, **place}


def _cells(grid: Grid) -> Any:
    return grid.values.reshape(grid.rows, grid.columns)


def _sentence(panel: Panel) -> str:
    if panel.style == "bars":
        return "; ".join(f"{name}: {brief(value, 3)}" for name, value in panel.bars.items()) + "."
    if panel.style == "images":
        return f"{len(panel.grids)} images; blue is positive, red negative."
    said = []
    for curve in panel.curves:
        heights = curve.z if panel.style in ("contour", "surface") and len(curve.z) else curve.y
        if len(heights):
            name = curve.name or panel.y_label
            said.append(f"{name}: from {brief(float(heights[0]), 3)} to {brief(float(heights[-1]), 3)}")
    marked = [f"{name} at {brief(at, 3)}" for name, at in {**panel.marks, **panel.columns}.items()]
    return "; ".join([*said[:8], *marked]) + "."


def _table(panel: Panel) -> Table:
    if panel.style == "bars":
        rows = tuple((name, brief(value)) for name, value in panel.bars.items())
        return Table(panel.title, ("bar", panel.y_label or "value"), rows)
    if panel.style == "images":
        rows = tuple((grid.name, "  ".join(brief(float(one), 3) for one in grid.values)) for grid in panel.grids)
        return Table(panel.title, ("image", "values, row by row"), rows)
    points = tuple(
        (curve.name or panel.y_label, brief(float(curve.x[at])), brief(float(curve.y[at])))
        for curve in panel.curves
        for at in thinned_places(len(curve.x), _ROWS)
    )
    return Table(panel.title, ("curve", panel.x_label or "x", panel.y_label or "y"), points)


def _floats(values: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in np.asarray(values, dtype=np.float64).tolist()]
