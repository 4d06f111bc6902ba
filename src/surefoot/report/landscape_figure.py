"""Figures of a landscape: contours with paths, and beside them what the plane does not show; and the surface in 3-D."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, NullFormatter

from surefoot.records.landscape import Landscape
from surefoot.report.colours import FAINT
from surefoot.report.figures import Picture, plain_title, styled, written
from surefoot.report.lab_figures import CYCLE
from surefoot.report.landscape_levels import Levels, inside, levels_of, until_it_leaves
from surefoot.report.landscape_words import axis_label, caption, headline
from surefoot.report.numbers import brief
from surefoot.report.series import is_wide

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GROUND", "MARKERS", "draw_above", "draw_losses", "landscape_figure", "surface_figure"]

GROUND = ("#fbfcfe", "#eceff4", "#d6dde7", "#b6c1d0", "#94a2b6")
"""Colours of the surface from low to high: greys, on which the colours of paths stand out."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
_MAP = LinearSegmentedColormap.from_list("ground", GROUND)
_HALO = [patheffects.withStroke(linewidth=3.2, foreground="white", alpha=0.85)]
_THIN_HALO = [patheffects.withStroke(linewidth=2.0, foreground="white", alpha=0.5)]


def landscape_figure(found: Landscape, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw a line or plane with its paths, their true losses and distances, and write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    beside = bool(found.paths)
    picture = Picture(figsize=(12.2 if beside else 7.4, 6.4), layout="constrained")
    FigureCanvasAgg(picture)
    levels = levels_of(found)
    if beside:
        # Off-plane distances are of no interest where there are none.
        off = any(len(one.off_plane) and float(one.off_plane.max()) > 1e-9 for one in found.paths)
        grid = picture.add_gridspec(2 if off else 1, 2, width_ratios=[1.55, 1])
        main = picture.add_subplot(grid[:, 0])
        draw_losses(picture.add_subplot(grid[0, 1]), found, levels)
        if off:
            _distances(picture.add_subplot(grid[1, 1]), found)
    else:
        main = picture.add_subplot()
    (draw_above if len(found.axes) == 2 else _line)(main, found, levels)
    picture.suptitle(plain_title(headline(found)), fontsize=13)
    picture.supxlabel(caption(found), fontsize=8.5, color="#5a6675")
    return written(picture, path)


def surface_figure(found: Landscape, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw a plane as a surface, paths at their true losses above or below it, and write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    picture = Picture(figsize=(8.6, 7.0), layout="constrained")
    FigureCanvasAgg(picture)
    axes: Any = picture.add_subplot(projection="3d", computed_zorder=False)
    levels = levels_of(found, solid=True)
    if found.grid:
        x, y = np.meshgrid(found.axes[0].values, found.axes[1].values)
        heights = levels.heights(found.surface)
        axes.plot_surface(
            x, y, heights, cmap=_MAP, alpha=0.72, linewidth=0.25, edgecolor="#8a93a3", rcount=45, ccount=45, zorder=1
        )
    for place, one in enumerate(found.paths):
        keep = inside(found, one)
        across, along = (column[keep] for column in one.coordinates)
        colour, marker = _look(place)
        top = levels.heights(one.losses[keep])
        axes.plot(
            across,
            along,
            top,
            color=colour,
            marker=marker,
            markersize=3.2,
            linewidth=1.5,
            label=plain_title(one.name),
            zorder=4,
        )
        if len(across) and float(one.off_plane.max()) > 1e-9:
            axes.plot(across, along, levels.heights(one.plane_losses[keep]), ":", color=colour, linewidth=1, zorder=3)
    marks, words = levels.ticks()
    axes.set_zticks(marks, words)
    axes.set_xlabel(_short(axis_label(found.axes[0])), fontsize=8, labelpad=8)
    axes.set_ylabel(_short(axis_label(found.axes[1])), fontsize=8, labelpad=8)
    axes.set_zlabel("loss, logarithmic" if levels.logarithmic else "loss", fontsize=8, labelpad=6)
    axes.tick_params(labelsize=7)
    axes.view_init(elev=36, azim=-62)
    axes.set_box_aspect(None, zoom=0.9)
    axes.set_title(plain_title(headline(found)), fontsize=12)
    if found.paths:
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        off = any(len(one.off_plane) and float(one.off_plane.max()) > 1e-9 for one in found.paths)
        said = "Solid: true loss along the path. Dotted: the surface below it." if off else caption(found)
        picture.supxlabel(said, fontsize=8.5, color="#5a6675")
    return written(picture, path)


def draw_above(axes: Axes, found: Landscape, levels: Levels) -> None:
    """Contours with the paths."""
    styled(axes)
    axes.grid(visible=False)
    axes.set_xlabel(axis_label(found.axes[0]))
    axes.set_ylabel(axis_label(found.axes[1]))
    if found.grid:
        x, y = found.axes[0].values, found.axes[1].values
        shown = levels.clipped(found.surface)
        norm = (LogNorm if levels.logarithmic else Normalize)(levels.floor, levels.ceiling)
        axes.contourf(x, y, shown, levels=levels.values, cmap=_MAP, norm=norm, extend="both")
        lines = axes.contour(x, y, shown, levels=levels.values, colors="#77859a", linewidths=0.6, norm=norm)
        axes.clabel(
            lines,
            levels=[float(one) for one in levels.values[1::3]],
            fmt=lambda value: brief(float(value), 2),
            fontsize=7,
        )
        bar = axes.figure.colorbar(ScalarMappable(norm, _MAP), ax=axes, pad=0.01, shrink=0.85)
        marks, words = levels.ticks()
        values = [10.0**mark for mark in marks] if levels.logarithmic else marks
        bar.set_ticks(values, labels=words)
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.set_label("loss of the plane" + (", logarithmic" if levels.logarithmic else ""))
        bar.outline.set_visible(False)
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
    if found.directions != "coordinates":
        axes.plot([0], [0], "+", color="#26303d", markersize=11, markeredgewidth=1.4, zorder=5)
    for place, one in enumerate(found.paths):
        keep = until_it_leaves(found, one)
        colour, marker = _look(place)
        across, along = (column[keep] for column in one.coordinates)
        few = len(one.step) <= 60
        axes.plot(
            across, along, color=colour, linewidth=1.4, path_effects=_HALO if few else _THIN_HALO, zorder=3,
            label=None if few else plain_title(one.name),
        )  # fmt: skip
        if few:
            axes.plot(
                across, along, marker, color=colour, markersize=4.2, markeredgecolor="white", markeredgewidth=0.4,
                label=plain_title(one.name), zorder=4,
            )  # fmt: skip
        if len(across):
            axes.plot(across[:1], along[:1], "o", color="white", markeredgecolor="#26303d", markersize=8, zorder=5)
            axes.plot(across[-1:], along[-1:], marker, color=colour, markersize=9, markeredgecolor="white", zorder=6)
    if found.paths:
        axes.legend(fontsize=8.5, loc="best", framealpha=0.9, edgecolor="#d9dfe7")


def _line(axes: Axes, found: Landscape, levels: Levels) -> None:
    styled(axes)
    x = found.axes[0].values
    if found.grid:
        axes.plot(x, np.where(np.isfinite(found.grid[0]), found.grid[0], np.nan), color="#26303d", linewidth=1.6,
                  label="loss along the line")  # fmt: skip
    for place, one in enumerate(found.paths):
        colour, marker = _look(place)
        keep = inside(found, one)
        axes.plot(
            one.coordinates[0][keep], one.losses[keep], marker + "-", color=colour, markersize=3.5, linewidth=1,
            alpha=0.85, label=plain_title(f"{one.name}, true loss"),
        )  # fmt: skip
    axes.set_xlim(x[0], x[-1])
    if levels.logarithmic:
        _log_losses(axes, levels)
    axes.set_ylim(top=levels.ceiling)
    axes.set_xlabel(axis_label(found.axes[0]))
    axes.set_ylabel("loss")
    axes.legend(fontsize=8.5, frameon=False)


def draw_losses(axes: Axes, found: Landscape, levels: Levels) -> None:
    """True losses along the paths, and dotted the surface below them."""
    styled(axes)
    off = False
    for place, one in enumerate(found.paths):
        colour, marker = _look(place)
        sparse: dict[str, Any] = {"marker": marker, "markersize": 2.6} if len(one.step) <= 60 else {}
        axes.plot(one.step, _finite(one.losses), color=colour, linewidth=1.5, label=plain_title(one.name),
                  **sparse)  # fmt: skip
        if float(one.off_plane.max()) > 1e-9:
            off = True
            axes.plot(one.step, _finite(one.plane_losses), ":", color=colour, linewidth=1.2)
    axes.set_title("True loss" + (" (dotted: the surface below)" if off else " along the path"))
    axes.set_xlabel("steps")
    axes.set_ylabel("loss")
    if found.paths:
        axes.set_xlim(0, max(int(one.step[-1]) for one in found.paths) or 1)
    if levels.logarithmic:
        _log_losses(axes, levels)
        axes.set_ylim(levels.floor * 0.8, levels.ceiling)
    else:
        axes.set_ylim(top=levels.ceiling)


def _distances(axes: Axes, found: Landscape) -> None:
    styled(axes)
    for place, one in enumerate(found.paths):
        colour, _ = _look(place)
        axes.plot(one.step, _finite(one.off_plane), color=colour, linewidth=1.5, label=plain_title(one.name))
        axes.plot(one.step, _finite(one.distance), color=colour, linewidth=0.9, linestyle="--", alpha=0.6)
    heights = [float(value) for one in found.paths for value in one.distance if value > 0]
    if is_wide(heights) and max(heights) > 100 * float(np.median(heights)):
        _log_axis(axes)
    axes.plot([], [], "--", color=FAINT, label="dashed: way from the start")
    axes.set_title("Distance from the plane")
    axes.set_xlabel("steps")
    axes.set_ylabel("distance in weight space")
    axes.legend(fontsize=7.5, frameon=False)


def _look(place: int) -> tuple[str, str]:
    return CYCLE[place % len(CYCLE)], MARKERS[place % len(MARKERS)]


def _finite(values: Any) -> Any:
    return np.where(np.isfinite(values), values, np.nan)


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value, 2)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _log_losses(axes: Axes, levels: Levels) -> None:
    """A logarithmic axis with the marks of the levels: powers of ten alone are too few where losses span little."""
    _log_axis(axes)
    marks, words = levels.ticks()
    axes.set_yticks([10.0**mark for mark in marks], words)


def _short(label: str) -> str:
    return label.replace(" (distance in weight space)", "")
