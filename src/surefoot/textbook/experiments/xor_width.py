"""`xor-width`: XOR at many hidden widths: how often training fails, and where the failed trainings ended.

A training failed when its loss ended above 0.01. It ended at a minimum when its gradient is nearly zero and no
direction of the Hessian points down; on its way when it still moves or could.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.textbook.experiments.trials import Floats
from surefoot.textbook.lab.xor import SOLVED, Nets, gradients, normal_nets, outputs, train
from surefoot.textbook.measuring import share_of

SEEDS = {"quick": 40, "full": 300}
WIDTHS = (2, 3, 4, 8, 16, 32)
FLAT = 1e-6
"""Gradient norm below which a point counts as stationary."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train every width from every seed at rate 1, then look at the ends of what failed."""
    epochs = 4000 if size == "full" else 1000
    longer = 20_000 if size == "full" else 3000
    found: list[Measurement] = []
    failed_share = []
    stationary = minima = moved_on = failures = 0
    for width in WIDTHS if size == "full" else WIDTHS[:3]:
        nets = normal_nets(seeds, hidden=width)
        done = train(nets, 1.0, epochs)
        failed = done.losses[-1] >= SOLVED
        found.append(share_of(f"share of failed XOR trainings, {width} hidden units", int(failed.sum()), len(seeds)))
        failed_share.append(float(failed.mean()))
        stuck = Nets(*(one[..., failed] for one in dataclasses.astuple(done.nets)))
        failures += stuck.members
        for member in range(min(stuck.members, 25)):
            one = stuck.member(member)
            slope = float(np.linalg.norm(_gradient(one)))
            lowest = float(np.linalg.eigvalsh(_hessian(one))[0])
            stationary += slope < FLAT
            minima += slope < FLAT and lowest > -1e-6
        if stuck.members:
            on = train(stuck, 1.0, longer).losses[-1]
            moved_on += int((on < 0.9 * done.losses[-1][failed]).sum())
    looked = sum(min(round(share * len(seeds)), 25) for share in failed_share)
    found += [
        share_of("share of failed XOR trainings at a stationary point", stationary, looked),
        share_of("share of failed XOR trainings at a local minimum", minima, looked),
        share_of(
            "share of failed XOR trainings that fall further when continued",
            moved_on,
            failures,
            method=f"{longer} more updates lower the loss by more than a tenth",
        ),
    ]
    widths = WIDTHS[: len(failed_share)]
    return Outcome(
        "xor-width",
        measurements=tuple(found),
        panels=(
            Panel(
                "XOR trainings that fail, by hidden width",
                x_label="hidden units",
                y_label="share",
                x_log=True,
                curves=(Curve("failed", float_series(widths), float_series(failed_share), marker="o"),),
            ),
        ),
        notes=(f"rate 1, {epochs} updates, standard normal weights; failed: mean squared error from {SOLVED}",),
    )


def _gradient(one: Nets) -> Floats:
    found = gradients(one, *outputs(one), factor=0.5)
    return np.concatenate([part[..., 0].ravel() for part in dataclasses.astuple(found)])


def _hessian(one: Nets, step: float = 1e-5) -> Floats:
    """By central differences of the gradient."""
    shapes = [part.shape for part in dataclasses.astuple(one)]
    flat = np.concatenate([part.ravel() for part in dataclasses.astuple(one)])
    rows = []
    for place in range(len(flat)):
        sides = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[place] += sign * step
            parts, at = [], 0
            for shape in shapes:
                size = int(np.prod(shape))
                parts.append(moved[at : at + size].reshape(shape))
                at += size
            sides.append(_gradient(Nets(*parts)))
        rows.append((sides[0] - sides[1]) / (2 * step))
    hessian = np.array(rows)
    return np.asarray((hessian + hessian.T) / 2)
