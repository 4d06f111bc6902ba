"""`surefoot verify`: measure the textbook's claims again and compare with the record."""

from __future__ import annotations

import dataclasses
import json
import sys
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
    from surefoot.records.claim import Claim, Size, TextbookRecord, Verification

__all__ = ["verify"]

COLOURS = {"supported": "green", "contradicted": "red", "depends": "yellow", "undecided": "dim"}


@click.command()
@click.argument("claims", nargs=-1, metavar="[CLAIM]…")
@click.option("--topic", metavar="TOPIC", help="Every claim of a topic.")
@click.option("--all", "every", is_flag=True, help="Every claim; about a quarter of an hour.")
@click.option("--quick", is_flag=True, help="Small experiments, seconds each, against the quick part of the record.")
@click.option("--record", "record_file", metavar="FILE", help="Compare with this record.  [default: the package's]")
@click.option("--jobs", type=click.IntRange(1, 64), help="Experiments at the same time.  [default: 2, or 1 core: 1]")
@output_options
@click.pass_context
def verify(
    ctx: click.Context,
    claims: tuple[str, ...],
    topic: str | None,
    every: bool,
    quick: bool,
    record_file: str | None,
    jobs: int | None,
    json_to: str | None,
    out: str | None,
    quiet: bool,
) -> None:
    """Measure CLAIMs of the textbook again and compare verdicts and numbers with the record.

    Without a claim the claims are listed. Exit code 1 when something does not match.
    """
    from surefoot.textbook.measured import load_record

    chosen = _chosen(claims, topic, every=every)
    record = load_record(record_file)
    if not chosen:
        _list(record, json_to)
        return
    from surefoot.textbook import verify as work

    output = Output(json_to, out, ("verification.json", "textbook.html"))
    workers = jobs if jobs is not None else min(2, _cores())
    size: Size = "quick" if quick else "full"
    console = progress_console(quiet=quiet)
    if console is None:
        seen = work.verify(chosen, record, size=size, workers=workers)
    else:
        with console.status("measuring …") as status:
            seen = work.verify(
                chosen, record, size=size, workers=workers, say=lambda words: status.update(f"measuring: {words} …")
            )
    seen = dataclasses.replace(seen, provenance=dataclasses.replace(seen.provenance, command=command_line(ctx)))
    _answer(seen, record, output, quiet=quiet)
    if seen.interrupted:
        sys.exit(130)
    if seen.failed or seen.matching < len(seen.claims):
        ctx.exit(1)


def _chosen(names: tuple[str, ...], topic: str | None, *, every: bool) -> list[Claim]:
    from surefoot.textbook.claims import all_claims, claims_of_topic, find_claim

    if sum((bool(names), topic is not None, every)) > 1:
        raise InputError("`--all`, `--topic` and names of claims exclude each other; give one of them")
    if every:
        return list(all_claims().values())
    if topic is not None:
        return list(claims_of_topic(topic))
    return [find_claim(one) for one in dict.fromkeys(names)]


def _answer(seen: Verification, record: TextbookRecord, output: Output, *, quiet: bool) -> None:
    from surefoot.report.textbook_page import verification_files

    deliver(seen, output, verification_files(seen, record), lambda to, _: _show(seen, to), quiet=quiet)


def _show(seen: Verification, console: Console) -> None:
    from surefoot.report.numbers import duration, measured

    table = Table("claim", "verdict", "record", "", box=None, pad_edge=False, header_style="bold")
    for one in seen.claims:
        colour = COLOURS[one.verdict]
        mark = "[green]matches[/green]" if one.matches_record else "[red]differs[/red]"
        table.add_row(one.id, f"[{colour}]{one.verdict}[/{colour}]", one.recorded or "–", mark)
    console.print(table)
    width = min(console.width, 110)
    if len(seen.claims) <= 3:
        for one in seen.claims:
            console.print()
            _show_numbers(one.id, one.on, [(m.name, measured(m)) for m in one.measurements], console)
    for one in seen.claims:
        for words in one.differences:
            console.print(f"{one.id}: {words}", style="red", markup=False, width=width)
    for family, words in seen.failed.items():
        console.print(f"experiment {family} broke: {words}", style="red", markup=False, width=width)
    took = "" if seen.seconds is None else f", {duration(seen.seconds)}"
    stopped = "; interrupted before the rest" if seen.interrupted else ""
    console.print(f"\n{seen.matching} of {len(seen.claims)} claims match the record{took}{stopped}", style="bold")


def _show_numbers(name: str, on: str, numbers: list[tuple[str, str]], console: Console) -> None:
    console.print(name, style="bold", markup=False)
    if on:
        console.print(on, markup=False)
    for what, value in numbers:
        console.print(f"  {what}: {value}", markup=False)


def _list(record: TextbookRecord, json_to: str | None) -> None:
    from surefoot.textbook.claims import all_claims

    rows = []
    for claim in all_claims().values():
        result = record.result(claim.id)
        verdict = "unmeasured" if result is None else result.verdict
        rows.append({"id": claim.id, "topic": claim.topic, "verdict": verdict, "statement": claim.statement})
    if json_to is not None:
        written = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        if json_to == "-":
            print_result(written)
        else:
            from surefoot.records import write_text

            write_text(json_to, written)
        return
    console = result_console()
    table = Table("topic", "claim", "verdict", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        colour = COLOURS.get(row["verdict"], "dim")
        table.add_row(row["topic"], row["id"], f"[{colour}]{row['verdict']}[/{colour}]")
    console.print(table)
    console.print("\nMeasure one again: [bold]surefoot verify CLAIM[/bold]; --all takes every one.")


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
