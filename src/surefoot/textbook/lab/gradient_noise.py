"""`gradient-noise`: single example, mini-batch and full batch; noise, its floor, and decay removing the floor.

For batches of B out of N examples drawn without repetition the variance of the batch gradient is
sigma² / B · (N - B) / (N - 1), with sigma² the variance of the single gradients summed over the parameters. On a bowl
of d equal eigenvalues lambda, with gradient noise of variance s² per coordinate and example, descent at the constant
rate eta ends at the mean height d eta s² / (2 B (2 - eta lambda)): the noise floor.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, float_series
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.data.surfaces import mean_height, quadratic
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["floor", "run", "single_gradients"]

Floats = npt.NDArray[np.float64]

DIMENSIONS, NOISE, BATCH = 16, 1.0, 8
LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
DECAYED = 0.2
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WAYS: dict[str, tuple[int | str, float]] = {
    "single example": (1, 0.02),
    "mini-batch of 32": (32, 0.2),
    "full batch": ("full", 1.0),
}


def run(setting: Setting, *, draws: int = 200, steps: int = 2500, seeds: int = 2, epochs: int = 3) -> LabResult:
    """Measure the noise of gradients, the floor it makes, and three ways of descent."""
    chosen = setting.seed_list(seeds)
    setting.say("variance of the gradient by batch size")
    task = find_entry("digits").make()
    singles = single_gradients(task, chosen[0])
    sigma2 = float(np.square(singles - singles.mean(axis=0)).sum() / (len(singles) - 1))
    random = np.random.default_rng(chosen[0])
    batches = [one for one in BATCHES if one < len(singles)]
    variances = [_variance(singles, one, draws, random) for one in batches]
    formula = [sigma2 / one * (1 - one / len(singles)) for one in batches]
    slope = float(np.polyfit(np.log(batches[:7]), np.log(variances[:7]), 1)[0])
    sizes = [one for one in (100, 200, 400, 800, len(singles)) if one <= len(singles)]
    by_size = [_single_variance(singles[random.permutation(len(singles))[:one]]) for one in sizes]

    setting.say("the noise floor on a bowl")
    floors, decayed = _floors(chosen, steps)
    exact = [floor(lr) for lr in LRS]
    ratio = [a / b for a, b in zip(floors, exact, strict=True)]
    at_decay = floors[LRS.index(DECAYED)]

    setting.say("three ways of descent on the digits")
    curves, wins = _three_ways(task, chosen[0], epochs)

    verdicts = Verdicts()
    verdicts.compare(
        "variance_exponent",
        -1.0,
        slope,
        within=0.05,
        what="exponent of the batch size in the variance of the gradient, fitted up to 64",
    )
    verdicts.compare(
        "noise_floor_over_formula",
        [1.0] * len(LRS),
        ratio,
        within=0.1,
        what=f"noise floor over the formula at the rates {', '.join(map(str, LRS))}",
    )
    verdicts.state(
        "floor_falls_with_rate",
        all(a < b for a, b in pairwise(floors)),
        what="a smaller constant rate ends closer to the minimum",
        when="each of the floors lies below that of the next higher rate",
    )
    verdicts.state(
        "decay_removes_floor",
        decayed < 0.2 * at_decay,
        what="decay removes the noise floor",
        when=f"a decaying rate from {DECAYED} ends below a fifth of the floor at that constant rate",
    )
    verdicts.state(
        "more_data_less_noise",
        by_size[-1] < 0.8 * by_size[0],
        what="larger data sets reduce gradient noise",
        when=f"the variance of single gradients of {sizes[-1]} examples is below 0.8 of that of {sizes[0]}",
    )
    facts = {
        "batch_sizes": batches,
        "variances": variances,
        "variances_by_formula": formula,
        "data_sizes": sizes,
        "variance_by_data_size": by_size,
        "lrs": list(LRS),
        "floors": floors,
        "floors_by_formula": exact,
        "decayed_height": decayed,
        "constant_height": at_decay,
        "final_losses": wins,
    }
    return LabResult(
        name="gradient-noise",
        title="Gradient noise and its floor",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"The variance of the gradient falls as the batch size to the power {slope:.3f}; single examples "
            f"{variances[0]:.3g}, batches of 64 {variances[batches.index(64)]:.3g}.",
            f"The noise floor lies within {max(abs(one - 1) for one in ratio):.1%} of the formula at {len(LRS)} rates.",
            f"At the constant rate {DECAYED} the height ends at {at_decay:.4f}; decaying from it, at {decayed:.5f}: "
            f"{at_decay / decayed:.0f} times lower.",
            f"Single gradients vary as much in {sizes[0]} examples ({by_size[0]:.3g}) as in {sizes[-1]} "
            f"({by_size[-1]:.3g}).",
            f"After {epochs} epochs of digits the training loss is "
            + ", ".join(f"{loss:.3f} ({name})" for name, loss in wins.items())
            + ".",
        ),
        tables=(
            LabTable(
                "Variance of the gradient, summed over the parameters",
                ("batch size", "measured", "formula"),
                tuple((str(b), f"{v:.4g}", f"{f:.4g}") for b, v, f in zip(batches, variances, formula, strict=True)),
            ),
            LabTable(
                "Noise floor",
                ("rate", "measured", "formula", "measured / formula"),
                tuple(
                    (f"{lr:g}", f"{a:.5f}", f"{b:.5f}", f"{a / b:.3f}")
                    for lr, a, b in zip(LRS, floors, exact, strict=True)
                ),
            ),
        ),
        panels=(
            Panel(
                "Variance of the gradient",
                x_label="batch size",
                y_label="variance",
                x_log=True,
                y_log=True,
                curves=(
                    Curve("measured", float_series(batches), float_series(variances), marker="o"),
                    Curve("formula", float_series(batches), float_series(formula), dashed=True),
                ),
            ),
            Panel(
                "Noise floor of a constant rate",
                x_label="rate",
                y_label="mean height",
                x_log=True,
                y_log=True,
                curves=(
                    Curve("measured", float_series(LRS), float_series(floors), marker="o"),
                    Curve("formula", float_series(LRS), float_series(exact), dashed=True),
                ),
                marks={f"decaying from {DECAYED}": decayed},
            ),
            Panel(
                "Three ways of descent", x_label="epoch", y_label="training loss, smoothed", y_log=True, curves=curves
            ),
        ),
        notes=(
            f"gradients: digits, MLP 64-32-10 before training, {draws} draws per batch size",
            f"bowl: {DIMENSIONS} dimensions of eigenvalue 1, noise {NOISE:g}, batches of {BATCH}, {steps} steps "
            f"of which "
            f"the second half counts, {len(chosen)} seeds",
            "three ways: " + ", ".join(f"{name} at rate {lr:g}" for name, (_, lr) in WAYS.items()),
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=task.checksum()),
    )


def floor(lr: float) -> float:
    """Mean height at which descent at the constant rate `lr` ends on the bowl of this program."""
    return DIMENSIONS * lr * NOISE**2 / (2 * BATCH * (2 - lr))


def single_gradients(task: Task, seed: int, model: nn.Module | None = None) -> Floats:
    """Gradient of the loss of every training example by itself, [examples, parameters].

    `model` is the network at whose weights they are taken; None takes a fresh one of `seed`.
    """
    model = task.make_model(seed) if model is None else model
    weights = {name: one.detach() for name, one in model.named_parameters()}
    x, y = task.train.batch(torch.arange(task.train.size))

    def loss(numbers: dict[str, torch.Tensor], one: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        output = functional_call(model, numbers, (one[None],))
        return torch.nn.functional.cross_entropy(output, target[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, y)
    return torch.cat([one.flatten(1) for one in found.values()], dim=1).double().numpy()


def _variance(singles: Floats, batch: int, draws: int, random: np.random.Generator) -> float:
    """Mean squared distance of batch gradients from the full one, over `draws` batches without repetition."""
    picks = np.zeros((draws, len(singles)))
    for row in picks:
        row[random.permutation(len(singles))[:batch]] = 1.0 / batch
    return float(np.square(picks @ singles - singles.mean(axis=0)).sum(axis=1).mean())


def _single_variance(singles: Floats) -> float:
    return float(np.square(singles - singles.mean(axis=0)).sum() / (len(singles) - 1))


def _floors(seeds: list[int], steps: int) -> tuple[list[float], float]:
    """Mean height in the second half of the steps at every rate, and the last heights of a decaying rate."""
    # Noise rows come in pairs that cancel: a quarter of a pass over many rows keeps batches all but independent.
    surface = quadratic(eigenvalues=(1.0,) * DIMENSIONS, noise=NOISE, rows=4 * steps * BATCH, start=(0.5,) * DIMENSIONS)
    split = surface.split
    task = Task(surface.model, (split.x, split.y), (split.xv[:1], split.yv[:1]), loss=mean_height, name="bowl")
    points = list(range(steps // 2, steps + 1, 25))
    heights = np.zeros(len(LRS))
    decayed = 0.0
    for seed in seeds:
        plain = Recipe(lr=DECAYED, batch_size=BATCH, epochs=0.25, seed=seed, data_seed=seed)
        runs = train_members(task, [plain.replace(lr=lr) for lr in LRS], validate_at=points)
        heights += [float(np.mean(run.val_loss)) / len(seeds) for run in runs]
        falling = train_members(task, [plain.replace(schedule="inverse-time:k=0.1")], validate_at=points)[0]
        decayed += float(np.mean(falling.val_loss[-20:])) / len(seeds)
    return heights.tolist(), decayed


def _three_ways(task: Task, seed: int, epochs: int) -> tuple[tuple[Curve, ...], dict[str, float]]:
    curves, ends = [], {}
    for name, (batch, lr) in WAYS.items():
        run = train_members(task, [Recipe(lr=lr, batch_size=batch, epochs=epochs, seed=seed)])[0]
        per_epoch = run.steps_per_epoch or 1.0
        width = max(1, math.ceil(per_epoch / 10))
        smooth = np.convolve(run.loss, np.ones(width) / width, mode="valid")
        keep = np.unique(np.linspace(0, len(smooth) - 1, 200).round().astype(int))
        curves.append(Curve(name, float_series((keep + width / 2) / per_epoch), float_series(smooth[keep])))
        ends[name] = float(np.mean(run.loss[-max(1, round(per_epoch)) :]))
    return tuple(curves), ends
