"""Trials of several rates one after the other, each on a copy of model and optimizer: the obvious way.

`fused_trials` must match it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from surefoot.engines.gradient_norms import clip_gradients
from surefoot.tasks.borrowing import mixed_seed, seed_all
from surefoot.watch.fork import Fork
from surefoot.watch.rates import set_rate

__all__ = ["serial_trials"]

Floats = npt.NDArray[np.float64]


def serial_trials(fork: Fork, lrs: Floats, factors: Sequence[float]) -> tuple[Floats, Floats]:
    """Train a copy at each rate times `factors`, one for each update, and score it.

    Returns:
        losses [rates, scoring batches], not finite where a copy diverged; and losses before [scoring batches].
    """
    losses = np.full((len(lrs), len(fork.scoring)), math.inf)
    start = _scores(fork, fork.copies()[0])
    for place, lr in enumerate(lrs):
        model, optimizer = fork.copies()
        if _train(fork, model, optimizer, float(lr), factors):
            losses[place] = _scores(fork, model)
    return losses, start


def _train(fork: Fork, model: nn.Module, optimizer: torch.optim.Optimizer, lr: float, factors: Sequence[float]) -> bool:
    """Whether the copy lived to the end."""
    held = [one for group in optimizer.param_groups for one in group["params"]]
    with torch.enable_grad():
        for at, factor in enumerate(factors):
            batch = fork.training[at % len(fork.training)]
            set_rate(optimizer, lr * factor)
            seed = mixed_seed(fork.seed, at, 1)
            seed_all(seed)

            def evaluate(batch: Any = batch, seed: int = seed) -> Any:
                seed_all(seed)
                optimizer.zero_grad(set_to_none=True)
                loss = fork.task.loss_of(model, batch)
                loss.backward()  # type: ignore[no-untyped-call]
                if fork.clip is not None:
                    clip_gradients(held, fork.clip)
                return loss

            if isinstance(optimizer, torch.optim.LBFGS):
                value = optimizer.step(evaluate)  # type: ignore[no-untyped-call]
            else:
                value = evaluate()
                optimizer.step()
            if not math.isfinite(float(value.detach())):
                return False
    return True


def _scores(fork: Fork, model: nn.Module) -> Floats:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            seed_all(fork.seed)
            return np.array([float(fork.task.loss_of(model, batch)) for batch in fork.scoring])
    finally:
        for module, mode in modes:
            module.training = mode
