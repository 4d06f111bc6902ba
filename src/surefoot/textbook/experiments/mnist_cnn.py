"""`mnist-cnn`: the course's CNN on an excerpt of MNIST for 50 epochs, and its loop with a step left out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.models.simple_cnn import simple_cnn
from surefoot.textbook.experiments.trials import Floats, follow_each
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.digit_images import image_task, load_images, printed_recipe
from surefoot.textbook.lab.training import Epoch, epoch_steps, measure
from surefoot.textbook.measuring import exact, mean_of

__all__ = ["Histories", "cnn_histories", "loss_left"]

SEEDS = {"quick": 1, "full": 6}
"""The accuracy that stopping gains on clean images was -0.017 ± 0.014 (standard deviation over seeds) in the
earlier run; to tell that from half a point in 9 of 10 runs takes (3.24 × 0.014 / 0.022)² = 4 seeds, 6 with so few
degrees of freedom."""
STEPS = ("complete", "no clearing of gradients", "no backward pass", "no update")


@dataclasses.dataclass(frozen=True)
class Histories:
    """Trainings epoch by epoch, from epoch 0 on: [seeds, epochs + 1]; changes of weights are [seeds, epochs]."""

    epochs: tuple[int, ...]
    """Epochs at which the training images were looked at as well."""
    train: tuple[dict[int, Epoch], ...]
    running: Floats
    """Mean loss of the batches of each epoch, as the course's program prints it: [seeds, epochs]."""
    val_loss: Floats
    val_accuracy: Floats
    test_accuracy: Floats
    """On images that neither train nor validate."""
    change: dict[str, Floats]
    """Layer -> norm of the change of its weights in each epoch."""
    images: int
    held: int


@functools.lru_cache(maxsize=2)
def cnn_histories(size: Size, seeds: tuple[int, ...]) -> Histories:
    """Train the CNN as printed: SGD at 0.01 with momentum 0.9, batches of 64. `early-stop` reads it too."""
    images, test, epochs = (4000, 2000, 50) if size == "full" else (200, 200, 6)
    data = load_images(Setting(), images, test)
    half = test // 2
    task = image_task(data.x, data.y, data.test_x[:half], data.test_y[:half])
    on_train = image_task(data.x, data.y, data.x, data.y)
    on_test = image_task(data.x[:64], data.y[:64], data.test_x[half:], data.test_y[half:])
    looked = tuple(one for one in (1, 3, 10, 20, 30, 40, 50) if one <= epochs)
    recipe = printed_recipe(epochs, seeds[0])
    points = epoch_steps(task, recipe, range(epochs + 1))
    train: tuple[dict[int, Epoch], ...] = tuple({} for _ in seeds)
    val_loss, val_accuracy, test_accuracy = ([[] for _ in seeds] for _ in range(3))  # type: ignore[var-annotated]
    weights: list[list[dict[str, Floats]]] = [[] for _ in seeds]

    def observe(place: int, step: int, seen: Validation, model: nn.Module) -> None:
        val_loss[place].append(float(seen.loss[0]))
        val_accuracy[place].append(float(seen.metrics["accuracy"][0]))
        test_accuracy[place].append(measure(on_test, model).accuracy)
        weights[place].append({name: one.detach().double().numpy().copy() for name, one in model.named_parameters()})
        epoch = points.index(step)
        if epoch in looked:
            train[place][epoch] = measure(on_train, model)

    runs = follow_each(task, recipe, seeds, points, observe)
    change = {
        layer: np.array(
            [[np.linalg.norm(b[f"{layer}.weight"] - a[f"{layer}.weight"]) for a, b in pairwise(one)] for one in weights]
        )
        for layer in ("conv1", "fc1")
    }
    running = np.array([[one.loss[a:b].mean() for a, b in pairwise(points)] for one in runs])
    return Histories(
        looked,
        train,
        running,
        np.array(val_loss),
        np.array(val_accuracy),
        np.array(test_accuracy),
        change,
        images,
        half,
    )


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train, read the tables' numbers, and leave steps out."""
    seen = cnn_histories(size, tuple(seeds))
    last = seen.val_accuracy.shape[1] - 1
    found: list[Measurement] = []
    for epoch in seen.epochs:
        words = f"after {epoch} epochs"
        found.append(mean_of(f"training loss of the CNN {words}", seen.running[:, epoch - 1], method="as printed"))
        found.append(mean_of(f"training accuracy of the CNN {words}", [one[epoch].accuracy for one in seen.train]))
        found.append(mean_of(f"validation accuracy of the CNN {words}", seen.val_accuracy[:, epoch]))
        found.append(mean_of(f"validation loss of the CNN {words}", seen.val_loss[:, epoch]))
    early, middle, late = (3, 10, 30) if last >= 30 else (1, 3, last)
    gains = [seen.running[:, a - 1] - seen.running[:, b - 1] for a, b in ((1, early), (early, middle), (middle, late))]
    found += [
        mean_of("fall of the training loss from epoch 1 to the early one", gains[0], method=f"to epoch {early}"),
        mean_of(
            "fall of the training loss from the early epoch to the middle one", gains[1], method=f"to epoch {middle}"
        ),
        mean_of("fall of the training loss from the middle epoch to the late one", gains[2], method=f"to epoch {late}"),
        mean_of("fall per epoch early over fall per epoch late", _pace(gains, middle, late)),
        mean_of(
            "rise of the training accuracy from epoch 1 to the last",
            [one[max(seen.epochs)].accuracy - one[1].accuracy for one in seen.train],
        ),
    ]
    best = seen.val_accuracy.max(axis=1)
    found += [
        mean_of("epoch of the lowest validation loss of the CNN", seen.val_loss.argmin(axis=1)),
        mean_of(
            "share of the epochs after the lowest validation loss of the CNN", 1 - seen.val_loss.argmin(axis=1) / last
        ),
        mean_of("validation loss of the CNN, last over lowest", seen.val_loss[:, -1] / seen.val_loss.min(axis=1)),
        mean_of("best minus last validation accuracy of the CNN", best - seen.val_accuracy[:, -1]),
        exact(
            "two standard errors of the CNN's validation accuracy",
            2 * float(np.sqrt(best.mean() * (1 - best.mean()) / seen.held)),
        ),
    ]
    at_lowest = seen.test_accuracy[np.arange(len(seeds)), seen.val_loss.argmin(axis=1)]
    found.append(
        mean_of("test accuracy the CNN gains after its lowest validation loss", seen.test_accuracy[:, -1] - at_lowest)
    )
    for layer, words in (("conv1", "convolution"), ("fc1", "fully connected layer")):
        ratio = seen.change[layer][:, -1] / seen.change[layer][:, 0]
        found.append(mean_of(f"weight change in the last epoch over the first, {words}", ratio))
        falling = [float(np.mean(np.diff(one) < 0)) for one in seen.change[layer]]
        found.append(mean_of(f"share of epochs whose weight change is smaller than before, {words}", falling))
    for step in STEPS:
        left = [loss_left(step, seed, 30 if size == "full" else 12) for seed in seeds]
        found.append(mean_of(f"share of the loss left by the training loop, {step}", left))
    axis = float_series(range(last + 1))
    return Outcome(
        "mnist-cnn",
        measurements=tuple(found),
        panels=(
            Panel(
                "The course's CNN by epoch",
                x_label="epoch",
                y_label="validation accuracy",
                curves=(
                    Curve("measured", axis, float_series(seen.val_accuracy.mean(axis=0))),
                    Curve(
                        "one table of the course",
                        float_series([3, 10, 30]),
                        float_series([0.87, 0.94, 0.92]),
                        dashed=True,
                        marker="x",
                    ),
                    Curve(
                        "the other table",
                        float_series([10, 30, 50]),
                        float_series([0.94, 0.94, 0.92]),
                        dashed=True,
                        marker="s",
                    ),
                ),
            ),
            Panel(
                "Losses of the course's CNN by epoch",
                x_label="epoch",
                y_label="cross-entropy",
                y_log=True,
                curves=(
                    Curve("training", float_series(range(1, last + 1)), float_series(seen.running.mean(axis=0))),
                    Curve("validation", axis, float_series(seen.val_loss.mean(axis=0))),
                ),
            ),
        ),
        notes=(f"{seen.images:,} training and {seen.held:,} validation images of MNIST; the course trains on 60,000",),
    )


def _pace(gains: Sequence[Floats], middle: int, late: int) -> Floats:
    """Fall per epoch up to the middle one, over that from there to the late one."""
    before = (gains[0] + gains[1]) / (middle - 1)
    return np.asarray(before / np.maximum(gains[2] / (late - middle), 1e-9))


def loss_left(step: str, seed: int, updates: int) -> float:
    """Loss after so many updates over the loss before them, with one step of the loop left out; 256 images."""
    data = load_images(Setting(), 256, 10)
    with borrowed_rng(seed):
        model = simple_cnn()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for update in range(updates + 1):
        batch = slice(64 * update % 256, 64 * update % 256 + 64)
        if step != "no clearing of gradients":
            optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data.x[batch]), data.y[batch])
        losses.append(loss.item())
        if step != "no backward pass":
            loss.backward()  # type: ignore[no-untyped-call]
        if step != "no update":
            optimizer.step()
    return float(np.mean(losses[-4:]) / np.mean(losses[:1]))
