"""The index: which claims a question is about, by the terms it shares with questions people ask about each claim.

Every claim has a page of *phrasings*, questions that it answers, in `questions/`. A question is compared with each
claim twice: with all of its phrasings together (BM25: terms that are rare among claims weigh more, a long page gains
nothing) and with the single phrasing nearest to it (the share of weighted terms they have in common, a cosine). Both
lie between 0 and about 1, whatever the length of the question, so that one threshold says when nothing fits.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from surefoot.textbook.ask.words import (
    field_terms,
    mended,
    pairs,
    spelled_words,
    split_lines,
    split_terms,
    unmistakable,
)

__all__ = ["Index", "Match", "phrasings", "the_index"]

PAIR = 0.4
"""Weight of a pair of terms beside that of a single one."""
SATURATION = 1.2
LENGTH = 0.4
"""BM25's k1 and b: how soon a repeated term stops counting, and how much a long page is held back."""
PAGE = 2.0
"""Weight of a claim's whole page beside its nearest phrasing."""
FURTHER = 0.3
"""Weight of the three next nearest phrasings beside the nearest."""


@dataclasses.dataclass(frozen=True)
class Match:
    """A claim that may answer a question."""

    claim: str
    score: float
    """How well it fits: 0 for nothing in common; about 1 a term for term likeness."""


def phrasings() -> Mapping[str, tuple[str, ...]]:
    """Claim and the questions it answers, as the files of `questions/` list them."""
    found: dict[str, list[str]] = {}
    for page in sorted(files("surefoot.textbook.ask").joinpath("questions").iterdir(), key=lambda one: one.name):
        claim = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                claim = line[2:].strip()
                found.setdefault(claim, [])
            elif line.strip():
                found[claim].append(line.strip())
    return {claim: tuple(lines) for claim, lines in found.items()}


class Index:
    """Terms of every claim's phrasings, ready to be compared with a question.

    Args:
        pages: claim and the questions it answers.
    """

    def __init__(self, pages: Mapping[str, Sequence[str]]) -> None:
        listed = [(claim, " ".join(line.split())) for claim, lines in pages.items() for line in lines]
        split = split_lines("\n".join(line for _, line in listed))
        self._phrasings = [(claim, _terms(words)) for (claim, _), words in zip(listed, split, strict=True)]
        self._pages: dict[str, Counter[str]] = {claim: Counter() for claim in pages}
        for claim, terms in self._phrasings:
            self._pages[claim].update(terms)
        self._rare = _rarity(terms for _, terms in self._phrasings)
        self._rare_page = _rarity(self._pages.values())
        self._mean = sum(sum(one.values()) for one in self._pages.values()) / max(len(self._pages), 1)
        self._lengths = [_length(terms, self._rare) for _, terms in self._phrasings]
        self._holding: dict[str, list[int]] = {}
        for place, (_, terms) in enumerate(self._phrasings):
            for term in terms:
                self._holding.setdefault(term, []).append(place)
        self.spellings = frozenset(spelled_words(" ".join(line for _, line in listed)))

    def terms(self, question: str) -> Counter[str]:
        """The terms of a question and their pairs, slips of the keys mended."""
        return _terms(split_terms(mended(question, self.spellings)))

    def signs(self, question: str, ranked: Sequence[Match]) -> tuple[float, float, float, float]:
        """What tells whether a question is about something that a claim says, each from 0 to 1 or a little more.

        The score of the best claim; the share of the question's single terms, by weight, that any claim knows; how
        many terms of the field it has, of three; whether it has a word that no other field has.
        """
        words = mended(question, self.spellings)
        terms = [term for term in split_terms(words) if not term[0].isdigit()]
        total = sum(self._weight(term) for term in terms)
        known = sum(self._weight(term) for term in terms if term in self._rare) / total if total else 0.0
        field = len(field_terms().intersection(terms))
        return (ranked[0].score if ranked else 0.0, known, min(field, 3) / 3, float(unmistakable(words)))

    def rank(self, question: str) -> list[Match]:
        """The claims that share a term with the question, best first."""
        asked = self.terms(question)
        nearest = self._nearest(asked)
        full = sum(_share(term) * self._rare_page.get(term, _unknown(len(self._pages))) for term in asked) or 1.0
        found = []
        for claim, likeness in nearest.items():
            best, *others = sorted(likeness, reverse=True)
            page = self._bm25(asked, claim) / full
            found.append(Match(claim, (best + FURTHER * sum(others[:3]) + PAGE * page) / (1 + PAGE)))
        return sorted(found, key=lambda one: (-one.score, one.claim))

    def _nearest(self, asked: Counter[str]) -> dict[str, list[float]]:
        shared: dict[int, float] = {}
        for term in asked:
            weight = (_share(term) * self._rare.get(term, 0.0)) ** 2
            for place in self._holding.get(term, ()):
                shared[place] = shared.get(place, 0.0) + weight
        length = math.sqrt(sum((_share(term) * self._weight(term)) ** 2 for term in asked)) or 1.0
        likeness: dict[str, list[float]] = {}
        for place, weight in shared.items():
            likeness.setdefault(self._phrasings[place][0], []).append(weight / length / self._lengths[place])
        return likeness

    def _bm25(self, asked: Counter[str], claim: str) -> float:
        page = self._pages[claim]
        held = SATURATION * (1 - LENGTH + LENGTH * sum(page.values()) / self._mean)
        return sum(
            _share(term) * self._rare_page[term] * page[term] / (page[term] + held) for term in asked if term in page
        )

    def _weight(self, term: str) -> float:
        return self._rare.get(term, _unknown(len(self._phrasings)))


@functools.cache
def the_index() -> Index:
    """The index of every phrasing that the package holds, built once."""
    return Index(phrasings())


def _terms(words: list[str]) -> Counter[str]:
    return Counter([*words, *pairs(words)])


def _share(term: str) -> float:
    return PAIR if "+" in term else 1.0


def _rarity(pages: Iterable[Counter[str]]) -> dict[str, float]:
    among: Counter[str] = Counter()
    count = 0
    for page in pages:
        among.update(page.keys())
        count += 1
    return {term: math.log((count + 1) / (held + 0.5)) for term, held in among.items()}


def _unknown(count: int) -> float:
    """Weight of a term that stands nowhere: as much as one that stands once."""
    return math.log((count + 1) / 1.5)


def _length(terms: Counter[str], rare: Mapping[str, float]) -> float:
    return math.sqrt(sum((_share(term) * rare[term]) ** 2 for term in terms)) or 1.0
