"""The pilot: sets the rate through a training by probing it now and then, within a budget of updates.

The rate is a *peak* times a *shape*: a short rise, then a fall in a line to nothing at the end. The shape is fixed; the
probes set the peak. A first probe, over a wide range, comes before the first update; the later ones look around the
present rate. So the final fall, which a greedy choice by short trials would bring too early, is planned for the end,
and the trials, each of which ends with a fall of its own, only say how large the steps before it should be.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from surefoot.errors import InputError
from surefoot.records import Action, Deed, Finding, Measurement, Probe
from surefoot.watch.batches import taken
from surefoot.watch.keeper import Keeper
from surefoot.watch.probing import probe
from surefoot.watch.rates import first_rate, set_rate

__all__ = ["Look", "Pilot", "Policy"]


@dataclasses.dataclass(frozen=True)
class Look:
    """One probe of a training."""

    at: float
    """Share of the training after which it comes."""
    count: int
    """Rates that are tried."""
    span: float
    """Factor by which the outermost rates differ from the present one."""
    share: float
    """Of the budget, what it may spend."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """How a pilot spends its budget and what it makes of the probes; chosen on the design tasks of the benchmark."""

    looks: tuple[Look, ...] = (Look(0.0, 7, 100.0, 0.28), Look(0.0, 3, 3.0, 0.42), Look(0.1, 3, 2.5, 0.3))
    most_steps: int = 60
    """Updates of a trial at most."""
    least_steps: int = 3
    """Updates of a trial without which it is not made."""
    rise: float = 0.02
    """Share of the training over which the rate rises."""
    hold: float = 0.0
    """Share of the training after which the rate begins to fall."""
    caution: float = 1.0
    """From the best rate of the probes before the first update to the peak."""
    farthest: float = 10.0
    """Factor by which one probe may change the peak at most: a few updates are little evidence for more."""
    trust: float = 0.5
    """Share of the way, in decades, that a raise goes beyond what is needed. In a race of a few updates a large rate
    wins by covering the way sooner, which a lower one has all the training for; its later harm, no race shows."""
    reach: float = 30.0
    """So many times the way of the best trial should the rest of the training be able to go; a raise up to the rate
    that it takes for this is needed."""
    wild: float = 2.0
    """Ratio of the present rate's loss to a lower one's from which on the lower is taken, whatever the errors say."""
    cut: float = 0.3
    """Factor on the peak when the training diverged."""


class Pilot:
    """Sets the rate of a training of `steps` updates; call `step` after every update.

    Args:
        model: as it stands.
        optimizer: of that model; its rate is where the first probe looks around.
        steps: updates of the whole training; from 20.
        batches: the training's batches: a loader or list, read anew at every probe, or a function from a number to that
            many coming batches.
        loss: ``loss(output, target)`` or ``loss(model, batch)``, as of a `Task`.
        budget: share of `steps` that probes may spend, counted in updates of single copies; above 0, at most 1.
        clip: largest gradient norm, if the training clips.
        seed: of the copies' random numbers.
        policy: see `Policy`.

    Raises:
        InputError: an argument that cannot be used.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        steps: int,
        batches: Any,
        loss: Callable[..., Any],
        budget: float = 0.05,
        clip: float | None = None,
        seed: int = 0,
        policy: Policy | None = None,
    ) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 20:
            raise InputError(f"`steps` is {steps!r}; it is a whole number from 20")
        if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= 1:
            raise InputError(f"`budget` is {budget!r}; it is a share above 0 and at most 1")
        self._model, self._optimizer, self._steps, self._batches = model, optimizer, steps, batches
        self._loss, self._clip, self._seed, self._policy = loss, clip, seed, policy or Policy()
        self._budget = budget * steps
        self.spent = 0
        """Updates of copies that probes have made."""
        self.done = 0
        """Updates of the training."""
        self.peak = first_rate(optimizer)
        """Rate that the shape is scaled to."""
        if not 0 < self.peak < math.inf:
            raise InputError(f"the optimizer's rate is {self.peak}; give it one to look around")
        self.probes: list[Probe] = []
        self.actions: list[Action] = []
        self._looks = list(self._policy.looks)
        self._keeper = Keeper(model, optimizer)
        self._look()
        self._set()

    def step(self, loss: float | None = None) -> None:
        """Count an update, probe if it is time to, and set the rate of the next.

        Args:
            loss: the training loss of the update; one that is no number, or far too high, goes back to earlier weights.
        """
        self.done += 1
        if loss is not None and not self._sound(float(loss)):
            self._turn_back(float(loss))
        if self.done % max(1, self._steps // 20) == 0 and loss is not None and math.isfinite(loss):
            self._keep()
        self._look()
        self._set()

    def lr(self, step: int) -> float:
        """The rate of update `step`, with the present peak."""
        policy = self._policy
        at = (step + 0.5) / self._steps
        rise = min(1.0, (step + 1) / max(1.0, policy.rise * self._steps))
        fall = min(1.0, (1.0 - at) / (1.0 - policy.hold))
        return self.peak * min(rise, 1.0) * max(fall, 0.0)

    def _set(self) -> None:
        if self.done < self._steps:
            set_rate(self._optimizer, self.lr(self.done))

    def _look(self) -> None:
        """Probe, as often as it is time to and the budget is there."""
        while self._looks and self.done >= round(self._looks[0].at * self._steps):
            look = self._looks.pop(0)
            steps = min(
                self._policy.most_steps, int(min(self._budget * look.share, self._budget - self.spent) / look.count)
            )
            if steps >= self._policy.least_steps:
                self._probe(look, steps)
        if self.done == 0 and self.probes:
            self.peak *= self._policy.caution

    def _probe(self, look: Look, steps: int) -> None:
        center = self.peak if self.done == 0 else self.lr(self.done)
        annealed = steps // 2
        slow = self._slowness(steps, annealed) if self.done == 0 else 1.0
        training, scoring = self._coming(steps, max(4, steps // 3))
        # Before momentum has built up, a trial moves less far than its rate would later: larger ones stand for it.
        lrs = _around(center / slow, look.span, look.count)
        found = probe(
            self._model, self._optimizer, training, self._loss, lrs=lrs, steps=steps, anneal=annealed, score=scoring,
            clip=self._clip, seed=self._seed, step=self.done,
        )  # fmt: skip
        self.spent += found.cost
        self.probes.append(found)
        chosen = self._chosen(found, center / slow)
        if chosen is not None:
            limit = self._policy.farthest
            factor = min(limit, max(1 / limit, chosen * slow / center))
            self._move(self._tempered(factor, steps - annealed / 2) if factor > 1 else factor, found)

    def _tempered(self, factor: float, length: float) -> float:
        """A raise: as far as it is needed, and a part of the rest; `length` of a trial, in updates at its full rate."""
        needed = factor * self._policy.reach * length / max(1.0, (self._steps - self.done) / 2)
        needed = min(max(1.0, needed), factor)
        return float(needed * (factor / needed) ** self._policy.trust)

    def _chosen(self, found: Probe, present: float) -> float | None:
        """The rate to go to; None where the evidence does not ask to leave the present one."""
        finite = np.isfinite(found.losses)
        own = float(found.losses[int(np.abs(np.log(found.lrs / present)).argmin())])
        if finite.any() and found.lrs[int(np.argmin(found.losses))] < present / 1.001:
            # A rate that is near divergence has large errors because of that; they must not speak for it.
            least = float(found.losses[finite].min())
            if least > 0 and own > self._policy.wild * least and not self.done:
                return _lowest(found)
        if found.interval is None or found.interval[0] <= 1.001 * present <= 1.002 * found.interval[1]:
            return None
        best = _lowest(found)
        if self.done and best is not None and best < present and own <= found.start_loss:
            # A lower rate wins any short race, by calming what a larger one will calm at the end; it is only taken
            # where the present one does harm.
            return None
        return best

    def _slowness(self, steps: int, annealed: int) -> float:
        """How far a trial that begins without momentum goes, as a share of how far it would go with it built up."""
        group = self._optimizer.param_groups[0]
        momentum = float(group.get("momentum", 0.0) or 0.0)
        if not momentum or "betas" in group or any(self._optimizer.state.values()):
            return 1.0
        speed = moved = full = 0.0
        for at in range(steps):
            factor = min(1.0, (steps - at) / (annealed + 1))
            speed = momentum * speed + 1.0
            moved, full = moved + factor * speed, full + factor / (1.0 - momentum)
        return moved / full

    def _coming(self, steps: int, scoring: int) -> tuple[Sequence[Any], Sequence[Any]]:
        if callable(self._batches) and not hasattr(self._batches, "__iter__"):
            batches = list(self._batches(steps + scoring))
        else:
            batches = taken(self._batches, steps + scoring, "batches")
        held = max(2, min(scoring, len(batches) // 3))
        return batches[:-held], batches[-held:]

    def _move(self, factor: float, found: Probe) -> None:
        before = self.lr(self.done)
        self.peak *= factor
        number = Measurement("loss", float(found.losses.min()), n=len(found.losses), method=f"probe of {found.steps}")
        finding = Finding("probed", "holds", (number,), (self.done, self.done), found.reason)
        deed: Deed = "raise" if factor > 1 else "cut"
        self.actions.append(
            Action(
                deed=deed,
                step=self.done,
                factor=factor,
                lr_before=before,
                lr_after=self.lr(self.done),
                evidence=finding,
                text=f"{deed}: the peak of the rate times {factor:.3g}, because {found.reason}",
            )
        )

    # Divergence.

    def _sound(self, loss: float) -> bool:
        start = self.probes[0].start_loss if self.probes else math.inf
        return math.isfinite(loss) and not (math.isfinite(start) and loss > start + 10 * abs(start))

    def _keep(self) -> None:
        if "newest" in self._keeper.steps:
            self._keeper.promote()
        self._keeper.keep("newest", self.done)

    def _turn_back(self, loss: float) -> None:
        name = next((one for one in ("good", "newest") if one in self._keeper.steps), None)
        before = self.lr(self.done)
        self.peak *= self._policy.cut
        restored = None if name is None else self._keeper.restore(name)
        self.actions.append(
            Action(
                deed="restore" if restored is not None else "cut",
                step=self.done,
                factor=self._policy.cut,
                lr_before=before,
                lr_after=self.lr(self.done),
                restored=restored,
                text=f"the loss was {loss:.4g}: the rate is cut"
                + (f", and the weights of step {restored} are back" if restored is not None else ""),
            )
        )


def _around(center: float, span: float, count: int) -> list[float]:
    return [float(lr) for lr in center * np.logspace(-1, 1, count, base=span)]


def _lowest(found: Probe) -> float | None:
    """Where the losses of the trials are lowest, between the rates too; None where nothing was learned."""
    finite = np.isfinite(found.losses)
    if not finite.any():
        return None
    best = int(np.argmin(found.losses))
    if 0 < best < len(found.lrs) - 1 and finite[best - 1 : best + 2].all():
        # The lowest point of the parabola through the best and its neighbours, in the logarithm of the rate.
        left, middle, right = (float(value) for value in found.losses[best - 1 : best + 2])
        bend = left - 2 * middle + right
        shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
        return float(found.lrs[best] * (found.lrs[best + 1] / found.lrs[best]) ** shift)
    return float(found.lrs[best])
