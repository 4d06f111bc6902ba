"""`shift-test`: networks trained on centred digits, shown the same digits moved by some pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.models.simple_cnn import simple_cnn
from surefoot.textbook.experiments.trials import Floats
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.cnn_facts import SHIFTS, flat_net, global_pooling_net, shifted_accuracy, trained_net
from surefoot.textbook.lab.digit_images import load_images
from surefoot.textbook.measuring import counted, mean_of

SEEDS = {"quick": 1, "full": 3}
NETS = {
    "the course's CNN": (simple_cnn, 0.002),
    "an MLP of its size": (flat_net, 0.002),
    "a CNN with global pooling": (global_pooling_net, 0.01),
}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train the three networks from every seed and move the test digits."""
    full = size == "full"
    data = load_images(Setting(), 2500 if full else 300, 1000 if full else 200)
    epochs = 4 if full else 1
    shifted: dict[str, Floats] = {
        name: np.array([shifted_accuracy(trained_net(net, data, lr, epochs, seed), data) for seed in seeds])
        for name, (net, lr) in NETS.items()
    }
    found: list[Measurement] = []
    for name, one in shifted.items():
        found.append(mean_of(f"accuracy of {name} on centred digits", one[:, 0]))
        found.append(mean_of(f"accuracy of {name} on digits moved by 3 pixels", one[:, 3]))
        found.append(mean_of(f"accuracy that {name} loses at 3 pixels", one[:, 0] - one[:, 3]))
    course, flat, pooled = shifted.values()
    found += [
        mean_of(
            "accuracy the course's CNN gains over an MLP at 3 pixels", course[:, 3] - flat[:, 3], method="same seeds"
        ),
        mean_of("accuracy global pooling gains over the course's CNN at 3 pixels", pooled[:, 3] - course[:, 3]),
        counted("largest difference of a moved map from the map of a moved image", _equivariance(seeds[0])),
    ]
    axis = float_series(SHIFTS)
    return Outcome(
        "shift-test",
        measurements=tuple(found),
        panels=(
            Panel(
                "Accuracy on moved digits",
                x_label="pixels to the right and down",
                y_label="accuracy",
                curves=tuple(Curve(n, axis, float_series(one.mean(axis=0)), marker="o") for n, one in shifted.items()),
            ),
        ),
        notes=(
            f"{len(data.x)} training and {len(data.test_x)} test images of the MNIST excerpt, {epochs} epochs of Adam",
        ),
    )


def _equivariance(seed: int) -> float:
    with borrowed_rng(seed):
        layer, image = nn.Conv2d(1, 10, 3).double(), torch.zeros(1, 1, 28, 28, dtype=torch.float64)
        image[..., 4:20, 4:20] = torch.rand(16, 16, dtype=torch.float64)
    with torch.no_grad():
        moved = layer(torch.roll(image, (3, 3), (2, 3)))
        return float((moved - torch.roll(layer(image), (3, 3), (2, 3)))[..., 4:-4, 4:-4].abs().max())
