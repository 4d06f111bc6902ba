"""Words about claims that the page and the document share: numbers, what to remember, printed beside measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from surefoot.records import Measurement
from surefoot.records.claim import Claim, ClaimResult, Printed, TextbookRecord
from surefoot.report.numbers import brief

__all__ = ["changed_rows", "contradicting_pairs", "how_decided", "number_words", "printed_rows", "remembered"]


_ROUNDED = 0.01
"""Share of a printed number by which it may lie outside the measured interval: printed numbers are rounded."""


def number_words(one: Measurement) -> str:
    """A measurement as people write it: the number, its interval where there is one, the unit."""
    if one.value is None:
        return f"unknown ({one.reason})"
    unit = f" {one.unit}" if one.unit else ""
    number = brief(one.value)
    if one.low is None or one.high is None or one.low == one.high:
        return f"{number}{unit}"
    return f"{number} ({brief(one.low, 3)} to {brief(one.high, 3)}){unit}"


def remembered(claim: Claim, result: ClaimResult) -> str:
    """What a learner should remember of a claim, from its verdict."""
    if result.verdict == claim.expected and claim.lesson:
        return claim.lesson
    said = {
        "supported": claim.statement,
        "depends": f"It {result.on}.",
        "contradicted": "It did not hold where it was measured.",
    }.get(result.verdict, "Not decided.")
    # Where the verdict surprises, its reason is what to remember.
    return f"{said} {claim.explanation}" if claim.explanation and result.verdict != claim.expected else said


def contradicting_pairs(claims: Sequence[Claim]) -> list[tuple[Claim, Claim]]:
    """Claims that exclude each other, each pair once."""
    known = {one.id: one for one in claims}
    pairs: dict[frozenset[str], tuple[Claim, Claim]] = {}
    for claim in claims:
        for other in claim.contradicts:
            if other in known:
                pairs.setdefault(frozenset((claim.id, other)), (claim, known[other]))
    return list(pairs.values())


def printed_rows(
    claims: Sequence[Claim], results: Mapping[str, ClaimResult]
) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Place, words, printed and measured number, whether they agree, and id of the claim, for every printed number."""
    for claim in claims:
        found = {one.name: one for one in results[claim.id].measurements}
        for printed in claim.printed:
            measured = found.get(printed.measurement)
            said = "–" if measured is None else number_words(measured)
            yield printed.place, printed.says, brief(printed.value), said, _agree(printed, measured), claim.id


def _agree(printed: Printed, measured: Measurement | None) -> str:
    if measured is None or measured.value is None:
        return "–"
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    near = _ROUNDED * abs(printed.value)
    return "agrees" if low - near <= printed.value <= high + near else "differs"


def how_decided(claims: Sequence[Claim], record: TextbookRecord) -> str:
    """How the rules came about, and in how many claims an earlier run came to the same verdict."""
    said = (
        "A rule in the code decides each claim from the numbers; no verdict is written by hand. The rules were written "
        "along with an earlier run: about half of them after a small first run or a related program's numbers had been "
        "seen, four after a full run."
    )
    earlier = record.earlier
    if earlier is None:
        return said
    both = [one for one in claims if one.id in earlier.verdicts and record.result(one.id) is not None]
    chance = [one for one in both if _rests_on_chance(one, record)]
    untouched = [one for one in chance if not one.corrected]
    return (
        f"{said} Then all rules were read again, {sum(bool(one.corrected) for one in both)} were corrected where they "
        "were wrong (their claims say how), every repetition of a training got an order of its examples of its own, "
        "and the rules were frozen. What is shown here was measured after that, from seeds whose numbers nobody had "
        "seen: "
        f"{_agreeing(both, record)} of {len(both)} claims came to the verdict of the earlier run. "
        f"{len(chance)} claims rest on chance; of those, {_agreeing(chance, record)} did, and "
        f"{_agreeing(untouched, record)} of the {len(untouched)} whose rule was not corrected."
    )


def _rests_on_chance(claim: Claim, record: TextbookRecord) -> bool:
    """Whether some number behind the verdict has a spread: repetitions that differ."""
    result = record.result(claim.id)
    tested = {one.measurement for one in claim.rule.tests}
    return result is not None and any(
        one.n > 1 and one.low != one.high for one in result.measurements if one.name in tested
    )


def _agreeing(claims: Sequence[Claim], record: TextbookRecord) -> int:
    earlier = {} if record.earlier is None else record.earlier.verdicts
    now = {one.id: one.verdict for one in record.results}
    return sum(earlier[one.id] == now[one.id] for one in claims)


def changed_rows(claims: Sequence[Claim], record: TextbookRecord) -> list[tuple[str, str, str, str, str]]:
    """Statement, verdict of the earlier run, verdict now, why, and id, of every claim whose verdict changed."""
    rows: list[tuple[str, str, str, str, str]] = []
    for claim in claims:
        now = record.result(claim.id)
        before = None if record.earlier is None else record.earlier.verdicts.get(claim.id)
        if now is not None and before is not None and before != now.verdict:
            why = claim.changed or claim.corrected
            rows.append((claim.statement, before, now.verdict, why, claim.id))
    return rows
