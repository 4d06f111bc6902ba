"""Words: what a record says, in sentences, the same on every face."""

from __future__ import annotations

import math

import numpy as np

from surefoot.records import Found, Recipe, Run
from surefoot.report.numbers import brief, count, duration, rate
from surefoot.report.response import levels, lr_range, swept_run
from surefoot.report.series import smoothed

__all__ = [
    "cost_sentence",
    "curve_sentence",
    "divergence_sentence",
    "headline",
    "loss_sentence",
    "members_sentence",
    "rate_sentence",
    "recipe_phrase",
    "recommendation",
    "run_sentence",
]


def recipe_phrase(recipe: Recipe) -> str:
    """``sgd (momentum 0.9), cosine schedule, 10 epochs, batch size 64``."""
    options = ", ".join(f"{name} {_value(value)}" for name, value in recipe.options.items())
    parts = [recipe.optimizer + (f" ({options})" if options else ""), f"{recipe.schedule} schedule"]
    if recipe.schedule_options:
        parts[-1] += " (" + ", ".join(f"{name} {_value(v)}" for name, v in recipe.schedule_options.items()) + ")"
    parts += [count(recipe.epochs, "epoch"), f"batch size {recipe.batch_size}"]
    if recipe.clip is not None:
        parts.append(f"gradients clipped at {recipe.clip:g}")
    if recipe.accumulate > 1:
        parts.append(f"{recipe.accumulate} batches accumulated")
    if recipe.precision != "float32":
        parts.append(recipe.precision)
    parts += [f"{name.replace('_', ' ')} {_value(value)}" for name, value in recipe.changes.items()]
    return ", ".join(parts)


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return "(" + ", ".join(_value(item) for item in value) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)


def headline(found: Found) -> str:
    """The answer in a few words."""
    if found.lr is None:
        return f"No rate can be recommended for {_named(found.task)}"
    return f"Peak rate {rate(found.lr)}"


def recommendation(found: Found) -> list[str]:
    """The answer in three sentences: rate and interval; divergence and margin; expected loss and cost."""
    return [rate_sentence(found), divergence_sentence(found), cost_sentence(found)]


def rate_sentence(found: Found) -> str:
    """Which rate, and how sure; or that there is none, and why."""
    if found.lr is None:
        return _ended(found.reason[:1].upper() + found.reason[1:])
    peak = "rate" if found.recipe.schedule == "constant" else "peak rate"
    said = f"Train {_named(found.task)} at a {peak} of {rate(found.lr)}"
    if found.interval is None:
        return said + "; no interval could be given."
    low, high = found.interval
    if found.method == "range-test":
        return f"{said}; the published rules suggest rates from {rate(low)} to {rate(high)}."
    return f"{said}; rates from {rate(low)} to {rate(high)} cannot be told from the best one at this budget."


def divergence_sentence(found: Found) -> str:
    """Where training diverges, and how far the recommended rate is from there."""
    if found.divergence_lr is None:
        tried = lr_range(found)
        return (
            "No rate was tried." if tried is None else f"No rate diverged, up to the highest tried, {rate(tried[1])}."
        )
    said = f"Above about {rate(found.divergence_lr)} training diverges"
    if found.lr is None:
        return said + "."
    return f"{said}, {brief(found.divergence_lr / found.lr, 2)} times the recommended rate."


def cost_sentence(found: Found) -> str:
    """What loss to expect, and what the search took."""
    spent = f"the search cost {brief(found.cost, 2)} full training{'' if found.cost == 1 else 's'}"
    if found.seconds is not None:
        spent += f" and took {duration(found.seconds)}"
    if found.expected_loss is None:
        return f"{spent[0].upper()}{spent[1:]}."
    start = ""
    if found.initial_loss is not None and math.isfinite(found.initial_loss):
        start = f" (before training {brief(found.initial_loss, 3)})"
    after = count(found.recipe.epochs, "epoch")
    return f"Expect a validation loss of {brief(found.expected_loss, 3)} after {after}{start}; {spent}."


def curve_sentence(found: Found) -> str:
    """What the response curve shows."""
    here = levels(found)
    if not here:
        return "No member was trained."
    places = here[0].places
    if swept_run(found) is not None:
        lowest = min(places, key=lambda place: place.loss)
        ends = f"from {rate(places[0].lr)} to {rate(places[-1].lr)}"
        return (
            f"In one training of {count(here[0].horizon, 'step')} the rate rose {ends}; the smoothed training loss was "
            f"lowest, {brief(lowest.loss, 3)}, at {rate(lowest.lr)}."
        )
    alive = [place for place in places if not place.diverged]
    if not alive:
        return f"Every rate that was trained for {count(here[0].horizon, 'step')} diverged."
    best = min(alive, key=lambda place: place.loss)
    said = (
        f"Of {count(len(places), 'rate')} trained for {count(here[0].horizon, 'step')}, {rate(best.lr)} reached the "
        f"lowest validation loss, {brief(best.loss, 3)}"
    )
    if found.interval is not None:
        decades = math.log10(found.interval[1] / found.interval[0])
        said += f"; the interval spans {brief(decades, 2)} decades"
    return said + "."


def members_sentence(found: Found) -> str:
    """How the members of the search ended."""
    if not found.curve:
        return "No member was trained."
    fates = [point.fate for point in found.curve]
    words = {
        "finished": "finished", "retired": "{} retired because others were better", "diverged": "diverged",
        "stopped": "stopped early", "interrupted": "{} interrupted",
    }  # fmt: skip
    counts = {fate: fates.count(fate) for fate in words if fate in fates}
    parts = [f"{number} {words[fate].format('was' if number == 1 else 'were')}" for fate, number in counts.items()]
    return f"Of {count(len(fates), 'member')}, {_listed(parts)}."


def run_sentence(run: Run) -> str:
    """What a training reached, and how it ended."""
    words = {
        "finished": "finished", "diverged": "diverged", "retired": "was given up",
        "stopped": "stopped early", "interrupted": "was interrupted",
    }  # fmt: skip
    said = f"{_subject(run)} {words[run.fate]} after {count(run.steps, run.unit)}"
    if run.seconds is not None:
        said += f" ({duration(run.seconds)})"
    if run.fate != "finished" and run.reason:
        said += f": {run.reason}"
    reached = []
    if len(run.val_loss):
        reached.append(f"validation loss {brief(float(run.val_loss[-1]), 3)}")
        reached += [f"{name.replace('_', ' ')} {brief(float(v[-1]))}" for name, v in run.val_metrics.items() if len(v)]
    elif len(run.loss):
        reached.append(f"training loss {brief(float(run.loss[-1]), 3)}")
    return _ended(said) + (f" It reached {_listed(reached)}." if reached else "")


def _named(name: str) -> str:
    """A task's name on one line."""
    return " ".join(name.split())


def _subject(run: Run) -> str:
    return f"The training of {_named(run.task)}" if run.task else "The training"


def loss_sentence(run: Run) -> str:
    """How the losses of a training went."""
    said = []
    trained = smoothed(run.loss)
    finite = trained[np.isfinite(trained)]
    if len(finite):
        said.append(
            f"the smoothed training loss went from {brief(float(finite[0]), 3)} to {brief(float(finite[-1]), 3)}"
        )
    if len(run.val_loss) and np.isfinite(run.val_loss).any():
        at = int(np.nanargmin(np.where(np.isfinite(run.val_loss), run.val_loss, np.nan)))
        where = count(int(run.val_step[at]), run.unit)
        said.append(f"the lowest validation loss was {brief(float(run.val_loss[at]), 3)} after {where}")
    return ("; ".join(said)[:1].upper() + "; ".join(said)[1:] + ".") if said else "No loss was recorded."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."
