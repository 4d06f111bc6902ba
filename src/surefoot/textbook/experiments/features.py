"""`features`: what a linear reader makes of pixels, of random and of learned convolutions, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from surefoot.records import Measurement, float_series
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Curve, Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.cnn_facts import global_pooling_net, probes, ridge, trained_net
from surefoot.textbook.lab.digit_images import load_images
from surefoot.textbook.measuring import counted, mean_of

SEEDS = {"quick": 1, "full": 3}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train the small CNN from every seed and read its layers."""
    full = size == "full"
    data = load_images(Setting(), 2500 if full else 400, 1000 if full else 200)
    learned, random = [], []
    for seed in seeds:
        with borrowed_rng(seed):
            untrained = global_pooling_net()
        random.append(probes(untrained, data))
        learned.append(probes(trained_net(global_pooling_net, data, 0.01, 4 if full else 2, seed), data))
    by_layer, at_random = np.array(learned), np.array(random)
    made = ridge(_edges(data.x), data.y, _edges(data.test_x), data.test_y)
    pixels = float(by_layer[0, 0])
    found: list[Measurement] = [
        counted("accuracy of a linear reader on pixels", pixels),
        counted("accuracy of a linear reader on hand-made edge counts", made),
        mean_of("accuracy of a linear reader on the first learned layer", by_layer[:, 1]),
        mean_of("accuracy of a linear reader on the second learned layer", by_layer[:, 2]),
        mean_of("accuracy of a linear reader on the second random layer", at_random[:, 2]),
        mean_of("accuracy learned features gain over pixels", by_layer[:, 2] - pixels),
        mean_of("accuracy learned features gain over random ones", by_layer[:, 2] - at_random[:, 2]),
        mean_of("accuracy learned features gain over hand-made edge counts", by_layer[:, 2] - made),
        mean_of("accuracy the first layer gains over pixels", by_layer[:, 1] - pixels),
        mean_of("accuracy the second layer gains over the first", by_layer[:, 2] - by_layer[:, 1]),
        counted("side of what one value of the first layer sees", 3),
        counted("side of what one value of the second layer sees", _seen()),
    ]
    axis = float_series(range(3))
    return Outcome(
        "features",
        measurements=tuple(found),
        panels=(
            Panel(
                "A linear reader of each layer",
                x_label="layer (0: pixels)",
                y_label="accuracy",
                curves=(
                    Curve("learned", axis, float_series(by_layer.mean(axis=0)), marker="o"),
                    Curve("random", axis, float_series(at_random.mean(axis=0)), marker="o", dashed=True),
                ),
            ),
        ),
        notes=(f"{len(data.x)} training and {len(data.test_x)} test images of the MNIST excerpt; ridge regression",),
    )


def _edges(x: Tensor) -> Tensor:
    """Counts of edge directions: four directions on a grid of 4 x 4 squares, weighted by strength. (n, 64)."""
    down = F.pad(x, (0, 0, 1, 1))[..., 2:, :] - F.pad(x, (0, 0, 1, 1))[..., :-2, :]
    right = F.pad(x, (1, 1, 0, 0))[..., 2:] - F.pad(x, (1, 1, 0, 0))[..., :-2]
    strength, angle = torch.hypot(down, right), torch.atan2(down, right) % torch.pi
    place = (angle / torch.pi * 4).long().clamp(max=3)
    maps = torch.cat([strength * (place == one) for one in range(4)], dim=1)
    return F.adaptive_avg_pool2d(maps, 4).flatten(1).double()


def _seen() -> int:
    """Side of the patch of the image that moves one value of the second convolution, by its gradient."""
    with borrowed_rng(0):
        part: Tensor = torch.rand(1, 1, 28, 28).requires_grad_()
        maps = global_pooling_net()[:4](part)  # type: ignore[index]
    slope = torch.autograd.grad(maps[0, :, 4, 4].square().sum(), part)[0][0, 0]
    # Pooling passes one of four: the patch is what can be reached, so all windows of the pooling count.
    rows = torch.nonzero(slope.abs().sum(dim=1)).flatten()
    return int(rows.max() - rows.min()) + 1
