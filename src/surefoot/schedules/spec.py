"""Specs: a schedule as one line of text, for the command line and for recipes.

    cosine                              a name
    step:30:0.5                         options by place, in the order of the class ...
    step:step_size=30:gamma=0.5         ... or by name
    multi-step:milestones=0.5/0.8       a list has slashes between its items (`0.5/` is a list of one)
    0.1*cosine                          scaled
    cosine*exponential:0.5              the product of two (chain)
    constant@0.3+cosine                 one after the other (join); `@` says how long, the rest share what is left
    warmup:linear:500+cosine            a warmup stands in front of all that follows it
    repeat:part=(warmup:linear:50+cosine):times=3      a spec inside a spec has parentheses around it

Lengths below 1 are shares of the run, from 1 on numbers of updates; `10%` is 0.1. Blanks do not matter.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from surefoot.errors import RecipeError
from surefoot.schedules.options import check_length, whole_updates
from surefoot.schedules.registry import class_of, construct, option_names
from surefoot.schedules.schedule import Schedule

__all__ = ["from_json", "laid_out", "make", "spec_of"]

_TOKEN = re.compile(r"\s*(?:(?P<word>[\w.%-]+(?:(?<=\d[eE])\+\d+)?)|(?P<sign>[:+*@()/=]))")
_GRAMMAR = "which is no spec; write for example `warmup:linear:500+cosine`"
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


def make(name: str, peak: float, steps: int, **options: Any) -> Schedule:
    """Build the schedule `name` with the given peak rate over `steps` updates.

    Args:
        name: a name from `names()`, or a spec such as ``"warmup:linear:500+cosine"`` (see the module's text).
        peak: the rate it is scaled to; finite and above 0.
        steps: updates of the training; from 1.
        options: of the schedule; a spec carries its own.

    Raises:
        RecipeError: no such schedule or option, or a value out of range.
    """
    peak, steps = _peak(peak), _steps(steps)
    if not isinstance(name, str):
        raise RecipeError(f"`schedule` is {name!r}; give a name such as `cosine`")
    if re.fullmatch(r"[\w-]+", name) and not _NUMBER.fullmatch(name):
        return construct(name, peak, steps, options)
    if options:
        first = next(iter(options))
        raise RecipeError(f"`schedule` {name!r} carries its own options; write `{first}` into it")
    return _built(_Reader(name).read(), peak, steps)


def from_json(data: Any) -> Schedule:
    """The schedule that `Schedule.to_json` described.

    Raises:
        RecipeError: not such an object, or a schedule that cannot be built.
    """
    if not isinstance(data, Mapping) or not {"name", "peak", "steps"} <= data.keys():
        raise RecipeError(f"a schedule is an object with `name`, `peak`, `steps` and `options`, not {data!r}")
    options = data.get("options", {})
    if not isinstance(options, Mapping):
        raise RecipeError(f"`options` of a schedule is an object, not {options!r}")
    return construct(str(data["name"]), _peak(data["peak"]), _steps(data["steps"]), options)


def laid_out(part: Any, steps: int) -> Schedule:
    """A part of a composed schedule, over `steps` updates.

    Args:
        part: a schedule, its JSON form (`peak` and `steps` may be left out), or a spec.
        steps: updates that the part takes; a schedule of another length is scaled to it.

    Raises:
        RecipeError: it is none of these.
    """
    if isinstance(part, _Item):
        return _built(part, 1.0, steps)
    if isinstance(part, str):
        return make(part, 1.0, steps)
    if isinstance(part, Mapping):
        part = from_json({"peak": 1.0, "steps": steps, **part})
    if not isinstance(part, Schedule):
        raise RecipeError(f"a part is {part!r}; give a schedule, or a spec such as `cosine`")
    return part.scaled_to(steps)


def spec_of(schedule: Schedule) -> str:
    """The spec from which `make` builds the schedule, given its peak and steps; defaults are left out."""
    words, behind = [schedule.name], ""
    for field in dataclasses.fields(schedule):
        value = getattr(schedule, field.name)
        if field.name in ("peak", "steps") or value == field.default:
            continue
        if schedule.name == "warmup" and field.name == "then":
            behind = "" if (value.name, value.peak) == ("constant", 1.0) else f"+{_written(value)[1:-1]}"
        else:
            words.append(f"{field.name}={_written(value)}")
    return ":".join(words) + behind


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(map(_written, value)) + ("/" if len(value) == 1 else "")
    if isinstance(value, Schedule):
        scale = "" if value.peak == 1.0 else f"{value.peak!r}*"
        return f"({scale}{spec_of(value)})"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _peak(peak: object) -> float:
    try:
        return float(peak)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise RecipeError(f"`peak` is {peak!r}; a rate is a finite number above 0") from None


def _steps(steps: object) -> int:
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise RecipeError(f"`steps` is {steps!r}; it is a whole number from 1")
    return int(steps.__index__())


@dataclasses.dataclass(frozen=True)
class _Item:
    """A schedule that is named, with its options; or several: one after the other (`+`), or multiplied (`*`)."""

    name: str
    by_place: tuple[Any, ...] = ()
    by_name: tuple[tuple[str, Any], ...] = ()
    parts: tuple[_Item, ...] = ()
    scale: float = 1.0
    length: Any = None

    def __repr__(self) -> str:
        return "a schedule in parentheses"


def _built(item: _Item, peak: float, steps: int) -> Schedule:
    peak *= item.scale
    if item.name == "*":
        return construct("chain", peak, steps, {"parts": item.parts})
    if item.name == "+":
        return _joined(item.parts, peak, steps)
    return construct(item.name, peak, steps, _options(item))


def _options(item: _Item) -> dict[str, Any]:
    known = option_names(class_of(item.name))
    if len(item.by_place) > len(known):
        extra = item.by_place[len(known)]
        takes = ", ".join(known) or "no options"
        raise RecipeError(f"schedule `{item.name}` has no option for the value {extra!r}; it takes {takes}")
    options = dict(zip(known, item.by_place, strict=False))
    for name, value in item.by_name:
        if name in options:
            raise RecipeError(f"schedule `{item.name}` is given `{name}` twice; give it once")
        options[name] = value
    return options


def _joined(items: tuple[_Item, ...], peak: float, steps: int) -> Schedule:
    for place, item in enumerate(items[:-1]):
        if item.parts or class_of(item.name).name != "warmup":
            continue
        if item.length is not None:
            raise RecipeError(f"`@` behind a warmup; give its length as an option, `warmup:linear:{item.length}`")
        rest = items[place + 1 :]
        then = rest[0] if len(rest) == 1 and rest[0].length is None else _Item("+", parts=rest)
        front = dataclasses.replace(item, by_name=(*item.by_name, ("then", then)))
        return _joined((*items[:place], front), peak, steps) if place else _built(front, peak, steps)
    return construct("join", peak, steps, {"parts": items, "at": _bounds(items, steps)})


def _bounds(items: tuple[_Item, ...], steps: int) -> list[float]:
    """Where the second and later items begin: shares of the run if every length is one, else updates."""
    given = [item.length for item in items if item.length is not None]
    for length in given:
        check_length("@", length)
    shares = all(length < 1 for length in given)
    whole: float = 1.0 if shares else steps
    taken = [
        None if item.length is None else item.length if shares else whole_updates(item.length, steps) for item in items
    ]
    left, waiting = whole - sum(one for one in taken if one is not None), taken.count(None)
    if left < -1e-9 or (waiting and left < 1e-9) or (not waiting and left > 1e-9):
        what = f"{1 - left:g} of the run" if shares else f"{steps - left:g} of {steps} updates"
        raise RecipeError(f"the lengths behind `@` take {what}; leave one of them out, or make them fit")
    bounds, place = [], 0.0
    for length in taken[:-1]:
        place += left / waiting if length is None else length
        bounds.append(place if shares else round(place))
    return bounds


class _Reader:
    """Reads one spec, by recursive descent over its tokens."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.place = text, list[tuple[str, int]](), 0
        at = 0
        while text[at:].strip():
            token = _TOKEN.match(text, at)
            if token is None:
                raise RecipeError(f"`schedule` {text!r} has {text[at:].strip()[0]!r} at character {at + 1}, {_GRAMMAR}")
            self.tokens.append((token["word"] or token["sign"], token.start(token.lastgroup or 0) + 1))
            at = token.end()

    def read(self) -> _Item:
        item = self._sequence()
        if self.place < len(self.tokens):
            raise self._unexpected()
        if item.length is not None:
            raise RecipeError(f"`schedule` {self.text!r}: `@` says how long a part is, and nothing follows it")
        return item

    def _sequence(self) -> _Item:
        items = [self._product()]
        while self._took("+"):
            items.append(self._product())
        return items[0] if len(items) == 1 else _Item("+", parts=tuple(items))

    def _product(self) -> _Item:
        scale, items = 1.0, list[_Item]()
        while True:
            if _NUMBER.fullmatch(self._peek()):
                scale *= float(_plain(self._word()))
            else:
                items.append(self._item())
            if not self._took("*"):
                break
        if not items:
            raise self._unexpected()
        one = items[0] if len(items) == 1 else _Item("*", parts=tuple(items))
        length = _plain(self._word()) if self._took("@") else None
        if length is not None and one.length is not None:
            raise RecipeError(f"`schedule` {self.text!r} has `@` twice behind one part; give it once")
        return dataclasses.replace(one, scale=one.scale * scale, length=length)

    def _item(self) -> _Item:
        if self._took("("):
            item = self._sequence()
            self._need(")")
            return item
        name = self._word()
        by_place: list[Any] = []
        by_name: list[tuple[str, Any]] = []
        while self._took(":"):
            if self._peek(1) == "=":
                option = self._word()
                self._need("=")
                by_name.append((option, self._list()))
            elif by_name:
                raise self._unexpected("an option by name; options by place come first")
            else:
                by_place.append(self._list())
        class_of(name)
        return _Item(name, tuple(by_place), tuple(by_name))

    def _list(self) -> Any:
        values = [self._single()]
        listed = False
        while self._took("/"):
            listed = True
            if self._peek() in ("", ":", "+", "*", "@", ")"):
                break
            values.append(self._single())
        return tuple(values) if listed else values[0]

    def _single(self) -> Any:
        if self._took("("):
            item = self._sequence()
            self._need(")")
            return item
        return _plain(self._word())

    def _peek(self, ahead: int = 0) -> str:
        place = self.place + ahead
        return self.tokens[place][0] if place < len(self.tokens) else ""

    def _took(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self.place += 1
        return True

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            raise self._unexpected(f"`{sign}`")

    def _word(self) -> str:
        word = self._peek()
        if not word or word in ":+*@()/=":
            raise self._unexpected("a name or value")
        self.place += 1
        return word

    def _unexpected(self, wanted: str = "") -> RecipeError:
        found = f"{self._peek()!r} at character {self.tokens[self.place][1]}" if self._peek() else "its end"
        needed = f" where {wanted} is needed" if wanted else ""
        return RecipeError(f"`schedule` {self.text!r} has {found}{needed}, {_GRAMMAR}")


def _plain(word: str) -> Any:
    """The value that a word of a spec stands for."""
    known = {"true": True, "false": False, "none": None}
    if word.lower() in known:
        return known[word.lower()]
    if not _NUMBER.fullmatch(word):
        return word
    if word.endswith("%"):
        return float(word[:-1]) / 100.0
    return int(word) if re.fullmatch(r"-?\d+", word) else float(word)
