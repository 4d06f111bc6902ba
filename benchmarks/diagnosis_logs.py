"""What a log shows of a training of the corpus, and which verdicts are right about it.

A training is *labelled* by its outcome and by its counterfactuals, with rules that were fixed before anything was
fitted:

- E is the mean of the last tenth of the training losses, L* the lowest E of the sweep, L0 the loss without training
  over the same batches: E of the lowest rate, unless that has moved its loss (then the mean of its first tenth). All
  trainings of a sweep see the same batches, and against another L0 the luck of the last batches would count as learned.
  The *share lost* is (E - L*) / (L0 - L*). Up to `GOOD` a rate is good, beyond `WRONG` it is wrong, on the side of the
  best rate on which it lies; in between either answer is right.
- Where the standard error of the difference of the two best rates of a sweep, batch by batch, is more than `WRONG` of
  L0 - L*, which rates are good is not known, and nothing is asked about the sweep. Nor is it where less than `LEAST` of
  L0 can be learned.
- A rate is too high also where a run diverged. Where the same rate with a decay is good, `noise_floor` is right too.
- The validation loss rises at the end by more than `OVERFIT` of what it had fallen, while the training loss goes on
  falling, and the log shows validation: overfitting.
- A fault that was planted is the cause only if it shows: the training ends worse than its counterfactual, or the loss
  has the spikes.
- What no log could tell is not asked: where the loss has not moved by more than its noise, a rate far too low, frozen
  weights and "not learning" are the same.

Several verdicts can be right.

The *size* of a wrong rate has no single right answer where the response is flat: rates over two decades may end as
well. So it is measured to the *near-best* rates: those around the best one whose share lost is at most `GOOD`, up to
the first one on either side that loses more (between two rates of a sweep the share is taken to go straight). A size is
off by the decades from the corrected rate to the nearest of these, by nothing inside. Beside it stands the stricter
distance to the middle of the good rates, a single rate.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.records import Run, float_series, int_series
from surefoot.schedules import make

__all__ = ["OK", "Example", "examples", "load", "short_examples"]

GOOD, WRONG, OVERFIT, LEAST = 0.05, 0.10, 0.10, 0.02
SHORTEST = 24
"""Steps that a training cut short must have."""
OK = frozenset({"rate_ok", "converged"})
HIGH = frozenset({"rate_too_high", "diverged"})
LOW = frozenset({"rate_too_low"})
STILL = frozenset({"no_update", "not_learning"})


@dataclasses.dataclass(frozen=True)
class Example:
    """A logged run with the truth about it."""

    task: str
    sweep: str
    fault: str
    form: str
    run: Run
    beside: dict[str, tuple[list[int], list[float]]]
    right: frozenset[str]
    """Verdicts that are right."""
    label: str
    """The one that the model is taught."""
    good: bool
    """Whether any verdict of a fault is a false alarm."""
    direction: int
    """Where the best rate lies: 1 above, -1 below, 0 not asked."""
    decades: float | None
    """log10 of the middle of the good rates over this one; None where there is no such counterfactual."""
    near: tuple[float, float] | None
    """log10 of the lowest and of the highest near-best rate over this one."""

    def off(self, decades: float) -> float:
        """By how many decades the rate would be wrong after a correction by `decades`."""
        low, high = self.near or (math.nan, math.nan)
        return max(low - decades, decades - high, 0.0)


def load(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All trainings of the corpus with their series, and the head of the file."""
    with np.load(file) as data:
        head = json.loads(data["head"].tobytes().decode())
        ends = np.cumsum(data["loss_length"]), np.cumsum(data["val_length"])
        losses = np.split(data["loss"].astype(float), ends[0][:-1])
        val_losses = np.split(data["val_loss"].astype(float), ends[1][:-1])
        val_steps = np.split(data["val_step"].astype(int), ends[1][:-1])
    trainings = head.pop("trainings")
    for one, loss, step, val in zip(trainings, losses, val_steps, val_losses, strict=True):
        one |= {"loss": loss, "val_step": step, "val_loss": val}
    return trainings, head


def examples(trainings: list[dict[str, Any]], *, forms: int = 1, seed: int = 0) -> list[Example]:
    """Logged runs of the trainings, `forms` of each; trainings about which nothing is known are left out."""
    sweeps: dict[str, list[dict[str, Any]]] = {}
    for one in trainings:
        if one["fault"] == "none":
            sweeps.setdefault(one["sweep"], []).append(one)
    judged = {name: _Sweep(runs) for name, runs in sweeps.items()}
    found = []
    for place, one in enumerate(trainings):
        sweep = judged[one["sweep"]]
        if not sweep.learnable:
            continue
        decayed = next(
            (other for key, other in judged.items() if one["schedule"] == "constant" and key != one["sweep"]
             and key.rpartition(" ")[0] == one["sweep"].rpartition(" ")[0]), None,
        )  # fmt: skip
        for form in range(forms):
            rng = np.random.default_rng([seed, place, form])
            example = _example(one, sweep, decayed, rng)
            if example is not None:
                found.append(example)
    return found


def short_examples(trainings: list[dict[str, Any]], *, part: float, seed: int = 0) -> list[Example]:
    """Logged runs of the trainings at constant rates as if they had ended after `part` of their steps.

    A training at a constant rate does not know when it ends: its first part is a training with a smaller budget, and
    the sweep of the first parts has its own best rate. Nothing says there whether a decay would have helped, so that
    `noise_floor` counts as right beside `rate_too_high`.
    """
    some = [
        _cut(one, round(part * one["steps"]), f"{one['sweep']} to {part:g}")
        for one in trainings
        if one["fault"] == "none" and one["schedule"] == "constant" and part * one["steps"] >= SHORTEST
    ]
    return [
        dataclasses.replace(one, right=one.right | {"noise_floor"}) if one.label == "rate_too_high" else one
        for one in examples(some, seed=seed)
    ]


def _cut(one: dict[str, Any], steps: int, sweep: str) -> dict[str, Any]:
    kept = one["val_step"] <= steps
    fate = "completed" if len(one["loss"]) > steps else one["fate"]
    return one | {
        "sweep": sweep, "steps": steps, "fate": fate, "rates": (), "loss": one["loss"][:steps],
        "val_step": one["val_step"][kept], "val_loss": one["val_loss"][kept],
    }  # fmt: skip


class _Sweep:
    """The response of the final loss to the rate."""

    def __init__(self, runs: list[dict[str, Any]]) -> None:
        runs = sorted(runs, key=lambda one: one["lr"])
        self.x = np.log10([one["lr"] for one in runs])
        still = runs[0]["loss"]
        self.ends = np.array([end_of(one) for one in runs])
        self.initial = float(np.mean(still[: tenth_of(still)])) if _moved(runs[0]) else float(self.ends[0])
        self.lowest = float(self.ends.min())
        self.gain = self.initial - self.lowest
        self.learnable = (
            math.isfinite(self.lowest)
            and self.gain > LEAST * abs(self.initial)
            and _error([runs[place] for place in np.argsort(self.ends)[:2]]) <= WRONG * self.gain
        )
        share = np.minimum(np.maximum(self.ends - self.lowest, 0) / max(self.gain, 1e-12), 5.0)
        fine = np.linspace(self.x[0], self.x[-1], 400)
        course = np.interp(fine, self.x, share)
        weight = np.exp(-course / 0.03)
        self.best = float((weight * fine).sum() / weight.sum())
        """log10 of the best rate: rates that are as good weigh as much."""
        self.near = _around(fine, course)

    def share(self, loss: float) -> float:
        return max(loss - self.lowest, 0.0) / self.gain

    def share_at(self, lr: float) -> float:
        return float(np.interp(math.log10(lr), self.x, [self.share(end) for end in self.ends]))


def _around(x: Any, share: Any) -> tuple[float, float]:
    """The ends of the stretch of `x` around the lowest share on which no share is above `GOOD`."""
    best = int(share.argmin())
    bad = np.flatnonzero(share > GOOD)
    left, right = bad[bad < best], bad[bad > best]
    low = int(left[-1]) + 1 if len(left) else 0
    high = int(right[0]) - 1 if len(right) else len(x) - 1
    return float(x[low]), float(x[high])


def tenth_of(losses: Any) -> int:
    """How many losses are a tenth of them, and five at least."""
    return max(5, len(losses) // 10)


def end_of(one: dict[str, Any]) -> float:
    if one["fate"] == "diverged" or not len(one["loss"]):
        return math.inf
    return float(np.mean(one["loss"][-tenth_of(one["loss"]) :]))


def _error(two: list[dict[str, Any]]) -> float:
    """Standard error of the difference of the ends of two trainings on the same batches; 0 where one of them died."""
    if not all(math.isfinite(end_of(one)) for one in two):
        return 0.0
    first, second = (one["loss"][-tenth_of(one["loss"]) :] for one in two)
    return float(np.std(first - second)) / math.sqrt(len(first))


def _example(one: dict[str, Any], sweep: _Sweep, decayed: _Sweep | None, rng: np.random.Generator) -> Example | None:
    run, form, sees_val, sees_lr = _logged(one, rng)
    shows_layers = one["fault"] == "dead" and rng.random() < 0.5
    beside = {"dead_units/first": ([0, 10, 20], [1.0, 1.0, 1.0])} if shows_layers else {}
    judged = _judged(one, sweep, decayed, run, sees_val, sees_lr, shows_layers)
    if judged is None:
        return None
    right, label, decades = judged
    good = label in ("rate_ok", "converged", "spike_recovered") and right <= (OK | {"spike_recovered"})
    direction = 0
    if right <= (LOW | STILL) and "rate_too_low" in right:
        direction = 1
    elif right <= (HIGH | {"noise_floor"}) and right & HIGH:
        direction = -1
    at = math.log10(one["lr"])
    near = None if decades is None else (sweep.near[0] - at, sweep.near[1] - at)
    return Example(
        one["task"], one["sweep"], one["fault"], form, run, beside, right, label, good, direction, decades, near
    )


def _judged(
    one: dict[str, Any], sweep: _Sweep, decayed: _Sweep | None, run: Run, sees_val: bool, sees_lr: bool, layers: bool
) -> tuple[frozenset[str], str, float | None] | None:
    fault = one["fault"]
    share = sweep.share(end_of(one))
    overfit = _overfit(one) if sees_val else 0.0
    if fault == "nan":
        return frozenset({"nan"}), "nan", None
    if fault == "frozen":
        return STILL, "no_update", None
    if fault == "dead":
        right = frozenset({"dead_units"}) if layers else frozenset({"dead_units", "not_learning", "no_update"})
        stuck = share > 0.8 or one["fate"] == "diverged"
        return (
            (right, "dead_units" if layers else "not_learning", None) if stuck and one["fate"] != "diverged" else None
        )
    if fault in ("shuffled", "without_information"):
        learned = (sweep.initial - end_of(one)) / max(sweep.gain, 1e-12)
        if one["fate"] == "diverged":
            return HIGH | {"not_learning", "data_problem"}, "diverged", None
        if learned < 0.35:
            return frozenset({"not_learning", "data_problem"}), "not_learning", None
        if overfit > OVERFIT:
            return frozenset({"overfitting", "data_problem"}), "overfitting", None
        return None
    if fault == "damaged":
        spikes = _spike_entries(run.loss)
        return (frozenset({"data_problem"}), "data_problem", None) if spikes >= 3 else None
    if fault == "few":
        if one["fate"] == "diverged":
            return None
        if overfit > OVERFIT:
            return frozenset({"overfitting"}), "overfitting", None
        return None
    if fault == "burst":
        visible = _spike_entries(run.loss) >= 1
        if share <= WRONG and visible:
            right = frozenset({"spike_recovered"}) | (frozenset() if share <= GOOD else OK | HIGH)
            return right, "spike_recovered", None
        if share > WRONG:
            return HIGH | {"noise_floor", "data_problem"}, "rate_too_high" if math.isfinite(share) else "diverged", None
        return None if share > GOOD else (OK | {"spike_recovered"}, "rate_ok", None)
    if fault == "jump-up" and share > WRONG:
        return HIGH | {"noise_floor"}, "rate_too_high" if math.isfinite(share) else "diverged", None
    if fault in ("early", "jump-down") and share > GOOD:
        right = frozenset({"schedule_too_early"})
        if not sees_lr:
            right |= LOW | {"noise_floor"} if share > WRONG else LOW | OK
        return right | (frozenset() if share > WRONG else OK), "schedule_too_early", None
    return _by_rate(one, sweep, decayed, share, overfit)


def _by_rate(
    one: dict[str, Any], sweep: _Sweep, decayed: _Sweep | None, share: float, overfit: float
) -> tuple[frozenset[str], str, float | None]:
    away = sweep.best - math.log10(one["lr"])
    decades = away if one["fault"] == "none" else None
    extra: frozenset[str] = frozenset()
    if overfit > OVERFIT / 3 and math.isfinite(share):
        extra = frozenset({"overfitting"})
    if share <= GOOD:
        if overfit > OVERFIT:
            return extra, "overfitting", decades
        return OK | extra, "rate_ok", decades
    if away > 0:
        right = LOW | extra
        if share > WRONG and not _moved(one):
            return right | STILL, "rate_too_low", decades
        return (right if share > WRONG else right | OK), "rate_too_low", decades
    label = "diverged" if not math.isfinite(share) or share > 1.5 else "rate_too_high"
    right = HIGH | extra
    if decayed is not None and decayed.learnable and decayed.share_at(one["lr"]) <= GOOD:
        right |= {"noise_floor"}
        if share > WRONG and label == "rate_too_high":
            label = "noise_floor"
    return (right if share > WRONG else right | OK), label, decades


def _moved(one: dict[str, Any]) -> bool:
    """Whether the loss changed by more than its noise over the whole training."""
    loss = one["loss"]
    third = max(len(loss) // 3, 1)
    first, last = loss[:third], loss[-third:]
    error = math.sqrt((first.var() + last.var()) / third)
    return abs(float(first.mean() - last.mean())) > 3.0 * error + 1e-3 * abs(float(first.mean()))


def _overfit(one: dict[str, Any]) -> float:
    """By what share of its fall the validation loss rose again, while the training loss went on falling."""
    val, step, loss = one["val_loss"], one["val_step"], one["loss"]
    if len(val) < 8 or not np.isfinite(val).all():
        return 0.0
    smooth = np.convolve(val, np.ones(3) / 3, mode="valid")
    at = int(smooth.argmin())
    fall = float(val[0]) - float(smooth[at])
    rise = float(smooth[-1]) - float(smooth[at])
    around = loss[max(0, int(step[at]) - 10) : int(step[at]) + 40]
    if fall <= 0 or not len(around) or float(np.mean(loss[-30:])) > float(np.mean(around)):
        return 0.0
    noise = float(np.median(np.abs(np.diff(val, 2)))) * 1.4826 / math.sqrt(6)
    return rise / fall if rise > 3.0 * noise / math.sqrt(3) else 0.0


def _spike_entries(loss: Any) -> int:
    """Bursts of logged losses far above the losses around them."""
    loss = np.asarray(loss)
    loss = loss[np.isfinite(loss)]
    count, last = 0, -99
    for at in range(3, len(loss)):
        before = loss[max(0, at - 15) : at]
        middle = np.median(before)
        spread = 1.4826 * np.median(np.abs(before - middle))
        if loss[at] > middle + 8 * spread and loss[at] > 1.3 * middle and at > 0.05 * len(loss):
            count += at - last > 4
            last = at
    return int(count)


def _logged(one: dict[str, Any], rng: np.random.Generator) -> tuple[Run, str, bool, bool]:
    """The run as a log shows it: the form of the log, and whether validation and rate are in it."""
    loss = np.array(one["loss"], float)
    if one["fault"] == "nan":
        loss = loss.copy()
        loss[int(rng.uniform(0.2, 0.9) * len(loss)) :] = math.nan
    elif one["fate"] == "diverged" and rng.random() < 0.5:
        loss = np.append(loss, np.full(max(0, min(one["steps"] - len(loss), 60)), math.nan))
    lr = _rates(one, len(loss))
    kind = str(rng.choice(["step", "mean", "every", "epoch"], p=[0.4, 0.3, 0.15, 0.15]))
    size = 1
    if kind == "epoch":
        size = round(one["steps_per_epoch"] or 1)
        if size < 2 or one["steps"] // size < 8:
            kind = "mean"
    if kind in ("mean", "every"):
        size = int(rng.integers(2, max(3, one["steps"] // 12)))
    step = np.arange(len(loss))
    if kind in ("mean", "epoch") and len(loss) >= 2 * size:
        count = len(loss) // size
        with np.errstate(invalid="ignore", over="ignore"):
            loss = loss[: count * size].reshape(count, size).mean(1)
        step, lr = step[size - 1 : count * size : size], lr[size - 1 : count * size : size]
    elif kind == "every" and len(loss) >= 2 * size:
        step, loss, lr = step[::size], loss[::size], lr[::size]
    else:
        kind = "step"
    # Infinite losses are what overflow leaves; most loggers show them as NaN.
    sees_lr, sees_val = bool(rng.random() < 0.6), float(rng.random())
    every = 1 if sees_val < 0.4 else 4
    val_step, val = one["val_step"][::every], one["val_loss"][::every]
    shows_val = sees_val < 0.6 and len(val) >= 3
    # Logs by epochs, and logs without a column of steps, do not tell how many updates there were.
    units = {"epoch": ("epoch", 0.5), "mean": ("row", 0.25), "every": ("row", 0.25), "step": ("row", 0.0)}
    unit = units[kind][0] if rng.random() < units[kind][1] else "step"
    run = Run(
        unit=unit,
        step=int_series(step),
        loss=float_series(loss),
        lr=float_series(lr if sees_lr else np.full(len(loss), math.nan)),
        val_step=int_series(val_step if shows_val else ()),
        val_loss=float_series(val if shows_val else ()),
        source="log:corpus",
    )
    return run, kind, shows_val and every == 1, sees_lr


def _rates(one: dict[str, Any], count: int) -> Any:
    """The rates that the log would show."""
    if one["fault"] in ("burst", "frozen"):
        # What caused the burst is not in the log, and the optimizer of frozen weights has a rate all the same.
        return np.full(count, one.get("shown_lr", one["lr"]))
    if len(one.get("rates", ())) < count:
        schedule = make(one["schedule"], peak=one["lr"], steps=one["steps"], **_options(one))
        one["rates"] = np.array([schedule(step) for step in range(max(count, one["steps"]))])
    return one["rates"][:count]


def _options(one: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in one["schedule_options"].items()}
