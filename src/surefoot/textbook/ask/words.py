"""Words: a question as the terms it is about.

A *term* is a word of the field in one spelling: "learning rate", "lr", "step size" and "eta" are the term `rate`.
A question becomes terms in four steps: slips of the keys are mended, the field's phrases are replaced by their terms
(`synonyms.txt`), words that carry nothing are dropped (`empty_words.txt`), the rest lose their endings. Neighbouring
terms also count as a pair, so that a high rate is not confused with a high loss.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator
from importlib.resources import files

__all__ = ["mended", "pairs", "plain", "spelled_words", "split_lines", "split_terms", "unmistakable"]

_LONGEST = 2000
"""Characters of a question that are read; nobody asks longer."""
_GAP = r"(?:[^\S\n]+)"
"""Space within a line: many lines are split in one go."""
_ENDINGS = (
    *("ations", "ation", "ingly", "ments", "ment", "ness", "ings", "ing", "ies", "ied", "edly", "ed"),
    *("ity", "ive", "ical", "ally", "ly", "es", "s", "e"),
)
_UNMISTAKABLE = re.compile(
    r"\b(?:lrs?|learning[ -]?rates?|eta\d?|step[ -]?sizes?|sgd|adam|gradient descent|backprop\w*|epochs?|overfit\w*"
    r"|xor)\b"
)
_LETTERS = re.compile(r"[a-z]+")
_SHORTEST = 5
"""Letters of the shortest word that is mended."""
_LIKENESS = 0.85
"""Share of letters in order that two spellings of a word have in common."""
_WORD = re.compile(r":?[a-z][a-z0-9_]*|\d+(?:\.\d+)?(?:e-?\d+)?")


def plain(text: str) -> str:
    """`text` in small plain letters."""
    spelled = unicodedata.normalize("NFKD", text).lower()
    spelled = spelled.replace("η", " eta ").replace("λ", " lambda ").replace("’", "'").replace("'s ", " ")
    return "".join(letter for letter in spelled if not unicodedata.combining(letter))


def split_terms(text: str) -> list[str]:
    """The terms of a question, in their order, without those that carry nothing."""
    return split_lines(text[:_LONGEST].replace("\n", " "))[0]


def split_lines(text: str) -> list[list[str]]:
    """The terms of every line of `text`."""
    spelled = plain(text)
    for found, terms in _synonyms():
        spelled = found.sub(terms, spelled)
    empty = _empty_words()
    return [
        [word[1:] if word[0] == ":" else _stem(word) for word in _WORD.findall(line) if word not in empty]
        for line in spelled.split("\n")
    ]


def pairs(terms: list[str]) -> Iterator[str]:
    """Neighbouring terms as one, in the order of the alphabet: 'high rate' and 'rate too high' agree."""
    for first, second in itertools.pairwise(terms):
        if first != second:
            yield "+".join(sorted((first, second)))
    for first, second in zip(terms, terms[2:], strict=False):
        if {first, second} in ({"rate", "high"}, {"rate", "low"}):
            yield "+".join(sorted((first, second)))


def unmistakable(text: str) -> bool:
    """Whether `text` has a word that stands in no question about anything else."""
    return _UNMISTAKABLE.search(plain(text)) is not None


def mended(text: str, spellings: Collection[str]) -> str:
    """`text` with slips of the keys mended: a word that is no known spelling becomes the nearest one, if it is near.

    Short words are left alone, for too many lie a letter apart; the first letter is taken to be right.
    """
    return _LETTERS.sub(lambda found: _nearest(found.group(), spellings), plain(text[:_LONGEST]))


def spelled_words(text: str) -> set[str]:
    """The words of `text` that are long enough to be mended by."""
    return {word for word in _LETTERS.findall(plain(text)) if len(word) >= _SHORTEST}


def _nearest(word: str, spellings: Collection[str]) -> str:
    if len(word) < _SHORTEST or word in spellings:
        return word
    alike = [one for one in spellings if one[0] == word[0] and abs(len(one) - len(word)) <= 2]
    return next(iter(difflib.get_close_matches(word, alike, n=1, cutoff=_LIKENESS)), word)


@functools.cache
def _synonyms() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns and what replaces them; a term is marked with a colon so that no later pattern takes it apart."""
    found = []
    for line in _lines("synonyms.txt"):
        terms, _, pattern = line.partition(": ")
        spaced = pattern.replace("[- ]", f"(?:-|{_GAP})").replace("[-_ ]", f"(?:[-_]|{_GAP})").replace(" ", _GAP)
        marked = "" if terms == "-" else " ".join(f":{term}" for term in terms.split())
        found.append((re.compile(rf"(?<![a-z0-9:])(?:{spaced})(?![a-z0-9])"), f" {marked} "))
    return tuple(found)


@functools.cache
def _empty_words() -> frozenset[str]:
    return frozenset(word for line in _lines("empty_words.txt") for word in line.split())


def _lines(name: str) -> list[str]:
    text = files("surefoot.textbook.ask").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _stem(word: str) -> str:
    if not word[0].isalpha() or len(word) <= 3:
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
