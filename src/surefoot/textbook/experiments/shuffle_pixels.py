"""`shuffle-pixels`: a CNN and an MLP of its size on images, and on the same images with shuffled pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments.trials import accuracies, trained, with_model
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.digit_images import image_task, load_images
from surefoot.textbook.measuring import counted, mean_of
from surefoot.textbook.seeds import shared

SEEDS = {"quick": 1, "full": 4}


def convolutional() -> nn.Module:
    """Two strided convolutions and a linear layer: 13,066 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(800, 10),
    )


def flat() -> nn.Module:
    """A network without convolutions of about that size."""
    return nn.Sequential(nn.Flatten(), mlp((784, 16, 10)))


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train both networks on both kinds of images."""
    full = size == "full"
    data = load_images(Setting(), 2000 if full else 300, 1000 if full else 200)
    order = torch.randperm(784, generator=torch.Generator().manual_seed(shared()))
    epochs = 6 if full else 2
    reached = {}
    for kind in ("intact", "shuffled"):
        x, test_x = data.x, data.test_x
        if kind == "shuffled":
            x, test_x = (one.flatten(1)[:, order].reshape(one.shape).contiguous() for one in (x, test_x))
        base = image_task(x, data.y, test_x, data.test_y)
        for name, net in (("CNN", convolutional), ("MLP", flat)):
            recipe = Recipe(optimizer="adam", lr=0.005, batch_size=64, epochs=epochs)
            reached[name, kind] = accuracies(trained(with_model(base, net, name), {0: recipe}, seeds)[0])
    found: list[Measurement] = [
        mean_of(f"accuracy of the {name} on {kind} images", one) for (name, kind), one in reached.items()
    ]
    lead = {kind: reached["CNN", kind] - reached["MLP", kind] for kind in ("intact", "shuffled")}
    found += [mean_of(f"accuracy the CNN gains over the MLP on {kind} images", one) for kind, one in lead.items()]
    lost = {name: reached[name, "intact"] - reached[name, "shuffled"] for name in ("CNN", "MLP")}
    found += [mean_of(f"accuracy the {name} loses by shuffled pixels", one) for name, one in lost.items()]
    found += [
        counted(f"parameters of the {name} that reads shuffled pixels", sum(p.numel() for p in net().parameters()))
        for name, net in (("CNN", convolutional), ("MLP", flat))
    ]
    return Outcome(
        "shuffle-pixels",
        measurements=tuple(found),
        panels=(
            Panel(
                "Intact and shuffled images",
                style="bars",
                y_label="accuracy",
                bars={f"{name}, {kind}": float(one.mean()) for (name, kind), one in reached.items()},
            ),
        ),
        notes=(
            f"{len(data.x)} training and {len(data.test_x)} test images of the MNIST excerpt, Adam, {epochs} epochs",
        ),
    )
