"""The page of a study, its card in a notebook, and the files it becomes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from surefoot.records import write_text
from surefoot.records.study import Study
from surefoot.report.escaping import Markup, tag
from surefoot.report.page import document, header, origin, section
from surefoot.report.study_charts import best_rate_chart, importance_chart, study_chart, study_figure
from surefoot.report.study_words import axis_name, best_sentence, cost_sentence, response_sentence

__all__ = ["STUDY_NAMES", "study_card", "study_files", "study_page"]

STUDY_NAMES = ("study.json", "study.html", "study.png")
_CHARTS = 8
"""Charts of best rates on a page."""


def study_page(study: Study) -> str:
    """The page of a study, as HTML."""
    said = [tag("p", best_sentence(study), class_="lead"), tag("p", cost_sentence(study), class_="soft")]
    said += [tag("p", response_sentence(one)) for one in study.responses if one.exponent is not None]
    answer = tag("div", *said, class_="answer" if study.best is not None else "answer unknown")
    charts = [study_chart(study)]
    charts += [best_rate_chart(one, place) for place, one in enumerate(study.responses[:_CHARTS])]
    if study.importance:
        charts.append(importance_chart(study))
    subject = f"Sweep of {study.task}"
    axes = ", ".join(axis_name(axis) for axis in study.axes)
    phrase = f"Over {axes}." if axes else ""
    body = [header(subject, phrase), answer, *(section(one) for one in charts)]
    body.append(origin(study.provenance, study.notes, study.cost.get("wall_seconds") or None))
    return document(subject, body, charts)


def study_files(study: Study) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of a study and the function that writes it."""
    return {
        "study.json": study.save,
        "study.html": lambda path: write_text(path, study_page(study)),
        "study.png": lambda path: study_figure(study, path),
    }


def study_card(study: Study) -> str:
    """The best setting and the picture, for a notebook."""
    stream = io.BytesIO()
    study_figure(study).savefig(stream, format="png", dpi=90)
    source = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    sentence = best_sentence(study)
    image = Markup(f'<img src="{source}" alt="{tag("i", sentence)[3:-4]}" style="max-width:100%">')
    said = [tag("p", one, style="margin:.2em 0") for one in (sentence, cost_sentence(study))]
    return str(tag("div", tag("strong", f"Sweep of {study.task}"), *said, image, style="max-width:60em"))
