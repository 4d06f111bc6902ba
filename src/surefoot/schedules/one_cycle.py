"""Up to the peak, then down far below the start: one cycle (Smith and Topin 2017, "Super-Convergence")."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import ClassVar

from surefoot.errors import RecipeError
from surefoot.schedules.options import check_choice, check_range
from surefoot.schedules.registry import register
from surefoot.schedules.schedule import Schedule

__all__ = ["OneCycle"]


@register
@dataclasses.dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine up to the peak over the first `pct_start` of the steps, half a cosine down over the rest.

    Momentum moves the other way. The same rates and momenta as torch's ``OneCycleLR(max_lr=peak,
    total_steps=steps)`` with the same options (`shape` is its anneal_strategy), but for three phases that go up for
    more than half of the steps: torch breaks off on their way down, far above the end, and here they are refused.
    """

    name: ClassVar[str] = "one-cycle"

    pct_start: float = 0.3
    """Share of the steps spent going up; 0 to 1."""
    div_factor: float = 25.0
    """The first rate is the peak over this; at least 1."""
    final_div_factor: float = 1e4
    """The last rate is the first one over this; at least 1."""
    base_momentum: float | None = 0.85
    """Momentum at the peak rate; 0 to 1, or None to leave momentum to the optimizer."""
    max_momentum: float = 0.95
    """Momentum at both ends; 0 to 1."""
    shape: str = "cosine"
    """How the rate moves between its corners: `cosine` or `linear`."""
    three_phase: bool = False
    """Whether the rate first comes down as it went up, to its start, and only then to its end; for a `pct_start` up
    to 0.5."""

    def __post_init__(self) -> None:
        """Refuse options out of their ranges."""
        super().__post_init__()
        check_range("pct_start", self.pct_start, 0.0, 1.0)
        check_range("div_factor", self.div_factor, 1.0, math.inf)
        check_range("final_div_factor", self.final_div_factor, 1.0, math.inf)
        check_range("max_momentum", self.max_momentum, 0.0, 1.0)
        if self.base_momentum is not None:
            check_range("base_momentum", self.base_momentum, 0.0, 1.0)
        if self.three_phase and self.pct_start > 0.5:
            raise RecipeError(
                f"`pct_start` is {self.pct_start!r}, and of three phases the first two are equally long; it is at most "
                "0.5 with `three_phase`"
            )
        check_choice("shape", self.shape, ("cosine", "linear"))

    def factor(self, step: int) -> float:
        """Rises from ``1/div_factor`` to 1, then falls to ``1/(div_factor * final_div_factor)``."""
        start = 1.0 / self.div_factor
        return self._along(step, (start, 1.0, start, start / self.final_div_factor))

    def momentum(self, step: int) -> float | None:
        """Falls from `max_momentum` to `base_momentum` at the peak and rises again."""
        if self.base_momentum is None:
            return None
        step = min(max(step, 0), self.steps - 1)
        return self._along(step, (self.max_momentum, self.base_momentum, self.max_momentum, self.max_momentum))

    def _along(self, step: int, values: tuple[float, float, float, float]) -> float:
        """The value at `step` between `values` at the corners: first, peak, back at the first, last."""
        first, peak, back, last = values
        final = self.steps - 1.0
        # With fewer steps than an ascent needs there is only the descent.
        turn = min(max(self.pct_start * self.steps - 1.0, 0.0), final)
        corners = [(0.0, first), (turn, peak), (final, last)]
        if self.three_phase:
            corners.insert(2, (min(2.0 * turn, final), back))
        for (begin, start), (end, stop) in itertools.pairwise(corners):
            if step <= end and end > begin:
                return self._between(start, stop, (step - begin) / (end - begin))
        return last

    def _between(self, start: float, stop: float, share: float) -> float:
        if self.shape == "linear":
            return start + (stop - start) * share
        return stop + (start - stop) / 2.0 * (1.0 + math.cos(math.pi * share))
