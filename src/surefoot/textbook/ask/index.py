"""The index: which claims a question is about, by the terms it shares with questions people ask about each claim.

Every claim has a page of *phrasings*, questions that it answers, in `questions/`. A question is compared with each
claim twice: with all of its phrasings together (BM25: terms that are rare among claims weigh more, a long page gains
nothing) and with the single phrasing nearest to it (the share of weighted terms they have in common, a cosine). Both
lie between 0 and about 1, whatever the length of the question. `elsewhere.txt` holds questions about other things: what
is nearer to those is likely about another field. `split.json` holds all of them split into terms, which takes longer
than answering; `scripts/make_ask_index.py` makes it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
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

__all__ = ["Index", "Match", "Split", "elsewhere", "phrasings", "the_index"]

_FOLDER = files("surefoot.textbook.ask")

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
    for page in sorted(_FOLDER.joinpath("questions").iterdir(), key=lambda one: one.name):
        claim = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                claim = line[2:].strip()
                found.setdefault(claim, [])
            elif line.strip():
                found[claim].append(line.strip())
    return {claim: tuple(lines) for claim, lines in found.items()}


def elsewhere() -> tuple[str, ...]:
    """Questions about other things than any claim."""
    lines = _FOLDER.joinpath("elsewhere.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


@dataclasses.dataclass(frozen=True)
class Split:
    """Questions split into terms, each as words with a space between."""

    phrasings: tuple[tuple[str, str], ...]
    """Claim, and the terms of a question that it answers."""
    elsewhere: tuple[str, ...]
    spellings: str
    """Every long word of the phrasings, for mending others."""

    @classmethod
    def of(cls, pages: Mapping[str, Sequence[str]], others: Sequence[str] = ()) -> Split:
        """Split the questions of `pages`, claim by claim, and the `others`."""
        listed = [(claim, " ".join(line.split())) for claim, lines in pages.items() for line in lines]
        split = split_lines("\n".join([*(line for _, line in listed), *(" ".join(one.split()) for one in others)]))
        terms = [" ".join(words) for words in split]
        return cls(
            tuple((claim, words) for (claim, _), words in zip(listed, terms, strict=False)),
            tuple(terms[len(listed) :]) if others else (),
            " ".join(sorted(spelled_words(" ".join(line for _, line in listed)))),
        )

    def dumps(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self), indent=0, ensure_ascii=False) + "\n"

    @classmethod
    def loads(cls, text: str) -> Split:
        """From JSON."""
        data = json.loads(text)
        return cls(
            tuple((claim, words) for claim, words in data["phrasings"]), tuple(data["elsewhere"]), data["spellings"]
        )


class Index:
    """Terms of every claim's phrasings, ready to be compared with a question."""

    def __init__(self, split: Split) -> None:
        self._phrasings = [(claim, _terms(words.split())) for claim, words in split.phrasings]
        self._pages: dict[str, Counter[str]] = {claim: Counter() for claim, _ in self._phrasings}
        for claim, terms in self._phrasings:
            self._pages[claim].update(terms)
        self._holding: dict[str, list[int]] = {}
        for place, (_, terms) in enumerate(self._phrasings):
            for term in terms:
                self._holding.setdefault(term, []).append(place)
        self._rare = _rarity({term: len(held) for term, held in self._holding.items()}, len(self._phrasings))
        self._rare_page = _rarity(Counter(term for page in self._pages.values() for term in page), len(self._pages))
        self._mean = sum(sum(one.values()) for one in self._pages.values()) / max(len(self._pages), 1)
        self._lengths = [_length(terms, self._rare) for _, terms in self._phrasings]
        self._elsewhere = Counter(term for words in split.elsewhere for term in _terms(words.split()))
        self._others = len(split.elsewhere)
        self.spellings = frozenset(split.spellings.split())

    def terms(self, question: str) -> Counter[str]:
        """The terms of a question and their pairs, slips of the keys mended."""
        return _terms(split_terms(mended(question, self.spellings)))

    def signs(self, question: str, ranked: Sequence[Match]) -> tuple[float, ...]:
        """What tells whether a question is about something that a claim says, each from about -1 to 1.

        The score of the best claim; the share of the question's single terms, by weight, that any claim knows; how
        many terms of the field it has, of three; whether it has a word that no other field has; and how much likelier
        its terms are among the phrasings than elsewhere.
        """
        words = mended(question, self.spellings)
        split = split_terms(words)
        terms = [term for term in split if not term[0].isdigit()]
        total = sum(self._weight(term) for term in terms)
        known = sum(self._weight(term) for term in terms if term in self._rare) / total if total else 0.0
        field = len(field_terms().intersection(terms))
        lean = sum(_share(term) * self._leaning(term) for term in _terms(split)) / (2 + len(split))
        best = ranked[0].score if ranked else 0.0
        return (best, known, min(field, 3) / 3, float(unmistakable(words)), lean)

    def _leaning(self, term: str) -> float:
        """Logarithm of how much likelier `term` is in a phrasing than in a question about something else."""
        here = (len(self._holding.get(term, ())) + 0.5) / (len(self._phrasings) + 1)
        there = (self._elsewhere.get(term, 0) + 0.5) / (self._others + 1)
        return math.log(here / there) if term in self._holding or term in self._elsewhere else 0.0

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
    return Index(Split.loads(_FOLDER.joinpath("split.json").read_text(encoding="utf-8")))


def _terms(words: list[str]) -> Counter[str]:
    return Counter([*words, *pairs(words)])


def _share(term: str) -> float:
    return PAIR if "+" in term else 1.0


def _rarity(held: Mapping[str, int], count: int) -> dict[str, float]:
    return {term: math.log((count + 1) / (many + 0.5)) for term, many in held.items()}


def _unknown(count: int) -> float:
    """Weight of a term that stands nowhere: as much as one that stands once."""
    return math.log((count + 1) / 1.5)


def _length(terms: Counter[str], rare: Mapping[str, float]) -> float:
    return math.sqrt(sum((_share(term) * rare[term]) ** 2 for term in terms)) or 1.0
