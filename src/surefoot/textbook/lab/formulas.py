"""`formulas`: every formula of the textbook, tried: what it says beside what is measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, float_series
from surefoot.schedules import make
from surefoot.tasks.data.surfaces import mean_height, quadratic
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts
from surefoot.textbook.lab.xor import INPUTS, TARGETS, gradients, normal_nets, outputs, sigmoid
from surefoot.textbook.lab.xor_backprop import autograd

__all__ = ["measured_limit", "mixed_forms", "run"]

Floats = npt.NDArray[np.float64]

LR, LARGEST = 0.1, 10.0
MOMENTA = (0.0, 0.5, 0.9)
IMAGES = ((28, 3, 1, 0), (28, 5, 1, 0), (28, 3, 1, 1), (28, 3, 2, 0), (8, 3, 1, 1))
"""Side, kernel, stride, padding."""


def run(setting: Setting) -> LabResult:
    """Compute every formula and measure what it describes."""
    seed = setting.seed_list(1, 42)[0]
    verdicts = Verdicts()

    weight, slope, stepped = _one_update()
    verdicts.compare(
        "update_rule",
        [w - LR * g for w, g in zip(weight, slope, strict=True)],
        stepped,
        within=1e-12,
        what=f"w - rate · gradient, and one step of torch's SGD at rate {LR}",
    )

    at = (0, 1, 10, 100)
    decay = make("inverse-time", 0.1, 101, k=0.05)
    verdicts.compare(
        "inverse_time_decay",
        [0.1 / (1 + 0.05 * t) for t in at],
        [decay(t) for t in at],
        within=1e-12,
        what=f"rate / (1 + k t) with k = 0.05 after {', '.join(map(str, at))} steps",
    )

    z = np.linspace(-6.0, 6.0, 13)
    s, h = sigmoid(z), 1e-5
    by_difference = (sigmoid(z + h) - sigmoid(z - h)) / (2 * h)
    verdicts.compare(
        "sigmoid_derivative",
        (s * (1 - s)).tolist(),
        by_difference.tolist(),
        within=1e-8,
        what="sigmoid (1 - sigmoid) at -6 to 6, and central differences",
    )

    nets = normal_nets([seed])
    hidden, out = outputs(nets)
    error = (out[:, 0] - TARGETS).tolist()
    a = torch.tensor(out[:, 0], requires_grad=True)
    slopes = torch.autograd.grad(nn.functional.mse_loss(a, torch.tensor(TARGETS)), a)[0].tolist()
    verdicts.compare(
        "mse_derivative",
        error,
        slopes,
        within=1e-6,
        what="derivative of the mean squared error by each output: printed -(y - a), and autograd (2 / N of it)",
    )
    corrected = max(abs(0.5 * one - other) for one, other in zip(error, slopes, strict=True))

    true = autograd(nets)
    chain = gradients(nets, hidden, out)
    by_hand = np.concatenate([one[..., 0].ravel() for one in (chain.w1, chain.b1, chain.w2, chain.b2)])
    verdicts.compare(
        "chain_rule",
        by_hand.tolist(),
        (2 * true).tolist(),
        within=1e-10,
        what="gradient of two layers by the printed chain rule, and autograd on half the summed squares, whose "
        "derivative -(y - a) is",
    )
    cosine = mixed_forms(nets.w1[..., 0], nets.w2[:, 0], true)
    verdicts.state(
        "forms_are_interchangeable",
        cosine > 0.99,
        what="x (1 - x) and sigmoid (x) (1 - sigmoid (x)) bear the same name",
        when="the first in the place of the second, on pre-activations, still points along the gradient "
        "(cosine above 0.99)",
    )

    sizes = [(side + 2 * padding - kernel) // stride + 1 for side, kernel, stride, padding in IMAGES]
    found = [
        int(nn.Conv2d(1, 1, k, stride=s_, padding=p)(torch.zeros(1, 1, side, side)).shape[-1])
        for side, k, s_, p in IMAGES
    ]
    verdicts.compare(
        "conv_output_size",
        sizes,
        found,
        what="(side + 2 padding - kernel) / stride + 1, and torch's layer; first 28 to 26",
    )

    setting.say("the divergence limit, with and without momentum")
    limits = [2 * (1 + one) / LARGEST for one in MOMENTA]
    measured = [measured_limit(one) for one in MOMENTA]
    verdicts.compare(
        "divergence_limit",
        [limits[0]] * len(MOMENTA),
        measured,
        share=0.01,
        what="2 / largest eigenvalue, and the measured limit at momentum 0, 0.5, 0.9",
    )
    fields = verdicts.fields()
    agreed = [
        key for key in fields["printed"] if verdicts.agreeing(key).split()[0] == verdicts.agreeing(key).split()[-1]
    ]
    return LabResult(
        name="formulas",
        title="Formulas, tried",
        **fields,
        facts={
            "mse_derivative_error_with_factor": corrected,
            "divergence_limit_with_momentum": limits,
            "mixed_forms_cosine": cosine,
            "limit_momenta": list(MOMENTA),
            "largest_eigenvalue": LARGEST,
        },
        sentences=(
            f"{len(agreed)} of {len(fields['printed'])} formulas hold: {', '.join(agreed)}.",
            "The printed derivative of the mean squared error is "
            f"{error[0] / slopes[0]:.2f} times the true one; with the factor 2 / N it is right to "
            f"{corrected:.0e}.",
            f"The limit 2 / {LARGEST:g} is right without momentum ({measured[0]:.4f}); with momentum 0.9 "
            f"training holds to "
            f"{measured[2]:.4f} = 2 (1 + 0.9) / {LARGEST:g}.",
            f"x (1 - x) on a pre-activation points elsewhere: cosine {cosine:.2f} with the gradient.",
        ),
        tables=(
            LabTable(
                "Formula by formula",
                ("formula", "entries that agree", "first entry said", "measured"),
                tuple(
                    (
                        key,
                        verdicts.agreeing(key),
                        f"{_first(fields['printed'][key]):.6g}",
                        f"{_first(fields['measured'][key]):.6g}",
                    )
                    for key in fields["printed"]
                ),
            ),
        ),
        panels=(
            Panel(
                "Sigmoid and its derivative",
                x_label="z",
                curves=(
                    Curve("sigmoid", float_series(z), float_series(s)),
                    Curve("sigmoid (1 - sigmoid)", float_series(z), float_series(s * (1 - s))),
                    Curve("central differences", float_series(z), float_series(by_difference), marker="x", dashed=True),
                ),
            ),
            Panel(
                "Inverse-time decay",
                x_label="step",
                y_label="rate",
                curves=(Curve("k = 0.05", float_series(range(101)), float_series(decay.lrs())),),
            ),
            Panel(
                "Divergence limit by momentum",
                x_label="momentum",
                y_label="largest stable rate",
                curves=(
                    Curve(
                        "2 (1 + momentum) / largest eigenvalue",
                        float_series(MOMENTA),
                        float_series(limits),
                        dashed=True,
                    ),
                    Curve("measured", float_series(MOMENTA), float_series(measured), marker="o"),
                ),
                marks={"printed: 2 / largest eigenvalue": limits[0]},
            ),
        ),
        notes=("the limit holds on a bowl; for networks see `surefoot lab inspection`",),
        provenance=Provenance.here(seeds={"seed": seed}, data="none"),
    )


def _first(value: object) -> float:
    return float(value[0]) if isinstance(value, list) else float(str(value))


def _one_update() -> tuple[list[float], list[float], list[float]]:
    weights = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    before = weights.detach().tolist()
    optimizer = torch.optim.SGD([weights], lr=LR)
    weights.pow(2).sum().backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    slope = weights.grad.tolist()
    optimizer.step()
    return before, slope, weights.detach().tolist()


def mixed_forms(w1: Floats, w2: Floats, true: Floats) -> float:
    """Cosine between the gradient and what comes out with z (1 - z) in the place of the sigmoid's derivative."""
    z1 = INPUTS @ w1
    a1 = sigmoid(z1)
    z2 = a1 @ w2
    at_output = 0.5 * (sigmoid(z2) - TARGETS) * z2 * (1 - z2)
    at_hidden = at_output[:, None] * w2 * z1 * (1 - z1)
    wrong = np.concatenate([(INPUTS.T @ at_hidden).ravel(), at_hidden.sum(0), a1.T @ at_output, [at_output.sum()]])
    return float(wrong @ true / (np.linalg.norm(wrong) * np.linalg.norm(true)))


def measured_limit(momentum: float, steps: int = 200) -> float:
    """Highest rate at which descent on a bowl of largest eigenvalue 10 ends below where it began, on a grid of 1%."""
    surface = quadratic(eigenvalues=(LARGEST, 1.0), noise=0.0, rows=2, start=(1.0, 1.0))
    split = surface.split
    task = Task(surface.model, (split.x, split.y), (split.xv, split.yv), loss=mean_height, name="bowl")
    lrs = 0.2 * 1.01 ** np.arange(-10, 85)
    recipes = [
        Recipe(lr=float(lr), options={"momentum": momentum}, batch_size="full", epochs=steps, data_seed=0) for lr in lrs
    ]
    runs = train_members(task, recipes)
    holds = [run.fate == "finished" and run.val_loss[-1] < run.val_loss[0] for run in runs]
    first = holds.index(False)
    return float(np.sqrt(lrs[first - 1] * lrs[first]))
