"""`surefoot curvature TASK`: sharpness, the largest stable rate of an optimizer, the noise of the gradient."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from surefoot.cli.console import progress_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import command_line, keyword_arguments, output_options, place_options, training_options
from surefoot.cli.output import Output
from surefoot.cli.task_argument import hints, open_task
from surefoot.cli.values import MEMORY, POSITIVE
from surefoot.records import Curvature
from surefoot.report.curvature_charts import noise_sentence, track_sentence
from surefoot.report.curvature_page import CURVATURE_NAMES, LAYER_COLUMNS, curvature_facts, curvature_files, layer_rows
from surefoot.report.curvature_words import flow_sentence, with_error
from surefoot.report.numbers import brief, rate

if TYPE_CHECKING:
    from surefoot.curvature.track import Point

__all__ = ["curvature", "show_curvature"]

_SHOWN = 14
"""Points of the run that the live table shows."""
_BAR = 30


@click.command()
@click.argument("spec", metavar="TASK")
@click.option("--lr", type=POSITIVE, help="Peak rate to judge; without it only the limit is told.")
@training_options
@click.option(
    "--steps", type=click.IntRange(min=0), metavar="N", help="Updates of the short run.  [default: by epochs]"
)
@click.option("--track", is_flag=True, help="Follow sharpness against the limit along the run, live.")
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="Largest eigenvalues to find.  [default: 1]")
@click.option("--density", is_flag=True, help="Smallest eigenvalue, trace and density of the spectrum too.")
@click.option("--layers", is_flag=True, help="Gradient, update and sharpness of every parameter too.")
@click.option("--noise", is_flag=True, help="Batch sharpness, best rate by batch size, noise floor measured, too.")
@click.option("--examples", type=click.IntRange(min=1), metavar="N", help="Training examples the Hessian is of.")
@click.option("--weights", metavar="FILE", help="Measure at (and begin from) a saved state dict.")
@click.option(
    "--tolerance", type=POSITIVE, help="Error at which the sharpness is settled, as a share.  [default: 1e-6]"
)
@click.option("--memory", type=MEMORY, help="Memory that may be used, such as 4GB.")
@place_options
@output_options
@click.pass_context
def curvature(
    ctx: click.Context,
    /,
    spec: str,
    json_to: str | None,
    out: str | None,
    quiet: bool,
    data: str | None,
    device: str,
    track: bool,
    **given: Any,
) -> None:
    """Measure how sharply the loss bends, and what rate that allows the optimizer in use.

    TASK is a built-in name (see `surefoot tasks`), path/to/file.py:name or package.module:name. With --lr a short run
    is trained first and the sharpness followed along it; what is said holds at its end.

    Exit code 0: measured, and the rate (if one was given) is not beyond the limit; 1: it is, or the eigenvalue did not
    converge; 2: bad input.
    """
    output = Output(json_to, out, CURVATURE_NAMES)
    console = progress_console(quiet=quiet)
    arguments = keyword_arguments(given, "track")
    from surefoot.curvature import curvature as measure

    with _following(console, spec) as watch:
        task = open_task(spec, device=device, data=data)
        epochs, batch_size = hints(spec, task)
        arguments = {"epochs": epochs, "batch_size": batch_size} | arguments
        found: Curvature = measure(task, track=track, watch=watch, **arguments)
    seen = dataclasses.replace(found.provenance, command=command_line(ctx))
    found = dataclasses.replace(found, provenance=seen)
    _answer(found, output, quiet=quiet)
    ctx.exit(1 if found.verdict == "beyond" or not found.converged or found.diverged else 0)


@contextlib.contextmanager
def _following(console: Console | None, title: str) -> Iterator[Any]:
    """Yields what to call with each point of the run; on a terminal it draws the last ones."""
    if console is None:
        yield None
        return
    seen: list[Point] = []
    with Live(console=console, auto_refresh=False, transient=True) as live:
        live.update(f"[dim]{title}: measuring …[/dim]", refresh=True)

        def watch(point: Point) -> None:
            seen.append(point)
            live.update(_view(seen), refresh=True)

        yield watch


def _view(points: list[Point]) -> Table:
    """The last points of a run: a bar as long as the share of what the rate allows."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("updates", "eigenvalue", "limit", "margin", "loss"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("of what the rate allows", no_wrap=True)
    for point in points[-_SHOWN:]:
        share = point.lr / point.limit if point.limit == point.limit and point.limit > 0 else 0.0
        colour = "red" if share > 1.1 else "yellow" if share >= 0.9 else "green"
        bar = "━" * max(1, min(_BAR + 6, round(share * _BAR)))
        table.add_row(
            str(point.step), brief(point.sharpness), rate(point.limit), brief(1 / share if share else float("inf"), 3),
            brief(point.loss), f"[{colour}]{bar}[/{colour}]",
        )  # fmt: skip
    return table


def _answer(found: Curvature, output: Output, *, quiet: bool) -> None:
    hint = "--out DIR writes a page with every chart"
    deliver(found, output, curvature_files(found), lambda to, _: show_curvature(found, to), quiet=quiet, hint=hint)


def show_curvature(found: Curvature, console: Console) -> None:
    """Print the statement, the numbers, and what was measured beside them."""
    width = min(console.width, 100)
    good = found.verdict in (None, "stable", "oscillating but stable", "at the edge") and found.converged
    console.print()
    console.print(found.statement, style="bold green" if good else "bold yellow", markup=False, width=width)
    if len(found.track_step) > 1 and found.limit is not None:
        console.print(track_sentence(found), markup=False, width=width)
    if found.noise_scale is not None:
        console.print(noise_sentence(found.noise_scale), markup=False, width=width)
    console.print()
    facts = Table.grid(padding=(0, 2))
    for name, value in curvature_facts(found).items():
        facts.add_row(f"[dim]{name}[/dim]", value)
    console.print(facts)
    if len(found.eigenvalues) > 1:
        shown = ", ".join(brief(one, 5) for one in found.eigenvalues.tolist())
        console.print(f"\nLargest eigenvalues: {shown}", markup=False, width=width)
    if found.trace is not None:
        console.print(
            f"Smallest eigenvalue {with_error(found.smallest, found.smallest_error, found.smallest_converged)}, trace "
            f"{brief(found.trace, 4)} ± {brief(found.trace_error, 2)}", markup=False,
        )  # fmt: skip
    if found.layers:
        console.print()
        table = Table(*LAYER_COLUMNS, box=None, pad_edge=False, header_style="bold")
        for row in layer_rows(found):
            table.add_row(*row)
        console.print(table)
        console.print(flow_sentence(found.layers), markup=False, width=width)
    for note in found.notes:
        console.print(f"Note: {note}", style="dim", markup=False, width=width)
