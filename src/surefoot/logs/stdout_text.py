"""Text that a training printed: sentences with named numbers, tables with a line of names, rounds of boosters.

A line counts when it holds a number that is named like a loss, a rate or a validation result. Its step is the counter
on the same line; or the epoch and a place within it, together; or the last one that another line counted. Results of
held-out data belong to the last step of the training before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from surefoot.logs.channels import RawLog
from surefoot.logs.columns import Columns
from surefoot.logs.printed_rounds import RoundText
from surefoot.logs.printed_tables import PrintedTable
from surefoot.logs.sentences import NUMBERS, Shape, opens_held_out, plain, understood
from surefoot.logs.sources import Source

__all__ = ["looks_printed", "read_printed"]

_LONGEST = 4000
_MOST_SHAPES = 5_000
_MAIN_BAR = re.compile(r"\s{0,8}\d{1,3}%\|[^|]{0,200}\|\s{0,3}(\d{1,12})/(\d{1,12}) \[")

Row = list[tuple[str, float]]


def looks_printed(head: str) -> bool:
    """Whether some lines of a text carry a named loss."""
    lines = re.split(r"[\n\r\b]+", head)[:4000]
    table, rounds = PrintedTable(), RoundText()
    told = 0
    for line in lines:
        text = plain(line[:_LONGEST])
        if not table.heads(text):
            told += bool(rounds.row(text) or table.row(text) or understood(text, None))
        if told >= 2:
            return True
    return told == 1 and len(lines) < 4


def read_printed(source: Source, mapping: Mapping[str, str]) -> list[RawLog]:
    """The run that a text tells of. Never raises for what the text holds."""
    raw = RawLog(path=source.shown, format="text")
    reader = _Printed(mapping.get("loss"))
    columns = Columns()
    for line in source.lines(raw, returns=True):
        if raw.unended and columns.rows > 1:
            raw.stop(f"the last line has no end and may be cut off: it was left out (after {columns.rows} rows)")
            break
        row = reader.row(line[:_LONGEST])
        if row is not None and not raw.room(columns.add_row(row)):
            break
    if reader.bars and reader.clocks != {"epoch"}:
        raw.note("progress-bar", "the losses stand in a progress bar, which mostly shows a running mean of the epoch")
        raw.loss_kind = "running"
    if "sample" in reader.clocks:
        raw.note("steps-are-samples", "steps are counted in samples here, for the text gives no other counter")
    columns.into(raw, mapping)
    if reader.clocks == {"epoch"} and raw.unit == "step":
        raw.unit = "epoch"
    if not reader.clocks:
        reader.rounds.dress(raw)
    raw.note("columns-inferred", f"the text was read by its names ({', '.join(list(columns.cells)[:10])})")
    return [raw]


class _Printed:
    """The reading of one text: what is remembered from line to line."""

    def __init__(self, wanted: str | None) -> None:
        self.clocks: set[str] = set()
        self.bars = False
        self.rounds = RoundText()
        self._table = PrintedTable()
        self._wanted = wanted
        self._shapes: dict[str, Shape | None] = {}
        self._epoch: float | None = None
        self._first_epoch: float | None = None
        self._counted: float | None = None
        """Step of the last line that counts and says nothing else, or of the bar of the whole training."""
        self._bar_total: float | None = None
        self._last: float | None = None
        """The last step of the training itself."""
        self._held_out = False
        self._place: float | None = None
        self._laps = 0

    def row(self, line: str) -> Row | None:
        """The named numbers of a line, its step among them; None when it tells none."""
        text = plain(line)
        parts = NUMBERS.split(text)
        if len(parts) == 1:
            if text and not text.isspace():
                self._held_out = opens_held_out(text) or (self._held_out and not self._table.heads(text))
                self._table.heads(text)
                self.rounds.row(text)
            return None
        row = self.rounds.row(text)
        if row is None:
            row = self._cells(text)
        if row is not None:
            return row or None
        sentence = "\x00".join(parts[::2])
        if sentence not in self._shapes:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[sentence] = understood(text, self._wanted, every=True)
        shape = self._shapes[sentence]
        return None if shape is None else self._sentence(shape, parts[1::2], text)

    def _cells(self, text: str) -> Row | None:
        row = self._table.row(text)
        if row is None:
            return None
        named = dict(row)
        if "step" in named:
            self._last = named["step"]
        self.clocks.add("step" if "step" in named else "epoch")
        self._epoch = named.get("epoch", self._epoch)
        return row if "step" in named else [*row, ("step", named["epoch"])]

    def _sentence(self, shape: Shape, numbers: Sequence[str], text: str) -> Row | None:
        if "epoch" in shape.counters:
            self._epoch = float(numbers[shape.counters["epoch"][0]])
            if self._first_epoch is None:
                self._first_epoch = self._epoch
        if not shape.values:
            self._count(shape, numbers, text)
            return None
        held, self._held_out = shape.held or self._held_out, False
        clock, step = self._step(shape, numbers, held=held)
        prefix = "val_" if held and not shape.held else ""
        row: Row = [(prefix + name, float(numbers[place])) for name, place in shape.values]
        if step is not None:
            self.clocks.add(clock)
            row.append(("step", step))
            if not held and clock != "epoch":
                self._last = step
        if self._epoch is not None:
            row.append(("epoch", self._epoch))
        self.bars = self.bars or shape.bar
        return row

    def _count(self, shape: Shape, numbers: Sequence[str], text: str) -> None:
        """A line that says no result may still count: alone on its line, or as the bar of the whole training."""
        inner = shape.counters.get("step") or shape.counters.get("batch")
        if shape.alone and inner is not None:
            self._counted = float(numbers[inner[0]])
        bar = _MAIN_BAR.match(text) if shape.bar else None
        if bar:
            done, total = float(bar[1]), float(bar[2])
            # bars of evaluations have another length than the first one
            self._bar_total = total if self._bar_total is None else self._bar_total
            if total == self._bar_total:
                self._counted = done

    def _lap(self, done: float, total: float) -> float:
        """Steps of a place within a whole that starts again without an epoch being told."""
        if self._place is not None and done < self._place:
            self._laps += 1
        self._place = done
        return self._laps * total + done

    def _step(self, shape: Shape, numbers: Sequence[str], *, held: bool) -> tuple[str, float | None]:
        """What counted, and the step: a counter of steps; epoch and place within it; the epoch; what was counted."""

        def number(place: int) -> float:
            return float(numbers[place])

        counters = shape.counters
        epoch = self._epoch
        done = max(0.0, (epoch or 0.0) - (0.0 if self._first_epoch == 0 else 1.0))
        """Epochs before this one."""
        inner = counters.get("step") or counters.get("batch")
        within = "epoch" in counters or (epoch is not None and not shape.bar)
        if held and self._last is not None and (inner is None or inner[1] is not None):
            return "step", self._last
        if inner is not None:
            whole = inner[1] is not None and "epoch" in counters
            return "step", done * (number(inner[1] or 0) if whole else 0.0) + number(inner[0])
        ended = shape.place is not None and number(shape.place[0]) == number(shape.place[1])
        whole_epoch = ended and "epoch" not in counters and self._last is None
        if shape.place is not None and within and not whole_epoch:
            return ("sample" if shape.samples else "step"), done * number(shape.place[1]) + number(shape.place[0])
        if shape.place is not None and epoch is None:
            return ("sample" if shape.samples else "step"), self._lap(number(shape.place[0]), number(shape.place[1]))
        if "epoch" not in counters and self._counted is not None:
            return "step", self._counted
        if epoch is not None:
            return ("epoch", epoch) if self._last is None else ("step", self._last)
        return ("step", number(shape.leading)) if shape.leading is not None else ("row", None)
