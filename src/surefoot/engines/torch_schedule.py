"""A schedule as a torch scheduler: drop-in where a `torch.optim.lr_scheduler` is expected.

``scheduler = schedule.torch(optimizer)``, then ``scheduler.step()`` after every update. A schedule that follows a
metric is told it besides: ``scheduler.step(val_loss)`` after every validation. The rate is always computed from the
number of updates made, never from the rate before, so that resuming at any step is exact.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from surefoot.errors import RecipeError
from surefoot.schedules import Schedule, State, from_json, replan, spec_of
from surefoot.schedules.feedback import GreedyMemory, PlateauMemory
from surefoot.schedules.schedule import plain_memory

__all__ = ["TorchSchedule"]


class TorchSchedule(LRScheduler):
    """Sets the rate (and the momentum, where the schedule moves it) of every parameter group.

    Every group has a *peak* of its own, at which the schedule's factor is 1. If one of the groups has the schedule's
    peak as its rate, each group's rate is its peak. If all groups have one other rate, the schedule's peak replaces it.
    Groups added later join with their rate as their peak, from their first update on.

    Args:
        schedule: what to follow.
        optimizer: any torch optimizer.
        peaks: the peak of each group; None takes them from the groups as told above.
        done: updates already made, to start in the middle without a state dict.

    Raises:
        RecipeError: groups whose rates differ while none has the schedule's peak, or a bad `peaks` or `done`.
    """

    def __init__(
        self,
        schedule: Schedule,
        optimizer: torch.optim.Optimizer,
        *,
        peaks: Sequence[float] | None = None,
        done: int = 0,
    ) -> None:
        # The base class would wrap the optimizer's step and make a step of its own; neither is wanted.
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise RecipeError(f"`optimizer` is {type(optimizer).__name__}; give a torch.optim.Optimizer")
        if isinstance(done, bool) or not isinstance(done, int) or done < 0:
            raise RecipeError(f"`done` is {done!r}; it is a whole number of updates from 0")
        if done and schedule.follows_metric:
            raise RecipeError(f"`done` is {done}, and the schedule follows a metric; resume it with load_state_dict")
        self.schedule, self.optimizer = schedule, optimizer
        self.state = State(done, schedule.fresh())
        self._step_count = done + 1
        self._ratio = 1.0
        """Peak of a group over its rate when it was met."""
        self._told_at: int | None = None
        """Updates made when the last metric was told."""
        self._set_peaks(peaks)
        self._apply()
        reference = weakref.ref(self)
        hook = optimizer.register_step_pre_hook(lambda *_: _meet_new_groups(reference))
        weakref.finalize(self, hook.remove)

    @property
    def last_epoch(self) -> int:  # type: ignore[override]
        """Updates made, under torch's name."""
        return self.state.step

    def step(self, metric: Any = None) -> None:
        """Count one update and set the rates of the next; or tell the schedule a metric, and count nothing.

        So ``step()`` comes after every update, and ``step(val_loss)`` besides, after every validation. A schedule that
        only follows a metric has no other clock, and counts its metrics.

        Args:
            metric: a new value of what the schedule follows, as a number or a tensor of one; None after an update.

        Raises:
            RecipeError: a metric that is no number.
        """
        try:
            value = None if metric is None else float(metric)
        except (TypeError, ValueError, RuntimeError):
            raise RecipeError(f"`metric` is {type(metric).__name__}; give one number, such as the loss") from None
        if value is not None:
            if self._told_at == self.state.step and not self.schedule.follows_metric:
                warnings.warn(
                    f"step({value:g}) tells a metric, which this schedule does not follow, and counts no update; call "
                    "step() after every update",
                    stacklevel=2,
                )
            self._told_at = self.state.step
            self.state = self.schedule.tell(self.state, value)
        if value is None or isinstance(self.state.memory, PlateauMemory | GreedyMemory):
            self.state, _ = self.schedule.next(self.state)
            self._step_count += 1
        self._apply()

    def get_last_lr(self) -> list[float]:  # type: ignore[override]
        """The present rate of every group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """The present rate of every group."""
        return self.get_last_lr()

    def replan(self, steps: int) -> None:
        """Change the horizon to `steps` updates in all: go on from the present rate, and end as was planned.

        Raises:
            RecipeError: no more updates than were made.
        """
        if steps != self.schedule.steps:
            self.schedule, self.state = _replanned(self.schedule, self.state, steps)
            self._apply()

    def state_dict(self) -> dict[str, Any]:
        """Plain values that `load_state_dict` goes on from; `last_epoch` counts the updates made."""
        return {
            "schedule": self.schedule.to_json(),
            "last_epoch": self.state.step,
            "memory": plain_memory(self.state.memory),
            "peaks": list(self._peaks),
            "_last_lr": self.get_last_lr(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was called: the next update has the rate that it would have had.

        The optimizer's rates are set at once, in whatever order the two are loaded. If the schedule that was saved had
        another horizon, this is announced by a warning, and what was left of it is stretched over what is left now,
        from the present rate on. If it was another schedule, that is announced, and the new one takes over.

        Raises:
            RecipeError: not the state of a schedule, or of an optimizer with more groups.
        """
        try:
            saved, step = from_json(state_dict["schedule"]), int(state_dict["last_epoch"])
            memory, peaks = saved.recall(state_dict["memory"]), [float(one) for one in state_dict["peaks"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RecipeError(
                "`state_dict` is not the state of a Surefoot schedule; save one with state_dict()"
            ) from None
        groups = self.optimizer.param_groups
        if len(peaks) > len(groups):
            raise RecipeError(
                f"`state_dict` has {len(peaks)} parameter groups and the optimizer {len(groups)}; add the others first"
            )
        self.schedule, self.state, kept = self._continued(saved, State(step, memory))
        # Groups beyond the saved ones were added by hand before loading and keep the peaks they came with.
        self._peaks[: len(peaks)] = [peak * kept for peak in peaks]
        for group, peak in zip(groups, self._peaks, strict=False):
            group["initial_lr"] = peak
        self._step_count = step + 1
        self._apply()

    def _continued(self, saved: Schedule, state: State) -> tuple[Schedule, State, float]:
        """The schedule and state to go on with, and by what the saved peaks change."""
        planned, step = self.schedule, state.step
        if saved == planned or (saved.steps == planned.steps and _grew_from(saved, planned)):
            return saved, state, 1.0
        if _grew_from(saved, planned):
            plan, state = _replanned(saved, state, planned.steps)
            if plan.name == "replan":
                warnings.warn(
                    f"the training was planned for {saved.steps} updates and is now for {planned.steps}; after {step} "
                    f"of them the rate goes on from {_shown(saved, step)} and ends where it would have ended",
                    stacklevel=3,
                )
            return plan, state, 1.0
        warnings.warn(
            f"the training was saved with schedule `{spec_of(saved)}` and goes on with another, `{spec_of(planned)}`; "
            f"after {step} updates the rate goes from {_shown(saved, step)} to {_shown(planned, step)}",
            stacklevel=3,
        )
        return planned, State(step, planned.fresh()), planned.peak / saved.peak

    def _set_peaks(self, peaks: Sequence[float] | None) -> None:
        groups = self.optimizer.param_groups
        own = [float(group.get("initial_lr", group["lr"])) for group in groups]
        peak = self.schedule.peak
        if peaks is not None:
            if len(peaks) != len(groups) or not all(math.isfinite(one) and one >= 0 for one in peaks):
                raise RecipeError(
                    f"`peaks` is {list(peaks)!r}; give one finite rate from 0 for each of {len(groups)} groups"
                )
            self._peaks = [float(one) for one in peaks]
        elif peak in own:
            self._peaks = own
        elif len(set(own)) == 1:
            self._peaks = [peak] * len(own)
            self._ratio = peak / own[0] if own[0] else 1.0
        else:
            listed = ", ".join(f"{one:g}" for one in own)
            raise RecipeError(
                f"`peak` is {peak:g} and the groups have the rates {listed}; give `peaks`, one for each group"
            )
        for group, one in zip(groups, self._peaks, strict=True):
            group["initial_lr"] = one

    def _apply(self) -> None:
        """Set every group's rate and momentum for the update to come."""
        groups = self.optimizer.param_groups
        for group in groups[len(self._peaks) :]:
            peak = float(group["lr"]) * self._ratio
            group["initial_lr"] = peak
            self._peaks.append(peak)
        rate = self.schedule.rate(self.state)
        momentum = self.schedule.momentum(self.state.step)
        for group, peak in zip(groups, self._peaks, strict=True):
            # Not rate / peak * peak: the schedule's own peak must give the schedule's own rates, to the bit.
            value = rate if peak == self.schedule.peak else peak * (rate / self.schedule.peak)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            elif momentum is not None and group.get("momentum"):
                group["momentum"] = momentum
        self.base_lrs = list[float | torch.Tensor](self._peaks)
        self._last_lr = list[float | torch.Tensor](self.get_last_lr())


def _meet_new_groups(reference: weakref.ref[TorchSchedule]) -> None:
    """Before an update: give groups that were added since the last one their rate."""
    scheduler = reference()
    if scheduler is not None and len(scheduler.optimizer.param_groups) > len(scheduler._peaks):
        scheduler._apply()


def _replanned(schedule: Schedule, state: State, steps: int) -> tuple[Schedule, State]:
    """The schedule over `steps` updates in all, from the present rate on."""
    if state.step >= steps:
        raise RecipeError(f"`steps` is {steps} and {state.step} updates are already made; plan for more")
    if isinstance(state.memory, PlateauMemory | GreedyMemory):
        # A schedule that only follows a metric has no plan to change.
        return dataclasses.replace(schedule, steps=steps), state
    memory = None if state.memory is None else (state.memory,)
    return replan(schedule, steps, state.step), State(state.step, memory)


def _grew_from(saved: Schedule, planned: Schedule) -> bool:
    """Whether the two differ in their horizon alone."""
    first = saved
    while first.name == "replan":
        first = first.held()[0].scale(first.peak)  # type: ignore[attr-defined]
    return first.scaled_to(planned.steps) == planned or _without_steps(first.to_json()) == _without_steps(
        planned.to_json()
    )


def _without_steps(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _without_steps(value) for key, value in plain.items() if key != "steps"}
    return [_without_steps(one) for one in plain] if isinstance(plain, list) else plain


def _shown(schedule: Schedule, step: int) -> str:
    """The rate at `step`, where it is known without a metric."""
    return "what the metric says" if schedule.follows_metric else f"{schedule(step):.4g}"
