"""Sentences: one printed line understood, its numbers taken out. Which of its numbers is a loss, a rate, a counter?

A training prints the same few sentences over and over with other numbers. So each sentence is understood once and kept
as a *shape*. Names stand before their numbers (`loss=0.5`, `'loss': 0.5`, `loss 0.5`, `loss: tensor(0.5, …)`);
a word for the held-out data that opens a part of the line (`Test: …`, `| val: …`) holds for the names after it.
"""

from __future__ import annotations

import dataclasses
import re

from surefoot.logs.limits import clean
from surefoot.logs.roles import is_loss, is_validation, words

__all__ = ["NUMBERS", "Shape", "opens_held_out", "plain", "understood"]

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:[nN][aA][nN]|[iI][nN][fF](?:inity)?)(?![a-zA-Z])"
NUMBERS = re.compile(r"(?=[-+.\dnNiI])(?<![\w.])(" + _NUMBER + ")")
_WRAP = r"['\"]?(?:\[\(?|[A-Za-z][\w.]{0,20}\()?"
_NAME = r"([A-Za-z_][\w./@-]{0,60}(?: \(?[A-Za-z_][\w./@-]{0,30}\)?)?)"
_PAIR = re.compile(
    _NAME + r"['\"]?\s{0,4}[:=]\s{0,12}" + _WRAP + "(" + _NUMBER + r")(?!\d*:\d\d)(?!\s{0,3}/\s{0,6}\d)", re.IGNORECASE
)
_BARE = re.compile(
    r"\b((?:(?:train(?:ing)?|val(?:idation)?|valid|eval|test)[ _]?)?(?:loss|acc(?:uracy)?|ppl|error)"
    r"|lr|learning[ _]rate)"
    r"\s{1,4}" + _WRAP + "(" + _NUMBER + r")",
    re.IGNORECASE,
)
_COUNTER = re.compile(
    r"\b(epoch|ep|(?:(?:global|num|current|cur|train|trainer|optimizer|completed)[ _])?(?:step|iter(?:ation)?|it|batch|"
    r"update)s?)(?:\((?:train|val|test|valid|eval)\)|\b)['\"]?[ :=#]{0,3}[\[(]?\s{0,12}(\d{1,15})(?![\d.]*%)"
    r"(?:\s{0,3}(?:/|of)\s{0,8}(\d{1,15}))?",
    re.IGNORECASE,
)
_PASS = re.compile(
    r"\b(?:train(?:ing)?|val(?:id(?:ation)?)?|test|eval)[: ]{1,3}\[?(\d{1,9})\]?\s{0,3}\[\s{0,6}\d", re.I
)
_PLACE = re.compile(r"(?:^|[\[(|\s])(\d{1,15})\s{0,3}/\s{0,6}(\d{1,15})(?=$|[\]\s)|:,])")
_CORNER = re.compile(r"\s{0,8}\[\s{0,4}(\d{1,9}),\s{0,8}(\d{1,12})\]")
_BARRED = re.compile(r"\s{0,8}(\d{1,9})\|(\d{1,12})\|")
_LEADING = re.compile(r"\s*[\[(]?(\d{1,12})[\])]?[\s:,]")
_BAR = re.compile(r"%\||=====|━━|\d/\d+ \[[.=>]")
_STEPS = {"it", "iter", "iteration", "update", "step"}
_WANTED = {"acc", "accuracy", "lr", "ppl", "perplexity", "error"}

_HELD = r"(?:val|valid|validation|eval|evaluation|dev|test|testing)"
_TRAINED = r"(?:train|training)"
_PART = r"(?:\s+(?:set|results?|epoch|error|metrics?|phase|step))?"
_TURN = re.compile(rf"\b(?:({_HELD})|{_TRAINED})\b{_PART}\s{{0,3}}[:\])>|-]", re.IGNORECASE)
_PROSE = r"\W*(?:(?:info|debug|warning|root|__main__|main|rank\d*|[\w.]+\.py)\W+)*"
_FIRST = re.compile(rf"{_PROSE}(?:({_HELD})|{_TRAINED})\b", re.IGNORECASE)
_SET = re.compile(rf"{_HELD}|{_TRAINED}|learn", re.IGNORECASE)

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_THOUSANDS = re.compile(r"(?<![\d.,\[(])\d{1,3}(?:,\d{3})+(?![\d,])")
_STAMP = re.compile(
    r"(\D{0,40}?)(?:\b\d{2,4}[-/]\d\d(?:[-/]\d{2,4})?[T ,]{1,2})?(?<![\d:])\d{1,3}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?"
    r"(?:Z|[+-]\d\d:?\d\d)?(?![\d:])"
)
"""The date and time, or the time, that a line begins with, after a level or the name of a program."""


@dataclasses.dataclass
class Shape:
    """A sentence: which of its numbers, counted from the left, is what."""

    values: list[tuple[str, int]]
    counters: dict[str, tuple[int, int | None]]
    """`epoch`, `step`, `batch` to the counter and, where it stands beside it, what it counts up to."""
    place: tuple[int, int] | None
    """A place within a whole, such as `[640/60000]`."""
    leading: int | None
    samples: bool = False
    """Whether the place counts samples."""
    bar: bool = False
    """Whether the line is a progress bar."""
    held: bool = False
    """Whether every result on the line is one of held-out data."""
    alone: bool = False
    """Whether the line is a counter and nothing else."""


def plain(line: str) -> str:
    """A line without colours and dates, whose numbers are no results."""
    text = _ESCAPES.sub("", line) if "\x1b" in line else line
    if "," in text:
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    stamp = _STAMP.match(text) if ":" in text[:64] else None
    return f"{stamp[1]} {text[stamp.end() :]}" if stamp else text


def opens_held_out(text: str) -> bool:
    """Whether a line without numbers announces results of held-out data, such as `Test Error:`."""
    first = _FIRST.match(text) if text.rstrip().endswith(":") and len(text) < 60 else None
    return bool(first and first[1])


def understood(text: str, wanted: str | None, *, every: bool = False) -> Shape | None:
    """The shape of a line; None when it tells nothing (with `every`, a line that only counts tells that)."""
    place_of = {match.span(1): place for place, match in enumerate(NUMBERS.finditer(text))}
    values = _values(text, place_of)
    if not any(_wanted(name) or name == wanted for name in values):
        values = {}
    counters: dict[str, tuple[int, int | None]] = {}
    for match in _COUNTER.finditer(text):
        low = re.split(r"[ _]", match[1].lower())[-1].rstrip("s")
        first = place_of.get(match.span(2))
        if first is not None:
            total = place_of.get(match.span(3)) if match[3] else None
            counters.setdefault("step" if low in _STEPS else "epoch" if low == "ep" else low, (first, total))
    named_pass = _PASS.search(text)
    if named_pass and "epoch" not in counters and (first := place_of.get(named_pass.span(1))) is not None:
        counters["epoch"] = first, None
    corner = _CORNER.match(text) or _BARRED.match(text)
    if corner and "epoch" not in counters and "step" not in counters:
        first, second = place_of.get(corner.span(1)), place_of.get(corner.span(2))
        if first is not None and second is not None:
            counters |= {"epoch": (first, None), "step": (second, None)}
    if not values and not (every and (counters or _BAR.search(text))):
        return None
    leading = _LEADING.match(text)
    bar = bool(_BAR.search(text))
    return Shape(
        values=list(values.items()),
        counters=counters,
        place=_inside(text, place_of, counters),
        samples="%)" in text and not named_pass,
        leading=place_of.get(leading.span(1)) if leading else None,
        bar=bar,
        held=bool(values) and all(is_validation(name) for name in values if not _is_rate(name)),
        alone=not values and not bar and bool(re.fullmatch(r"[\W\d]*[A-Za-z_ ]{2,24}[\W\d]*", text)),
    )


def _values(text: str, place_of: dict[tuple[int, int], int]) -> dict[str, int]:
    """Name to the place of its number; names of held-out data begin with, or hold, a word that says so."""
    found = sorted((*_PAIR.finditer(text), *_BARE.finditer(text)), key=lambda match: match.span(2))
    opening = _FIRST.match(text)
    held = bool(opening and opening[1])
    values: dict[str, int] = {}
    before = 0
    for match in found:
        for turn in _TURN.finditer(text, before, match.end(1) + 2):
            held = bool(turn[1])
        before = match.start(2)
        name, place = _name(match[1]), place_of.get(match.span(2))
        if _SET.fullmatch(name) and "loss" in text[: match.start(1)].lower():
            name = f"{name.lower()}_loss"
        if place is None or not words(name) or _is_counter(name):
            continue
        if held and not is_validation(name) and "train" not in words(name) and not _is_rate(name):
            name = f"val_{name}"
        average = _average(text, match, place_of) if is_validation(name) else None
        values.setdefault(name, place if average is None else average)
    return values


def _average(text: str, match: re.Match[str], place_of: dict[tuple[int, int], int]) -> int | None:
    """The place of the mean so far that stands in brackets behind a number: of held-out data it is what counts."""
    behind = re.compile(r"\s{1,2}\(\s{0,8}(" + _NUMBER + r")\)", re.IGNORECASE).match(text, match.end(2))
    return place_of.get(behind.span(1)) if behind else None


def _inside(
    text: str, place_of: dict[tuple[int, int], int], counters: dict[str, tuple[int, int | None]]
) -> tuple[int, int] | None:
    """A place within a whole that is not the count of epochs."""
    epoch = counters.get("epoch", (None, None))[0]
    for match in _PLACE.finditer(text):
        done, total = place_of.get(match.span(1)), place_of.get(match.span(2))
        if done is not None and total is not None and done != epoch:
            return done, total
    return None


def _name(text: str) -> str:
    """`Train Loss` and `train_loss` are one name; a word before a name that is complete by itself is prose."""
    parts = text.replace("(", "").replace(")", "").strip().split(" ")
    if len(parts) == 2 and is_loss(words(parts[0])) and _SET.fullmatch(parts[1]):
        parts.reverse()
    named = words(parts[0])[:1] in (["train"], ["training"], ["learning"], ["grad"]) or is_validation(parts[0])
    if len(parts) == 2 and not named:
        parts = parts[1:]
    return clean("_".join(parts).lower() if len(parts) == 2 else parts[0])


def _wanted(name: str) -> bool:
    return bool(_WANTED & set(words(name))) or is_loss(words(name))


def _is_rate(name: str) -> bool:
    return bool({"lr", "rate"} & set(words(name)))


def _is_counter(name: str) -> bool:
    return bool(_COUNTER.fullmatch(f"{name} 1")) or name.lower() in ("epoch", "iteration", "num_updates")
