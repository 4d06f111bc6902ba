"""What the layers of a curvature record say, in words."""

from __future__ import annotations

from surefoot.records import LayerCurvature

__all__ = ["flow_sentence"]

_FAR = 1e3
"""Ratio of gradient sizes of two weights from which gradients count as vanishing or exploding."""


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
