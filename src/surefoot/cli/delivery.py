"""Delivery: a verb's result goes to files, to standard output and to the terminal; what fails is said last."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from surefoot.cli.console import result_console
from surefoot.cli.options import tracker
from surefoot.cli.output import Output, PartlyWrittenError, Writer, kept_record
from surefoot.cli.standard_output import discard, print_result
from surefoot.errors import OutputError
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
    terse: Callable[[], str] | None = None,
    dear: bool = True,
) -> None:
    """Write and print a result; whatever cannot be written, the rest is.

    Args:
        record: the result.
        output: where it goes.
        files: name of each file of ``--out`` and what writes it.
        show: prints the result on a console, knowing the paths that were written.
        quiet: whether nothing is shown.
        hint: what ``--out`` would have written, said when it was not given.
        terse: what is left of the result when it is not shown, as text for standard output.
        dear: whether the result took work; then it is kept where nobody reads it to the end.

    Raises:
        OutputError: something could not be written or printed; everything else was done.
        BrokenPipeError: nobody reads what is printed any more, and nothing is lost by that.
    """
    failure: OutputError | None = None
    try:
        written = output.write(record, files)
    except PartlyWrittenError as error:
        failure, written = error, error.written
    left: BrokenPipeError | None = None
    try:
        _print(record, output, show, written, quiet=quiet, hint=hint, terse=terse)
    except OSError as error:
        safe = not dear or failure is not None or any(path.suffix == ".json" for path in written)
        if isinstance(error, BrokenPipeError) and safe:
            left = error
        else:
            discard()
            failure = failure or OutputError(f"{_unprinted(error)}{'' if safe else kept_record(record)}")
    try:
        track(record, result_console(err=output.to_stdout), quiet=quiet)
    finally:
        if failure is not None:
            raise failure
    if left is not None:
        raise left


def _print(
    record: Record,
    output: Output,
    show: Callable[[Console, list[Path]], object],
    written: list[Path],
    *,
    quiet: bool,
    hint: str,
    terse: Callable[[], str] | None,
) -> None:
    if output.to_stdout:
        print_result(record.dumps())
    if not quiet:
        console = result_console(err=output.to_stdout)
        show(console, written)
        if written:
            console.print("wrote " + ", ".join(str(path) for path in written), markup=False, soft_wrap=True)
        elif hint and output.out is None:
            console.print(f"[dim]{hint}[/dim]")
        if sys.stdout is not None:
            sys.stdout.flush()
    elif terse is not None and not output.to_stdout:
        print_result(f"{terse()}\n")


def _unprinted(error: OSError) -> str:
    if isinstance(error, BrokenPipeError):
        return "standard output was closed before all was printed"
    return f"standard output cannot be written: {error.strerror or error}"


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
