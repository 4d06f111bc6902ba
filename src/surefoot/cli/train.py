"""`surefoot train TASK`: train a task once, with a recipe."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from surefoot.cli.change_options import change_options, changes_of
from surefoot.cli.console import progress_console, result_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import (
    command_line,
    optimizer_options,
    output_options,
    place_options,
    precision_option,
    track_option,
    training_options,
)
from surefoot.cli.output import Output
from surefoot.cli.saved import load_record
from surefoot.cli.task_argument import hints, open_task
from surefoot.cli.train_lines import TrainLines
from surefoot.cli.values import EARLY_STOP, POSITIVE
from surefoot.errors import InputError, RecipeError
from surefoot.records import Found, Inspection, Provenance, Recipe, Run
from surefoot.report.files import NAMES, files_of
from surefoot.report.words import run_sentence

if TYPE_CHECKING:
    from surefoot.engines.inspection import Inspector
    from surefoot.tasks.task import Task

__all__ = ["train"]

INSPECTED = ("inspection.json", "inspection.png", "inspection-pictures.png")
"""What ``--inspect`` adds to the folder of ``--out``."""


@click.command()
@click.argument("spec", metavar="TASK")
@click.option("--recipe", "recipe_file", metavar="FILE", help="A recipe, or what `find` found, saved with --json.")
@click.option("--lr", type=POSITIVE, help="Peak rate.")
@training_options
@precision_option
@change_options
@click.option(
    "--early-stop", type=EARLY_STOP, help="Stop after PATIENCE epochs without improvement; keep the best weights."
)
@click.option("--save", metavar="DIR", help="Folder for checkpoints, and the weights at the end.")
@click.option("--resume", metavar="DIR", help="Go on with the training that was saved there.")
@click.option("--inspect", is_flag=True, help="Show weights, updates, gradients, dead units of every layer.")
@place_options
@track_option
@output_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    spec: str,
    recipe_file: str | None,
    early_stop: tuple[int, float] | None,
    save: str | None,
    resume: str | None,
    inspect: bool,
    json_to: str | None,
    out: str | None,
    quiet: bool,
    data: str | None,
    device: str,
    **given: Any,
) -> None:
    """Train a task once, and show losses, metrics, rate and gradient norm of every epoch.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name. What is given by
    option overrides what the recipe says. Ctrl-C ends the training after the step it is at; with --save it can go on
    from there, or from the last checkpoint after any other end.

    Exit code 0: trained; 1: the training diverged; 2: bad input; 130: interrupted.
    """
    if save is not None and resume is not None:
        raise InputError("`--save` and `--resume` are both given; a training that goes on is saved where it was")
    output = Output(json_to, out, [*NAMES["run"], *(INSPECTED if inspect else ())])
    saved = None if recipe_file is None else load_record(recipe_file, Found, Recipe)
    console = progress_console(quiet=quiet)
    results = result_console(err=output.to_stdout)
    with TrainLines(console, None if quiet else results, spec) as lines:
        task = open_task(spec, device=device, data=data, progress=lines.download)
        recipe = _recipe(saved, given, spec, task, resume)
        apart = _apart(saved, recipe, task) if isinstance(saved, Found) and recipe.lr == saved.lr else ()
        run, seen = _trained(task, recipe, lines, early_stop=early_stop, save=save, resume=resume, inspect=inspect)
    recipe = run.recipe or recipe
    seeds = {"seed": recipe.seed, "data_seed": recipe.order_seed}
    origin = Provenance.here(seeds=seeds, device=str(task.device), data=task.checksum(), command=command_line(ctx))
    run = dataclasses.replace(run, task=task.name, provenance=origin, notes=(*run.notes, *apart))
    for note in apart:
        click.echo(f"surefoot: {note}", err=True)
    _answer(run, seen, output, quiet=quiet)
    if run.fate == "interrupted":
        if save is not None or resume is not None:
            click.echo(f"surefoot: go on with `surefoot train {spec} --resume {save or resume}`", err=True)
        raise KeyboardInterrupt
    ctx.exit(1 if run.fate == "diverged" else 0)


def _recipe(saved: object, given: dict[str, Any], spec: str, task: Task, resume: str | None) -> Recipe:
    """The recipe of the file or checkpoint with what was given by option, or one from options and the task's hints."""
    options = optimizer_options(given.pop("momentum"), given.pop("weight_decay"), given.pop("betas"), given.pop("more"))
    schedule_options = dict(given.pop("schedule_more"))
    asked = changes_of(given)
    changes = {name: value for name, value in given.items() if value is not None}
    if isinstance(saved, Found):
        if saved.lr is None and "lr" not in changes:
            raise RecipeError(f"the recipe holds no rate, because the search found none ({saved.reason}); give --lr")
        base = saved.recipe
    elif isinstance(saved, Recipe):
        base = saved
    elif resume is not None:
        from surefoot.engines.resuming import resumed

        base = resumed(task, None, None, resume).recipe
    else:
        epochs, batch_size = hints(spec, task)
        base = Recipe(epochs=epochs, batch_size=batch_size)
    other = changes.get("optimizer", base.optimizer)
    if other != base.optimizer and "lr" not in changes and base.lr is not None:
        raise RecipeError(
            f"`--optimizer` is {other} and the recipe's rate, {base.lr:.3g}, is one for {base.optimizer}: give --lr, "
            f"or find one with `surefoot find {spec} --optimizer {other}`"
        )
    # Options belong to their optimizer or schedule: another one starts afresh.
    kept = base.options if changes.get("optimizer", base.optimizer) == base.optimizer else {}
    kept_schedule = base.schedule_options if changes.get("schedule", base.schedule) == base.schedule else {}
    recipe = base.replace(
        **changes,
        options={**kept, **options},
        schedule_options={**kept_schedule, **schedule_options},
        changes={**base.changes, **asked},
    )
    if recipe.lr is None:
        raise RecipeError("no rate is given: find one with `surefoot find`, or give --lr or --recipe")
    return recipe


_FOUND_FOR = (
    "options", "schedule", "schedule_options", "batch_size", "epochs", "clip", "accumulate", "precision", "changes",
)  # fmt: skip
"""What of a recipe a rate is found for, beside the optimizer."""


def _apart(found: Found, recipe: Recipe, task: Task) -> tuple[str, ...]:
    """What sets a training apart from the one that its rate was found for."""
    changed = [
        f"`{name}` {before} and is {now} here"
        for name in _FOUND_FOR
        if (before := getattr(found.recipe, name)) != (now := getattr(recipe, name))
    ]
    notes = [] if found.task == task.name else [f"the rate was found on the task {found.task}, this is {task.name}"]
    if changed:
        notes.append(f"the rate was found for another training: {', '.join(changed)}; find one for this with `find`")
    return tuple(notes)


def _trained(
    task: Task,
    recipe: Recipe,
    lines: TrainLines,
    *,
    early_stop: tuple[int, float] | None,
    save: str | None,
    resume: str | None,
    inspect: bool,
) -> tuple[Run, Inspector | None]:
    from surefoot.engines.early_stopping import EarlyStop
    from surefoot.engines.inspection import Inspector
    from surefoot.engines.optimizers import name_of
    from surefoot.engines.training import Training
    from surefoot.tasks.checking import check_task

    recipe = recipe.replace(optimizer=name_of(recipe.optimizer))
    stop = None if early_stop is None else EarlyStop(*early_stop)
    seen = Inspector() if inspect else None
    notes = check_task(task, recipe)
    training = Training(
        task,
        recipe,
        watch=lines.validated,
        tick=lambda steps, _: lines.advance(steps),
        early_stop=stop,
        save=save,
        resume=resume,
        inspector=seen,
    )
    lines.begin(training.horizon, training.recipe, done=training.done)
    run = training.run()
    return dataclasses.replace(run, notes=(*run.notes, *training.task.notes, *notes)), seen


def _answer(run: Run, seen: Inspector | None, output: Output, *, quiet: bool) -> None:
    inspection = None if seen is None else seen.record()

    def show(console: Console, _written: list[Path]) -> None:
        if inspection is not None:
            from surefoot.report.train_inspection import inspection_tables

            for table in inspection_tables(inspection):
                console.print(table)
        console.print(run_sentence(run), markup=False)
        if run.fate == "finished" and run.reason:
            console.print(run.reason[0].upper() + run.reason[1:] + ".", markup=False)

    files = {**files_of(run), **({} if inspection is None else _files(inspection))}
    deliver(run, output, files, show, quiet=quiet)


def _files(inspection: Inspection) -> dict[str, Any]:
    from surefoot.report.train_inspection import inspection_figure, pictures_figure

    return {
        INSPECTED[0]: inspection.save,
        INSPECTED[1]: partial(inspection_figure, inspection),
        INSPECTED[2]: partial(pictures_figure, inspection),
    }
