"""`xor-lr`: the XOR programs with backpropagation by hand, at many rates and from many seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.textbook.lab.xor import (
    SOLVED,
    Nets,
    gradients,
    normal_nets,
    outputs,
    train,
    uniform_nets,
)
from surefoot.textbook.measuring import best_of, exact, mean_of, median_of, share_of, slope_of
from surefoot.textbook.seeds import shared

__all__ = ["LRS", "SEEDS", "run"]

SEEDS = {"quick": 30, "full": 200}

Floats = npt.NDArray[np.float64]

LRS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
EPOCHS = 2000
PRINTED_SEED = 42
START_LOSS = 0.25
"""Loss of a network that answers one half to everything."""
FLAT = 1e-4


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every seed at every rate, then the printed seed for longer."""
    nets = normal_nets(seeds)
    many = train(nets.repeat(len(LRS)), np.repeat(LRS, len(seeds)), EPOCHS, keep=range(0, EPOCHS + 1, 100))
    losses = many.losses[-1].reshape(len(LRS), -1)
    rises = many.rises.reshape(len(LRS), -1)
    measured = _by_rate(losses, rises, len(seeds))
    measured += _ends(many.nets, losses, nets)
    measured += _time(seeds)
    measured += _edges(nets)
    printed, panel = _printed(size)
    solved = [float(np.mean(one < SOLVED)) for one in losses]
    unstable = [float(np.mean(one > 0.01 * EPOCHS)) for one in rises]
    shares = Panel(
        "XOR: share of seeds solved and unstable after 2000 updates",
        x_label="rate",
        y_label="share of seeds",
        x_log=True,
        curves=(
            Curve("solved", float_series(LRS), float_series(solved), marker="o"),
            Curve("unstable", float_series(LRS), float_series(unstable), marker="x", dashed=True),
        ),
        columns={"printed 0.01": 0.01, "printed 0.1": 0.1, "printed 1": 1.0},
    )
    return Outcome(
        "xor-lr",
        measurements=(*measured, *printed),
        panels=(shares, panel),
        notes=(
            "XOR 2-2-1 of sigmoids, normal weights, the printed update (without the factor 2 / N), full batch",
            f"solved: mean squared error below {SOLVED} after {EPOCHS} updates",
        ),
    )


def _by_rate(losses: Floats, rises: npt.NDArray[np.int64], n: int) -> list[Measurement]:
    solved = losses < SOLVED
    measured: list[Measurement] = []
    for place, lr in enumerate(LRS):
        measured += [
            share_of(f"XOR: share of seeds solved at rate {lr:g}", int(solved[place].sum()), n),
            share_of(
                f"XOR: share of seeds whose loss rose in more than 1% of the updates at rate {lr:g}",
                int((rises[place] > 0.01 * EPOCHS).sum()),
                n,
            ),
            share_of(f"XOR: share of seeds whose loss ever rose at rate {lr:g}", int((rises[place] > 0).sum()), n),
            median_of(f"XOR: median loss after {EPOCHS} updates at rate {lr:g}", losses[place]),
        ]
    low, middle, high = (losses[LRS.index(one)] for one in (0.01, 0.1, 10.0))
    random = np.random.default_rng(shared())
    measured += [
        best_of("XOR: rate that solves most seeds", LRS, solved.astype(float)),
        mean_of(
            "XOR: share solved at rate 3 minus share solved at rate 0.1",
            solved[LRS.index(3.0)].astype(float) - solved[LRS.index(0.1)],
        ),
        _spread_ratio("XOR: spread of the loss over seeds at rate 0.01 over that at 0.1", low, middle, random),
        _spread_ratio("XOR: spread of the loss over seeds at rate 0.01 over that at 10", low, high, random),
    ]
    return measured


def _spread_ratio(name: str, one: Floats, other: Floats, random: np.random.Generator) -> Measurement:
    """Ratio of standard deviations, with the bootstrap's interval."""
    draws = random.integers(0, len(one), (1000, len(one)))
    ratios = one[draws].std(axis=1) / other[draws].std(axis=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    value = float(one.std() / other.std())
    return Measurement(
        name,
        value,
        low=min(value, float(low)),
        high=max(value, float(high)),
        n=len(one),
        method="standard deviations, bootstrap over seeds",
    )


def _ends(trained: Nets, losses: Floats, start: Nets) -> list[Measurement]:
    """How the runs ended: flat and saturated, near the start, or in another class of end than at another rate."""
    count = losses.shape[1]

    def members(lr: float) -> Nets:
        place = LRS.index(lr) * count
        return Nets(*(one[..., place : place + count] for one in dataclasses.astuple(trained)))

    hot, best = members(100.0), losses[LRS.index(5.0)]
    flat = _gradient_size(hot) < FLAT
    poor = flat & np.isfinite(losses[-1]) & (losses[-1] > 2 * max(float(np.median(best)), SOLVED))
    cold_nets, cold = members(0.01), losses[0]
    slow = np.abs(cold - START_LOSS) < 0.02
    classes = np.stack([np.digitize(losses[LRS.index(lr)], (0.05, 0.145, 0.2)) for lr in (1.0, 10.0)])
    return [
        share_of(
            "XOR: share of seeds that end flat, finite and at least twice as high as the best rate, at rate 100",
            int(poor.sum()),
            count,
            method=f"flat: size of the gradient below {FLAT:g}",
        ),
        share_of(
            "XOR: share of seeds still near the loss 0.25 after 2000 updates at rate 0.01", int(slow.sum()), count
        ),
        median_of("XOR: size of the gradient after 2000 updates at rate 0.01", _gradient_size(cold_nets)),
        share_of(
            "XOR: share of seeds that end at another level of loss at rate 10 than at rate 1",
            int((classes[0] != classes[1]).sum()),
            count,
        ),
        mean_of("XOR: loss at the start", train(start, 0.1, 0).losses[0]),
    ]


def _time(seeds: Sequence[int]) -> list[Measurement]:
    """The same rate × updates at a tenth of the rate: is a small rate slow, or stuck?"""
    some = normal_nets(seeds[:60])
    fast = train(some, 1.0, EPOCHS).losses[-1] < SOLVED
    slow = train(some, 0.1, 10 * EPOCHS).losses[-1] < SOLVED
    return [
        mean_of(
            "XOR: share solved at rate 0.1 in 20000 updates minus share solved at rate 1 in 2000",
            slow.astype(float) - fast,
        )
    ]


def _edges(nets: Nets) -> list[Measurement]:
    """Rates of zero and below, and a loss multiplied by a factor."""
    some = Nets(*(one[..., :30] for one in dataclasses.astuple(nets)))
    still = train(some, 0.0, 50)
    back = train(some, -0.1, 50)
    moved = max(float(np.abs(a - b).max()) for a, b in zip(*map(dataclasses.astuple, (still.nets, some)), strict=True))
    grid = np.geomspace(0.01, 1000, 26)
    factors = [0.1, 1.0, 10.0]
    best = []
    for factor in factors:
        losses = train(some.repeat(len(grid)), np.repeat(grid, some.members), 300, factor=factor).losses[-1]
        by_rate = losses.reshape(len(grid), -1)
        best.append(best_of("XOR: best rate with the loss multiplied by 0.1", grid, -by_rate))
    return [
        exact("XOR: largest change of a weight in 50 updates at rate 0", moved),
        share_of(
            "XOR: share of seeds whose loss is higher after 50 updates at rate -0.1",
            int((back.losses[-1] > back.losses[0]).sum()),
            some.members,
        ),
        slope_of(
            "XOR: exponent of the best rate against a factor on the loss",
            factors,
            [[math.nan if one.value is None else one.value for one in best]],
        ),
        best[0],
    ]


def _printed(size: Size) -> tuple[list[Measurement], Panel]:
    """The printed programs from the printed seed."""
    at = (0, 1000, 2000, 3000, 4000, 5000)
    long = 40_000 if size == "full" else 6000
    normal = train(normal_nets([PRINTED_SEED]), 0.1, 5000, keep=range(0, 5001, 50))
    later = train(normal.nets, 0.1, long - 5000)
    early = [100, 1000, 4000, 5000]
    uniform = train(uniform_nets([PRINTED_SEED]), 0.1, 20_000 if size == "full" else 8000, keep=early)
    level = dict(zip(uniform.epochs, uniform.losses[:, 0], strict=True))
    kept = dict(zip(normal.epochs, normal.losses[:, 0].tolist(), strict=True))
    measured = [exact(f"XOR, printed seed: loss after {one} updates at rate 0.1", kept[one]) for one in at]
    for place, answer in enumerate(normal.predictions[:, 0].tolist()):
        measured.append(exact(f"XOR, printed seed: output for example {place + 1} after 5000 updates", answer))
    others = (0.01, 1.0, 5.0)
    three = train(normal_nets([PRINTED_SEED]).repeat(3), np.array(others), EPOCHS)
    for lr, loss in zip(others, three.losses[-1].tolist(), strict=True):
        measured.append(exact(f"XOR, printed seed: loss after {EPOCHS} updates at rate {lr:g}", loss))
    measured += [
        exact("XOR, printed seed: loss after 40000 updates", float(later.losses[-1, 0]), method=f"{long} updates made"),
        exact(
            "XOR, printed seed: size of the weights after 40000 updates over that after 5000",
            _weight_size(later.nets) / _weight_size(normal.nets),
        ),
        exact("XOR, printed seed: size of the gradient after 40000 updates", float(_gradient_size(later.nets)[0])),
        exact("XOR, uniform weights: loss after 5000 updates", float(uniform.losses[uniform.epochs.index(5000), 0])),
        exact("XOR, uniform weights: loss after 20000 updates", float(uniform.losses[-1, 0])),
        exact("XOR, uniform weights: loss at the start", float(level[0])),
        exact(
            "XOR, uniform weights: share of the fall to 5000 updates that happens from 1000 to 4000",
            float((level[1000] - level[4000]) / (level[0] - level[5000])),
        ),
        exact(
            "XOR, uniform weights: fall per update from 4000 to 5000 over that from 1000 to 4000",
            float(3 * (level[4000] - level[5000]) / (level[1000] - level[4000])),
        ),
        exact(
            "XOR, uniform weights: share of the fall to 5000 updates that happens from 100 to 1000",
            float((level[100] - level[1000]) / (level[0] - level[5000])),
        ),
        exact(
            "XOR, uniform weights: loss after 20000 updates over that after 5000",
            float(uniform.losses[-1, 0] / uniform.losses[uniform.epochs.index(5000), 0]),
        ),
    ]
    panel = Panel(
        "XOR: the printed program from its printed seed",
        x_label="update",
        y_label="mean squared error",
        curves=(
            Curve("measured", float_series(normal.epochs), float_series(normal.losses[:, 0])),
            Curve(
                "printed",
                float_series(at[:5]),
                float_series((0.25, 0.1253, 0.0621, 0.0305, 0.0152)),
                marker="x",
                dashed=True,
            ),
        ),
    )
    return measured, panel


def _gradient_size(nets: Nets) -> Floats:
    hidden, out = outputs(nets)
    parts = dataclasses.astuple(gradients(nets, hidden, out))
    return np.asarray(np.sqrt(sum(np.square(one).reshape(-1, one.shape[-1]).sum(axis=0) for one in parts)))


def _weight_size(nets: Nets) -> float:
    return float(np.sqrt(sum(float(np.square(one).sum()) for one in dataclasses.astuple(nets))))
