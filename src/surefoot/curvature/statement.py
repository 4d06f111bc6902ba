"""The statement: what a curvature record says, in a sentence or two. It names the step at which it holds."""

from __future__ import annotations

import math

from surefoot.records import Curvature

__all__ = ["statement"]

EDGE = 1.1
"""Share of the limit above which a rate is beyond it."""


def statement(found: Curvature) -> str:
    """Sharpness, limit and verdict in words; an eigenvalue that did not converge is never told without its residual."""
    where = "before training" if not found.step else f"after {found.step} updates"
    parts = [_sharpness(found, where), _limit(found)]
    if found.verdict is not None:
        parts.append(_verdict(found))
    else:
        parts.append("It moves while training goes on: give a rate to see how far.")
    if len(found.track_sharpness) > 1:
        parts.append(_moved(found))
    if found.diverged:
        parts.append("The short run diverged.")
    return " ".join(part for part in parts if part)


def _sharpness(found: Curvature, where: str) -> str:
    said = f"{where[0].upper()}{where[1:]} the sharpness of {found.task} is {found.sharpness:.4g}"
    if not found.converged:
        return f"{said}, not converged: an eigenvalue lies within {found.residual:.2g} of it."
    if found.preconditioned is not None:
        said += f", and {found.preconditioned:.4g} as {found.optimizer} meets it (preconditioned)"
    return said + "."


def _limit(found: Curvature) -> str:
    if found.limit is None:
        return f"No stability limit is known for {found.optimizer}."
    if math.isinf(found.limit):
        return "Nothing curves upwards there, so no rate is too large by this measure."
    onset = "" if found.overshoot is None else f"; from {found.overshoot:.3g} on steps jump across the valley"
    name = found.rule if found.rule != "plain" else "plain descent"
    momentum = f" with momentum {found.beta:g}" if found.beta else ""
    return f"For {found.optimizer} ({name}{momentum}) rates up to {found.limit:.4g} are stable there{onset}."


def _verdict(found: Curvature) -> str:
    if found.lr is None or found.verdict is None:
        return ""
    peak = None if found.recipe is None else found.recipe.lr
    rate = f"{found.lr:.4g}"
    if peak is not None and not math.isclose(peak, found.lr, rel_tol=1e-3):
        rate += f", of a peak of {peak:.4g},"
    if found.verdict == "unknown":
        return f"Whether the rate {rate} is stable cannot be told."
    margin = "" if found.margin is None or math.isinf(found.margin) else f" (the limit is {found.margin:.3g} times it)"
    return f"The rate {rate} is {found.verdict}{margin}."


def _moved(found: Curvature) -> str:
    first, last = float(found.track_sharpness[0]), float(found.track_sharpness[-1])
    steps = int(found.track_step[-1])
    if not (first > 0 and last > 0):
        return ""
    ratio = last / first
    word = "rose" if ratio > 1 else "fell"
    times = ratio if ratio > 1 else 1 / ratio
    start_limit, start_lr = float(found.track_limit[0]), float(found.track_lr[0])
    if ratio < 1 and start_lr > EDGE * start_limit:
        before, after = float(found.track_loss[0]), float(found.track_loss[-1])
        return (
            f"At first the rate was beyond the limit ({start_limit:.3g}): training was thrown to where the sharpness "
            f"is {times:.2g} times lower (a catapult), and the loss went from {before:.3g} to {after:.3g}."
        )
    what = "the sharpness" if found.preconditioned is None else "the preconditioned one"
    return f"Over {steps} updates {what} {word} {times:.2g}-fold: what holds at one step need not hold at another."
