"""Measure the textbook's claims into the record that ships with the package, and write docs/textbook.md from it.

scripts/make_textbook.py                     write the document from the record
scripts/make_textbook.py --anew              begin a new record: measure everything, keep the verdicts of the old one
scripts/make_textbook.py --measure FAMILY …  measure these experiments, keep the others
scripts/make_textbook.py --times FILE        take the seconds from the JSON of a `surefoot verify --all`

Verdicts are decided where experiments are measured and nowhere else: a rule that is changed after its record stays
undecided by it. Who changes a rule measures its experiments.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from surefoot.errors import RecordError
from surefoot.records import Provenance
from surefoot.records.claim import Claim, ClaimResult, EarlierRun, Outcome, Size, TextbookRecord, Verification
from surefoot.report.numbers import duration
from surefoot.report.textbook_words import (
    changed_rows,
    contradicting_pairs,
    how_decided,
    number_words,
    printed_rows,
    remembered,
)
from surefoot.textbook.claims import TOPICS, all_claims, families_of
from surefoot.textbook.frozen import digest
from surefoot.textbook.measured import RECORD, load_record, result_of
from surefoot.textbook.seeds import FIRST_SEED
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

A claim matches when its verdict is the same, every number lies within the stated spread, and the record was decided by
the rule as it stands: the record keeps a digest of every rule, its seeds and its experiments. Exit code 1 says that
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
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--anew", action="store_true")
    what.add_argument("--measure", nargs="+", metavar="FAMILY")
    what.add_argument("--times", metavar="FILE", help="take the seconds from a verification of every claim")
    parser.add_argument("--size", choices=("full", "quick"), help="only this size; default both")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(words)
    record = _kept()
    if asked.anew:
        begun(record).save(RECORD)
    if asked.anew or asked.measure:
        families = asked.measure or list(families_of(all_claims().values()))
        record = measure(record, families, (asked.size,) if asked.size else ("full", "quick"), asked.jobs)
        print(f"wrote {RECORD.relative_to(ROOT)}")
    if asked.times:
        record = timed(record, Verification.load(asked.times))
        record.save(RECORD)
    PAGE.write_text(document(record), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def begun(old: TextbookRecord) -> TextbookRecord:
    """A record without numbers that remembers the verdicts of the old one."""
    verdicts = {one.id: one.verdict for one in old.results}
    made = old.provenance
    return TextbookRecord(earlier=EarlierRun(verdicts, made.seeds.get("first repetition", 0), made.date))


def measure(record: TextbookRecord, families: Sequence[str], sizes: Sequence[Size], jobs: int) -> TextbookRecord:
    """The record with these experiments measured again, saved after each; what breaks keeps its old outcome."""
    for size in sizes:
        done: set[str] = set()
        for family, outcome in run_families(families, size, workers=jobs):
            if isinstance(outcome, Outcome):
                print(f"{family} ({size}): {outcome.seconds or 0:.1f} s", flush=True)
                done.add(family)
                record = _with(_kept(), outcome)
                record = decided(record, done) if size == "full" else record
                record.save(RECORD)
            else:
                print(f"{family} ({size}) broke: {outcome}", file=sys.stderr, flush=True)
    for claim in all_claims().values():
        kept = record.result(claim.id)
        if kept is None or kept.rule != digest(claim):
            print(f"{claim.id} still needs `--measure {' '.join(claim.families)}`", file=sys.stderr)
    return record


def timed(record: TextbookRecord, seen: Verification) -> TextbookRecord:
    """The record with the seconds of a verification, which was made on a machine without other work."""
    times = {one.family: one.seconds for one in seen.outcomes}
    outcomes = tuple(dataclasses.replace(one, seconds=times.get(one.family, one.seconds)) for one in record.outcomes)
    took = {one.family: one.seconds or 0.0 for one in outcomes}
    results = tuple(
        dataclasses.replace(one, seconds=sum(took[family] for family in all_claims()[one.id].families))
        for one in record.results
    )
    return dataclasses.replace(record, outcomes=outcomes, results=results, seconds=sum(took.values()))


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
        provenance=Provenance.here(seeds={"first repetition": FIRST_SEED}, command="scripts/make_textbook.py"),
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
        "it: " + ", ".join(f"{counts[one]} {one}" for one in TITLES if counts[one]) + ". This page is written by",
        "`scripts/make_textbook.py` from the record that ships with the package.",
        "",
        how_decided(claims, record),
        "",
        HOW_TO,
        f"Measured {made.date[:10]} on {made.machine}, with {versions}; the experiments took "
        f"{duration(record.seconds or 0.0)} when run one after the other.",
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
        lines += ["## Printed numbers beside measured ones", "", *_table(("place", "what", "printed", "measured", ""),
                  [row[:5] for row in rows]), ""]  # fmt: skip
    pairs = contradicting_pairs(claims)
    if pairs:
        stated = {one.id: f"{one.statement} **{results[one.id].verdict}**" for one in claims}
        cells = [(stated[one.id], stated[other.id]) for one, other in pairs]
        lines += ["## Claims that exclude each other", "", *_table(("one", "the other"), cells), ""]
    changed = changed_rows(claims, record)
    if changed:
        differing = [(f"{said} `{claim}`", before, now, why) for said, before, now, why, claim in changed]
        lines += [
            "## Verdicts that differ from the earlier run",
            "",
            *_table(("claim", "earlier", "now", "why"), differing),
            "",
        ]
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


def decided(record: TextbookRecord, measured: Collection[str]) -> TextbookRecord:
    """The record with the claims decided whose experiments were just measured; the others keep their results.

    A claim that also rests on an experiment that was not measured is decided if its rule is still that of the record.
    """
    outcomes = {one.family: one for one in record.outcomes}
    results = []
    for claim in all_claims().values():
        kept = record.result(claim.id)
        there = all(family in outcomes for family in claim.families)
        touched = any(family in measured for family in claim.families)
        whole = all(family in measured for family in claim.families)
        if there and touched and (whole or (kept is not None and kept.rule == digest(claim))):
            results.append(result_of(claim, outcomes))
        elif kept is not None:
            results.append(kept)
    return dataclasses.replace(record, results=tuple(results))


if __name__ == "__main__":
    sys.exit(main())
