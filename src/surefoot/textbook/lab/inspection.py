"""`inspection`: how much weights move by epoch, where they go, and the sharpness of the loss beside 2 / rate.

*Sharpness* is the largest eigenvalue of the Hessian of the training loss. The textbook's limit says that descent at a
rate above 2 / sharpness diverges. On a network, the sharpness itself moves while it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from surefoot.engines.engine import Validation
from surefoot.records import Provenance, Recipe, float_series
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.digit_images import image_task, load_images, printed_recipe
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import epoch_steps, follow
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["run", "sharpness"]

Floats = npt.NDArray[np.float64]


def run(
    setting: Setting, *, images: int = 1500, epochs: int = 12, steps: int = 1500, examples: int = 200, lr: float = 0.1
) -> LabResult:
    """Follow the weights of SimpleCNN, and the sharpness of a small network under full-batch descent."""
    seed = setting.seed_list(1)[0]
    setting.say(f"SimpleCNN for {epochs} epochs")
    names, weights, norms = _weights(setting, seed, images, epochs)
    sizes = np.array([[np.linalg.norm(one[name]) for name in names] for one in weights])
    updates = np.array([[np.linalg.norm(b[name] - a[name]) for name in names] for a, b in pairwise(weights)])
    whole = np.linalg.norm(updates, axis=1)
    path = _plane([np.concatenate([one[name].ravel() for name in names]) for one in weights])

    setting.say(f"sharpness over {steps} steps of full-batch descent")
    at, sharp, losses = _edge(seed, steps, examples, lr)
    rises = int(np.sum(np.diff(losses) > 0))
    late = float(np.mean(sharp[-max(1, len(sharp) // 4) :]))

    verdicts = Verdicts()
    verdicts.state(
        "updates_shrink",
        bool(whole[-1] < 0.5 * whole[0]),
        what="early epochs change the weights much, later ones little",
        when="the last epoch moves the weights less than half as far as the first",
    )
    verdicts.state(
        "updates_become_tiny",
        bool(whole[-1] < 0.05 * whole[0]),
        what="eventually updates become tiny",
        when=f"epoch {epochs} moves the weights less than 5% as far as the first",
    )
    verdicts.state(
        "above_the_limit_loss_diverges",
        bool(losses[-1] > losses[0]),
        what="above 2 / sharpness training diverges",
        when="the loss ends above where it began, on a network whose sharpness reaches 2 / rate",
    )
    facts = {
        "layers": names,
        "weight_norms": sizes.tolist(),
        "update_norms": updates.tolist(),
        "update_norm": whole.tolist(),
        "gradient_norm": norms,
        "sharpness_steps": at,
        "sharpness": sharp,
        "two_over_rate": 2 / lr,
        "late_sharpness": late,
        "steps_that_raised_the_loss": rises,
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
    }
    ratio = updates / sizes[:-1]
    count = range(1, epochs + 1)
    return LabResult(
        name="inspection",
        title="Weights, updates and sharpness",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"Epoch 1 moves the weights of SimpleCNN by {whole[0]:.3f}, epoch {epochs} by {whole[-1]:.3f}: "
            f"{whole[-1] / whole[0]:.0%} as far. The gradient is {norms[0]:.3f} in the median step of epoch 1 and "
            f"{norms[-1]:.3f} in epoch {epochs}.",
            f"At rate {lr:g} the sharpness goes from {sharp[0]:.2f} to {max(sharp):.2f} and is {late:.2f} in the last "
            f"quarter, where 2 / rate is {2 / lr:.2f}.",
            f"The loss still goes from {losses[0]:.3f} to {losses[-1]:.4f}, although {rises} of {steps} steps "
            f"raised it.",
        ),
        tables=(
            LabTable(
                "SimpleCNN by epoch",
                (
                    "epoch",
                    "gradient, median",
                    *(f"{name}: size" for name in names),
                    *(f"{name}: update" for name in names),
                ),
                tuple(
                    (
                        str(e),
                        f"{norms[e - 1]:.4f}",
                        *(f"{one:.3f}" for one in sizes[e]),
                        *(f"{one:.4f}" for one in updates[e - 1]),
                    )
                    for e in count
                ),
            ),
            LabTable(
                "Sharpness",
                ("step", "sharpness", "2 / rate", "loss"),
                tuple(
                    (str(s), f"{v:.3f}", f"{2 / lr:.3f}", f"{losses[min(s, len(losses) - 1)]:.4f}")
                    for s, v in list(zip(at, sharp, strict=True))[:: max(1, len(at) // 10)]
                ),
            ),
        ),
        panels=(
            Panel(
                "Size of the weights",
                x_label="epoch",
                y_label="norm",
                y_log=True,
                curves=tuple(
                    Curve(name, float_series(range(epochs + 1)), float_series(sizes[:, i]))
                    for i, name in enumerate(names)
                ),
            ),
            Panel(
                "Size of the update of an epoch",
                x_label="epoch",
                y_label="norm",
                y_log=True,
                curves=(
                    *(
                        Curve(name, float_series(count), float_series(updates[:, i]), marker="o")
                        for i, name in enumerate(names)
                    ),
                    Curve("gradient, median step", float_series(count), float_series(norms), dashed=True),
                ),
            ),
            Panel(
                "Update over weight",
                x_label="epoch",
                y_label="ratio",
                y_log=True,
                curves=tuple(
                    Curve(name, float_series(count), float_series(ratio[:, i]), marker="o")
                    for i, name in enumerate(names)
                ),
            ),
            Panel(
                "Path of all weights, in the plane of its two largest directions",
                x_label="first",
                y_label="second",
                curves=(Curve("epoch by epoch", float_series(path[:, 0]), float_series(path[:, 1]), marker="o"),),
            ),
            Panel(
                "Sharpness of a tanh network under full-batch descent",
                x_label="step",
                y_label="sharpness",
                curves=(Curve("largest eigenvalue", float_series(at), float_series(sharp), marker="o"),),
                marks={"2 / rate": 2 / lr},
            ),
            Panel(
                "Its loss",
                x_label="step",
                y_label="mean squared error",
                y_log=True,
                curves=(
                    Curve(
                        "loss",
                        float_series(range(len(losses))[:: max(1, len(losses) // 500)]),
                        float_series(losses[:: max(1, len(losses) // 500)]),
                    ),
                ),
            ),
        ),
        notes=(
            f"SimpleCNN: {images} images, SGD at 0.01 with momentum 0.9",
            f"sharpness: {examples} digits, MLP 64-32-10 of tanh, mean squared error, SGD at {lr:g}, full "
            f"batch; by power "
            "iteration",
        ),
        provenance=Provenance.here(seeds={"seed": seed}, data=find_entry("digits").make().checksum()),
    )


def _weights(
    setting: Setting, seed: int, images: int, epochs: int
) -> tuple[list[str], list[dict[str, Floats]], list[float]]:
    """Layers, the weights after each epoch, and the median gradient norm of each epoch."""
    data = load_images(Setting(say=setting.say), images, 100)
    task = image_task(data.x, data.y, data.test_x, data.test_y)
    recipe = printed_recipe(epochs, seed)
    kept: list[dict[str, Floats]] = []

    def observe(_step: int, _seen: Validation, models: Mapping[int, nn.Module]) -> None:
        kept.append({name: one.detach().double().numpy().copy() for name, one in models[0].named_parameters()})

    points = epoch_steps(task, recipe, range(epochs + 1))
    run = follow(task, [recipe], points, observe, grad_norms=True)[0]
    norms = [float(np.median(run.grad_norm[a:b])) for a, b in pairwise(points)]
    return list(kept[0]), kept, norms


def _edge(seed: int, steps: int, examples: int, lr: float) -> tuple[list[int], list[float], Floats]:
    digits = find_entry("digits").make()
    x, y = digits.train.batch(torch.arange(examples))
    wanted = nn.functional.one_hot(y, 10).float()
    task = Task(
        lambda: mlp((64, 32, 10), activation="tanh"), (x, wanted), (x, wanted), loss=_squares, name="tanh network"
    )
    recipe = Recipe(lr=lr, batch_size="full", epochs=steps, seed=seed)
    at = sorted({*range(0, 200, 25), *range(0, steps + 1, max(1, steps // 30)), steps})
    found: list[float] = []
    run = follow(
        task,
        [recipe],
        at,
        lambda _step, _seen, models: found.append(sharpness(models[0], lambda m: _squares(m(x), wanted))),
    )[0]
    return at[: len(found)], found, run.loss


def _squares(output: Tensor, target: Tensor) -> Tensor:
    """Half of the squared distance, per example: scores of ten classes."""
    return 0.5 * (output - target).square().sum(dim=1).mean()


def sharpness(model: nn.Module, loss_of: Callable[[nn.Module], Tensor], rounds: int = 40) -> float:
    """Largest eigenvalue of the Hessian of ``loss_of(model)`` by power iteration.

    Every round multiplies a vector by the Hessian through a second derivative; its length tends to the eigenvalue of
    largest size.
    """
    parameters = [one for one in model.parameters() if one.requires_grad]
    slopes = torch.autograd.grad(loss_of(model), parameters, create_graph=True)
    flat = torch.cat([one.flatten() for one in slopes])
    vector = torch.ones_like(flat) / len(flat) ** 0.5 + 1e-3 * torch.linspace(-1, 1, len(flat))
    value = 0.0
    for _ in range(rounds):
        product = torch.autograd.grad(flat, parameters, grad_outputs=vector, retain_graph=True)
        turned = torch.cat([one.flatten() for one in product])
        value = float(vector @ turned / (vector @ vector))
        vector = turned / turned.norm().clamp_min(1e-30)
    return value


def _plane(points: list[Floats]) -> Floats:
    """The points in the plane of the two largest directions of their spread, [points, 2]."""
    array = np.array(points)
    array = array - array.mean(axis=0)
    left, size, _ = np.linalg.svd(array, full_matrices=False)
    return np.asarray(left[:, :2] * size[:2])
