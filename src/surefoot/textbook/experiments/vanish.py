"""`vanish`: gradients that vanish through many sigmoid layers, and that explode through many recurrent steps.

What backpropagation measures at the start, what the usual remedies do to it, and whether any rate repairs it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.trials import Floats, accuracies, table, trained_at, with_model
from surefoot.textbook.lab.building_blocks import first_layer_gradient
from surefoot.textbook.measuring import mean_of, share_of

SEEDS = {"quick": 2, "full": 5}
DEPTHS = (1, 2, 4, 8, 16)
DEEP, WIDTH = 8, 32


class Wild(nn.Module):
    """A recurrent network without squashing whose weights stretch what they carry, (n, 64) to (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.tell = nn.RNN(8, 32, nonlinearity="relu", batch_first=True), nn.Linear(32, 10)
        with torch.no_grad():
            self.read.get_parameter("weight_hh_l0").mul_(2.5)

    def forward(self, x: Tensor) -> Tensor:
        """Scores."""
        _, last = self.read(x.reshape(len(x), 8, 8).repeat(1, 3, 1))
        return self.tell(last[0])  # type: ignore[no-any-return]


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Measure gradients at the start by depth, then train the deep net at rates over four decades."""
    full = size == "full"
    digits = find_entry("digits").make()
    first = np.array([[first_layer_gradient(digits, "sigmoid", depth, seed) for seed in seeds] for depth in DEPTHS])
    found: list[Measurement] = [
        mean_of(f"first-layer gradient at the start, {depth} sigmoid layers", row)
        for depth, row in zip(DEPTHS, first, strict=True)
    ]
    found.append(mean_of("log10 of the first-layer gradient, 8 sigmoid layers over 1", np.log10(first[3] / first[0])))
    found += _remedies(digits, seeds)
    steps = 1500 if full else 150
    deep = with_model(digits, lambda: mlp((64, *[WIDTH] * DEEP, 10), activation="sigmoid"), "deep sigmoid")
    lrs = (0.001, 0.01, 0.1, 1.0, 10.0)
    few_seeds = seeds[: 3 if full else 2]
    by_sgd = table(trained_at(deep, Recipe(batch_size=64, epochs=1), lrs, few_seeds, horizon=steps))
    adam = (0.001, 0.003, 0.01)
    by_adam = table(trained_at(deep, Recipe(optimizer="adam", batch_size=64, epochs=1), adam, few_seeds, horizon=steps))
    for lr, row in zip(lrs, by_sgd, strict=True):
        found.append(mean_of(f"accuracy of 8 sigmoid layers, SGD at {lr:g}", row))
    for lr, row in zip(adam, by_adam, strict=True):
        found.append(mean_of(f"accuracy of 8 sigmoid layers, Adam at {lr:g}", row))
    found.append(mean_of("best accuracy of 8 sigmoid layers over four decades of rates, SGD", by_sgd.max(axis=0)))
    found.append(mean_of("best accuracy of 8 sigmoid layers, Adam", by_adam.max(axis=0)))
    found += _explosion(digits, seeds, 100 if full else 40)
    return Outcome(
        "vanish",
        measurements=tuple(found),
        panels=(
            Panel(
                "Gradient of the first layer before training",
                x_label="sigmoid layers",
                y_label="norm",
                x_log=True,
                y_log=True,
                curves=(Curve("first layer", float_series(DEPTHS), float_series(first.mean(axis=1)), marker="o"),),
            ),
        ),
        notes=(f"digits, width {WIDTH}, {steps} updates in batches of 64; chance is about 10%",),
    )


def _remedies(digits: Task, seeds: Sequence[int]) -> list[Measurement]:
    """Gradient of the first layer over that of the last at depth 8: plain, clipped, normalised, with skips."""
    ratios: dict[str, list[float]] = {name: [] for name in ("plain", "clipped", "normalised", "with ReLU and skips")}
    for seed in seeds:
        for name in ratios:
            ratios[name].append(_ratio(digits, name, seed))
    plain = np.log10(np.array(ratios["plain"]))
    found = [
        mean_of(f"log10 of first-layer over last-layer gradient, {name}", np.log10(one)) for name, one in ratios.items()
    ]
    for name in ("clipped", "normalised", "with ReLU and skips"):
        gain = np.log10(np.array(ratios[name])) - plain
        found.append(mean_of(f"decades that lift the first layer's gradient, {name}", gain))
    return found


def _ratio(digits: Task, kind: str, seed: int) -> float:
    from surefoot.textbook.experiments.digits_depth import skipping_net

    with borrowed_rng(seed):
        if kind == "with ReLU and skips":
            model = skipping_net(DEEP)
        else:
            layers: list[nn.Module] = []
            for place in range(DEEP):
                layers.append(nn.Linear(64 if place == 0 else WIDTH, WIDTH))
                layers += [nn.BatchNorm1d(WIDTH)] if kind == "normalised" else []
                layers.append(nn.Sigmoid())
            model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    weights = [one for name, one in model.named_parameters() if one.ndim == 2]
    slopes = torch.autograd.grad(digits.loss_of(model, digits.train.batch(torch.arange(256))), weights)
    sizes = [float(one.norm()) for one in slopes]
    if kind == "clipped":  # by the norm of all of it, as clipping does: one factor for every layer
        whole = float(np.sqrt(np.square(sizes).sum()))
        sizes = [one * min(1.0, 0.1 / whole) for one in sizes]
    return sizes[0] / sizes[-1]


def _explosion(digits: Task, seeds: Sequence[int], steps: int) -> list[Measurement]:
    """Recurrent nets whose gradients explode: how often a training runs away, by rate and with clipping."""
    task = with_model(digits, Wild, "stretching recurrent net")
    found = []
    model = task.make_model(seeds[0])
    first: Floats = np.array(
        [
            float(one.norm())
            for one in torch.autograd.grad(
                task.loss_of(model, task.train.batch(torch.arange(64))), list(model.parameters())
            )
        ]
    )
    found.append(mean_of("largest gradient of a layer of the stretching recurrent net", [float(first.max())]))
    for lr, clip in ((1e-6, None), (0.1, None), (0.1, 1.0)):
        recipe = Recipe(batch_size=64, epochs=1, clip=clip)
        runs = trained_at(task, recipe, [lr], seeds, horizon=steps)[lr]
        wild = [run.fate == "diverged" or not run.final_val_loss < 10 * run.val_loss[0] for run in runs]
        words = f"rate {lr:g}" + (", clipped" if clip else "")
        found.append(share_of(f"share of exploded recurrent trainings, {words}", sum(wild), len(wild)))
        found.append(mean_of(f"accuracy of the stretching recurrent net, {words}", accuracies(runs)))
    return found
