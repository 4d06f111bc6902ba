"""The page of diagnoses: for each run the verdict, the curve with marks where the evidence lies, and every finding."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.records import Finding, Run, write_text
from surefoot.records.diagnosis import Diagnoses, Diagnosis
from surefoot.report import page as parts
from surefoot.report.charts import Chart, Table
from surefoot.report.colours import BAD, FAINT, GOOD, LINE, SECOND
from surefoot.report.diagnosis_card import harmless
from surefoot.report.diagnosis_words import chance_words, evidence_first, share_words, size_words, title_of
from surefoot.report.escaping import Markup, tag
from surefoot.report.numbers import brief, count
from surefoot.report.series import is_wide, log_axis, smoothed, thinned_places

__all__ = ["diagnosis_chart", "diagnosis_files", "diagnosis_page", "write_diagnosis_page"]

_POINTS = 400
_CHARTS = 40
"""Runs with a picture of their own; a page with more would be too heavy to open."""
_SHADED = 3
"""Findings whose steps are marked in the picture."""


def write_diagnosis_page(found: Diagnoses | Diagnosis, path: str | os.PathLike[str]) -> Path:
    """Write the page of diagnoses.

    Raises:
        OutputError: `path` cannot be written.
    """
    return write_text(path, diagnosis_page(found))


def diagnosis_files(found: Diagnoses | Diagnosis) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of diagnoses and the function that writes it."""
    return {"diagnosis.json": found.save, "diagnosis.html": partial(write_diagnosis_page, found)}


def diagnosis_page(found: Diagnoses | Diagnosis) -> str:
    """The page, as HTML."""
    each = found.each if isinstance(found, Diagnoses) else (found,)
    charts: list[Chart] = []
    body: list[Markup] = []
    for place, one in enumerate(each):
        chart = diagnosis_chart(one, f"run-{place}") if place < _CHARTS else None
        body += _section(one, chart, single=len(each) == 1)
        if chart is not None:
            charts.append(chart)
    faults = sum(one.is_fault for one in each)
    if len(each) == 1:
        top = parts.header(f"Diagnosis: {title_of(each[0])}", _where(each[0]))
    else:
        top = parts.header("Diagnosis", f"{count(len(each), 'run')}, {faults} with a fault")
        body.insert(0, tag("section", tag("h2", "All runs"), parts.table(_overview(each))))
    return parts.document("Diagnosis", [top, *body], charts)


def _where(one: Diagnosis) -> str:
    return harmless(one.path) + (f" ({harmless(one.format)})" if one.format else "")


def _overview(each: tuple[Diagnosis, ...]) -> Table:
    rows = tuple(
        (
            _where(one) or f"run {place + 1}",
            title_of(one),
            chance_words(one.probability),
            size_words(one) or "–",
            one.remedy,
        )
        for place, one in enumerate(each)
    )
    return Table("Verdicts", ("run", "verdict", "probability", "rate", "remedy"), rows)


def _section(one: Diagnosis, chart: Chart | None, *, single: bool) -> list[Markup]:
    lead = tag("p", f"{title_of(one)}{', ' if share_words(one) else ''}{share_words(one)}", class_="lead")
    said = [tag("p", one.text), *([tag("p", size_words(one))] if one.decades else []), tag("p", one.remedy)]
    fine = not one.is_fault and one.verdict != "unknown"
    answer = tag("div", lead, *said, class_="answer" if fine else "answer unknown")
    made = [] if single else [tag("h2", _where(one) or "Run")]
    made.append(answer)
    if chart is not None:
        made.append(parts.section(chart))
    made.append(tag("details", tag("summary", "Every check and its answer"), parts.table(_findings(one))))
    if one.notes:
        made.append(tag("ul", *(tag("li", harmless(note)) for note in one.notes)))
    return made


def _findings(one: Diagnosis) -> Table:
    rows = tuple(
        (
            finding.id,
            finding.result,
            _statistic(finding),
            "–" if finding.steps is None else f"{finding.steps[0]} to {finding.steps[1]}",
            harmless(finding.text),
            finding.remedy,
        )
        for finding in one.findings
    )
    return Table("Checks", ("check", "result", "statistic", "steps", "what was seen", "remedy"), rows)


def _statistic(finding: Finding) -> str:
    if not finding.evidence:
        return "–"
    first = finding.evidence[0]
    ends = "" if first.low is None or first.high is None else f" ({brief(first.low, 3)} to {brief(first.high, 3)})"
    return f"{first.name}: {brief(first.value, 3)}{ends}"


def diagnosis_chart(one: Diagnosis, name: str) -> Chart | None:
    """The losses over the steps, with the stretches shaded that findings rest on; None without a loss."""
    run = one.run
    if run is None or not (np.isfinite(run.loss).any() or np.isfinite(run.val_loss).any()):
        return None
    traces, shown = _lines(run)
    shapes, notes = _marks(one)
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": f"{run.unit}s"}}, "yaxis": {"title": {"text": "loss"}},
        "shapes": shapes, "annotations": notes, "showlegend": True,
    }  # fmt: skip
    if is_wide(shown):
        layout["yaxis"] |= log_axis(shown)
    holding = evidence_first(one)
    said = "; ".join(f"{finding.id}: {finding.text}" for finding in holding[:_SHADED]) or "No finding holds"
    places = thinned_places(len(run.step), 60)
    rows = tuple((str(run.step[at]), brief(float(run.loss[at]))) for at in places)
    if not rows:
        rows = tuple((str(at), brief(float(loss))) for at, loss in zip(run.val_step, run.val_loss, strict=True))
    table = Table("Losses", (run.unit, "loss"), rows)
    return Chart(name, "Loss, and where the evidence lies", harmless(said) + ".", traces, layout, table)


def _lines(run: Run) -> tuple[list[dict[str, Any]], list[float]]:
    traces: list[dict[str, Any]] = []
    shown: list[float] = []
    keep = thinned_places(len(run.step), _POINTS)
    if len(run.step) and np.isfinite(run.loss).any():
        steps = run.step[keep].tolist()
        smooth = smoothed(run.loss)[keep]
        shown += smooth[np.isfinite(smooth)].tolist()
        traces += [
            {"type": "scatter", "mode": "lines", "x": steps, "y": run.loss[keep].tolist(), "name": "training loss",
             "line": {"color": LINE, "width": 1}, "opacity": 0.4},
            {"type": "scatter", "mode": "lines", "x": steps, "y": smooth.tolist(), "name": "training, smoothed",
             "line": {"color": LINE, "width": 2}},
        ]  # fmt: skip
    if np.isfinite(run.val_loss).any():
        at = thinned_places(len(run.val_step), _POINTS)
        shown += run.val_loss[np.isfinite(run.val_loss)].tolist()
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "x": run.val_step[at].tolist(), "y": run.val_loss[at].tolist(),
             "name": "validation loss", "line": {"color": SECOND, "width": 2}, "marker": {"size": 5}}
        )  # fmt: skip
    return traces, shown


def _marks(one: Diagnosis) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Shaded stretches and their names, the first findings first."""
    colour = BAD if one.is_fault else FAINT if one.verdict == "unknown" else GOOD
    shapes, notes = [], []
    placed = [finding for finding in evidence_first(one) if finding.steps is not None][:_SHADED]
    for row, finding in enumerate(placed):
        assert finding.steps is not None
        first, last = finding.steps
        shapes.append(
            {"type": "rect", "xref": "x", "yref": "paper", "x0": first, "x1": max(last, first + 1), "y0": 0, "y1": 1,
             "fillcolor": colour, "opacity": 0.08, "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
        notes.append(
            {"xref": "x", "yref": "paper", "x": (first + last) / 2, "y": 1.02 + 0.07 * row, "yanchor": "bottom",
             "text": finding.id, "showarrow": False, "font": {"color": colour, "size": 11}}
        )  # fmt: skip
    return shapes, notes
