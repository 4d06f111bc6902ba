"""A comparison, drawn: one picture with the median and the spread over seeds of every setting, and one table."""

from __future__ import annotations

import math
import os
from typing import Any

from rich.table import Table as TerminalTable

from surefoot.records import Sweep
from surefoot.report.charts import Chart, Table
from surefoot.report.colours import BAD, FAINT, GOOD, LINE, SECOND
from surefoot.report.compare_settings import Setting, best_of, settings_of, target_of
from surefoot.report.figures import Picture, new_picture, plain_title, written
from surefoot.report.numbers import brief, count
from surefoot.report.series import is_wide

__all__ = ["compare_chart", "compare_figure", "compare_sentence", "compare_table", "terminal_table"]

_COLOURS = (LINE, SECOND, GOOD, "#a044b4", BAD, "#1aa6b7", "#8c6d1f", "#5b55d6", "#6f8f2f", FAINT)
_STYLES = ("-", "--", "-.", ":")
_DASHES = ("solid", "dash", "dashdot", "dot")
_SEVERAL = 2


def compare_figure(sweep: Sweep, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the validation loss of every setting, median and spread over seeds, and write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    settings = settings_of(sweep)
    picture, axes = new_picture(8.6, 5.0)
    seen: list[float] = []
    for place, one in enumerate(settings):
        steps, low, middle, high = one.curve()
        if not len(steps):
            continue
        colour, style = _COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)]
        axes.plot(steps, middle, style, color=colour, linewidth=1.6, label=plain_title(_label(one)))
        if len(one.runs) > 1:
            axes.fill_between(steps, low, high, color=colour, alpha=0.13, linewidth=0)
        seen += middle.tolist()
    target = target_of(settings)
    if target is not None:
        axes.axhline(target, color=FAINT, linestyle=":", linewidth=1, label=f"target {brief(target, 3)}")
    start = [float(run.val_loss[0]) for one in settings for run in one.runs if len(run.val_loss)]
    if start and max(seen) > _SEVERAL * max(start):
        # What runs away would press all others against the axis.
        axes.set_ylim(top=1.5 * max(start))
    if is_wide([one for one in seen if not start or one <= _SEVERAL * max(start)]):
        axes.set_yscale("log")
    axes.set_xlabel("steps")
    axes.set_ylabel("validation loss")
    axes.set_title(plain_title(f"{sweep.task}: median and spread over {_seeds(settings)}"))
    if seen:
        axes.legend(fontsize=8, frameon=False, ncols=1 + len(settings) // 12)
    return written(picture, path)


def compare_chart(sweep: Sweep) -> Chart:
    """The same picture for a page."""
    settings = settings_of(sweep)
    traces: list[dict[str, Any]] = []
    for place, one in enumerate(settings):
        steps, low, middle, high = one.curve()
        colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]
        if len(one.runs) > 1 and len(steps):
            traces.append(
                {
                    "x": [*steps.tolist(), *steps[::-1].tolist()], "y": [*high.tolist(), *low[::-1].tolist()],
                    "fill": "toself", "fillcolor": colour, "opacity": 0.15, "line": {"width": 0}, "mode": "lines",
                    "hoverinfo": "skip", "showlegend": False, "legendgroup": str(place), "type": "scatter",
                }
            )  # fmt: skip
        traces.append(
            {
                "x": steps.tolist(), "y": middle.tolist(), "mode": "lines", "name": _label(one), "type": "scatter",
                "line": {"color": colour, "width": 2, "dash": dash}, "legendgroup": str(place),
            }
        )  # fmt: skip
    values = [float(value) for trace in traces for value in trace["y"]]
    layout = {
        "xaxis": {"title": {"text": "steps"}},
        "yaxis": {"title": {"text": "validation loss"}, "type": "log" if is_wide(values) else "linear"},
    }
    return Chart("compare", "Median and spread", compare_sentence(sweep), traces, layout, compare_table(sweep))


def compare_sentence(sweep: Sweep) -> str:
    """Which setting ended best, and how the others ended."""
    settings = settings_of(sweep)
    best = best_of(settings)
    if best is None:
        return f"None of {count(len(settings), 'setting')} of {sweep.task} ended with a finite validation loss."
    said = f"Of {count(len(settings), 'setting')} of {sweep.task} with {_seeds(settings)}, {best.label} ended with the "
    said += f"lowest median validation loss, {brief(best.median, 3)}"
    worst_of_best = max(best.finals)
    near = [
        one.label
        for one in settings
        if one is not best and len(one.finals) >= _SEVERAL and min(one.finals) <= worst_of_best
    ]
    if near and len(best.finals) >= _SEVERAL:
        said += f"; the spread over seeds does not tell it from {', '.join(near)}"
    lost = sum(one.diverged for one in settings)
    return said + (f"; {count(lost, 'run')} diverged." if lost else ".")


def compare_table(sweep: Sweep, target: float | None = None) -> Table:
    """A row per setting: final loss, metrics, steps to the target, and stability.

    Args:
        sweep: of one task.
        target: the loss that settings are timed to; None takes `target_of`.
    """
    settings = settings_of(sweep)
    goal = target_of(settings) if target is None else target
    metrics = list(dict.fromkeys(name for run in sweep.runs for name in run.val_metrics))
    goal_name = "steps to target" if goal is None else f"steps to {brief(goal, 3)}"
    columns = (
        "setting", "final loss", "lowest", "highest", *(name.replace("_", " ") for name in metrics), goal_name,
        "diverged", "rose",
    )  # fmt: skip
    rows = []
    for one in settings:
        finals = [value for value in one.finals if math.isfinite(value)]
        spread = (brief(min(finals), 3), brief(max(finals), 3)) if len(finals) >= _SEVERAL else ("–", "–")
        rows.append(
            (
                one.label, brief(one.median, 3), *spread, *(brief(one.metric(name), 3) for name in metrics),
                _reached(one, goal), f"{one.diverged}/{len(one.runs)}",
                "–" if math.isnan(one.rises) else f"{one.rises:.0%}",
            )
        )  # fmt: skip
    caption = "Medians over the seeds; steps of the median run; share of validations at which the loss rose"
    return Table(caption, columns, tuple(rows))


def terminal_table(sweep: Sweep, target: float | None = None) -> TerminalTable:
    """The same table for a terminal."""
    found = compare_table(sweep, target)
    table = TerminalTable(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(found.columns):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=place == 0)
    best = best_of(settings_of(sweep))
    for row in found.rows:
        table.add_row(*row, style="green" if best is not None and row[0] == best.label else None)
    return table


def _label(one: Setting) -> str:
    return f"{one.label} (diverged {one.diverged} of {len(one.runs)})" if one.diverged else one.label


def _reached(one: Setting, goal: float | None) -> str:
    if goal is None:
        return "–"
    steps = sorted(one.steps_to(goal))
    middle = steps[len(steps) // 2]
    return "never" if math.isinf(middle) else f"{middle:g}"


def _seeds(settings: list[Setting]) -> str:
    most = max((len(one.runs) for one in settings), default=0)
    return count(most, "seed")
