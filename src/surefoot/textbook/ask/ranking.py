"""The ranking: the claims nearest to a question, best first, and how sure it is that one of them answers it.

The index knows which terms the question shares with the phrasings of a claim, the classifier what its words tell;
their sum ranks better than either. What both were made of is kept in `ranking.npz`, with a digest of the phrasings
that it was made from; `scripts/make_ask_index.py` makes it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from surefoot.textbook.ask.classifier import Classifier
from surefoot.textbook.ask.index import Index, Match
from surefoot.textbook.ask.phrasings import FOLDER
from surefoot.textbook.ask.words import mended, unmistakable

__all__ = ["Ranking", "digest", "the_ranking"]

SHARED = 2.0
"""Weight of the index's scores beside the classifier's margins."""
SIGNS = (1.45, 1.80, -4.16, 3.37)
OFFSET = -2.17
"""Logistic weights of the signs below. Fitted by `python benchmarks/ask.py design` on questions that are not reported
on."""


class Ranking:
    """Claims by how near they are to a question."""

    def __init__(self, index: Index, classifier: Classifier, made_from: str = "") -> None:
        self.index, self.classifier, self.made_from = index, classifier, made_from

    @classmethod
    def of(cls, pages: Mapping[str, Sequence[str]], others: Sequence[str]) -> Ranking:
        """Learn from the phrasings in `pages`, claim by claim, and from the `others`; scikit-learn does it."""
        return cls(Index.of(pages), Classifier.fitted(pages, others), digest(pages, others))

    def rank(self, question: str) -> list[Match]:
        """Every claim, best first."""
        words = mended(question, self.index.spellings)
        margins, _ = self.classifier.margins(words)
        shared = {one.claim: one.score for one in self.index.rank(words)}
        found = [Match(claim, margin + SHARED * shared.get(claim, 0.0)) for claim, margin in margins.items()]
        return sorted(found, key=lambda one: (-one.score, one.claim))

    def signs(self, question: str) -> tuple[float, ...]:
        """What tells whether a claim answers the question, each from about -1 to 1.

        The share of its terms, by weight, that any claim knows; that share again where it has a word that no other
        field has, which alone says little in much noise; the classifier's margin of other things, from -1 to 1, for
        further out lies nothing but noise; and its largest margin of a claim.
        """
        words = mended(question, self.index.spellings)
        margins, others = self.classifier.margins(words)
        known = self.index.known(words)
        return (known, known * unmistakable(words), min(max(others, -1.0), 1.0), max(margins.values()))

    def surely(self, question: str) -> float:
        """How sure it is that a claim answers the question, from 0 to 1."""
        weighed = sum(weight * sign for weight, sign in zip(SIGNS, self.signs(question), strict=True))
        return 1 / (1 + math.exp(-(weighed + OFFSET)))

    def near(self, question: str) -> list[str]:
        """Claims that share a term with the question, best first."""
        return [one.claim for one in self.index.rank(mended(question, self.index.spellings))]

    def dumps(self) -> bytes:
        """As the content of a file."""
        buffer = io.BytesIO()
        arrays = {**self.index.arrays, **self.classifier.arrays, "made_from": np.array(self.made_from)}
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def loads(cls, content: bytes) -> Ranking:
        """From the content of a file."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            kept = dict(arrays)
        return cls(Index(kept), Classifier(kept), str(kept["made_from"]))


def digest(pages: Mapping[str, Sequence[str]], others: Sequence[str]) -> str:
    """A fingerprint of phrasings and of the tables by which they are split into terms."""
    tables = [FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("synonyms.txt", "empty_words.txt")]
    listed = [[claim, list(page)] for claim, page in pages.items()]
    return hashlib.sha256(json.dumps([listed, list(others), tables]).encode()).hexdigest()


@functools.cache
def the_ranking() -> Ranking:
    """The ranking by every phrasing that the package holds, read once."""
    return Ranking.loads(FOLDER.joinpath("ranking.npz").read_bytes())
