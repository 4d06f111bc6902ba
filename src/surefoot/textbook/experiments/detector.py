"""`detector`: can the first tenth of a training tell that its rate is too large or too small?

Runs on four tasks at rates over five decades are labelled by how they end: a run *fails* when it keeps more than a
tenth of the achievable fall of the validation loss; it is too large or too small by which side of the best rate it is
on. The indicators see the first tenth of the updates only: the *erratic share* (batches whose loss is above the mean of
the ten before by more than a quarter), the last gradient norm over the first, and the *fall* of the smoothed loss.
An area under the curve of 0.5 is guessing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement, Recipe, Run, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import Floats, decade_steps, final_losses, table, trained_at
from surefoot.textbook.lab.xor import SOLVED, train, uniform_nets
from surefoot.textbook.measuring import exact, mean_of, share_of
from surefoot.textbook.seeds import repetitions

__all__ = ["area_under_curve"]

SEEDS = {"quick": 2, "full": 4}
TASKS = {"digits": (64, 12.0), "wine": (16, 40.0), "breast-cancer": (32, 20.0), "spirals": (32, 40.0)}
FAILS = 0.1
LEAST = 8
"""Updates that an indicator needs to see."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Label and judge every run, then look at flat XOR runs that go on."""
    full = size == "full"
    lrs = decade_steps(3.16e-4, 100, 2) if full else decade_steps(1e-3, 100, 1)
    labels: list[str] = []
    seen: list[dict[str, float]] = []
    for name in TASKS if full else ("wine",):
        batch, epochs = TASKS[name]
        task = find_entry(name).make()
        recipe = Recipe(batch_size=batch, epochs=epochs)
        runs = trained_at(task, recipe, lrs, seeds, grad_norms=True)
        start = float(np.mean([run.val_loss[0] for run in runs[lrs[0]]]))
        losses = np.minimum(table(runs, final_losses), 10 * start)
        lowest = float(losses.mean(axis=1).min())
        best = int(np.argmin(losses.mean(axis=1)))
        for row, group in enumerate(runs.values()):
            for column, one in enumerate(group):
                failed = losses[row, column] > lowest + FAILS * (start - lowest)
                labels.append("good" if not failed else "too large" if row > best else "too small")
                seen.append(indicators(one))
    large = np.array([one == "too large" for one in labels])
    small = np.array([one == "too small" for one in labels])
    found: list[Measurement] = [
        exact(f"runs labelled {one}", labels.count(one)) for one in ("too large", "good", "too small")
    ]
    for key in ("erratic", "growth", "fall"):
        values = np.array([one[key] for one in seen])
        if key == "fall":
            values = -values
        words = {"erratic": "erratic loss", "growth": "growth of the gradient", "fall": "a loss that does not fall"}[
            key
        ]
        found.append(_area(f"area under the curve of {words}, for a rate that is too large", values, large, seeds))
    alarmed = np.array([one["erratic"] > 0.1 or one["growth"] > 10 or one["fall"] < -0.1 for one in seen])
    found += [
        share_of(
            "share of alarms that are rates too large",
            int((alarmed & large).sum()),
            max(1, int(alarmed.sum())),
            method="alarm: erratic share above 0.1, gradient grown tenfold, or loss risen by a tenth",
        ),
        share_of(
            "share of rates too large that raise the alarm", int((alarmed & large).sum()), max(1, int(large.sum()))
        ),
        share_of(
            "share of good rates that raise the alarm",
            int((alarmed & ~large & ~small).sum()),
            max(1, int((~large & ~small).sum())),
        ),
    ]
    flat = np.array([abs(one["fall"]) < 0.05 for one in seen])
    found += [
        share_of(
            "share of flat beginnings whose rate is too small",
            int((flat & small).sum()),
            max(1, int(flat.sum())),
            method="flat: the smoothed loss changes by less than 5% in the first tenth",
        ),
        share_of("share of rates too small that begin flat", int((flat & small).sum()), max(1, int(small.sum()))),
    ]
    found += _flat_xor(300 if full else 60, 20_000 if full else 6000)
    order = np.argsort(-np.array([one["erratic"] for one in seen]), kind="stable")
    hits, misses = np.cumsum(large[order]) / max(1, large.sum()), np.cumsum(~large[order]) / max(1, (~large).sum())
    return Outcome(
        "detector",
        measurements=tuple(found),
        panels=(
            Panel(
                "Erratic loss as a sign of a rate that is too large",
                x_label="share of other runs that raise the alarm",
                y_label="share of rates too large that do",
                curves=(Curve("erratic share", float_series(misses), float_series(hits)),),
            ),
        ),
        notes=(f"{', '.join(TASKS)}; SGD, {len(lrs)} rates; statistics of its own, simpler than `surefoot diagnose`",),
    )


def indicators(run: Run) -> dict[str, float]:
    """What the first tenth of a run shows; a run that ended earlier is seen to its end."""
    whole = run.recipe.epochs * (run.steps_per_epoch or 1) if run.recipe else len(run.loss)
    count = min(len(run.loss), max(LEAST, math.ceil(whole / 10)))
    losses = np.nan_to_num(np.asarray(run.loss[:count], dtype=float), nan=1e6, posinf=1e6)
    norms = np.nan_to_num(np.asarray(run.grad_norm[:count], dtype=float), nan=1e6, posinf=1e6)
    erratic = [losses[i] > 1.25 * losses[max(0, i - 10) : i].mean() for i in range(1, count)]
    part = max(1, count // 4)
    first, last = losses[:part].mean(), losses[-part:].mean()
    diverged = run.fate == "diverged" and len(run.loss) <= count
    return {
        "erratic": 1.0 if diverged else float(np.mean(erratic)),
        "growth": 1e6 if diverged else float(norms[-part:].mean() / max(norms[:part].mean(), 1e-12)),
        "fall": -1e6 if diverged else float(1 - last / first),
    }


def area_under_curve(values: Floats, labels: Floats) -> float:
    """Chance that a labelled run has a higher value than another one; ties count half."""
    ours, others = values[labels.astype(bool)], values[~labels.astype(bool)]
    if not len(ours) or not len(others):
        return math.nan
    above = (ours[:, None] > others[None]).mean()
    return float(above + 0.5 * (ours[:, None] == others[None]).mean())


def _area(name: str, values: Floats, labels: Floats, seeds: Sequence[int]) -> Measurement:
    """By seed: runs lie in the order task, rate, seed."""
    count = len(seeds)
    return mean_of(name, [area_under_curve(values[place::count], labels[place::count]) for place in range(count)])


def _flat_xor(members: int, epochs: int) -> list[Measurement]:
    """XOR from uniform weights: of the runs that are flat from update 100 to 1000, how many improve later."""
    done = train(uniform_nets(repetitions(members)), 0.1, epochs, keep=(100, 1000))
    at = dict(zip(done.epochs, done.losses, strict=True))
    flat = at[1000] > 0.95 * at[100]
    later = at[epochs] < 0.5 * at[1000]
    solved = at[epochs] < SOLVED
    count = max(1, int(flat.sum()))
    return [
        share_of("share of XOR runs that are flat from update 100 to 1000", int(flat.sum()), members),
        share_of(
            "share of flat XOR runs whose loss halves later",
            int((flat & later).sum()),
            count,
            method=f"uniform weights, rate 0.1, {epochs} updates",
        ),
        share_of("share of flat XOR runs that are solved later", int((flat & solved).sum()), count),
    ]
