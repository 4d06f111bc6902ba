"""`optim-check`: adaptive optimizers written out from their papers against torch's, and the step each gives a weight.

A *step per gradient* is the size of a weight's update over that of its gradient. SGD gives all weights the same one;
an optimizer that adapts gives weights whose gradients are small a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from surefoot.records.claim import Outcome, Size
from surefoot.textbook.experiments.trials import Floats
from surefoot.textbook.measuring import exact, mean_of

__all__ = ["by_hand"]

SEEDS = {"quick": 2, "full": 5}
STEPS = 100
SCALES = (1.0, 1000.0)
LR = {"SGD": 1e-7, "Adam": 0.01, "AdaGrad": 0.01, "RMSprop": 0.01, "Adadelta": 1.0}
TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
    "AdaGrad": torch.optim.Adagrad,
    "RMSprop": torch.optim.RMSprop,
    "Adadelta": torch.optim.Adadelta,
}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Fit a regression whose inputs differ in scale, twice: by hand and by torch."""
    steps = STEPS if size == "full" else 30
    differences, ratios = {}, {}
    for name in TORCH:
        worst, seen = 0.0, []
        for seed in seeds:
            x, y = _data(seed)
            ours, per_gradient = _walk(x, y, by_hand(name, LR[name]), steps)
            worst = max(worst, float(np.abs(ours - _torch_walk(x, y, name, steps)).max()))
            seen.append(per_gradient)
        differences[name], ratios[name] = worst, seen
    found = [
        exact(f"largest difference of {name} by hand from torch", one, method=f"largest weight, {steps} steps, float64")
        for name, one in differences.items()
    ]
    found.append(
        exact(
            "largest difference of five optimizers by hand from torch",
            max(differences.values()),
            method="over five optimizers",
        )
    )
    for name, one in ratios.items():
        found.append(
            mean_of(
                f"step per gradient of a small input over a large one, {name}",
                one,
                method="step per gradient of the weight of the small input over that of the input 1000 times as large, "
                "median over steps",
            )
        )
    return Outcome(
        "optim-check",
        measurements=tuple(found),
        notes=("linear regression, two inputs of scale 1 and 1000, 64 examples, full batch",),
    )


def by_hand(name: str, lr: float) -> Callable[[Floats, int], Floats]:
    """(gradient, step from 1) -> what is subtracted from the weights.

    Duchi et al. 2011 (AdaGrad), Zeiler 2012 (Adadelta), Tieleman & Hinton 2012 (RMSprop), Kingma & Ba 2015 (Adam).

    The constants are torch's defaults.
    """
    first = second = np.zeros(0)

    def update(g: Floats, step: int) -> Floats:
        nonlocal first, second
        if step == 1:
            first, second = np.zeros_like(g), np.zeros_like(g)
        if name == "SGD":
            return lr * g
        if name == "AdaGrad":
            second = second + g * g
            return np.asarray(lr * g / (np.sqrt(second) + 1e-10))
        if name == "RMSprop":
            second = 0.99 * second + 0.01 * g * g
            return np.asarray(lr * g / (np.sqrt(second) + 1e-8))
        if name == "Adadelta":
            second = 0.9 * second + 0.1 * g * g
            change = g * np.sqrt(first + 1e-6) / np.sqrt(second + 1e-6)
            first = 0.9 * first + 0.1 * change * change
            return np.asarray(lr * change)
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g * g
        return np.asarray(lr * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8))

    return update


def _data(seed: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((64, 2)) * np.array(SCALES)
    return x, x @ np.array([1.0, 1.0 / SCALES[1]]) + 0.1 * random.standard_normal(64)


def _gradient(w: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(2 * x.T @ (x @ w - y) / len(y))


def _walk(x: Floats, y: Floats, update: Callable[[Floats, int], Floats], steps: int) -> tuple[Floats, float]:
    w, ratios = np.zeros(2), []
    for step in range(1, steps + 1):
        gradient = _gradient(w, x, y)
        change = update(gradient, step)
        w = w - change
        per_gradient = np.abs(change) / np.maximum(np.abs(gradient), 1e-300)
        ratios.append(per_gradient[0] / per_gradient[1])
    return w, float(np.median(ratios))


def _torch_walk(x: Floats, y: Floats, name: str, steps: int) -> Floats:
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = TORCH[name]([w], lr=LR[name])
    for _ in range(steps):
        w.grad = torch.from_numpy(_gradient(w.detach().numpy(), x, y))
        optimizer.step()
    return np.asarray(w.detach().numpy())
