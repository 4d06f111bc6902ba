"""`surefoot find TASK`: find the learning rate of a training."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from surefoot.cli.console import progress_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import (
    command_line,
    keyword_arguments,
    output_options,
    place_options,
    precision_option,
    track_option,
    training_options,
)
from surefoot.cli.output import Output
from surefoot.cli.race_table import RaceTable
from surefoot.cli.shown import show_found
from surefoot.cli.task_argument import hints, open_task
from surefoot.cli.values import MEMORY, POSITIVE, RATES
from surefoot.records import Found
from surefoot.report.files import NAMES, files_of

__all__ = ["find"]

METHODS = ("race", "range-test", "grid", "random")


@click.command()
@click.argument("spec", metavar="TASK")
@training_options
@precision_option
@click.option("--cost", type=POSITIVE, default=3.0, show_default=True, help="Full trainings the search may spend.")
@click.option("--method", type=click.Choice(METHODS), default="race", show_default=True, help="How rates are compared.")
@click.option(
    "--folds", type=click.IntRange(min=2), metavar="K", help="Cross-validate over this many folds of the training data."
)
@click.option("--lr-range", type=RATES, help="Lowest and highest rate to begin with, such as 1e-4..1.")
@click.option("--memory", type=MEMORY, help="Memory for members trained side by side, such as 4GB.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes for members trained one by one.")
@place_options
@track_option
@output_options
@click.pass_context
def find(
    ctx: click.Context,
    /,
    spec: str,
    json_to: str | None,
    out: str | None,
    quiet: bool,
    data: str | None,
    device: str,
    **given: Any,
) -> None:
    """Find the learning rate of a training: the peak rate with the lowest final validation loss.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name.

    Exit code 0: a rate was found; 1: none can be recommended, and the reason is said; 2: bad input.
    """
    output = Output(json_to, out, NAMES["found"])
    console = progress_console(quiet=quiet)
    arguments = keyword_arguments(given, "lr")
    with RaceTable(console, spec) as table:
        from surefoot.find import find as search

        task = open_task(spec, device=device, data=data, progress=table.download)
        epochs, batch_size = hints(spec, task)
        arguments = {"epochs": epochs, "batch_size": batch_size} | arguments
        found: Found = search(task, watch=table, **arguments)
    seen = dataclasses.replace(found.provenance, command=command_line(ctx))
    found = dataclasses.replace(found, provenance=seen)
    _answer(found, output, spec, quiet=quiet)
    if any(point.fate == "interrupted" for point in found.curve):
        raise KeyboardInterrupt
    ctx.exit(0 if found.status == "found" else 1)


def _answer(found: Found, output: Output, spec: str, *, quiet: bool) -> None:
    def show(console: Console, written: list[Path]) -> None:
        records = [str(path) for path in written if path.suffix == ".json"]
        command = f"surefoot train {shlex.quote(spec)} --recipe {shlex.quote((*records, 'found.json')[0])}"
        show_found(found, console, train=command if records else f"--json found.json here, then {command}")

    if quiet and found.lr is None:
        click.echo(f"surefoot: {found.reason}", err=True)
    terse = "unknown" if found.lr is None else repr(found.lr)
    hint = "--out DIR writes a page with every curve and the recipe as code"
    deliver(found, output, files_of(found), show, quiet=quiet, hint=hint, terse=lambda: terse)
