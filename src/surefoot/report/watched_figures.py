"""Figures of a watched training and of a probe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter

from surefoot.records import Inspection, Probe, Watched
from surefoot.report.colours import BAD, CYCLE, FAINT, GOOD, LINE
from surefoot.report.figures import Picture, new_picture, panels_of_run, plain_title, styled, written
from surefoot.report.numbers import brief, rate
from surefoot.report.watched_charts import COMMON, SHOWN_LAYERS
from surefoot.report.watched_words import probe_answer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["probe_figure", "watched_figure"]


def watched_figure(watched: Watched, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw a watched training: losses with every deed, rate, gradient norm, updates and dead units of its layers.

    Raises:
        OutputError: `path` cannot be written.
    """
    inspection = watched.inspection
    seen = len(inspection.step) > 0
    more = (["ratios"] if seen and inspection.layers else []) + (["units"] if seen and inspection.units else [])
    picture, grid = panels_of_run(watched.run, len(more))
    for axes, name in zip(grid[len(grid) - len(more) :], more, strict=True):
        (_ratios if name == "ratios" else _units)(axes, inspection)
    for axes in grid:
        for action in watched.actions:
            colour = GOOD if action.done and not action.undone else FAINT
            axes.axvline(action.step, color=colour, linestyle=":", linewidth=1.3)
    for action in watched.actions[:12]:
        grid[0].annotate(
            action.deed, (action.step, 1.0), xycoords=("data", "axes fraction"), xytext=(2, -2), fontsize=7,
            textcoords="offset points", rotation=90, va="top", color=FAINT,
        )  # fmt: skip
    subject = f"Training of {watched.run.task}" if watched.run.task else "Training"
    found = ", ".join(one.id for one in watched.findings) or "nothing found"
    grid[0].set_title(plain_title(f"{subject}, watched: {found}"))
    return written(picture, path)


def _ratios(axes: Axes, inspection: Inspection) -> None:
    styled(axes)
    axes.axhspan(*COMMON, color=FAINT, alpha=0.12, linewidth=0)
    for place, one in enumerate(inspection.layers[:SHOWN_LAYERS]):
        if len(one.ratio) == len(inspection.step) and np.any(one.ratio > 0):
            axes.plot(inspection.step, one.ratio, color=CYCLE[place % len(CYCLE)], linewidth=1.1,
                      label=plain_title(one.name))  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylabel("update / weight")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6, frameon=False, ncols=2)


def _units(axes: Axes, inspection: Inspection) -> None:
    styled(axes)
    for place, one in enumerate(inspection.units[:SHOWN_LAYERS]):
        if len(one.dead) == len(inspection.step):
            axes.plot(inspection.step, one.dead, color=CYCLE[place % len(CYCLE)], linewidth=1.1,
                      label=plain_title(one.name))  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("dead units")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6, frameon=False)


def probe_figure(probe: Probe, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the loss that copies of a training reached over their rate, with the interval and the rate in use.

    Raises:
        OutputError: `path` cannot be written.
    """
    picture, axes = new_picture(7.0, 4.2)
    alive = np.isfinite(probe.losses)
    if probe.interval is not None:
        axes.axvspan(*probe.interval, color=GOOD, alpha=0.14, linewidth=0, label="interval")
    if alive.any():
        errors = np.nan_to_num(probe.errors[alive], posinf=0.0)
        axes.errorbar(probe.lrs[alive], probe.losses[alive], yerr=errors, marker="o", color=LINE, capsize=2,
                      label="copies")  # fmt: skip
    if not alive.all():
        axes.plot(probe.lrs[~alive], np.full((~alive).sum(), 0.975), "x", color=BAD, label="diverged",
                  transform=axes.get_xaxis_transform())  # fmt: skip
    if np.isfinite(probe.start_loss):
        axes.axhline(probe.start_loss, color=FAINT, linestyle=":", linewidth=1, label="before")
    if probe.lr_now > 0:
        axes.axvline(probe.lr_now, color=FAINT, linestyle="--", linewidth=1.3, label=f"in use {rate(probe.lr_now)}")
    if probe.lr is not None:
        axes.axvline(probe.lr, color=GOOD, linewidth=1.6, label=f"best {rate(probe.lr)}")
    if len(probe.lrs):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value, 3)))
    axes.set_xlabel("rate")
    axes.set_ylabel("loss after the trial")
    axes.set_title(plain_title(f"{probe_answer(probe)}, after {probe.step:,} steps"))
    axes.legend(fontsize=8, frameon=False)
    return written(picture, path)
