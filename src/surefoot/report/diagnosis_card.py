"""The card of a diagnosis on a terminal: verdict, how sure, by how much, evidence with steps, remedy, notes.

Whatever comes from a log (its path, its notes) is printed without markup and without control characters, so that it
cannot steer the terminal.
"""

from __future__ import annotations

import unicodedata

from rich.text import Text

from surefoot.records import Finding
from surefoot.records.diagnosis import Diagnosis
from surefoot.report.diagnosis_words import evidence_first, share_words, size_words, title_of
from surefoot.report.numbers import brief

__all__ = ["harmless", "terminal_card"]

_STYLES = {True: "bold red", False: "bold green"}


def harmless(text: str) -> str:
    """`text` on one line, without characters that a terminal would obey or that reverse the reading order."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)


def terminal_card(diagnosis: Diagnosis) -> list[Text]:
    """Lines of the card."""
    lines = []
    if diagnosis.path:
        where = harmless(diagnosis.path) + (f"  ({harmless(diagnosis.format)})" if diagnosis.format else "")
        lines.append(Text(where, "dim"))
    style = "bold yellow" if diagnosis.verdict == "unknown" else _STYLES[diagnosis.is_fault]
    lines.append(Text.assemble((title_of(diagnosis), style), (f"  {share_words(diagnosis)}", "dim")))
    lines.append(Text("  " + harmless(diagnosis.text)))
    if diagnosis.decades is not None:
        lines.append(Text("  " + size_words(diagnosis)))
    lines.append(Text.assemble(("  do: ", "bold"), harmless(diagnosis.remedy)))
    holding = evidence_first(diagnosis)
    if holding:
        lines.append(Text("  evidence", "bold"))
        lines += [_finding(one) for one in holding]
    lines += [Text("  note: " + harmless(note), "dim") for note in diagnosis.notes]
    return lines


def _finding(one: Finding) -> Text:
    where = "" if one.steps is None else f"  [steps {one.steps[0]} to {one.steps[1]}]"
    number = ""
    if one.evidence and one.evidence[0].low is not None:
        first = one.evidence[0]
        number = f"  ({brief(first.low, 3)} to {brief(first.high, 3)} at 95%)"
    return Text.assemble(("    " + one.id, "cyan"), f": {harmless(one.text)}{number}", (where, "dim"))
