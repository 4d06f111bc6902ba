"""The textbook as one page: every claim with its verdict, the number, a figure, and how to measure it again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.records import write_text
from surefoot.records.claim import Claim, ClaimResult, TextbookRecord, Verification
from surefoot.records.panel import Panel
from surefoot.report import page as parts
from surefoot.report.charts import Table
from surefoot.report.escaping import Markup, join, tag
from surefoot.report.numbers import duration
from surefoot.report.panel_svg import panel_svg
from surefoot.report.textbook_words import (
    changed_rows,
    contradicting_pairs,
    how_decided,
    number_words,
    printed_rows,
    remembered,
)
from surefoot.textbook.claims import TOPICS, all_claims

__all__ = ["textbook_files", "textbook_page", "verification_files", "write_textbook_page"]

_STYLE = """
.verdict { display: inline-block; border-radius: .3rem; padding: .05rem .5rem; font-size: .82rem; font-weight: 650;
  border: 1px solid currentColor; }
.verdict.supported { color: var(--good); } .verdict.contradicted { color: #c0392b; }
.verdict.depends { color: var(--warn); } .verdict.undecided, .verdict.unmeasured { color: var(--soft); }
@media (prefers-color-scheme: dark) { .verdict.contradicted { color: #ff8a7a; } }
.claim { border: 1px solid var(--edge); border-radius: .5rem; padding: .7rem 1rem; margin: .8rem 0; }
.claim h3 { font-size: 1.02rem; margin: .25rem 0; overflow-wrap: anywhere; }
.claim p { margin: .3rem 0; } .claim ul { margin: .3rem 0; }
.id, code { font: .85em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem; margin: .9rem 0; background: var(--card);
  border: 1px solid var(--edge); border-radius: .5rem; padding: .3rem .8rem; }
.pair > div { padding: .3rem 0; }
.pair p { margin: .25rem 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem .9rem; list-style: none; padding: 0; }
a { color: var(--link); }
svg.panel { width: 100%; max-width: 38rem; height: auto; display: block; margin: .5rem 0; }
svg .axis { fill: var(--ink); font-size: 12px; } svg .middle { text-anchor: middle; } svg .end { text-anchor: end; }
svg .grid { stroke: var(--grid); }
.wide { max-height: none; }
@media (max-width: 40rem) { th, td { white-space: normal; padding: .25rem .35rem; } td.words { min-width: 6rem; }
 .pair { grid-template-columns: 1fr; }
 .pair > div + div { border-top: 1px dashed var(--edge); } svg .axis { font-size: 15px; } }
"""


def textbook_files(record: TextbookRecord) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of a record and the function that writes it to a path."""
    return {"textbook.json": record.save, "textbook.html": partial(write_textbook_page, record)}


def verification_files(seen: Verification, record: TextbookRecord) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of a verification and the function that writes it to a path.

    The page shows what has just been measured, and the record for the claims that were not measured again.
    """
    return {
        "verification.json": seen.save,
        "textbook.html": partial(write_textbook_page, _renewed(seen, record)),
    }


def _renewed(seen: Verification, record: TextbookRecord) -> TextbookRecord:
    fresh = {
        one.id: ClaimResult(one.id, one.verdict, on=one.on, measurements=one.measurements, size=seen.size,
                            seconds=one.seconds, figure=_figure_of(record, one.id))
        for one in seen.claims
    }  # fmt: skip
    outcomes = {one.family: one for one in (*record.outcomes, *seen.outcomes)}
    known = {one.id: one for one in record.results} | fresh
    return TextbookRecord(
        results=tuple(known[one] for one in all_claims() if one in known),
        outcomes=tuple(outcomes.values()),
        provenance=seen.provenance,
        seconds=seen.seconds,
    )


def _figure_of(record: TextbookRecord, claim: str) -> str:
    found = record.result(claim)
    return "" if found is None else found.figure


def write_textbook_page(record: TextbookRecord, path: str | os.PathLike[str]) -> Path:
    """Write the page of a record.

    Raises:
        OutputError: `path` cannot be written.
    """
    return write_text(path, textbook_page(record))


def textbook_page(record: TextbookRecord) -> str:
    """The page of a record, as HTML: complete in itself, without any script."""
    results = {one.id: one for one in record.results}
    panels = {panel.title: panel for outcome in record.outcomes for panel in outcome.panels}
    earlier = {} if record.earlier is None else record.earlier.verdicts
    claims = [one for one in all_claims().values() if one.id in results]
    counts = {verdict: sum(one.verdict == verdict for one in results.values()) for verdict in _VERDICTS}
    body: list[Markup] = [
        _answer(claims, counts),
        _contents(),
        _summary(claims, results),
        _printed(claims, results),
        _contradictions(claims, results),
        _decided(claims, record),
    ]
    for topic in TOPICS:
        some = [one for one in claims if one.topic == topic]
        if some:
            cards = [_card(one, results[one.id], panels, earlier) for one in some]
            body.append(tag("section", tag("h2", _upper(topic), id=_anchor(topic)), *cards))
    body += [_experiments(record), parts.origin(record.provenance, (), record.seconds)]
    return _document("The learning rate, measured", body)


_VERDICTS = {
    "supported": "hold",
    "depends": "hold in some conditions only",
    "contradicted": "do not hold",
    "undecided": "are undecided",
}


def _answer(claims: Sequence[Claim], counts: dict[str, int]) -> Markup:
    lead = tag("p", f"{len(claims)} claims about the learning rate, each decided by measurement.", class_="lead")
    said = ", ".join(f"{counts[verdict]} {words}" for verdict, words in _VERDICTS.items() if counts[verdict])
    again = "surefoot verify CLAIM measures one again, surefoot verify --all every one."
    link = tag("a", "How they are decided", href="#decided")
    return tag("div", lead, tag("p", f"{said}."), tag("p", link, "; ", again), class_="answer")


def _contents() -> Markup:
    places = [("remember", "What to remember"), ("printed", "Printed numbers"), ("against", "Contradictions")]
    places.append(("decided", "How it is decided"))
    places += [(_anchor(topic), _upper(topic)) for topic in TOPICS]
    return tag("nav", tag("ul", *(tag("li", tag("a", name, href=f"#{place}")) for place, name in places)))


def _summary(claims: Sequence[Claim], results: dict[str, ClaimResult]) -> Markup:
    titles = {
        "contradicted": "Often said, and not so",
        "depends": "True under conditions",
        "supported": "What holds",
        "undecided": "Not decided",
    }
    sections = []
    for verdict, title in titles.items():
        said = [
            tag("li", tag("a", one.statement, href=f"#{one.id}") if verdict != "supported" else "",
                Markup("<br>") if verdict != "supported" else "", remembered(one, results[one.id]))
            for one in claims
            if results[one.id].verdict == verdict
        ]  # fmt: skip
        if said:
            is_open = "" if verdict == "contradicted" else None
            sections.append(tag("details", tag("summary", f"{title} ({len(said)})"), tag("ul", *said), open=is_open))
    return tag("section", tag("h2", "What to remember", id="remember"), *sections)


def _printed(claims: Sequence[Claim], results: dict[str, ClaimResult]) -> Markup:
    rows = tuple(
        (f"{words} ({place})" if place else words, printed, measured, agree)
        for place, words, printed, measured, agree, _ in printed_rows(claims, results)
    )
    if not rows:
        return Markup("")
    columns = ("what, and where", "printed", "measured", "")
    return tag(
        "section",
        tag("h2", "Printed numbers beside measured ones", id="printed"),
        parts.table(Table("Numbers that the course notes print", columns, rows)),
    )


def _contradictions(claims: Sequence[Claim], results: dict[str, ClaimResult]) -> Markup:
    pairs = [
        tag("div", *(tag("div", _badge(results[one.id].verdict),
                         tag("p", tag("a", one.statement, href=f"#{one.id}"))) for one in pair), class_="pair")
        for pair in contradicting_pairs(claims)
    ]  # fmt: skip
    if not pairs:
        return Markup("")
    said = tag(
        "p", "The course notes state both of each pair; the verdicts say which of them the measurements bear out."
    )
    return tag("section", tag("h2", "Claims that exclude each other", id="against"), said, *pairs)


def _decided(claims: Sequence[Claim], record: TextbookRecord) -> Markup:
    changed = [
        tag(
            "div",
            tag("p", _badge(before), " → ", _badge(now)),
            tag("p", tag("a", statement, href=f"#{claim}")),
            tag("p", why, class_="soft"),
            class_="claim",
        )
        for statement, before, now, why, claim in changed_rows(claims, record)
    ]
    said = tag("p", how_decided(claims, record))
    if changed:
        changed.insert(0, tag("h3", "Verdicts that differ from the earlier run"))
    return tag("section", tag("h2", "How it is decided", id="decided"), said, *changed)


def _card(claim: Claim, result: ClaimResult, panels: dict[str, Panel], earlier: Mapping[str, str]) -> Markup:
    first = result.measurements[0] if result.measurements else None
    lines = [_badge(result.verdict), tag("h3", claim.statement)]
    if result.on:
        lines.append(tag("p", result.on[:1].upper() + result.on[1:] + "."))
    if first is not None:
        lines.append(tag("p", f"{_upper(first.name)}: ", tag("strong", number_words(first)), "."))
    if claim.lesson and result.verdict == claim.expected:
        lines.append(tag("p", claim.lesson))
    if result.verdict != claim.expected:
        lines.append(tag("p", f"Expected from the literature: {claim.expected}.", class_="soft"))
    if claim.explanation:
        lines.append(tag("p", claim.explanation))
    before = earlier.get(claim.id)
    if before is not None and before != result.verdict:
        lines.append(tag("p", f"An earlier run from other seeds came to: {before}. {claim.changed}".strip()))
    lines.append(tag("p", tag("code", claim.command), class_="soft"))
    picture = panel_svg(panels[result.figure]) if result.figure in panels else None
    inside: list[Markup] = []
    if picture is not None:
        inside += [tag("p", result.figure, class_="soft"), picture]
    rows = tuple(
        (_upper(one.name) + (f" [{one.method}]" if one.method else ""), number_words(one), str(one.n))
        for one in result.measurements
    )
    inside.append(parts.table(Table("Measured, with 95% intervals over n repetitions", ("what", "number", "n"), rows)))
    facts = [("Decided by", str(claim.rule)), ("Corrected before this run", claim.corrected)]
    facts.append(("Measured on", claim.conditions))
    facts += [("Literature", one) for one in claim.sources]
    if claim.places:
        facts.append(("In the course notes", "; ".join(claim.places)))
    inside.append(tag("ul", *(tag("li", f"{name}: {words}") for name, words in facts if words)))
    others = [*claim.contradicts, *claim.related]
    if others:
        links = [Markup(" ")]
        for one in others:
            links += [tag("a", one, href=f"#{one}", class_="id"), Markup(" ")]
        inside.append(tag("p", "See also", *links))
    lines.append(tag("details", tag("summary", "Figure, numbers, rule, literature"), *inside))
    return tag("article", *lines, class_="claim", id=claim.id)


def _experiments(record: TextbookRecord) -> Markup:
    rows = tuple(
        (one.family, str(len(one.seeds)), "–" if one.seconds is None else duration(one.seconds), "; ".join(one.notes))
        for one in record.outcomes
    )
    table = Table("Each is run once and serves all claims that need it", ("experiment", "seeds", "time", "what"), rows)
    return tag("section", tag("h2", "Experiments"), parts.table(table))


def _badge(verdict: str) -> Markup:
    return tag("span", verdict, class_=f"verdict {verdict}")


def _anchor(topic: str) -> str:
    return "topic-" + topic.lower().replace(" ", "-")


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]


def _document(subject: str, body: list[Markup]) -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="generator" content="surefoot">'),
        tag("title", f"{subject} · Surefoot"),
        Markup(f"<style>\n{parts.style()}{_STYLE}</style>"),
    ]
    made = "Made by Surefoot from a saved record. This page is complete in itself and connects to nowhere."
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n' + join(head) + "\n</head>\n<body>\n<header>\n"
        + parts.header(subject, "What courses say, and what came out") + "\n</header>\n<main>\n" + join(body)
        + f"\n</main>\n<footer>{tag('p', made)}</footer>\n</body>\n</html>\n"
    )  # fmt: skip
