"""Figures of a curvature record, and the lines that a terminal shows of a run that is being followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from surefoot.records import Curvature
from surefoot.report.colours import BAD, FAINT, GOOD, LINE, SECOND
from surefoot.report.curvature_charts import eigenvalue_name, threshold
from surefoot.report.figures import Picture, plain_title, styled, written
from surefoot.report.numbers import brief, rate
from surefoot.report.series import is_wide

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curvature_figure"]

_LAYERS = 12


def curvature_figure(found: Curvature, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw what was measured: the run against its limit, the loss, spectrum, noise and layers; to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    panels = []
    if len(found.track_step) > 1:
        panels += [_track, _loss]
    else:
        panels.append(_line)
    if len(found.density):
        panels.append(_spectrum)
    if found.noise_scale is not None and len(found.noise_scale.variance_batch) > 1:
        panels.append(_noise)
    if found.layers:
        panels.append(_layers)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    picture = Picture(figsize=(5.6 * columns, 3.8 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(picture)
    for place, draw in enumerate(panels):
        axes = picture.add_subplot(rows, columns, place + 1)
        styled(axes)
        draw(axes, found)
    where = "before training" if not found.step else f"after {found.step} updates"
    judged = "" if found.lr is None else f", rate {rate(found.lr)} is {found.verdict}"
    limit = "limit not known" if found.limit is None else f"limit {rate(found.limit)}"
    picture.suptitle(plain_title(f"{found.task}, {found.optimizer}, {where}: {limit}{judged}"))
    return written(picture, path)


def _track(axes: Axes, found: Curvature) -> None:
    bound = threshold(found)
    axes.plot(
        found.track_step, found.track_sharpness, "o-", color=LINE, markersize=3.5, linewidth=1.5,
        label=eigenvalue_name(found),
    )  # fmt: skip
    axes.plot(found.track_step, bound, "--", color=BAD, linewidth=1.5, label="what the rate allows")
    if is_wide([*found.track_sharpness.tolist(), *bound.tolist()]):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    _labels(axes, "updates", "eigenvalue", "Sharpness against the limit")


def _loss(axes: Axes, found: Curvature) -> None:
    axes.plot(found.loss_step, found.loss, color=FAINT, linewidth=0.7, label="loss of the batch")
    axes.plot(found.track_step, found.track_loss, "o-", color=SECOND, markersize=3.5, label="all measured examples")
    if is_wide([one for one in found.loss.tolist() if one > 0]):
        axes.set_yscale("log")
    _labels(axes, "updates", "training loss", "Loss along the run")


def _line(axes: Axes, found: Curvature) -> None:
    """Rates on a line: where steps jump across the valley, and the limit."""
    if found.limit is None or not np.isfinite(found.limit) or not found.overshoot:
        axes.text(0.5, 0.5, "no finite limit", transform=axes.transAxes, ha="center", color=FAINT)
        return
    low, high = found.overshoot / 30, found.limit * 10
    for left, right, colour, name in (
        (low, found.overshoot, GOOD, "stable"),
        (found.overshoot, found.limit, SECOND, "oscillating but stable"),
        (found.limit, high, BAD, "beyond"),
    ):
        axes.axvspan(left, right, color=colour, alpha=0.25, linewidth=0, label=f"{name} (from {brief(left, 3)})"
                     if left > low else name)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_yticks([])
    _labels(axes, "rate", "", "What rates are stable here")


def _spectrum(axes: Axes, found: Curvature) -> None:
    axes.fill_between(found.density_at, found.density, color=LINE, alpha=0.3, linewidth=0)
    axes.plot(found.density_at, found.density, color=LINE, linewidth=1.2)
    axes.set_yscale("log")
    top = max(float(found.density.max()), 1e-12)
    axes.set_ylim(top * 1e-6, top * 2)
    _labels(axes, "eigenvalue", "share per unit", "Spectrum of the Hessian", legend=False)


def _noise(axes: Axes, found: Curvature) -> None:
    noise = found.noise_scale
    if noise is None:
        return
    sizes = np.asarray(noise.variance_batch, dtype=np.float64)
    axes.plot(sizes, noise.variance_measured, "o", color=LINE, label="measured")
    axes.plot(sizes, noise.variance / sizes, "--", color=FAINT, label="variance of one example / size")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    shown = "unresolved" if noise.value is None else brief(noise.value, 3)
    _labels(axes, "batch size", "variance of the gradient", f"Gradient noise: scale {shown}")


def _layers(axes: Axes, found: Curvature) -> None:
    shown = found.layers[:_LAYERS]
    places = np.arange(len(shown))
    axes.barh(places + 0.2, [one.gradient for one in shown], height=0.38, color=LINE, label="gradient")
    if all(one.update is not None for one in shown):
        axes.barh(places - 0.2, [one.update or 0.0 for one in shown], height=0.38, color=SECOND, label="update")
    axes.set_yticks(places, [plain_title(one.name) for one in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    _labels(axes, "root mean square", "", "Layers")


def _labels(axes: Axes, x: str, y: str, title: str, *, legend: bool = True) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(plain_title(title))
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False, loc="best")
