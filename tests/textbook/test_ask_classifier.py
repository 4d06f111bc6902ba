"""The classifier behind asking, beside the plainest code that gives the same, and what it makes of slips and noise."""

from __future__ import annotations

import math
import zlib
from collections import Counter

import numpy as np
import pytest

from surefoot.textbook.ask.classifier import BUCKETS, features
from surefoot.textbook.ask.ranking import SHARED, Ranking, digest

PAGES = {
    "high": ("what if the rate is too high", "lr too large", "is my rate too big", "a large rate blows up"),
    "low": ("what if the rate is too low", "lr too small", "is my rate too tiny", "a small rate crawls"),
    "decay": ("why decay the rate", "does decay help", "decay or not", "what does decay do"),
}
OTHERS = ("how to bake bread", "what is the capital", "where to buy bread", "the capital of bread")


@pytest.fixture(scope="module")
def ranking():
    return Ranking.of(PAGES, OTHERS)


def test_features_are_terms_words_and_pieces():
    terms, words, pieces = features("Learning rates diverge")
    assert terms == Counter({"trate": 1, "tdiverg": 1, "trate+diverg": 1})
    assert set(words) == {"wlearning", "wrates", "wdiverge", "wlearning rates", "wrates diverge"}
    assert {"c l", "cle", "cdiver", "crates", "ces "} <= set(pieces)
    assert features("") == (Counter(), Counter(), Counter())
    assert set(features("a")[2]) == {"c a", "ca ", "c a "}
    assert set(features("lr=3e-4!")[1]) == {"wlr", "w3e-4", "wlr 3e-4"}


def test_margins_agree_with_their_definition(ranking):
    """The plain twin: every bucket of every claim in full, summed one by one."""
    arrays = ranking.classifier.arrays
    question = "is a larrge rate bad, or decay"
    vector = [0.0] * BUCKETS
    for kind in features(question):
        weights = {}
        for feature, times in kind.items():
            bucket = zlib.crc32(feature.encode()) % BUCKETS
            weights[feature] = (bucket, (1 + math.log(times)) * float(arrays["rarity"][bucket]))
        length = math.sqrt(sum(weight**2 for _, weight in weights.values()))
        for bucket, weight in weights.values():
            vector[bucket] += weight / length
    expected = []
    for place in range(len(PAGES) + 1):
        scale = float(arrays["scales"][place])
        total = sum(vector[one] * int(arrays["weights"][one, place]) * scale for one in range(BUCKETS) if vector[one])
        expected.append(total + float(arrays["offsets"][place]))
    margins, others = ranking.classifier.margins(question)
    assert [*margins.values(), others] == pytest.approx(expected, abs=1e-5)
    assert list(margins) == list(PAGES)


def test_what_was_learnt_is_told_apart(ranking):
    for claim, page in PAGES.items():
        for line in page:
            margins, others = ranking.classifier.margins(line)
            assert max(margins, key=margins.__getitem__) == claim
            assert margins[claim] > max(0.0, others)
    for line in OTHERS:
        margins, others = ranking.classifier.margins(line)
        assert others > max(0.0, *margins.values())


def test_rank_adds_the_two(ranking):
    question = "rate too high, decay it?"
    margins, _ = ranking.classifier.margins(question)
    shared = {one.claim: one.score for one in ranking.index.rank(question)}
    expected = {claim: margins[claim] + SHARED * shared.get(claim, 0.0) for claim in PAGES}
    ranked = ranking.rank(question)
    assert {one.claim: one.score for one in ranked} == pytest.approx(expected)
    assert [one.score for one in ranked] == sorted(expected.values(), reverse=True)


def test_a_question_without_any_letter_known_still_ranks(ranking):
    assert {one.claim for one in ranking.rank("@@@ ###")} == set(PAGES)
    assert ranking.signs("@@@")[0] == 0.0


def test_the_file_holds_all_of_it(ranking):
    again = Ranking.loads(ranking.dumps())
    assert again.dumps() == ranking.dumps()
    assert again.made_from == digest(PAGES, OTHERS)
    assert again.signs("is the rate too high") == ranking.signs("is the rate too high")
    assert again.rank("is the rate too high") == ranking.rank("is the rate too high")


def test_the_digest_tells_any_change():
    changed = {**PAGES, "decay": (*PAGES["decay"][:-1], "what does decay do?")}
    moved = {"decay": PAGES["high"], "high": PAGES["decay"], "low": PAGES["low"]}
    assert len({digest(PAGES, OTHERS), digest(changed, OTHERS), digest(moved, OTHERS), digest(PAGES, OTHERS[1:])}) == 4


def test_weights_are_small_whole_numbers(ranking):
    weights = ranking.classifier.arrays["weights"]
    assert weights.dtype == np.int8
    assert weights.shape == (BUCKETS, len(PAGES) + 1)
    assert np.abs(weights.astype(int)).max(axis=0).tolist() == [127] * (len(PAGES) + 1)
