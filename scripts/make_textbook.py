"""Measure the textbook's claims into the record that ships with the package, and write docs/textbook.md from it.

scripts/make_textbook.py                     write the document from the record
scripts/make_textbook.py --measure           measure every experiment first, at both sizes
scripts/make_textbook.py --measure FAMILY …  measure these experiments, keep the others
scripts/make_textbook.py --decide            decide all claims again from the recorded numbers
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from surefoot.errors import RecordError
from surefoot.records import Provenance
from surefoot.records.claim import Claim, ClaimResult, Outcome, Size, TextbookRecord
from surefoot.report.numbers import duration
from surefoot.report.textbook_words import contradicting_pairs, number_words, printed_rows, remembered
from surefoot.textbook.claims import TOPICS, all_claims, families_of
from surefoot.textbook.measured import RECORD, load_record, result_of
from surefoot.textbook.verify import run_families

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "textbook.md"


TITLES = {
    "contradicted": "Often said, and not so",
    "depends": "True under conditions",
    "supported": "What holds",
    "undecided": "Not decided",
}
HOW_TO = """## Measure it yourself

```console
$ surefoot verify
$ surefoot verify zigzag-path-in-valley --quick
```

The first lists the claims with their recorded verdicts, the second measures one again and compares. A topic, and
everything with a page of every figure:

```text
surefoot verify --topic decay
surefoot verify --all --out verified
```

A claim matches when its verdict is the same and every number lies within the stated spread. Exit code 1 says that
something does not match. `--quick` runs small experiments and compares with the small ones of the record; with few
repetitions many verdicts are then `undecided`. Numbers of time belong to the machine: only their verdict is compared.
Places such as `003 L363-371` are lines of a file of the course notes, `001 Q8.8` a question of theirs.

A verdict is `supported` when the claim held in every condition that was measured, `contradicted` when in none,
`depends` when in some, and `undecided` when the intervals do not decide. The experiments are small: bowls, two wells,
XOR, handwritten digits. What they refute is refuted as a general statement; what they support may fail on other tasks.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="*", metavar="FAMILY")
    parser.add_argument("--decide", action="store_true")
    parser.add_argument("--size", choices=("full", "quick"), help="only this size; default both")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(words)
    record = _kept()
    if asked.measure is not None:
        families = asked.measure or list(families_of(all_claims().values()))
        record = measure(record, families, (asked.size,) if asked.size else ("full", "quick"), asked.jobs)
    if asked.measure is not None or asked.decide:
        record = decided(record)
        record.save(RECORD)
        print(f"wrote {RECORD.relative_to(ROOT)}")
    PAGE.write_text(document(record), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def measure(record: TextbookRecord, families: Sequence[str], sizes: Sequence[Size], jobs: int) -> TextbookRecord:
    """The record with these experiments measured again, saved after each; what breaks keeps its old outcome."""
    for size in sizes:
        for family, outcome in run_families(families, size, workers=jobs):
            if isinstance(outcome, Outcome):
                print(f"{family} ({size}): {outcome.seconds or 0:.1f} s", flush=True)
                record = decided(_with(_kept(), outcome))
                record.save(RECORD)
            else:
                print(f"{family} ({size}) broke: {outcome}", file=sys.stderr, flush=True)
    return record


def _kept() -> TextbookRecord:
    """The record as it is now: another process may measure other experiments at the same time."""
    try:
        return load_record()
    except RecordError:
        return TextbookRecord()


def _with(record: TextbookRecord, outcome: Outcome) -> TextbookRecord:
    known = families_of(all_claims().values())
    full = {one.family: one for one in record.outcomes}
    quick = {one.family: one for one in record.quick}
    if outcome.size == "full":
        full[outcome.family] = outcome
    else:
        quick[outcome.family] = dataclasses.replace(outcome, panels=())
    outcomes = tuple(full[one] for one in known if one in full)
    return dataclasses.replace(
        record,
        outcomes=outcomes,
        quick=tuple(quick[one] for one in known if one in quick),
        provenance=Provenance.here(command="scripts/make_textbook.py --measure"),
        seconds=sum(one.seconds or 0.0 for one in outcomes),
    )


def document(record: TextbookRecord) -> str:
    """docs/textbook.md: how to verify, what to remember, printed and measured numbers, contradictions, every claim."""
    results = {one.id: one for one in record.results}
    claims = [one for one in all_claims().values() if one.id in results]
    counts = {name: sum(one.verdict == name for one in results.values()) for name in TITLES}
    made = record.provenance
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    lines = [
        "# The textbook, measured",
        "",
        f"{len(claims)} claims that courses make about the learning rate, each with the rule in the code that decides",
        "it: " + ", ".join(f"{counts[one]} {one}" for one in TITLES if counts[one]) + ". About half of the rules were",
        "written after a small first run or a related program's numbers had been seen, four after a full run.",
        "This page is written by `scripts/make_textbook.py` from the record that ships with the package.",
        "",
        HOW_TO,
        f"Measured {made.date[:10]} on {made.machine}, with {versions}; experiments took "
        f"{duration(record.seconds or 0.0)} of one core in all.",
        "",
        "## What to remember",
        "",
    ]
    for verdict, title in TITLES.items():
        some = [one for one in claims if results[one.id].verdict == verdict]
        if some:
            lines += [f"### {title}", ""]
            for one in some:
                said = remembered(one, results[one.id])
                lines.append(f"- {said}" if verdict == "supported" else f"- “{one.statement}” {said}")
            lines.append("")
    rows = list(printed_rows(claims, results))
    if rows:
        lines += ["## Printed numbers beside measured ones", "", *_table(("place", "what", "printed", "measured"),
                  [row[:4] for row in rows]), ""]  # fmt: skip
    pairs = contradicting_pairs(claims)
    if pairs:
        said = {one.id: f"{one.statement} **{results[one.id].verdict}**" for one in claims}
        cells = [(said[one.id], said[other.id]) for one, other in pairs]
        lines += ["## Claims that exclude each other", "", *_table(("one", "the other"), cells), ""]
    for topic in TOPICS:
        some = [one for one in claims if one.topic == topic]
        if some:
            shown = [_row(one, results[one.id]) for one in some]
            lines += [f"## {topic[:1].upper()}{topic[1:]}", "", *_table(("claim", "verdict", "measured"), shown), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(claim: Claim, result: ClaimResult) -> tuple[str, str, str]:
    first = result.measurements[0] if result.measurements else None
    number = "–" if first is None else f"{first.name}: {number_words(first)}"
    verdict = f"{result.verdict} ({result.on})" if result.on else result.verdict
    return f"{claim.statement} `{claim.id}`", verdict, number


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (columns, *rows)]
    written = ["| " + " | ".join(row) + " |" for row in cells]
    return [written[0], "|" + "---|" * len(columns), *written[1:]]


def decided(record: TextbookRecord) -> TextbookRecord:
    """The record with every verdict computed from its outcomes."""
    outcomes = {one.family: one for one in record.outcomes}
    results = [
        result_of(claim, outcomes)
        for claim in all_claims().values()
        if all(family in outcomes for family in claim.families)
    ]
    return dataclasses.replace(record, results=tuple(results))


if __name__ == "__main__":
    sys.exit(main())
