"""Charts of a watched training: the losses with every deed, update sizes and dead units by layer, every probe."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from surefoot.records import Inspection, Probe, Watched
from surefoot.report.charts import Chart, Table, run_charts
from surefoot.report.colours import BAD, CYCLE, FAINT, GOOD, LINE
from surefoot.report.diagnosis_card import harmless
from surefoot.report.numbers import brief, rate
from surefoot.report.series import thinned_places
from surefoot.report.watched_words import action_words, probe_answer, probe_words

__all__ = ["COMMON", "SHOWN_LAYERS", "probe_chart", "watched_charts"]

COMMON = (1e-4, 1e-2)
"""Update sizes over weight sizes that are common in a training that goes well."""
SHOWN_LAYERS = 10
"""Layers that a picture tells apart."""
_POINTS = 400
_PROBES = 20


def watched_charts(watched: Watched) -> list[Chart]:
    """Every chart of a watched training: loss, metrics, rate and norm, layers, units, probes."""
    charts = run_charts(watched.run)
    charts[0] = _with_deeds(charts[0], watched)
    inspection = watched.inspection
    if len(inspection.step) and inspection.layers:
        charts.append(_ratios(inspection))
    if len(inspection.step) and inspection.units:
        charts.append(_dead(inspection))
    return charts + [probe_chart(one, f"probe-{place}") for place, one in enumerate(watched.probes[:_PROBES])]


def _with_deeds(chart: Chart, watched: Watched) -> Chart:
    """A line at every deed, its name on top."""
    if not watched.actions:
        return chart
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for place, action in enumerate(watched.actions):
        colour = GOOD if action.done and not action.undone else FAINT
        shapes.append(
            {"type": "line", "xref": "x", "yref": "paper", "x0": action.step, "x1": action.step, "y0": 0, "y1": 1,
             "line": {"color": colour, "width": 1.5, "dash": "dot"}}
        )  # fmt: skip
        notes.append(
            {"xref": "x", "yref": "paper", "x": action.step, "y": 1.02 + 0.06 * (place % 3), "yanchor": "bottom",
             "text": action.deed, "showarrow": False, "font": {"color": colour, "size": 11}}
        )  # fmt: skip
    deeds = "; ".join(action_words(action) for action in watched.actions[:8])
    return dataclasses.replace(
        chart,
        sentence=f"{chart.sentence} Deeds: {deeds}.",
        layout=chart.layout | {"shapes": shapes, "annotations": notes},
    )


def _ratios(inspection: Inspection) -> Chart:
    layers = inspection.layers[:SHOWN_LAYERS]
    keep = thinned_places(len(inspection.step), _POINTS)
    traces = [
        _trace(inspection, keep, one.ratio, one.name, CYCLE[place % len(CYCLE)]) for place, one in enumerate(layers)
    ]
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "steps"}},
        "yaxis": {"title": {"text": "update over weight"}, "type": "log", "dtick": 1},
        "shapes": [
            {"type": "rect", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": COMMON[0], "y1": COMMON[1],
             "fillcolor": FAINT, "opacity": 0.12, "line": {"width": 0}, "layer": "below"}
        ],
    }  # fmt: skip
    rows = tuple(
        (
            harmless(one.name),
            "x".join(map(str, one.shape)),
            *(brief(_last(series), 3) for series in (one.weight, one.gradient, one.update, one.ratio)),
        )
        for one in inspection.layers
    )  # fmt: skip
    columns = ("layer", "shape", "weight", "gradient", "last update", "update over weight")
    more = f" The first {SHOWN_LAYERS} of {len(inspection.layers)} are drawn." if rows[SHOWN_LAYERS:] else ""
    said = f"Sizes of the updates over those of the weights; the band from 1e-4 to 1e-2 is common.{more}"
    return Chart(
        "ratios", "Updates of the layers", said, traces, layout, Table("Layers at the last look", columns, rows)
    )


def _dead(inspection: Inspection) -> Chart:
    units = inspection.units[:SHOWN_LAYERS]
    keep = thinned_places(len(inspection.step), _POINTS)
    traces = [
        _trace(inspection, keep, one.dead, one.name, CYCLE[place % len(CYCLE)]) for place, one in enumerate(units)
    ]
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "steps"}},
        "yaxis": {"title": {"text": "share of dead units"}, "range": [-0.03, 1.03]},
    }
    rows = tuple(
        (harmless(one.name), str(one.units), f"{_last(one.dead):.0%}", brief(_last(one.mean), 3))
        for one in inspection.units
    )
    table = Table("Units at the last look", ("activation", "units", "dead", "mean"), rows)
    return Chart("units", "Dead units", "Units that say the same for every example.", traces, layout, table)


def probe_chart(probe: Probe, name: str = "probe") -> Chart:
    """Loss that copies reached over their rate, with the interval and the rate in use."""
    alive = np.isfinite(probe.losses)
    traces: list[dict[str, Any]] = []
    if alive.any():
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "x": probe.lrs[alive].tolist(),
             "y": probe.losses[alive].tolist(), "name": "copies", "line": {"color": LINE, "width": 2},
             "marker": {"size": 8},
             "error_y": {"type": "data", "array": np.nan_to_num(probe.errors[alive]).tolist(), "color": LINE}}
        )  # fmt: skip
    if not alive.all() and alive.any():
        top = float(probe.losses[alive].max())
        traces.append(
            {"type": "scatter", "mode": "markers", "x": probe.lrs[~alive].tolist(), "y": [top] * int((~alive).sum()),
             "name": "diverged", "marker": {"size": 9, "symbol": "x", "color": BAD}}
        )  # fmt: skip
    shapes: list[dict[str, Any]] = [_upright(probe.lr_now, FAINT, "dash")] if probe.lr_now > 0 else []
    if probe.interval is not None and probe.lr is not None:
        low, high = probe.interval
        shapes.append(
            {"type": "rect", "xref": "x", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1, "fillcolor": GOOD,
             "opacity": 0.12, "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
        shapes.append(_upright(probe.lr, GOOD, "solid"))
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "rate"}, "type": "log", "exponentformat": "power"},
        "yaxis": {"title": {"text": "loss after the trial"}}, "shapes": shapes,
    }  # fmt: skip
    rows = tuple(
        (rate(float(lr)), brief(float(loss)), brief(float(error), 2))
        for lr, loss, error in zip(probe.lrs, probe.losses, probe.errors, strict=True)
    )
    table = Table("Trials", ("rate", "loss", "standard error of its distance from the best"), rows)
    said = harmless(f"{probe_answer(probe)}; dashed: the rate in use, {rate(probe.lr_now)}. {probe_words(probe)[0]}")
    return Chart(name, f"Probe after {probe.step:,} steps", said, traces, layout, table)


def _upright(lr: float, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": lr, "x1": lr, "y0": 0, "y1": 1,
        "line": {"color": colour, "width": 1.6, "dash": dash},
    }  # fmt: skip


def _trace(inspection: Inspection, keep: Any, values: Any, name: str, colour: str) -> dict[str, Any]:
    shown = values[keep] if len(values) == len(inspection.step) else np.full(len(keep), math.nan)
    return {
        "type": "scatter", "mode": "lines", "x": inspection.step[keep].tolist(), "y": shown.tolist(),
        "name": harmless(name), "line": {"color": colour, "width": 1.6},
    }  # fmt: skip


def _last(values: Any) -> float:
    """The last number that is one."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else math.nan
