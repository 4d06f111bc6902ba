"""The lines of a training: one per epoch, and a bar below them on a terminal."""

from __future__ import annotations

import math
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from surefoot.records import Recipe
from surefoot.report.numbers import brief, rate
from surefoot.report.words import recipe_phrase

if TYPE_CHECKING:
    from surefoot.engines.logbook import Epoch

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
        self._every, self._headed = 1, False
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

    def begin(self, total: int, recipe: Recipe, *, done: int = 0) -> None:
        """Print the heading of a training of `total` steps, of which `done` were made before."""
        self._every = max(1, math.ceil(recipe.epochs / _LINES))
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._title, completed=done, total=total)
        self._print(f"{self._title} at {'rate' if recipe.schedule == 'constant' else 'peak rate'} {rate(recipe.lr)}: "
                    f"{recipe_phrase(recipe)}")  # fmt: skip
        if done:
            self._print(f"goes on at step {done} of {total}")

    def advance(self, steps: int) -> None:
        """Move the bar by `steps`."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, steps)
            self._bar.refresh()

    def validated(self, epoch: Epoch) -> None:
        """Print the line of an epoch that has just been validated."""
        number = epoch.epoch
        if self._lines is None or (round(number) % self._every and epoch.step < epoch.steps):
            return
        shown = [(name, epoch.train_metrics.get(name), value) for name, value in epoch.metrics.items()]
        if not self._headed:
            names = "".join(
                (f"{_short(name):>14.14}" if trained is not None else "") + f"{'val ' + _short(name):>14.14}"
                for name, trained, _ in shown
            )
            self._print(f"{'epoch':>6}{'loss':>11}{'val loss':>11}{names}{'rate':>12}{'grad norm':>12}")
            self._headed = True
        cells = [f"{brief(epoch.loss):>11}", f"{brief(epoch.val_loss):>11}"]
        for _, trained, value in shown:
            cells += [f"{brief(one):>14}" for one in (trained, value) if one is not None]
        written = f"{number:.0f}" if abs(number - round(number)) < 0.05 else f"{number:.1f}"
        best = "  best" if epoch.step and epoch.best_epoch == number else ""
        self._print(f"{written:>6}{''.join(cells)}{rate(epoch.lr):>12}{brief(epoch.grad_norm, 3):>12}{best}")

    def _print(self, line: str) -> None:
        if self._lines is None:
            return
        try:
            self._lines.print(line, markup=False, highlight=False, soft_wrap=True)
        except BrokenPipeError:
            raise
        except OSError:
            # A full disk ends the lines, not the training; the result is kept where it can be.
            self._lines = None


def _short(name: str) -> str:
    """A metric's name in a heading."""
    return {"mean_absolute_error": "abs error"}.get(name, name.replace("_", " "))
