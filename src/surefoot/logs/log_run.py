"""A *log run*: one training as a log told it, with what the log left out, averaged or wrote twice.

A `LogRun` is a `records.Run` plus what a reader of its numbers must know: how each loss came about (`loss_kind`),
whether the rate is known and of which update it is, every quirk met on the way (a `Note`: a short id and a
sentence), and where reading stopped if the log was cut or damaged.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from surefoot.records import FloatSeries, IntSeries, Run

__all__ = ["LogRun", "LossKind", "LrOf", "Note", "Series"]

LossKind = Literal["step", "mean", "filtered", "running", "epoch", "unknown"]
"""How each logged loss came about: of one batch; mean over the `averaged_over` steps since the entry before; a
median or exponential filter over about `averaged_over` steps; a mean that keeps running from some start (of the epoch
or the run) and forgets late; mean over a whole epoch, while the weights moved; the log does not tell."""

LrOf = Literal["this", "next", "unknown"]
"""The update that a logged rate belongs to: the one whose loss stands beside it, the one after, or not told."""


@dataclasses.dataclass(frozen=True)
class Note:
    """One quirk of a log, as a short id for programs and a sentence for people."""

    id: str
    text: str


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """Any other number a log holds, over its own strictly rising steps."""

    step: IntSeries
    value: FloatSeries


@dataclasses.dataclass(frozen=True, eq=False)
class LogRun:
    """One training read from a log."""

    path: str
    """The file or folder it was read from, as it was given or found below what was given."""
    format: str
    """Name of the format, one of `surefoot.logs.FORMATS`."""
    run: Run
    """The training. `run.lr` is NaN where no rate is known; `run.val_loss` is all NaN when the log holds validation
    metrics but no validation loss (see `has_val_loss`); steps are the log's own numbers, in `run.unit`."""
    name: str = ""
    """Which run of several in one file or folder; empty when there is one."""
    notes: tuple[Note, ...] = ()
    """Quirks met, in the order of their importance to a reader of the curve."""
    loss_kind: LossKind = "unknown"
    averaged_over: float | None = None
    """Steps that one loss entry stands for, where `loss_kind` is mean, filtered or epoch and the log tells."""
    lr_of: LrOf = "unknown"
    stopped: str = ""
    """Where and why reading ended early, in words; empty when the log was read to its end."""
    resumed: tuple[int, ...] = ()
    """Steps at which a resumed training took over (entries it repeated are replaced by its own)."""
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    """Role (`loss`, `lr`, `grad_norm`, `val_loss`) to the log's own name for it."""
    series: dict[str, Series] = dataclasses.field(default_factory=dict)
    """Every other series, under the log's own name: per-layer ratios, throughput, components of the loss."""

    @property
    def lr_known(self) -> bool:
        """Whether at least one rate stands in the log."""
        return bool(np.any(np.isfinite(self.run.lr)))

    @property
    def has_loss(self) -> bool:
        """Whether the log holds a training loss."""
        return len(self.run.loss) > 0

    @property
    def has_val_loss(self) -> bool:
        """Whether the log holds a validation loss (that may be NaN later on, never all along)."""
        return "val_loss" in self.names

    @property
    def every(self) -> float:
        """Typical distance of two training entries, in `run.unit`; NaN with fewer than two."""
        return float(np.median(np.diff(self.run.step))) if len(self.run.step) > 1 else math.nan

    def noted(self, note_id: str) -> bool:
        """Whether a quirk of this id was met."""
        return any(note.id == note_id for note in self.notes)
