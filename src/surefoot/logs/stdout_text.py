"""Text that a training printed: `key=value`, `key: value`, `loss 0.5`, counters such as `Epoch 3/10` or `[640/60000]`.

A line counts when it holds a number that is named like a loss, a rate or a validation result; its step is the counter
on the same line, or, when there is only an epoch and a place within it, both together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from surefoot.logs.channels import RawLog
from surefoot.logs.columns import Columns
from surefoot.logs.limits import clean
from surefoot.logs.roles import is_validation, words
from surefoot.logs.sources import Source

__all__ = ["looks_printed", "read_printed"]

_LONGEST = 4000
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)(?![a-zA-Z])"
_NAME = r"([A-Za-z_][\w./@-]{0,60}(?: [A-Za-z_][\w./@-]{0,30})?)"
_PAIR = re.compile(_NAME + r"['\"]?\s{0,4}[:=]\s{0,4}['\"]?(" + _NUMBER + r")(?!\d*:\d\d)", re.IGNORECASE)
_BARE = re.compile(
    r"\b((?:(?:train(?:ing)?|val(?:idation)?|valid|eval|test)[ _]?)?(?:loss|acc(?:uracy)?|ppl|error)"
    r"|lr|learning[ _]rate)"
    r"\s{1,4}(" + _NUMBER + r")",
    re.IGNORECASE,
)
_COUNTER = re.compile(
    r"\b(epoch|global[ _]?step|step|iter(?:ation)?|it|batch|update)s?\b[ :=#]{0,3}[\[(]?\s{0,4}(\d{1,15})"
    r"(?:\s{0,2}(?:/|of)\s{0,2}(\d{1,15}))?",
    re.IGNORECASE,
)
_PLACE = re.compile(r"[\[( |](\d{1,15})/(\d{1,15})[\]) |]")
_LEADING = re.compile(r"\s*[\[(]?(\d{1,12})[\])]?[\s:,]")
_WANTED = {"loss", "acc", "accuracy", "lr", "ppl", "perplexity", "error", "nll", "cost"}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def looks_printed(head: str) -> bool:
    """Whether some lines of a text carry a named loss."""
    lines = head.replace("\r", "\n").split("\n")[:2000]
    told = sum(any(_wanted(name) for name, _ in _numbers(_ESCAPES.sub("", line[:_LONGEST]))) for line in lines)
    return told >= 2 or (told == 1 and len(lines) < 4)


def read_printed(source: Source, mapping: Mapping[str, str]) -> list[RawLog]:
    """The run that a text tells of. Never raises for what the text holds."""
    raw = RawLog(path=source.shown, format="text")
    columns = Columns()
    epoch: float | None = None
    clocks: set[str] = set()
    bars = False
    for line in source.lines(raw, returns=True):
        text = line[:_LONGEST]
        if "\x1b" in text:
            text = _ESCAPES.sub("", text)
        if "=" not in text and ":" not in text and " " not in text:
            continue
        counters = {_counter(m[1]): (float(m[2]), float(m[3]) if m[3] else None) for m in _COUNTER.finditer(text)}
        if "epoch" in counters:
            epoch = counters["epoch"][0]
        found = {name: value for name, value in _numbers(text) if words(name) and not _is_counter(name)}
        wanted = mapping.get("loss")
        if not any(_wanted(name) or name == wanted for name in found):
            continue
        bars = bars or "%|" in text or "=====" in text
        clock, step = _step(text, counters, epoch)
        row = list(found.items())
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


def _numbers(text: str) -> list[tuple[str, float]]:
    out: dict[str, float] = {}
    for match in _PAIR.finditer(text):
        out.setdefault(_name(match[1]), float(match[2]))
    for match in _BARE.finditer(text):
        out.setdefault(_name(match[1]), float(match[2]))
    return list(out.items())


def _name(text: str) -> str:
    """`Train Loss` and `train_loss` are one name; a word before a name that is complete by itself is prose."""
    parts = text.strip().split(" ")
    if len(parts) == 2 and not (
        is_validation(parts[0]) or words(parts[0])[:1] in (["train"], ["training"], ["learning"])
    ):
        parts = parts[1:]
    return clean("_".join(parts).lower() if len(parts) == 2 else parts[0])


def _wanted(name: str) -> bool:
    return bool(_WANTED & set(words(name))) or name.lower().endswith("loss")


def _counter(word: str) -> str:
    low = word.lower().replace(" ", "").replace("_", "")
    return {"it": "step", "iter": "step", "iteration": "step", "update": "step", "globalstep": "step"}.get(low, low)


def _is_counter(name: str) -> bool:
    return bool(_COUNTER.fullmatch(f"{name} 1")) or name.lower() in (
        "step",
        "epoch",
        "global_step",
        "iter",
        "iteration",
    )


def _step(
    text: str, counters: Mapping[str, tuple[float, float | None]], epoch: float | None
) -> tuple[str, float | None]:
    """What counted, and the step: a counter of steps; or epoch and place within it; or the epoch alone."""
    inner = counters.get("step") or counters.get("batch")
    place = _PLACE.search(text)
    if inner is None and place is not None and "epoch" in text.lower() and "epoch" in counters:
        done, total = float(place[1]), float(place[2])
        if (done, total) != counters["epoch"]:
            samples = "%)" in text
            return ("sample" if samples else "step"), max(0.0, (epoch or 1.0) - 1.0) * total + done
    if inner is not None:
        done, most = inner
        if most is not None and epoch is not None and "epoch" in counters:
            return "step", max(0.0, epoch - 1.0) * most + done
        return "step", done
    if epoch is not None:
        return "epoch", epoch
    leading = _LEADING.match(text)
    return ("step", float(leading[1])) if leading else ("row", None)
