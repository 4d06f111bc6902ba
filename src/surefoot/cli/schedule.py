"""`surefoot schedule NAME`: the rates of a schedule as a table and a picture, before anything is trained."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from surefoot.cli.console import result_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import output_options
from surefoot.cli.output import Output
from surefoot.cli.values import NAMED, POSITIVE
from surefoot.errors import InputError
from surefoot.report.files import NAMES, schedule_files
from surefoot.report.numbers import brief, rate
from surefoot.report.schedule_preview import SchedulePreview, preview_of, rate_lines, table_rows
from surefoot.schedules import class_of, make, names, option_names

__all__ = ["schedule", "show_schedule"]

MOST_STEPS = 10_000_000
"""Every update is computed, and stands in the record."""


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--steps",
    type=click.IntRange(1, MOST_STEPS),
    metavar="N",
    help="Updates of the training.  [default: 1000, or the metrics]",
)
@click.option("--peak", type=POSITIVE, default=0.1, show_default=True, help="The rate the schedule is scaled to.")
@click.option("--option", "options", type=NAMED, multiple=True, help="An option of the schedule; repeatable.")
@click.option(
    "--metric", metavar="FILE", help="What plateau and greedy are shown: a run record, a JSON list, or numbers by line."
)
@click.option("--log", is_flag=True, help="Draw the picture with a logarithmic scale.")
@output_options
def schedule(
    name: str | None,
    steps: int | None,
    peak: float,
    options: tuple[tuple[str, Any], ...],
    metric: str | None,
    log: bool,
    json_to: str | None,
    out: str | None,
    quiet: bool,
) -> None:
    """Show the rates of a schedule: a table, and a picture in the terminal. Without NAME, list the schedules.

    NAME is a schedule with its options (`cosine`, `step:30:0.5`), or several, one after the other with `+`, multiplied
    with `*`: `warmup:linear:500+cosine`, `constant@0.3+linear`. Lengths below 1 are shares of the training.
    """
    if name is None:
        if json_to is not None or out is not None:
            raise InputError("`NAME` is missing; `surefoot schedule` without it lists the schedules and writes nothing")
        _list()
        return
    output = Output(json_to, out, NAMES["schedule"])
    metrics = None if metric is None else _metrics(metric)
    horizon = steps or (len(metrics) if metrics else 1000)
    made = make(name, peak, horizon, **dict(options))
    if made.follows_metric and metrics is None:
        raise InputError(f"`{name}` follows a metric; give it one with `--metric FILE`, such as the record of a run")
    preview = preview_of(made, metrics)
    files = schedule_files(preview, log=log)
    deliver(preview, output, files, lambda to, _: show_schedule(preview, to), quiet=quiet, dear=False)


def show_schedule(preview: SchedulePreview, console: Console) -> None:
    """Print the rates of a schedule: what it is, a picture, a table."""
    console.print(f"{preview.spec}, peak {rate(preview.peak)}, {preview.steps} updates\n", markup=False)
    plain = not str(console.encoding).lower().startswith("utf")
    for line in rate_lines(preview, width=min(console.width, 100), plain=plain):
        console.print(line)
    table = Table(box=None, pad_edge=False, header_style="bold")
    moved = len(preview.momenta) > 0
    for heading in ("step", "rate", "of peak", *(("momentum",) if moved else ())):
        table.add_column(heading, justify="right")
    for step, lr, share, momentum in table_rows(preview):
        row = [str(step), rate(lr), brief(share, 3)]
        table.add_row(*row, *([brief(momentum, 3)] if moved else []))
    console.print()
    console.print(table)


def _list() -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("schedule", no_wrap=True)
    table.add_column("what the rate does")
    table.add_column("options, in order")
    for name in names():
        kind = class_of(name)
        summary = (kind.__doc__ or "").splitlines()[0].replace("``", "")
        table.add_row(name, summary, ", ".join(option_names(kind)))
    console = result_console()
    console.print(table)
    console.print("\nCompose them: warmup:linear:500+cosine, constant@0.3+linear, cosine*exponential:0.5", markup=False)


def _metrics(path: str) -> list[float]:
    """The numbers in a run record (validation loss, else training loss), a JSON list, or lines of text."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"`--metric` is {path!r}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"`--metric` is {path!r}, which cannot be read: {error}") from None
    try:
        data = json.loads(text)
    except ValueError:
        data = text.replace(",", " ").split()
    if isinstance(data, dict):
        data = data.get("val_loss") or data.get("loss")
    if not isinstance(data, list):
        data = [data]
    try:
        values = [float(one) for one in data]
    except (TypeError, ValueError):
        values = []
    if not any(math.isfinite(one) for one in values):
        raise InputError(f"`--metric` is {path!r}, which holds no numbers; give a run record, a JSON list, or lines")
    return values
