"""`surefoot report FILE`: draw the page and the pictures of a saved record."""

from __future__ import annotations

import click
from rich.console import Console

from surefoot.cli.console import result_console
from surefoot.cli.delivery import track
from surefoot.cli.options import track_option
from surefoot.cli.output import Output
from surefoot.cli.saved import load_record
from surefoot.records import Curvature, Found, Landscape, Probe, Record, Run, Sweep, Watched
from surefoot.records.claim import TextbookRecord
from surefoot.records.diagnosis import Diagnoses, Diagnosis
from surefoot.records.study import Study
from surefoot.report.schedule_preview import SchedulePreview
from surefoot.textbook.lab.record import LabResult

__all__ = ["report"]


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--out", metavar="DIR", help="Folder for the page and the pictures.  [default: the folder of FILE]")
@click.option("--quiet", "-q", is_flag=True, help="No summary.")
@track_option
def report(file: str, out: str | None, quiet: bool) -> None:
    """Draw the page and the pictures of the record in FILE, which another command wrote with --json or --out.

    Found, run, sweep, study, diagnosis, watched, probe, curvature, landscape, lab, schedule and textbook records can be
    drawn.
    """
    from pathlib import Path

    from surefoot.report.files import files_of

    record = load_record(
        file, Found, Run, Sweep, LabResult, SchedulePreview, Curvature, Landscape, TextbookRecord, Study, Diagnoses,
        Diagnosis, Watched, Probe,
    )  # fmt: skip
    drawn = {name: writer for name, writer in files_of(record).items() if not name.endswith(".json")}
    output = Output(None, out if out is not None else str(Path(file).parent), list(drawn))
    written = output.write(record, drawn)
    console = result_console()
    if not quiet:
        _show(record, console)
        console.print("wrote " + ", ".join(str(path) for path in written), markup=False, soft_wrap=True)
    track(record, console, quiet=quiet)


def _show(record: Record, console: Console) -> None:
    if isinstance(record, Found):
        from surefoot.cli.shown import show_found

        show_found(record, console)
    elif isinstance(record, LabResult):
        from surefoot.cli.lab import show_lab

        show_lab(record, console)
    elif isinstance(record, Study):
        from surefoot.cli.sweep import print_study

        print_study(record, console)
    elif isinstance(record, Diagnosis | Diagnoses):
        from surefoot.cli.diagnose import show_diagnoses

        show_diagnoses(record, console)
    elif isinstance(record, Watched | Probe):
        from surefoot.report.watched_words import probe_answer, probe_words, watched_words

        said = watched_words(record) if isinstance(record, Watched) else [probe_answer(record), *probe_words(record)]
        for sentence in said:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    elif isinstance(record, Curvature):
        from surefoot.cli.curvature import show_curvature

        show_curvature(record, console)
    elif isinstance(record, Landscape):
        from surefoot.cli.landscape import show_landscape

        show_landscape(record, console)
    elif isinstance(record, SchedulePreview):
        from surefoot.cli.schedule import show_schedule

        show_schedule(record, console)
