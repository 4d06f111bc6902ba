"""`epochs`: SimpleCNN for 3, 10, 30 and 50 epochs against two printed tables, and whether 50 are too many.

As printed, the test part serves as validation and nothing holds the training back. Corrected, a part of the training
images validates, the test images are only looked at in the end, and early stopping, dropout, weight decay and shifted
images are tried.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from torch import nn

from surefoot.engines.early_stopping import EarlyStop
from surefoot.engines.engine import Validation
from surefoot.records import Provenance, float_series
from surefoot.tasks.augmenting import changed
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.digit_images import Images, image_task, load_images, printed_recipe
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import Epoch, epoch_steps, follow, measure
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["run"]

FIRST = {3: (0.35, 0.88, 0.87), 10: (0.15, 0.95, 0.94), 30: (0.05, 0.99, 0.92)}
SECOND = {10: (0.15, 0.95, 0.94), 30: (0.07, 0.98, 0.94), 50: (0.03, 0.99, 0.92)}
"""Epochs -> training loss, training accuracy, validation accuracy of the two printed tables."""
PATIENCE = 5
HELD = 0.2


@dataclasses.dataclass
class History:
    """A training epoch by epoch."""

    train: list[Epoch] = dataclasses.field(default_factory=list)
    val: list[Epoch] = dataclasses.field(default_factory=list)
    test: list[Epoch] = dataclasses.field(default_factory=list)
    stop: int | None = None

    def best(self) -> int:
        """Epoch with the lowest validation loss."""
        return int(np.argmin([one.loss for one in self.val]))

    def stopped(self) -> int:
        """Epoch at which early stopping would have ended the training."""
        return len(self.val) - 1 if self.stop is None else self.stop


def run(setting: Setting, *, images: int = 1200, test: int = 1000, epochs: int = 50) -> LabResult:
    """Train as printed for `epochs` epochs, then with a proper split, four ways."""
    data = load_images(setting, images, test)
    seed = setting.seed_list(1)[0]
    setting.say(f"{epochs} epochs as printed, {len(data.x)} images")
    printed = _train(setting, image_task(data.x, data.y, data.test_x, data.test_y), data, seed, epochs)
    variants = _corrected(setting, data, seed, epochs)
    rows = [one for one in (3, 10, 30, 50) if one <= epochs]

    verdicts = Verdicts()
    for name, table in (("first_table", FIRST), ("second_table", SECOND)):
        for epoch in (one for one in table if one <= epochs):
            loss, fitted, held = table[epoch]
            after, val = printed.train[epoch], printed.val[epoch]
            place = f"{name}_{epoch}_epochs"
            verdicts.compare(
                f"{place}_training_loss", loss, after.loss, share=0.1, what=f"training loss after {epoch} epochs"
            )
            verdicts.compare(
                f"{place}_accuracies",
                [fitted, held],
                [after.accuracy, val.accuracy],
                within=0.01,
                what=f"training and validation accuracy after {epoch} epochs",
            )
    if epochs >= 10:
        verdicts.compare(
            "accuracy_3_and_10_epochs",
            [0.85, 0.95],
            [printed.val[e].accuracy for e in (3, 10)],
            within=0.01,
            what="accuracy after 3 and after 10 epochs, of the running text",
        )
    losses = [one.loss for one in printed.val]
    end = losses[-1] - min(losses)
    best_accuracy = max(one.accuracy for one in printed.val)
    verdicts.state(
        "validation_loss_rises",
        end > 0.05 * min(losses),
        what="by epoch 50 the validation loss rises",
        when="it ends more than 5% above its lowest",
    )
    noise = 2 * float(np.sqrt(best_accuracy * (1 - best_accuracy) / len(data.test_x)))
    verdicts.state(
        "validation_accuracy_declines",
        best_accuracy - printed.val[-1].accuracy > noise,
        what="validation accuracy peaks and declines",
        when="it ends below its best by more than two standard errors of the validation set",
    )
    plain = variants["plain"]
    facts = {
        "printed": _facts(printed, rows),
        "variants": {name: _variant_facts(one) for name, one in variants.items()},
        "best_validation_epoch": printed.best(),
        "lowest_validation_loss": min(losses),
        "last_validation_loss": losses[-1],
        "best_validation_accuracy": best_accuracy,
        "early_stopping_epoch": plain.stopped(),
        "images": len(data.x),
    }
    return LabResult(
        name="epochs",
        title="3, 10, 30, 50 epochs",
        **verdicts.fields(),
        facts=facts,
        sentences=_sentences(printed, variants, rows, end, best_accuracy, epochs, images=len(data.x)),
        tables=(
            LabTable(
                "As printed: the test part validates",
                (
                    "epochs",
                    "training loss",
                    "training accuracy",
                    "validation loss",
                    "validation accuracy",
                    "first table",
                    "second table",
                ),
                tuple(_row(printed, one) for one in rows),
            ),
            LabTable(
                f"With {HELD:.0%} of the training images held back, and the test images looked at last",
                (
                    "variant",
                    "stops at",
                    "best epoch",
                    "test accuracy there",
                    f"test accuracy at {epochs}",
                    "validation loss: best",
                    f"at {epochs}",
                ),
                tuple(_variant_row(name, one) for name, one in variants.items()),
            ),
        ),
        panels=(
            _panel("As printed: training and validation loss", {"": printed}),
            Panel(
                "As printed: accuracy",
                x_label="epoch",
                y_label="accuracy",
                curves=(
                    Curve(
                        "training", float_series(range(epochs + 1)), float_series([e.accuracy for e in printed.train])
                    ),
                    Curve(
                        "validation", float_series(range(epochs + 1)), float_series([e.accuracy for e in printed.val])
                    ),
                    *(
                        Curve(
                            f"printed validation, {name} table",
                            float_series([e for e in table if e <= epochs]),
                            float_series([table[e][2] for e in table if e <= epochs]),
                            marker="x",
                            dashed=True,
                        )
                        for name, table in (("first", FIRST), ("second", SECOND))
                    ),
                ),
            ),
            Panel(
                "Corrected: validation loss of each variant",
                x_label="epoch",
                y_label="cross-entropy",
                curves=tuple(
                    Curve(name, float_series(range(epochs + 1)), float_series([e.loss for e in one.val]))
                    for name, one in variants.items()
                ),
                columns={"early stopping": float(plain.stopped())},
            ),
        ),
        notes=(
            data.words,
            "the two printed tables contradict each other at 30 epochs: training loss 0.05 and 0.07, validation "
            "accuracy 92% and 94%; no printed program computes an accuracy",
            "losses and accuracies here are taken after the epoch, over all images",
            f"early stopping: patience {PATIENCE} epochs on the held-back images",
            "one seed; differences of variants below about two standard errors of the test set "
            f"({noise:.1%}) mean nothing",
        ),
        provenance=Provenance.here(
            seeds={"seed": seed}, data=image_task(data.x, data.y, data.test_x, data.test_y).checksum()
        ),
    )


def _corrected(setting: Setting, data: Images, seed: int, epochs: int) -> dict[str, History]:
    held = round(HELD * len(data.x))
    split = (data.x[held:], data.y[held:], data.x[:held], data.y[:held])
    plain = image_task(*split)
    # One pixel at most: the digits fill the middle of their frame.
    kinds: dict[str, tuple[Task, float]] = {
        "plain": (plain, 0.0),
        "dropout 0.5": (image_task(*split, dropout=0.5), 0.0),
        "weight decay 0.005": (plain, 0.005),
        "shifted by a pixel": (changed(plain, {"augment": "shift:1"}), 0.0),
    }
    histories = {}
    for name, (task, decay) in kinds.items():
        setting.say(f"{epochs} epochs with a proper split: {name}")
        histories[name] = _train(setting, task, data, seed, epochs, decay=decay)
    return histories


def _train(setting: Setting, task: Task, data: Images, seed: int, epochs: int, *, decay: float = 0.0) -> History:
    recipe = printed_recipe(epochs, seed)
    recipe = recipe.replace(options={**recipe.options, "weight_decay": decay})
    source = getattr(task.train, "_source", task.train)  # training examples as they are, without shifts
    on_train = Task(task.model, source, source, loss=task.loss, metrics=task.metrics, device=task.device)
    on_test = image_task(data.test_x, data.test_y, data.test_x, data.test_y)
    history, stopper = History(), EarlyStop(PATIENCE)

    def observe(_step: int, validation: Validation, models: Mapping[int, nn.Module]) -> None:
        if history.stop is None and stopper(validation):
            history.stop = len(history.val)
        history.train.append(measure(on_train, models[0]))
        history.val.append(Epoch(float(validation.loss[0]), float(validation.metrics["accuracy"][0])))
        history.test.append(measure(on_test, models[0]))

    follow(task, [recipe], epoch_steps(task, recipe, range(epochs + 1)), observe, say=setting.say)
    return history


def _facts(history: History, rows: list[int]) -> dict[str, dict[str, float]]:
    return {
        str(epoch): {
            "training_loss": history.train[epoch].loss,
            "training_accuracy": history.train[epoch].accuracy,
            "validation_loss": history.val[epoch].loss,
            "validation_accuracy": history.val[epoch].accuracy,
        }
        for epoch in rows
    }


def _variant_facts(history: History) -> dict[str, float]:
    return {
        "best_epoch": history.best(),
        "stops_at": history.stopped(),
        "test_accuracy_at_best": history.test[history.best()].accuracy,
        "test_accuracy_at_end": history.test[-1].accuracy,
        "validation_loss_at_best": history.val[history.best()].loss,
        "validation_loss_at_end": history.val[-1].loss,
    }


def _row(history: History, epoch: int) -> tuple[str, ...]:
    train, val = history.train[epoch], history.val[epoch]
    said = tuple(
        f"{table[epoch][0]} / {table[epoch][1]:.0%} / {table[epoch][2]:.0%}" if epoch in table else "–"
        for table in (FIRST, SECOND)
    )
    return (str(epoch), f"{train.loss:.4f}", f"{train.accuracy:.1%}", f"{val.loss:.4f}", f"{val.accuracy:.1%}", *said)


def _variant_row(name: str, history: History) -> tuple[str, ...]:
    best = history.best()
    return (
        name,
        str(history.stopped()),
        str(best),
        f"{history.test[best].accuracy:.1%}",
        f"{history.test[-1].accuracy:.1%}",
        f"{history.val[best].loss:.4f}",
        f"{history.val[-1].loss:.4f}",
    )


def _panel(title: str, histories: dict[str, History]) -> Panel:
    curves = []
    for name, history in histories.items():
        epochs = float_series(range(len(history.val)))
        for part, points, marker in (("training", history.train, "o"), ("validation", history.val, "s")):
            curves.append(
                Curve(f"{name} {part}".strip(), epochs, float_series([one.loss for one in points]), marker=marker)
            )
    return Panel(title, x_label="epoch", y_label="cross-entropy", curves=tuple(curves))


def _sentences(
    printed: History,
    variants: dict[str, History],
    rows: list[int],
    end: float,
    best_accuracy: float,
    epochs: int,
    *,
    images: int,
) -> tuple[str, ...]:
    plain = variants["plain"]
    shown = "; ".join(f"{e} epochs {printed.train[e].accuracy:.1%} / {printed.val[e].accuracy:.1%}" for e in rows)
    change = 100 * (plain.test[-1].accuracy - plain.test[plain.best()].accuracy)
    best = max(variants, key=lambda name: variants[name].test[variants[name].best()].accuracy)
    return (
        f"Training / validation accuracy on {images:,} images: {shown}.",
        f"The validation loss is lowest after {printed.best()} epochs and ends {end:.3f} above that; the validation "
        f"accuracy ends at {printed.val[-1].accuracy:.1%}, its best was {best_accuracy:.1%}.",
        f"Are {epochs} epochs too many? With a proper split early stopping ends after {plain.stopped()} epochs, keeps "
        f"those of epoch {plain.best()} and saves {epochs - plain.stopped()}; going on to {epochs} changes the test "
        f"accuracy by {change:+.1f} points.",
        f"The highest test accuracy at its best epoch has '{best}': "
        f"{variants[best].test[variants[best].best()].accuracy:.1%}, against "
        f"{plain.test[plain.best()].accuracy:.1%} of the plain training.",
    )
