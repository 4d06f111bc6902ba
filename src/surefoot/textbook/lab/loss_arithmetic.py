"""`loss-arithmetic`: the three-class example whose errors are called variances and whose average loss is 0.18."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from surefoot.records import Provenance
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["run"]

TARGET, PREDICTED = (1.0, 0.0, 0.0), (0.4, 0.3, 0.3)


def run(setting: Setting) -> LabResult:
    """Compute the loss of the example in every usual way."""
    del setting
    y, p = (torch.tensor(one, dtype=torch.float64) for one in (TARGET, PREDICTED))
    errors = (y - p).abs()
    losses = {
        "mean squared error": float(F.mse_loss(p, y)),
        "mean absolute error": float(F.l1_loss(p, y)),
        "sum of squares": float(F.mse_loss(p, y, reduction="sum")),
        "cross-entropy": float(-p.log()[0]),
        "variance of the errors": float(errors.var(correction=0)),
    }
    verdicts = Verdicts()
    verdicts.compare("errors", [0.6, 0.3, 0.3], errors.tolist(), within=1e-9, what="distance of each output")
    verdicts.compare("average_loss", 0.18, losses["mean squared error"], within=0.005, what="mean squared error")
    verdicts.compare(
        "variance",
        0.18,
        losses["variance of the errors"],
        within=0.005,
        what="variance, as the numbers are called, of the three errors",
    )
    verdicts.compare(
        "average_of_errors",
        0.18,
        losses["mean absolute error"],
        within=0.005,
        what="average of the three numbers that are called so",
    )
    return LabResult(
        name="loss-arithmetic",
        title="The three-class loss example",
        **verdicts.fields(),
        facts={"losses": losses},
        sentences=(
            f"0.18 is the mean squared error ({losses['mean squared error']:.4f}); the average of the three numbers "
            f"0.6, 0.3, 0.3 is {losses['mean absolute error']:.2f}.",
            f"They are absolute errors, not variances; cross-entropy, which such a network is trained with, would be "
            f"{losses['cross-entropy']:.3f}.",
        ),
        tables=(
            LabTable(
                "Loss of the prediction 0.4, 0.3, 0.3 for the target 1, 0, 0",
                ("loss", "value"),
                tuple((name, f"{value:.4f}") for name, value in losses.items()),
            ),
        ),
        panels=(
            Panel("One prediction, five losses", style="bars", y_label="loss", bars=losses, marks={"printed": 0.18}),
        ),
        notes=("nothing is random here: seeds change nothing",),
        provenance=Provenance.here(data="none: one prediction"),
    )
