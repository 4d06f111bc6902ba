"""Up, hold, down: the schedule whose length need not be known until it is time to come down.

The *decay* starts late and is short; a run can be prolonged from any point of the stable phase (Hu et al. 2024,
MiniCPM). Published decays are `linear` (Zhai et al. 2022), `cosine`, `1-sqrt` (best of several in Hägele et al. 2024),
`exponential` (MiniCPM), `square` and `mirror-cosine` (both in Hägele et al. 2024).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

from surefoot.errors import RecipeError
from surefoot.schedules.options import POINT, SPAN, Length, check_choice, check_length, check_range, updates
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule
from surefoot.schedules.warmup import ramp

__all__ = ["DECAY_SHAPES", "WarmupStableDecay"]

_EXPONENTIAL_END = 0.1

DECAY_SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: (1.0 + math.cos(math.pi * done)) / 2.0,
    "1-sqrt": lambda done: 1.0 - math.sqrt(done),
    "square": lambda done: 1.0 - done**2,
    "mirror-cosine": lambda done: max(2.0 * (1.0 - done) - (1.0 + math.cos(math.pi * done)) / 2.0, 0.0),
    # Down to a tenth, moved and stretched so that it reaches 0.
    "exponential": lambda done: (_EXPONENTIAL_END**done - _EXPONENTIAL_END) / (1.0 - _EXPONENTIAL_END),
}
"""Share of the way down that is left when a share of the decay is done."""


@register
@dataclasses.dataclass(frozen=True)
class WarmupStableDecay(Schedule):
    """A warmup, a phase at the peak, and a decay over the last updates."""

    name: ClassVar[str] = "warmup-stable-decay"
    aliases: ClassVar[tuple[str, ...]] = ("wsd",)

    warmup: Length = dataclasses.field(default=0.05, metadata=POINT)
    """Updates of the warmup, or a share of the run; 0 for none."""
    decay: Length = dataclasses.field(default=0.2, metadata=SPAN)
    """Updates of the decay, or a share of the run; step ``steps`` would be its end."""
    decay_shape: str = "1-sqrt"
    """`linear`, `cosine`, `1-sqrt`, `square`, `mirror-cosine` or `exponential`."""
    end_factor: float = 0.0
    """Rate at the end of the decay, as a share of the peak; 0 to 1."""
    warmup_shape: str = "linear"
    """`linear`, `exponential`, `cosine` or `constant`."""
    start_factor: float | None = None
    """First factor of the warmup; None as in `Warmup`."""
    stable: str = "constant"
    """`constant`, or `inverse-sqrt` with the timescale of the warmup (Zhai et al. 2022), also under the decay."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges, or phases longer than the run."""
        super().__post_init__()
        check_length("warmup", self.warmup, zero=True)
        check_length("decay", self.decay)
        check_choice("decay_shape", self.decay_shape, tuple(DECAY_SHAPES))
        check_range("end_factor", self.end_factor, 0.0, 1.0)
        check_choice("stable", self.stable, ("constant", "inverse-sqrt"))
        ramp(self.warmup_shape, 0, max(self.steps, 1), self.start_factor)
        warmup, decay = updates(self.warmup, self.steps), updates(self.decay, self.steps)
        if (self.warmup >= 1 or self.decay >= 1) and warmup + decay > max(self.steps, 2):
            raise RecipeError(
                f"`warmup` and `decay` take {warmup + decay:g} updates and the run has {self.steps}; shorten them"
            )
        if self.warmup < 1 and self.decay < 1 and self.warmup + self.decay > 1 + 1e-9:
            raise RecipeError(f"`warmup` and `decay` are {self.warmup:g} and {self.decay:g} of the run; shorten them")

    def factor(self, step: int) -> float:
        """The rise, 1 (or the inverse square root), then the way down to `end_factor`."""
        warmup, decay = round(updates(self.warmup, self.steps)), updates(self.decay, self.steps)
        if step < warmup:
            return ramp(self.warmup_shape, step, warmup, self.start_factor)
        level = 1.0
        if self.stable == "inverse-sqrt":
            scale = max(warmup, 1)
            level = max(math.sqrt(scale / (step - warmup + scale)), self.end_factor)
        done = (step - (self.steps - decay)) / decay
        left = DECAY_SHAPES[self.decay_shape](done) if done > 0 else 1.0
        return self.end_factor + (level - self.end_factor) * left
