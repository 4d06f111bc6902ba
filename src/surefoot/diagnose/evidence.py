"""Evidence: what a run tells, by the names under which checks ask for it.

*Evidence* is computed once, when it is first asked for. What a run does not tell is None, and `WANTED` says what to
record so that it would. Beside the run itself there may be series of layers, which only somebody who watches the
training can record, named by kind and layer:

- ``update_ratio/LAYER``: size of an update over the size of the weights that it changed;
- ``grad_norm/LAYER``: Euclidean norm of the layer's gradient;
- ``dead_units/LAYER``, ``saturated_units/LAYER``: share of the units, 0 to 1;
- ``loss_scale``: the factor of mixed precision;
- ``true_lr``: the rate that the optimizer used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from surefoot.diagnose.trend import Trend, noise_of, trend_of
from surefoot.errors import InputError
from surefoot.records import FloatSeries, IntSeries, Run, float_series, int_series

__all__ = ["WANTED", "Evidence", "Series", "SeriesLike", "Validation"]

SeriesLike: TypeAlias = tuple[Sequence[int], Sequence[float]]
"""Steps and values, of the same length."""

WANTED = {
    "losses": "record the training loss",
    "trend": "record the training loss at least twice",
    "validation": "record the validation loss, at least three times",
    "rates": "record the rate beside the loss",
    "norms": "record the norm of the gradient beside the loss",
    "update_ratios": "watch the training, so that sizes of updates and weights are recorded",
    "layer_norms": "watch the training, so that gradients of layers are recorded",
    "units": "watch the training, so that dead and saturated units are counted",
    "loss_scale": "record the loss scale",
    "true_rates": "watch the training, so that the optimizer's own rate is recorded",
}


@dataclasses.dataclass(frozen=True)
class Series:
    """Values at steps."""

    step: IntSeries
    value: FloatSeries

    def __len__(self) -> int:
        return len(self.step)


@dataclasses.dataclass(frozen=True)
class Validation:
    """The course of the validation loss."""

    step: IntSeries
    loss: FloatSeries
    noise: float
    """Standard deviation of a point around a smooth course; NaN below 5 points."""

    @property
    def best_at(self) -> int:
        """Place of the lowest loss."""
        return int(self.loss.argmin())

    @property
    def final(self) -> float:
        """Mean of the last fifth of the points."""
        return float(self.loss[-max(1, len(self.loss) // 5) :].mean())


class Evidence:
    """What `run`, and the series of layers that were recorded beside it, tell.

    Raises:
        InputError: a series beside the run has no name that is known, or steps and values of different lengths.
    """

    def __init__(self, run: Run, beside: Mapping[str, SeriesLike] | None = None) -> None:
        self.run = run
        self._beside: dict[str, Series] = {}
        for name, (step, value) in (beside or {}).items():
            kind = name.partition("/")[0]
            if kind not in _KINDS:
                raise InputError(f"`evidence` has {name!r}; names begin with one of {', '.join(_KINDS)}")
            if len(step) != len(value):
                raise InputError(f"`evidence` {name!r} has {len(step)} steps and {len(value)} values; they go together")
            self._beside[name] = Series(int_series(step), float_series(value))

    def named(self, name: str) -> Any:
        """The evidence called `name`; None where the run does not tell."""
        return getattr(self, name)

    @cached_property
    def losses(self) -> Series | None:
        """Every entry of the training loss, not finite ones among them."""
        run = self.run
        if not len(run.step):
            return None
        known = np.isfinite(run.loss) | ~np.isnan(run.loss) | (self._mostly(run.loss))
        return Series(run.step[known], run.loss[known]) if known.any() else None

    @staticmethod
    def _mostly(loss: FloatSeries) -> Any:
        """Where a NaN is a loss that was NaN, and not a row without a loss."""
        finite = np.flatnonzero(np.isfinite(loss))
        after = np.zeros(len(loss), dtype=bool)
        if len(finite):
            after[finite[-1] + 1 :] = True
            # NaN entries between finite ones count only if they are rare: loggers leave rows blank.
            if (~np.isfinite(loss)).mean() < 0.2:
                after[:] = True
        else:
            after[:] = True
        return after

    @cached_property
    def trend(self) -> Trend | None:
        """The course of the training loss up to where it stops being a number."""
        losses = self.losses
        return None if losses is None else trend_of(losses.step, losses.value)

    @cached_property
    def validation(self) -> Validation | None:
        """The course of the validation loss, from three finite points on."""
        fine = np.isfinite(self.run.val_loss)
        if int(fine.sum()) < 3:
            return None
        loss = np.clip(self.run.val_loss[fine], -1e100, 1e100)
        return Validation(self.run.val_step[fine], loss, noise_of(loss))

    @cached_property
    def rates(self) -> Series | None:
        """The logged rates."""
        fine = np.isfinite(self.run.lr) & (self.run.lr >= 0)
        if not fine.any() or not float(self.run.lr[fine].max()) > 0:
            return None
        return Series(self.run.step[fine], self.run.lr[fine])

    @cached_property
    def norms(self) -> Series | None:
        """Norms of the whole gradient, from five on."""
        if not len(self.run.grad_norm):
            return None
        known = ~np.isnan(self.run.grad_norm)
        return Series(self.run.step[known], self.run.grad_norm[known]) if int(known.sum()) >= 5 else None

    @cached_property
    def update_ratios(self) -> dict[str, Series] | None:
        """Layer to its update-to-weight ratios."""
        return self._layers("update_ratio")

    @cached_property
    def layer_norms(self) -> dict[str, Series] | None:
        """Layer to the norms of its gradient, in the order of the layers."""
        return self._layers("grad_norm")

    @cached_property
    def units(self) -> dict[str, Series] | None:
        """``dead LAYER`` or ``saturated LAYER`` to the share of its units."""
        dead, saturated = self._layers("dead_units") or {}, self._layers("saturated_units") or {}
        found = {f"dead {name}": one for name, one in dead.items()}
        found |= {f"saturated {name}": one for name, one in saturated.items()}
        return found or None

    @cached_property
    def loss_scale(self) -> Series | None:
        """The factor of mixed precision."""
        return self._beside.get("loss_scale")

    @cached_property
    def true_rates(self) -> Series | None:
        """Rates that the optimizer used."""
        return self._beside.get("true_lr")

    @cached_property
    def budget(self) -> tuple[int, int]:
        """First and last step of the log."""
        steps = [*self.run.step[:1].tolist(), *self.run.step[-1:].tolist(), *self.run.val_step[-1:].tolist()]
        return (min(steps), max(steps)) if steps else (0, 0)

    def _layers(self, kind: str) -> dict[str, Series] | None:
        found = {
            name.partition("/")[2]: one
            for name, one in self._beside.items()
            if name.startswith(kind + "/") and len(one) and not math.isnan(float(np.nanmax(one.value, initial=-1)))
        }
        return found or None


_KINDS = ("update_ratio", "grad_norm", "dead_units", "saturated_units", "loss_scale", "true_lr")
