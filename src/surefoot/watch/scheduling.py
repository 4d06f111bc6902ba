"""Whether a scheduler makes one step for every update."""

from __future__ import annotations

from typing import Any

from surefoot.records import Finding, Measurement

__all__ = ["SCHEDULED", "ahead_of", "position_of"]

SCHEDULED = 9
"""Updates after which the scheduler's own count is compared with them."""


def position_of(scheduler: Any) -> int:
    """Steps that a torch scheduler, or the one inside of it, has made; 0 without one."""
    inner = getattr(scheduler, "scheduler", scheduler)
    return int(getattr(inner, "last_epoch", 0) or 0)


def ahead_of(scheduler: Any, start: int) -> Finding | None:
    """After `SCHEDULED` updates: a finding where the scheduler makes several steps an update; None where it does not.

    The step that belongs to the last update is still to come then.
    """
    times = (position_of(scheduler) - start) / (SCHEDULED - 1)
    if times < 1.5:
        return None
    number = Measurement("steps of the scheduler", times, "per update", n=SCHEDULED)
    return Finding(
        "schedule-too-fast",
        "holds",
        (number,),
        (0, SCHEDULED),
        f"the scheduler makes {times:.3g} steps for every update: its schedule ends that much too early",
        "plan the schedule for that many more steps, or step it once an update (Accelerate steps it once for every "
        "process unless it is told `split_batches`)",
    )
