"""The rate held constant, or brought down along one curve over the whole training.

A *descent* starts at the peak and would reach `end_factor` of it one step after its last; its subclasses say along
which curve, as the share of the way that is left after a share of the training.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from surefoot.schedules.options import check_range
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule

__all__ = ["Constant", "Cosine", "KDecay", "Linear", "Polynomial", "Rex", "Tanh"]


@register
@dataclasses.dataclass(frozen=True)
class Constant(Schedule):
    """The peak rate at every step."""

    name: ClassVar[str] = "constant"

    def factor(self, step: int) -> float:  # noqa: ARG002
        """1 at every step."""
        return 1.0


@dataclasses.dataclass(frozen=True)
class _Descent(Schedule):
    end_factor: float = 0.0
    """Rate that step ``steps`` would have, as a share of the peak; 0 to 1. The last update stays just above it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("end_factor", self.end_factor, 0.0, 1.0)

    def left(self, done: float) -> float:
        """Share of the way down that is left when the share `done` of the training is."""
        raise NotImplementedError

    def factor(self, step: int) -> float:
        """`left` of the way from `end_factor` to 1."""
        return self.end_factor + (1.0 - self.end_factor) * max(self.left(step / self.steps), 0.0)


@register
@dataclasses.dataclass(frozen=True)
class Linear(_Descent):
    """From the peak at step 0 in a straight line: ``1 - step/steps`` of the way to `end_factor`.

    The same rates as torch's ``LinearLR(start_factor=1, end_factor=end_factor, total_iters=steps)``.
    """

    name: ClassVar[str] = "linear"

    def left(self, done: float) -> float:
        """``1 - done``."""
        return 1.0 - done


@register
@dataclasses.dataclass(frozen=True)
class Cosine(_Descent):
    """From the peak at step 0 along half a cosine (Loshchilov and Hutter 2017, SGDR, equation 5, one cycle).

    The same rates as torch's ``CosineAnnealingLR(T_max=steps, eta_min=peak * end_factor)`` over `steps` updates;
    unlike it, the rate does not climb again after them.
    """

    name: ClassVar[str] = "cosine"

    def left(self, done: float) -> float:
        """``(1 + cos(pi done)) / 2``."""
        return (1.0 + math.cos(math.pi * done)) / 2.0


@register
@dataclasses.dataclass(frozen=True)
class Polynomial(_Descent):
    """A power of the share that is left; power 1 is linear.

    The same rates as torch's ``PolynomialLR(total_iters=steps, power=power)`` for `end_factor` 0.
    """

    name: ClassVar[str] = "polynomial"

    power: float = 2.0
    """Exponent; above 0. Above 1 the rate falls fast at first, below 1 at the end."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("power", self.power, 0.0, math.inf, low_open=True)

    def left(self, done: float) -> float:
        """``(1 - done)^power``."""
        return float(max(1.0 - done, 0.0) ** self.power)


@register
@dataclasses.dataclass(frozen=True)
class KDecay(_Descent):
    """Half a cosine whose clock runs as ``done^k`` (Zhang and Li 2020, "k-decay: a new method for learning rate").

    k 1 is the plain cosine; above 1 the rate stays high for longer and falls faster at the end.
    """

    name: ClassVar[str] = "k-decay"

    k: float = 2.0
    """Exponent of the clock; above 0."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("k", self.k, 0.0, math.inf, low_open=True)

    def left(self, done: float) -> float:
        """``(1 + cos(pi done^k)) / 2``."""
        return (1.0 + math.cos(math.pi * done**self.k)) / 2.0


@register
@dataclasses.dataclass(frozen=True)
class Tanh(_Descent):
    """Along a hyperbolic tangent: high, then a steep fall, then low (Hsueh, Li and Wu 2019).

    With the default bounds the fall is steepest after 70% of the training. The first rate is ``(1 - tanh(lower))/2``
    of the way above the end, a hair below the peak.
    """

    name: ClassVar[str] = "tanh"

    lower: float = -7.0
    """Argument of the tangent at step 0; below `upper`."""
    upper: float = 3.0
    """Argument at step ``steps``."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("upper", self.upper, -math.inf, math.inf)
        check_range("lower", self.lower, -math.inf, self.upper)

    def left(self, done: float) -> float:
        """``(1 - tanh(lower (1 - done) + upper done)) / 2``."""
        return 0.5 * (1.0 - math.tanh(self.lower * (1.0 - done) + self.upper * done))


@register
@dataclasses.dataclass(frozen=True)
class Rex(_Descent):
    """The reflected exponential: slow at first, fast at the end (Chen, Wolfe and Kyrillidis 2022, "REX").

    ``(1 - done) / (1/2 + (1 - done)/2)``.
    """

    name: ClassVar[str] = "rex"

    def left(self, done: float) -> float:
        """``(1 - done) / (1 - done/2)``."""
        return (1.0 - done) / (1.0 - done / 2.0)
