"""The page of a watched training, and of a probe; their cards and that of a deed in a notebook."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.records import Action, Finding, Probe, Watched, write_text
from surefoot.report import page as parts
from surefoot.report.cards import card, card_table
from surefoot.report.charts import Table
from surefoot.report.diagnosis_card import harmless
from surefoot.report.escaping import Markup, tag
from surefoot.report.numbers import brief, rate
from surefoot.report.watched_charts import probe_chart, watched_charts
from surefoot.report.watched_figures import probe_figure, watched_figure
from surefoot.report.watched_words import action_words, probe_answer, probe_words, watched_words

__all__ = ["action_card", "probe_card", "probe_files", "watched_card", "watched_files", "watched_page"]


def watched_page(watched: Watched | Probe) -> str:
    """The page, as HTML."""
    if isinstance(watched, Probe):
        return _probe_page(watched)
    run = watched.run
    charts = watched_charts(watched)
    lead, *said = watched_words(watched)
    fine = run.fate in ("finished", "stopped")
    answer = tag(
        "div", tag("p", lead, class_="lead"), *(tag("p", one) for one in said),
        class_="answer" if fine else "answer unknown",
    )  # fmt: skip
    tables = []
    if watched.findings:
        tables.append(tag("section", tag("h2", "What was found"), parts.table(_findings(watched.findings))))
    if watched.actions:
        tables.append(tag("section", tag("h2", "What was done"), parts.table(_actions(watched.actions))))
    subject = f"Training of {run.task}, watched" if run.task else "Training, watched"
    body: list[Markup] = [parts.header(subject, ""), answer, *tables, *(parts.section(one) for one in charts)]
    notes = (*run.notes, *watched.inspection.notes)
    body.append(parts.origin(run.provenance, tuple(harmless(note) for note in notes), run.seconds))
    return parts.document(subject, body, charts)


def _probe_page(probe: Probe) -> str:
    chart = probe_chart(probe)
    said = [tag("p", probe_answer(probe), class_="lead"), *(tag("p", harmless(one)) for one in probe_words(probe))]
    answer = tag("div", *said, class_="answer" if probe.lr is not None else "answer unknown")
    body = [parts.header("Probe", ""), answer, parts.section(chart), parts.origin(None, (), probe.seconds)]
    return parts.document("Probe", body, [chart])


def watched_card(watched: Watched) -> str:
    """What the training reached, what was found and done, and its curves."""
    rows = [(str(one.step), action_words(one), harmless(one.text)) for one in watched.actions]
    rows += [("–", one.id, harmless(one.text)) for one in watched.findings]
    table = card_table(("step", "what", "why"), rows)
    return card("Training, watched", watched_words(watched), watched_figure(watched), table)


def probe_card(probe: Probe) -> str:
    """The answer, the losses over the rates, and the trials' table."""
    rows = [
        (rate(float(lr)), brief(float(loss)), brief(float(error), 2))
        for lr, loss, error in zip(probe.lrs, probe.losses, probe.errors, strict=True)
    ]
    table = card_table(("rate", "loss", "standard error"), rows)
    return card(probe_answer(probe), [harmless(one) for one in probe_words(probe)], probe_figure(probe), table)


def action_card(action: Action) -> str:
    """What was done, why, and what it changed."""
    before, after = rate(action.lr_before), rate(action.lr_after)
    facts = [f"rate {before} to {after}" if action.factor != 1.0 else f"rate {before}, as before"]
    if action.restored is not None:
        facts.append(f"weights of step {action.restored} put back")
    steps = None if action.evidence is None else action.evidence.steps
    if steps is not None:
        facts.append(f"evidence: steps {steps[0]} to {steps[1]}")
    said = [harmless(action.text), "; ".join(facts)]
    body = [tag("p", one, style="margin:.2em 0") for one in said if one]
    return tag("div", tag("strong", action_words(action).capitalize()), *body, style="max-width:60em")


def _findings(findings: tuple[Finding, ...]) -> Table:
    rows = tuple(
        (one.id, "–" if one.steps is None else f"{one.steps[0]} to {one.steps[1]}", harmless(one.text), one.remedy)
        for one in findings
    )
    return Table("Findings, in the order in which they became certain", ("finding", "steps", "what was seen", "remedy"),
                 rows)  # fmt: skip


def _actions(actions: tuple[Action, ...]) -> Table:
    rows = tuple(
        (str(one.step), action_words(one), rate(one.lr_before), rate(one.lr_after), harmless(one.text))
        for one in actions
    )
    return Table("Deeds", ("step", "deed", "rate before", "rate after", "why"), rows)


def watched_files(watched: Watched) -> dict[str, Callable[[Path], Any]]:
    """Name of each file and the function that writes it."""
    return {
        "watched.json": watched.save,
        "watched.html": partial(_write, watched),
        "watched.png": partial(watched_figure, watched),
    }


def probe_files(probe: Probe) -> dict[str, Callable[[Path], Any]]:
    """Name of each file and the function that writes it."""
    return {
        "probe.json": probe.save,
        "probe.html": partial(_write, probe),
        "probe.png": partial(probe_figure, probe),
    }


def _write(record: Watched | Probe, path: str | os.PathLike[str]) -> Path:
    return write_text(path, watched_page(record))
