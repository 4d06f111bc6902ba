"""The page and the files of a curvature record."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.records import Curvature, write_text
from surefoot.report import page as parts
from surefoot.report.charts import Table
from surefoot.report.curvature_charts import curvature_charts, noise_sentence
from surefoot.report.curvature_words import flow_sentence, with_error
from surefoot.report.escaping import Markup, tag
from surefoot.report.numbers import brief, rate
from surefoot.report.words import recipe_phrase

__all__ = [
    "CURVATURE_NAMES",
    "LAYER_COLUMNS",
    "curvature_card",
    "curvature_facts",
    "curvature_files",
    "curvature_page",
    "layer_rows",
    "write_curvature_page",
]

CURVATURE_NAMES = ("curvature.json", "curvature.html", "curvature.png")
"""Names of the files: the record, the page, the picture."""
LAYER_COLUMNS = ("parameter", "numbers", "gradient", "weight", "update / weight", "sharpness alone")


def curvature_files(found: Curvature) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of `found` and the function that writes it to a path."""
    from surefoot.report.curvature_figures import curvature_figure

    record, page, picture = CURVATURE_NAMES
    return {record: found.save, page: partial(write_curvature_page, found), picture: partial(curvature_figure, found)}


def write_curvature_page(found: Curvature, path: str | os.PathLike[str]) -> Path:
    """Write the page of a record.

    Raises:
        OutputError: `path` cannot be written.
    """
    return write_text(path, curvature_page(found))


def curvature_page(found: Curvature) -> str:
    """The page of a record, as HTML."""
    fine = found.verdict in (None, "stable", "oscillating but stable", "at the edge") and found.converged
    said = [tag("p", noise_sentence(found.noise_scale))] if found.noise_scale is not None else []
    lead = tag("p", _headline(found), class_="lead")
    answer = tag("div", lead, tag("p", found.statement), *said, class_="answer" if fine else "answer unknown")
    facts = tag(
        "dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in curvature_facts(found).items()),
        class_="facts",
    )  # fmt: skip
    charts = curvature_charts(found)
    layers = []
    if found.layers:
        listed = Table("Root mean squares, by parameter", LAYER_COLUMNS, layer_rows(found))
        layers = [tag("section", tag("h2", "Layers"), tag("p", flow_sentence(found.layers)), parts.table(listed))]
    subject = f"Curvature of {found.task}"
    phrase = "" if found.recipe is None else recipe_phrase(found.recipe)
    body = [
        parts.header(subject, phrase), answer, facts, *(parts.section(one) for one in charts), *layers,
        parts.origin(found.provenance, found.notes, found.seconds),
    ]  # fmt: skip
    return parts.document(subject, body, charts)


def _headline(found: Curvature) -> str:
    if found.limit is None:
        return f"Sharpness {brief(found.sharpness, 4)}; no limit is known for {found.optimizer}"
    if found.lr is None or found.verdict is None:
        return f"Rates up to {rate(found.limit)} are stable before training"
    if found.verdict == "unknown":
        return f"Whether rate {rate(found.lr)} is stable cannot be told"
    return f"Rate {rate(found.lr)} is {found.verdict}: the limit is {rate(found.limit)}"


def curvature_facts(found: Curvature) -> dict[str, str]:
    """The numbers that matter, by name."""
    shown = brief(found.sharpness, 5)
    if not found.converged:
        shown += f" (not converged, residual {brief(found.residual, 2)})"
    facts = {"Sharpness": shown, "Error": brief(found.error, 2), "Products": brief(found.products, 3)}
    if found.preconditioned is not None:
        facts["Largest of P⁻¹H"] = brief(found.preconditioned, 5)
    facts["Limit"] = "not known" if found.limit is None else rate(found.limit)
    if found.lr is not None:
        facts |= {"Rate": rate(found.lr), "Margin": brief(found.margin, 3), "Verdict": found.verdict or ""}
    if found.noise_scale is not None:
        facts["Noise scale"] = "unresolved" if found.noise_scale.value is None else brief(found.noise_scale.value, 3)
    facts["At step"] = str(found.step)
    return facts


def layer_rows(found: Curvature) -> tuple[tuple[str, ...], ...]:
    """Every parameter as text."""
    return tuple(
        (
            one.name, str(one.size), brief(one.gradient, 3), brief(one.weight, 3),
            "–" if one.update is None or one.weight == 0 else brief(one.update / one.weight, 3),
            with_error(one.sharpness, one.error, one.converged, 3),
        )
        for one in found.layers
    )  # fmt: skip


def curvature_card(found: Curvature) -> str:
    """How a record shows itself in a notebook."""
    from surefoot.report.curvature_figures import curvature_figure

    stream = io.BytesIO()
    curvature_figure(found).savefig(stream, format="png", dpi=90)
    source = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    image = Markup(f'<img src="{source}" alt="curvature" style="max-width:100%">')
    return str(tag("div", tag("strong", f"Curvature of {found.task}"), tag("p", found.statement), image))
