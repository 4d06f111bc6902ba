"""`pool`: four times fewer values by maximum, average or stride, with the same parameters behind them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from surefoot.records import Measurement, Recipe
from surefoot.records.claim import Outcome, Size
from surefoot.records.panel import Panel
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.experiments.trials import accuracies, trained, with_model
from surefoot.textbook.lab.building_blocks import layer_facts
from surefoot.textbook.measuring import counted, mean_of

SEEDS = {"quick": 2, "full": 6}
KINDS = ("nothing", "maximum", "average", "stride")


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Train the four networks on the digits."""
    images = find_entry("digits-cnn").make()
    recipe = Recipe(optimizer="adam", lr=0.01, batch_size=64, epochs=8 if size == "full" else 2)
    reached = {}
    for kind in KINDS:
        reached[kind] = accuracies(trained(with_model(images, lambda kind=kind: _net(kind)), {0: recipe}, seeds)[0])
    found: list[Measurement] = [mean_of(f"accuracy when pooling by {kind}", one) for kind, one in reached.items()]
    found += [
        mean_of(f"accuracy change by pooling, {kind}", reached[kind] - reached["nothing"], method="same seeds")
        for kind in KINDS[1:]
    ]
    facts = layer_facts(seeds[0])
    found.append(counted("share of values left by pooling 2 x 2", facts["pooling_values_left"]))
    found.append(
        counted("share of maps whose largest value is kept by maximum pooling", facts["pooling_keeps_largest"])
    )
    return Outcome(
        "pool",
        measurements=tuple(found),
        panels=(
            Panel(
                "Accuracy on the digits by kind of pooling",
                style="bars",
                y_label="accuracy",
                bars={kind: float(one.mean()) for kind, one in reached.items()},
            ),
        ),
        notes=("two convolutions of 8 and 16 maps, all with one linear layer on 16 values: the mean of each map",),
    )


def _net(kind: str) -> nn.Module:
    shrink: dict[str, list[nn.Module]] = {"maximum": [nn.MaxPool2d(2)], "average": [nn.AvgPool2d(2)]}
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, stride=2 if kind == "stride" else 1),
        nn.ReLU(),
        *shrink.get(kind, []),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
