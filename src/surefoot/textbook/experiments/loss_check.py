"""`loss-check`: the three-class loss example, and what goes into the cross-entropy: scores, log-softmax or softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import accuracies, trained, with_model
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.loss_arithmetic import run as arithmetic
from surefoot.textbook.measuring import exact, mean_of

SEEDS = {"quick": 2, "full": 5}
ENDS: dict[str, type[nn.Module] | None] = {"scores": None, "log-softmax": nn.LogSoftmax, "softmax": nn.Softmax}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Compute, then train one network with each end."""
    losses: dict[str, float] = arithmetic(Setting()).facts["losses"]
    found: list[Measurement] = [exact(f"{name} of the three-class example", one) for name, one in losses.items()]
    found += _differences(seeds)
    digits = find_entry("digits").make()
    reached = {}
    for name, last in ENDS.items():
        task = with_model(digits, lambda last=last: _net(last))
        runs = trained(task, {0: Recipe(lr=0.3, batch_size=64, epochs=4 if size == "full" else 2)}, seeds)[0]
        reached[name] = accuracies(runs)
        found.append(mean_of(f"accuracy with {name} into the cross-entropy", reached[name]))
    change = np.abs(reached["log-softmax"] - reached["scores"])
    found.append(mean_of("change of the accuracy by log-softmax before the cross-entropy", change, method="same seeds"))
    return Outcome(
        "loss-check",
        measurements=tuple(found),
        panels=(Panel("One prediction, five losses", style="bars", y_label="loss", bars=losses, marks={"said": 0.18}),),
        notes=("target 1, 0, 0 and prediction 0.4, 0.3, 0.3; digits MLP 64-32-10, SGD at 0.3",),
    )


def _net(last: type[nn.Module] | None) -> nn.Module:
    return nn.Sequential(mlp((64, 32, 10)), *([last(dim=1)] if last else []))


def _differences(seeds: Sequence[int]) -> list[Measurement]:
    in_loss, in_slope = 0.0, 0.0
    for seed in seeds:
        with borrowed_rng(seed):
            scores, target = torch.randn(32, 10, dtype=torch.float64), torch.randint(0, 10, (32,))
        slopes, values = [], []
        for given in (lambda z: z, lambda z: F.log_softmax(z, dim=1)):
            z = scores.clone().requires_grad_()
            loss = F.cross_entropy(given(z), target)
            values.append(loss.item())
            slopes.append(torch.autograd.grad(loss, z)[0])
        in_loss = max(in_loss, abs(values[0] - values[1]))
        in_slope = max(in_slope, float((slopes[0] - slopes[1]).abs().max()))
    floor = float(F.cross_entropy(F.one_hot(torch.tensor([0]), 10).double(), torch.tensor([0])))
    return [
        exact("largest change of the loss by log-softmax before the cross-entropy", in_loss, method="float64"),
        exact("largest change of the gradient by log-softmax before the cross-entropy", in_slope, method="float64"),
        exact("lowest cross-entropy that softmax before it allows, 10 classes", floor),
        exact("the same floor by formula, ln(e + 9) - 1", math.log(math.e + 9) - 1),
    ]
