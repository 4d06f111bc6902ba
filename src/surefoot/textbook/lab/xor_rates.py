"""`xor-rates`: the XOR network at three printed rates, and at many more over many seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surefoot.records import Provenance, float_series
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts
from surefoot.textbook.lab.xor import SOLVED, normal_nets, train

__all__ = ["run"]

SEED, EPOCHS = 42, 2000
PRINTED_LRS = (0.01, 0.1, 1.0)
LRS = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 50.0, 100.0)
SHARE_RISING = 0.01
"""A run oscillates when more than this share of its updates raised the loss."""


def run(setting: Setting, *, epochs: int = EPOCHS, seeds: int = 1000) -> LabResult:
    """Train the printed seed at the three rates, then every seed at every rate, all side by side."""
    first = SEED if setting.seed is None else setting.seed
    three = train(normal_nets([first]).repeat(3), np.array(PRINTED_LRS), epochs, keep=range(0, epochs + 1, 10))
    chosen = setting.seed_list(seeds)
    setting.say(f"{len(LRS)} rates from {len(chosen)} seeds")
    many = train(normal_nets(chosen).repeat(len(LRS)), np.repeat(LRS, len(chosen)), epochs)
    losses = many.losses[-1].reshape(len(LRS), -1)
    rises = many.rises.reshape(len(LRS), -1)
    solved = np.mean(losses < SOLVED, axis=1)
    raised = np.mean(rises > SHARE_RISING * epochs, axis=1)
    median = np.median(losses, axis=1)
    low, high = np.quantile(losses, (0.25, 0.75), axis=1)
    error = np.sqrt(np.maximum(solved * (1 - solved), 1e-12) / len(chosen))
    places = [LRS.index(lr) for lr in PRINTED_LRS]
    best_of_three = PRINTED_LRS[int(np.argmin(median[places]))]
    best = LRS[int(np.argmax(solved))]

    verdicts = Verdicts()
    verdicts.compare(
        "best_of_three",
        0.1,
        best_of_three,
        what=f"the 'sweet spot': of the three rates the one with the lowest median loss after {epochs} updates",
    )
    verdicts.state(
        "rate_0.1_converges_well",
        bool(solved[places[1]] >= 0.5),
        what="0.1 'converges well'",
        when=f"at least half of the seeds are solved after {epochs} updates",
    )
    verdicts.state(
        "rate_1_oscillates",
        bool(raised[places[2]] >= 0.5),
        what="1.0 'may oscillate or diverge'",
        when=f"in at least half of the runs the loss rises in more than {100 * SHARE_RISING:g}% of the updates",
    )
    verdicts.state(
        "rate_0.01_is_slow",
        bool(median[places[0]] > 0.9 * float(np.median(many.losses[0]))),
        what="0.01 falls 'very slowly'",
        when="the median loss ends above nine tenths of where it began",
    )
    facts = {
        "final_losses": {f"{lr:g}": float(loss) for lr, loss in zip(PRINTED_LRS, three.losses[-1], strict=True)},
        "share_solved": {f"{lr:g}": float(one) for lr, one in zip(LRS, solved, strict=True)},
        "share_unstable": {f"{lr:g}": float(one) for lr, one in zip(LRS, raised, strict=True)},
        "median_loss": {f"{lr:g}": float(one) for lr, one in zip(LRS, median, strict=True)},
        "runs_with_any_rise_at_1": int(np.sum(rises[places[2]] > 0)),
        "best_rate": best,
        "seeds": len(chosen),
    }
    ends = ", ".join(f"{loss:.4f} at {lr:g}" for lr, loss in zip(PRINTED_LRS, three.losses[-1], strict=True))
    return LabResult(
        name="xor-rates",
        title="XOR at different rates",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"Seed {first} ends with a loss of {ends}.",
            f"Of {len(chosen):,} seeds {100 * solved[places[0]]:.1f}%, {100 * solved[places[1]]:.1f}% and "
            f"{100 * solved[places[2]]:.1f}% are solved at 0.01, 0.1 and 1.0 in {epochs} updates.",
            f"Of the three {best_of_three:g} is the best; of all {len(LRS)} rates {best:g} solves most, "
            f"{100 * float(solved.max()):.1f}%.",
            f"At 1.0 the loss rose at least once in {facts['runs_with_any_rise_at_1']} of {len(chosen)} runs.",
        ),
        tables=(_table(solved, error, median, raised),),
        panels=(
            Panel(
                "The printed seed at the three rates",
                x_label="epoch",
                y_label="mean squared error",
                curves=tuple(
                    Curve(f"rate {lr:g}", float_series(three.epochs), float_series(three.losses[:, place]))
                    for place, lr in enumerate(PRINTED_LRS)
                ),
            ),
            Panel(
                f"Share of {len(chosen)} seeds",
                x_label="rate",
                y_label="share",
                x_log=True,
                curves=(
                    Curve(
                        "solved",
                        float_series(LRS),
                        float_series(solved),
                        marker="o",
                        low=float_series(solved - 2 * error),
                        high=float_series(solved + 2 * error),
                    ),
                    Curve("unstable", float_series(LRS), float_series(raised), marker="x", dashed=True),
                ),
                columns={f"printed {lr:g}": lr for lr in PRINTED_LRS},
            ),
            Panel(
                "Loss at the end: median and middle half of the seeds",
                x_label="rate",
                y_label="mean squared error",
                x_log=True,
                y_log=True,
                curves=(
                    Curve(
                        "median",
                        float_series(LRS),
                        float_series(median),
                        low=float_series(low),
                        high=float_series(high),
                        marker="o",
                    ),
                ),
            ),
        ),
        notes=(f"solved: mean squared error below {SOLVED}", "the printed update, without the factor 2 / N"),
        provenance=Provenance.here(seeds={"seed": first, "first of the many": chosen[0]}, data="none: a truth table"),
    )


def _table(
    solved: npt.NDArray[np.float64],
    error: npt.NDArray[np.float64],
    median: npt.NDArray[np.float64],
    raised: npt.NDArray[np.float64],
) -> LabTable:
    rows = tuple(
        (f"{lr:g}", f"{100 * solved[i]:.1f}% ± {100 * error[i]:.1f}", f"{median[i]:.4g}", f"{100 * raised[i]:.1f}%")
        for i, lr in enumerate(LRS)
    )
    return LabTable("By rate", ("rate", "solved", "median loss", "unstable"), rows)
