"""The classifier: which claim a question is about, by everything it is written with, weighed by what was learnt.

A question is written as *features* of three kinds: its terms and pairs of them, its words and pairs of them as they
stand, and the pieces of its words, two to five letters long, which survive slips of the keys and foreign endings. A
linear support vector machine, one claim against the rest (scikit-learn's LinearSVC), gave every feature a weight for
every claim, and for the questions about other things. The features are numbered by a hash, so no list of them is kept,
and the weights are stored as small whole numbers.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from surefoot.textbook.ask.words import plain, split_terms

__all__ = ["Classifier", "features"]

BUCKETS = 2**14
"""Numbers that features are given; some share one."""
SHORTEST, LONGEST = 2, 5
"""Letters of a piece of a word; the edges of the word count as letters."""
COST = 1.0
"""The support vector machine's C: the cost of a phrasing on the wrong side."""
SEEN = 2
"""Phrasings that hold a feature for it to be learnt."""
READ = 2000
"""Characters of a question that are read."""
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?(?:e-?\d+)?")

Arrays = Mapping[str, np.ndarray]
Kinds = tuple[Counter[str], Counter[str], Counter[str]]


def features(question: str) -> Kinds:
    """The features of a question by kind, with how often each occurs."""
    terms = split_terms(question)
    words = _WORD.findall(plain(question[:READ]))
    return (
        Counter(f"t{one}" for one in _with_pairs(terms, "+")),
        Counter(f"w{one}" for one in _with_pairs(words, " ")),
        Counter(f"c{piece}" for word in words for piece in _pieces(f" {word} ")),
    )


class Classifier:
    """Weights of every feature for every claim."""

    def __init__(self, arrays: Arrays) -> None:
        """Read what :meth:`fitted` made."""
        self.arrays = arrays
        self.claims = tuple(str(arrays["classes"]).split())
        self._weights, self._scales, self._offsets = arrays["weights"], arrays["scales"], arrays["offsets"]
        self._rarity = arrays["rarity"]

    @classmethod
    def fitted(cls, pages: Mapping[str, Sequence[str]], others: Sequence[str]) -> Classifier:
        """Learn from the phrasings in `pages`, claim by claim, and from the `others`, which no claim answers."""
        import scipy.sparse
        from sklearn.svm import LinearSVC

        lines = [*((claim, line) for claim, page in pages.items() for line in page), *(("", line) for line in others)]
        written = [features(line) for _, line in lines]
        seen = Counter(one for kinds in written for kind in kinds for one in kind)
        held = np.zeros(BUCKETS)
        for kinds in written:
            held[list({_bucket(one) for kind in kinds for one in kind})] += 1
        rarity = (np.log((1 + len(lines)) / (1 + held)) + 1).astype(np.float32)
        rows = [_row(kinds, rarity, lambda one: seen[one] >= SEEN) for kinds in written]
        starts = np.cumsum([0, *map(len, rows)])
        columns = [one for row in rows for one in row]
        table = scipy.sparse.csr_matrix(
            ([one for row in rows for one in row.values()], columns, starts), shape=(len(rows), BUCKETS)
        )
        names = [*pages, ""]
        model = LinearSVC(C=COST, random_state=0)
        model.fit(table, [names.index(claim) for claim, _ in lines])
        scales = np.abs(model.coef_).max(axis=1) / 127
        return cls(
            {
                "classes": np.array(" ".join(pages)),
                "weights": np.round(model.coef_ / scales[:, None]).astype(np.int8).T.copy(),
                "scales": scales.astype(np.float32),
                "offsets": model.intercept_.astype(np.float32),
                "rarity": rarity,
            }
        )

    def margins(self, question: str) -> tuple[dict[str, float], float]:
        """How far a question lies on each claim's side, about 1 for a sure one; and on that of other things."""
        row = _row(features(question), self._rarity)
        shares = np.fromiter(row.values(), np.float32, len(row))
        found = (shares @ self._weights[list(row)].astype(np.float32)) * self._scales + self._offsets
        return dict(zip(self.claims, map(float, found), strict=False)), float(found[-1])


def _row(kinds: Kinds, rarity: np.ndarray, kept: Callable[[str], bool] = lambda _: True) -> dict[int, float]:
    """What a question puts into each bucket: its features by rarity, every kind of length 1."""
    row: dict[int, float] = {}
    for kind in kinds:
        weighed = [(_bucket(one), 1 + math.log(times)) for one, times in kind.items() if kept(one)]
        weighed = [(bucket, weight * float(rarity[bucket])) for bucket, weight in weighed]
        length = math.sqrt(sum(weight * weight for _, weight in weighed)) or 1.0
        for bucket, weight in weighed:
            row[bucket] = row.get(bucket, 0.0) + weight / length
    return row


def _with_pairs(words: list[str], between: str) -> Iterator[str]:
    yield from words
    for first, second in itertools.pairwise(words):
        yield f"{first}{between}{second}"


def _pieces(word: str) -> Iterator[str]:
    for size in range(SHORTEST, LONGEST + 1):
        if size >= len(word):
            yield word
            return
        for start in range(len(word) - size + 1):
            yield word[start : start + size]


@functools.lru_cache(maxsize=2**16)
def _bucket(feature: str) -> int:
    return zlib.crc32(feature.encode()) % BUCKETS
