"""`surefoot landscape TASK`: the loss around a model's weights, with the paths of trainings; and the bowl."""

from __future__ import annotations

import dataclasses
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from surefoot.cli.console import progress_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import command_line, keyword_arguments, output_options, place_options, training_options
from surefoot.cli.output import Output
from surefoot.cli.saved import load_record
from surefoot.cli.task_argument import hints, open_task
from surefoot.cli.values import MEMORY, NUMBERS, POSITIVE
from surefoot.errors import InputError
from surefoot.records import Found, Recipe

if TYPE_CHECKING:
    from surefoot.records.landscape import Landscape

__all__ = ["landscape", "show_landscape"]

BOWL = "bowl"
_INTERRUPTED = 130
_OF_THE_BOWL = ("surface", "eigenvalues", "start")
_OF_A_TASK = (
    "directions", "around", "to", "dims", "examples", "points", "memory", "epochs", "batch_size", "clip", "accumulate",
    "seed", "recipe_file", "data",
)  # fmt: skip


class _Examples(click.ParamType):  # type: ignore[type-arg]
    name = "N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all":
            return "all"
        try:
            count = int(value)
        except ValueError:
            count = 0
        if count < 1:
            self.fail(f"{value!r} is no number of examples; give a whole number from 1, or all", param, ctx)
        return count


@click.command()
@click.argument("spec", metavar="TASK")
@click.option("--lr", type=NUMBERS, metavar="A,B,…", help="Rates, a path for each.")
@click.option("--paths", metavar="NAMES", help="small,large,decayed (or some): of one --lr, the large one.")
@click.option("--recipe", "recipe_file", metavar="FILE", help="A recipe, or what `find` found: one more path.")
@click.option(
    "--directions", metavar="KIND", help="eigenvector, pca, between, filter, layer or random.  [default: eigenvector]"
)
@click.option("--around", metavar="WHERE", help="init, trained, or a file with weights.  [default: trained]")
@click.option("--to", metavar="FILE", help="The other solution, for between.")
@click.option("--dims", type=click.IntRange(1, 2), help="1 for a line, 2 for a plane.  [default: 2; between: 1]")
@click.option("--grid", type=click.IntRange(3, 1001), metavar="N", help="Lines along an axis.  [default: 51]")
@click.option("--span", type=POSITIVE, help="Half the width of the picture, in units of its axes.")
@click.option("--refine/--no-refine", default=True, show_default=True, help="Add lines where a path needs them.")
@click.option("--exact", is_flag=True, default=None, help="Evaluate every loss of the surface, fill in none.")
@click.option("--examples", type=_Examples(), metavar="N|all", help="Examples in every loss.  [default: 512 at most]")
@click.option("--points", type=click.IntRange(min=2), metavar="N", help="Most points of a path.  [default: 201]")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Length of the trainings in updates.")
@click.option("--memory", type=MEMORY, help="Memory that may be used, such as 4GB.")
@click.option("--surface", metavar="NAME", help="bowl: quadratic, ravine, rosenbrock, double-well or saddle.")
@click.option("--eigenvalues", type=NUMBERS, help="bowl: of the quadratic, such as 10,1.")
@click.option("--start", type=NUMBERS, help="bowl: where the paths begin, such as 0.9,1.8.")
@click.option("--animate", type=click.Choice(("gif", "mp4")), help="Also write the paths as a film, with --out.")
@training_options
@place_options
@output_options
@click.pass_context
def landscape(
    ctx: click.Context,
    /,
    spec: str,
    animate: str | None,
    json_to: str | None,
    out: str | None,
    quiet: bool,
    device: str,
    **given: Any,
) -> None:
    """Show the loss of a task around its weights, and the paths that trainings at several rates take there.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name; or `bowl`, a surface
    of a few numbers with theory beside the paths. Several rates or optimizers (--optimizer sgd,adam --lr 0.1,0.01)
    begin at one start. Without any, a small, a large and a decayed rate are chosen for the picture.

    Exit code 0: drawn; 2: bad input; 130: interrupted, with the rows that were done.
    """
    from surefoot.report.landscape_files import animated_name, landscape_files, landscape_names

    if animate is not None:
        if out is None:
            raise InputError("`--animate` is given without `--out`; name the folder to write the film into")
        from surefoot.report.landscape_film import check_writer

        check_writer(animate)
    output = Output(json_to, out, [*landscape_names(), *([animated_name(animate)] if animate else [])])
    try:
        with _Bars(progress_console(quiet=quiet)) as bars:
            found = _bowl(spec, given, bars) if spec == BOWL else _of_task(spec, given, device, bars)
    except KeyboardInterrupt as stopped:
        if not stopped.args:
            raise
        click.echo(f"surefoot: {stopped}", err=True)
        ctx.exit(_INTERRUPTED)
    seen = dataclasses.replace(found.provenance, command=command_line(ctx))
    found = dataclasses.replace(found, provenance=seen)
    _answer(found, output, landscape_files(found, animate=animate), quiet=quiet)
    if not found.complete:
        raise KeyboardInterrupt


def _bowl(spec: str, given: dict[str, Any], bars: _Bars) -> Landscape:
    wrong = [name for name in _OF_A_TASK if given.pop(name, None) is not None]
    if wrong:
        raise InputError(f"`{_option(wrong[0])}` is given for `{spec}`; it is for tasks, and a bowl is walked by steps")
    given.pop("exact")  # a bowl is evaluated everywhere
    arguments = _arguments(given)
    from surefoot.landscape import bowl

    return bowl(**arguments, watch=bars)


def _of_task(spec: str, given: dict[str, Any], device: str, bars: _Bars) -> Landscape:
    wrong = [name for name in _OF_THE_BOWL if given.pop(name, None) is not None]
    if wrong:
        raise InputError(f"`{_option(wrong[0])}` is given for the task {spec!r}; it is for `surefoot landscape bowl`")
    recipe_file, data, steps = given.pop("recipe_file"), given.pop("data"), given["steps"]
    saved = None if recipe_file is None else load_record(recipe_file, Found, Recipe)
    if steps is not None and given["epochs"] is not None:
        raise InputError("`--steps` and `--epochs` are both given; the trainings have one length")
    arguments = _arguments(given)
    from surefoot.landscape import landscape as draw

    bars("loading", 0, 1)
    task = open_task(spec, device=device, data=data, progress=bars.download)
    epochs, batch_size = hints(spec, task)
    asked = set(arguments)
    arguments = {"epochs": epochs, "batch_size": batch_size} | arguments
    if steps is not None:
        del arguments["epochs"]
    if saved is not None:
        recipe = saved.recipe if isinstance(saved, Found) else saved
        assert isinstance(recipe, Recipe)
        if {"lr", "paths"} & set(arguments):
            raise InputError("`--recipe` is given with `--lr` or `--paths`; the recipe has its own rate")
        if recipe.lr is None:
            raise InputError(f"`{recipe_file}` holds no rate, because none was found; give `--lr`")
        shared = (
            "epochs",
            "steps",
            "batch_size",
            "schedule",
            "schedule_options",
            "clip",
            "accumulate",
            "seed",
            "optimizer",
        )
        clash = [name for name in shared if name in asked]
        if clash:
            raise InputError(f"`{_option(clash[0])}` is given with `--recipe`, which says it; leave one out")
        arguments = {name: value for name, value in arguments.items() if name not in shared}
        arguments["paths"] = {f"recipe, rate {recipe.lr:.3g}": recipe}
    return draw(task, **arguments, watch=bars)


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Keywords of the function: what was given, under the names it uses."""
    taken = keyword_arguments(given, "lr")
    if "optimizer" in taken:
        names = [name.strip() for name in taken["optimizer"].split(",") if name.strip()]
        taken["optimizer"] = names if len(names) > 1 else taken["optimizer"]
    return taken


def _option(name: str) -> str:
    return {"recipe_file": "--recipe"}.get(name, "--" + name.replace("_", "-"))


class _Bars:
    """Progress on a terminal, one bar for each part of the work; draws nothing without a console."""

    def __init__(self, console: Console | None) -> None:
        self._progress = None if console is None else Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
            console=console, transient=True, auto_refresh=False,
        )  # fmt: skip
        self._bar: Any = None
        self._stage = ""
        self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._progress is None:
            return
        if stage != self._stage:
            if self._bar is not None:
                self._progress.remove_task(self._bar)
            self._stage, self._bar = stage, self._progress.add_task(stage, total=max(total, 1))
            self._drawn = 0.0
        if time.monotonic() - self._drawn > 0.1 or done >= total:
            self._drawn = time.monotonic()
            self._progress.update(self._bar, completed=done, total=max(total, 1), refresh=True)

    def download(self, name: str, done: int, total: int | None) -> None:
        """Draw how far a download is."""
        self(f"downloading {name}", done, total or 2 * done + 1)


def _answer(found: Landscape, output: Output, files: dict[str, Any], *, quiet: bool) -> None:
    hint = "--out DIR writes the pictures and a page to turn the surface around"
    deliver(found, output, files, lambda to, _: show_landscape(found, to), quiet=quiet, hint=hint)


def show_landscape(found: Landscape, console: Console) -> None:
    """Print what the picture shows: the plane, the paths with true losses and distances, theory, and notes."""
    from rich.table import Table

    from surefoot.report.landscape_words import (
        axis_sentences,
        filling_sentences,
        path_rows,
        surface_sentence,
        theory_rows,
    )

    console.print(f"\nLandscape of {found.task}", style="bold", markup=False)
    width = min(console.width, 110)
    for sentence in (surface_sentence(found), *filling_sentences(found), *axis_sentences(found)):
        console.print(sentence, markup=False, width=width)
    paths = path_rows(found)
    for rows in (paths, theory_rows(found)):
        if rows is None:
            continue
        columns, lines = rows.columns, rows.rows
        table = Table(box=None, pad_edge=False, header_style="bold", title=rows.caption, title_justify="left")
        for place, name in enumerate(columns):
            table.add_column(name, justify="left" if place == 0 else "right", no_wrap=place > 0 and rows is paths)
        for line in lines:
            table.add_row(*line)
        console.print()
        console.print(table)
    console.print()
    for note in found.notes:
        console.print(f"Note: {note}", style="dim", markup=False, width=width)
