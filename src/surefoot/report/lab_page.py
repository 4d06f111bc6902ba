"""The page of a classic program: printed beside measured, every verdict with its rule, the tables and the charts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.records import write_text
from surefoot.report import page as parts
from surefoot.report.charts import Table
from surefoot.report.escaping import tag
from surefoot.report.lab_charts import lab_charts
from surefoot.report.numbers import brief
from surefoot.textbook.lab.record import LabResult

__all__ = ["lab_files", "lab_names", "lab_page", "verdict_rows", "write_lab_page"]


def lab_names(name: str) -> tuple[str, str, str]:
    """Names of the files of the program `name`: the record, the page, the picture."""
    return f"{name}.json", f"{name}.html", f"{name}.png"


def lab_files(result: LabResult) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of `result` and the function that writes it to a path."""
    from surefoot.report.lab_figures import lab_figure

    record, page, picture = lab_names(result.name)
    return {record: result.save, page: partial(write_lab_page, result), picture: partial(lab_figure, result)}


def write_lab_page(result: LabResult, path: str | os.PathLike[str]) -> Path:
    """Write the page of a result.

    Raises:
        OutputError: `path` cannot be written.
    """
    return write_text(path, lab_page(result))


def lab_page(result: LabResult) -> str:
    """The page of a result, as HTML."""
    agreeing, count = result.counts
    said = [tag("p", sentence) for sentence in result.sentences]
    lead = tag("p", f"{agreeing} of {count} printed numbers agree with what was measured.", class_="lead")
    answer = tag("div", lead, *said, class_="answer" if agreeing == count else "answer unknown")
    rows = tuple((row[0], row[1], row[2], row[3], row[4]) for row in verdict_rows(result))
    verdicts = Table("Verdicts, each by its rule", ("number", "printed", "measured", "verdict", "rule"), rows)
    charts = lab_charts(result)
    body = [
        parts.header(result.title, f"surefoot lab {result.name}"), answer,
        tag("section", tag("h2", "Printed and measured"), parts.table(verdicts)),
        *(tag("section", tag("h2", one.title), parts.table(Table(one.title, one.columns, one.rows)))
          for one in result.tables),
        *(parts.section(one) for one in charts),
        parts.origin(result.provenance, result.notes, result.seconds),
    ]  # fmt: skip
    return parts.document(f"Lab: {result.title}", body, charts)


def verdict_rows(result: LabResult) -> list[tuple[str, str, str, str, str]]:
    """Key, printed, measured, verdict and rule of every number, entries of a list in one row."""
    rows = []
    for key, printed in result.printed.items():
        measured, verdict = result.measured[key], result.verdict[key]
        rows.append((key, _shown(printed), _shown(measured), _verdict(verdict), result.rule[key]))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(brief(float(one)) for one in value)
    return brief(float(value))


def _verdict(verdict: Any) -> str:
    if not isinstance(verdict, list | tuple):
        return str(verdict)
    agreeing = sum(one == "agrees" for one in verdict)
    if agreeing in (0, len(verdict)):
        return verdict[0] if verdict else "–"
    return f"{agreeing} of {len(verdict)} agree"
