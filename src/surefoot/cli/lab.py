"""`surefoot lab [NAME]`: run one of the textbook's classic programs, or list them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from surefoot.cli.console import progress_console, result_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import command_line, output_options
from surefoot.cli.output import Output
from surefoot.cli.standard_output import print_result
from surefoot.errors import InputError

if TYPE_CHECKING:
    from surefoot.textbook.lab.record import LabResult

__all__ = ["lab", "show_lab"]


@click.command()
@click.argument("name", required=False)
@click.option("--seeds", type=click.IntRange(min=1), help="How many seeds.  [default: the program's]")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="First seed.  [default: the printed one, or 0]")
@click.option("--data", metavar="DIR", help="Folder with the whole of MNIST, for programs that train on it.")
@output_options
@click.pass_context
def lab(
    ctx: click.Context,
    name: str | None,
    seeds: int | None,
    seed: int | None,
    data: str | None,
    json_to: str | None,
    out: str | None,
    quiet: bool,
) -> None:
    """Run the classic program NAME: as printed and corrected, every printed number beside the measured one.

    Without NAME the programs are listed.
    """
    from surefoot.textbook.lab.catalogue import Setting, find_program

    if name is None:
        unused = {"--seeds": seeds, "--seed": seed, "--data": data, "--out": out}
        given = [option for option, value in unused.items() if value is not None]
        if given:
            raise InputError(f"`{given[0]}` needs a program; `surefoot lab` without NAME lists them")
        _list(json_to)
        return
    program = find_program(name)
    names: tuple[str, ...] = (f"{name}.json", f"{name}.html", f"{name}.png")
    output = Output(json_to, out, names)
    console = progress_console(quiet=quiet)
    if console is None:
        result = program.run(Setting(seed=seed, seeds=seeds, data=data))
    else:
        with console.status(f"{name} …") as status:
            said = Setting(seed=seed, seeds=seeds, data=data, say=lambda words: status.update(f"{name}: {words} …"))
            result = program.run(said)
    seen = dataclasses.replace(result.provenance, command=command_line(ctx))
    _answer(dataclasses.replace(result, provenance=seen), output, quiet=quiet)


def _answer(result: LabResult, output: Output, *, quiet: bool) -> None:
    from surefoot.report.lab_page import lab_files

    hint = "--out DIR writes the figure, the record and a page"
    deliver(result, output, lab_files(result), lambda to, _: show_lab(result, to), quiet=quiet, hint=hint)


def show_lab(result: LabResult, console: Console) -> None:
    """Print what was measured in sentences, the verdicts, and the tables."""
    from surefoot.report.lab_page import verdict_rows

    agreeing, count = result.counts
    style = "bold green" if agreeing == count else "bold yellow"
    console.print(f"\n{result.title}: {agreeing} of {count} printed numbers agree", style=style, markup=False)
    for sentence in result.sentences:
        console.print(sentence, markup=False, width=min(console.width, 100))
    table = Table("printed number", "says", "measured", "verdict", box=None, pad_edge=False, header_style="bold")
    for key, printed, measured, verdict, _ in verdict_rows(result):
        colour = {"agrees": "green", "differs": "red"}.get(verdict, "yellow")
        table.add_row(key, printed, measured, f"[{colour}]{verdict}[/{colour}]")
    console.print()
    console.print(table)
    for one in result.tables:
        console.print()
        drawn = Table(
            *one.columns, box=None, pad_edge=False, header_style="bold", title=one.title, title_justify="left"
        )
        for row in one.rows:
            drawn.add_row(*row)
        console.print(drawn)
    console.print()
    for note in result.notes:
        console.print(f"Note: {note}", style="dim", markup=False, width=min(console.width, 100))


def _list(json_to: str | None) -> None:
    from surefoot.textbook.lab.catalogue import PROGRAMS

    if json_to is not None:
        listed = [{"name": one.name, "summary": one.summary} for one in PROGRAMS.values()]
        written = json.dumps(listed, indent=1) + "\n"
        if json_to == "-":
            print_result(written)
        else:
            from surefoot.records import write_text

            write_text(json_to, written)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("program", no_wrap=True)
    table.add_column("what it shows")
    for one in PROGRAMS.values():
        table.add_row(one.name, one.summary)
    console = result_console()
    console.print(table)
    console.print("\nRun one: [bold]surefoot lab NAME[/bold]; --out DIR writes its figure, record and page.")
