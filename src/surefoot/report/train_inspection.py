"""The inspection of a training, drawn: sizes of weights, updates and gradients by layer, and pictures of filters."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.table import Table

from surefoot.records import Inspection
from surefoot.records import Picture as Looks
from surefoot.report.colours import FAINT, SCALE
from surefoot.report.figures import Picture, plain_title, styled, written
from surefoot.report.numbers import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["inspection_figure", "inspection_tables", "pictures_figure"]

_COLUMNS = 8
_ROWS = 12
"""Most layers that a picture tells apart."""


def inspection_figure(inspection: Inspection, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw weight, update and gradient sizes, their ratio, and dead units over the epochs; write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    picture = Picture(figsize=(11.0, 6.4), layout="constrained")
    FigureCanvasAgg(picture)
    grid = picture.subplots(2, 3, squeeze=False)
    layers = inspection.layers[:_ROWS]
    titles = {
        "weight": "weight size", "update": "size of the last update", "gradient": "gradient size",
        "ratio": "update over weight", "change": "change since the epoch before",
    }  # fmt: skip
    for axes, (name, title) in zip(grid.flat, titles.items(), strict=False):
        styled(axes)
        for place, layer in enumerate(layers):
            _line(axes, inspection, getattr(layer, name), layer.name, place, len(layers))
        axes.set_title(title)
        if any(np.any(getattr(layer, name) > 0) for layer in layers):
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
    grid[1, 0].axhspan(1e-4, 1e-2, color=FAINT, alpha=0.12, linewidth=0, label="common")
    grid[1, 0].text(0.02, 1.2e-4, "common", transform=grid[1, 0].get_yaxis_transform(), color=FAINT, fontsize=8)
    styled(grid[1, 2])
    units = inspection.units[:_ROWS]
    for place, one in enumerate(units):
        _line(grid[1, 2], inspection, one.dead, f"{one.name} ({one.units})", place, len(units))
    grid[1, 2].set_title("share of dead units" if units else "no activation was seen")
    grid[1, 2].set_ylim(-0.03, 1.03)
    grid[1, 2].set_xlabel("epoch")
    if units:
        grid[1, 2].legend(fontsize=7, frameon=False)
    if layers:
        grid[0, 0].legend(fontsize=7, frameon=False)
    picture.suptitle(plain_title(f"{inspection.task}: layers by epoch"), fontsize=12)
    return written(picture, path)


def pictures_figure(inspection: Inspection, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the first filters at the first and last look, biases, activations and predictions over the looks.

    Raises:
        OutputError: `path` cannot be written.
    """
    shown = [one for one in inspection.pictures if len(one.step)]
    rows = [(one, look) for one in shown for look in ((0, -1) if one.what == "filters" else (None,))]
    picture = Picture(figsize=(9.0, max(1.8 * len(rows), 2.0)), layout="constrained")
    FigureCanvasAgg(picture)
    if not rows:
        axes = picture.add_subplot()
        axes.axis("off")
        axes.text(0.5, 0.5, "this model has no filters, biases or few enough activations to draw", ha="center")
        return written(picture, path)
    for axes, (one, look) in zip(picture.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        numbers = one.values.reshape(len(one.step), *one.shape)
        if look is not None:
            _filters(axes, numbers[look])
            axes.set_title(f"{plain_title(one.name)} as pictures, after {one.step[look]} steps", fontsize=9)
            continue
        image = numbers.reshape(len(one.step), -1).T
        bound = float(np.abs(image).max()) or 1.0
        drawn = axes.imshow(image, aspect="auto", cmap="RdBu_r", vmin=-bound, vmax=bound, interpolation="nearest")
        axes.set_xticks(range(len(one.step)), [str(step) for step in one.step], fontsize=7)
        axes.set_yticks([])
        axes.set_title(f"{plain_title(one.name)}: {one.what} by steps", fontsize=9)
        picture.colorbar(drawn, ax=axes, pad=0.01).ax.tick_params(labelsize=7)
    return written(picture, path)


def inspection_tables(inspection: Inspection) -> list[Table]:
    """The last look as tables for a terminal: layers, units, and of small nets activations and predictions."""
    tables = [_layers(inspection)]
    if inspection.units:
        tables.append(_units(inspection))
    tables += [_numbers(one) for one in inspection.pictures if one.what in ("activations", "predictions")]
    return tables


def _layers(inspection: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title="Layers, root mean square", title_justify="left")
    table.add_column("parameter", no_wrap=True)
    for name in ("shape", "weight at first", "weight", "last update", "gradient", "update/weight", "mean of it"):
        table.add_column(name, justify="right")
    for one in inspection.layers:
        with_ratio = one.ratio[np.isfinite(one.ratio)]
        table.add_row(
            one.name, "x".join(map(str, one.shape)), brief(_at(one.weight, 0), 3), brief(_at(one.weight, -1), 3),
            brief(_at(one.update, -1), 3), brief(_at(one.gradient, -1), 3), brief(_at(one.ratio, -1), 2),
            brief(float(with_ratio.mean()) if len(with_ratio) else math.nan, 2),
        )  # fmt: skip
    return table


def _units(inspection: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title="Units", title_justify="left")
    table.add_column("activation", no_wrap=True)
    for name in ("units", "dead at first", "dead", "mean"):
        table.add_column(name, justify="right")
    for one in inspection.units:
        first, last = (f"{_at(one.dead, place):.0%}" for place in (0, -1))
        table.add_row(one.name, str(one.units), first, last, brief(_at(one.mean, -1), 3))
    return table


def _numbers(looks: Looks) -> Table:
    """One row per example, one column per unit, at the last look."""
    title = f"{looks.name}: {looks.what} after {looks.step[-1]} steps"
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column("example", justify="right")
    for unit in range(looks.shape[1]):
        table.add_column(f"{unit + 1}", justify="right")
    for number, row in enumerate(looks.values.reshape(len(looks.step), *looks.shape)[-1]):
        table.add_row(str(number + 1), *(brief(float(one), 3) for one in row))
    return table


def _line(axes: Axes, inspection: Inspection, values: Any, name: str, place: int, count: int) -> None:
    if len(values) != len(inspection.epoch):
        return
    colour = SCALE[round(place * (len(SCALE) - 1) / max(count - 1, 1))]
    style = "--" if name.endswith("bias") else "-"
    axes.plot(inspection.epoch, values, style, color=colour, linewidth=1.3, label=plain_title(name), marker=".")


def _filters(axes: Axes, filters: npt.NDArray[np.float64]) -> None:
    count, height, width = filters.shape
    columns = min(count, 2 * _COLUMNS)
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for number, one in enumerate(filters):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        sheet[top : top + height, left : left + width] = one
    bound = float(np.abs(filters).max()) or 1.0
    axes.imshow(sheet, cmap="RdBu_r", vmin=-bound, vmax=bound, interpolation="nearest")
    axes.axis("off")


def _at(series: npt.NDArray[np.float64], place: int) -> float:
    return float(series[place]) if len(series) else math.nan
