"""`surefoot study`: list, show, export, merge, verify and remove study files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from surefoot.cli.console import result_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import json_option, output_options, quiet_option, track_option
from surefoot.cli.output import Output
from surefoot.errors import InputError, OutputError, RecordError
from surefoot.records.study import Study
from surefoot.report.numbers import brief, count, rate
from surefoot.report.study_page import STUDY_NAMES, study_files

__all__ = ["study"]


@click.group()
def study() -> None:
    """Look at, join, check and export the files in which sweeps are kept."""


@study.command()
@click.argument("places", metavar="[PLACE]…", nargs=-1)
def ls(places: tuple[str, ...]) -> None:
    """List the studies in folders or files; without PLACE, in the current folder."""
    from surefoot.study.store import Store

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("study", "task", "members", "waiting", "best loss", "rate"):
        table.add_column(name, justify="left" if name in ("study", "task") else "right")
    found = 0
    for path in _files(places or (".",)):
        try:
            with Store(path) as store:
                record = _record(store)
        except (InputError, RecordError):
            if str(path) in places:
                raise
            continue
        found += 1
        best = record.best
        table.add_row(
            str(path), record.task, str(len(record.members)), str(record.counts.get("waiting", 0)),
            "–" if best is None else brief(best.final_loss), "–" if best is None else rate(best.recipe.lr),
        )  # fmt: skip
    console = result_console()
    console.print(table if found else "no studies here", soft_wrap=True)


@study.command()
@click.argument("file", metavar="FILE")
@json_option
@click.option("--out", metavar="DIR", help="Write the page, the picture and the record into this folder.")
@quiet_option("No summary.")
@track_option
def show(file: str, json_to: str | None, out: str | None, quiet: bool) -> None:
    """Show what a study holds, also while it is written."""
    from surefoot.cli.sweep import print_study
    from surefoot.study.store import Store

    output = Output(json_to, out, STUDY_NAMES)
    with Store(file) as store:
        record = _record(store)
    deliver(record, output, study_files(record), lambda to, _: print_study(record, to), quiet=quiet, dear=False)


@study.command()
@click.argument("file", metavar="FILE")
@click.option("--all", "everyone", is_flag=True, help="Every member that was trained, not those of the best setting.")
@click.option("--no-keep", is_flag=True, help="Leave the file as it is.")
@output_options
@click.pass_context
def diagnose(
    ctx: click.Context, file: str, everyone: bool, no_keep: bool, json_to: str | None, out: str | None, quiet: bool
) -> None:
    """Tell what the trainings of the best setting suffer from, and keep the findings in the file.

    Exit code 0: no fault in any of them, or none that shows; 1: a fault was found; 2: bad input.
    """
    from surefoot.cli.diagnose import FILES, finish
    from surefoot.study.diagnosing import diagnose_members

    output = Output(json_to, out, FILES)
    found = diagnose_members(file, "all" if everyone else "best", keep=not no_keep)
    finish(ctx, found, output, quiet=quiet)


@study.command()
@click.argument("file", metavar="FILE")
@click.argument("to", metavar="TARGET")
@click.option("--series", is_flag=True, help="The losses of every update instead of a row per member.")
def export(file: str, to: str, series: bool) -> None:
    """Write the members of a study to TARGET, whose ending says how: .json, .csv or .parquet."""
    from surefoot.study.exporting import export as write

    rows = write(file, to, series=series)
    result_console().print(f"wrote {to}: {count(rows, 'row')}", markup=False, soft_wrap=True)


@study.command()
@click.argument("file", metavar="WHOLE")
@click.argument("parts", metavar="PART…", nargs=-1, required=True)
def merge(file: str, parts: tuple[str, ...]) -> None:
    """Join studies of the same plan: what is done in any PART is taken into WHOLE, which may be new."""
    from surefoot.study.merging import merge as joined

    taken, left = joined(file, parts)
    batches = "batch" if taken == 1 else "batches"
    more = f"; {left} still wait" if left else "; the study is complete"
    result_console().print(f"took {taken} {batches} into {file}{more}", markup=False, soft_wrap=True)


@study.command()
@click.argument("file", metavar="FILE")
@click.pass_context
def verify(ctx: click.Context, file: str) -> None:
    """Check that every committed series of a study is as it was written.

    Exit code 0: it is; 1: something is damaged, and it is said what; 2: no study.
    """
    from surefoot.study.store import Store

    with Store(file) as store:
        damage = store.damage()
        said = "" if damage else f"{file}: {_states(store.states())} intact, contents {store.contents()}"
    console = result_console()
    for line in damage or [said]:
        console.print(line, markup=False, soft_wrap=True)
    ctx.exit(1 if damage else 0)


@study.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def rm(files: tuple[str, ...], yes: bool) -> None:
    """Remove studies."""
    from surefoot.study.store import Store

    if not yes and not sys.stdin.isatty():
        raise InputError("nobody can be asked here whether it is meant; give --yes to remove without asking")
    for file in files:
        with Store(file, write=True) as store:  # nobody else may be writing, and it must be a study
            size = len(store.members())
            if not yes:
                click.confirm(f"Remove {file} with {count(size, 'member')}?", abort=True, err=True)
        try:
            for path in (Path(file), Path(f"{file}-wal"), Path(f"{file}-shm")):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"`{file}` cannot be removed: {error.strerror or error}") from None
        result_console().print(f"removed {file}", markup=False, soft_wrap=True)


def _record(store: Any) -> Study:
    from surefoot.records import Provenance
    from surefoot.study.summary import study_of

    sessions = store.sessions()
    return study_of(store, sessions[-1] if sessions else Provenance())


def _files(places: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            found += sorted(one for one in path.iterdir() if one.suffix in (".study", ".db", ".sqlite"))
        else:
            found.append(path)
    return found


def _states(states: dict[str, int]) -> str:
    done, waiting = states.get("done", 0), states.get("waiting", 0)
    return f"{done} {'batch' if done == 1 else 'batches'} done, {waiting} waiting;"
