"""Cycles: rates that fall and rise again, in triangles (Smith 2017) or along cosines that restart (SGDR)."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from surefoot.schedules.options import SPAN, Length, check_length, check_range, updates
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule

__all__ = ["CosineRestarts", "ExponentialRange", "Triangular", "Triangular2"]


@register
@dataclasses.dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half cosines, each from a peak down (Loshchilov and Hutter 2017, SGDR, equation 5).

    The same rates as torch's ``CosineAnnealingWarmRestarts(T_0=first, T_mult=growth, eta_min=peak * end_factor)``
    without `decay`. With `decay` d the cycle i starts from the peak times d^i, as in SGDR with shrinking restarts.
    """

    name: ClassVar[str] = "cosine-restarts"
    aliases: ClassVar[tuple[str, ...]] = ("cosine-with-restarts", "sgdr")

    first: Length = dataclasses.field(default=0.25, metadata=SPAN)
    """Updates in the first cycle, or a share of the run."""
    growth: float = 1.0
    """Length of a cycle over the one before it (torch's T_mult); from 1."""
    end_factor: float = 0.0
    """Rate at the end of a cycle, as a share of its own peak; 0 to 1."""
    decay: float = 1.0
    """Peak of a cycle over the one before it; above 0, up to 1."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_length("first", self.first)
        check_range("growth", self.growth, 1.0, math.inf)
        check_range("end_factor", self.end_factor, 0.0, 1.0)
        check_range("decay", self.decay, 0.0, 1.0, low_open=True)

    def factor(self, step: int) -> float:
        """Half a cosine of the share of the cycle that is done."""
        length, cycle = updates(self.first, self.steps), 0
        start = 0.0
        if self.growth == 1.0:
            cycle = math.floor(step / length + 1e-9)
            start = cycle * length
        else:
            while step - start >= length * (1 - 1e-9):
                start, length, cycle = start + length, length * self.growth, cycle + 1
        done = max(step - start, 0.0) / length
        wave = (1.0 + math.cos(math.pi * done)) / 2.0
        return float(self.decay**cycle) * (self.end_factor + (1.0 - self.end_factor) * wave)


@dataclasses.dataclass(frozen=True)
class _Triangles(Schedule):
    """Up in a line and down in a line, again and again; momentum the other way (Smith 2017, "Cyclical rates").

    The same rates and momenta as torch's ``CyclicLR(base_lr=peak * base_factor, max_lr=peak, step_size_up=up,
    step_size_down=down, mode=...)``.
    """

    up: Length = dataclasses.field(default=0.125, metadata=SPAN)
    """Updates from the base to the peak, or a share of the run; Smith takes 2 to 10 epochs."""
    down: Length | None = dataclasses.field(default=None, metadata=SPAN)
    """Updates from the peak to the base, or a share of the run; None takes `up`."""
    base_factor: float = 0.25
    """Rate at the base, as a share of the peak; 0 to 1. Smith takes a third or a quarter."""
    base_momentum: float | None = 0.8
    """Momentum at the peak rate; 0 to 1, or None to leave momentum to the optimizer."""
    max_momentum: float = 0.9
    """Momentum at the base rate; 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_length("up", self.up)
        if self.down is not None:
            check_length("down", self.down)
        check_range("base_factor", self.base_factor, 0.0, 1.0)
        check_range("max_momentum", self.max_momentum, 0.0, 1.0)
        if self.base_momentum is not None:
            check_range("base_momentum", self.base_momentum, 0.0, 1.0)

    def height(self, step: int, cycle: int) -> float:  # noqa: ARG002
        """Height of the triangle at `step`, in its `cycle` from 0, as a share of the first one's; 0 to 1."""
        return 1.0

    def factor(self, step: int) -> float:
        """Between `base_factor` and 1."""
        return self.base_factor + (1.0 - self.base_factor) * self._risen(step)

    def momentum(self, step: int) -> float | None:
        """Between `max_momentum` (at the base) and `base_momentum` (at the peak)."""
        if self.base_momentum is None:
            return None
        step = min(max(step, 0), self.steps - 1)
        return self.max_momentum - (self.max_momentum - self.base_momentum) * self._risen(step)

    def _risen(self, step: int) -> float:
        up = updates(self.up, self.steps)
        down = up if self.down is None else updates(self.down, self.steps)
        cycle = math.floor(step / (up + down) + 1e-9)
        place = max(step - cycle * (up + down), 0.0)
        risen = place / up if place <= up else max(1.0 - (place - up) / down, 0.0)
        return risen * self.height(step, cycle)


@register
@dataclasses.dataclass(frozen=True)
class Triangular(_Triangles):
    """Triangles of equal height; torch's mode ``triangular``."""

    name: ClassVar[str] = "triangular"
    aliases: ClassVar[tuple[str, ...]] = ("cyclical",)


@register
@dataclasses.dataclass(frozen=True)
class Triangular2(_Triangles):
    """Triangles that are half as high each time; torch's mode ``triangular2``."""

    name: ClassVar[str] = "triangular2"

    def height(self, step: int, cycle: int) -> float:  # noqa: ARG002
        """``1/2^cycle``."""
        return float(0.5**cycle)


@register
@dataclasses.dataclass(frozen=True)
class ExponentialRange(_Triangles):
    """Triangles whose height shrinks by `gamma` per update; torch's mode ``exp_range``."""

    name: ClassVar[str] = "exponential-range"
    aliases: ClassVar[tuple[str, ...]] = ("exp-range",)

    gamma: float = 0.999
    """Factor on the height per update; above 0, up to 1."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("gamma", self.gamma, 0.0, 1.0, low_open=True)

    def height(self, step: int, cycle: int) -> float:  # noqa: ARG002
        """``gamma^step``."""
        return float(self.gamma**step)

    def scaled_to(self, steps: int) -> ExponentialRange:
        """The same shape over a training of `steps` updates: shrinks as much in all."""
        scaled = super().scaled_to(steps)
        return scaled if steps == self.steps else dataclasses.replace(scaled, gamma=self.gamma ** (self.steps / steps))
