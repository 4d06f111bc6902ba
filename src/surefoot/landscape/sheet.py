"""Sheets: a grid of losses on its way, of which crossings of lines are evaluated when they are asked for, each once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from surefoot.landscape.weights import Numbers

if TYPE_CHECKING:
    from surefoot.landscape.ground import Ground

__all__ = ["Sheet", "Surface", "Tick"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
Tick = Callable[[int, int], None]


@dataclasses.dataclass
class Surface:
    """Losses over a grid."""

    lines: list[Floats]
    """Coordinates of the lines along each axis: one axis or two."""
    losses: Floats
    """[rows, columns]; one row for a line."""
    complete: bool = True
    added: int = 0
    """Lines that refinement added."""
    evaluated: int = 0
    """Losses that were evaluated; the others were filled in."""
    error: float | None = None
    """How far a loss that was filled in is from the true one at most, as measured; None where none was."""


class Sheet:
    """A grid of losses on its way.

    Args:
        ground: gives the loss.
        origin: of the plane, [P].
        directions: of the plane, [k, P].
        lines: coordinates of the lines along each axis.
        tick: told how many losses were evaluated, and how many there are.
    """

    def __init__(
        self, ground: Ground, origin: Numbers, directions: Numbers, lines: Sequence[Floats], tick: Tick | None = None
    ) -> None:
        self.ground, self.lines = ground, list(lines)
        self._origin, self._directions, self._tick = origin, directions, tick
        self.columns = lines[0]
        self.rows = lines[1] if len(lines) > 1 else np.zeros(1)
        self.losses = np.full((len(self.rows), len(self.columns)), np.nan)
        self.known: Mask = np.zeros(self.losses.shape, dtype=bool)
        """Crossings that were evaluated."""
        middle = len(self.rows) // 2
        # Up from the middle and down from there in turn.
        self._outwards = np.argsort(np.abs(np.arange(len(self.rows)) - middle), kind="stable")
        self.interrupted = False
        self.few: Places | None = None
        """Columns that are evaluated before the others."""

    def take(self, wanted: Mask | None = None) -> bool:
        """Evaluate wanted crossings, [rows, columns], or all; whether that was done, not interrupted.

        From the middle outwards, so that what an interrupt leaves is the part that matters.
        """
        missing = ~self.known if wanted is None else wanted & ~self.known
        outwards, x = np.nonzero(missing[self._outwards])
        if not len(x):
            return True
        y = self._outwards[outwards]
        before = int(np.count_nonzero(self.known))
        at = np.empty((len(x), len(self.lines)))
        at[:, 0] = self.columns[x]
        if len(self.lines) > 1:
            at[:, 1] = self.rows[y]
        try:
            for start, losses in self.ground.over(self._origin, self._directions, at):
                part = slice(start, start + len(losses))
                self.losses[y[part], x[part]] = losses
                self.known[y[part], x[part]] = True
                if self._tick is not None:
                    self._tick(before + part.stop, self.known.size)
        except KeyboardInterrupt:
            self.interrupted = True
        return not self.interrupted

    def fill(self, losses: Floats) -> None:
        """Take losses, [rows, columns], for the crossings that were not evaluated."""
        self.losses = np.where(self.known, self.losses, losses)

    def surface(self, error: float | None = None) -> Surface:
        """What is there: all of it, or after an interrupt rows that are complete; else a coarser grid that is.

        Args:
            error: of the losses that were filled in, if any were.
        """
        evaluated = int(self.known.sum())
        if not self.interrupted:
            return Surface(self.lines, self.losses, evaluated=evaluated, error=error)
        columns = np.arange(len(self.columns))
        if self.few is not None and not self.known.all(axis=1).any():
            columns = self.few
        rows = np.flatnonzero(self.known[:, columns].all(axis=1))
        losses = self.losses[np.ix_(rows, columns)]
        lines = [self.columns[columns], self.rows[rows]][: len(self.lines)]
        return Surface(lines, losses, complete=False, evaluated=losses.size)
