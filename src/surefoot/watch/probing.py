"""Probe a running training: fork it into several rates, train each copy a little, and say which rate is best now.

Two things make a short trial unjust to large rates, and the trial corrects both. The scatter that a large rate leaves
in the weights would vanish with a decay later in the training: so every trial ends with its rate falling to nothing
before it is scored. And the loss of one batch is noise: so all copies train on the same batches, are scored on the same
other batches in evaluation mode, and are compared batch by batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from surefoot.engines.members import Unsupported
from surefoot.errors import InputError
from surefoot.records import Probe, float_series
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.watch.batches import taken
from surefoot.watch.fork import Fork
from surefoot.watch.fused_trials import fused_trials
from surefoot.watch.rates import first_rate
from surefoot.watch.serial_trials import serial_trials

__all__ = ["answer", "probe", "unwrapped"]

Floats = npt.NDArray[np.float64]


def probe(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Any,
    loss: Callable[..., Any],
    *,
    lrs: Sequence[float] | None = None,
    span: float = 10.0,
    count: int = 7,
    steps: int = 24,
    anneal: int | None = None,
    score: Any = None,
    clip: float | None = None,
    seed: int = 0,
    engine: str = "auto",
    step: int = 0,
) -> Probe:
    """Which rate is best for this training now?

    Model, optimizer, random states and data are as before afterwards, to the bit; the copies draw their random numbers
    from `seed`. Hooks of the user's on the model fire on the copies too.

    Args:
        model: as it stands.
        optimizer: of that model, as it stands; its rate may not be 0 unless `lrs` are given.
        batches: the next batches of the training: a list, or a loader (read from its beginning in a new pass, under
            random states that are put back). An iterator is copied where Python can copy it, and refused elsewhere.
        loss: ``loss(output, target)`` or ``loss(model, batch)``, as of a `Task`.
        lrs: rates of the first parameter group to try; None takes `count` of them, evenly spread over the logarithm
            from the present rate over `span` to the present rate times `span`.
        span: above 1.
        count: rates to try; from 3, odd so that the present rate is among them.
        steps: updates of each trial.
        anneal: of these, how many at the end let the rate fall in a line to nothing; None takes half.
        score: batches to score on, in the same forms as `batches`; None holds back a third of `batches`.
        clip: largest gradient norm, if the training clips; None does not clip.
        seed: of the copies' random numbers.
        engine: `fused`, `serial` or `auto`: fused where the model and optimizer allow it.
        step: updates made so far, for the record.

    Raises:
        InputError: an argument that cannot be used, or a model that cannot be copied.
    """
    started = time.perf_counter()
    model = unwrapped(model)
    inner = getattr(optimizer, "optimizer", None)
    optimizer = inner if isinstance(inner, torch.optim.Optimizer) else optimizer
    now = first_rate(optimizer)
    tried = _rates(now, lrs, span, count)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"`steps` is {steps!r}; it is a whole number from 1")
    annealed = steps // 2 if anneal is None else anneal
    if not 0 <= annealed <= steps:
        raise InputError(f"`anneal` is {anneal!r}; it is a whole number from 0 to `steps`, {steps}")
    if engine not in ("auto", "fused", "serial"):
        raise InputError(f"`engine` is {engine!r}; it is `auto`, `fused` or `serial`")
    with borrowed_rng(seed):
        training, scoring = _split(batches, score, steps)
        fork = Fork(model, optimizer, training, scoring, loss, clip=clip, seed=seed)
        factors = [min(1.0, (steps - at) / (annealed + 1)) for at in range(steps)]
        used, losses, start = _trials(fork, tried, factors, engine)
    return answer(
        now, tried, losses, start, step=step, steps=steps, annealed=annealed, cost=steps * len(tried), engine=used,
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's module inside of a compiled or data-parallel one."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def _trials(fork: Fork, lrs: Floats, factors: Sequence[float], engine: str) -> tuple[str, Floats, Floats]:
    """What trained, the losses [rates, scoring batches] of the trials, and those of the start [scoring batches]."""
    if engine != "serial":
        try:
            return fused_trials(fork, lrs, factors)
        except Unsupported as reason:
            if engine == "fused":
                raise InputError(f"`engine` is `fused`, which cannot train this: {reason}; take `auto`") from None
    return "serial", *serial_trials(fork, lrs, factors)


def answer(
    now: float, lrs: Floats, losses: Floats, start: Floats, *, step: int, steps: int, annealed: int, cost: int,
    engine: str, seconds: float | None,
) -> Probe:  # fmt: skip
    """The record of a probe.

    Args:
        now: the rate in use.
        lrs: [rates] rising.
        losses: [rates, scoring batches] at the end of the trials; not finite where one diverged.
        start: [scoring batches] before the trials.
        step: updates made when the training was forked.
        steps: of each trial.
        annealed: of these, with a falling rate.
        cost: updates in all.
        engine: what trained.
        seconds: time it took.
    """
    means = np.where(np.isfinite(losses).all(1), losses.mean(1), math.inf)
    begun = float(start.mean())

    def made(lr: float | None, interval: tuple[float, float] | None, reason: str, errors: Floats) -> Probe:
        return Probe(
            status="unknown" if lr is None else "found", lr=lr, interval=interval, reason=reason, lr_now=now, step=step,
            lrs=float_series(lrs), losses=float_series(means), errors=float_series(errors), start_loss=begun,
            steps=steps, annealed=annealed, cost=cost, engine=engine, seconds=seconds,
        )  # fmt: skip

    if not np.isfinite(means).any():
        reason = "every trial diverged: try lower rates, or go back to earlier weights"
        return made(None, None, reason, np.full(len(lrs), math.nan))
    best = int(means.argmin())
    with np.errstate(invalid="ignore"):
        apart = losses - losses[best]
        errors = apart.std(1, ddof=1) / math.sqrt(losses.shape[1])
    errors = np.where(np.isfinite(means), errors, math.nan)
    near = np.isfinite(means) & (means - means[best] <= _student(losses.shape[1] - 1) * np.nan_to_num(errors))
    # What cannot be told from the best, in one piece around it.
    low = high = best
    while low > 0 and near[low - 1]:
        low -= 1
    while high < len(lrs) - 1 and near[high + 1]:
        high += 1
    words = f"{steps} updates at {len(lrs)} rates from {lrs[0]:.3g} to {lrs[-1]:.3g} took the loss from {begun:.4g} "
    words += f"to {means[best]:.4g} at best, at {lrs[best]:.3g}"
    if low == 0 and high == len(lrs) - 1:
        words += "; no rate can be told from another: take more updates, more scoring batches or a wider span"
        return made(None, None, words, errors)
    if best in (0, len(lrs) - 1):
        words += f"; that is the {'lowest' if best == 0 else 'highest'} rate tried, and the best may lie beyond it"
    return made(float(lrs[best]), (float(lrs[low]), float(lrs[high])), words, errors)


def _student(freedom: int) -> float:
    """The 97.5% quantile of Student's t, by the expansion of Cornish and Fisher (within 4% from 3 on)."""
    z, v = 1.959964, max(freedom, 1)
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v * v)


def _rates(now: float, lrs: Sequence[float] | None, span: float, count: int) -> Floats:
    if lrs is not None:
        given = np.array(sorted(float(lr) for lr in lrs))
        if len(given) < 2 or not np.isfinite(given).all() or given[0] <= 0 or len(set(given.tolist())) < len(given):
            raise InputError(f"`lrs` is {list(lrs)!r}; give at least two different rates above 0")
        return given
    if isinstance(span, bool) or not isinstance(span, int | float) or not 1 < span < math.inf:
        raise InputError(f"`span` is {span!r}; it is a number above 1")
    if isinstance(count, bool) or not isinstance(count, int) or count < 3:
        raise InputError(f"`count` is {count!r}; it is a whole number from 3")
    if not 0 < now < math.inf:
        raise InputError(f"the rate is {now} now, so that nothing can be tried around it; give `lrs`")
    return now * np.logspace(-1, 1, count, base=span)


def _split(batches: Any, score: Any, steps: int) -> tuple[list[Any], list[Any]]:
    """Batches to train on, and to score on."""
    if score is not None:
        scoring = taken(score, 64, "score")
        training = taken(batches, steps, "batches")
    else:
        everything = taken(batches, max(6, steps + steps // 2), "batches")
        held = len(everything) // 3
        if held < 2:
            raise InputError(
                f"`batches` holds {len(everything)}, of which a third is held back to score on; give at least 6, or "
                "`score`"
            )
        training, scoring = everything[held:], everything[:held]
    if len(scoring) < 2:
        raise InputError("`score` holds one batch; at least two are needed to know how sure the answer is")
    return training, scoring
