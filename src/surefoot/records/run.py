"""A run: one training as a record, whoever watched it.

An engine, a hook in somebody's loop and a log file all yield a `Run`, so whatever reads runs cannot tell them apart.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np

from surefoot.errors import RecordError
from surefoot.records.provenance import Provenance
from surefoot.records.recipe import Recipe
from surefoot.records.record import FloatSeries, IntSeries, Record, float_series, int_series

__all__ = ["Fate", "Run"]

Fate = Literal["finished", "diverged", "retired", "stopped", "interrupted"]
"""How a run ended: its full length; a non-finite or runaway loss; given up by a race because others were better;
stopped early because validation no longer improved; interrupted from outside."""


@dataclasses.dataclass(frozen=True, eq=False)
class Run(Record):
    """One training. The series `step`, `loss`, `lr` (and `grad_norm`, or empty) have one entry per recorded step."""

    kind: ClassVar[str] = "run"

    recipe: Recipe | None = None
    """How it was trained, where that is known."""
    step: IntSeries = dataclasses.field(default_factory=int_series)
    """Updates done before the entry's loss was computed; strictly rising. Units: steps, or `unit`."""
    loss: FloatSeries = dataclasses.field(default_factory=float_series)
    """Training loss of the batch that the update `step` used, before the update."""
    lr: FloatSeries = dataclasses.field(default_factory=float_series)
    """Rate of that update."""
    grad_norm: FloatSeries = dataclasses.field(default_factory=float_series)
    """Euclidean norm of the whole gradient before clipping; empty when it was not recorded."""
    val_step: IntSeries = dataclasses.field(default_factory=int_series)
    """Updates done when each validation point was taken."""
    val_loss: FloatSeries = dataclasses.field(default_factory=float_series)
    """Mean loss over the validation data at `val_step`."""
    val_metrics: dict[str, FloatSeries] = dataclasses.field(default_factory=dict)
    """Metric name to its values at `val_step`."""
    train_metrics: dict[str, FloatSeries] = dataclasses.field(default_factory=dict)
    """Metric name to its mean over the training batches since the entry of `val_step` before (NaN at the first), as
    the model saw them in training mode; empty when it was not recorded."""
    unit: str = "step"
    """What `step` counts: `step`, `epoch`, or a unit a log uses."""
    steps_per_epoch: float | None = None
    fate: Fate = "finished"
    reason: str = ""
    """Why it ended, in words."""
    seconds: float | None = None
    """Wall-clock time of the training, where it was measured."""
    source: str = "engine"
    """What yielded the record: `engine`, `watch`, or `log:FORMAT`."""
    notes: tuple[str, ...] = ()
    """Anything a reader of the numbers must know."""
    task: str = ""
    """Name of what was trained; empty where that is not known."""
    provenance: Provenance | None = None
    """Where the numbers come from, for a run that stands alone."""

    def __post_init__(self) -> None:
        """Refuse series whose lengths or order contradict each other."""
        lengths = {"loss": len(self.loss), "lr": len(self.lr)}
        if len(self.grad_norm):
            lengths["grad_norm"] = len(self.grad_norm)
        for name, length in lengths.items():
            if length != len(self.step):
                raise RecordError(f"`{name}` has {length} entries and `step` has {len(self.step)}; they go together")
        vals = [("val_loss", self.val_loss), *self.val_metrics.items(), *self.train_metrics.items()]
        for name, series in vals:
            if len(series) != len(self.val_step):
                raise RecordError(
                    f"`{name}` has {len(series)} entries and `val_step` has {len(self.val_step)}; they go together"
                )
        for name, steps in (("step", self.step), ("val_step", self.val_step)):
            if len(steps) > 1 and not bool(np.all(np.diff(steps) > 0)):
                raise RecordError(f"`{name}` does not rise from entry to entry")

    @property
    def steps(self) -> int:
        """Updates the run made, as far as the record tells."""
        last = int(self.step[-1]) + 1 if len(self.step) else 0
        return max(last, int(self.val_step[-1]) if len(self.val_step) else 0)

    @property
    def final_val_loss(self) -> float:
        """The last validation loss; NaN without one, and infinity for a run that diverged."""
        if self.fate == "diverged":
            return math.inf
        return float(self.val_loss[-1]) if len(self.val_loss) else math.nan

    def thinned(self, points: int) -> Run:
        """The same run with at most `points` entries per training series; first and last are kept."""
        if points < 2 or len(self.step) <= points:
            return self
        keep = np.unique(np.linspace(0, len(self.step) - 1, points).round().astype(np.int64))
        norms = self.grad_norm[keep] if len(self.grad_norm) else ()
        return dataclasses.replace(
            self,
            step=int_series(self.step[keep]),
            loss=float_series(self.loss[keep]),
            lr=float_series(self.lr[keep]),
            grad_norm=float_series(norms),
        )
