"""The committed record: what was measured about the claims, and where it lies in the package. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from surefoot.records.claim import Claim, ClaimResult, Outcome, Size, TextbookRecord
from surefoot.textbook.frozen import digest
from surefoot.textbook.rules import decide

__all__ = ["RECORD", "load_record", "result_of"]

RECORD = Path(str(resources.files("surefoot.textbook"))) / "measured.json"
"""The record that ships with the package."""


def load_record(path: str | os.PathLike[str] | None = None) -> TextbookRecord:
    """The record at `path`, or the package's own.

    Raises:
        RecordError: it is missing or damaged.
    """
    return TextbookRecord.load(RECORD if path is None else path)


def result_of(claim: Claim, outcomes: Mapping[str, Outcome], size: Size = "full") -> ClaimResult:
    """What the rule of a claim says of outcomes, by family; missing families leave measurements missing."""
    present: Sequence[Outcome] = [outcomes[one] for one in claim.families if one in outcomes]
    found = {one.name: one for outcome in present for one in outcome.measurements}
    measurements = tuple(found[name] for name in claim.needs if name in found)
    verdict, on = decide(claim.rule, measurements)
    titles = [panel.title for outcome in present for panel in outcome.panels]
    figure = claim.figure if claim.figure in titles else next(iter(titles), "")
    seconds = [one.seconds for one in present if one.seconds is not None]
    return ClaimResult(
        claim.id,
        verdict,
        on=on,
        measurements=measurements,
        figure=figure,
        size=size,
        seconds=sum(seconds) if seconds else None,
        rule=digest(claim),
    )
