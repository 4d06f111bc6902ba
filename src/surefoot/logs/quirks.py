"""Quirks: what the numbers of a log are not. How each loss came about, whose rate is logged, what is missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from surefoot.logs.channels import RawLog
from surefoot.logs.log_run import LogRun, LossKind, LrOf
from surefoot.logs.rewinds import Settled
from surefoot.logs.roles import Roles, words

__all__ = ["loss_kind_of", "lr_of", "note_quirks"]

_RUNNING = {"avg", "average", "running", "smooth", "smoothed", "ema", "ewma", "mean"}
_FEW_VALIDATIONS = 5
_SMOOTH_FROM = 200


def loss_kind_of(
    raw: RawLog, roles: Roles, loss: Settled, val_step: npt.NDArray[np.int64]
) -> tuple[LossKind, float | None]:
    """How the loss entries came about, and over how many steps each was averaged where that is known."""
    every = float(np.median(np.diff(loss.step))) if len(loss.step) > 1 else None
    name = roles.loss or (roles.loss_parts[0] if roles.loss_parts else "")
    kind = words(name)
    if raw.loss_kind != "unknown" and not (raw.loss_kind == "step" and "epoch" in kind):
        over = raw.averaged_over
        return raw.loss_kind, every if over is None and raw.loss_kind == "mean" else over
    if "epoch" in kind:
        return "epoch", every if raw.unit != "epoch" else raw.steps_per_epoch
    if _RUNNING & set(kind):
        return "running", None
    if kind[-1:] == ["step"]:
        return "step", None
    # who counts by ones and validates every time counts epochs, whatever the counter is called
    if raw.unit == "epoch" or (every == 1 and np.array_equal(loss.step, val_step)):
        return "epoch", raw.steps_per_epoch
    if raw.format == "lightning" and "epoch" in raw.channels:
        # without a suffix Lightning's `log` in training_step is of one batch, unless there is one value an epoch
        epochs = len(np.unique(raw.channels["epoch"].arrays()[2]))
        return ("step" if len(loss.step) > epochs else "epoch"), None
    if looks_smoothed(loss.value):
        return "running", None
    return "unknown", None


def looks_smoothed(loss: npt.NDArray[np.float64]) -> bool:
    """Whether a loss that should jump from batch to batch creeps instead, as a moving average does.

    Successive differences of a curve with independent noise have a lag-one correlation near −1/2; those of a moving
    average of it, near 0 (a random walk). A training without noise has one near 1 and is not meant.
    """
    finite = loss[np.isfinite(loss)]
    if len(finite) < _SMOOTH_FROM:
        return False
    late = finite[len(finite) // 2 :]
    rises = np.diff(late) - np.mean(np.diff(late))
    power = float(np.mean(rises**2))
    if not np.isfinite(power) or power <= 1e-24 * float(np.mean(late**2) + 1e-300):
        return False
    correlation = float(np.mean(rises[1:] * rises[:-1])) / power
    return -0.2 < correlation < 0.4


def lr_of(raw: RawLog, roles: Roles, rates: Settled | None) -> LrOf:
    """Whose rate is logged: the format's word, and where versions differ, a rate that is 0 at either end tells."""
    if rates is None or not len(rates.value):
        return "this" if raw.constant_lr is not None and roles.lr is None else "unknown"
    if raw.lr_of != "unknown" or raw.format not in ("huggingface", "tensorboard", "wandb"):
        return raw.lr_of
    if rates.value[0] == 0:
        return "this"
    if len(rates.value) > 2 and rates.value[-1] == 0:
        return "next"
    return _by_linear_end(rates, raw.planned_steps)


def _by_linear_end(rates: Settled, planned: float | None) -> LrOf:
    """A linear decay that ends with the training is 0 for the update after the last: where its line ends, tells."""
    if planned is None or len(rates.value) < 4:
        return "unknown"
    steps, values = rates.step[-4:].astype(np.float64), rates.value[-4:]
    slopes = np.diff(values) / np.diff(steps)
    if not np.all(np.isfinite(slopes)) or not np.all(slopes < 0) or np.ptp(slopes) > 1e-3 * abs(float(slopes[0])):
        return "unknown"
    beyond = float(steps[-1] - values[-1] / np.mean(slopes)) - planned
    return "next" if abs(beyond) < 0.3 else "this" if abs(beyond - 1.0) < 0.3 else "unknown"


def note_quirks(one: LogRun, roles: Roles, note: Callable[[str, str], None]) -> None:
    """Write down everything a reader of the curve must know that the order of the steps did not already show."""
    run = one.run
    if one.stopped:
        note("truncated", f"the log was not read to its end: {one.stopped}")
    _note_loss(one, roles, note)
    if not one.lr_known:
        note("rate-unknown", "the log holds no rate: log it beside the loss, or name its column with --map lr=NAME")
    elif one.lr_of == "next":
        note("next-rate", "the logged rate is the one of the next update: it was moved back by one entry")
    if roles.several_rates:
        note("several-rates", f"several rates are logged (parameter groups): {roles.lr!r} was taken")
    if roles.from_test:
        note("test-as-validation", "numbers of a test set stand in for validation")
    if not len(run.val_step):
        note("no-validation", "the log holds no validation points")
    elif len(run.val_step) < _FEW_VALIDATIONS:
        note("sparse-validation", f"only {len(run.val_step)} validation points")


def _note_loss(one: LogRun, roles: Roles, note: Callable[[str, str], None]) -> None:
    if not one.has_loss:
        note("no-loss", "the log holds no training loss: name its column with --map loss=NAME if it has one")
        return
    over = f" over about {one.averaged_over:g} steps" if one.averaged_over else ""
    if one.loss_kind == "mean" and (one.averaged_over or 2) > 1:
        note("averaged-loss", f"each loss is a mean{over}: what happened inside cannot be seen")
    elif one.loss_kind == "filtered":
        note("filtered-loss", f"the loss is a moving filter{over}: spikes are flattened or removed")
    elif one.loss_kind == "running":
        note("running-mean", "the loss is a running mean: it creeps behind what the training does")
    elif one.loss_kind == "epoch" and one.format != "boosting":
        note("epoch-loss", "each loss is a mean over an epoch, taken while the weights moved")
    elif one.every > 1 and one.loss_kind == "step":
        note("sampled-loss", f"one loss in about {one.every:g} steps is logged")
    if roles.guessed:
        note("loss-guessed", f"{roles.loss!r} was taken for the training loss: name another with --map loss=NAME")
