"""`mnist-cnn`: SimpleCNN for three epochs, with the loss of each epoch, the first filter and the biases."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import nn

from surefoot.engines.engine import Validation
from surefoot.records import Provenance, float_series
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.digit_images import image_task, load_images, printed_recipe
from surefoot.textbook.lab.record import Curve, Grid, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import Epoch, epoch_steps, follow, measure, with_seeds
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["run"]

EPOCHS = 3


def run(setting: Setting, *, images: int = 10_000, test: int = 2000, seeds: int = 2, epochs: int = EPOCHS) -> LabResult:
    """Train as printed and look inside after every epoch."""
    data = load_images(setting, images, test)
    task = image_task(data.x, data.y, data.test_x, data.test_y)
    on_train = image_task(data.x, data.y, data.x, data.y)
    chosen = setting.seed_list(1 if data.whole else seeds)
    recipes = with_seeds(printed_recipe(epochs, chosen[0]), chosen)
    points = epoch_steps(task, recipes[0], range(epochs + 1))
    filters: list[list[float]] = []
    biases: list[list[float]] = []
    held: list[list[Epoch]] = []
    fitted: list[list[Epoch]] = []

    def observe(_step: int, validation: Validation, models: Mapping[int, nn.Module]) -> None:
        first = models[0].get_parameter("conv1.weight").detach()[0, 0]
        filters.append(first.flatten().tolist())
        biases.append(models[0].get_parameter("conv1.bias").detach().tolist())
        accuracies = validation.metrics["accuracy"].tolist()
        held.append([Epoch(*pair) for pair in zip(validation.loss.tolist(), accuracies, strict=True)])
        fitted.append([measure(on_train, models[member]) for member in sorted(models)])

    runs = follow(task, recipes, points, observe, say=setting.say)
    running = [
        [float(np.mean(run.loss[points[e] : points[e + 1]])) for run in runs] for e in range(epochs)
    ]  # as printed: averaged over batches while the weights change
    model = task.make_model(chosen[0])
    side = int(model.get_submodule("conv1")(data.x[:1]).shape[-1])
    shown = model.get_parameter("conv1.weight")[0][0][:5, :5]

    last_train = [one.accuracy for one in fitted[-1]]
    last_val = [one.accuracy for one in held[-1]]
    verdicts = Verdicts()
    verdicts.compare("conv_output_side", 26, side, what="side of the feature maps of a 28 x 28 image")
    verdicts.compare(
        "parameters", 67710, sum(one.numel() for one in model.parameters()), what="parameters of SimpleCNN"
    )
    verdicts.compare("filter_side", 5, shown.shape[0], what="side of the piece [:5, :5] of the first filter")
    verdicts.compare(
        "training_loss",
        0.35,
        _mean(running[-1]),
        share=0.1,
        spread=_spread(running[-1]),
        what=f"average training loss in epoch {epochs}",
    )
    verdicts.compare(
        "training_accuracy",
        0.88,
        _mean(last_train),
        within=0.01,
        spread=_spread(last_train),
        what=f"training accuracy after {epochs} epochs",
    )
    verdicts.compare(
        "validation_accuracy",
        0.87,
        _mean(last_val),
        within=0.01,
        spread=_spread(last_val),
        what=f"validation accuracy after {epochs} epochs",
    )
    moved = np.abs(np.diff(np.array(filters), axis=0)).mean(axis=1)
    facts = {
        "running_loss": [_mean(one) for one in running],
        "training_loss_after": [_mean([e.loss for e in one]) for one in fitted],
        "training_accuracy_after": [_mean([e.accuracy for e in one]) for one in fitted],
        "validation_loss_after": [_mean([e.loss for e in one]) for one in held],
        "validation_accuracy_after": [_mean([e.accuracy for e in one]) for one in held],
        "first_filter": filters[-1],
        "conv1_bias": biases[-1],
        "first_filter_mean_change": moved.tolist(),
        "seeds": len(chosen),
    }
    return LabResult(
        name="mnist-cnn",
        title="SimpleCNN on handwritten digits",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"After {epochs} epochs the accuracy is {_mean(last_train):.1%} on the training images and "
            f"{_mean(last_val):.1%} on the test images (printed: 88% and 87%).",
            "Average loss by epoch, as the printed program computes it: "
            + ", ".join(f"{_mean(one):.4f}" for one in running)
            + ".",
            f"Measured after the epoch instead of during it, the training loss of epoch 1 is "
            f"{facts['training_loss_after'][1]:.3f}"
            f", not {_mean(running[0]):.3f}: the printed average counts batches from before the weights were good.",
            f"The first filter moved by {moved[0]:.4f} per weight in epoch 1 and by {moved[-1]:.4f} in epoch {epochs}.",
            f"The printed slice [:5, :5] shows a filter of {shown.shape[0]} x {shown.shape[1]}: there are no 5 "
            f"x 5 weights.",
        ),
        tables=(
            LabTable(
                "By epoch",
                (
                    "epoch",
                    "average loss, as printed",
                    "training loss after",
                    "training accuracy",
                    "validation loss",
                    "validation accuracy",
                ),
                tuple(
                    (str(e), "–" if e == 0 else f"{_mean(running[e - 1]):.4f}", *_row(fitted[e]), *_row(held[e]))
                    for e in range(epochs + 1)
                ),
            ),
            LabTable(
                "First filter by epoch, row by row",
                ("epoch", "weights"),
                tuple((str(e), "  ".join(f"{one:+.3f}" for one in row)) for e, row in enumerate(filters)),
            ),
            LabTable(
                "Biases of the convolution by epoch",
                ("epoch", "biases"),
                tuple((str(e), "  ".join(f"{one:+.3f}" for one in row)) for e, row in enumerate(biases)),
            ),
        ),
        panels=(
            Panel(
                "Loss by epoch",
                x_label="epoch",
                y_label="cross-entropy",
                curves=(
                    Curve(
                        "average during the epoch, as printed",
                        float_series(range(1, epochs + 1)),
                        float_series([_mean(one) for one in running]),
                        marker="o",
                        dashed=True,
                    ),
                    Curve(
                        "training, after the epoch",
                        float_series(range(epochs + 1)),
                        float_series(facts["training_loss_after"]),
                        marker="o",
                    ),
                    Curve(
                        "validation",
                        float_series(range(epochs + 1)),
                        float_series(facts["validation_loss_after"]),
                        marker="s",
                    ),
                ),
            ),
            Panel(
                "First filter after each epoch",
                style="images",
                grids=tuple(Grid(f"epoch {e}", 3, 3, float_series(row)) for e, row in enumerate(filters)),
            ),
            Panel(
                "Biases of the convolution",
                x_label="epoch",
                y_label="bias",
                curves=tuple(
                    Curve(f"{place}", float_series(range(epochs + 1)), float_series(row))
                    for place, row in enumerate(np.array(biases).T.tolist())
                ),
            ),
        ),
        notes=(
            data.words,
            "validation is the test part, as printed; choosing anything by it would leak",
            f"mean over {len(chosen)} seeds; the printed program sets none",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=task.checksum()),
    )


def _row(epoch: list[Epoch]) -> tuple[str, str]:
    return f"{_mean([one.loss for one in epoch]):.4f}", f"{_mean([one.accuracy for one in epoch]):.2%}"


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _spread(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
