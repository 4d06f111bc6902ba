"""`surefoot train TASK`: train a task once, with a recipe."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from surefoot.cli.console import progress_console, result_console
from surefoot.cli.options import command_line, optimizer_options, output_options, place_options, training_options
from surefoot.cli.output import Output, PartlyWrittenError
from surefoot.cli.saved import load_record
from surefoot.cli.task_argument import hints, open_task
from surefoot.cli.train_lines import TrainLines
from surefoot.cli.values import EARLY_STOP, POSITIVE
from surefoot.errors import RecipeError
from surefoot.records import Found, Provenance, Recipe, Run
from surefoot.report.files import NAMES, files_of
from surefoot.report.words import run_sentence

if TYPE_CHECKING:
    from surefoot.tasks.task import Task

__all__ = ["train"]


@click.command()
@click.argument("spec", metavar="TASK")
@click.option("--recipe", "recipe_file", metavar="FILE", help="A recipe, or what `find` found, saved with --json.")
@click.option("--lr", type=POSITIVE, help="Peak rate.")
@training_options
@click.option("--early-stop", type=EARLY_STOP, help="Stop after PATIENCE epochs in which validation did not improve.")
@place_options
@output_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    spec: str,
    recipe_file: str | None,
    early_stop: tuple[int, float] | None,
    json_to: str | None,
    out: str | None,
    quiet: bool,
    data: str | None,
    device: str,
    **given: Any,
) -> None:
    """Train a task once, and show losses, metrics, rate and gradient norm of every epoch.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name. What is given by
    option overrides what the recipe says.

    Exit code 0: trained; 1: the training diverged; 2: bad input.
    """
    output = Output(json_to, out, NAMES["run"])
    saved = None if recipe_file is None else load_record(recipe_file, Found, Recipe)
    console = progress_console(quiet=quiet)
    results = result_console(err=output.to_stdout)
    with TrainLines(console, None if quiet else results, spec) as lines:
        task = open_task(spec, device=device, data=data, progress=lines.download)
        recipe = _recipe(saved, given, spec, task)
        run = _trained(task, recipe, early_stop, lines)
    seeds = {"seed": recipe.seed, "data_seed": recipe.order_seed}
    origin = Provenance.here(seeds=seeds, device=str(task.device), data=task.checksum(), command=command_line(ctx))
    run = dataclasses.replace(run, task=task.name, notes=(*run.notes, *task.notes), provenance=origin)
    _answer(run, output, quiet=quiet)
    if run.fate == "interrupted":
        raise KeyboardInterrupt
    ctx.exit(1 if run.fate == "diverged" else 0)


def _recipe(saved: object, given: dict[str, Any], spec: str, task: Task) -> Recipe:
    """The recipe of the file with what was given by option, or one from options and the task's hints."""
    options = optimizer_options(given.pop("momentum"), given.pop("weight_decay"), given.pop("betas"), given.pop("more"))
    schedule_options = dict(given.pop("schedule_more"))
    changes = {name: value for name, value in given.items() if value is not None}
    if isinstance(saved, Found):
        if saved.lr is None and "lr" not in changes:
            raise RecipeError(f"the recipe holds no rate, because the search found none ({saved.reason}); give --lr")
        base = saved.recipe
    elif isinstance(saved, Recipe):
        base = saved
    else:
        epochs, batch_size = hints(spec, task)
        base = Recipe(epochs=epochs, batch_size=batch_size)
    # Options belong to their optimizer or schedule: another one starts afresh.
    kept = base.options if changes.get("optimizer", base.optimizer) == base.optimizer else {}
    kept_schedule = base.schedule_options if changes.get("schedule", base.schedule) == base.schedule else {}
    recipe = base.replace(
        **changes, options={**kept, **options}, schedule_options={**kept_schedule, **schedule_options}
    )
    if recipe.lr is None:
        raise RecipeError("no rate is given: find one with `surefoot find`, or give --lr or --recipe")
    return recipe


def _trained(task: Task, recipe: Recipe, early_stop: tuple[int, float] | None, lines: TrainLines) -> Run:
    from surefoot.engines.batches import steps_of
    from surefoot.engines.early_stopping import EarlyStop
    from surefoot.engines.optimizers import name_of
    from surefoot.engines.serial import Serial
    from surefoot.engines.train import train_members

    recipe = recipe.replace(optimizer=name_of(recipe.optimizer))
    stop = None if early_stop is None else EarlyStop(*early_stop)
    total, per_epoch = steps_of(recipe, task.train.size)
    engines: list[Serial] = []

    def make_engine(task: Task, recipes: Any) -> Serial:
        engines.append(Serial(task, recipes, horizon=total, grad_norms=True))
        return engines[-1]

    def monitor(validation: Any) -> Any:
        lines.validated(engines[-1].runs()[0])
        return {} if stop is None else stop(validation)

    epochs = [round(epoch * per_epoch) for epoch in range(int(recipe.epochs) + 1)]
    lines.begin(total, per_epoch, recipe)
    return train_members(
        task,
        [recipe],
        validate_at=[step for step in epochs if step <= total],
        monitor=monitor,
        tick=lambda steps, _: lines.advance(steps),
        make_engine=make_engine,
    )[0]


def _answer(run: Run, output: Output, *, quiet: bool) -> None:
    """Write and print the result; whatever cannot be written, the rest is."""
    failure: PartlyWrittenError | None = None
    try:
        written = output.write(run, files_of(run))
    except PartlyWrittenError as error:
        failure, written = error, error.written
    if output.to_stdout:
        click.echo(run.dumps(), nl=False)
    if not quiet:
        console = result_console(err=output.to_stdout)
        console.print(run_sentence(run), markup=False)
        if written:
            console.print("wrote " + ", ".join(str(path) for path in written), markup=False, soft_wrap=True)
    if failure is not None:
        raise failure
