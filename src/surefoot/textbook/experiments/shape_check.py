"""`shape-check`: shapes, parameters and multiplications of the course's CNN and of layers with and without sharing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.models.simple_cnn import simple_cnn
from surefoot.textbook.lab.cnn_facts import Local, layer_shapes, multiplications
from surefoot.textbook.measuring import counted

SEEDS = {"quick": 1, "full": 1}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Count; nothing is random here."""
    del size
    with borrowed_rng(seeds[0]):
        layers: dict[str, nn.Module] = {
            "convolution": nn.Conv2d(1, 10, 3),
            "local layer without sharing": Local(),
            "dense layer": nn.Sequential(nn.Flatten(), nn.Linear(784, 6760)),
        }
        net = simple_cnn()
    shapes = layer_shapes()
    numbers = {name: sum(one.numel() for one in layer.parameters()) for name, layer in layers.items()}
    work = {name: multiplications(layer) for name, layer in layers.items()}
    total = sum(one.numel() for one in net.parameters())
    shared, local, dense = numbers.values()
    found = [
        counted("side of the maps after a 3 x 3 convolution of 28 x 28", shapes["convolution"][-1]),
        counted("feature maps of the course's CNN", shapes["convolution"][0]),
        counted("values after flattening", shapes["flatten"][-1]),
        counted("outputs of the course's CNN", shapes["fully connected"][-1]),
        counted("parameters of the course's CNN", total),
        counted("parameters of its convolution", shared),
        counted("share of its parameters in the fully connected layer", 1 - shared / total),
        counted("parameters of a dense layer over those of the convolution", dense / shared),
        counted("parameters of a local layer without sharing over those of the convolution", local / shared),
        counted(
            "multiplications of a local layer without sharing over the convolution's",
            work["local layer without sharing"] / work["convolution"],
        ),
        counted("multiplications of a dense layer over the convolution's", work["dense layer"] / work["convolution"]),
        counted("side of the printed slice [:5, :5] of a filter", len(net.get_parameter("conv1.weight")[0, 0, :5, :5])),
        *(counted(f"parameters, {name}", one) for name, one in numbers.items()),
        *(counted(f"multiplications, {name}", one) for name, one in work.items()),
    ]
    return Outcome(
        "shape-check",
        measurements=tuple(found),
        panels=(
            Panel(
                "Multiplications per image",
                style="bars",
                y_label="multiplications",
                y_log=True,
                bars={name: float(one) for name, one in work.items()},
            ),
        ),
        notes=("all three layers turn an image of 28 x 28 into 10 maps of 26 x 26",),
    )
