"""Words about claims that the page and the document share: numbers, what to remember, printed beside measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from surefoot.records import Measurement
from surefoot.records.claim import Claim, ClaimResult
from surefoot.report.numbers import brief

__all__ = ["contradicting_pairs", "number_words", "printed_rows", "remembered"]


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
    if result.verdict == "supported":
        return claim.statement
    if result.verdict == "depends":
        return f"It {result.on}."
    return "It did not hold where it was measured." if result.verdict == "contradicted" else "Not decided."


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
) -> Iterator[tuple[str, str, str, str, str]]:
    """Place, words, printed and measured number, and id of the claim, for every printed number."""
    for claim in claims:
        found = {one.name: one for one in results[claim.id].measurements}
        for printed in claim.printed:
            measured = found.get(printed.measurement)
            said = "–" if measured is None else number_words(measured)
            yield printed.place, printed.says, brief(printed.value), said, claim.id
