"""What the layers of a curvature record say, in words."""

from __future__ import annotations

from surefoot.records import LayerCurvature
from surefoot.report.numbers import brief

__all__ = ["flow_sentence", "with_error"]

_FAR = 1e3
"""Ratio of gradient sizes of two weights from which gradients count as vanishing or exploding."""


def with_error(value: float | None, error: float | None, converged: bool | None, digits: int = 4) -> str:
    """An eigenvalue with how sure it is, as far as the record says; older ones do not."""
    said = brief(value, digits)
    if value is not None and error is not None:
        said += f" ± {brief(error, 1)}"
    return f"{said} (not converged)" if converged is False else said


def flow_sentence(layers: tuple[LayerCurvature, ...]) -> str:
    """Whether gradients vanish or explode from the last weights to the first, in words."""
    weights = [one for one in layers if not one.name.endswith("bias") and one.size > 1]
    if len(weights) < 2:
        return ""
    first, last = weights[0], weights[-1]
    if not (first.gradient > 0 and last.gradient > 0):
        zero = first if not first.gradient > 0 else last
        return f"The gradient of `{zero.name}` is zero."
    ratio = first.gradient / last.gradient
    said = f"the gradient of `{first.name}` is {ratio:.2g} times that of `{last.name}`"
    if ratio < 1 / _FAR:
        return f"Gradients vanish towards the input: {said}."
    if ratio > _FAR:
        return f"Gradients explode towards the input: {said}."
    return f"Gradients neither vanish nor explode: {said}."
