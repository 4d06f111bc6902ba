"""`quad-sweep`: bowls of known curvature: limit, crossings, steps to the bottom, momentum, paths."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.schedules import make
from surefoot.textbook.descent import bowl_height, descend, generator
from surefoot.textbook.measuring import exact, mean_of, slope_of

__all__ = ["SEEDS", "run", "steps_to"]

SEEDS = {"quick": 3, "full": 20}

Floats = npt.NDArray[np.float64]

FAR = 10_000
"""Updates after which a descent that has not arrived is given up."""
GRID = 0.005
"""Spacing of the rates around the limit, as a share of it."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Descend bowls whose eigenvalues and starts are drawn anew for every seed."""
    longest = 3000 if size == "quick" else FAR
    measured: list[Measurement] = []
    for momentum in (0.0, 0.5, 0.9):
        ratios = [_diverges_from(seed, momentum, 300 if size == "quick" else 800) for seed in seeds]
        words = f"momentum {momentum:g}" if momentum else "no momentum"
        measured.append(
            mean_of(f"smallest diverging rate × curvature / 2, {words}", ratios, method=f"rates {GRID:g} apart")
        )
        if momentum:
            measured.append(
                mean_of(
                    f"smallest diverging rate × curvature / (2 + 2 × momentum), {words}",
                    [one / (1 + momentum) for one in ratios],
                    method=f"rates {GRID:g} apart",
                )
            )
    crossings, panels = _crossings(seeds)
    measured += crossings
    measured += _speed(seeds, longest)
    measured += _shape(seeds, longest)
    measured += _flow(seeds)
    measured += _decay(seeds)
    turn, panel = _turn(longest)
    return Outcome(
        "quad-sweep",
        measurements=(*measured, *turn),
        panels=(panel, *panels),
        notes=("bowls f(w) = 1/2 sum of λ w², λ and the start drawn for each seed; no noise; the library's SGD",),
    )


def steps_to(eigenvalues: Sequence[float], lrs: Floats, share: float, longest: int, momentum: float = 0.0) -> Floats:
    """Updates until the height is below `share` of that at the start (1, 1, …), per rate; inf where it never is."""
    curvature = torch.tensor(eigenvalues, dtype=torch.float64)
    start = torch.ones(len(lrs), len(curvature), dtype=torch.float64)
    goal = share * float(bowl_height(start[:1], curvature))
    arrived = np.full(len(lrs), np.inf)

    def see(step: int, points: Tensor) -> None:
        below = (bowl_height(points, curvature) < goal).numpy() & np.isinf(arrived)
        arrived[below] = step

    descend(
        lambda points: points * curvature,
        start,
        torch.tensor(lrs),
        longest,
        options={"momentum": momentum} if momentum else {},
        see=see,
    )
    return arrived


def _diverges_from(seed: int, momentum: float, steps: int) -> float:
    """Smallest rate of a grid whose height grows, times largest eigenvalue / 2."""
    random = generator(seed)
    curvature = torch.exp(torch.rand(4, generator=random, dtype=torch.float64) * math.log(100))
    limit = 2 * (1 + momentum) / float(curvature.max())
    factors = torch.arange(0.9, 1.1001, GRID, dtype=torch.float64)
    start = torch.randn(1, 4, generator=random, dtype=torch.float64).repeat(len(factors), 1)
    options = {"momentum": momentum} if momentum else {}
    # Momentum swings before it settles: heights of the last two thirds are compared.
    middle: list[Tensor] = []

    def see(step: int, points: Tensor) -> None:
        if step == steps // 3:
            middle.append(points.clone())

    end = descend(lambda points: points * curvature, start, factors * limit, steps, options=options, see=see)
    steep = int(curvature.argmax())
    grows = end[:, steep].abs() > middle[0][:, steep].abs()
    return float(factors[grows][0]) * (1 + momentum) if bool(grows.any()) else math.inf


def _crossings(seeds: Sequence[int]) -> tuple[list[Measurement], list[Panel]]:
    """Sign changes of the steep coordinate and rises of the loss in a valley of condition number 20."""
    curvature = torch.tensor([20.0, 1.0], dtype=torch.float64)
    factors = [0.1, 0.9, 1.5, 1.95, 2.05]
    steps = 60
    crossed, raised, cosine = (np.zeros((len(seeds), len(factors))) for _ in range(3))
    longer = np.zeros_like(crossed)
    heights: list[Floats] = []
    for place, seed in enumerate(seeds):
        start = (1 + torch.rand(1, 2, generator=generator(seed), dtype=torch.float64)).repeat(len(factors), 1)
        walked: list[Tensor] = []

        def see(_step: int, points: Tensor, walked: list[Tensor] = walked) -> None:
            walked.append(points.clone())

        lrs = torch.tensor(factors, dtype=torch.float64) / curvature.max()
        descend(lambda points: points * curvature, start, lrs, steps, see=see)
        path = torch.stack(walked).numpy()
        height = bowl_height(torch.stack(walked), curvature).numpy()
        crossed[place] = (path[1:, :, 0] * path[:-1, :, 0] < 0).mean(axis=0)
        raised[place] = (np.diff(height, axis=0) > 0).mean(axis=0)
        moves = np.diff(path, axis=0)
        lengths = np.linalg.norm(moves, axis=-1)
        cosine[place] = ((moves[1:] * moves[:-1]).sum(-1) / (lengths[1:] * lengths[:-1])).mean(axis=0)
        longer[place] = lengths.sum(axis=0) / np.linalg.norm(path[0] - path[-1], axis=-1)
        if place == 0:
            heights = list(height.T)
    named = {one: f"{one:g} / steepest curvature" for one in factors}
    measured = []
    for place, factor in enumerate(factors):
        measured += [
            mean_of(f"share of updates that cross the valley at rate {named[factor]}", crossed[:, place]),
            mean_of(f"share of updates that raise the loss at rate {named[factor]}", raised[:, place]),
        ]
    measured += [
        mean_of("cosine between consecutive updates at rate 0.1 / steepest curvature", cosine[:, 0]),
        mean_of("cosine between consecutive updates at rate 1.95 / steepest curvature", cosine[:, 3]),
        mean_of("path length over straight distance at rate 0.1 / steepest curvature", longer[:, 0]),
        mean_of("path length over straight distance at rate 1.95 / steepest curvature", longer[:, 3]),
    ]
    panel = Panel(
        "Height by update in a valley 20 times steeper across than along",
        x_label="update",
        y_label="height",
        y_log=True,
        curves=tuple(
            Curve(f"rate {named[factor]}", float_series(range(len(one))), float_series(one))
            for factor, one in zip(factors, heights, strict=True)
        ),
    )
    return measured, [panel]


def _speed(seeds: Sequence[int], longest: int) -> list[Measurement]:
    """Steps to a millionth of the height below the limit, and with momentum at its best rate."""
    lrs = np.geomspace(0.01, 0.3, 8)
    curves = []
    for seed in seeds:
        middle = math.exp(float(torch.rand(1, generator=generator(seed))) * math.log(3))
        curves.append(steps_to([3.0, middle, 1.0], lrs, 1e-3, min(longest, 1000)))
    grid = np.geomspace(0.01, 1.99, 60) / 30
    plain = float(np.min(steps_to([30.0, 1.0], grid, 1e-6, longest)))
    heavy = float(np.min(steps_to([30.0, 1.0], grid * 2, 1e-6, min(longest, 1000), momentum=0.7)))
    best_plain = float(grid[np.argmin(steps_to([30.0, 1.0], grid, 1e-6, longest))])
    best_heavy = float(2 * grid[np.argmin(steps_to([30.0, 1.0], grid * 2, 1e-6, min(longest, 1000), momentum=0.7))])
    return [
        slope_of("exponent of steps to a fixed loss against the rate, far below the limit", lrs.tolist(), curves),
        exact("steps without momentum over steps with momentum 0.7, each at its best rate", plain / heavy),
        exact("best rate with momentum 0.7 over best rate without, on a bowl", best_heavy / best_plain),
    ]


def _shape(seeds: Sequence[int], longest: int) -> list[Measurement]:
    """Best and largest stable rate by curvature; steps at the best rate by condition number; ruggedness."""
    curvatures = [0.01, 0.1, 1.0, 10.0, 100.0]
    factors = np.geomspace(0.05, 1.95, 79)
    best, stable = [], []
    for curvature in curvatures:
        arrived = steps_to([curvature], factors / curvature, 1e-6, 400)
        ties = factors[arrived == arrived.min()] / curvature
        best.append(float(np.exp(np.log(ties).mean())))
        grid = np.geomspace(0.5, 4.0, 401) / curvature
        start = torch.ones(len(grid), 1, dtype=torch.float64)
        end = descend(lambda points, c=curvature: points * c, start, torch.tensor(grid), 200)  # type: ignore[misc]
        stable.append(float(grid[(end.abs() <= 1)[:, 0].numpy()].max()))
    conditions = [1.0, 3.0, 10.0, 30.0] + ([100.0] if longest >= FAR else [])
    needed = []
    for condition in conditions:
        grid = np.linspace(0.5, 1.999, 61) / condition
        needed.append(float(np.min(steps_to([condition, 1.0], grid, 1e-6, longest))))
    smooth, rugged = ([_largest_stable(seed, depth) for seed in seeds] for depth in (0.0, 0.5))
    return [
        slope_of("exponent of the best rate against the curvature", curvatures, [best]),
        slope_of("exponent of the largest stable rate against the curvature", curvatures, [stable]),
        slope_of("exponent of the fewest steps against the condition number", conditions[1:], [needed[1:]]),
        mean_of(
            "largest rate that settles on a rugged bowl over that on a smooth one",
            np.array(rugged) / np.array(smooth),
            method="x²/2 with and without 0.5 cos(4x) / 4 ripples",
        ),
    ]


def _largest_stable(seed: int, depth: float) -> float:
    """Largest rate at which descent of x²/2 + ripples comes to rest, from a random start."""
    grid = torch.linspace(0.02, 2.2, 110, dtype=torch.float64)
    start = (2 + torch.rand(1, 1, generator=generator(seed), dtype=torch.float64)).repeat(len(grid), 1)
    end = descend(lambda x: x - depth * torch.sin(4 * x), start, grid, 400)
    moved = (end - depth * torch.sin(4 * end)).abs()[:, 0]
    return float(grid[moved < 1e-3].max())


def _flow(seeds: Sequence[int]) -> list[Measurement]:
    """Distance between descent and the continuous path of steepest descent after the same time rate × updates."""
    curvature = torch.tensor([4.0, 1.0], dtype=torch.float64)
    lrs, time = [0.0025, 0.005, 0.01, 0.02, 0.04], 1.0
    curves = []
    for seed in seeds:
        start = torch.randn(1, 2, generator=generator(seed), dtype=torch.float64)
        exact_end = start * torch.exp(-curvature * time)
        ends = [descend(lambda points: points * curvature, start, lr, round(time / lr)) for lr in lrs]
        curves.append([float((end - exact_end).norm()) for end in ends])
    return [slope_of("exponent of the distance from the continuous path against the rate", lrs, curves)]


def _decay(seeds: Sequence[int]) -> list[Measurement]:
    """Swing across the valley after 100 updates: a constant rate just below the limit, and the same rate decaying."""
    curvature, steps, lr = torch.tensor([1.0], dtype=torch.float64), 100, 1.98
    ratios = []
    for seed in seeds:
        start = 1 + torch.rand(1, 1, generator=generator(seed), dtype=torch.float64)
        schedule = make("inverse-time:k=0.05", lr, steps)
        constant = descend(lambda points: points * curvature, start, lr, steps)
        decayed = descend(lambda points: points * curvature, start, schedule, steps)
        ratios.append(float(bowl_height(decayed, curvature) / bowl_height(constant, curvature)))
    return [mean_of("height of an oscillation after decay over that at the constant rate", ratios)]


def _turn(longest: int) -> tuple[list[Measurement], Panel]:
    """Steps over the whole range of rates in a valley of condition number 20: fewer, then more again, then never."""
    condition = 20.0
    limit = 2 / condition
    shares = np.array([0.03, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 0.98, 0.99, 0.995, 0.999, 1.01])
    arrived = steps_to([condition, 1.0], shares * limit, 1e-6, longest)
    best = int(np.argmin(arrived))
    inside = shares < 0.9
    measured = [
        slope_of(
            "exponent of steps to a fixed loss against the rate, condition number 20",
            shares[inside & (shares <= 0.7)].tolist(),
            [arrived[inside & (shares <= 0.7)]],
        ),
        exact("best rate as a share of the limit, condition number 20", float(shares[best])),
        exact("steps at 0.999 of the limit over the fewest", float(arrived[-2] / arrived[best])),
        exact("steps at 1.01 of the limit over the fewest", float(arrived[-1] / arrived[best])),
    ]
    panel = Panel(
        "Updates to a millionth of the height, by rate",
        x_label="rate / limit",
        y_label="updates",
        x_log=True,
        y_log=True,
        curves=(Curve("condition number 20", float_series(shares[:-1]), float_series(arrived[:-1]), marker="o"),),
        columns={"limit": 1.0},
    )
    return measured, panel
