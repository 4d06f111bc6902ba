"""Watch a training from inside of any loop: one line to begin, one for the loss.

    watch = sf.watch(model, optimizer)
    for batch in batches:
        loss = watch.loss(criterion(model(x), y))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    watch.close()

A *watch* records what every update did, says findings when they become certain, and, only when asked, acts on them.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import nn

from surefoot.diagnose import diagnose_run
from surefoot.errors import InputError
from surefoot.records import Action, Diagnosis, Fate, Finding, Inspection, Probe, Run, Watched
from surefoot.watch import signals
from surefoot.watch.account import Account, Purse
from surefoot.watch.acting import Acting, Limits, deeds_of, distributed
from surefoot.watch.evidence import evidence_of
from surefoot.watch.keeper import Keeper
from surefoot.watch.probing import probe
from surefoot.watch.recorder import Recorder
from surefoot.watch.scheduling import SCHEDULED, ahead_of, position_of

__all__ = ["Watch", "watch"]

Value = TypeVar("Value")

_LOG = logging.getLogger("surefoot.watch")
_FIRST = 64
"""Updates before the first judgement; later ones come after an eighth more updates each."""
_SIGNALS = 32
"""Updates between two looks at the signals that deeds answer to, where they are allowed."""
_SETTLED = 0.5
"""Seconds of training before the first judgement, whose price is not known yet."""
_PATIENCE = 8
"""Updates until a judgement that was not affordable is asked for again."""
_ALARM = 4
"""Updates between two looks at a loss that is higher than at the start."""


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    scheduler: Any = None,
    act: bool | Collection[str] = False,
    dry_run: bool = False,
    limits: Limits | None = None,
    on_finding: Callable[[Finding], object] | None = None,
    on_action: Callable[[Action], object] | None = None,
    quiet: bool = False,
    overhead: float = 0.003,
    layers: bool = True,
    units: bool = True,
    keep: str | Path | None = None,
    steps_per_epoch: float | None = None,
    name: str = "",
) -> Watch:
    """Watch the training of `model` by `optimizer` until ``close()``, or to the end of a ``with`` block.

    Args:
        model: names the layers. Wrapped models (compiled, data-parallel) work; units of compiled ones are not seen.
        optimizer: any torch optimizer; one that Accelerate prepared is taken for the one inside.
        scheduler: torch's scheduler of the optimizer, so that what `act` does to the rate lasts: its base rates are
            scaled with the groups'.
        act: which deeds are allowed: some of "cut", "restore", "decay", "stop", "raise", or True for all.
        dry_run: only say what would be done.
        limits: bounds of deeds.
        on_finding: called with every finding when it becomes certain.
        on_action: called with every deed.
        quiet: nothing on the terminal; Python's log `surefoot.watch` still gets it, at the level INFO.
        overhead: share of the training's time that looks at layers may take; half as much again may go into
            judgements, and where deeds are allowed, into what they answer to. Above 0; with 1 nothing is thinned.
        layers: whether weights, gradients and updates of layers are measured.
        units: whether activations are looked at.
        keep: folder for copies of the state, where deeds need them; None keeps them in memory.
        steps_per_epoch: updates per epoch, for the record.
        name: of the task, for the record.

    Raises:
        InputError: an argument that cannot be used.
    """
    return Watch(
        model, optimizer, scheduler=scheduler, act=act, dry_run=dry_run, limits=limits or Limits(),
        on_finding=on_finding, on_action=on_action, quiet=quiet, overhead=overhead, layers=layers, units=units,
        keep=keep, steps_per_epoch=steps_per_epoch, name=name,
    )  # fmt: skip


class Watch:
    """A training that is being watched; made by `watch`."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        *,
        scheduler: Any,
        act: bool | Collection[str],
        dry_run: bool,
        limits: Limits,
        on_finding: Callable[[Finding], object] | None,
        on_action: Callable[[Action], object] | None,
        quiet: bool,
        overhead: float,
        layers: bool,
        units: bool,
        keep: str | Path | None,
        steps_per_epoch: float | None,
        name: str,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(f"`model` is {type(model).__name__}; give the nn.Module that is trained")
        inner = getattr(optimizer, "optimizer", None)
        if isinstance(inner, torch.optim.Optimizer):
            optimizer = inner
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InputError(f"`optimizer` is {type(optimizer).__name__}; give a torch.optim.Optimizer")
        if isinstance(overhead, bool) or not isinstance(overhead, int | float) or not 0 < overhead <= 1:
            raise InputError(f"`overhead` is {overhead!r}; it is a share above 0 and at most 1")
        deeds = deeds_of(act)
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        account = Account(overhead)
        self._judging, self._alert = (
            Purse(account, overhead / 2),
            Purse(account, 1.0 if overhead == 1 else overhead / 2),
        )
        self._recorder = Recorder(model, optimizer, account, layers=layers, units=units, after=self._after)
        if deeds and distributed() and not dry_run:
            dry_run = True
            self._recorder.notes.append("several processes train together: deeds are only said, not done")
        needs_copies = not dry_run and bool(deeds & {"restore", "stop"})
        self._keeper = Keeper(model, optimizer, keep) if needs_copies else None
        self._acting = Acting(self._recorder, self._keeper, scheduler, deeds, limits, dry_run=dry_run)
        self._on_finding, self._on_action, self._quiet = on_finding, on_action, quiet
        self._per_epoch, self._name = steps_per_epoch, name
        self._findings: dict[str, Finding] = {}
        self._probes: list[Probe] = []
        self._next_judgement, self._next_signals, self._next_copy = _FIRST, _FIRST, 0
        self._suspected: set[str] = set()
        self._highest, self._next_alarm, self._due = math.inf, 0, 0
        self._best = math.inf
        self._closed = False
        self._scheduled_from = position_of(scheduler)
        self._began = time.perf_counter()
        self._recorder.attach()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What the loop tells.

    def loss(self, value: Value) -> Value:
        """Tell the training loss of a batch, and get it back; call it before the update it leads to.

        Raises:
            InputError: neither a number nor a tensor with one number.
        """
        self._recorder.loss(value)
        return value

    def loss_after(self, value: Value) -> Value:
        """Tell the training loss of the update that was just made, where the loop learns it only then."""
        self._recorder.loss_after(value)
        if not self._closed:
            self._look_after()
        return value

    def validation(self, loss: Any, **metrics: Any) -> None:
        """Tell the loss and metrics over the validation data at the present weights; one number each."""
        self._recorder.validation(loss, metrics)
        value = float(loss)
        if value < self._best:
            self._best = value
            if self._keeper is not None and "stop" in self._acting.deeds:
                self._keeper.keep("best", self._recorder.steps)
        if not self._closed and self._recorder.steps and self._acting.deeds:
            self._judge_signals()

    # What was seen.

    @property
    def steps(self) -> int:
        """Updates made."""
        return self._recorder.steps

    @property
    def should_stop(self) -> bool:
        """Whether the training should end: ``if watch.should_stop: break``."""
        return self._acting.should_stop

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What became certain so far, in that order."""
        return tuple(self._findings.values())

    @property
    def actions(self) -> tuple[Action, ...]:
        """What was done, or would have been done in a dry run."""
        return tuple(self._acting.done)

    @property
    def overhead(self) -> float | None:
        """Time that watching took, as a share of the training's own, as it measures it."""
        looks = self._recorder.account
        return (looks.spent + self._judging.spent + self._alert.spent) / looks.elapsed if looks.elapsed > 0 else None

    def rates(self) -> dict[int, Any]:
        """Parameter group to the rate that it used at every update."""
        return dict(self._recorder.rates)

    def run(self) -> Run:
        """The training so far."""
        run = self._recorder.run()
        fate: Fate = "stopped" if self.should_stop else "finished"
        reason = self.actions[-1].text if self.should_stop else ""
        if "diverged" in self._findings and not self.actions:
            fate, reason = "diverged", self._findings["diverged"].text
        return dataclasses.replace(
            run, fate=fate, reason=reason, steps_per_epoch=self._per_epoch, task=self._name,
            seconds=time.perf_counter() - self._began,
        )  # fmt: skip

    def inspection(self) -> Inspection:
        """Sizes of weights, gradients and updates, and shares of dead units, at every look."""
        return self._recorder.inspection(self._name, self._per_epoch)

    def evidence(self) -> dict[str, tuple[Any, Any]]:
        """Series of the layers, as `diagnose_run` takes them."""
        return evidence_of(self.inspection(), self._recorder.saturated, self.run())

    def diagnose(self) -> Diagnosis:
        """What the training suffers from, as far as it went."""
        return diagnose_run(self.run(), evidence=self.evidence())

    def record(self) -> Watched:
        """Everything as one record, to be saved."""
        return Watched(
            run=self.run(), inspection=self.inspection(), findings=self.findings, actions=self.actions,
            probes=tuple(self._probes), skipped=self._recorder.skipped, overhead=self.overhead,
        )  # fmt: skip

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the training so far; see `surefoot.records.Record.plot`."""
        return self.record().plot(path)

    def _repr_html_(self) -> str | None:
        return self.record()._repr_html_()

    # What can be asked.

    def probe(self, batches: Any, loss: Callable[..., Any], **options: Any) -> Probe:
        """Try several rates on copies of the training as it stands; see `surefoot.watch.probe` for the options.

        The training itself goes on as if nothing had been asked.
        """
        with self._recorder.at_rest():
            found = probe(self.model, self.optimizer, batches, loss, step=self._recorder.steps, **options)
        self._probes.append(found)
        return found

    def undo(self) -> Action | None:
        """Take the last deed back: the rate, the weights that were replaced, the wish to stop."""
        return self._acting.undo()

    def close(self) -> None:
        """Take every hook away, after a last judgement; what was seen stays to be asked for."""
        if self._closed:
            return
        self._closed = True
        self._recorder.detach()
        if self._recorder.steps >= _FIRST:
            self._diagnose(last=True)
        if self._keeper is not None:
            self._keeper.drop()

    # After every update.

    def _after(self) -> None:
        # Most updates end here: the loss is where it was, and nothing is due.
        if not (self._recorder.steps < self._due and self._recorder.last_loss() < self._highest):
            self._look_after()

    def _look_after(self) -> None:
        now = time.perf_counter()
        loss = self._recorder.last_loss()
        steps = self._recorder.steps
        if steps == 8:
            first = self._recorder.losses
            first = first[np.isfinite(first)]
            self._highest = float(first.max()) if len(first) else math.inf
        lost = self._recorder.fresh and self._recorder.arrived and not math.isfinite(loss)
        if lost or (loss > self._highest and steps >= self._next_alarm):
            self._next_alarm = steps + _ALARM
            self._judge_divergence()
        if self._keeper is not None and "restore" in self._acting.deeds and steps >= self._next_copy:
            self._next_copy = steps + max(_FIRST // 2, steps // 10)
            self._keeper.tend(steps, self._recorder.losses)
        if steps == SCHEDULED and self.scheduler is not None:
            ahead = ahead_of(self.scheduler, self._scheduled_from)
            if ahead is not None:
                self._certain(ahead)
        if steps >= self._next_judgement and self._judging.affords("judgement") and self._judging.elapsed > _SETTLED:
            self._next_judgement = steps + max(_FIRST, steps // 8)
            self._diagnose()
            self._judging.pay(time.perf_counter() - now, "judgement")
        elif self._acting.deeds and steps >= self._next_signals and self._alert.affords("signals"):
            self._next_signals = steps + _SIGNALS
            self._judge_signals()
            self._alert.pay(time.perf_counter() - now, "signals")
        elif time.perf_counter() - now > 1e-4:
            self._judging.pay(time.perf_counter() - now)
        # With deeds something may be due after any update.
        due = (8, SCHEDULED, steps + 1 if self._acting.deeds else max(self._next_judgement, steps + _PATIENCE))
        self._due = min(one for one in due if one > steps)

    def _judge_divergence(self) -> None:
        losses = self._recorder.losses
        finding = signals.diverged(losses[self._acting.since :])
        if finding.result != "holds":
            return
        action = self._acting.urgent(losses)
        self._certain(finding)
        self._acted(action)

    def _judge_signals(self) -> None:
        losses = self._recorder.losses
        if not len(losses) or not self._recorder.told_losses:
            return
        rates = self._recorder.rates[0]
        self._acted(self._acting.judge(losses, rates, self._recorder.validations))
        complaint = self._acting.overwritten()
        if complaint is not None:
            self._recorder.notes.append(complaint)
            self._say(complaint)

    def _diagnose(self, *, last: bool = False) -> None:
        """Say what holds in two judgements running, or at the end."""
        if not self._recorder.told_losses:
            return
        try:
            diagnosis = self.diagnose()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in watching must not end the training
            complaint = f"the training could not be diagnosed: {type(error).__name__}: {error}"
            if complaint not in self._recorder.notes:
                self._recorder.notes.append(complaint)
            return
        holding = {one.id: one for one in diagnosis.holding}
        for name, finding in holding.items():
            if last or name in self._suspected:
                self._certain(finding)
        self._suspected = set(holding)

    def _certain(self, finding: Finding) -> None:
        if finding.id in self._findings:
            return
        self._findings[finding.id] = finding
        remedy = f" -> {finding.remedy}" if finding.remedy else ""
        self._say(f"step {self._recorder.steps}: {finding.text}{remedy}")
        if self._on_finding is not None:
            self._on_finding(finding)

    def _acted(self, action: Action | None) -> None:
        if action is None:
            return
        if action.evidence is not None:
            self._findings.setdefault(action.evidence.id, action.evidence)
        self._say(f"step {action.step}: {action.text}")
        if self._on_action is not None:
            self._on_action(action)

    def _say(self, words: str) -> None:
        _LOG.info("%s", " ".join(words.split()))
        if not self._quiet and sys.stderr is not None:
            print(f"surefoot: {' '.join(words.split())}", file=sys.stderr)
