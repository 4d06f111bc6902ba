"""Pictures made of characters: the response curve for a terminal.

A *canvas* is a grid of braille cells, 2 dots wide and 4 dots high each; marks stand over the dots. Where the terminal
cannot show braille, dots become ``.`` and marks have plain twins.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

from rich.text import Text

from surefoot.records import Found
from surefoot.report.numbers import brief, rate
from surefoot.report.response import Level, ceiling, levels, lr_range

__all__ = ["Canvas", "response_lines"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_PLAIN = {"●": "o", "×": "x", "┊": ":", "├": "|", "┤": "|", "─": "-", "◆": "#", "└": "+", "┬": "+", "│": "|", "·": "."}
_NARROWEST = 40
_MARGIN = 9


@dataclasses.dataclass
class Canvas:
    """Braille dots and marks on a grid of `width` by `height` characters; rows count from the top."""

    width: int
    height: int

    def __post_init__(self) -> None:
        """Start empty."""
        self._cells = [[0] * self.width for _ in range(self.height)]
        self._styles: list[list[str]] = [[""] * self.width for _ in range(self.height)]
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}

    def dot(self, x: float, y: float, style: str = "") -> None:
        """Set the dot at (`x`, `y`), both from 0 (left, bottom) to 1 (right, top)."""
        across = min(int(x * self.width * 2), self.width * 2 - 1)
        down = min(int((1 - y) * self.height * 4), self.height * 4 - 1)
        if across < 0 or down < 0:
            return
        self._cells[down // 4][across // 2] |= _DOTS[down % 4][across % 2]
        self._styles[down // 4][across // 2] = style

    def line(self, x0: float, y0: float, x1: float, y1: float, style: str = "") -> None:
        """Dots along a straight line."""
        steps = max(1, round(abs(x1 - x0) * self.width * 2), round(abs(y1 - y0) * self.height * 4))
        for step in range(steps + 1):
            share = step / steps
            self.dot(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, style)

    def mark(self, x: float, y: float, character: str, style: str = "") -> None:
        """A character over the dots at (`x`, `y`)."""
        column = min(max(int(x * self.width), 0), self.width - 1)
        row = min(max(int((1 - y) * self.height), 0), self.height - 1)
        self._marks[row, column] = (character, style)

    def column(self, x: float, character: str, style: str = "") -> None:
        """A character in every row at `x` where nothing else is marked."""
        place = min(max(int(x * self.width), 0), self.width - 1)
        for row in range(self.height):
            if not self._cells[row][place]:
                self._marks.setdefault((row, place), (character, style))

    def row(self, number: int, *, plain: bool = False) -> Text:
        """One row of characters."""
        line = Text()
        for place in range(self.width):
            if (number, place) in self._marks:
                character, style = self._marks[number, place]
                line.append(_PLAIN.get(character, character) if plain else character, style)
            elif bits := self._cells[number][place]:
                line.append("." if plain else chr(0x2800 + bits), self._styles[number][place])
            else:
                line.append(" ")
        return line


def response_lines(found: Found, *, width: int = 80, height: int = 14, plain: bool = False) -> list[Text]:
    """The response curve as lines of text: loss over rate, interval, recommended rate, divergence.

    Args:
        found: what is drawn.
        width: characters of a line; of fewer than 40 no line comes back, as there is no room for a curve.
        height: rows of the curve.
        plain: use no characters outside ASCII.
    """
    here, span, losses = levels(found), lr_range(found), ceiling(found)
    if not here or span is None or losses is None or width < _NARROWEST:
        return []
    canvas = Canvas(width - _MARGIN - 1, height)
    to_x, to_y, logarithmic = _scales(span, losses)
    if found.divergence_lr is not None:
        canvas.column(to_x(found.divergence_lr), "┊", "red")
    for level in reversed(here[1:]):
        _draw(canvas, level, to_x, to_y, "bright_black", None)
    _draw(canvas, here[0], to_x, to_y, "cyan", "●")
    if found.lr is not None:
        loss = found.expected_loss
        canvas.mark(to_x(found.lr), to_y(loss) if loss is not None else 0.0, "◆", "bold green")
    rows = [canvas.row(number, plain=plain) for number in range(height)]
    lines = [_labelled(row, number, height, losses, logarithmic) for number, row in enumerate(rows)]
    lines += _axis(found, canvas.width, span, to_x)
    lines.append(_legend(found))
    if plain:
        lines = [_as_ascii(line) for line in lines]
    return lines


Scale = Callable[[float], float]


def _scales(span: tuple[float, float], losses: tuple[float, float]) -> tuple[Scale, Scale, bool]:
    left, right = (math.log10(lr) for lr in span)
    width = max(right - left, 0.1)
    low, high = losses
    logarithmic = low > 0 and high / low > 20
    bottom, top = (math.log10(low), math.log10(high)) if logarithmic else (low, high)

    def to_x(lr: float) -> float:
        return 0.02 + 0.96 * (math.log10(lr) - left) / width

    def to_y(loss: float) -> float:
        value = math.log10(max(loss, 1e-300)) if logarithmic else loss
        return 0.03 + 0.9 * min(max((value - bottom) / (top - bottom), -0.03), 1.05)

    return to_x, to_y, logarithmic


def _draw(canvas: Canvas, level: Level, to_x: Scale, to_y: Scale, style: str, mark: str | None) -> None:
    alive = [place for place in level.places if not place.diverged]
    for one, other in itertools.pairwise(alive):
        canvas.line(to_x(one.lr), to_y(one.loss), to_x(other.lr), to_y(other.loss), style)
    for place in level.places:
        if place.diverged:
            canvas.mark(to_x(place.lr), 0.999, "×", "red")
        elif mark is not None and not level.dense:
            canvas.mark(to_x(place.lr), to_y(place.loss), mark, style)
        else:
            canvas.dot(to_x(place.lr), to_y(place.loss), style)


def _labelled(row: Text, number: int, height: int, losses: tuple[float, float], logarithmic: bool) -> Text:
    low, high = losses
    label = ""
    if number in (1, height // 2, height - 1):
        # The curve fills the rows from 0.03 to 0.93 of the height; see `_scales`.
        share = min(max(((height - 0.5 - number) / height - 0.03) / 0.9, 0.0), 1.0)
        value = low * (high / low) ** share if logarithmic else low + (high - low) * share
        label = brief(value, 3)
    return Text.assemble((f"{label:>{_MARGIN - 2}} ", "dim"), ("│", "dim"), row)


def _axis(found: Found, width: int, span: tuple[float, float], to_x: Scale) -> list[Text]:
    """The axis with decades below it, and the interval on it."""
    line: list[tuple[str, str]] = [("─", "dim")] * width
    labels = [" "] * (width + 8)
    first, last = math.ceil(math.log10(span[0]) - 1e-9), math.floor(math.log10(span[1]) + 1e-9)
    decades = [10.0**power for power in range(first, last + 1)]
    ticks = decades if len(decades) >= 2 else [span[0], span[1]]
    free = 0
    for lr in ticks:
        place = min(int(to_x(lr) * width), width - 1)
        line[place] = ("┬", "dim")
        name = rate(lr)
        start = max(0, place - len(name) // 2)
        if start >= free and start + len(name) <= len(labels):
            labels[start : start + len(name)] = name
            free = start + len(name) + 2
    if found.interval is not None:
        low, high = (min(max(int(to_x(lr) * width), 0), width - 1) for lr in found.interval)
        line[low : high + 1] = [("─", "bold green")] * (high + 1 - low)
        line[low], line[high] = ("├", "bold green"), ("┤", "bold green")
    if found.lr is not None:
        line[min(int(to_x(found.lr) * width), width - 1)] = ("◆", "bold green")
    axis = Text.assemble((" " * (_MARGIN - 1), ""), ("└", "dim"), *line)
    return [axis, Text(" " * _MARGIN + "".join(labels).rstrip(), "dim")]


def _legend(found: Found) -> Text:
    parts: list[tuple[str, str] | str] = [" " * _MARGIN, ("loss over rate:  ", "dim"), ("●", "cyan"), (" tried", "dim")]
    if found.lr is not None:
        parts += [("  ◆", "bold green"), (" recommended", "dim")]
    if found.interval is not None:
        parts += [("  ├─┤", "bold green"), (" interval", "dim")]
    if any(math.isinf(point.loss) for point in found.curve):
        parts += [("  ×", "red"), (" diverged", "dim")]
    if found.divergence_lr is not None:
        parts += [("  ┊", "red"), (" divergence", "dim")]
    return Text.assemble(*parts)


def _as_ascii(line: Text) -> Text:
    plain = "".join(_PLAIN.get(c, c) for c in line.plain).encode("ascii", "replace").decode()
    return Text(plain, spans=line.spans)
