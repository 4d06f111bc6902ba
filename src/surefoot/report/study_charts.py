"""A study, drawn: response curves, best rates along the axes, importance; for a page and as a picture."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FuncFormatter, NullFormatter

from surefoot.records.study import Response, Study, StudyMember
from surefoot.report.charts import Chart
from surefoot.report.colours import BAD, FAINT, GOOD, LINE, SECOND
from surefoot.report.figures import Picture, plain_title, styled, written
from surefoot.report.numbers import brief, rate
from surefoot.report.study_words import (
    axis_name,
    best_sentence,
    importance_table,
    member_table,
    response_sentence,
    response_table,
    share_name,
)

__all__ = ["best_rate_chart", "curve_lines", "importance_chart", "study_chart", "study_figure"]

COLOURS = (LINE, SECOND, GOOD, "#a044b4", BAD, "#1aa6b7", "#8c6d1f", "#5b55d6", "#6f8f2f", FAINT)
_LINES = 12
"""Curves in one picture; of more, those that reach the lowest losses."""
_RULES = (("linear rule", 1.0, "dash"), ("square-root rule", 0.5, "dot"))


def curve_lines(study: Study) -> list[tuple[str, list[float], list[float], list[float]]]:
    """For every combination of the other axes: its name, rates, mean final losses and their spread over seeds."""
    others = [axis for axis in study.axes if axis != "lr"]
    lines: dict[str, dict[float, list[float]]] = {}
    for member in study.members:
        if member.fate != "finished" or member.recipe.lr is None or member.final_loss is None:
            continue
        name = ", ".join(f"{axis_name(axis)} {_value(member, axis)}" for axis in others) or study.task
        lines.setdefault(name, {}).setdefault(member.recipe.lr, []).append(member.final_loss)
    found = []
    for name, points in lines.items():
        lrs = sorted(points)
        spreads = [float(np.std(points[lr], ddof=1)) if len(points[lr]) > 1 else 0.0 for lr in lrs]
        found.append((name, lrs, [float(np.mean(points[lr])) for lr in lrs], spreads))
    found.sort(key=lambda one: min(one[2]))
    return found[:_LINES]


def study_chart(study: Study) -> Chart:
    """Final loss over the rate, a line for every combination of the other axes."""
    traces: list[dict[str, Any]] = []
    for place, (name, lrs, losses, spreads) in enumerate(curve_lines(study)):
        traces.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": lrs, "y": losses, "name": name,
                "line": {"color": COLOURS[place % len(COLOURS)], "width": 1.8},
                "error_y": {"type": "data", "array": spreads, "thickness": 1, "width": 2},
                "hovertemplate": "rate %{x:.3g}<br>loss %{y:.4g}<extra>" + name + "</extra>",
            }
        )  # fmt: skip
    layout = {
        "xaxis": {"type": "log", "title": {"text": "peak rate"}, "exponentformat": "power", "dtick": 1},
        "yaxis": {"title": {"text": "final validation loss"}, "type": "log" if _wide(traces) else "linear"},
        "hovermode": "closest",
    }
    return Chart("study", "Response curves", best_sentence(study), traces, layout, member_table(study))


def best_rate_chart(response: Response, number: int) -> Chart:
    """Best rate along one axis, with the rules for the batch size beside the measurement."""
    points = [point for point in response.points if point.lr is not None]
    x = [point.value for point in points]
    y = [float(point.lr or 0.0) for point in points]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers" if isinstance(x and x[0], str) else "lines+markers", "x": x, "y": y,
            "name": "measured", "line": {"color": LINE, "width": 2}, "marker": {"size": 8, "color": LINE},
            "error_y": {
                "type": "data", "symmetric": False, "thickness": 1,
                "array": [max(0.0, (point.high or 0.0) - lr) for point, lr in zip(points, y, strict=True)],
                "arrayminus": [max(0.0, lr - (point.low or 0.0)) for point, lr in zip(points, y, strict=True)],
            },
        }
    ]  # fmt: skip
    numbers = bool(x) and all(isinstance(value, int | float) for value in x)
    if numbers and response.axis == "batch_size" and len(x) > 1:
        for name, power, dash in _RULES:
            traces.append(
                {
                    "type": "scatter", "mode": "lines", "x": x, "y": rule_line(x, y, power), "name": name,
                    "line": {"color": FAINT, "dash": dash, "width": 1.4},
                }
            )  # fmt: skip
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": axis_name(response.axis)}, "type": "log" if numbers else "category"},
        "yaxis": {"title": {"text": "best rate"}, "type": "log", "exponentformat": "power"},
    }
    if numbers:
        layout["xaxis"] |= {"tickvals": x, "ticktext": [f"{value:g}" for value in x]}
    title = f"Best rate against {axis_name(response.axis)}" + (f": {response.label}" if response.label else "")
    return Chart(f"best-{number}", title, response_sentence(response), traces, layout, response_table(response))


def rule_line(values: Sequence[Any], lrs: Sequence[float], power: float) -> list[float]:
    """A rule `lr ~ value ** power` through the middle of the measured points."""
    x, y = np.log(np.array(values, dtype=float)), np.log(np.array(lrs))
    return [float(one) for one in np.exp(y.mean() + power * (x - x.mean()))]


def importance_chart(study: Study) -> Chart:
    """Variance shares with their intervals."""
    shares = [one for one in study.importance if one.high > 0.005][:_LINES][::-1]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "y": [share_name(one) for one in shares],
            "x": [one.share for one in shares], "marker": {"color": LINE}, "showlegend": False,
            "error_x": {
                "type": "data", "symmetric": False, "array": [one.high - one.share for one in shares],
                "arrayminus": [one.share - one.low for one in shares], "color": FAINT,
            },
        }
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "share of the variance of the final loss"}, "range": [0, 1], "tickformat": ".0%"},
        "yaxis": {"automargin": True},
    }
    top = study.importance[0]
    sentence = f"{share_name(top).capitalize()} accounts for {top.share:.0%} ({top.low:.0%} to {top.high:.0%})."
    return Chart("importance", "What matters", sentence, traces, layout, importance_table(study))


def study_figure(study: Study, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the response curves, the best rates along the axes and the importance; write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    numeric = [one for one in study.responses if sum(isinstance(p.value, int | float) for p in one.points) > 1]
    axes_shown = list(dict.fromkeys(one.axis for one in numeric))[:2]
    panels = 1 + len(axes_shown) + bool(study.importance)
    picture = Picture(figsize=(8.6, 4.6 + 3.2 * (panels - 1)), layout="constrained")
    FigureCanvasAgg(picture)
    grid = picture.subplots(panels, 1, squeeze=False, height_ratios=[1.4] + [1.0] * (panels - 1))[:, 0]
    for axes in grid:
        styled(axes)
    _draw_curves(grid[0], study)
    for axes, axis in zip(grid[1:], axes_shown, strict=False):
        _draw_best(axes, axis, [one for one in numeric if one.axis == axis])
    if study.importance:
        _draw_importance(grid[-1], study)
    return written(picture, path)


def _draw_curves(axes: Any, study: Study) -> None:
    lines = curve_lines(study)
    seen: list[float] = []
    for place, (name, lrs, losses, spreads) in enumerate(lines):
        colour = COLOURS[place % len(COLOURS)]
        axes.errorbar(lrs, losses, yerr=spreads, fmt="o-", color=colour, markersize=3.5, linewidth=1.4, capsize=2,
                      label=plain_title(name))  # fmt: skip
        seen += losses
    if lines:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
        axes.legend(fontsize=7, frameon=False, ncols=1 + len(lines) // 7)
    else:
        axes.text(0.5, 0.5, "no member finished", transform=axes.transAxes, ha="center", color=FAINT)
    if seen and max(seen) > 8 * min(seen) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value, 2)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("peak rate")
    axes.set_ylabel("final validation loss")
    axes.set_title(plain_title(f"{study.task}: {len(study.members)} members"))


def _draw_best(axes: Any, axis: str, found: Sequence[Response]) -> None:
    ticks: set[float] = set()
    for place, response in enumerate(found[:_LINES]):
        points = [one for one in response.points if one.lr is not None and isinstance(one.value, int | float)]
        if not points:
            continue
        x, y = [float(one.value) for one in points], [float(one.lr or 0.0) for one in points]
        low = [max(0.0, lr - (one.low or lr)) for one, lr in zip(points, y, strict=True)]
        high = [max(0.0, (one.high or lr) - lr) for one, lr in zip(points, y, strict=True)]
        name = response.label or "measured"
        if response.exponent is not None:
            name += f": power {response.exponent:.2f}"
        axes.errorbar(x, y, yerr=[low, high], fmt="o-", color=COLOURS[place % len(COLOURS)], markersize=4, capsize=2,
                      linewidth=1.4, label=plain_title(name))  # fmt: skip
        if axis == "batch_size" and place == 0 and len(x) > 1:
            for rule, power, dash in _RULES:
                axes.plot(
                    x, rule_line(x, y, power), color=FAINT, linestyle={"dash": "--", "dot": ":"}[dash], label=rule
                )
        ticks |= set(x)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted(ticks), [f"{value:g}" for value in sorted(ticks)])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(axis_name(axis))
    axes.set_ylabel("best rate")
    axes.legend(fontsize=7, frameon=False)


def _draw_importance(axes: Any, study: Study) -> None:
    shares = [one for one in study.importance if one.high > 0.005][:_LINES][::-1]
    low, high = [one.share - one.low for one in shares], [one.high - one.share for one in shares]
    axes.barh([share_name(one) for one in shares], [one.share for one in shares], xerr=[low, high], color=LINE,
              ecolor=FAINT, capsize=2)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.set_xlabel("share of the variance of the final loss")


def _value(member: StudyMember, axis: str) -> str:
    if axis in member.shape:
        return str(member.shape[axis])
    if axis in member.recipe.options:
        return f"{member.recipe.options[axis]:g}"
    value = getattr(member.recipe, axis, "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _wide(traces: Sequence[dict[str, Any]]) -> bool:
    values = [float(value) for trace in traces for value in trace["y"] if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 8 * min(values)
