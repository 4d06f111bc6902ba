"""Delivery: a verb's result goes to files, to standard output and to the terminal; what fails is said last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click
from rich.console import Console

from surefoot.cli.console import result_console
from surefoot.cli.options import tracker
from surefoot.cli.output import Output, PartlyWrittenError, Writer
from surefoot.records import Record
from surefoot.report.numbers import count

__all__ = ["deliver", "track"]


def deliver(
    record: Record,
    output: Output,
    files: Mapping[str, Writer],
    show: Callable[[Console, list[Path]], object],
    *,
    quiet: bool,
    hint: str = "",
    terse: Callable[[], object] | None = None,
) -> None:
    """Write and print a result; whatever cannot be written, the rest is.

    Args:
        record: the result.
        output: where it goes.
        files: name of each file of ``--out`` and what writes it.
        show: prints the result on a console, knowing the paths that were written.
        quiet: whether nothing is shown.
        hint: what ``--out`` would have written, said when it was not given.
        terse: prints what is left of the result when it is not shown.

    Raises:
        PartlyWrittenError: some files could not be written; everything else was done.
    """
    failure: PartlyWrittenError | None = None
    try:
        written = output.write(record, files)
    except PartlyWrittenError as error:
        failure, written = error, error.written
    if output.to_stdout:
        click.echo(record.dumps(), nl=False)
    if not quiet:
        console = result_console(err=output.to_stdout)
        show(console, written)
        if written:
            console.print("wrote " + ", ".join(str(path) for path in written), markup=False, soft_wrap=True)
        elif hint and output.out is None:
            console.print(f"[dim]{hint}[/dim]")
    elif terse is not None:
        terse()
    try:
        track(record, result_console(err=output.to_stdout), quiet=quiet)
    finally:
        if failure is not None:
            raise failure


def track(record: Record, console: Console, *, quiet: bool) -> None:
    """Log a result to the tool of ``--track``, if there is one.

    Raises:
        OutputError: the tool failed.
    """
    tool = tracker()
    if tool is None:
        return
    from surefoot.integrations.tracking import log_record

    runs = log_record(record, tool)
    if not quiet:
        console.print(f"logged {count(runs, 'run')} to {tool}", markup=False)
