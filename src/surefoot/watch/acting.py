"""Acting: what is done to a running training about what its signals show, within bounds, and how it is undone.

Five deeds: *cut* the rate when the loss runs away or swings ever further; *restore* the last good weights when it has
run away; *decay* the rate at a noise floor; *stop* when lower rates no longer help or the training overfits, with the
best weights; *raise* the rate on a slow descent in a straight line. Whoever watches names the deeds that are allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any, get_args

import torch

from surefoot.errors import InputError
from surefoot.records import Action, Deed, Finding, FloatSeries
from surefoot.watch import signals
from surefoot.watch.keeper import Keeper
from surefoot.watch.rates import first_rate, scale_rates
from surefoot.watch.recorder import Recorder

__all__ = ["Acting", "Limits", "deeds_of", "distributed"]


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of what may be done to a training."""

    most: int = 8
    """Deeds in all."""
    cut: float = 0.3
    """Factor of a cut."""
    decay: float = 0.3
    """Factor of a decay."""
    decays: int = 3
    """Decays after which a noise floor counts as converged."""
    rise: float = 2.0
    """Factor of a raise."""
    highest: float = 8.0
    """Most that raises may multiply the first rate by."""
    lowest: float = 1e-3
    """Least that is left of the first rate."""
    patience: int = 5
    """Validations that are all worse than the best one before overfitting is certain."""


def deeds_of(act: bool | Collection[str]) -> frozenset[Deed]:
    """The deeds that `act` allows: True for all, False for none.

    Raises:
        InputError: a name that is no deed.
    """
    if isinstance(act, bool):
        return frozenset(get_args(Deed)) if act else frozenset()
    names = [act] if isinstance(act, str) else list(act)
    for name in names:
        if name not in get_args(Deed):
            raise InputError(f"`act` has {name!r}; deeds are {', '.join(get_args(Deed))}, or True for all of them")
    return frozenset(deed for deed in get_args(Deed) if deed in names)


class Acting:
    """Decides on deeds and does them.

    Args:
        recorder: what was seen of the training.
        keeper: earlier states; None where nothing may be restored.
        scheduler: torch's scheduler of the optimizer, or None.
        deeds: what is allowed.
        limits: see `Limits`.
        dry_run: only say what would be done.
    """

    def __init__(
        self,
        recorder: Recorder,
        keeper: Keeper | None,
        scheduler: Any,
        deeds: Collection[Deed],
        limits: Limits,
        *,
        dry_run: bool,
    ) -> None:
        self._recorder, self._keeper, self._scheduler = recorder, keeper, scheduler
        self.deeds, self._limits, self._dry = frozenset(deeds), limits, dry_run
        self.since = 0
        """Update from which on the training is what it is now."""
        self.total = 1.0
        """Product of all factors."""
        self.done: list[Action] = []
        self.should_stop = False
        self._expected: tuple[int, float] | None = None

    def urgent(self, losses: FloatSeries) -> Action | None:
        """Answer a loss that may have run away; None while it has not."""
        recent = losses[self.since :]
        finding = signals.diverged(recent)
        if finding.result != "holds":
            return None
        return self._answer_divergence(_moved(finding, self.since))

    def judge(self, losses: FloatSeries, rates: FloatSeries, validations: list[tuple[int, float]]) -> Action | None:
        """Look at every signal whose deed is allowed, and do at most one thing."""
        since = self.since
        growing = _moved(signals.oscillation_growing(losses[since:]), since)
        if growing.result == "holds" and "cut" in self.deeds:
            return self._change("cut", self._limits.cut, growing)
        recent = [one for one in validations if one[0] >= since] if self.done else validations
        fitting = signals.overfitting(recent, self._limits.patience)
        if fitting.result == "holds" and "stop" in self.deeds:
            return self._stop(fitting)
        floor = signals.noise_floor(losses, rates, since)
        if floor.result == "holds":
            decays = sum(1 for one in self.done if one.deed == "decay" and not one.undone)
            if "decay" in self.deeds and decays < self._limits.decays:
                return self._change("decay", self._limits.decay, floor)
            spent = decays >= self._limits.decays or float(rates[-1]) <= 0.01 * _highest(rates)
            if "stop" in self.deeds and spent:
                return self._stop(
                    dataclasses.replace(
                        floor, id="converged", remedy="stop: lower rates bring no more",
                        text=f"{floor.text}, and the rate has been lowered as far as it may be",
                    )
                )  # fmt: skip
        slow = signals.slow_descent(losses, rates, since)
        if slow.result == "holds" and "raise" in self.deeds:
            return self._change("raise", self._limits.rise, slow)
        return None

    def undo(self) -> Action | None:
        """Take the last deed back that was not taken back yet; None where there is none."""
        for place in range(len(self.done) - 1, -1, -1):
            one = self.done[place]
            if one.undone or not one.done:
                continue
            if one.factor != 1.0:
                scale_rates(self._recorder.optimizer, 1.0 / one.factor, self._scheduler)
                self.total /= one.factor
            if one.restored is not None and self._keeper is not None:
                self._keeper.give_back()
            if one.deed == "stop":
                self.should_stop = False
            self.done[place] = dataclasses.replace(one, undone=True)
            self.since = self._recorder.steps
            self._expected = None
            return self.done[place]
        return None

    def overwritten(self) -> str | None:
        """Once, in words, that somebody else set the rate back after it was changed here."""
        if self._expected is None or self._scheduler is not None:
            return None
        step, expected = self._expected
        if self._recorder.steps <= step:
            return None
        used = float(self._recorder.rates[0][step])
        self._expected = None
        if abs(used - expected) <= 1e-6 * abs(expected):
            return None
        return (
            f"the rate was set to {expected:.4g} and the next update used {used:.4g}: a scheduler sets it; "
            "give it as `scheduler=`"
        )

    def _answer_divergence(self, finding: Finding) -> Action | None:
        keeper = self._keeper
        restores = "restore" in self.deeds and keeper is not None and "good" in keeper.steps
        if restores:
            return self._change("restore", self._limits.cut if "cut" in self.deeds else 1.0, finding, restore="good")
        if "cut" in self.deeds and finding.evidence and finding.evidence[0].value is not None:
            return self._change("cut", self._limits.cut, finding)
        return self._stop(finding, restore=False) if "stop" in self.deeds else None

    def _allowed(self, factor: float) -> bool:
        after = self.total * factor
        limits = self._limits
        return len(self.done) < limits.most and (limits.lowest <= after <= limits.highest or factor == 1.0)

    def _change(self, deed: Deed, factor: float, finding: Finding, restore: str = "") -> Action | None:
        if not self._allowed(factor):
            return None
        before = first_rate(self._recorder.optimizer)
        restored: int | None = None
        if restore and self._keeper is not None:
            restored = self._keeper.steps[restore] if self._dry else self._keeper.restore(restore)
        if factor != 1.0 and not self._dry:
            scale_rates(self._recorder.optimizer, factor, self._scheduler)
            self.total *= factor
            self._expected = (self._recorder.steps, before * factor)
        parts = [f"weights of step {restored} restored"] if restored is not None else []
        parts += [f"rate {before:.4g} -> {before * factor:.4g}"] if factor != 1.0 else []
        return self._note(deed, finding, parts, factor=factor, before=before, restored=restored)

    def _stop(self, finding: Finding, *, restore: bool = True) -> Action | None:
        if self.should_stop or len(self.done) >= self._limits.most + 1:
            return None
        restored: int | None = None
        keeper = self._keeper
        if restore and keeper is not None and "best" in keeper.steps:
            restored = keeper.steps["best"] if self._dry else keeper.restore("best")
        if not self._dry:
            self.should_stop = True
        parts = ["stop"] + ([f"weights of step {restored} restored"] if restored is not None else [])
        rate = first_rate(self._recorder.optimizer)
        return self._note("stop", finding, parts, before=rate, restored=restored)

    def _note(
        self, deed: Deed, finding: Finding, parts: list[str], *, factor: float = 1.0, before: float,
        restored: int | None = None,
    ) -> Action:  # fmt: skip
        said = ", ".join(parts) or deed
        action = Action(
            deed=deed, step=self._recorder.steps, factor=factor, lr_before=before, lr_after=before * factor,
            restored=restored, evidence=finding, done=not self._dry,
            text=f"{'would ' if self._dry else ''}{deed}: {said}, because {finding.text}",
        )  # fmt: skip
        self.done.append(action)
        self.since = self._recorder.steps
        return action


def _highest(values: FloatSeries) -> float:
    """The largest number; 0 of none."""
    return float(values.max()) if len(values) else 0.0


def _moved(finding: Finding, by: int) -> Finding:
    if finding.steps is None or not by:
        return finding
    return dataclasses.replace(finding, steps=(finding.steps[0] + by, finding.steps[1] + by))


def distributed() -> bool:
    """Whether several processes train together: a deed must then be the same in all of them."""
    return bool(
        torch.distributed.is_available()
        and torch.distributed.is_initialized()
        and torch.distributed.get_world_size() > 1
    )
