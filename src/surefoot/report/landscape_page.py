"""The page of a landscape: contours, a surface to turn around, true losses and distances from the plane."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.records import write_text
from surefoot.records.landscape import Axis, Landscape, PathOnPlane
from surefoot.report import page as parts
from surefoot.report.charts import Chart, Table
from surefoot.report.escaping import Markup, tag
from surefoot.report.escaping import text as html_text
from surefoot.report.lab_figures import CYCLE
from surefoot.report.landscape_figure import GROUND
from surefoot.report.landscape_levels import Levels, inside, levels_of, until_it_leaves
from surefoot.report.landscape_words import (
    axis_sentences,
    caption,
    filling_sentences,
    headline,
    path_rows,
    path_sentence,
    surface_sentence,
    theory_rows,
)
from surefoot.report.numbers import brief, count, rate
from surefoot.report.series import thinned_places

__all__ = ["landscape_page", "write_landscape_page"]

_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
_SYMBOLS_3D = ("circle", "square", "diamond", "cross", "x", "circle-open", "square-open", "diamond-open")
_ROWS = 40
_GREY = "rgba(138,147,163,0.4)"


def write_landscape_page(found: Landscape, path: str | os.PathLike[str]) -> Path:
    """Write the page of a landscape.

    Raises:
        OutputError: `path` cannot be written.
    """
    return write_text(path, landscape_page(found))


def landscape_page(found: Landscape) -> str:
    """The page of a landscape, as HTML."""
    said = [tag("p", sentence) for sentence in (*axis_sentences(found), caption(found), *filling_sentences(found))]
    lead = tag("p", surface_sentence(found), class_="lead")
    answer = tag("div", lead, *said, class_="answer" if found.complete else "answer unknown")
    charts = _charts(found, levels_of(found))
    tables = {"Paths": path_rows(found), "Theory": theory_rows(found)}
    phrase = f"{found.directions} directions around {found.around}; {count(found.parameters, 'weight')}; {found.method}"
    if found.directions == "coordinates":
        phrase = found.notes[0] if found.notes else ""
    subject = headline(found)
    sections = {one.name: parts.section(one) for one in charts}
    turned = sections.pop("surface", Markup(""))
    body = [
        parts.header(subject, phrase), answer, sections.pop("above"), turned,
        *(tag("section", tag("h2", name), parts.table(one)) for name, one in tables.items() if one is not None),
        *sections.values(),
        parts.origin(found.provenance, found.notes, found.seconds),
    ]  # fmt: skip
    return parts.document(subject, body, charts)


def _charts(found: Landscape, levels: Levels) -> list[Chart]:
    if len(found.axes) == 1:
        charts = [_line(found, levels)]
    else:
        charts = (
            [_above(found, levels), _surface(found, levels_of(found, solid=True))]
            if found.grid
            else [_above(found, levels)]
        )
    if found.paths:
        charts.append(_losses(found, levels))
        if any(len(path.off_plane) and float(path.off_plane.max()) > 1e-9 for path in found.paths):
            charts.append(_distances(found))
    return charts


def _line(found: Landscape, levels: Levels) -> Chart:
    axis = found.axes[0]
    traces: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "x": _floats(axis.values), "y": _floats(row), "name": "loss on the line",
         "line": {"color": "#8a93a3", "width": 3}} for row in found.grid
    ]  # fmt: skip
    traces += [
        _path(path, place, x=_floats(path.coordinates[0]), y=_floats(path.losses))
        for place, path in enumerate(found.paths)
    ]
    layout = {
        "xaxis": {"title": {"text": _label(axis)}, "range": [float(axis.values[0]), float(axis.values[-1])]},
        "yaxis": {"title": {"text": "loss"}} | _loss_axis(levels), "showlegend": True, "hovermode": "closest",
    }  # fmt: skip
    return Chart("above", "Along the line", _sentence(found), traces, layout, _grid_table(found))


def _above(found: Landscape, levels: Levels) -> Chart:
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": _label(found.axes[0])}, "showgrid": False},
        "yaxis": {"title": {"text": _label(found.axes[1])}, "showgrid": False},
        "showlegend": True, "hovermode": "closest",
    }  # fmt: skip
    if found.grid:
        heights = levels.heights(found.surface)
        first, last = float(levels.heights(levels.values)[0]), float(levels.heights(levels.values)[-1])
        traces.append(
            {
                "type": "contour", "x": _floats(found.axes[0].values), "y": _floats(found.axes[1].values),
                "z": [_floats(row) for row in heights], "customdata": [_floats(row) for row in found.surface],
                "colorscale": _scale(), "zmin": first, "zmax": last,
                "contours": {"start": first, "end": last, "size": (last - first) / (len(levels.values) - 1)},
                "line": {"width": 0.6, "color": "#8a93a3"}, "colorbar": _bar(levels),
                "hovertemplate": "loss %{customdata:.4g}<br>at %{x:.3g}, %{y:.3g}<extra>surface</extra>",
            }
        )  # fmt: skip
        for name, axis in zip(("xaxis", "yaxis"), found.axes, strict=True):
            layout[name]["range"] = [float(axis.values[0]), float(axis.values[-1])]
    for place, path in enumerate(found.paths):
        keep = until_it_leaves(found, path)
        across, along = (column[keep] for column in path.coordinates)
        traces.append(_path(path, place, x=_floats(across), y=_floats(along), keep=keep))
    return Chart("above", "Seen from above", _sentence(found), traces, layout, _points_table(found))


def _surface(found: Landscape, levels: Levels) -> Chart:
    marks, words = levels.ticks()
    heights = levels.heights(found.surface)
    traces: list[dict[str, Any]] = [
        {
            "type": "surface", "x": _floats(found.axes[0].values), "y": _floats(found.axes[1].values),
            "z": [_floats(row) for row in heights], "customdata": [_floats(row) for row in found.surface],
            "colorscale": _scale(), "opacity": 0.75, "showscale": False,
            "contours": {"z": {"show": True, "color": "#8a93a3", "width": 1,
                               "start": float(heights.min()), "end": float(heights.max()),
                               "size": max(float(np.ptp(heights)), 1e-9) / 14}},
            "hovertemplate": "loss %{customdata:.4g}<extra>surface</extra>",
        }
    ]  # fmt: skip
    for place, path in enumerate(found.paths):
        keep = inside(found, path)
        across, along = (column[keep] for column in path.coordinates)
        true = _path(path, place, x=_floats(across), y=_floats(along), keep=keep)
        true |= {"type": "scatter3d", "z": _floats(levels.heights(path.losses[keep]))}
        true["marker"] = {"size": 3, "color": CYCLE[place % len(CYCLE)], "symbol": _SYMBOLS_3D[place % 8]}
        true["line"] = {"color": CYCLE[place % len(CYCLE)], "width": 4}
        traces.append(true)
        if len(path.off_plane) and float(path.off_plane.max()) > 1e-9:
            traces.append(
                {
                    "type": "scatter3d", "mode": "lines", "x": _floats(across), "y": _floats(along),
                    "z": _floats(levels.heights(path.plane_losses[keep])), "showlegend": False, "hoverinfo": "skip",
                    "line": {"color": CYCLE[place % len(CYCLE)], "width": 2, "dash": "dot"},
                }
            )  # fmt: skip
    plain = {"gridcolor": _GREY, "zerolinecolor": _GREY, "linecolor": _GREY, "showbackground": False}
    scene = {
        "xaxis": {**plain, "title": {"text": found.axes[0].name}},
        "yaxis": {**plain, "title": {"text": found.axes[1].name}},
        "zaxis": {**plain, "title": {"text": "loss"}, "tickvals": marks, "ticktext": words},
        "aspectmode": "manual", "aspectratio": {"x": 1.15, "y": 1.15, "z": 0.8},
        "camera": {"eye": {"x": 1.05, "y": -1.5, "z": 1.0}, "center": {"x": 0, "y": 0, "z": -0.15}},
    }  # fmt: skip
    layout = {
        "xaxis": {},
        "yaxis": {},
        "scene": scene,
        "showlegend": True,
        "margin": {"l": 10, "r": 10, "t": 10, "b": 40},
    }
    height = "logarithm of the loss" if levels.logarithmic else "loss"
    said = (
        "Turn it by dragging. Lines are the true losses along the paths; dotted lines lie on the surface. The "
        f"height is the {height}, cut off at {brief(levels.ceiling, 3)}. Without WebGL "
        " nothing is drawn here; the picture above shows the same from above."
    )
    return Chart("surface", "As a surface", said, traces, layout, _grid_table(found))


def _losses(found: Landscape, levels: Levels) -> Chart:
    traces = []
    for place, path in enumerate(found.paths):
        traces.append(_path(path, place, x=path.step.tolist(), y=_floats(path.losses)))
        if len(path.off_plane) and float(path.off_plane.max()) > 1e-9:
            traces.append(
                {"type": "scatter", "mode": "lines", "x": path.step.tolist(), "y": _floats(path.plane_losses),
                 "name": f"surface below {html_text(path.name)}",
                 "line": {"color": CYCLE[place % len(CYCLE)], "width": 1.5, "dash": "dot"}}
            )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "steps"}}, "yaxis": {"title": {"text": "loss"}} | _loss_axis(levels),
        "showlegend": True,
    }  # fmt: skip
    said = "The loss at each point."
    if len(traces) > len(found.paths):
        said = "True loss at each point; dotted, the loss of the plane below it. Where they part, the picture misleads."
    return Chart("losses", "True loss along the paths", said, traces, layout, _points_table(found))


def _distances(found: Landscape) -> Chart:
    traces = []
    for place, path in enumerate(found.paths):
        colour = CYCLE[place % len(CYCLE)]
        traces.append(
            {"type": "scatter", "mode": "lines", "x": path.step.tolist(), "y": _floats(path.off_plane),
             "name": html_text(path.name), "line": {"color": colour, "width": 2}}
        )  # fmt: skip
        traces.append(
            {"type": "scatter", "mode": "lines", "x": path.step.tolist(), "y": _floats(path.distance),
             "name": f"{html_text(path.name)}: way from the start",
             "line": {"color": colour, "width": 1, "dash": "dash"}}
        )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "steps"}}, "yaxis": {"title": {"text": "distance in weight space"}},
        "showlegend": True,
    }  # fmt: skip
    said = "; ".join(path_sentence(path) for path in found.paths) + "."
    return Chart("distances", "Distance from the plane", said, traces, layout, _points_table(found))


def _path(path: PathOnPlane, place: int, *, x: Any, y: Any, keep: Any = None) -> dict[str, Any]:
    colour = CYCLE[place % len(CYCLE)]
    chosen = slice(None) if keep is None else keep
    told = np.stack([path.step[chosen], path.lrs[chosen], path.losses[chosen], path.off_plane[chosen]], axis=1)
    return {
        "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": html_text(path.name),
        "customdata": [_floats(row) for row in told],
        "line": {"color": colour, "width": 2.2},
        "marker": {"size": 6 if len(path.step) <= 80 else 4, "symbol": _SYMBOLS[place % len(_SYMBOLS)]},
        "hovertemplate": "step %{customdata[0]}, rate %{customdata[1]:.3g}<br>true loss %{customdata[2]:.4g}"
                         "<br>%{customdata[3]:.3g} off the plane<extra>" + html_text(path.name) + "</extra>",
    }  # fmt: skip


def _sentence(found: Landscape) -> str:
    if not found.paths:
        return surface_sentence(found)
    return "; ".join(path_sentence(path) for path in found.paths) + "."


def _points_table(found: Landscape) -> Table:
    columns = (
        "path",
        "step",
        "rate",
        *(axis.name for axis in found.axes),
        "true loss",
        "surface below",
        "off the plane",
    )
    rows = tuple(
        (
            path.name, str(path.step[at]), rate(float(path.lrs[at])),
            *(brief(float(column[at])) for column in path.coordinates), brief(float(path.losses[at])),
            brief(float(path.plane_losses[at])), brief(float(path.off_plane[at]), 3),
        )
        for path in found.paths
        for at in thinned_places(len(path.step), _ROWS)
    )  # fmt: skip
    return Table("Points of the paths", columns, rows) if rows else _grid_table(found)


def _grid_table(found: Landscape) -> Table:
    """The grid at some of its lines."""
    columns = thinned_places(len(found.axes[0].values), 9)
    heads = tuple(brief(float(found.axes[0].values[at]), 3) for at in columns)
    if len(found.axes) == 1:
        rows = tuple(("loss", *(brief(float(row[at])) for at in columns)) for row in found.grid)
        return Table("Loss along the line", (found.axes[0].name, *heads), rows)
    lines = found.axes[1].values
    rows = tuple(
        (brief(float(lines[at]), 3), *(brief(float(found.grid[at][column])) for column in columns))
        for at in thinned_places(len(found.grid), 15)
    )
    return Table(
        "Losses of the surface at some of its lines", (f"{found.axes[1].name} \\ {found.axes[0].name}", *heads), rows
    )


def _label(axis: Axis) -> str:
    """The axis's name, short enough for a phone; sentences on the page tell the rest."""
    if axis.unit == "coordinate":
        return axis.name
    unit = {"distance": "distance", "share": "share of the way"}.get(axis.unit, axis.unit)
    return f"{axis.name} ({unit})"


def _loss_axis(levels: Levels) -> dict[str, Any]:
    if not levels.logarithmic:
        return {}
    return {"type": "log", "range": [float(np.log10(levels.floor)) - 0.1, float(np.log10(levels.ceiling))]}


def _bar(levels: Levels) -> dict[str, Any]:
    marks, words = levels.ticks()
    return {
        "title": {"text": "loss"},
        "tickvals": marks,
        "ticktext": words,
        "thickness": 12,
        "outlinewidth": 0,
        "len": 0.9,
    }


def _scale() -> list[list[Any]]:
    return [[place / (len(GROUND) - 1), colour] for place, colour in enumerate(GROUND)]


def _floats(values: Any) -> list[float]:
    """Numbers with five significant figures, which a screen cannot tell from more."""
    return [float(f"{value:.5g}") for value in np.asarray(values, dtype=np.float64).tolist()]
