"""Charts: records as Plotly figures, in plain data; the page's own script draws them.

A *chart* stands on a page with one sentence of finding and a table of the same numbers, for those who cannot see it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from surefoot.records import Found, Run
from surefoot.report.colours import BAD, FAINT, GOOD, LINE, SCALE, SECOND, colour_of_rate, coloured_rates
from surefoot.report.escaping import text as html_text
from surefoot.report.numbers import brief, count, rate
from surefoot.report.response import Level, ceiling, levels, loss_name, lr_range
from surefoot.report.series import is_wide, log_axis, smoothed, thinned_places
from surefoot.report.words import curve_sentence, loss_sentence, members_sentence

__all__ = ["Chart", "Table", "members_chart", "response_chart", "run_charts", "runs_chart"]

_POINTS = 300
"""Points of a line on a page."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers as text: a heading per column, and rows."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A Plotly figure with what stands beside it."""

    name: str
    """Identifier on the page: letters, digits and hyphens."""
    title: str
    sentence: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    table: Table


def response_chart(found: Found) -> Chart:
    """Final loss over rate, with the interval, the recommended rate and the divergence."""
    here, losses, span = levels(found), ceiling(found), lr_range(found)
    traces: list[dict[str, Any]] = []
    for place, level in enumerate(reversed(here)):
        top = level is here[0]
        traces.append(_level_trace(level, top=top, strength=1.0 if top else 0.35 + 0.4 * place / max(len(here) - 1, 1)))
    shapes, notes = _marks(found)
    rule_shapes, rule_notes = _rule_marks(found)
    shapes, notes = [*shapes, *rule_shapes], [*notes, *rule_notes]
    if found.initial_loss is not None and math.isfinite(found.initial_loss) and losses is not None:
        height = math.log10(found.initial_loss) if is_wide(losses) else found.initial_loss
        notes.append(
            {"xref": "paper", "yref": "y", "x": 0.005, "y": height, "xanchor": "left", "yanchor": "bottom",
             "text": "before training", "showarrow": False, "font": {"color": FAINT, "size": 11}}
        )  # fmt: skip
    layout: dict[str, Any] = {
        "xaxis": log_axis(span or ()) | {"title": {"text": "peak rate"}, "exponentformat": "power"},
        "yaxis": {"title": {"text": loss_name(found)}},
        "shapes": shapes,
        "annotations": notes,
        "hovermode": "closest",
    }
    if span is not None:
        left, right = (math.log10(lr) for lr in span)
        room = max(0.04 * (right - left), 0.05)
        layout["xaxis"]["range"] = [left - room, right + room]
    if losses is not None:
        layout["yaxis"] |= _loss_axis(*losses)
        dead = sorted({place.lr for level in here for place in level.places if place.diverged})
        if dead:
            traces.append(_dead_trace(dead, losses))
    rows = tuple(
        (
            rate(point.lr), brief(point.loss), "–" if point.spread is None else brief(point.spread, 2),
            str(point.steps), str(point.horizon), point.fate, str(point.seed), point.stage,
        )
        for point in sorted(found.curve, key=lambda one: (-one.horizon, one.lr, one.seed))
    )  # fmt: skip
    columns = ("rate", "validation loss", "standard error", "steps", "of", "fate", "seed", "stage")
    table = Table("Every member of the search", columns, rows)
    return Chart("response", "Response curve", curve_sentence(found), traces, layout, table)


def members_chart(found: Found) -> Chart:
    """Training loss of every member over steps, coloured by rate."""
    return runs_chart(found.runs, "Every member", members_sentence(found))


def runs_chart(runs: tuple[Run, ...], title: str, sentence: str) -> Chart:
    """Training loss of runs over steps, coloured by rate."""
    drawn = [(run.recipe.lr, run) for run in runs if run.recipe is not None and run.recipe.lr and len(run.loss)]
    drawn.sort(key=lambda one: one[0])
    low, high = coloured_rates([run for _, run in drawn])
    traces: list[dict[str, Any]] = []
    finite: list[float] = []
    for lr, run in drawn:
        losses = smoothed(run.loss)
        finite += losses[np.isfinite(losses)].tolist()
        traces.append(
            {
                "type": "scatter", "mode": "lines", "x": _ints(run.step + 1), "y": _floats(losses),
                "line": {"color": colour_of_rate(lr, low, high), "width": 1.6,
                         "dash": "dot" if run.fate == "diverged" else "solid"},
                "opacity": 0.85, "showlegend": False, "name": f"rate {rate(lr)}",
                "hovertemplate": f"rate {rate(lr)}<br>step %{{x}}<br>loss %{{y:.4g}}<extra>{run.fate}</extra>",
            }
        )  # fmt: skip
    if high > low:
        traces.append(_rate_scale(low, high))
    lengths = [run.steps for _, run in drawn] or [1]
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "steps"}},
        "yaxis": {"title": {"text": "training loss, smoothed"}},
        "hovermode": "closest",
    }
    if max(lengths) > 8 * max(min(lengths), 1):
        layout["xaxis"] |= log_axis(lengths)
    starts = [float(run.loss[0]) for _, run in drawn if math.isfinite(run.loss[0])]
    if finite and starts:
        layout["yaxis"] |= _loss_axis(min(finite), min(max(finite), 1.6 * max(starts)))
    rows = tuple(
        (
            rate(lr), str(run.steps), brief(float(run.loss[0])), brief(float(run.loss[-1])),
            brief(run.final_val_loss), run.fate, run.reason,
        )
        for lr, run in drawn
    )  # fmt: skip
    columns = ("rate", "steps", "first training loss", "last training loss", "validation loss", "fate", "reason")
    return Chart("members", title, sentence, traces, layout, Table("Runs by rising rate", columns, rows))


def run_charts(run: Run) -> list[Chart]:
    """Loss, metrics, rate and gradient norm of one training."""
    charts = [_loss_chart(run)]
    if run.val_metrics and len(run.val_step):
        charts.append(_metrics_chart(run))
    keep = thinned_places(len(run.step), _POINTS)
    if len(run.step):
        steps = _ints(run.step[keep])
        shown = f"from {rate(float(run.lr[0]))} at the first step to {rate(float(run.lr[-1]))} at the last"
        said = (
            f"The rate went {shown}." if run.lr[0] != run.lr[-1] else f"First and last rate: {rate(float(run.lr[0]))}."
        )
        charts.append(_line_chart("rate", "Rate", said, run.unit, steps, _floats(run.lr[keep]), "rate", SECOND))
    norms = run.grad_norm[np.isfinite(run.grad_norm)]
    if len(norms):
        middle, largest = brief(float(np.median(norms)), 3), brief(float(norms.max()), 3)
        said = f"The median gradient norm was {middle}, the largest {largest}; the line is smoothed."
        values = _floats(smoothed(run.grad_norm)[keep])
        chart = _line_chart("norm", "Gradient norm", said, run.unit, steps, values, "gradient norm", LINE)
        if is_wide(norms.tolist()):
            chart.layout["yaxis"] |= log_axis(norms.tolist())
        charts.append(chart)
    return charts


def _loss_chart(run: Run) -> Chart:
    keep = thinned_places(len(run.step), _POINTS)
    smooth = smoothed(run.loss)
    traces: list[dict[str, Any]] = []
    if len(run.step):
        steps = _ints(run.step[keep])
        traces = [
            {"type": "scatter", "mode": "lines", "x": steps, "y": _floats(run.loss[keep]), "name": "training loss",
             "line": {"color": LINE, "width": 1}, "opacity": 0.3, "hoverinfo": "skip"},
            {"type": "scatter", "mode": "lines", "x": steps, "y": _floats(smooth[keep]), "name": "training, smoothed",
             "line": {"color": LINE, "width": 2}},
        ]  # fmt: skip
    if len(run.val_step):
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "x": _ints(run.val_step), "y": _floats(run.val_loss),
             "name": "validation loss", "line": {"color": SECOND, "width": 2}, "marker": {"size": 6}}
        )  # fmt: skip
    layout: dict[str, Any] = {"xaxis": {"title": {"text": f"{run.unit}s"}}, "yaxis": {"title": {"text": "loss"}}}
    if is_wide([*smooth.tolist(), *run.val_loss.tolist()]):
        layout["yaxis"] |= log_axis([*smooth.tolist(), *run.val_loss.tolist()])
    return Chart("loss", "Loss", loss_sentence(run), traces, layout, _run_table(run))


def _run_table(run: Run) -> Table:
    columns = (run.unit, "validation loss", *(name.replace("_", " ") for name in run.val_metrics))
    places = thinned_places(len(run.val_step), 60)
    rows = tuple(
        (
            str(run.val_step[at]),
            brief(float(run.val_loss[at])),
            *(brief(float(v[at])) for v in run.val_metrics.values()),
        )
        for at in places
    )
    if rows:
        return Table("Validation", columns, rows)
    places = thinned_places(len(run.step), 60)
    rows = tuple((str(run.step[at]), brief(float(run.loss[at]))) for at in places)
    return Table("Training", (run.unit, "training loss"), rows)


def _metrics_chart(run: Run) -> Chart:
    traces: list[dict[str, Any]] = []
    said = []
    for (name, values), colour in zip(run.val_metrics.items(), (GOOD, SECOND, LINE, *SCALE) * 9, strict=False):
        shown = name.replace("_", " ")
        finite = values[np.isfinite(values)]
        if len(finite):
            said.append(f"{shown} on validation data went from {brief(float(finite[0]))} to {brief(float(finite[-1]))}")
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "x": _ints(run.val_step), "y": _floats(values), "name": shown,
             "line": {"color": colour, "width": 2}, "marker": {"size": 5}}
        )  # fmt: skip
        if name in run.train_metrics:
            traces.append(
                {"type": "scatter", "mode": "lines", "x": _ints(run.val_step), "y": _floats(run.train_metrics[name]),
                 "name": f"{shown}, training", "line": {"color": colour, "width": 1.5, "dash": "dot"}}
            )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": f"{run.unit}s"}}, "yaxis": {"title": {"text": "metrics"}}, "showlegend": True,
    }  # fmt: skip
    sentence = ("; ".join(said)[:1].upper() + "; ".join(said)[1:] + ".") if said else "No metric was a finite number."
    return Chart("metrics", "Metrics", sentence, traces, layout, _run_table(run))


def _line_chart(
    name: str, title: str, sentence: str, unit: str, x: list[int], y: list[float], label: str, colour: str
) -> Chart:
    trace = {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": label, "line": {"color": colour, "width": 2}}
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": f"{unit}s"}}, "yaxis": {"title": {"text": label}}, "showlegend": False,
    }  # fmt: skip
    rows = tuple((str(x[at]), brief(y[at])) for at in thinned_places(len(x), 40))
    return Chart(name, title, sentence, [trace], layout, Table(title, (unit, label), rows))


def _level_trace(level: Level, *, top: bool, strength: float) -> dict[str, Any]:
    alive = [place for place in level.places if not place.diverged]
    symbols = ["circle-open" if place.retired else "circle" for place in alive]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines" if level.dense else "lines+markers", "name": count(level.horizon, "step"),
        "x": [place.lr for place in alive], "y": _floats([place.loss for place in alive]),
        "customdata": [[place.members, "retired" if place.retired else "kept"] for place in alive],
        "line": {"color": LINE if top else FAINT, "width": 2.5 if top else 1.3},
        "marker": {"size": 8 if top else 5, "symbol": symbols},
        "opacity": strength,
        "hovertemplate": f"rate %{{x:.3g}}<br>loss %{{y:.4g}}<br>{count(level.horizon, 'step')}, %{{customdata[1]}}"
                         "<br>members %{customdata[0]}<extra></extra>",
    }  # fmt: skip
    if top and any(place.spread for place in alive):
        errors = _floats([place.spread or 0.0 for place in alive])
        trace["error_y"] = {"type": "data", "array": errors, "thickness": 1.2, "width": 4, "color": LINE}
    return trace


def _dead_trace(dead: list[float], losses: tuple[float, float]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": "diverged", "x": dead, "y": [losses[1]] * len(dead),
        "marker": {"symbol": "x", "size": 8, "color": BAD}, "hovertemplate": "rate %{x:.3g}<br>diverged<extra></extra>",
    }  # fmt: skip


def _marks(found: Found) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    if found.interval is not None:
        low, high = found.interval
        shapes.append(
            {"type": "rect", "xref": "x", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1,
             "fillcolor": GOOD, "opacity": 0.15, "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
    for lr, colour, dash, text, anchor in (
        (found.lr, GOOD, "solid", f"rate {rate(found.lr)}", "right"),
        (found.divergence_lr, BAD, "dash", f"diverges above {rate(found.divergence_lr)}", "right"),
    ):
        if lr is None:
            continue
        shapes.append(
            {"type": "line", "xref": "x", "yref": "paper", "x0": lr, "x1": lr, "y0": 0, "y1": 1,
             "line": {"color": colour, "width": 2, "dash": dash}}
        )  # fmt: skip
        notes.append(
            {"xref": "x", "yref": "paper", "x": math.log10(lr), "y": 1.0, "yanchor": "bottom", "xanchor": anchor,
             "text": text, "showarrow": False, "font": {"color": colour, "size": 12}}
        )  # fmt: skip
    if len(notes) == 2 and found.lr is not None and found.divergence_lr is not None:
        notes[1]["xanchor"] = "left" if found.divergence_lr < found.lr else "right"
        span = lr_range(found)
        near = span is not None and abs(math.log(found.divergence_lr / found.lr)) < 0.3 * math.log(span[1] / span[0])
        notes[1]["yshift"] = 16 if near else 0
    if found.initial_loss is not None and math.isfinite(found.initial_loss):
        shapes.append(
            {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": found.initial_loss,
             "y1": found.initial_loss, "line": {"color": FAINT, "width": 1, "dash": "dot"}}
        )  # fmt: skip
    return shapes, notes


def _rule_marks(found: Found) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A line and a name for every published rule that suggests a rate."""
    given = [(name, lr) for name, lr in found.rules.items() if lr is not None]
    shapes: list[dict[str, Any]] = [
        {"type": "line", "xref": "x", "yref": "paper", "x0": lr, "x1": lr, "y0": 0, "y1": 1,
         "line": {"color": SECOND, "width": 1.2, "dash": "dot"}} for _, lr in given
    ]  # fmt: skip
    notes: list[dict[str, Any]] = [
        {"xref": "x", "yref": "paper", "x": math.log10(lr), "y": 0.02, "xanchor": "right", "yanchor": "bottom",
         "textangle": -90, "text": html_text(name), "showarrow": False, "font": {"color": SECOND, "size": 11}}
        for name, lr in given
    ]  # fmt: skip
    return shapes, notes


def _rate_scale(low: float, high: float) -> dict[str, Any]:
    first, last = math.log10(low), math.log10(high)
    ticks = [float(power) for power in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]
    if len(ticks) < 2:
        ticks = [first, last]
    bar = {
        "title": {"text": "rate"}, "tickvals": ticks, "ticktext": [rate(10.0**tick) for tick in ticks],
        "thickness": 12, "outlinewidth": 0, "len": 0.9,
    }  # fmt: skip
    scale = [[place / (len(SCALE) - 1), colour] for place, colour in enumerate(SCALE)]
    marker = {"color": [first, last], "cmin": first, "cmax": last, "colorscale": scale, "showscale": True,
              "colorbar": bar, "size": 0.1}  # fmt: skip
    return {"type": "scatter", "mode": "markers", "x": [None, None], "y": [None, None], "marker": marker,
            "showlegend": False, "hoverinfo": "skip"}  # fmt: skip


def _loss_axis(low: float, high: float) -> dict[str, Any]:
    if is_wide([low, high]):
        bottom, top = math.log10(low), math.log10(high)
        shown = [bottom - 0.05 * (top - bottom), top + 0.08 * (top - bottom)]
        return log_axis([low, high]) | {"range": shown}
    room = (high - low) or max(abs(low), 1e-9)
    return {"range": [low - 0.06 * room, high + 0.09 * room]}


def _floats(values: Any) -> list[float]:
    """Numbers with five significant figures, which a screen cannot tell from more; NaN leaves a gap."""
    return [float(f"{value:.5g}") for value in np.asarray(values, dtype=np.float64).tolist()]


def _ints(values: Any) -> list[int]:
    return [int(value) for value in values]
