"""The lines of a training: one per epoch, and a bar below them on a terminal."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from surefoot.records import Recipe, Run
from surefoot.report.numbers import brief, rate
from surefoot.report.words import recipe_phrase

__all__ = ["TrainLines"]

_LINES = 40
"""About as many epochs are printed; of longer trainings some are left out."""


class TrainLines:
    """Shows a training as it goes on; as a context it holds and frees the terminal.

    Args:
        bar: where the bar is drawn; None draws none.
        lines: where a line per epoch is printed; None prints none.
        title: what is trained.
    """

    def __init__(self, bar: Console | None, lines: Console | None, title: str) -> None:
        self._lines, self._title = lines, title
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._every, self._total, self._per_epoch, self._seen = 1, 0, 1.0, 0
        if bar is not None:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
            # No thread of its own: data loaders may start processes, and threads do not survive that.
            self._bar = Progress(*columns, TimeRemainingColumn(), console=bar, transient=True, auto_refresh=False)
            if lines is not None and lines.is_terminal:
                self._lines = self._bar.console

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(f"{self._title}: getting ready", total=None)
            self._bar.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def download(self, name: str, done: int, total: int | None) -> None:
        """Draw how far the download of the file `name` is, in bytes."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"downloading {name}", completed=done, total=total)
            self._bar.refresh()

    def begin(self, total: int, per_epoch: float, recipe: Recipe) -> None:
        """Print the heading of a training of `total` steps."""
        self._total, self._per_epoch = total, per_epoch
        self._every = max(1, math.ceil(recipe.epochs / _LINES))
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._title, completed=0, total=total)
        self._print(f"{self._title} at {'rate' if recipe.schedule == 'constant' else 'peak rate'} {rate(recipe.lr)}: "
                    f"{recipe_phrase(recipe)}")  # fmt: skip

    def advance(self, steps: int) -> None:
        """Move the bar by `steps`."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, steps)
            self._bar.refresh()

    def validated(self, run: Run) -> None:
        """Print the line of the epoch that has just been validated."""
        done = int(run.val_step[-1])
        epoch = done / self._per_epoch
        if len(run.val_step) == 1:
            names = "".join(f"{name.replace('_', ' '):>14.14}" for name in run.val_metrics)
            self._print(f"{'epoch':>6}{'loss':>11}{'val loss':>11}{names}{'rate':>12}{'grad norm':>12}")
        if round(epoch) % self._every and done < self._total:
            return
        since, self._seen = self._seen, done
        loss, norm, lr = math.nan, math.nan, math.nan
        if done > since:
            loss = float(np.mean(run.loss[since:done]))
            norm = float(np.median(run.grad_norm[since:done]))
            lr = float(run.lr[done - 1])
        cells = [f"{brief(loss):>11}", f"{brief(float(run.val_loss[-1])):>11}"]
        cells += [f"{brief(float(values[-1])):>14}" for values in run.val_metrics.values()]
        shown = f"{epoch:.0f}" if abs(epoch - round(epoch)) < 0.05 else f"{epoch:.1f}"
        self._print(f"{shown:>6}{''.join(cells)}{rate(lr):>12}{brief(norm, 3):>12}")

    def _print(self, line: str) -> None:
        if self._lines is not None:
            self._lines.print(line, markup=False, highlight=False, soft_wrap=True)
