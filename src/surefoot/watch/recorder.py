"""The recorder: hooks on an optimizer's step that note what every update of a training really did.

Before each update it reads the rate in force; at some updates, as many as the account affords, it also *looks*: at the
size of each parameter, its gradient and its change, and at units that say the same whatever they are shown. Losses and
validations are told to it. Everything together makes a `Run` and an `Inspection`.
"""

from __future__ import annotations

import contextlib
import math
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.records import FloatSeries, Inspection, Run, UnitSeries, float_series, int_series
from surefoot.watch.account import Account
from surefoot.watch.activity import Activity
from surefoot.watch.sizes import Sizes, layer_series
from surefoot.watch.told import told_number

__all__ = ["Recorder"]

_UNSEEN = 8e-6
"""Seconds of one update that no clock sees: torch calls the hooks, and the first of them reads the rate."""
_LATE = 64
"""Losses that may stay on their device before they are fetched together."""
_LOOKS = 2048
"""Looks that are kept; beyond, every other one is dropped and later ones come half as often."""


class Recorder:
    """Notes the updates of one optimizer.

    Args:
        model: names parameters and activations.
        optimizer: any torch optimizer.
        account: what looks may cost.
        layers: whether sizes are measured.
        units: whether activations are looked at.
        after: called after every update, outside of the recorder's own bookkeeping.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        account: Account,
        *,
        layers: bool = True,
        units: bool = True,
        after: Callable[[], None] | None = None,
    ) -> None:
        self.optimizer, self.account, self._after = optimizer, account, after
        self.steps = 0
        """Updates made."""
        self.skipped = 0
        """Updates that were announced by losses and never made."""
        self.told_losses = False
        """Whether any loss was told."""
        self.fresh = False
        """Whether the last update has its loss."""
        self.notes: list[str] = []
        self._loss, self._norm = array("d"), array("d")
        self._rates: list[array[float]] = []
        self._late_losses: list[tuple[int, Any]] = []
        self._late_rates: list[tuple[int, int, Tensor]] = []
        self._pending: list[Any] = []
        self._usual = self._before_last = 0
        self._val: dict[int, tuple[float, dict[str, float]]] = {}
        self._sizes = Sizes(model, optimizer) if layers else None
        self._activity = Activity(model) if units else None
        self._look = self._inside = self._closure = False
        self._before_loss, self._evaluations = 0, 1
        self._stride, self._next_look = 1, 0
        self._looked = array("q")
        self._layers: dict[str, list[array[float]]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._units: dict[str, list[array[float]]] = {}
        self._cost = 0.0
        self._handles: list[Any] = []

    def attach(self) -> None:
        """Put the hooks onto the optimizer."""
        self._handles = [
            self.optimizer.register_step_pre_hook(self._begin),
            self.optimizer.register_step_post_hook(self._made),
        ]
        self._plan()

    def detach(self) -> None:
        """Take every hook away; what was noted stays."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self._activity is not None:
            self._activity.end()
        if self._sizes is not None:
            self._sizes.forget()
        self._fetch()

    # What the user tells.

    def loss(self, value: Any) -> None:
        """Note the training loss of the batch whose gradient goes into the next update.

        Several losses before one update are the parts of an accumulated batch; their mean is noted.
        """
        if isinstance(value, Tensor):
            if value.numel() != 1:
                raise InputError(f"`loss` has the shape {tuple(value.shape)}; give one number, such as its mean")
            # A number elsewhere would make the program wait for the device; a copy stays what it is now.
            value = value.item() if value.is_cpu else value.detach().clone()
        elif isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
            raise InputError(f"`loss` is {type(value).__name__}; give a number or a tensor with one number")
        self.told_losses = True
        self._pending.append(value)

    def loss_after(self, value: Any) -> None:
        """Note the training loss of the update that was just made, where it is only known afterwards."""
        self.loss(value)
        value = self._pending.pop()
        if not self.steps:
            return
        if isinstance(value, Tensor):
            self._late_losses.append((self.steps - 1, value))
        else:
            self._loss[self.steps - 1] = value
        self.fresh = True

    def validation(self, loss: Any, metrics: Mapping[str, Any]) -> None:
        """Note a validation after the updates made so far; another one at the same place replaces it."""
        found = {name: told_number(name, value) for name, value in metrics.items()}
        self._val[self.steps] = (told_number("loss", loss), found)

    # Hooks.

    def _begin(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._closure = bool(len(args) > 1 and args[1] is not None) or kwargs.get("closure") is not None
        self._inside = True
        for number, group in enumerate(optimizer.param_groups):
            if number == len(self._rates):
                self._rates.append(array("d", [math.nan] * self.steps))
            rate = group.get("lr", math.nan)
            if isinstance(rate, Tensor):
                if rate.is_cpu:
                    rate = rate.item()
                else:
                    self._late_rates.append((number, self.steps, rate.detach().clone()))
                    rate = math.nan
            self._rates[number].append(rate)
        self._before_loss = len(self._pending)
        if self._look and self._sizes is not None:
            started = time.perf_counter()
            # A closure computes the gradients inside of the step.
            self._sizes.before(gradients=not self._closure)
            self._cost += time.perf_counter() - started

    def _made(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        started = time.perf_counter()
        if not self._inside:
            return
        self._inside = False
        if self._left_out(optimizer):
            self.skipped += 1
            for rates in self._rates:
                if len(rates) > self.steps:
                    rates.pop()
            self._late_rates = [one for one in self._late_rates if one[1] != self.steps]
            self._pending.clear()
            if self._sizes is not None:
                self._sizes.forget()
            return
        told = self._pending
        if len(told) == self._usual == 1 and not self._closure and type(told[0]) is float:
            # Nearly all updates.
            self._loss.append(told[0])
            told.clear()
            self._before_last = self._evaluations = 1
            self.fresh = True
        else:
            self._note_loss(self._taken())
        looked = self._look
        self._norm.append(self._finish_look() if looked else math.nan)
        self.steps += 1
        now = time.perf_counter()
        account = self.account
        if looked:
            account.pay(self._cost + now - started + _UNSEEN)
            self._cost = 0.0
        else:
            account.note(now - started + _UNSEEN)
        account.update_made(now, "look" if looked else "")
        if looked or self.steps >= self._next_look:
            self._plan()
        if self._after is not None:
            self._after()

    @staticmethod
    def _left_out(optimizer: torch.optim.Optimizer) -> bool:
        """Whether a gradient scaler lets a fused optimizer step and do nothing."""
        found = getattr(optimizer, "found_inf", None)
        return isinstance(found, Tensor) and bool(found.item())

    def _taken(self) -> Any:
        """The loss of the update that was just made, out of what was told since the one before."""
        told = self._pending
        if self._closure:
            # The optimizer evaluates as often as it likes; its first evaluation is at the weights before the update.
            # Losses before it are parts of an accumulated batch.
            self._evaluations = len(told) - self._before_loss
            told = told[: self._before_loss + 1]
        else:
            self._evaluations = 1
            # Several times as many as usual: the first belong to updates that were never made, as with a gradient
            # scaler. Fewer are the last of an epoch. Twice running, it is the usual number that has changed.
            count, before = len(told), self._before_last
            self._before_last = count
            if count == before or not self._usual:
                self._usual = count or self._usual
            elif count > self._usual and not count % self._usual:
                self.skipped += count // self._usual - 1
                told = told[-self._usual :]
        self._pending = []
        self.fresh = bool(told)
        if not told:
            return math.nan
        return told[0] if len(told) == 1 else sum(told) / len(told)

    def _note_loss(self, loss: Any) -> None:
        if isinstance(loss, Tensor):
            self._late_losses.append((self.steps, loss))
            loss = math.nan
        self._loss.append(loss)
        if len(self._late_losses) >= _LATE:
            self._fetch()

    def _finish_look(self) -> float:
        norm = math.nan
        if self._sizes is not None:
            sizes, norm = self._sizes.after()
            if not self._shapes:
                self._shapes = self._sizes.shapes()
            looks = len(self._looked)
            for name, values in sizes.items():
                series = self._layers.setdefault(name, [array("d") for _ in range(3)])
                for one, value in zip(series, values, strict=True):
                    one.extend([math.nan] * (looks - len(one)))
                    one.append(value)
            # After several evaluations the gradient is that of the last one, at other weights.
            norm = norm if self._evaluations <= 1 else math.nan
        if self._activity is not None:
            for name, seen in self._activity.end().items():
                units = self._units.setdefault(name, [array("d") for _ in range(3)])
                for one, value in zip(units, seen, strict=True):
                    one.extend([math.nan] * (len(self._looked) - len(one)))
                    one.append(value)
        self._looked.append(self.steps)
        if len(self._looked) >= _LOOKS:
            self._thin()
        self._next_look = self.steps + self._stride
        return norm

    def _plan(self) -> None:
        """Decide whether the next update is looked at."""
        wanted = self._sizes is not None or self._activity is not None
        self._look = wanted and self.steps >= self._next_look and self.account.affords("look")
        if self._look and self._activity is not None:
            started = time.perf_counter()
            self._activity.begin()
            self._cost += time.perf_counter() - started

    def _thin(self) -> None:
        self._stride *= 2
        count = len(self._looked)
        self._looked = self._looked[::2]
        for series in (*self._layers.values(), *self._units.values()):
            for place, one in enumerate(series):
                one.extend([math.nan] * (count - len(one)))
                series[place] = one[::2]

    def _fetch(self) -> None:
        """Bring losses and rates from their device, waiting for it once."""
        if self._late_losses:
            values = torch.stack([value.reshape(()).double() for _, value in self._late_losses]).tolist()
            for (step, _), value in zip(self._late_losses, values, strict=True):
                self._loss[step] = value
            self._late_losses = []
        for number, step, rate in self._late_rates:
            self._rates[number][step] = float(rate)
        self._late_rates = []

    # What was noted.

    @property
    def losses(self) -> FloatSeries:
        """Loss of every update so far that has arrived from its device."""
        return np.frombuffer(self._loss, dtype=np.float64).copy() if self._loss else np.empty(0)

    @property
    def arrived(self) -> bool:
        """Whether no loss is still on its device."""
        return not self._late_losses

    def last_loss(self) -> float:
        """Loss of the last update; NaN where none was told or it is still on a device."""
        return self._loss[-1] if self._loss and not self._late_losses else math.nan

    @property
    def rates(self) -> dict[int, FloatSeries]:
        """Parameter group to its rate at every update; NaN before the group was there."""
        self._fetch()
        return {number: float_series(rates[: self.steps]) for number, rates in enumerate(self._rates)}

    @property
    def saturated(self) -> dict[str, FloatSeries]:
        """Activation to the share of its units that are saturated, at every look; NaN where it was not seen."""
        count = len(self._looked)
        return {
            name: float_series(series[2].tolist() + [math.nan] * (count - len(series[2])))
            for name, series in self._units.items()
        }

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Inside, the model has no hooks of the recorder's, so that it can be copied."""
        if self._activity is not None:
            self._activity.end()
        try:
            yield
        finally:
            if self._look and self._activity is not None and self._handles:
                self._activity.begin()

    @property
    def validations(self) -> list[tuple[int, float]]:
        """(updates made, loss) of every validation."""
        return [(step, loss) for step, (loss, _) in sorted(self._val.items())]

    def run(self) -> Run:
        """The training so far."""
        self._fetch()
        rates = self.rates
        notes = list(self.notes)
        if len(rates) > 1 and any(not np.array_equal(rates[0], one, equal_nan=True) for one in rates.values()):
            notes.append(f"`lr` is the rate of the first of {len(rates)} parameter groups")
        if not self.told_losses and self.steps:
            notes.append("no training loss was told: call `watch.loss(loss)` once a batch")
        if self.skipped:
            notes.append(f"{self.skipped} updates were left out, as by a gradient scaler; they are not counted")
        norms = np.array(self._norm)
        names = dict.fromkeys(name for _, metrics in self._val.values() for name in metrics)
        steps = sorted(self._val)
        return Run(
            step=int_series(range(self.steps)),
            loss=float_series(self._loss),
            lr=rates.get(0, float_series()),
            grad_norm=float_series(norms if bool(np.isfinite(norms).any()) else ()),
            val_step=int_series(steps),
            val_loss=float_series([self._val[step][0] for step in steps]),
            val_metrics={
                name: float_series([self._val[step][1].get(name, math.nan) for step in steps]) for name in names
            },
            source="watch",
            notes=tuple(notes),
        )

    def inspection(self, task: str = "", per_epoch: float | None = None) -> Inspection:
        """Sizes and units at every look so far."""
        count = len(self._looked)
        looked = np.array(self._looked, dtype=np.int64)
        full = {
            name: [np.array(one.tolist() + [math.nan] * (count - len(one))) for one in series]
            for name, series in (*self._layers.items(), *(("unit " + name, s) for name, s in self._units.items()))
        }
        layers = tuple(layer_series(name, self._shapes.get(name, ()), *full[name]) for name in self._layers)
        units = tuple(
            UnitSeries(
                name, self._activity.units[name] if self._activity else 0, *map(float_series, full["unit " + name][:2])
            )
            for name in self._units
        )
        epoch = looked / per_epoch if per_epoch else np.full(count, math.nan)
        return Inspection(task=task, step=int_series(looked), epoch=float_series(epoch), layers=layers, units=units)
