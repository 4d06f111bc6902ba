"""`unstick`: XOR nets that are stuck, given the same extra updates under one remedy each.

A net is stuck when some example is still on the wrong side of one half after the training; it is freed when a remedy
brings all four to the right side. The remedies: going on, ten times the rate, fresh weights, weight decay, and
weight decay at ten times the rate. Decay stops halfway, so that it does not hold the outputs together to the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from surefoot.records import Measurement
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.textbook.experiments.trials import Floats
from surefoot.textbook.lab.xor import TARGETS, Nets, gradients, normal_nets, outputs, train
from surefoot.textbook.measuring import mean_of, share_of

SEEDS = {"quick": 1, "full": 30}
"""Groups of nets; one in four gets stuck. Of those weight decay freed 0.060 ± 0.27 in the earlier run, and at ten times
the rate 0.055 ± 0.24 (standard deviation over nets); to tell the second from the line at 0.05 in 7 of 10 runs takes
(2.5 × 0.24 / 0.005)² = 14,400 stuck nets."""
LR, DECAY = 1.0, 0.003
NETS = {"quick": 60, "full": 2000}
"""Nets of a group, which are trained side by side: so few that their numbers stay near the processor."""


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train, collect the stuck ones, and try every remedy on each."""
    updates = 3000 if size == "full" else 1000
    count = NETS[size]
    firsts = [seeds[0] + place * count for place in range(len(seeds))]
    parts = [_tried(range(first, first + count), updates) for first in firsts]
    freed = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    stuck = len(freed["going on"])
    found: list[Measurement] = [share_of("share of XOR nets that are stuck", stuck, count * len(seeds))]
    found += [
        share_of(f"share of stuck XOR nets freed by {name}", int(one.sum()), len(one)) for name, one in freed.items()
    ]
    for name, base in (("weight decay", "going on"), ("weight decay at ten times the rate", "ten times the rate")):
        gain = freed[name].astype(float) - freed[base]
        found.append(mean_of(f"share of stuck XOR nets that {name} frees beyond {base}", gain, method="same nets"))
    return Outcome(
        "unstick",
        measurements=tuple(found),
        panels=(
            Panel(
                "Stuck XOR nets that are freed",
                style="bars",
                y_label="share",
                bars={name: float(one.mean()) for name, one in freed.items()},
            ),
        ),
        notes=(f"XOR 2-2-1, {updates} updates at rate {LR:g}, then {updates} more; weight decay {DECAY:g}",),
    )


def _tried(seeds: Sequence[int], updates: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Of the nets of these seeds that are stuck, which every remedy frees."""
    nets = train(normal_nets(seeds), LR, updates).nets
    wrong = ~_right(nets)
    stuck = Nets(*(one[..., wrong] for one in dataclasses.astuple(nets)))
    fresh = normal_nets([100_000 + seed for seed in seeds][: stuck.members])
    return {
        "going on": _right(train(stuck, LR, updates).nets),
        "ten times the rate": _right(train(stuck, 10 * LR, updates).nets),
        "fresh weights": _right(train(fresh, LR, updates).nets),
        "weight decay": _right(_decayed(stuck, LR, updates)),
        "weight decay at ten times the rate": _right(_decayed(stuck, 10 * LR, updates)),
    }


def _right(nets: Nets) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which members have all four outputs on the right side of one half."""
    _, out = outputs(nets)
    return np.asarray(((out > 0.5) == (TARGETS[:, None] > 0.5)).all(axis=0))


def _decayed(nets: Nets, lr: float, updates: int) -> Nets:
    shrink: Floats = np.asarray(1 - lr * DECAY)
    for _ in range(updates // 2):
        step = gradients(nets, *outputs(nets))
        nets = Nets(
            shrink * nets.w1 - lr * step.w1,
            nets.b1 - lr * step.b1,
            shrink * nets.w2 - lr * step.w2,
            nets.b2 - lr * step.b2,
        )
    return train(nets, lr, updates - updates // 2).nets
