"""Assemble: a raw log becomes runs. Roles are given out, resumes and repeats settled, series laid beside each other."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from surefoot.logs.channels import Channel, RawLog
from surefoot.logs.hidden_nan import put_back
from surefoot.logs.log_run import LogRun, Note, Series
from surefoot.logs.quirks import loss_kind_of, lr_of, note_quirks
from surefoot.logs.rewinds import Settled, restarts, settled
from surefoot.logs.roles import Roles, assign_roles, words
from surefoot.records import Run, float_series, int_series

__all__ = ["assemble"]

_Floats = npt.NDArray[np.float64]

_FEW = 3
_DENSE = 2
"""Losses, and updates, for each validation from which validations one apart cannot be counted in updates."""


def assemble(raw: RawLog, mapping: Mapping[str, str]) -> list[LogRun]:
    """The runs of a raw log: one, or several where trainings were appended to one another; none without any curve."""
    counts = {name: len(channel) for name, channel in raw.channels.items()}
    roles = assign_roles(counts, raw.roles, mapping, frozenset(raw.validation))
    if roles.nothing:
        return []
    primary = roles.loss or (roles.loss_parts or roles.val_parts or roles.val_metrics or ("",))[0]
    if roles.loss is None and not roles.loss_parts and roles.val_loss:
        primary = roles.val_loss
    order, step, _ = raw.channels[primary].arrays()
    cuts = restarts(order, step)
    edges = [-np.inf, *cuts, np.inf]
    runs = []
    for part, (low, high) in enumerate(itertools.pairwise(edges)):
        one = _Assembly(raw, roles, low, high).log_run()
        if cuts:
            text = f"{len(cuts) + 1} trainings stand one after the other in this log: this is number {part + 1}"
            name = f"{raw.name} #{part + 1}".strip()
            stopped = one.stopped if part == len(cuts) else ""
            one = dataclasses.replace(one, name=name, notes=(Note("appended-runs", text), *one.notes), stopped=stopped)
        runs.append(one)
    return runs


class _Assembly:
    """The work for one run: the part of a raw log whose order lies in [low, high)."""

    def __init__(self, raw: RawLog, roles: Roles, low: float, high: float) -> None:
        self.raw, self.roles, self.low, self.high = raw, roles, low, high
        self.notes: dict[str, Note] = {}
        self.resumed: set[int] = set()
        self._settled: dict[str, Settled] = {}

    def note(self, note_id: str, text: str) -> None:
        self.notes.setdefault(note_id, Note(note_id, text))

    def settled(self, name: str) -> Settled:
        if name not in self._settled:
            order, step, value = self._part(self.raw.channels[name])
            del order
            self._settled[name] = settled(step, value)
        return self._settled[name]

    def _part(self, channel: Channel) -> tuple[_Floats, _Floats, _Floats]:
        order, step, value = channel.arrays()
        inside = (order >= self.low) & (order < self.high) & (np.abs(step) < 2**53)
        return order[inside], step[inside], value[inside]

    def log_run(self) -> LogRun:
        raw, roles = self.raw, self.roles
        loss = self._summed(roles.loss, roles.loss_parts, "training loss")
        self._note_order(loss, roles.loss or "the loss")
        loss = put_back(loss, self.settled(roles.grad_norm) if roles.grad_norm else None, self.note)
        val_step, val_loss, metrics = self._validation()
        written, val_step = val_step, self._in_updates(val_step, loss.step)
        kind, over = loss_kind_of(raw, roles, loss, val_step)
        of = lr_of(raw, roles, self.settled(roles.lr) if roles.lr else None)
        lr = self._rates(loss.step, of)
        norm = self._on(loss.step, roles.grad_norm)
        train_metrics, series = self._others(written, norm)
        run = Run(
            step=int_series(loss.step),
            loss=float_series(loss.value),
            lr=float_series(lr),
            grad_norm=float_series(() if norm is None else norm),
            val_step=int_series(val_step),
            val_loss=float_series(val_loss),
            val_metrics={name: float_series(values) for name, values in metrics.items()},
            train_metrics=train_metrics,
            unit=raw.unit,
            steps_per_epoch=self._steps_per_epoch(),
            fate="diverged" if len(loss.value) and not np.isfinite(loss.value[-1]) else "finished",
            reason="the last logged loss is not finite" if len(loss.value) and not np.isfinite(loss.value[-1]) else "",
            source=f"log:{raw.format}",
        )
        names = self._names()
        one = LogRun(
            path=raw.path,
            format=raw.format,
            run=run,
            name=raw.name,
            loss_kind=kind,
            averaged_over=over,
            lr_of=of,
            stopped=raw.stopped,
            resumed=tuple(sorted(self.resumed)),
            names=names,
            series=series,
        )
        note_quirks(one, roles, self.note)
        notes = (*self.notes.values(), *raw.notes.values())
        return dataclasses.replace(
            one, notes=notes, run=dataclasses.replace(run, notes=tuple(note.text for note in notes))
        )

    def _summed(self, name: str | None, parts: tuple[str, ...], what: str) -> Settled:
        if name is not None:
            return self.settled(name)
        if not parts:
            return Settled(np.zeros(0, dtype=np.int64), np.zeros(0))
        first = self.settled(parts[0])
        total = first.value.copy()
        for part in parts[1:]:
            total = total + _aligned(self.settled(part), first.step)
        role = "loss-summed" if what == "training loss" else "val-loss-summed"
        self.note(role, f"the log has no single {what}: {', '.join(parts[:6])} were added up")
        return dataclasses.replace(first, value=total)

    def _note_order(self, one: Settled, name: str) -> None:
        self.resumed.update(one.resumed)
        if one.resumed:
            text = f"{name!r} goes back to step {one.resumed[0]}"
            more = f" and {len(one.resumed) - 1} more times" if len(one.resumed) > 1 else ""
            self.note(
                "rewound-steps",
                f"{text}{more}: a resumed training; the {one.replaced} entries it wrote again replace the older ones",
            )
        if one.odd:
            self.note(
                "odd-steps", f"a few entries of {name!r} have a step far before their neighbours': they were left out"
            )
        if one.shuffled:
            self.note(
                "mixed-steps", f"the steps of {name!r} are in no order, as with several writers: they were sorted"
            )
        if one.repeated:
            self.note("repeated-steps", f"{one.repeated} entries of {name!r} repeat a step: the last of each stays")

    def _validation(self) -> tuple[npt.NDArray[np.int64], _Floats, dict[str, _Floats]]:
        roles = self.roles
        has_loss = roles.val_loss is not None or bool(roles.val_parts)
        if has_loss:
            val = self._summed(roles.val_loss, roles.val_parts, "validation loss")
            self.resumed.update(val.resumed)
            steps, losses = val.step, val.value
        elif roles.val_metrics:
            steps = np.unique(np.concatenate([self.settled(name).step for name in roles.val_metrics]))
            losses = np.full(len(steps), np.nan)
            self.note("no-val-loss", "the log holds validation metrics and no validation loss")
        else:
            return np.zeros(0, dtype=np.int64), np.zeros(0), {}
        metrics = {}
        for name in roles.val_metrics:
            values = _aligned(self.settled(name), steps)
            if np.any(np.isfinite(values)) or not len(steps):
                metrics[name] = values
        return steps, losses, metrics

    def _in_updates(self, val_step: npt.NDArray[np.int64], step: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Validations that are counted in epochs beside losses that are counted in updates, in updates too."""
        count = len(val_step)
        counted = count >= _FEW and val_step[0] in (0, 1) and bool(np.all(np.diff(val_step) == 1))
        if not counted or self.raw.unit != "step" or len(step) < _DENSE * count:
            return val_step
        every = float(np.median(np.diff(step)))
        span = float(step[-1] - step[0]) + every
        if span < _DENSE * count:
            return val_step
        # Nobody validates after each of the first updates and then never again.
        per = self._steps_per_epoch() or span / count
        self.note(
            "validation-by-epoch",
            f"the validation is counted in epochs and the training loss in updates: about {per:.4g} updates were taken "
            "for an epoch",
        )
        done = val_step + (1 if val_step[0] == 0 else 0)
        return np.asarray(np.minimum(np.rint(step[0] + done * per), step[-1] + round(every)), dtype=np.int64)

    def _rates(self, steps: npt.NDArray[np.int64], of: str) -> _Floats:
        """The rate of each loss entry: the last one logged at or before it (before it, if it is the next update's)."""
        if self.roles.lr is None:
            constant = self.raw.constant_lr
            if constant is not None:
                self.note("rate-from-settings", f"no rate is logged: {constant:g} stands in the log's settings")
            return np.full(len(steps), np.nan if constant is None else constant)
        rates = self.settled(self.roles.lr)
        if not len(rates.step):
            return np.full(len(steps), np.nan)
        side: str = "left" if of == "next" else "right"
        place = np.searchsorted(rates.step, steps, side="left" if side == "left" else "right") - 1
        if len(rates.step) * 2 < len(steps) and len(np.unique(rates.value)) > 1:
            self.note("rate-held", "the rate is logged less often than the loss: each entry was held until the next")
        return rates.value[np.maximum(place, 0)]

    def _on(self, steps: npt.NDArray[np.int64], name: str | None) -> _Floats | None:
        if name is None or not len(steps):
            return None
        values = _aligned(self.settled(name), steps)
        return values if len(values) and not np.all(np.isnan(values)) else None

    def _others(
        self, val_step: npt.NDArray[np.int64], norm: _Floats | None
    ) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Series]]:
        roles = self.roles
        taken = {roles.loss, roles.lr, roles.val_loss, *roles.val_metrics, None}
        if norm is not None and len(norm) == len(self.settled(roles.grad_norm or "").step):
            taken.add(roles.grad_norm)
        train_metrics, series = {}, {}
        for name in self.raw.channels:
            if name in taken or not len(self.raw.channels[name]):
                continue
            one = self.settled(name)
            if not len(one.step):
                continue
            kind = set(words(name))
            if len(val_step) and {"acc", "accuracy", "top1", "error"} & kind and np.array_equal(one.step, val_step):
                train_metrics[name] = float_series(one.value)
            else:
                series[name] = Series(int_series(one.step), float_series(one.value))
        return train_metrics, series

    def _names(self) -> dict[str, str]:
        roles = self.roles
        names = {
            "loss": roles.loss or " + ".join(roles.loss_parts),
            "lr": roles.lr or "",
            "grad_norm": roles.grad_norm or "",
            "val_loss": roles.val_loss or " + ".join(roles.val_parts),
        }
        return {role: name for role, name in names.items() if name}

    def _steps_per_epoch(self) -> float | None:
        if self.raw.steps_per_epoch is not None:
            return self.raw.steps_per_epoch
        if self.raw.unit != "step":
            return None
        name = next((n for n in self.raw.channels if words(n)[-1:] == ["epoch"] and len(words(n)) <= 2), None)
        if name is None:
            return None
        epochs = self.settled(name)
        rises = np.flatnonzero(np.diff(epochs.value) > 0) + 1
        if len(rises) < 2:
            return None
        span = epochs.value[rises[-1]] - epochs.value[rises[0]]
        per = float(epochs.step[rises[-1]] - epochs.step[rises[0]]) / float(span) if span > 0 else 0.0
        return per if np.isfinite(per) and per > 0 else None


def _aligned(one: Settled, steps: npt.NDArray[np.int64]) -> _Floats:
    """The values at exactly `steps`; NaN where there is none."""
    out = np.full(len(steps), np.nan)
    if len(one.step):
        place = np.minimum(np.searchsorted(one.step, steps), len(one.step) - 1)
        same = one.step[place] == steps
        out[same] = one.value[place[same]]
    return out
