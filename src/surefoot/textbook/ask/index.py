"""The index: which claims a question is about, by the terms it shares with questions people ask about each claim.

A question is compared with each claim twice: with all of its phrasings together (BM25: terms that are rare among claims
weigh more, a long page gains nothing) and with the single phrasing nearest to it (the share of weighted terms they have
in common, a cosine). Both lie between 0 and about 1, whatever the length of the question.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from surefoot.textbook.ask.words import pairs, spelled_words, split_lines, split_terms

__all__ = ["Index", "Match"]

PAIR = 0.4
"""Weight of a pair of terms beside that of a single one."""
SATURATION = 1.2
LENGTH = 0.4
"""BM25's k1 and b: how soon a repeated term stops counting, and how much a long page is held back."""
PAGE = 2.0
"""Weight of a claim's whole page beside its nearest phrasing."""
FURTHER = 0.3
"""Weight of the three next nearest phrasings beside the nearest."""

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Match:
    """A claim that may answer a question."""

    claim: str
    score: float
    """How well it fits; the larger the better."""


class Index:
    """Terms of every claim's phrasings, ready to be compared with a question."""

    def __init__(self, arrays: Arrays) -> None:
        """Read what :meth:`of` made: nothing is split again, for that takes longer than answering."""
        self.arrays = arrays
        self.claims = tuple(str(arrays["claims"]).split())
        self._number = {term: place for place, term in enumerate(str(arrays["terms"]).split("\n"))}
        self._starts, self._places, self._times = arrays["starts"], arrays["places"], arrays["times"]
        self._claim_of, self._lengths = arrays["claim_of"], arrays["lengths"]
        self._page_lengths = np.bincount(
            self._claim_of[self._places], weights=self._times, minlength=max(len(self.claims), 1)
        )
        self.spellings = frozenset(str(arrays["spellings"]).split())
        """Every long word of the phrasings, for mending others."""

    @classmethod
    def of(cls, pages: Mapping[str, Sequence[str]]) -> Index:
        """The index of the phrasings in `pages`, claim by claim."""
        claims = list(pages)
        lines = [(number, " ".join(line.split())) for number, page in enumerate(pages.values()) for line in page]
        counted = [_terms(words) for words in split_lines("\n".join(line for _, line in lines))]
        holding: dict[str, list[tuple[int, int]]] = {}
        for place, terms in enumerate(counted):
            for term, times in terms.items():
                holding.setdefault(term, []).append((place, times))
        rare = {term: _rarity(len(held), len(lines)) for term, held in holding.items()}
        lengths = [math.sqrt(sum((_share(term) * rare[term]) ** 2 for term in terms)) or 1.0 for terms in counted]
        listed = sorted(holding)
        return cls(
            {
                "claims": np.array(" ".join(claims)),
                "terms": np.array("\n".join(listed)),
                "starts": np.cumsum([0, *(len(holding[term]) for term in listed)]).astype(np.uint32),
                "places": np.array([place for term in listed for place, _ in holding[term]], np.uint16),
                "times": np.array([times for term in listed for _, times in holding[term]], np.uint8),
                "claim_of": np.array([number for number, _ in lines], np.uint8),
                "lengths": np.array(lengths, np.float64),
                "spellings": np.array(" ".join(sorted(spelled_words(" ".join(line for _, line in lines))))),
            }
        )

    def terms(self, question: str) -> Counter[str]:
        """The terms of a question and their pairs."""
        return _terms(split_terms(question))

    def known(self, question: str) -> float:
        """Share of the question's single terms, by weight, that any claim knows, from 0 to 1."""
        terms = [term for term in split_terms(question) if not term[0].isdigit()]
        total = sum(self._weight(term) for term in terms)
        return sum(self._weight(term) for term in terms if term in self._number) / total if total else 0.0

    def rank(self, question: str) -> list[Match]:
        """The claims that share a term with the question, best first; 1 is about a term for term likeness."""
        asked = self.terms(question)
        shared = np.zeros(len(self._lengths))
        bm25 = np.zeros(len(self.claims))
        held = SATURATION * (1 - LENGTH + LENGTH * self._page_lengths / self._page_lengths.mean())
        full = 0.0
        for term in asked:
            places, times = self._holding(term)
            pages = np.bincount(self._claim_of[places], weights=times, minlength=len(self.claims))
            rare = _rarity(int(np.count_nonzero(pages)), len(self.claims))
            shared[places] += (_share(term) * self._weight(term)) ** 2
            bm25 += _share(term) * rare * pages / (pages + held)
            full += _share(term) * rare
        length = math.sqrt(sum((_share(term) * self._weight(term)) ** 2 for term in asked)) or 1.0
        likeness: dict[int, list[float]] = {}
        for place in np.flatnonzero(shared):
            likeness.setdefault(int(self._claim_of[place]), []).append(shared[place] / length / self._lengths[place])
        found = []
        for number, near in likeness.items():
            best, *others = sorted(near, reverse=True)
            score = (best + FURTHER * sum(others[:3]) + PAGE * bm25[number] / full) / (1 + PAGE)
            found.append(Match(self.claims[number], float(score)))
        return sorted(found, key=lambda one: (-one.score, one.claim))

    def _holding(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """The phrasings that hold `term`, and how many times each."""
        number = self._number.get(term)
        if number is None:
            return self._places[:0], self._times[:0]
        held = slice(int(self._starts[number]), int(self._starts[number + 1]))
        return self._places[held], self._times[held]

    def _weight(self, term: str) -> float:
        return _rarity(len(self._holding(term)[0]), len(self._lengths))


def _terms(words: list[str]) -> Counter[str]:
    return Counter([*words, *pairs(words)])


def _share(term: str) -> float:
    return PAIR if "+" in term else 1.0


def _rarity(held: int, count: int) -> float:
    """Weight of a term that `held` of `count` texts hold; one that stands nowhere weighs as one that stands once."""
    return math.log((count + 1) / (max(held, 1) + 0.5))
