"""The preview of a schedule: the rate of every update, as a record that can be saved, tabled and drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text

from surefoot.errors import RecipeError, RecordError
from surefoot.records import FloatSeries, Record, float_series
from surefoot.report.numbers import rate
from surefoot.report.terminal import Canvas
from surefoot.schedules import Schedule, spec_of

__all__ = ["SchedulePreview", "preview_of", "rate_lines", "table_rows"]

_MARGIN = 9
_ASCII = {"┬": "+", "└": "+", "│": "|", "─": "-"}


@dataclasses.dataclass(frozen=True, eq=False)
class SchedulePreview(Record):
    """Rates and momenta of a schedule over a whole training."""

    kind: ClassVar[str] = "schedule"

    name: str
    spec: str
    """One line of text from which `surefoot.schedules.make` builds the schedule."""
    peak: float
    steps: int
    options: dict[str, Any]
    lrs: FloatSeries
    """Rate of every update, [steps]."""
    momenta: FloatSeries = dataclasses.field(default_factory=float_series)
    """Momentum of every update, [steps]; empty where the schedule leaves it to the optimizer."""
    metrics: FloatSeries = dataclasses.field(default_factory=float_series)
    """The metric that the schedule was shown before each update, [steps]; empty where it follows none."""

    def __post_init__(self) -> None:
        """Refuse a preview without a rate for every update, or with a peak that is none."""
        if self.steps < 1 or len(self.lrs) != self.steps:
            raise RecordError(f"`lrs` has {len(self.lrs)} entries; one for each of the {self.steps} `steps` is needed")
        if len(self.momenta) not in (0, self.steps):
            raise RecordError(f"`momenta` has {len(self.momenta)} entries; {self.steps} or none are needed")
        if not (math.isfinite(self.peak) and self.peak > 0):
            raise RecordError(f"`peak` is {self.peak}; it is a number above 0")


def preview_of(schedule: Schedule, metrics: Sequence[float] | None = None) -> SchedulePreview:
    """The rate of every update of `schedule`.

    Args:
        schedule: any schedule.
        metrics: what a schedule that follows a metric is shown, one after each update.

    Raises:
        RecipeError: the schedule follows a metric and none is given.
    """
    if schedule.follows_metric and not metrics:
        raise RecipeError(f"`{schedule.name}` follows a metric; give the values it is shown, such as a recorded loss")
    lrs = schedule.lrs() if metrics is None or not schedule.follows_metric else _followed(schedule, metrics)
    momenta = [schedule.momentum(step) for step in range(schedule.steps)]
    return SchedulePreview(
        name=schedule.name,
        spec=spec_of(schedule),
        peak=schedule.peak,
        steps=schedule.steps,
        options=schedule.options(),
        lrs=float_series(lrs),
        momenta=float_series([math.nan if one is None else one for one in momenta] if any(momenta) else []),
        metrics=float_series(metrics if schedule.follows_metric and metrics else []),
    )


def _followed(schedule: Schedule, metrics: Sequence[float]) -> list[float]:
    state, lrs = schedule.start(), []
    for step in range(schedule.steps):
        lrs.append(schedule.rate(state))
        state, _ = schedule.next(state, metrics[step] if step < len(metrics) else None)
    return lrs


def table_rows(preview: SchedulePreview, count: int = 11) -> list[tuple[int, float, float, float | None]]:
    """Step, rate, share of the peak and momentum at `count` evenly spaced updates, both ends among them."""
    last = preview.steps - 1
    steps = sorted({round(last * place / max(count - 1, 1)) for place in range(count)})
    return [
        (
            step,
            float(preview.lrs[step]),
            float(preview.lrs[step]) / preview.peak,
            float(preview.momenta[step]) if len(preview.momenta) else None,
        )
        for step in steps
    ]


def rate_lines(preview: SchedulePreview, *, width: int = 80, height: int = 12, plain: bool = False) -> list[Text]:
    """The rate over the updates as lines of text, on a scale from 0.

    Args:
        preview: what is drawn.
        width: characters of a line; from 40.
        height: rows of the curve.
        plain: use no characters outside ASCII.
    """
    canvas = Canvas(max(width, 40) - _MARGIN - 1, height)
    top = max(float(preview.lrs.max()), 1e-300)
    last = max(preview.steps - 1, 1)
    columns = canvas.width * 2
    # Where several updates share a column of dots, the lowest and the highest of them are drawn.
    before: tuple[float, float] | None = None
    for column in range(min(columns, preview.steps)):
        first = column * preview.steps // min(columns, preview.steps)
        behind = (column + 1) * preview.steps // min(columns, preview.steps)
        here = preview.lrs[first:behind] / top * 0.96
        x = 0.999 * first / last
        canvas.line(x, float(here.min()), x, float(here.max()), "cyan")
        if before is not None:
            canvas.line(*before, x, float(here[0]), "cyan")
        before = (x, float(here[-1]))
    lines = []
    for number in range(height):
        share = (height - 0.5 - number) / height / 0.96
        label = rate(top * min(share, 1.0)) if number in (0, height // 2) else "0" if number == height - 1 else ""
        lines.append(Text.assemble((f"{label:>{_MARGIN - 2}} ", "dim"), ("│", "dim"), canvas.row(number, plain=plain)))
    axis = " " * (_MARGIN - 1) + "└" + "─" * canvas.width
    ends = f"step 0{f'step {preview.steps - 1}':>{canvas.width - 6}}"
    lines += [Text(axis, "dim"), Text(" " * _MARGIN + ends, "dim")]
    if plain:
        lines = [Text("".join(_ASCII.get(one, one) for one in line.plain), spans=line.spans) for line in lines]
    return lines
