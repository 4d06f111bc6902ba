"""Make docs/textbook-programs.md: run every classic program from the command line and write down what it measured.

    python scripts/make_textbook_programs.py            run all, write the page
    python scripts/make_textbook_programs.py --keep DIR records go to DIR, and those that are there are not made again

A box of the page is ticked by reading a number out of the record that its command wrote; a record that lacks the number
stops the script.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from surefoot.report.lab_page import verdict_rows
from surefoot.report.numbers import brief, duration
from surefoot.textbook.lab import PROGRAMS, LabResult

PAGE = Path(__file__).resolve().parent.parent / "docs" / "textbook-programs.md"

Evidence = Callable[[LabResult], str]
Box = tuple[str, str, Evidence]


def fact(*path: str) -> Evidence:
    """Text of the fact under these keys."""

    def read(result: LabResult) -> str:
        value: Any = result.facts
        for key in path:
            value = value[key]
        return f"{path[-1].replace('_', ' ')} {shown(value)}"

    return read


def number(key: str) -> Evidence:
    """Text of a printed number beside the measured one."""
    return lambda result: (
        f"{key.replace('_', ' ')}: printed {shown(result.printed[key])}, measured {shown(result.measured[key])}"
    )


def panel(title: str) -> Evidence:
    """Text of the panel whose title begins so."""

    def read(result: LabResult) -> str:
        found = next(one for one in result.panels if one.title.startswith(title))
        lines = len(found.curves) or len(found.bars) or len(found.grids)
        return f"picture “{found.title}”, {lines} {found.style}"

    return read


def table(title: str) -> Evidence:
    """Text of the table whose title begins so."""

    def read(result: LabResult) -> str:
        found = next(one for one in result.tables if one.title.startswith(title))
        return f"table “{found.title}”, {len(found.rows)} rows"

    return read


def shown(value: Any) -> str:
    """A number, list or text as it stands on the page."""
    if isinstance(value, list | tuple):
        listed = ", ".join(shown(one) for one in value[:6])
        return listed + (", …" if len(value) > 6 else "")
    if isinstance(value, dict):
        return "; ".join(f"{key} {shown(one)}" for key, one in list(value.items())[:6]) + (
            "; …" if len(value) > 6 else ""
        )
    return value if isinstance(value, str) else brief(float(value))


SECTIONS: dict[str, list[Box]] = {
    "1. Programs": [
        ("data folder and output folder: `--data DIR`, `--out DIR`", "mnist-cnn", lambda r: r.notes[0]),
        ("SimpleCNN on handwritten digits, three epochs", "mnist-cnn", fact("running_loss")),
        ("the same for 50 epochs with validation", "epochs", fact("last_validation_loss")),
        ("XOR 2-2-1 from normal weights, backpropagation by hand", "xor-backprop", number("losses")),
        ("XOR 2-2-1 from uniform weights and biases", "xor-backprop", fact("uniform_losses")),
        ("XOR at 0.01, 0.1 and 1.0", "xor-rates", fact("final_losses")),
        ("XOR 2-4-1, SGD and Adam at two rates", "xor-optimizers", fact("median_loss")),
        ("as printed and corrected, printed numbers checked", "xor-backprop", fact("corrected_losses")),
    ],
    "2. Figures": [
        ("training against validation loss over 50 epochs", "epochs", panel("As printed: training")),
        ("XOR loss over 5000 epochs", "xor-backprop", panel("Loss by epoch")),
        ("loss curves by rate", "xor-rates", panel("The printed seed")),
        ("loss curves by optimizer and rate", "xor-optimizers", panel("The printed four")),
        ("too high, too low and good rate in one picture", "scenarios", panel("Three scenarios")),
        ("bowl from above and in three dimensions, with paths", "bowl", panel("As a bowl")),
        ("rate against step for every schedule", "schedules", panel("Decays")),
        ("size of weights and updates over epochs", "inspection", panel("Size of the update")),
    ],
    "3. Tables and printed numbers": [
        ("3, 10, 30 epochs: the first table", "epochs", number("first_table_30_epochs_accuracies")),
        ("10, 30, 50 epochs: the second table", "epochs", number("second_table_50_epochs_accuracies")),
        ("XOR losses and final predictions", "xor-backprop", number("final_predictions")),
        ("pattern of the losses at 10, 30 and 50 epochs", "epochs", number("validation_loss_rises")),
        ("the three-class loss of 0.18", "loss-arithmetic", number("average_loss")),
        ("85% after 3 and 95% after 10 epochs", "epochs", number("accuracy_3_and_10_epochs")),
    ],
    "4. Inspections during training": [
        ("average loss of each epoch", "mnist-cnn", fact("running_loss")),
        ("first convolution filter", "mnist-cnn", fact("first_filter")),
        ("biases of the convolution", "mnist-cnn", fact("conv1_bias")),
        ("training and validation loss every few epochs", "epochs", table("As printed")),
        ("loss every 1000 epochs", "xor-backprop", table("Loss by epoch")),
        ("hidden activations and predictions at the end", "xor-backprop", fact("hidden_activations")),
        ("change of weights and biases between epochs", "inspection", fact("update_norm")),
        ("training and validation accuracy", "epochs", fact("best_validation_accuracy")),
        ("size of the gradients", "inspection", fact("gradient_norm")),
        ("largest Hessian eigenvalue against 2 / rate", "inspection", fact("late_sharpness")),
        ("path in weight space", "inspection", panel("Path of all weights")),
    ],
    "5. Formulas": [
        ("update rule", "formulas", number("update_rule")),
        ("divergence limit", "formulas", number("divergence_limit")),
        ("inverse-time decay", "formulas", number("inverse_time_decay")),
        ("sigmoid and both forms of its derivative", "formulas", fact("mixed_forms_cosine")),
        ("mean squared error and its derivative", "formulas", number("mse_derivative")),
        ("chain rule through two layers", "formulas", number("chain_rule")),
        ("output size of a convolution", "formulas", number("conv_output_size")),
    ],
    "6. Optimizers": [
        ("one example at a time", "gradient-noise", fact("final_losses", "single example")),
        ("mini-batches", "gradient-noise", fact("final_losses", "mini-batch of 32")),
        ("the full batch", "gradient-noise", fact("final_losses", "full batch")),
        ("SGD with momentum", "mnist-cnn", number("training_accuracy")),
        ("Adam", "xor-optimizers", fact("median_loss", "Adam 0.1")),
        ("AdaDelta", "xor-optimizers", fact("median_loss", "AdaDelta 10")),
        ("AdaGrad", "xor-optimizers", fact("median_loss", "AdaGrad 0.1")),
        ("RMSprop", "xor-optimizers", fact("median_loss", "RMSprop 0.1")),
    ],
    "7. Schedules and changing rates": [
        ("constant", "schedules", fact("validation_loss", "constant")),
        ("inverse-time decay", "schedules", fact("validation_loss", "inverse time")),
        ("step decay", "schedules", fact("validation_loss", "step")),
        ("exponential decay", "schedules", fact("validation_loss", "exponential")),
        ("annealing", "schedules", fact("validation_loss", "warm restarts (annealing)")),
        ("cyclical rates", "schedules", fact("validation_loss", "triangular")),
        ("adjusted on monitored progress", "schedules", fact("feedback_rates")),
        ("a scheduler object", "schedules", fact("twin_difference")),
        ("two phases, large then small", "schedules", fact("validation_loss", "two phases")),
        ("abrupt against smooth", "schedules", number("smooth_beats_abrupt")),
        ("warmup, cosine, reduce on plateau", "schedules", fact("validation_loss", "warmup, then cosine")),
    ],
    "8. Ways to choose the rate": [
        ("grid search", "searches", fact("rates", "grid")),
        ("random search", "searches", fact("rates", "random")),
        ("cross-validation", "searches", fact("rates", "cross-validation")),
        ("trying rates by experiment", "searches", panel("Full trainings")),
        ("range test, the learning-rate finder", "searches", fact("rates", "range test")),
        ("prior knowledge", "searches", fact("rates", "prior knowledge")),
        ("the starting advice for Adam", "searches", number("advice_holds")),
        ("factors to consider: the same search on any task, model and optimizer", "searches", fact("best_rate")),
    ],
    "9. Regularizers and stabilizers": [
        ("dropout", "regularizers", number("dropout_reduces_overfitting")),
        ("weight decay", "regularizers", number("weight_decay_reduces_overfitting")),
        ("data augmentation", "regularizers", number("shifted_reduces_overfitting")),
        ("early stopping with patience", "epochs", fact("early_stopping_epoch")),
        ("gradient clipping", "regularizers", fact("highest_rate_that_trains", "clipped at 1")),
        ("normalisation", "regularizers", fact("highest_rate_that_trains", "batch normalisation")),
        ("a fresh start from other weights", "regularizers", number("share_solved_after_restarts")),
    ],
    "12. Models, layers, losses, data": [
        ("SimpleCNN and its parameters", "cnn-facts", number("parameters")),
        ("XOR networks 2-2-1 and 2-4-1", "building-blocks", number("parameters")),
        ("convolution, pooling, dropping, flattening, fully connected", "building-blocks", table("Layers, tried")),
        ("ReLU, sigmoid, tanh, softmax", "building-blocks", fact("accuracy_by_depth")),
        ("shallow and deep, recurrent and convolutional", "building-blocks", fact("first_layer_gradient", "sigmoid")),
        ("cross-entropy and mean squared error", "loss-arithmetic", fact("losses")),
        ("XOR, digits, penguins; noisy, few and drifting examples", "building-blocks", fact("hard_data_accuracy")),
        ("batches, epochs, shuffling, a validation split", "epochs", table("With 20%")),
    ],
}  # fmt: skip
"""Section -> boxes: what is ticked, the program that ticks it, and what it measured."""


def main() -> int:
    """Run, read, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder for the records; those in it are used as they are")
    keep: Path | None = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        results = {name: _result(name, folder) for name in PROGRAMS}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(results), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


def _result(name: str, folder: Path) -> LabResult:
    record = folder / f"{name}.json"
    if not record.exists():
        print(f"surefoot lab {name}", flush=True)
        command = [sys.executable, "-m", "surefoot", "lab", name, "--json", str(record), "--quiet"]
        subprocess.run(command, check=True)
    return LabResult.load(record)


def page(results: dict[str, LabResult]) -> str:
    """The page of these results."""
    origin = next(iter(results.values())).provenance
    versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
    boxes = sum(map(len, SECTIONS.values()))
    agreeing, count = (sum(one.counts[side] for one in results.values()) for side in (0, 1))
    lines = [
        "# The textbook's programs, run",
        "",
        "Made by `python scripts/make_textbook_programs.py`, which runs every command below; do not edit.",
        "",
        f"{origin.date[:10]}, {origin.machine}, {versions}. {len(results)} programs, {boxes} boxes; of {count} printed "
        f"numbers and statements {agreeing} agree with what was measured.",
        "",
        "Every program runs by `surefoot lab NAME`; `--seeds N`, `--seed S`, `--json FILE` and `--out DIR` (figure, "
        "record, page); `mnist-cnn` and `epochs` train on the whole of MNIST with `--data DIR`, else on an excerpt.",
        "A statement in words counts as the number 1, and is measured as 1 or 0 by the rule that stands beside it.",
        "",
    ]
    for section, members in SECTIONS.items():
        lines += [f"## {section}", ""]
        for text, name, evidence in members:
            lines.append(f"- [x] {text}: `surefoot lab {name}`: {evidence(results[name])}")
        lines.append("")
    lines += ["## Program by program", ""]
    for name, result in results.items():
        agreeing, count = result.counts
        took = duration(result.seconds or 0.0)
        summary = PROGRAMS[name].summary + ("" if PROGRAMS[name].summary.endswith("?") else ".")
        lines += [
            f"### `surefoot lab {name}`",
            "",
            f"{summary} {took}; {agreeing} of {count} agree.",
            "",
        ]
        lines += [f"- {sentence}" for sentence in result.sentences]
        lines += ["", "| number | printed | measured | verdict | rule |", "|---|---|---|---|---|"]
        for row in verdict_rows(result):
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        lines += ["", *(f"- Note: {note}" for note in result.notes), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
