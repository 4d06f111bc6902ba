"""`surefoot sweep TASK`: train a task under many recipes, keep what is done, and say what matters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from surefoot.cli.console import progress_console, result_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import command_line, output_options, place_options, track_option
from surefoot.cli.output import Output
from surefoot.cli.study_table import StudyTable
from surefoot.cli.task_argument import hints
from surefoot.cli.values import NAMED, POSITIVE
from surefoot.errors import InputError, OutputError, RecordError
from surefoot.records.study import Study, StudyPlan
from surefoot.report.numbers import count, duration
from surefoot.report.study_page import STUDY_NAMES, study_files
from surefoot.report.study_words import best_sentence, cost_sentence, response_sentence, study_tables

if TYPE_CHECKING:
    from surefoot.study.sources import TaskSource

__all__ = ["print_study", "sweep"]

_RECIPE = ("lr", "optimizer", "schedule", "batch_size", "epochs", "weight_decay", "momentum", "width", "depth")


@click.command()
@click.argument("spec", metavar="TASK")
@click.option("--lr", metavar="A,B,…|LOW..HIGH:N", help="Peak rates; N values evenly spaced in the logarithm.")
@click.option("--optimizer", metavar="A,B,…", help="Optimizers.  [default: sgd]")
@click.option("--schedule", metavar="A,B,…", help="Schedules.  [default: constant]")
@click.option("--batch-size", metavar="A,B,…", help="Batch sizes, numbers or full.  [default: the task's, or 64]")
@click.option("--epochs", metavar="A,B,…", help="Lengths of the training.  [default: the task's, or 10]")
@click.option("--weight-decay", metavar="A,B,…|LOW..HIGH", help="Weight decays of the optimizers that have it.")
@click.option("--momentum", metavar="A,B,…", help="Momenta of the optimizers that have it.")
@click.option("--width", metavar="A,B,…", help="Widths of the model, for tasks that can be varied in it.")
@click.option("--depth", metavar="A,B,…", help="Numbers of hidden layers, likewise.")
@click.option("--option", "more", type=NAMED, multiple=True, help="Another option of the optimizers; repeatable.")
@click.option("--clip", type=POSITIVE, help="Largest gradient norm.")
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Seeds of each setting.  [default: 1]")
@click.option("--seed", type=click.IntRange(min=0, max=2**62), metavar="N", help="First seed.  [default: 0]")
@click.option("--same-order", is_flag=True, help="Show all seeds the examples in the same order, which is faster.")
@click.option("--random", "draws", type=click.IntRange(min=1), metavar="N", help="N random settings, no grid.")
@click.option(
    "--sampler", type=click.Choice(("optuna",)), help="Let Optuna propose the N settings of --random, in rounds."
)
@click.option("--prune", type=click.Choice(("race", "none")), help="Give up members that cannot win.  [default: none]")
@click.option("--study", metavar="FILE", help="Keep the sweep in this file.")
@click.option("--resume", is_flag=True, help="Go on with the file of --study where it was left.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: the cores, if it pays]")
@click.option("--on", metavar="ray|ADDRESS", help="A Ray cluster: ray (here), ray://HOST:PORT or HOST:PORT.")
@click.option("--plan", metavar="FILE", help="Write the plan here and stop; follow it where it exists.")
@click.option("--run-batch", type=click.IntRange(min=0), metavar="K", help="Train batch K of --plan alone.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask, however long it will take.")
@place_options
@track_option
@output_options
@click.pass_context
def sweep(
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
    """Train a task under every combination of rates, optimizers, schedules, batch sizes and seeds.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name. Lists are separated by
    commas.

    Exit code 0: done; 1: no member finished; 2: bad input; 130: interrupted, what was done is in the study.
    """
    _check(given)
    output = Output(json_to, out, STUDY_NAMES)
    from surefoot.study.sources import TaskSource

    console = progress_console(quiet=quiet)
    with StudyTable(console, spec) as table:
        source = TaskSource(spec, device=device, data=data, progress=table.download)
        if given["sampler"] is not None:
            study = _sampled(source, spec, given, table, command_line(ctx))
        else:
            plan, new = _plan(source, spec, given)
            if given["plan"] is not None and new:
                plan.save(given["plan"])
                if not quiet:
                    table.close()
                    result_console().print(_plan_sentence(plan, given["plan"]), markup=False, soft_wrap=True)
                return
            if console is not None and not given["yes"]:
                table.ask(plan)
            table.begin(plan)
            from surefoot.study.sweep import run_plan

            study = run_plan(
                source, plan, study=given["study"], resume=given["resume"], workers=given["workers"], on=given["on"],
                command=command_line(ctx), watch=table.watch, tick=table.tick, only=given["run_batch"],
            )  # fmt: skip
    _answer(study, output, quiet=quiet)
    if any(note.startswith("interrupted") for note in study.notes):
        raise KeyboardInterrupt
    ctx.exit(1 if study.best is None and study.complete else 0)


def _check(given: dict[str, Any]) -> None:
    """Refuse combinations of options that contradict each other, before anything is loaded."""
    plan = given["plan"]
    followed = plan is not None and Path(plan).exists()
    if given["resume"] and given["study"] is None:
        raise InputError("`--resume` needs the file to go on with: --study FILE")
    if given["run_batch"] is not None and not followed:
        raise InputError("`--run-batch` needs a plan that exists: write it first with --plan FILE")
    if given["run_batch"] is not None and given["study"] is None:
        raise InputError(
            "`--run-batch` needs a file for what it trains: --study FILE; `surefoot study merge` joins them"
        )
    if followed:
        for name in (*_RECIPE, "clip", "seeds", "seed", "draws", "prune"):
            if given[name] is not None:
                raise InputError(f"`--{name.replace('_', '-')}` is fixed by the plan in {plan}; leave it out")
    elif given["lr"] is None:
        raise InputError("`--lr` is missing; give the peak rates, such as --lr 1e-4..1:13")
    if given["sampler"] is not None and given["draws"] is None:
        raise InputError("`--sampler` proposes the settings of --random N; give it")
    if given["sampler"] is not None and (given["prune"] == "race" or plan is not None):
        raise InputError("`--sampler` proposes settings as it goes and trains them whole; leave out --prune and --plan")


def _plan(source: TaskSource, spec: str, given: dict[str, Any]) -> tuple[StudyPlan, bool]:
    """The plan, and whether it is new; one that exists is read."""
    path = given["plan"]
    if path is not None and Path(path).exists():
        try:
            plan = StudyPlan.load(path)
        except RecordError as error:
            raise InputError(f"`--plan`: {error}") from None
        if plan.spec != spec:
            raise InputError(f"`--plan` is {path!r}, which is for the task {plan.spec!r}; the task here is {spec!r}")
        return plan, False
    if path is not None and not Path(path).resolve().parent.is_dir():
        raise OutputError(f"`--plan` is {path!r}, and there is no such folder; make it first")
    from surefoot.study.sweep import make_plan

    return make_plan(
        source, **_axes(source, spec, given), seeds=given["seeds"] or 1, seed=given["seed"] or 0,
        same_order=given["same_order"], draws=given["draws"], prune=given["prune"] or "none", clip=given["clip"],
        options=dict(given["more"]), in_rounds=path is None, resumed=given["study"] if given["resume"] else None,
    ), True  # fmt: skip


def _axes(source: TaskSource, spec: str, given: dict[str, Any]) -> dict[str, Any]:
    axes = {name: given[name] for name in _RECIPE if given[name] is not None}
    axes = {"optimizer": "sgd", "schedule": "constant"} | axes
    if "epochs" not in axes or "batch_size" not in axes:
        shape = {name: int(str(axes[name]).split(",")[0]) for name in ("width", "depth") if _whole(axes.get(name))}
        epochs, batch_size = hints(spec, source.task(shape))
        axes = {"epochs": epochs, "batch_size": batch_size} | axes
    return axes


def _whole(written: Any) -> bool:
    return written is not None and str(written).split(",")[0].strip().isdigit()


def _sampled(source: TaskSource, spec: str, given: dict[str, Any], table: StudyTable, command: str) -> Study:
    from surefoot.study.sampling import sample

    return sample(
        source, _axes(source, spec, given), draws=given["draws"], seeds=given["seeds"] or 1, seed=given["seed"] or 0,
        same_order=given["same_order"], clip=given["clip"], options=dict(given["more"]), study=given["study"],
        resume=given["resume"], workers=given["workers"], on=given["on"], command=command, begin=table.begin,
        watch=table.watch, tick=table.tick,
    )  # fmt: skip


def _plan_sentence(plan: StudyPlan, path: str) -> str:
    last = len(plan.units) - 1
    how = "" if plan.seconds is None else f", about {duration(plan.seconds)} on one core"
    return (
        f"{count(len(plan.recipes), 'member')} in {count(len(plan.units), 'batch').replace('batchs', 'batches')}"
        f"{how}; wrote {path}\n"
        f"train batch K of 0 to {last}: surefoot sweep {plan.spec} --plan {path} --run-batch K --study part-K.study\n"
        "join them: surefoot study merge whole.study part-*.study"
    )


def _answer(study: Study, output: Output, *, quiet: bool) -> None:
    deliver(study, output, study_files(study), lambda to, _: print_study(study, to), quiet=quiet)


def print_study(study: Study, console: Console) -> None:
    """Print what a study found."""
    for table in study_tables(study):
        console.print(table)
        console.print()
    for response in study.responses:
        if response.exponent is not None:
            console.print(response_sentence(response), markup=False)
    console.print(best_sentence(study), markup=False, style="bold")
    console.print(cost_sentence(study), markup=False)
    for note in study.notes:
        console.print(note, markup=False)
    if study.study:
        left = study.counts.get("waiting", 0)
        more = f", {count(left, 'member')} waiting; --resume goes on" if left else ""
        console.print(f"kept in {os.path.relpath(study.study)}{more}", markup=False, soft_wrap=True)
