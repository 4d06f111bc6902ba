"""Text that a training printed: `key=value`, `key: value`, `loss 0.5`, counters such as `Epoch 3/10` or `[640/60000]`.

A line counts when it holds a number that is named like a loss, a rate or a validation result; its step is the counter
on the same line, or, when there is only an epoch and a place within it, both together.

A training prints the same few sentences over and over with other numbers. So each sentence, its numbers taken out, is
understood once and kept as a *shape*: which of its numbers is what.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from surefoot.logs.channels import RawLog
from surefoot.logs.columns import Columns
from surefoot.logs.limits import clean
from surefoot.logs.roles import is_validation, words
from surefoot.logs.sources import Source

__all__ = ["looks_printed", "read_printed"]

_LONGEST = 4000
_MOST_SHAPES = 5_000
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)(?![a-zA-Z])"
_ANY = re.compile(r"(?<![\w.])(" + _NUMBER + ")", re.IGNORECASE)
_NAME = r"([A-Za-z_][\w./@-]{0,60}(?: [A-Za-z_][\w./@-]{0,30})?)"
_PAIR = re.compile(_NAME + r"['\"]?\s{0,4}[:=]\s{0,4}['\"]?(" + _NUMBER + r")(?!\d*:\d\d)", re.IGNORECASE)
_BARE = re.compile(
    r"\b((?:(?:train(?:ing)?|val(?:idation)?|valid|eval|test)[ _]?)?(?:loss|acc(?:uracy)?|ppl|error)"
    r"|lr|learning[ _]rate)"
    r"\s{1,4}(" + _NUMBER + r")",
    re.IGNORECASE,
)
_COUNTER = re.compile(
    r"\b(epoch|global[ _]?step|step|iter(?:ation)?|it|batch|update)s?\b['\"]?[ :=#]{0,3}[\[(]?\s{0,4}(\d{1,15})"
    r"(?:\s{0,2}(?:/|of)\s{0,2}(\d{1,15}))?",
    re.IGNORECASE,
)
_PLACE = re.compile(r"[\[( |](\d{1,15})/(\d{1,15})[\]) |]")
_LEADING = re.compile(r"\s*[\[(]?(\d{1,12})[\])]?[\s:,]")
_WANTED = {"loss", "acc", "accuracy", "lr", "ppl", "perplexity", "error", "nll", "cost"}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STEPS = {"it", "iter", "iteration", "update", "globalstep"}


@dataclasses.dataclass
class _Shape:
    """A sentence: which of its numbers, counted from the left, is what."""

    values: list[tuple[str, int]]
    counters: dict[str, tuple[int, int | None]]
    place: tuple[int, int] | None
    samples: bool
    leading: int | None
    bar: bool


def looks_printed(head: str) -> bool:
    """Whether some lines of a text carry a named loss."""
    lines = head.replace("\r", "\n").split("\n")[:2000]
    told = sum(_understood(_ESCAPES.sub("", line[:_LONGEST]), None) is not None for line in lines)
    return told >= 2 or (told == 1 and len(lines) < 4)


def read_printed(source: Source, mapping: Mapping[str, str]) -> list[RawLog]:
    """The run that a text tells of. Never raises for what the text holds."""
    raw = RawLog(path=source.shown, format="text")
    columns = Columns()
    shapes: dict[str, _Shape | None] = {}
    epoch: float | None = None
    clocks: set[str] = set()
    bars = False
    for line in source.lines(raw, returns=True):
        if raw.unended and columns.rows > 1:
            raw.stop(f"the last line has no end and may be cut off: it was left out (after {columns.rows} rows)")
            break
        text = line[:_LONGEST]
        if "\x1b" in text:
            text = _ESCAPES.sub("", text)
        parts = _ANY.split(text)
        if len(parts) == 1:
            continue
        sentence = "\x00".join(parts[::2])
        if sentence not in shapes:
            if len(shapes) >= _MOST_SHAPES:
                shapes.clear()
            shapes[sentence] = _understood(text, mapping.get("loss"), every=True)
        shape = shapes[sentence]
        if shape is None:
            continue
        numbers = parts[1::2]
        if "epoch" in shape.counters:
            epoch = float(numbers[shape.counters["epoch"][0]])
        if not shape.values:
            continue
        bars = bars or shape.bar
        clock, step = _step(shape, numbers, epoch)
        row = [(name, float(numbers[place])) for name, place in shape.values]
        if step is not None:
            clocks.add(clock)
            row.append(("step", step))
        if epoch is not None:
            row.append(("epoch", epoch))
        if not raw.room(columns.add_row(row)):
            break
    if bars:
        raw.note("progress-bar", "the losses stand in a progress bar, which mostly shows a running mean of the epoch")
        raw.loss_kind = "running"
    if "sample" in clocks:
        raw.note("steps-are-samples", "steps are counted in samples here, for the text gives no other counter")
    columns.into(raw, mapping)
    if clocks == {"epoch"} and raw.unit == "step":
        raw.unit = "epoch"
    raw.note("columns-inferred", f"the text was read by its names ({', '.join(list(columns.cells)[:10])})")
    return [raw]


def _understood(text: str, wanted: str | None, *, every: bool = False) -> _Shape | None:
    """The shape of a line; None when it tells nothing (with `every`, a line that only counts an epoch tells that)."""
    place_of = {match.span(1): place for place, match in enumerate(_ANY.finditer(text))}
    values: dict[str, int] = {}
    for match in (*_PAIR.finditer(text), *_BARE.finditer(text)):
        name, place = _name(match[1]), place_of.get(match.span(2))
        if place is not None and words(name) and not _is_counter(name):
            values.setdefault(name, place)
    if not any(_wanted(name) or name == wanted for name in values):
        values = {}
    counters: dict[str, tuple[int, int | None]] = {}
    for match in _COUNTER.finditer(text):
        low = match[1].lower().replace(" ", "").replace("_", "")
        first = place_of.get(match.span(2))
        if first is not None:
            counters["step" if low in _STEPS else low] = first, place_of.get(match.span(3)) if match[3] else None
    if not values and not (every and "epoch" in counters):
        return None
    inside = _PLACE.search(text)
    pair = (place_of.get(inside.span(1)), place_of.get(inside.span(2))) if inside else (None, None)
    leading = _LEADING.match(text)
    return _Shape(
        values=list(values.items()),
        counters=counters,
        place=(pair[0], pair[1]) if pair[0] is not None and pair[1] is not None else None,
        samples="%)" in text,
        leading=place_of.get(leading.span(1)) if leading else None,
        bar="%|" in text or "=====" in text,
    )


def _name(text: str) -> str:
    """`Train Loss` and `train_loss` are one name; a word before a name that is complete by itself is prose."""
    parts = text.strip().split(" ")
    named = words(parts[0])[:1] in (["train"], ["training"], ["learning"]) or is_validation(parts[0])
    if len(parts) == 2 and not named:
        parts = parts[1:]
    return clean("_".join(parts).lower() if len(parts) == 2 else parts[0])


def _wanted(name: str) -> bool:
    return bool(_WANTED & set(words(name))) or name.lower().endswith("loss")


def _is_counter(name: str) -> bool:
    return bool(_COUNTER.fullmatch(f"{name} 1")) or name.lower() in (
        "step",
        "epoch",
        "global_step",
        "iter",
        "iteration",
    )


def _step(shape: _Shape, numbers: Sequence[str], epoch: float | None) -> tuple[str, float | None]:
    """What counted, and the step: a counter of steps; or epoch and place within it; or the epoch alone."""
    inner = shape.counters.get("step") or shape.counters.get("batch")
    counted = shape.counters.get("epoch")
    if inner is None and shape.place is not None and counted is not None and shape.place[0] != counted[0]:
        done, total = float(numbers[shape.place[0]]), float(numbers[shape.place[1]])
        return ("sample" if shape.samples else "step"), max(0.0, (epoch or 1.0) - 1.0) * total + done
    if inner is not None:
        done = float(numbers[inner[0]])
        if inner[1] is not None and epoch is not None and "epoch" in shape.counters:
            return "step", max(0.0, epoch - 1.0) * float(numbers[inner[1]]) + done
        return "step", done
    if epoch is not None:
        return "epoch", epoch
    return ("step", float(numbers[shape.leading])) if shape.leading is not None else ("row", None)
