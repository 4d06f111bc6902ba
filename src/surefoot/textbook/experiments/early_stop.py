"""`early-stop`: what stopping saves and costs, on clean images and on digits of which every fifth label is wrong.

Stopping looks at the validation examples; its accuracy is that of test examples it never saw. The kept model is the one
with the lowest validation loss before the training was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from surefoot.records import Measurement, Recipe, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.task import Task
from surefoot.textbook.experiments.mnist_cnn import cnn_histories
from surefoot.textbook.experiments.trials import Floats, trained
from surefoot.textbook.measuring import mean_of
from surefoot.textbook.seeds import shared

__all__ = ["stopped"]

SEEDS = {"quick": 1, "full": 6}
"""As many as `mnist-cnn`, whose trainings are read here."""
PATIENCES = (3, 5, 10)
CASES = ("clean images", "digits with 20% wrong labels")


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Read the CNN's histories, train on wrong labels, and stop both after the fact."""
    cnn = cnn_histories(size, tuple(seeds))
    losses, held, tests, fitted = _wrong_labels(250 if size == "full" else 40, seeds)
    found: list[Measurement] = []
    for case, loss, reached, test in (
        (CASES[0], cnn.val_loss, cnn.val_accuracy, cnn.test_accuracy),
        (CASES[1], losses, held, tests),
    ):
        last = loss.shape[1] - 1
        for patience in PATIENCES:
            stops = [stopped(one, patience) for one in loss]
            kept = np.array([row[best] for row, (best, _) in zip(test, stops, strict=True)])
            saved = np.array([1 - end / last for _, end in stops])
            words = f"patience {patience}, {case}"
            found.append(mean_of(f"test accuracy that stopping gains, {words}", kept - test[:, -1]))
            found.append(mean_of(f"share of epochs that stopping saves, {words}", saved))
        lowest, highest = loss.argmin(axis=1), reached.argmax(axis=1)
        found.append(mean_of(f"epochs between lowest validation loss and highest accuracy, {case}", highest - lowest))
        found.append(mean_of(f"rise of the validation loss after its lowest, {case}", loss[:, -1] - loss.min(axis=1)))
        rows = np.arange(len(loss))
        change = reached[:, -1] - reached[rows, lowest]
        found.append(mean_of(f"change of the validation accuracy after the lowest validation loss, {case}", change))
        found.append(mean_of(f"best minus last validation accuracy, {case}", reached.max(axis=1) - reached[:, -1]))
    axis = float_series(range(losses.shape[1]))
    return Outcome(
        "early-stop",
        measurements=tuple(found),
        panels=(
            Panel(
                "Digits with 20% wrong labels",
                x_label="epoch",
                y_label="validation accuracy",
                curves=(Curve("validation", axis, float_series(held.mean(axis=0))),),
            ),
            Panel(
                "Losses on digits with 20% wrong labels",
                x_label="epoch",
                y_label="cross-entropy",
                curves=(
                    Curve("validation", axis, float_series(losses.mean(axis=0))),
                    Curve("training", float_series(range(1, len(axis))), float_series(fitted.mean(axis=0))),
                ),
            ),
        ),
        notes=(
            f"the course's CNN on {cnn.images:,} images; digits MLP 64-64-10, SGD at 0.1, batches of 32",
            "clean validation and test examples; a stop counts epochs without a lower validation loss",
        ),
    )


def stopped(losses: Floats, patience: int) -> tuple[int, int]:
    """Epoch of the kept model and epoch of the stop, when a training waits `patience` epochs for a lower loss."""
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return best, epoch
    return best, len(losses) - 1


def _wrong_labels(epochs: int, seeds: Sequence[int]) -> tuple[Floats, Floats, Floats, Floats]:
    """Validation loss and accuracy, test accuracy and training loss by epoch."""
    from surefoot.tasks.models.mlp import mlp

    digits = find_entry("digits").make()
    x, y = digits.train.batch(torch.arange(700))
    random = torch.Generator().manual_seed(shared())
    wrong = torch.rand(len(y), generator=random) < 0.2
    y = torch.where(wrong, (y + torch.randint(1, 10, y.shape, generator=random)) % 10, y)
    xt, yt = digits.train.batch(torch.arange(700, 1400))
    xv, yv = digits.val.batch(torch.arange(digits.val.size))

    def on_test(model: torch.nn.Module, batch: object) -> torch.Tensor:  # noqa: ARG001 - the test set is always the same
        return accuracy(model(xt), yt)

    task = Task(
        lambda: mlp((64, 64, 10)),
        (x, y),
        (xv, yv),
        loss=digits.loss,
        metrics={"accuracy": accuracy, "test": on_test},
        name="digits with wrong labels",
    )
    per_epoch = -(-len(y) // 32)
    points = [per_epoch * epoch for epoch in range(epochs + 1)]
    runs = trained(task, {0: Recipe(lr=0.1, batch_size=32, epochs=epochs)}, seeds, validate_at=points)[0]
    fitted = np.array([np.asarray(run.loss).reshape(epochs, per_epoch).mean(axis=1) for run in runs])
    return (
        np.array([run.val_loss for run in runs]),
        np.array([run.val_metrics["accuracy"] for run in runs]),
        np.array([run.val_metrics["test"] for run in runs]),
        fitted,
    )
