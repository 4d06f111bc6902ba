"""`surefoot compare TASK`: train a task in several settings and several times, and put them side by side."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from surefoot.cli.change_options import change_options, changes_of
from surefoot.cli.console import progress_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import command_line, output_options, place_options, track_option
from surefoot.cli.output import Output
from surefoot.cli.task_argument import hints, open_task
from surefoot.cli.values import BATCH, FINITE, NAMED, NUMBERS, POSITIVE
from surefoot.errors import InputError
from surefoot.records import Recipe, Sweep
from surefoot.report.compare_charts import compare_sentence, terminal_table
from surefoot.report.files import NAMES, files_of

if TYPE_CHECKING:
    from surefoot.tasks.task import Task

__all__ = ["compare"]

MOST = 500
"""Trainings in one call; more are likely a slip of the keyboard."""


@click.command()
@click.argument("spec", metavar="TASK")
@click.option("--lr", type=NUMBERS, required=True, metavar="A,B,…", help="Peak rates.")
@click.option("--optimizer", default="sgd", show_default=True, metavar="A,B,…", help="Optimizers.")
@click.option("--schedule", default="constant", show_default=True, metavar="A,B,…", help="Schedules.")
@click.option("--batch-size", metavar="A,B,…", help="Batch sizes, numbers or full.  [default: the task's, or 64]")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, metavar="N", help="Trainings of each setting."
)
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**62), default=0, show_default=True, metavar="N", help="First seed."
)
@click.option("--epochs", type=POSITIVE, help="Length of each training.  [default: the task's, or 10]")
@click.option(
    "--option", "more", type=NAMED, multiple=True, help="An option of the optimizers that have it; repeatable."
)
@click.option("--momentum", type=float, help="Momentum of the optimizers that have it.")
@click.option("--weight-decay", type=float, help="Weight decay of the optimizers that have it.")
@click.option("--clip", type=POSITIVE, help="Largest gradient norm.")
@change_options
@click.option("--target", type=FINITE, help="Validation loss that settings are timed to.  [default: near the best]")
@place_options
@track_option
@output_options
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    spec: str,
    target: float | None,
    json_to: str | None,
    out: str | None,
    quiet: bool,
    data: str | None,
    device: str,
    **given: Any,
) -> None:
    """Train a task with every combination of rates, optimizers, schedules and batch sizes, from several seeds.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name. Lists are separated by
    commas.

    Exit code 0: compared; 1: every training diverged; 2: bad input; 130: interrupted.
    """
    output = Output(json_to, out, NAMES["sweep"])
    console = progress_console(quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, auto_refresh=False, disable=console is None)  # fmt: skip # noqa: E501
    with bar:
        task = open_task(spec, device=device, data=data)
        recipes = _recipes(spec, task, given)
        from surefoot.engines.comparing import compare as compared
        from surefoot.engines.comparing import steps_in_all
        from surefoot.tasks.checking import check_task

        check_task(task, recipes[0])
        line = bar.add_task(f"{spec}: {len(recipes)} trainings", total=steps_in_all(task, recipes))

        def tick(steps: int, _alive: int) -> None:
            bar.advance(line, steps)
            bar.refresh()

        sweep = compared(task, recipes, tick=tick)
    sweep = dataclasses.replace(sweep, provenance=dataclasses.replace(sweep.provenance, command=command_line(ctx)))
    _answer(sweep, target, output, quiet=quiet)
    if any(run.fate == "interrupted" for run in sweep.runs):
        raise KeyboardInterrupt
    ctx.exit(1 if all(run.fate == "diverged" for run in sweep.runs) else 0)


def _recipes(spec: str, task: Task, given: dict[str, Any]) -> list[Recipe]:
    from surefoot.engines.optimizers import name_of

    epochs, batch_size = hints(spec, task)
    options = {name: given[name] for name in ("momentum", "weight_decay") if given[name] is not None}
    options |= dict(given["more"])
    sizes = [batch_size] if given["batch_size"] is None else _sizes(given["batch_size"])
    optimizers = [name_of(name) for name in _listed(given["optimizer"], "--optimizer")]
    taken = {name: _taken(name, options) for name in optimizers}
    for option in options:
        if not any(option in one for one in taken.values()):
            raise InputError(f"none of {', '.join(optimizers)} has the option `{option}`")
    changes = changes_of(given)
    settings = list(
        itertools.product(optimizers, _listed(given["schedule"], "--schedule"), sizes, dict.fromkeys(given["lr"]))
    )
    if len(settings) * given["seeds"] > MOST:
        raise InputError(
            f"{len(settings)} settings from {given['seeds']} seeds are more than {MOST} trainings; ask for less"
        )
    return [
        Recipe(
            optimizer=optimizer,
            lr=lr,
            options=taken[optimizer],
            schedule=schedule,
            batch_size=size,
            epochs=given["epochs"] or epochs,
            clip=given["clip"],
            seed=given["seed"] + number,
            changes=changes,
        )
        for optimizer, schedule, size, lr in settings
        for number in range(given["seeds"])
    ]


def _sizes(written: str) -> list[int | str]:
    try:
        return [BATCH.convert(size, None, None) for size in _listed(written, "--batch-size")]
    except click.BadParameter as error:
        raise InputError(f"`--batch-size` is {written!r}: {error.message}") from None


def _taken(optimizer: str, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that the optimizer has."""
    import inspect

    from surefoot.engines.optimizers import class_of

    known = inspect.signature(class_of(optimizer)).parameters
    return {name: value for name, value in options.items() if name in known}


def _listed(written: str, option: str) -> list[str]:
    """The parts between commas, each once."""
    parts = list(dict.fromkeys(part.strip() for part in written.split(",") if part.strip()))
    if not parts:
        raise InputError(f"`{option}` is {written!r}; give at least one")
    return parts


def _answer(sweep: Sweep, target: float | None, output: Output, *, quiet: bool) -> None:
    def show(console: Console, _written: list[Path]) -> None:
        console.print(terminal_table(sweep, target))
        console.print(compare_sentence(sweep), markup=False)

    deliver(sweep, output, files_of(sweep), show, quiet=quiet)
