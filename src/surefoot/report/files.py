"""Files: what a record becomes in a folder. Names are fixed: a later call replaces what an earlier one wrote."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.errors import RecordError
from surefoot.records import Curvature, Found, Landscape, Probe, Record, Run, Sweep, Watched
from surefoot.records.claim import TextbookRecord
from surefoot.records.diagnosis import Diagnoses, Diagnosis
from surefoot.records.study import Study
from surefoot.report.schedule_preview import SchedulePreview
from surefoot.textbook.lab.record import LabResult

__all__ = ["NAMES", "files_of", "schedule_files"]

Writer = Callable[[Path], Any]

NAMES: dict[str, tuple[str, ...]] = {
    "found": ("found.json", "find.html", "find.png", "members.png"),
    "run": ("run.json", "train.html", "train.png"),
    "sweep": ("sweep.json", "sweep.html", "sweep.png", "compare.png"),
    "schedule": ("schedule.json", "schedule.png"),
}
"""Kind of record -> names of its files: the record, the page, the pictures. Those of a lab record bear its name."""


def files_of(record: Record) -> dict[str, Writer]:
    """Name of each file of `record` and the function that writes it to a path.

    Raises:
        RecordError: there is nothing to draw of a record of this kind.
    """
    if isinstance(record, LabResult):
        from surefoot.report.lab_page import lab_files

        return lab_files(record)
    if isinstance(record, SchedulePreview):
        return schedule_files(record)
    if isinstance(record, Study):
        from surefoot.report.study_page import study_files

        return study_files(record)
    if isinstance(record, TextbookRecord):
        from surefoot.report.textbook_page import textbook_files

        return textbook_files(record)
    if isinstance(record, Curvature):
        from surefoot.report.curvature_page import curvature_files

        return curvature_files(record)
    if isinstance(record, Landscape):
        from surefoot.report.landscape_files import landscape_files

        return landscape_files(record)
    if isinstance(record, Diagnosis | Diagnoses):
        from surefoot.report.diagnosis_page import diagnosis_files

        return diagnosis_files(record)
    if isinstance(record, Watched):
        from surefoot.report.watched_page import watched_files

        return watched_files(record)
    if isinstance(record, Probe):
        from surefoot.report.watched_page import probe_files

        return probe_files(record)
    if not isinstance(record, Found | Run | Sweep):
        raise RecordError(f"a {record.kind} record has no page; give a found, run, sweep, lab or schedule record")
    pictures = {
        "find.png": "found_figure", "members.png": "members_figure", "train.png": "run_figure",
        "sweep.png": "sweep_figure",
    }  # fmt: skip
    writers: dict[str, Writer] = {}
    for name in NAMES[record.kind]:
        if name.endswith(".json"):
            writers[name] = record.save
        elif name.endswith(".html"):
            writers[name] = partial(_page, record)
        elif isinstance(record, Sweep) and name == "compare.png":
            writers[name] = partial(_comparison, record)
        else:
            writers[name] = partial(_picture, pictures[name], record)
    return writers


def schedule_files(preview: SchedulePreview, *, log: bool = False) -> dict[str, Writer]:
    """Name of each file of `preview` and the function that writes it; `log` is the scale of the picture."""
    record, picture = NAMES[preview.kind]
    return {record: preview.save, picture: partial(_schedule, preview, log)}


def _schedule(preview: SchedulePreview, log: bool, path: Path) -> None:
    from surefoot.report.schedule_figure import schedule_figure

    schedule_figure(preview, path, log=log)


def _page(record: Found | Run | Sweep, path: Path) -> None:
    from surefoot.report.page import write_page

    write_page(record, path)


def _comparison(record: Sweep, path: Path) -> None:
    from surefoot.report.compare_charts import compare_figure

    compare_figure(record, path)


def _picture(function: str, record: Record, path: Path) -> None:
    from surefoot.report import figures

    getattr(figures, function)(record, path)
