"""What only somebody who watches the layers, or logs gradients, can tell."""

from __future__ import annotations

import numpy as np

from surefoot.diagnose.check import Answer, check, number
from surefoot.diagnose.evidence import Series

__all__ = [
    "dead_units", "gradient_exploding", "gradient_vanishing", "layer_gradients_vanishing", "loss_scale_collapsed",
    "saturated_units", "update_ratio_high", "update_ratio_low",
]  # fmt: skip

HALF = 0.5
"""Share of dead or saturated units in a layer from which it is told."""
BAND = (1e-5, 3e-2)
"""Update-to-weight ratios that go on for long: outside, training stands still or forgets. Peers' bounds differ by
factors of 1000 and more, so only what all but one of them call wrong is told."""
APART = 1e-3
"""Gradient norm of a layer over the largest of all layers below which it is said to vanish."""


def _units(units: dict[str, Series], kind: str) -> Answer:
    chosen = {name.partition(" ")[2]: one for name, one in units.items() if name.startswith(kind)}
    if not chosen:
        return Answer(None, f"{kind} units were not counted")
    # The median of the later looks: a single look may fall on an odd batch.
    late = {name: float(np.nanmedian(one.value[len(one) // 2 :])) for name, one in chosen.items()}
    worst = max(late, key=lambda name: late[name])
    series = chosen[worst]
    return Answer(
        late[worst] >= HALF,
        f"in layer {worst}, {late[worst]:.0%} of the units are {kind}",
        (number(f"largest share of {kind} units", late[worst], n=len(series)),),
        (int(series.step[0]), int(series.step[-1])),
    )


@check()
def dead_units(units: dict[str, Series]) -> Answer:
    """At least half of the units of a layer give the same output for every example.

    Why: a unit that is off for every input has no gradient, so it stays off; the layer's capacity is lost, and if all
    units of a layer are dead nothing before it learns.

    Remedy: cut the rate or warm it up (one huge update pushes units out of reach), initialise for the activation in use
    (He for ReLU), or take a leaky activation; normalise the inputs.
    """
    return _units(units, "dead")


@check()
def saturated_units(units: dict[str, Series]) -> Answer:
    """At least half of the units of a layer sit on the flat ends of their activation.

    Why: a sigmoid or tanh far from zero passes almost no gradient on.

    Remedy: scale the inputs to mean 0 and deviation 1, initialise smaller, normalise between layers, or cut the rate.
    """
    return _units(units, "saturated")


def _ratios(update_ratios: dict[str, Series], high: bool) -> Answer:
    middle = {name: float(np.nanmedian(one.value)) for name, one in update_ratios.items()}
    worst = (max if high else min)(middle, key=lambda name: middle[name])
    out = [name for name, value in middle.items() if (value > BAND[1] if high else value < BAND[0])]
    series = update_ratios[worst]
    text = f"{len(out)} of {len(middle)} layers out of band; {worst} changes by {middle[worst]:.2g} of its size a step"
    name = f"{'largest' if high else 'smallest'} median update-to-weight ratio"
    span = (int(series.step[0]), int(series.step[-1]))
    return Answer(2 * len(out) > len(middle), text, (number(name, middle[worst], n=len(series)),), span)


@check()
def update_ratio_high(update_ratios: dict[str, Series]) -> Answer:
    """In most layers an update changes more than 3% of the weights' size, all along.

    Why: weights that are replaced every few dozen steps cannot gather what the batches say.

    Remedy: cut the rate until the ratio is near 1e-3; for layers that start near zero (biases, last layers) it is
    normal for a while.

    Source: the rule of thumb of 1e-3 (Stanford CS231n); of published bounds, from 1e-2 to 10, most agree on this side.
    """
    return _ratios(update_ratios, high=True)


@check()
def update_ratio_low(update_ratios: dict[str, Series]) -> Answer:
    """In most layers an update changes less than 1e-5 of the weights' size, all along.

    Why: ten thousand such steps in one direction change a weight by a tenth.

    Remedy: raise the rate; where only some layers are concerned, look at their initialisation and their gradients.

    Source: as for the upper bound; published lower bounds lie between 1e-8 and 1e-4.
    """
    return _ratios(update_ratios, high=False)


@check()
def layer_gradients_vanishing(layer_norms: dict[str, Series]) -> Answer:
    """The gradient of the first layer is a thousandth of that of the last, or less.

    Why: a product of many factors below one, layer by layer backwards, leaves the first layers without a signal.

    Remedy: normalisation or skip connections, an initialisation for the activation in use, ReLU and its kin instead of
    sigmoids; a higher rate does not help, because it is too high for the last layers first.
    """
    names = list(layer_norms)
    if len(names) < 2:
        return Answer(None, "one layer alone cannot be compared")
    first, last = (float(np.nanmedian(layer_norms[name].value)) for name in (names[0], names[-1]))
    ratio = first / max(last, 1e-300)
    series = layer_norms[names[0]]
    text = f"the gradient of {names[0]} is {ratio:.2g} of that of {names[-1]}"
    span = (int(series.step[0]), int(series.step[-1]))
    return Answer(ratio < APART, text, (number("first over last", ratio, n=len(series)),), span)


def _norm_course(norms: Series) -> tuple[float, float, int]:
    """Median norm of the first fifth and of the last, and the place of the largest."""
    value = np.where(np.isfinite(norms.value), norms.value, np.inf)
    fifth = max(len(value) // 5, 1)
    return float(np.median(value[:fifth])), float(np.median(value[-fifth:])), int(np.argmax(value))


@check(after=("log-too-short",))
def gradient_exploding(norms: Series) -> Answer:
    """The norm of the gradient ends more than ten times higher than it began, or overflows.

    Why: gradients that grow without an end in sight precede a loss that does.

    Remedy: cut the rate; clip at about the 90th percentile of the norms of a healthy stretch, and if more than half of
    the steps are clipped then, cut the rate further.

    Source: the clipping rule of Google's tuning playbook.
    """
    first, last, at = _norm_course(norms)
    growth = last / max(first, 1e-300)
    bad = bool(np.isinf(norms.value).any())
    text = f"the gradient norm went from {first:.3g} to {last:.3g}" + (", and is infinite somewhere" if bad else "")
    numbers = (number("last over first norm", min(growth, 1e300), n=len(norms)),)
    return Answer(growth > 10.0 or (bad and growth > 2.0), text, numbers, (int(norms.step[at]), int(norms.step[-1])))


@check(after=("log-too-short",))
def gradient_vanishing(norms: Series) -> Answer:
    """The norm of the gradient falls below a thousandth of where it began.

    Why: nothing moves any more: at a minimum that is right, on a plateau or behind dead units it is not.

    Remedy: if the loss is low, nothing. If it is not: look for dead or saturated units, raise the rate, start anew with
    another initialisation.
    """
    first, last, _ = _norm_course(norms)
    ratio = last / max(first, 1e-300)
    text = f"the gradient norm went from {first:.3g} to {last:.3g}"
    span = (int(norms.step[0]), int(norms.step[-1]))
    return Answer(ratio < 1e-3, text, (number("last over first norm", ratio, n=len(norms)),), span)


@check()
def loss_scale_collapsed(loss_scale: Series) -> Answer:
    """The loss scale of mixed precision has come down to 1 or less, or by more than a thousandfold.

    Why: it is halved whenever a gradient overflows, so a scale that keeps falling means that most steps are skipped.

    Remedy: train the part that overflows in float32, or use bfloat16; cut the rate if the loss rises too.
    """
    first, last = float(loss_scale.value[0]), float(loss_scale.value[-1])
    top = float(np.nanmax(loss_scale.value))
    text = f"the loss scale went from {first:.3g} to {last:.3g}"
    span = (int(loss_scale.step[0]), int(loss_scale.step[-1]))
    return Answer(last <= 1.0 < top or last < 1e-3 * top, text, (number("last loss scale", last),), span)
