"""`xor-backprop`: the XOR programs with backpropagation by hand, from normal and from uniform weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surefoot.records import Provenance, float_series
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts
from surefoot.textbook.lab.xor import (
    SOLVED,
    TARGETS,
    Nets,
    gradients,
    normal_nets,
    outputs,
    train,
    uniform_nets,
)

__all__ = ["autograd", "central_differences", "run"]

SEED, LR, EPOCHS = 42, 0.1, 5000
PRINTED = (0.2500, 0.1253, 0.0621, 0.0305, 0.0152)
AT = (0, 1000, 2000, 3000, 4000)
LONG = 20_000


def run(setting: Setting, *, epochs: int = EPOCHS, long: int = LONG, seeds: int = 1000) -> LabResult:
    """Run both programs for the printed seed, check the gradient three ways, and count the seeds that are solved."""
    first = SEED if setting.seed is None else setting.seed
    setting.say("both programs, printed and corrected gradient")
    keep = sorted({*AT, *range(0, epochs + 1, max(1, epochs // 200))})
    normal = train(normal_nets([first]), LR, epochs, keep=keep)
    uniform = train(uniform_nets([first]), LR, long, keep=sorted({*keep, epochs, *range(0, long + 1, 100)}))
    true = train(normal_nets([first]), LR, epochs, keep=keep, factor=0.5)
    start = normal_nets([first])
    factor, worst_autograd, worst_difference = _gradient_facts(start)

    setting.say("the share of seeds that are solved")
    chosen = setting.seed_list(seeds, 0)
    many = train(normal_nets(chosen), LR, epochs)
    faster = train(normal_nets(chosen), 5.0, epochs)
    solved, fast = (float(np.mean(one.losses[-1] < SOLVED)) for one in (many, faster))
    error = float(np.sqrt(max(solved * (1 - solved), 1e-12) / len(chosen)))

    at = [one for one in AT if one <= epochs]
    losses = [_at(normal.epochs, normal.losses, one) for one in at]
    verdicts = Verdicts()
    verdicts.compare(
        "losses",
        PRINTED[: len(at)],
        losses,
        within=0.00005,
        what=f"loss after {', '.join(map(str, at))} updates, seed {first}, four decimals",
    )
    verdicts.compare(
        "final_predictions",
        TARGETS.tolist(),
        normal.predictions[:, 0].tolist(),
        within=0.1,
        what=f"outputs for the four examples after {epochs} updates, 'close to 0, 1, 1, 0'",
    )
    verdicts.compare(
        "gradient_factor",
        1.0,
        factor,
        within=0.001,
        what="the printed update direction over the gradient of the printed loss",
    )
    early = _at(uniform.epochs, uniform.losses, epochs)
    late = float(uniform.losses[-1, 0])
    verdicts.compare(
        "plateau_ratio",
        1.0,
        late / early,
        within=0.1,
        what=f"uniform weights: loss after {long} over loss after {epochs} updates, 1 if the flat end "
        "of the curve meant that training is over",
    )
    hidden, _ = outputs(normal.nets)
    facts = {
        "uniform_losses": [_at(uniform.epochs, uniform.losses, one) for one in at],
        "uniform_final_loss": early,
        "uniform_long_loss": late,
        "uniform_final_predictions": uniform.predictions[:, 0].tolist(),
        "final_loss": float(normal.losses[-1, 0]),
        "hidden_activations": hidden[..., 0].ravel().tolist(),
        "corrected_losses": [_at(true.epochs, true.losses, one) for one in at],
        "gradient_error_autograd": worst_autograd,
        "gradient_error_central_differences": worst_difference,
        "seeds": len(chosen),
        "share_solved": solved,
        "share_solved_standard_error": error,
        "share_solved_at_rate_5": fast,
    }
    return LabResult(
        name="xor-backprop",
        title="XOR by hand-written backpropagation",
        **verdicts.fields(),
        facts=facts,
        sentences=_sentences(verdicts, losses, normal.predictions[:, 0].tolist(), facts, epochs, long, first),
        tables=(_table(at, losses, facts),),
        panels=(
            Panel(
                "Loss by epoch",
                x_label="epoch",
                y_label="mean squared error",
                curves=(
                    Curve("printed", float_series(at), float_series(PRINTED[: len(at)]), dashed=True, marker="x"),
                    Curve("normal weights", float_series(normal.epochs), float_series(normal.losses[:, 0])),
                    Curve(
                        "normal weights, gradient corrected",
                        float_series(true.epochs),
                        float_series(true.losses[:, 0]),
                        dashed=True,
                    ),
                    Curve("uniform weights", *_until(uniform.epochs, uniform.losses[:, 0], epochs)),
                ),
            ),
            Panel(
                f"Uniform weights, on to {long} updates",
                x_label="epoch",
                y_label="mean squared error",
                y_log=True,
                curves=(Curve("uniform weights", float_series(uniform.epochs), float_series(uniform.losses[:, 0])),),
                columns={f"where the printed program stops: {epochs}": float(epochs)},
            ),
        ),
        notes=(
            "normal weights: zero biases and sigmoid'(z) from the pre-activation; uniform weights: biases drawn "
            "too and "
            "x (1 - x) from the activation. Both forms are the same derivative",
            "corrected: the printed update lacks the factor 2 / N of the mean squared error, N = 4; with it the "
            "direction is the same and every step half as long",
            f"solved: mean squared error below {SOLVED}",
        ),
        provenance=Provenance.here(seeds={"seed": first, "first of the many": chosen[0]}, data="none: a truth table"),
    )


def _gradient_facts(nets: Nets) -> tuple[float, float, float]:
    """Printed direction over gradient, and largest difference to autograd and to central differences."""
    hidden, out = outputs(nets)
    printed, true = _flat(gradients(nets, hidden, out)), _flat(gradients(nets, hidden, out, 0.5))
    reference = autograd(nets)
    factor = float(np.dot(printed, reference) / np.dot(reference, reference))
    return factor, float(np.abs(true - reference).max()), float(np.abs(true - central_differences(nets)).max())


def autograd(nets: Nets) -> npt.NDArray[np.float64]:
    """Gradient of the mean squared error of one member by torch, as one vector."""
    import torch

    parts = [torch.tensor(one[..., 0], requires_grad=True) for one in _arrays(nets)]
    w1, b1, w2, b2 = parts
    x, y = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64), torch.tensor(TARGETS)
    out = torch.sigmoid(torch.sigmoid(x @ w1 + b1) @ w2 + b2)
    found = torch.autograd.grad(torch.nn.functional.mse_loss(out, y), parts)
    return np.concatenate([one.numpy().ravel() for one in found])


def central_differences(nets: Nets, step: float = 1e-5) -> npt.NDArray[np.float64]:
    """Gradient of the mean squared error of one member from the loss alone, as one vector."""
    found = []
    for place, array in enumerate(_arrays(nets)):
        for index in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [one.copy() for one in _arrays(nets)]
                moved[place][index] += sign * step
                sides.append(float(np.square(outputs(Nets(*moved))[1] - TARGETS[:, None]).mean()))
            found.append((sides[0] - sides[1]) / (2 * step))
    return np.array(found)


def _arrays(nets: Nets) -> list[npt.NDArray[np.float64]]:
    return [nets.w1, nets.b1, nets.w2, nets.b2]


def _flat(nets: Nets) -> npt.NDArray[np.float64]:
    return np.concatenate([one[..., 0].ravel() for one in _arrays(nets)])


def _at(epochs: list[int], losses: npt.NDArray[np.float64], epoch: int) -> float:
    return float(losses[epochs.index(epoch), 0])


def _until(
    epochs: list[int], losses: npt.NDArray[np.float64], end: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    count = sum(one <= end for one in epochs)
    return float_series(epochs[:count]), float_series(losses[:count])


def _table(at: list[int], losses: list[float], facts: dict[str, object]) -> LabTable:
    uniform, corrected = facts["uniform_losses"], facts["corrected_losses"]
    assert isinstance(uniform, list)
    assert isinstance(corrected, list)
    rows = tuple(
        (
            str(epoch),
            f"{PRINTED[place]:.4f}",
            f"{losses[place]:.4f}",
            f"{corrected[place]:.4f}",
            f"{uniform[place]:.4f}",
        )
        for place, epoch in enumerate(at)
    )
    columns = ("epoch", "printed", "measured", "gradient corrected", "uniform weights")
    return LabTable("Loss by epoch", columns, rows)


def _sentences(
    verdicts: Verdicts,
    losses: list[float],
    predictions: list[float],
    facts: dict[str, float],
    epochs: int,
    long: int,
    seed: int,
) -> tuple[str, ...]:
    shown = ", ".join(f"{one:.4f}" for one in losses)
    ends = ", ".join(f"{one:.3f}" for one in predictions)
    return (
        f"Seed {seed}: {verdicts.agreeing('losses')} printed losses come out; measured {shown}.",
        f"After {epochs} updates the four outputs are {ends}; {verdicts.agreeing('final_predictions')} are where the "
        "textbook says.",
        f"Of {facts['seeds']:,} seeds {100 * facts['share_solved']:.1f}% are solved at rate {LR:g} in {epochs} "
        f"updates, "
        f"and {100 * facts['share_solved_at_rate_5']:.1f}% at rate 5.",
        f"The hand-written gradient equals autograd to {facts['gradient_error_autograd']:.0e} and central "
        f"differences to "
        f"{facts['gradient_error_central_differences']:.0e}, once the missing factor 2 / N is put in.",
        f"From uniform weights the loss is {facts['uniform_final_loss']:.4f} after {epochs} updates and "
        f"{facts['uniform_long_loss']:.4f} after {long}.",
    )
