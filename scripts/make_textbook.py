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
from surefoot.records.claim import Outcome, Size, TextbookRecord
from surefoot.textbook.claims import all_claims, families_of
from surefoot.textbook.measured import RECORD, load_record, result_of

ROOT = Path(__file__).resolve().parent.parent


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="*", metavar="FAMILY")
    parser.add_argument("--decide", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(words)
    try:
        record = load_record()
    except RecordError:
        record = TextbookRecord()
    if asked.measure is not None:
        families = asked.measure or list(families_of(all_claims().values()))
        record = measure(record, families, asked.jobs)
    if asked.measure is not None or asked.decide:
        record = decided(record)
        record.save(RECORD)
        print(f"wrote {RECORD.relative_to(ROOT)}")
    return 0


def measure(record: TextbookRecord, families: Sequence[str], jobs: int) -> TextbookRecord:
    """The record with these experiments measured again; what breaks keeps its old outcome and is named."""
    from surefoot.textbook.verify import run_families

    kept: dict[Size, dict[str, Outcome]] = {
        "full": {one.family: one for one in record.outcomes},
        "quick": {one.family: one for one in record.quick},
    }
    for size in kept:
        for family, outcome in run_families(families, size, workers=jobs):
            if isinstance(outcome, Outcome):
                bare = outcome if size == "full" else dataclasses.replace(outcome, panels=())
                kept[size][family] = bare
                print(f"{family} ({size}): {outcome.seconds or 0:.1f} s", flush=True)
            else:
                print(f"{family} ({size}) broke: {outcome}", file=sys.stderr, flush=True)
    known = families_of(all_claims().values())
    full = tuple(kept["full"][one] for one in known if one in kept["full"])
    return dataclasses.replace(
        record,
        outcomes=full,
        quick=tuple(kept["quick"][one] for one in known if one in kept["quick"]),
        provenance=Provenance.here(command="scripts/make_textbook.py --measure"),
        seconds=sum(one.seconds or 0.0 for one in full),
    )


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
