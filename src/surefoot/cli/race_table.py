"""The live table of a search: one line per member, by rising rate, with a bar for its loss."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from surefoot.report.numbers import brief, rate

if TYPE_CHECKING:
    from surefoot.find.progress import Progress, Row

__all__ = ["RaceTable", "race_view"]

_REDRAW = 0.1
"""Seconds between two pictures."""
_BAR = 24


class RaceTable:
    """A watcher for `find` that draws what it is told; as a context it holds and frees the terminal.

    Args:
        console: where it draws; None draws nothing.
        title: what is searched for.
    """

    def __init__(self, console: Console | None, title: str) -> None:
        self._console, self._title = console, title
        self._live: Live | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._console is not None:
            # No thread of its own: the search may start processes, and threads do not survive that.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.__enter__()
            self._live.update(Text(f"{self._title}: getting ready …", "dim"), refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, value, trace)

    def download(self, name: str, done: int, total: int | None) -> None:
        """Draw how far the download of the file `name` is, in bytes."""
        if self._live is not None:
            of = "" if total is None else f" of {total / 1e6:.1f}"
            self._live.update(Text(f"downloading {name}: {done / 1e6:.1f}{of} MB", "dim"), refresh=True)

    def __call__(self, progress: Progress) -> None:
        """Draw `progress`, unless the last picture is too young."""
        if self._live is None or self._console is None or not progress.rows:
            return
        now = time.monotonic()
        if now - self._drawn < _REDRAW:
            return
        self._drawn = now
        self._live.update(race_view(progress, self._title, self._console.height), refresh=True)


def race_view(progress: Progress, title: str, height: int) -> Group:
    """The picture of one snapshot, at most `height` lines high."""
    head = Text.assemble((title, "bold"), f"  {progress.stage}  ", (f"{progress.horizon} steps each", "dim"))
    spent = Table.grid(padding=(0, 1))
    spent.add_row(
        ProgressBar(total=max(progress.budget, 1), completed=progress.spent, width=_BAR),
        Text(f"{progress.spent:,} of {progress.budget:,} member-steps", "dim"),
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("rate", "validation loss", ""):
        table.add_column(name, justify="right" if name != "" else "left", no_wrap=True)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    rows, hidden = _shown(progress.rows, max(height - 5, 3))
    losses = [row.loss for row in progress.rows if math.isfinite(row.loss)]
    best, worst = (min(losses), max(losses)) if losses else (0.0, 0.0)
    for row in rows:
        style = {"diverged": "red", "retired": "bright_black"}.get(row.fate or "", "")
        if losses and row.loss == best:
            style = "bold green"
        table.add_row(
            rate(row.lr), brief(row.loss), _bar(row.loss, best, worst), str(row.steps), row.fate or "", style=style
        )
    below = Text(f"and {hidden} more" if hidden else "", "dim")
    return Group(head, spent, table, below)


def _shown(rows: tuple[Row, ...], room: int) -> tuple[list[Row], int]:
    """The rows with the lowest losses that fit, still by rising rate, and how many are left out."""
    if len(rows) <= room:
        return list(rows), 0
    ranked = sorted(range(len(rows)), key=lambda place: (math.isnan(rows[place].loss), rows[place].loss, place))
    keep = sorted(ranked[:room])
    return [rows[place] for place in keep], len(rows) - room


def _bar(loss: float, best: float, worst: float) -> str:
    if not math.isfinite(loss):
        return ""
    share = 1.0 if worst <= best else (loss - best) / (worst - best)
    return "━" * max(1, round(share * _BAR))
