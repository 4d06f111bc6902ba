"""Answering: from a question to what was measured about it, or to saying that nothing was. No torch.

The answer is put together from the claim that fits best and from its part of the record; no number stands here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surefoot.errors import InputError, RecordError
from surefoot.records.answer import Answer
from surefoot.records.claim import Claim, ClaimResult
from surefoot.textbook.ask.index import Match
from surefoot.textbook.ask.ranking import the_ranking
from surefoot.textbook.claims import all_claims
from surefoot.textbook.measured import RECORD

__all__ = ["FITS", "SHOWN", "answer_question", "fitting", "said"]

FITS = 0.55
"""How sure it must be, from 0 to 1, for an answer; chosen with the weights in `ranking`."""
SHOWN = 3
"""Claims that an answer names, best first."""
LONGEST = 10_000
"""Characters of a question beyond which it is refused unread."""


def answer_question(question: str, *, record: str | os.PathLike[str] | None = None) -> Answer:
    """Answer a question about the learning rate from what was measured.

    Args:
        question: words, as people type them; up to 10,000 characters, of which the first 2,000 are read.
        record: another record of the claims than the package's own.

    Raises:
        InputError: the question is empty or too long.
        RecordError: the record is missing or damaged.
    """
    asked = " ".join(question.split())
    if not any(letter.isalnum() for letter in asked):
        raise InputError("the question is empty; ask in words, such as: surefoot ask 'is my learning rate too high?'")
    if len(question) > LONGEST:
        raise InputError(f"the question has {len(question)} characters; ask in at most {LONGEST}")
    fits = fitting(asked)
    if not fits:
        return _nothing(asked)
    results = _results(RECORD if record is None else Path(record))
    return _answered(asked, [all_claims()[one.claim] for one in fits], results)


def fitting(question: str) -> list[Match]:
    """The claims nearest to a question, best first; none where it is hardly about any of them."""
    ranking = the_ranking()
    if ranking.surely(question) < FITS:
        return []
    return [one for one in ranking.rank(question) if one.claim in all_claims()]


def _answered(question: str, claims: list[Claim], results: Mapping[str, ClaimResult]) -> Answer:
    best = claims[0]
    result = results.get(best.id)
    opposite = [all_claims()[one] for one in best.contradicts if one in all_claims()]
    return Answer(
        question=question,
        status="answered",
        claims=tuple(one.id for one in claims[:SHOWN]),
        answer=said(best, result),
        verdict="undecided" if result is None else result.verdict,
        measurements=() if result is None else result.measurements,
        command=best.command,
        statement=best.statement,
        conditions=best.conditions,
        literature=best.sources,
        contradicted=tuple(_opposite(one, results.get(one.id)) for one in opposite),
        related=tuple(one for one in best.related if one in all_claims()),
        topics=(best.topic,),
    )


_OPENINGS = {
    "supported": "Measured, and it holds.",
    "contradicted": "Measured, and it does not hold, though courses say so.",
    "depends": "Measured: it depends.",
    "undecided": "Not decided by what was measured.",
}


def said(claim: Claim, result: ClaimResult | None) -> str:
    """The answer in words: the verdict, the claim, what it depends on, and what to remember."""
    if result is None:
        return f"Not measured yet. {claim.statement}"
    parts = [_OPENINGS[result.verdict], f"The statement: {claim.statement}"]
    if result.on and result.verdict in ("depends", "undecided"):
        parts.append(_sentence(result.on))
    if claim.explanation:
        parts.append(_sentence(claim.explanation))
    if claim.lesson and result.verdict == claim.expected:
        parts.append(_sentence(claim.lesson))
    return " ".join(parts)


def _opposite(claim: Claim, result: ClaimResult | None) -> str:
    verdict = "not measured" if result is None else result.verdict
    return f"{claim.statement} ({verdict}; {claim.id})"


def _nothing(question: str) -> Answer:
    near = [
        all_claims()[one.claim].topic for one in the_ranking().index.rank(question)[:20] if one.claim in all_claims()
    ]
    topics = tuple(dict.fromkeys(near))[:3]
    offer = f" The nearest topics are {', '.join(topics)}." if topics else ""
    return Answer(
        question=question,
        status="nothing_measured",
        answer=f"Nothing measured on that.{offer} `surefoot verify` lists every claim that was measured.",
        topics=topics,
        command="surefoot verify",
    )


def _results(path: Path) -> dict[str, ClaimResult]:
    """The results in a record, without its pictures: reading those would take longer than answering."""
    try:
        data: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"`{path.name}` cannot be read: {error.strerror or error}; install surefoot again") from None
    except (ValueError, RecursionError):
        raise RecordError(f"`{path.name}` is damaged: it is no JSON; install surefoot again") from None
    listed = data.get("results") if isinstance(data, dict) and data.get("kind") == "textbook" else None
    if not isinstance(listed, list):
        raise RecordError(f"`{path.name}` is damaged: it is no record of claims; install surefoot again")
    results = [ClaimResult.from_json(one) for one in listed]
    return {one.id: one for one in results}


def _sentence(words: str) -> str:
    shown = words.strip()
    shown = shown[:1].upper() + shown[1:]
    return shown if shown.endswith((".", "!", "?")) else f"{shown}."
