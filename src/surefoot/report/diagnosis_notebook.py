"""A diagnosis in a notebook: verdict, size, remedy and what speaks for them."""

from __future__ import annotations

from surefoot.records.diagnosis import Diagnosis
from surefoot.report.diagnosis_card import harmless
from surefoot.report.diagnosis_words import evidence_first, share_words, size_words, title_of
from surefoot.report.escaping import tag

__all__ = ["diagnosis_card"]


def diagnosis_card(one: Diagnosis) -> str:
    """The diagnosis in a notebook: verdict, size, remedy and the findings that hold."""
    said = [one.text, size_words(one), one.remedy]
    rows = [tag("li", tag("b", finding.id), f": {harmless(finding.text)}") for finding in evidence_first(one)]
    lead = tag("strong", f"{title_of(one)} {share_words(one)}")
    body = [tag("p", harmless(sentence), style="margin:.2em 0") for sentence in said if sentence]
    return tag("div", lead, *body, tag("ul", *rows), style="max-width:60em")
