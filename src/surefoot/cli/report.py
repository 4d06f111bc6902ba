"""`surefoot report FILE`: draw the page and the pictures of a saved record."""

from __future__ import annotations

import click

from surefoot.cli.console import result_console
from surefoot.cli.output import Output
from surefoot.cli.saved import load_record
from surefoot.records import Found, Run, Sweep

__all__ = ["report"]


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--out", metavar="DIR", help="Folder for the page and the pictures.  [default: the folder of FILE]")
@click.option("--quiet", "-q", is_flag=True, help="No summary.")
def report(file: str, out: str | None, quiet: bool) -> None:
    """Draw the page and the pictures of the record in FILE, which `find` or `train` wrote with --json or --out."""
    from pathlib import Path

    from surefoot.report.files import files_of

    record = load_record(file, Found, Run, Sweep)
    drawn = {name: writer for name, writer in files_of(record).items() if not name.endswith(".json")}
    output = Output(None, out if out is not None else str(Path(file).parent), list(drawn))
    written = output.write(record, drawn)
    console = result_console()
    if not quiet and isinstance(record, Found):
        from surefoot.cli.shown import show_found

        show_found(record, console)
    if not quiet:
        console.print("wrote " + ", ".join(str(path) for path in written), markup=False, soft_wrap=True)
