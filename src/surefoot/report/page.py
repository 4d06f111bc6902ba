"""The page: a record as one HTML file that opens offline, in any browser, on a phone, in the dark.

Everything is inside the file: style, script, the compressed chart library and the compressed data. Its content policy
lets exactly these scripts run, by their hashes, and allows no connection to anywhere.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from importlib import resources
from pathlib import Path

from surefoot.errors import InputError
from surefoot.records import Found, Provenance, Recipe, Run, Sweep, write_text
from surefoot.report.charts import Chart, Table, members_chart, response_chart, run_charts, runs_chart
from surefoot.report.compare_charts import compare_chart
from surefoot.report.escaping import Markup, join, script_json, tag, text
from surefoot.report.numbers import brief, count, duration, rate
from surefoot.report.packing import ALPHABET, pack
from surefoot.report.snippets import snippets
from surefoot.report.words import headline, recipe_phrase, recommendation, run_sentence

__all__ = ["document", "header", "origin", "page_of", "section", "style", "table", "write_page"]

_TALL = ("above", "surface")
"""Charts of two dimensions, which want room in both."""


def write_page(record: Found | Run | Sweep, path: str | os.PathLike[str]) -> Path:
    """Write the page of a record.

    Raises:
        OutputError: `path` cannot be written.
    """
    return write_text(path, page_of(record))


def page_of(record: Found | Run | Sweep) -> str:
    """The page of a record, as HTML."""
    if isinstance(record, Found):
        return _found_page(record)
    return _run_page(record) if isinstance(record, Run) else _sweep_page(record)


def _found_page(found: Found) -> str:
    lead = tag("p", headline(found), class_="lead")
    said = [tag("p", sentence) for sentence in recommendation(found)]
    why = [] if found.lr is None else [tag("p", f"Why: {found.reason}", class_="soft")]
    answer = tag("div", lead, *said, *why, class_="answer" if found.lr is not None else "answer unknown")
    low, high = found.interval or (None, None)
    facts = {
        "Peak rate": "unknown" if found.lr is None else rate(found.lr),
        "Interval": "–" if low is None else f"{rate(low)} to {rate(high)}",
        "Diverges above": "not seen" if found.divergence_lr is None else rate(found.divergence_lr),
        "Expected loss": brief(found.expected_loss, 3),
        "Cost": f"{brief(found.cost, 2)} trainings",
        "Method": found.method,
    }
    charts = [response_chart(found)]
    if any(len(run.loss) for run in found.runs):
        charts.append(members_chart(found))
    rules = []
    if found.rules:
        rows = tuple((name, rate(value)) for name, value in found.rules.items())
        listed = Table("Rates that published rules suggest from the same range test", ("rule", "rate"), rows)
        rules = [tag("h2", "Range-test rules"), table(listed)]
    subject = f"Learning rate of {found.task}"
    body = [
        header(subject, recipe_phrase(found.recipe)), answer, _facts(facts), *(section(one) for one in charts),
        *rules, _code(found.recipe), origin(found.provenance, found.notes, found.seconds),
    ]  # fmt: skip
    return document(subject, body, charts)


def _run_page(run: Run) -> str:
    charts = run_charts(run)
    facts = {"Ended": run.fate, "Steps": f"{run.steps:,}"}
    if run.recipe is not None:
        facts = {"Peak rate": rate(run.recipe.lr)} | facts
    if len(run.val_loss):
        facts["Validation loss"] = brief(float(run.val_loss[-1]))
    facts |= {name.replace("_", " ").capitalize(): brief(float(v[-1])) for name, v in run.val_metrics.items() if len(v)}
    fine = run.fate in ("finished", "stopped")
    answer = tag("div", tag("p", run_sentence(run)), class_="answer" if fine else "answer unknown")
    recipe = [] if run.recipe is None else [_code(run.recipe)]
    phrase = "" if run.recipe is None else recipe_phrase(run.recipe)
    subject = f"Training of {run.task}" if run.task else "Training"
    body = [header(subject, phrase), answer, _facts(facts), *(section(one) for one in charts), *recipe]
    body.append(origin(run.provenance, run.notes, run.seconds))
    return document(subject, body, charts)


def _sweep_page(sweep: Sweep) -> str:
    best = [run for run in sweep.runs if run.final_val_loss == run.final_val_loss]
    said = f"{count(len(sweep.runs), 'run')} of {sweep.task}, {sweep.cost:,} steps in all."
    if best:
        top = min(best, key=lambda run: run.final_val_loss)
        where = "" if top.recipe is None else f" at rate {rate(top.recipe.lr)}"
        said += f" The lowest validation loss was {brief(top.final_val_loss)}{where}."
    charts = [compare_chart(sweep), runs_chart(sweep.runs, "Every run", said)]
    subject = f"Sweep of {sweep.task}"
    body = [header(subject, ""), *(section(one) for one in charts), origin(sweep.provenance, (), None)]
    return document(subject, body, charts)


def header(subject: str, phrase: str) -> Markup:
    """The top of a page: what it is about and, softer, a phrase (may be empty)."""
    return join([tag("h1", subject), *([tag("p", phrase, class_="soft")] if phrase else [])])


def _facts(facts: dict[str, str]) -> Markup:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items()), class_="facts")


def section(chart: Chart) -> Markup:
    """A chart with its sentence and, folded, its numbers as a table."""
    small = " small" if chart.name in ("rate", "norm", "metrics") else " tall" if chart.name in _TALL else ""
    waiting = tag("p", "Drawing … without JavaScript, the table below holds the numbers.", class_="waiting")
    label = f"{chart.title}: {chart.sentence}"
    plot = tag("div", waiting, class_=f"plot{small}", id=f"plot-{chart.name}", role="img", aria_label=label)
    numbers = tag("details", tag("summary", "The numbers as a table"), table(chart.table))
    return tag("section", tag("h2", chart.title), tag("p", chart.sentence), plot, numbers)


def table(shown: Table) -> Markup:
    """A table that scrolls sideways by itself where the page is too narrow for it."""
    head = tag("tr", *(tag("th", name, scope="col") for name in shown.columns))
    rows = [
        tag("tr", *(tag("td", cell, class_="words" if len(cell) > 24 else None) for cell in row)) for row in shown.rows
    ]
    whole = tag("table", tag("caption", shown.caption), tag("thead", head), tag("tbody", *rows))
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=shown.caption)


def _code(recipe: Recipe) -> Markup:
    title = tag("h2", "The recipe as code")
    try:
        shown = snippets(recipe)
    except InputError as error:
        return tag("section", title, tag("p", f"This recipe cannot be written as code: {error}."))
    if not shown:
        return Markup("")
    parts = []
    for place, one in enumerate(shown):
        name = f"code-{place}"
        button = tag("button", "Copy", type="button", data_copies=name, aria_label=f"Copy the code for {one.name}")
        code = tag("pre", tag("code", one.code, id=name), tabindex="0", aria_label=f"Code for {one.name}")
        parts.append(
            tag("details", tag("summary", one.name), tag("div", code, button, class_="code"), name="code",
                open="" if place == 0 else None)
        )  # fmt: skip
    said = "Paste it where make_model, loss_fn and train_set are yours."
    return tag("section", title, tag("p", said), *parts)


def origin(provenance: Provenance | None, notes: tuple[str, ...], seconds: float | None) -> Markup:
    """Notes and where the numbers come from; empty if nothing is known. `seconds` is the time it took."""
    facts: dict[str, str] = {}
    if provenance is not None:
        facts = {
            "command": provenance.command, "date": provenance.date, "machine": provenance.machine,
            "device": provenance.device,
            "versions": ", ".join(f"{name} {version}" for name, version in provenance.versions.items()),
            "seeds": ", ".join(f"{name} {seed}" for name, seed in provenance.seeds.items()),
            "data (SHA-256)": provenance.data,
        }  # fmt: skip
    if seconds is not None:
        facts["time"] = duration(seconds)
    rows = tuple((name, value) for name, value in facts.items() if value)
    parts = [tag("ul", *(tag("li", note) for note in notes))] if notes else []
    if rows:
        parts.append(table(Table("Where these numbers come from", ("what", "value"), rows)))
    if not parts:
        return Markup("")
    return tag("section", tag("h2", "Origin"), *parts)


def document(subject: str, body: list[Markup], charts: list[Chart]) -> str:
    """The whole file: `body[0]` is the header of the page; `charts` are those whose sections are in `body`."""
    page_script = _asset("page.js")
    library, library_hash = _library()
    policy = (
        f"default-src 'none'; script-src '{_hash(page_script)}' '{library_hash}'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    data = pack(script_json([{"name": one.name, "traces": one.traces, "layout": one.layout} for one in charts]))
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="generator" content="surefoot">'),
        tag("title", f"{subject} · Surefoot"),
        Markup(f"<style>\n{_asset('page.css')}</style>"),
    ]
    hidden = [
        Markup(f'<script type="text/plain" id="alphabet">{ALPHABET}</script>'),
        Markup(f'<script type="text/plain" id="charts">{data}</script>'),
        Markup(f'<script type="text/plain" id="library">{library}</script>'),
        Markup(f"<script>{page_script}</script>"),
    ]
    made = text("Made by Surefoot from a saved record. This page is complete in itself and connects to nowhere.")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n' + join(head) + "\n</head>\n<body>\n<header>\n" + body[0]
        + "\n</header>\n<main>\n" + join(body[1:]) + f"\n</main>\n<footer><p>{made}</p></footer>\n"
        + join(hidden) + "\n</body>\n</html>\n"
    )  # fmt: skip


def style() -> str:
    """The style sheet of all pages."""
    return _asset("page.css")


def _asset(name: str) -> str:
    return resources.files("surefoot.report").joinpath("assets", name).read_text(encoding="utf-8")


@functools.cache
def _library() -> tuple[str, str]:
    """The chart library, packed, and the hash by which the page lets it run."""
    from plotly.offline import get_plotlyjs

    # A browser reads every kind of line end in a script as one line feed before it takes the hash.
    script: str = get_plotlyjs().replace("\r\n", "\n").replace("\r", "\n")
    return pack(script), _hash(script)


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
