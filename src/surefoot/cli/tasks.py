"""`surefoot tasks`: the built-in tasks, one line each."""

from __future__ import annotations

import json

import click
from rich.table import Table

from surefoot.cli.console import result_console

__all__ = ["tasks"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def tasks(as_json: bool) -> None:
    """List the built-in tasks: what each trains, and how long it is worth training."""
    from surefoot.tasks.catalogue import CATALOGUE

    entries = list(CATALOGUE.values())
    if as_json:
        listed = [
            {"name": one.name, "summary": one.summary, "epochs": one.epochs, "batch_size": one.batch_size}
            for one in entries
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", no_wrap=True)
    table.add_column("what is trained")
    table.add_column("epochs", justify="right")
    table.add_column("batch", justify="right")
    for one in entries:
        table.add_row(one.name, one.summary, str(one.epochs), str(one.batch_size))
    console = result_console()
    console.print(table)
    console.print("\nYour own: [bold]path/to/file.py:name[/bold] or [bold]package.module:name[/bold], a Task or a "
                  "function that returns one.")  # fmt: skip
