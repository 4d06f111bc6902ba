"""XOR in NumPy with backpropagation written out by hand, for many members at once.

A *member* is one network 2-H-1 of sigmoids with its own weights and its own rate. Members stand on the last axis of
every array: W1 [2, H, members], b1 [H, members], W2 [H, members], b2 [members]. Nothing here differentiates for us:
the derivatives are the program's point.

The update that the textbook prints sums (output - target) times the derivatives over the examples, while the loss it
prints is their mean square. The gradient of that mean square carries a factor 2 / N; `factor` puts it there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "INPUTS",
    "SOLVED",
    "TARGETS",
    "Nets",
    "Trained",
    "gradients",
    "normal_nets",
    "outputs",
    "train",
    "uniform_nets",
]

Floats = npt.NDArray[np.float64]

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TARGETS = np.array([0.0, 1.0, 1.0, 0.0])
SOLVED = 0.01
"""A network has solved XOR when its mean squared error is below this: no prediction is then off by more than 0.2."""


@dataclasses.dataclass(frozen=True)
class Nets:
    """Weights and biases of all members."""

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats

    @property
    def members(self) -> int:
        """How many there are."""
        return int(self.b2.shape[-1])

    def repeat(self, times: int) -> Nets:
        """The same members, all of them `times` over."""
        return Nets(*(np.tile(one, (1,) * (one.ndim - 1) + (times,)) for one in dataclasses.astuple(self)))

    def member(self, place: int) -> Nets:
        """One member."""
        return Nets(*(one[..., place : place + 1] for one in dataclasses.astuple(self)))


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training left."""

    epochs: list[int]
    """Updates done before each kept loss."""
    losses: Floats
    """Mean squared error at `epochs`, [epochs, members]."""
    nets: Nets
    predictions: Floats
    """Outputs for the four examples after the last update, [4, members]."""
    rises: npt.NDArray[np.int64]
    """Updates after which the loss was higher than before, [members]."""


def normal_nets(seeds: Sequence[int], hidden: int = 2) -> Nets:
    """Standard normal weights and zero biases; drawn as ``randn(2, H)``, then ``randn(H, 1)`` under each seed."""
    drawn = []
    for seed in seeds:
        random = np.random.RandomState(seed)
        drawn.append((random.randn(2, hidden), random.randn(hidden, 1)[:, 0]))
    count = len(drawn)
    return Nets(
        np.stack([one for one, _ in drawn], axis=-1),
        np.zeros((hidden, count)),
        np.stack([two for _, two in drawn], axis=-1),
        np.zeros(count),
    )


def uniform_nets(seeds: Sequence[int], hidden: int = 2) -> Nets:
    """Weights and biases uniform in 0 to 1; drawn in the order hidden weights, biases, output weights, bias."""
    drawn = []
    for seed in seeds:
        random = np.random.RandomState(seed)
        drawn.append(
            (
                random.uniform(size=(2, hidden)),
                random.uniform(size=(1, hidden))[0],
                random.uniform(size=(hidden, 1))[:, 0],
                random.uniform(size=(1, 1))[0, 0],
            )
        )
    return Nets(*(np.stack(parts, axis=-1) for parts in zip(*drawn, strict=True)))


def sigmoid(x: Floats) -> Floats:
    """``1 / (1 + exp(-x))``; 0 where exp overflows."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def outputs(nets: Nets) -> tuple[Floats, Floats]:
    """Activations of the hidden layer [4, H, members] and of the output [4, members]."""
    left, right = INPUTS[:, 0, None, None], INPUTS[:, 1, None, None]
    hidden = sigmoid(left * nets.w1[0] + right * nets.w1[1] + nets.b1)
    return hidden, sigmoid((hidden * nets.w2).sum(axis=1) + nets.b2)


def gradients(nets: Nets, hidden: Floats, out: Floats, factor: float = 1.0) -> Nets:
    """What is subtracted, times the rate, in one update; with `factor` 2 / N it is the gradient of the printed loss."""
    at_output = factor * (out - TARGETS[:, None]) * out * (1.0 - out)
    at_hidden = at_output[:, None] * nets.w2 * hidden * (1.0 - hidden)
    # The inputs are 0 or 1: of the four examples the last two have the left one on, the second and fourth the right.
    return Nets(
        np.stack([at_hidden[2] + at_hidden[3], at_hidden[1] + at_hidden[3]]),
        at_hidden.sum(axis=0),
        (hidden * at_output[:, None]).sum(axis=0),
        at_output.sum(axis=0),
    )


def train(nets: Nets, lrs: Floats | float, epochs: int, *, keep: Collection[int] = (), factor: float = 1.0) -> Trained:
    """Train every member by full-batch descent.

    Args:
        nets: where each member begins; not changed.
        lrs: rate of each member, or one for all.
        epochs: updates.
        keep: numbers of updates after which the losses are kept, besides 0 and `epochs`.
        factor: 1 as printed; 2 / 4 for the gradient of the mean squared error.
    """
    kept = sorted({0, epochs, *(one for one in keep if 0 <= one <= epochs)})
    wanted = set(kept)
    losses: list[Floats] = []
    before = np.full(nets.members, np.inf)
    rises = np.zeros(nets.members, dtype=np.int64)
    out = np.empty((4, nets.members))
    with np.errstate(over="ignore"):
        for epoch in range(epochs + 1):
            hidden, out = outputs(nets)
            loss = np.square(out - TARGETS[:, None]).mean(axis=0)
            rises += loss > before
            before = loss
            if epoch in wanted:
                losses.append(loss)
            if epoch < epochs:
                step = gradients(nets, hidden, out, factor)
                nets = Nets(
                    nets.w1 - lrs * step.w1, nets.b1 - lrs * step.b1, nets.w2 - lrs * step.w2, nets.b2 - lrs * step.b2
                )
    return Trained(kept, np.array(losses), nets, out, rises)
