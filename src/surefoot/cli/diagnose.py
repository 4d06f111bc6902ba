"""`surefoot diagnose PATH…`: what trainings suffer from, told from their logs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from surefoot.cli.console import progress_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import output_options, track_option
from surefoot.cli.output import Output
from surefoot.errors import InputError

__all__ = ["FILES", "diagnose", "finish", "role", "show_diagnoses"]

FILES = ("diagnosis.json", "diagnosis.html")


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option(
    "--map",
    "named",
    multiple=True,
    metavar="ROLE=NAME",
    help="What a role (loss, lr, val_loss, grad_norm, step) is called in the log; repeatable.",
)
@track_option
@output_options
@click.pass_context
def diagnose(
    ctx: click.Context,
    paths: tuple[str, ...],
    named: tuple[str, ...],
    json_to: str | None,
    out: str | None,
    quiet: bool,
) -> None:
    """Tell from logs what is wrong with a training, how sure that is, by how much the rate is off, and what to change.

    PATH is a log file or a folder with logs, of any format that Surefoot reads: TensorBoard, Lightning, Hugging Face,
    Keras, MLflow, W&B, CSV, JSON lines, printed text and more. Several runs of one sweep are compared with one another.
    `surefoot explain` tells what each finding means.

    Exit code 0: no fault in any run, or none that the log shows; 1: a fault was found; 2: bad input.
    """
    output = Output(json_to, out, FILES)
    mapping = dict(role(one) for one in named)
    for path in paths:
        if Path(path).suffix == ".study":
            raise InputError(f"`{path}` is a study; `surefoot study diagnose` looks at its members")
    found = _diagnosed(list(paths), mapping, quiet=quiet)
    finish(ctx, found, output, quiet=quiet)


def _diagnosed(paths: list[str], mapping: dict[str, str], *, quiet: bool) -> Any:
    """The diagnoses; while a folder is read, how far that is."""
    console = progress_console(quiet=quiet)
    with contextlib.nullcontext() if console is None else console.status("reading …") as status:
        from surefoot.diagnose import diagnose as diagnosed

        def watch(looked_at: int, files: int) -> None:
            if status is not None:
                status.update(f"reading … {looked_at:,} of {files:,} files")

        return diagnosed(paths, mapping=mapping, watch=watch)


def finish(ctx: click.Context, found: Any, output: Output, *, quiet: bool) -> None:
    """Deliver what was found, and leave with the exit code that tells of a fault."""
    files = _writers(found) if output.out is not None else {}
    deliver(found, output, files, lambda to, _: show_diagnoses(found, to), quiet=quiet, dear=False)
    ctx.exit(1 if found.is_fault else 0)


def show_diagnoses(found: Any, console: Console) -> None:
    """Print a card for every run."""
    from surefoot.records.diagnosis import Diagnoses
    from surefoot.report.diagnosis_card import terminal_card

    for place, one in enumerate(found.each if isinstance(found, Diagnoses) else (found,)):
        if place:
            console.print()
        for line in terminal_card(one):
            console.print(line, markup=False, highlight=False)


def _writers(found: Any) -> dict[str, Any]:
    from surefoot.report.diagnosis_page import diagnosis_files

    return diagnosis_files(found)


def role(written: str) -> tuple[str, str]:
    """Role and name out of ROLE=NAME."""
    role, sign, name = written.partition("=")
    if not sign or not role.strip() or not name.strip():
        raise InputError(f"`--map` is {written!r}; write ROLE=NAME, such as loss=train_loss")
    return role.strip(), name.strip()
