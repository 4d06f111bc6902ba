"""The live table of a sweep: how far it is, and the best members so far."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from surefoot.records.study import StudyMember, StudyPlan
from surefoot.report.numbers import brief, count, duration, rate

if TYPE_CHECKING:
    from surefoot.study.driver import Progress

__all__ = ["StudyTable"]

_REDRAW = 0.2
_BAR = 30
_ASK = 600.0
"""Estimated seconds on one core from which the user is asked whether it is meant."""


class StudyTable:
    """Draws the progress of a sweep; as a context it holds and frees the terminal.

    Args:
        console: where it draws; None draws nothing.
        title: what is swept.
    """

    def __init__(self, console: Console | None, title: str) -> None:
        self._console, self._title = console, title
        self._live: Live | None = None
        self._drawn = 0.0
        self._planned, self._made = 1, 0
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._progress: Progress | None = None
        self._best: tuple[StudyMember, ...] = ()

    def __enter__(self) -> Self:
        if self._console is not None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.__enter__()
            self._live.update(Text(f"{self._title}: planning …", "dim"), refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the terminal."""
        if self._live is not None:
            self._live.__exit__(None, None, None)
            self._live = None

    def ask(self, plan: StudyPlan) -> None:
        """Ask the user whether a long sweep is meant.

        Raises:
            click.Abort: it is not.
        """
        if self._live is None or (plan.seconds or 0.0) < _ASK:
            return
        live, self._live = self._live, None
        live.__exit__(None, None, None)
        click.confirm(f"{_estimate(plan)}. Go on?", abort=True, err=True)
        self.__enter__()

    def begin(self, plan: StudyPlan) -> None:
        """Say what will be done."""
        self._planned, self._seconds, self._began = max(plan.member_steps, 1), plan.seconds, time.monotonic()
        if self._live is not None:
            self._live.update(Text(f"{self._title}: {_estimate(plan)}", "dim"), refresh=True)

    def download(self, name: str, done: int, total: int | None) -> None:
        """Draw how far the download of the file `name` is, in bytes."""
        if self._live is not None:
            of = "" if total is None else f" of {total / 1e6:.1f}"
            self._live.update(Text(f"downloading {name}: {done / 1e6:.1f}{of} MB", "dim"), refresh=True)

    def tick(self, steps: int, _alive: int) -> None:
        """Note updates that were made."""
        self._made += steps
        self._draw()

    def watch(self, progress: Progress) -> None:
        """Note where the study stands."""
        self._progress = progress
        if progress.best is not None:
            self._best = progress.best
        self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        if self._live is None or self._console is None or now - self._drawn < _REDRAW:
            return
        self._drawn = now
        self._live.update(self._view(self._console.height), refresh=True)

    def _view(self, height: int) -> Group:
        units = "" if self._progress is None else f"  batch {self._progress.units_done} of {self._progress.units}"
        head = Text.assemble((self._title, "bold"), units)
        took = duration(time.monotonic() - self._began)
        spent = Table.grid(padding=(0, 1))
        spent.add_row(
            ProgressBar(total=self._planned, completed=min(self._made, self._planned), width=_BAR),
            Text(f"{self._made:,} of at most {self._planned:,} member-steps, {took}", "dim"),
        )
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("best so far", "optimizer", "schedule", "batch size", "rate", "seed"):
            table.add_column(name, justify="right")
        for one in self._best[: max(3, height - 5)]:
            recipe = one.recipe
            table.add_row(
                brief(one.final_loss), recipe.optimizer, recipe.schedule, str(recipe.batch_size), rate(recipe.lr),
                str(recipe.seed),
            )  # fmt: skip
        return Group(head, spent, table)


def _estimate(plan: StudyPlan) -> str:
    said = f"{count(len(plan.recipes), 'member')}, at most {plan.member_steps:,} member-steps"
    return said + (f", about {duration(plan.seconds)} on one core" if plan.seconds else "")
