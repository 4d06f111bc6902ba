"""`scenarios`: a rate that is too high, one that is too low and a good one, found by measurement, in one picture.

Nothing is chosen by hand: many rates are trained side by side, each gets a label by rule, and one of each label is
shown.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, Run, float_series
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import with_seeds
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["label", "run", "straightness"]

Floats = npt.NDArray[np.float64]

EPOCHS = 15
LRS = tuple(float(lr) for lr in np.round(np.geomspace(3e-5, 300.0, 15), 8))
SLOW = 0.5
"""Too low: at least this share of the first loss is left at the end."""


def run(setting: Setting, *, epochs: int = EPOCHS, seeds: int = 3, lrs: tuple[float, ...] = LRS) -> LabResult:
    """Train the digits at every rate, label each rate, and draw one of each label."""
    task = find_entry("digits").make()
    chosen = setting.seed_list(seeds)
    setting.say(f"{len(lrs)} rates from {len(chosen)} seeds, {epochs} epochs of digits")
    recipes = [one for lr in lrs for one in with_seeds(Recipe(lr=lr, batch_size=64, epochs=epochs), chosen)]
    runs = train_members(task, recipes)
    groups = [runs[place * len(chosen) : (place + 1) * len(chosen)] for place in range(len(lrs))]
    per_epoch = math.ceil(task.train.size / 64)
    curves = [_by_epoch(group, per_epoch, epochs) for group in groups]
    first = float(np.median([run.loss[0] for run in runs]))
    ends = [float(np.median([run.final_val_loss for run in group])) for group in groups]
    best = int(np.argmin(ends))
    labels = [label(curve, first, place, best) for place, curve in enumerate(curves)]
    high = next((place for place in range(best, len(lrs)) if labels[place] == "too high"), len(lrs) - 1)
    low = next((place for place in range(best, -1, -1) if labels[place] == "too low"), 0)

    straight = straightness(curves[low])
    good = curves[best]
    early = (first - good[len(good) // 4]) / (first - float(np.nanmin(good)))
    wild = curves[high]
    finite = wild[np.isfinite(wild)]
    verdicts = Verdicts()
    verdicts.state(
        "high_rate_fluctuates_or_grows",
        bool(len(finite) < len(wild) or finite[-1] > first or np.mean(np.diff(finite) > 0) > 0.25),
        what="a rate that is too high fluctuates wildly or diverges",
        when="its loss ends above the first one, is no number, or rises in a quarter of the epochs",
    )
    verdicts.state(
        "low_rate_is_straight",
        straight > 0.98,
        what="a rate that is too low falls along a straight line",
        when="a straight line explains more than 98% of the loss by epoch",
    )
    verdicts.state(
        "good_rate_drops_then_flattens",
        early > 0.75,
        what="a good rate drops steeply, then flattens",
        when="more than three quarters of its fall happen in the first quarter of the epochs",
    )
    shown = (("too high", high), ("too low", low), ("good", best))
    facts = {
        "lrs": list(lrs),
        "labels": labels,
        "validation_loss": ends,
        "too_high": lrs[high],
        "too_low": lrs[low],
        "good": lrs[best],
        "straightness": straight,
        "early_share": early,
        "first_loss": first,
    }
    epochs_axis = np.arange(epochs + 1)
    return LabResult(
        name="scenarios",
        title="Rates too high, too low and good",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"Of {len(lrs)} rates from {lrs[0]:g} to {lrs[-1]:g}, {labels.count('too low')} are too low, "
            f"{labels.count('too high')} too high, {labels.count('works')} work besides the best one, {lrs[best]:.2g}.",
            f"At {lrs[low]:.2g} a straight line explains {straight:.1%} of the loss by epoch; it ends at "
            f"{_last(curves[low]):.3f} after {first:.3f}.",
            f"At {lrs[best]:.2g} {early:.0%} of the fall happen in the first quarter of the epochs.",
            f"At {lrs[high]:.2g} the loss {_story(wild, first)}.",
        ),
        tables=(
            LabTable(
                "Every rate",
                ("rate", "label", "training loss, last epoch", "validation loss", "diverged"),
                tuple(
                    (
                        f"{lr:.3g}",
                        labels[place],
                        f"{_last(curves[place]):.4g}",
                        f"{ends[place]:.4g}",
                        f"{sum(run.fate == 'diverged' for run in groups[place])} of {len(chosen)}",
                    )
                    for place, lr in enumerate(lrs)
                ),
            ),
        ),
        panels=(
            Panel(
                "Three scenarios",
                x_label="epoch",
                y_label="training loss",
                y_log=True,
                curves=tuple(
                    Curve(
                        f"{name}: {lrs[place]:.2g}",
                        float_series(epochs_axis[np.isfinite(curves[place])]),
                        float_series(curves[place][np.isfinite(curves[place])]),
                        marker="o",
                    )
                    for name, place in shown
                ),
            ),
            Panel(
                "Validation loss by rate",
                x_label="rate",
                y_label="validation loss",
                x_log=True,
                y_log=True,
                curves=tuple(
                    Curve(
                        name,
                        float_series([lrs[i] for i in places]),
                        float_series([ends[i] for i in places]),
                        marker="o",
                    )
                    for name in ("too low", "works", "good", "too high")
                    if (places := [i for i in range(len(lrs)) if labels[i] == name and math.isfinite(ends[i])])
                ),
            ),
        ),
        notes=(
            f"too high: the loss ended above the first one, was no number, or rose in more than a quarter of "
            f"the epochs "
            f"above the best rate; too low: at least {SLOW:.0%} of the first loss was left below the best rate",
            f"digits, MLP 64-32-10, SGD, batches of 64; medians over {len(chosen)} seeds",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=task.checksum()),
    )


def label(curve: Floats, first: float, place: int, best: int) -> str:
    """`good`, `too high`, `too low` or `works`, from the training loss by epoch and where the best rate stands."""
    if place == best:
        return "good"
    finite = curve[np.isfinite(curve)]
    rising = float(np.mean(np.diff(finite) > 0)) if len(finite) > 1 else 1.0
    if place > best and (len(finite) < len(curve) or finite[-1] > first or rising > 0.25):
        return "too high"
    if place < best and float(finite[-1]) > SLOW * first:
        return "too low"
    return "works"


def straightness(curve: Floats) -> float:
    """Share of the variance of `curve` that a straight line over its entries explains, 0 to 1."""
    values = curve[np.isfinite(curve)]
    if len(values) < 3 or float(np.var(values)) == 0:
        return 1.0
    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 1), steps)
    return float(1 - np.var(rest) / np.var(values))


def _by_epoch(group: list[Run], per_epoch: int, epochs: int) -> Floats:
    """Training loss before training, then its mean over the second half of each epoch; median over the runs."""
    rows = np.full((len(group), epochs + 1), np.inf)
    for row, run in zip(rows, group, strict=True):
        row[0] = run.loss[0]
        for epoch in range(epochs):
            part = run.loss[epoch * per_epoch + per_epoch // 2 : (epoch + 1) * per_epoch]
            if len(part):
                row[epoch + 1] = float(np.mean(part))
    rows[~np.isfinite(rows)] = np.inf
    return np.asarray(np.median(rows, axis=0))


def _last(curve: Floats) -> float:
    finite = curve[np.isfinite(curve)]
    return float(finite[-1]) if len(finite) else math.inf


def _story(curve: Floats, first: float) -> str:
    finite = curve[np.isfinite(curve)]
    if len(finite) < len(curve):
        return f"runs away after epoch {len(finite) - 1}"
    if finite[-1] > first:
        return f"ends at {finite[-1]:.3g}, above the {first:.3g} it began with"
    return f"rises in {np.mean(np.diff(finite) > 0):.0%} of the epochs and ends at {finite[-1]:.3g}"
