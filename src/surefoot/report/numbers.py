"""Numbers as people read them: three figures, no needless exponents."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot.records.measurement import Measurement

__all__ = ["brief", "count", "duration", "figures_that_tell", "measured", "rate"]

_MOST_FIGURES = 8


def rate(value: float | None) -> str:
    """A rate with three significant figures: ``0.0473``, ``3.2e-5``."""
    return brief(value, 3)


def brief(value: float | None, figures: int = 4) -> str:
    """A number with `figures` significant figures; ``–`` where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{figures - 1}e}"))))
    if -5 < exponent < 6:
        written = f"{value:.{max(0, figures - 1 - exponent)}f}"
        return written.rstrip("0").rstrip(".") if "." in written else written
    mantissa, _, power = f"{value:.{figures - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(power)}"


def figures_that_tell(values: Iterable[float | None], least: int = 3) -> int:
    """The significant figures, from `least`, that it takes to tell different numbers apart in writing."""
    apart = {value for value in values if value is not None}
    for figures in range(least, _MOST_FIGURES):
        if len({brief(value, figures) for value in apart}) == len(apart):
            return figures
    return _MOST_FIGURES


def count(number: int | float, noun: str) -> str:
    """``1 seed``, ``3 seeds``, ``0.5 epochs``."""
    return f"{number:g} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A length of time: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 4 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def measured(one: Measurement) -> str:
    """A measurement with its spread and unit: ``0.5 (0.4 to 0.6) s``; or that it is unknown, and why."""
    if one.value is None:
        return f"unknown ({one.reason})"
    spread = "" if one.low is None or one.high is None else f" ({brief(one.low)} to {brief(one.high)})"
    return f"{brief(one.value)}{spread}{f' {one.unit}' if one.unit else ''}"
