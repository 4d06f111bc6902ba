"""A correction: by how much to change a rate, in words, the same wherever a diagnosis shows it."""

from __future__ import annotations

__all__ = ["correction_words"]


def correction_words(decades: tuple[float, float], what: str = "it") -> str:
    """What to do to a rate: ``multiply it by 35 to 1800``, ``divide it by up to 4``; factors with two figures.

    Args:
        decades: by how many powers of ten to multiply, lower end first. An end at 0 is left out; where the ends lie on
            both sides of 0 the lower factor is below 1.
        what: what is changed.
    """
    low, high = decades
    verb = "divide" if high <= 0 and low < 0 else "multiply"
    if verb == "divide":
        low, high = -high, -low
    least, most = _factor(low), _factor(high)
    span = f"up to {most}" if least == "1" else least if least == most else f"{least} to {most}"
    return f"{verb} {what} by {span}"


def _factor(decades: float) -> str:
    return f"{float(f'{10.0**decades:.2g}'):g}"
