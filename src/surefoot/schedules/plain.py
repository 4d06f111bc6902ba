"""The rate held constant, or brought down along a line or half a cosine."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from surefoot.schedules.schedule import Schedule, check_range, register

__all__ = ["Constant", "Cosine", "Linear"]


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


@register
@dataclasses.dataclass(frozen=True)
class Linear(_Descent):
    """From the peak at step 0 in a straight line: ``1 - step/steps`` of the way to `end_factor`.

    The same rates as torch's ``LinearLR(start_factor=1, end_factor=end_factor, total_iters=steps)``.
    """

    name: ClassVar[str] = "linear"

    def factor(self, step: int) -> float:
        """Linear in the share of the training that is done."""
        return 1.0 - (1.0 - self.end_factor) * step / self.steps


@register
@dataclasses.dataclass(frozen=True)
class Cosine(_Descent):
    """From the peak at step 0 along half a cosine (Loshchilov and Hutter 2017, SGDR, equation 5, one cycle).

    The same rates as torch's ``CosineAnnealingLR(T_max=steps, eta_min=peak * end_factor)`` over `steps` updates;
    unlike it, the rate does not climb again after them.
    """

    name: ClassVar[str] = "cosine"

    def factor(self, step: int) -> float:
        """``(1 + cos(pi step/steps)) / 2`` of the way from `end_factor` to the peak."""
        return self.end_factor + (1.0 - self.end_factor) * (1.0 + math.cos(math.pi * step / self.steps)) / 2.0
