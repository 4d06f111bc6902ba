"""A panel as a small inline SVG: lines or bars that need no script and follow the width of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surefoot.records.panel import Curve, Panel
from surefoot.report.colours import BAD, CYCLE, FAINT
from surefoot.report.escaping import Markup, join, tag
from surefoot.report.numbers import brief
from surefoot.report.series import is_wide, thinned_places

__all__ = ["panel_svg"]

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 10, 40
_POINTS = 90
_ROW = 18
"""Height of a line of the legend."""


def panel_svg(panel: Panel) -> Markup | None:
    """The picture of a panel of lines or bars with its legend; None for other styles and for empty panels."""
    if panel.style == "bars" and panel.bars:
        return _bars(panel)
    if panel.style == "lines" and any(len(one.x) for one in panel.curves):
        return _lines(panel)
    return None


class _Axis:
    """Places on the picture for numbers, linear or logarithmic."""

    def __init__(self, values: Sequence[float], begin: float, end: float, *, log: bool) -> None:
        finite = [one for one in values if math.isfinite(one) and (one > 0 or not log)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        self.log = log
        low, high = (math.log10(low), math.log10(high)) if log else (low, high)
        spare = 0.04 * (high - low) or 0.5 * (abs(low) or 1.0) * 0.2
        self.low, self.high, self.begin, self.end = low - spare, high + spare, begin, end

    def at(self, value: float) -> float | None:
        """Where `value` lies; None off the scale."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        share = ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)
        return self.begin + min(1.0, max(0.0, share)) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """A handful of round numbers on the axis."""
        if self.log and self.high - self.low > 1.2:
            first, last = math.ceil(self.low), math.floor(self.high)
            every = max(1, math.ceil((last - first + 1) / 6))
            return [10.0**power for power in range(first, last + 1, every)]
        low, high = (10**self.low, 10**self.high) if self.log else (self.low, self.high)
        raw = (high - low) / 4 or 1.0
        unit = 10 ** math.floor(math.log10(raw))
        step = next(one * unit for one in (1, 2, 5, 10) if one * unit >= raw)
        return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _lines(panel: Panel) -> Markup:
    xs = [float(one) for curve in panel.curves for one in curve.x] + list(panel.columns.values())
    ys = [float(one) for curve in panel.curves for one in curve.y] + list(panel.marks.values())
    positive = [one for one in ys if math.isfinite(one) and one > 0]
    y_log = panel.y_log and len(positive) > 1 and is_wide(positive) and min(positive) > 1e-200
    x_log = panel.x_log and all(one > 0 for one in xs)
    across = _Axis(xs, LEFT, WIDTH - RIGHT, log=x_log)
    up = _Axis(ys, HEIGHT - BOTTOM, TOP, log=y_log)
    parts = _frame(across, up, panel)
    for height in panel.marks.values():
        parts.append(_stroke(LEFT, up.at(height), WIDTH - RIGHT, up.at(height), FAINT, dash="3 4"))
    for place in panel.columns.values():
        parts.append(_stroke(across.at(place), TOP, across.at(place), HEIGHT - BOTTOM, FAINT, dash="3 4"))
    for place, curve in enumerate(panel.curves):
        parts += _curve(curve, across, up, CYCLE[place % len(CYCLE)])
    named = [(one.name, CYCLE[place % len(CYCLE)]) for place, one in enumerate(panel.curves) if one.name]
    named += [(f"{name}: {brief(at, 3)}", FAINT) for name, at in {**panel.marks, **panel.columns}.items()]
    return _whole(panel, parts, named)


def _curve(curve: Curve, across: _Axis, up: _Axis, colour: str) -> list[Markup]:
    keep = thinned_places(len(curve.x), _POINTS)
    points = [(across.at(float(curve.x[at])), up.at(float(curve.y[at]))) for at in keep]
    parts = []
    if len(curve.low):
        edge = [(across.at(float(curve.x[at])), up.at(float(curve.high[at]))) for at in keep]
        edge += [(across.at(float(curve.x[at])), up.at(float(curve.low[at]))) for at in reversed(list(keep))]
        parts.append(tag("polygon", points=_points(edge), fill=colour, opacity="0.15"))
    if curve.joined:
        parts.append(
            tag(
                "polyline",
                points=_points(points),
                fill="none",
                stroke=colour,
                stroke_width="2",
                stroke_dasharray="6 4" if curve.dashed else None,
            )
        )
    if (curve.marker or not curve.joined) and len(keep) <= 60:
        parts += [
            tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3", fill=colour)
            for x, y in points
            if x is not None and y is not None
        ]
    return parts


def _bars(panel: Panel) -> Markup:
    """Bars that lie, since their names are long."""
    names, values = list(panel.bars), [float(one) for one in panel.bars.values()]
    positive = [one for one in values if one > 0]
    log = panel.y_log and len(positive) == len(values) and is_wide(values)
    scale = _Axis([*values, *panel.marks.values(), *([] if log else [0.0])], 8, WIDTH - 70, log=log)
    parts, row = [], 38
    zero = scale.begin if log else scale.at(0.0)
    assert zero is not None
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        y, end = place * row, scale.at(value)
        parts.append(tag("text", name, x="8", y=f"{y + 14}", class_="axis"))
        if end is not None:
            parts.append(
                tag("rect", x=f"{min(zero, end):.1f}", y=f"{y + 18}", width=f"{max(1.0, abs(end - zero)):.1f}",
                    height="12", fill=CYCLE[0])
            )  # fmt: skip
        parts.append(tag("text", brief(value, 3), x=f"{(end or zero) + 6:.1f}", y=f"{y + 28}", class_="axis"))
    height = row * len(names) + 6
    for name, value in panel.marks.items():
        at = scale.at(value)
        parts.append(_stroke(at, 0, at, height, BAD, dash="3 4"))
        parts.append(tag("text", name, x=f"{at or 0:.1f}", y=f"{height}", class_="axis"))
    return _svg(panel, parts, height)


def _frame(across: _Axis, up: _Axis, panel: Panel) -> list[Markup]:
    parts = []
    for value in across.ticks():
        x = across.at(value)
        parts.append(_stroke(x, TOP, x, HEIGHT - BOTTOM, "", grid=True))
        parts.append(tag("text", brief(value, 3), x=f"{x:.1f}", y=f"{HEIGHT - BOTTOM + 14}", class_="axis middle"))
    for value in up.ticks():
        y = up.at(value)
        assert y is not None
        parts.append(_stroke(LEFT, y, WIDTH - RIGHT, y, "", grid=True))
        parts.append(tag("text", brief(value, 3), x=f"{LEFT - 5}", y=f"{y + 4:.1f}", class_="axis end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", panel.x_label, x=f"{middle:.0f}", y=f"{HEIGHT - 8}", class_="axis middle"))
    parts.append(
        tag("text", panel.y_label, transform=f"translate(12 {HEIGHT / 2 - 12:.0f}) rotate(-90)", class_="axis middle")
    )
    return parts


def _stroke(
    x1: float | None, y1: float | None, x2: float | None, y2: float | None, colour: str, *,
    dash: str | None = None, grid: bool = False,
) -> Markup:  # fmt: skip
    if x1 is None or y1 is None or x2 is None or y2 is None:
        return Markup("")
    return tag(
        "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", stroke=colour or None,
        stroke_dasharray=dash, class_="grid" if grid else None,
    )  # fmt: skip


def _points(points: Sequence[tuple[float | None, float | None]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points if x is not None and y is not None)


def _whole(panel: Panel, parts: list[Markup], named: Sequence[tuple[str, str]]) -> Markup:
    legend = []
    for place, (name, colour) in enumerate(named):
        y = HEIGHT + _ROW * place
        legend.append(_stroke(LEFT, y + 8, LEFT + 22, y + 8, colour))
        legend.append(tag("text", name, x=f"{LEFT + 28}", y=f"{y + 12}", class_="axis"))
    return _svg(panel, [*parts, *legend], HEIGHT + _ROW * len(named) + 4)


def _svg(panel: Panel, parts: list[Markup], height: float) -> Markup:
    return tag(
        "svg", join(parts, ""), viewBox=f"0 0 {WIDTH} {height:.0f}", role="img", aria_label=panel.title, class_="panel"
    )
