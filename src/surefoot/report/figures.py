"""Figures: pictures of records for papers and notebooks, drawn by matplotlib without its global state."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from surefoot.errors import OutputError
from surefoot.records import Found, Run, Sweep
from surefoot.report.colours import BAD, FAINT, GOOD, LINE, SCALE, SECOND, colour_of_rate, coloured_rates
from surefoot.report.numbers import brief, count, rate
from surefoot.report.response import Level, ceiling, levels, loss_name
from surefoot.report.series import is_wide, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Picture",
    "found_figure",
    "members_figure",
    "new_picture",
    "panels_of_run",
    "plain_title",
    "run_figure",
    "styled",
    "sweep_figure",
    "written",
]

_MAP = LinearSegmentedColormap.from_list("rates", SCALE)
_INK = "#26303d"


class Picture(Figure):
    """A matplotlib figure that a notebook shows by itself, whatever its backend."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", metadata=_mark())
        return stream.getvalue()


def found_figure(found: Found, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the response curve of a search, and write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    picture, axes = new_picture(8.0, 4.8)
    here = levels(found)
    losses = ceiling(found)
    if not here or losses is None:
        _nothing(axes, "nothing was trained")
    for place, level in enumerate(reversed(here)):
        top = level is here[0]
        strength = 1.0 if top else 0.25 + 0.35 * place / max(len(here) - 1, 1)
        _draw_level(axes, level, top=top, strength=strength)
    if found.initial_loss is not None and math.isfinite(found.initial_loss) and losses is not None:
        axes.axhline(found.initial_loss, color=FAINT, linestyle=":", linewidth=1, label="before training")
    if found.interval is not None:
        axes.axvspan(*found.interval, color=GOOD, alpha=0.14, linewidth=0, label="interval")
    if found.lr is not None:
        axes.axvline(found.lr, color=GOOD, linewidth=1.6, label=f"recommended {rate(found.lr)}")
    if found.divergence_lr is not None:
        name = f"diverges above {rate(found.divergence_lr)}"
        axes.axvline(found.divergence_lr, color=BAD, linestyle="--", linewidth=1.4, label=name)
    for name, suggested in found.rules.items():
        if suggested is not None:
            axes.axvline(
                suggested, color=SECOND, linestyle=":", linewidth=1.2, label=plain_title(f"{name} {rate(suggested)}")
            )
    dead = sorted({place.lr for level in here for place in level.places if place.diverged})
    if dead:
        axes.plot(dead, [0.975] * len(dead), "x", color=BAD, markersize=6, transform=axes.get_xaxis_transform(),
                  label="diverged")  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
    if losses is not None:
        _loss_scale(axes, *losses)
    axes.set_xlabel("peak rate" if found.recipe.schedule != "constant" else "rate")
    axes.set_ylabel(loss_name(found))
    answer = "no rate can be recommended" if found.lr is None else f"rate {rate(found.lr)}"
    axes.set_title(plain_title(f"{found.task}, {found.recipe.optimizer}, {found.recipe.schedule} schedule: {answer}"))
    _legend(axes)
    return written(picture, path)


def members_figure(found: Found, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the training loss of every member of a search, coloured by its rate, and write it to `path` if given."""
    return written(_runs_picture(found.runs, f"{found.task}: every member of the search"), path)


def sweep_figure(sweep: Sweep, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the training loss of every run of a sweep, coloured by its rate, and write it to `path` if given."""
    return written(_runs_picture(sweep.runs, f"{sweep.task}: {len(sweep.runs)} runs"), path)


def run_figure(run: Run, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw a training: losses, metrics, rate and gradient norm, and write it to `path` if given.

    Raises:
        OutputError: `path` cannot be written.
    """
    picture, grid = panels_of_run(run)
    subject = f"Training of {run.task}" if run.task else "Training"
    name = "" if run.recipe is None or run.recipe.lr is None else f" at rate {rate(run.recipe.lr)}"
    grid[0].set_title(plain_title(f"{subject}{name}: {run.fate}"))
    return written(picture, path)


def panels_of_run(run: Run, more: int = 0) -> tuple[Picture, list[Axes]]:
    """Losses, metrics, rate and gradient norm one below the other, and `more` empty panels over the same steps."""
    panels = ["loss", *(["metrics"] if run.val_metrics else []), "rate", *(["norm"] if len(run.grad_norm) else [])]
    rows = len(panels) + more
    picture = Picture(figsize=(8.0, 2.0 + 1.7 * (rows - 1) + 1.2), layout="constrained")
    FigureCanvasAgg(picture)
    grid = picture.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[2.0, *[1.1] * (rows - 1)])[:, 0]
    for axes, panel in zip(grid, panels, strict=False):
        styled(axes)
        {"loss": _run_loss, "metrics": _run_metrics, "rate": _run_rate, "norm": _run_norm}[panel](axes, run)
    grid[-1].set_xlabel(f"{run.unit}s")
    return picture, list(grid)


def _run_loss(axes: Axes, run: Run) -> None:
    axes.plot(run.step, run.loss, color=LINE, alpha=0.25, linewidth=0.8)
    axes.plot(run.step, smoothed(run.loss), color=LINE, linewidth=1.6, label="training loss, smoothed")
    if len(run.val_loss):
        axes.plot(
            run.val_step, run.val_loss, "o-", color=SECOND, markersize=3.5, linewidth=1.4, label="validation loss"
        )
    if is_wide([*smoothed(run.loss).tolist(), *run.val_loss.tolist()]):
        _logarithmic(axes)
    axes.set_ylabel("loss")
    _legend(axes)


def _run_metrics(axes: Axes, run: Run) -> None:
    for (name, values), colour in zip(run.val_metrics.items(), (GOOD, SECOND, LINE, *SCALE) * 9, strict=False):
        shown = plain_title(name.replace("_", " "))
        axes.plot(run.val_step, values, "o-", color=colour, markersize=3, linewidth=1.4, label=shown)
        if name in run.train_metrics:
            label = f"{shown}, training"
            axes.plot(run.val_step, run.train_metrics[name], ":", color=colour, linewidth=1.3, label=label)
    _legend(axes)
    axes.set_ylabel("metrics")


def _run_rate(axes: Axes, run: Run) -> None:
    axes.plot(run.step, run.lr, color=_INK, linewidth=1.4)
    axes.set_ylabel("rate")
    axes.set_ylim(bottom=0)


def _run_norm(axes: Axes, run: Run) -> None:
    known = np.isfinite(run.grad_norm)
    # Norms that were looked at now and then are points; a line would break between them.
    mark: dict[str, Any] = {} if known.mean() > 0.5 else {"marker": ".", "markersize": 3}
    axes.plot(run.step[known], run.grad_norm[known], color=FAINT, linewidth=0.8, alpha=0.6, **mark)
    axes.plot(run.step[known], smoothed(run.grad_norm[known]), color=_INK, linewidth=1.3)
    if is_wide(run.grad_norm.tolist()):
        _logarithmic(axes)
    axes.set_ylabel("gradient norm")


def _draw_level(axes: Axes, level: Level, *, top: bool, strength: float) -> None:
    alive = [place for place in level.places if not place.diverged]
    if not alive:
        return
    rates, losses = [place.lr for place in alive], [place.loss for place in alive]
    style: dict[str, Any] = {"color": LINE if top else FAINT, "alpha": strength, "linewidth": 1.8 if top else 1.1}
    name = count(level.horizon, "step")
    marker = "" if level.dense else ("o" if top else ".")
    axes.plot(rates, losses, marker=marker, markersize=5 if top else 3, label=name, **style)
    if top and any(place.spread for place in alive):
        axes.errorbar(rates, losses, yerr=[place.spread or 0.0 for place in alive], fmt="none", ecolor=LINE, capsize=2)


def _runs_picture(runs: tuple[Run, ...], title: str) -> Picture:
    picture, axes = new_picture(8.0, 4.8)
    drawn = [run for run in runs if run.recipe is not None and run.recipe.lr is not None and len(run.loss)]
    if not drawn:
        _nothing(axes, "no losses were recorded")
        return picture
    rates = [run.recipe.lr for run in drawn if run.recipe is not None and run.recipe.lr is not None]
    low, high = coloured_rates(drawn)
    starts = [float(run.loss[0]) for run in drawn if math.isfinite(run.loss[0])]
    smooth = [smoothed(run.loss) for run in drawn]
    finite = np.concatenate([values[np.isfinite(values)] for values in smooth])
    for run, lr, values in zip(drawn, rates, smooth, strict=True):
        style = ":" if run.fate == "diverged" else "-"
        axes.plot(run.step + 1, values, style, color=colour_of_rate(lr, low, high), linewidth=1.2, alpha=0.85)
    if len(finite) and starts:
        _loss_scale(axes, float(finite.min()), min(float(finite.max()), 1.6 * max(starts)))
    lengths = [run.steps for run in drawn]
    if max(lengths) > 8 * max(min(lengths), 1):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value, 2)))
    axes.set_xlabel("steps")
    axes.set_ylabel("training loss, smoothed")
    axes.set_title(plain_title(title))
    if high > low:
        bar = picture.colorbar(ScalarMappable(LogNorm(low, high), _MAP), ax=axes, pad=0.01)
        bar.set_label("peak rate")
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
        bar.outline.set_visible(False)
    return picture


def new_picture(width: float, height: float) -> tuple[Picture, Axes]:
    """An empty picture of that size in inches, and its axes."""
    picture = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    styled(axes)
    return picture, axes


def styled(axes: Axes) -> None:
    """Give `axes` the look of all pictures here."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.grid(visible=True, color="#e4e7ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.title.set_fontsize(11)


def _nothing(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=FAINT)


def _loss_scale(axes: Axes, low: float, high: float) -> None:
    if is_wide([low, high]):
        _logarithmic(axes)
        axes.set_ylim(low / (high / low) ** 0.05, high * (high / low) ** 0.08)
    else:
        room = (high - low) or max(abs(low), 1e-9)
        axes.set_ylim(low - 0.06 * room, high + 0.09 * room)


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value, 2)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="best")


def plain_title(text: str) -> str:
    """Text in which matplotlib finds no formula and that fits into a title."""
    shown = " ".join(text.split()).replace("$", r"\$")
    return shown if len(shown) <= 90 else shown[:89] + "…"


def _mark() -> dict[str, str]:
    return {"Software": "surefoot"}


def written(picture: Picture, path: str | os.PathLike[str] | None) -> Picture:
    """The picture, written to `path` if given.

    Raises:
        OutputError: `path` cannot be written, or names no kind of picture.
    """
    if path is None:
        return picture
    target = Path(path)
    kind = target.suffix.lower().lstrip(".") or "png"
    if kind not in picture.canvas.get_supported_filetypes():
        known = ", ".join(sorted(picture.canvas.get_supported_filetypes()))
        raise OutputError(f"`path` is {str(target)!r}; a picture is one of {known}")
    marks = {"png": _mark(), "pdf": {"Creator": "surefoot"}, "svg": {"Creator": "surefoot"}}.get(kind)
    stream = io.BytesIO()
    picture.savefig(stream, format=kind, dpi=160, metadata=marks)
    try:
        target.write_bytes(stream.getvalue())
    except OSError as error:
        raise OutputError(f"`{target}` cannot be written: {error.strerror or error}; name another place") from None
    return picture
