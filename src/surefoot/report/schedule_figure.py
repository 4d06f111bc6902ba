"""Figures of schedules: the rate over the updates, with the momentum where it moves."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from surefoot.report.colours import FAINT, LINE, SECOND
from surefoot.report.figures import Picture, new_picture, plain_title, styled, written
from surefoot.report.schedule_preview import SchedulePreview, preview_of
from surefoot.schedules import Schedule, spec_of

__all__ = ["schedule_figure", "schedules_figure"]


def schedule_figure(
    schedule: Schedule | SchedulePreview, path: str | os.PathLike[str] | None = None, *, log: bool = False
) -> Picture:
    """Draw the rate of every update, and write it to `path` if given.

    Args:
        schedule: a schedule, or its preview (which a schedule that follows a metric needs).
        path: where the picture goes; its ending says which kind.
        log: whether rates have a logarithmic scale.

    Raises:
        OutputError: `path` cannot be written.
        RecipeError: the schedule follows a metric.
    """
    preview = preview_of(schedule) if isinstance(schedule, Schedule) else schedule
    picture, axes = new_picture(8.0, 4.2)
    steps = range(preview.steps)
    axes.plot(steps, preview.lrs, color=LINE, linewidth=1.8, label="rate", drawstyle=_style(preview.steps))
    axes.axhline(preview.peak, color=FAINT, linestyle=":", linewidth=1, label="peak")
    if log and float(preview.lrs.max()) > 0:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel("update")
    axes.set_ylabel("rate")
    other, colour, name = preview.momenta, SECOND, "momentum"
    if len(preview.metrics):
        other, colour, name = preview.metrics, FAINT, "metric"
    if len(other):
        beside = axes.twinx()
        styled(beside)
        beside.grid(visible=False)
        beside.spines["right"].set_visible(True)
        beside.spines[:].set_color(FAINT)
        beside.plot(range(len(other)), other, color=colour, linewidth=1.2, label=name)
        beside.set_ylabel(name, color=colour)
    axes.set_title(plain_title(preview.spec))
    axes.legend(fontsize=8, frameon=False, loc="best")
    return written(picture, path)


def schedules_figure(schedules: Sequence[Schedule], path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw schedules side by side, one small picture each, and write them to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
        RecipeError: one of them follows a metric.
    """
    across = min(4, max(len(schedules), 1))
    down = max(math.ceil(len(schedules) / across), 1)
    picture, first = new_picture(3.0 * across, 2.1 * down)
    first.remove()
    for place, schedule in enumerate(schedules):
        axes = picture.add_subplot(down, across, place + 1)
        styled(axes)
        axes.plot(range(schedule.steps), schedule.lrs(), color=LINE, linewidth=1.5, drawstyle=_style(schedule.steps))
        axes.set_ylim(bottom=0)
        axes.set_title(plain_title(spec_of(schedule)), fontsize=8)
    return written(picture, path)


def _style(steps: int) -> str:
    """Few updates are drawn as stairs: a rate holds for its update."""
    return "steps-post" if steps <= 400 else "default"
