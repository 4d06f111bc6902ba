"""`building-blocks`: the textbook's layers, activations, losses and data sets, each trained or counted once.

Small and quick on purpose: every row is a real training of a built-in task, and every statement about a layer is tried
on that layer.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, float_series
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["first_layer_gradient", "layer_facts", "run"]

TASKS = (
    "xor",
    "penguins",
    "iris",
    "wine",
    "breast-cancer",
    "diabetes",
    "digits",
    "digits-linear",
    "spirals",
    "digits-cnn",
    "digits-bn",
    "tiny-text-rnn",
)
ACTIVATIONS = ("relu", "sigmoid", "tanh")
DEPTHS = (1, 2, 4, 8)
LRS = (0.01, 0.1, 1.0)


def run(
    setting: Setting, *, steps: int = 150, tasks: tuple[str, ...] = TASKS, depths: tuple[int, ...] = DEPTHS
) -> LabResult:
    """Train every data set for some steps, networks of every depth and activation, and try the layers."""
    seed = setting.seed_list(1)[0]
    rows, falls = [], {}
    for name in tasks:
        setting.say(f"{steps} steps of {name}")
        rows.append(_trained(name, steps, seed))
        falls[name] = float(rows[-1][4]) / float(rows[-1][3])
    digits = find_entry("digits").make()
    setting.say("activations and depths")
    reached = {name: [_best(digits, name, depth, steps, seed) for depth in depths] for name in ACTIVATIONS}
    slopes = {name: [first_layer_gradient(digits, name, depth, seed) for depth in depths] for name in ACTIVATIONS}
    setting.say("noisy, few and drifting examples")
    data = _hard_data(digits, steps, seed)
    drift = _drift(seed)
    facts = layer_facts(seed)
    softmax = _softmax_facts()
    sizes = {"SimpleCNN": _size("mnist-small"), "XOR 2-4-1": _size("xor"), "XOR 2-2-1": _count(mlp((2, 2, 1)))}

    verdicts = Verdicts()
    verdicts.compare("parameters", [67710, 17, 9], list(sizes.values()), what=f"parameters of {', '.join(sizes)}")
    verdicts.compare(
        "penguin_outputs",
        3,
        int(find_entry("penguins").make().make_model(0)(torch.zeros(2, 9)).shape[1]),
        what="outputs of the network that tells the penguins apart",
    )
    verdicts.state(
        "dropping_eliminates_feature_maps",
        bool(facts["spatial_dropout_whole_maps"] == 1.0),
        what="dropping layers randomly eliminate feature maps",
        when="every map after spatial dropout is either all zero or untouched",
    )
    verdicts.state(
        "pooling_keeps_maxima",
        facts["pooling_keeps_largest"] == 1.0,
        what="pooling reduces the values and keeps the differentiating ones",
        when="a quarter of the values is left and every map keeps its largest one",
    )
    verdicts.state(
        "log_softmax_before_cross_entropy_matters",
        softmax["log_softmax_loss_difference"] > 1e-6,
        what="log-softmax in front of the cross-entropy, as printed, changes the loss",
        when="the losses with and without it differ by more than 1e-6",
    )
    deep, shallow = slopes["sigmoid"][-1], slopes["sigmoid"][0]
    verdicts.state(
        "backpropagation_cures_vanishing_gradients",
        deep > 0.1 * shallow,
        what="backpropagation prevents vanishing gradients",
        when=f"the first layer's gradient of a sigmoid network of depth {depths[-1]} is above a tenth of that of "
        f"depth {depths[0]}",
    )
    best_drift = min(drift, key=lambda lr: drift[lr])
    verdicts.state(
        "drift_wants_large_rates",
        best_drift > min(drift),
        what="drifting data needs a rate that follows it",
        when="the smallest rate does not track a moving target best",
    )
    shown = ", ".join(f"{name} {values[-1]:.0%}" for name, values in reached.items())
    return LabResult(
        name="building-blocks",
        title="Layers, activations, losses, data",
        **verdicts.fields(),
        facts={
            "loss_left": falls,
            "accuracy_by_depth": reached,
            "first_layer_gradient": slopes,
            "depths": list(depths),
            "hard_data_accuracy": data,
            "tracking_error": {f"{lr:g}": value for lr, value in drift.items()},
            "layers": facts,
            "softmax": softmax,
            "parameters": sizes,
        },
        sentences=(
            f"{sum(value < 1 for value in falls.values())} of {len(falls)} built-in tasks lower their loss in "
            f"{steps} steps.",
            f"Best validation accuracy at depth {depths[-1]} within {steps} steps: {shown}.",
            f"The gradient of the first layer of a sigmoid network is {shallow:.1e} at depth {depths[0]} and "
            f"{deep:.1e} at "
            f"depth {depths[-1]}.",
            f"With 20% wrong labels the accuracy is {data['20% wrong labels']:.1%}, with 100 examples "
            f"{data['100 examples']:.1%}, with all {data['all, clean']:.1%}.",
            f"Log-softmax before the cross-entropy changes the loss by "
            f"{softmax['log_softmax_loss_difference']:.0e}; softmax "
            f"would, and could not get below {softmax['softmax_floor']:.3f}.",
            f"A drifting target is tracked best at rate {best_drift:g}.",
        ),
        tables=(
            LabTable(
                f"Built-in tasks after {steps} steps",
                ("task", "what it is", "parameters", "first loss", "last loss", "validation"),
                tuple(rows),
            ),
            LabTable(
                "Layers, tried",
                ("fact", "value"),
                tuple((name.replace("_", " "), f"{value:g}") for name, value in facts.items()),
            ),
            LabTable(
                f"Best validation accuracy within {steps} steps",
                ("depth", *ACTIVATIONS),
                tuple(
                    (str(depth), *(f"{reached[name][i]:.1%}" for name in ACTIVATIONS)) for i, depth in enumerate(depths)
                ),
            ),
        ),
        panels=(
            Panel(
                "Depth and activation",
                x_label="hidden layers",
                y_label="validation accuracy",
                curves=tuple(
                    Curve(name, float_series(depths), float_series(values), marker="o")
                    for name, values in reached.items()
                ),
            ),
            Panel(
                "Gradient of the first layer before training",
                x_label="hidden layers",
                y_label="norm",
                y_log=True,
                curves=tuple(
                    Curve(name, float_series(depths), float_series(values), marker="o")
                    for name, values in slopes.items()
                ),
            ),
            Panel(
                "Tracking a drifting target",
                x_label="rate",
                y_label="mean squared distance",
                x_log=True,
                y_log=True,
                curves=(Curve("", float_series(list(drift)), float_series(list(drift.values())), marker="o"),),
            ),
            Panel("Noisy and few examples", style="bars", y_label="validation accuracy", bars=data),
        ),
        notes=(
            f"tasks: Adam at 0.01; depth: SGD at the best of {', '.join(f'{lr:g}' for lr in LRS)}, width 32, "
            f"batches of 64",
            "drift: descent on the squared distance to a target that makes a random walk, seen through noise",
        ),
        provenance=Provenance.here(seeds={"seed": seed}, data=digits.checksum()),
    )


def _trained(name: str, steps: int, seed: int) -> tuple[str, ...]:
    entry = find_entry(name)
    task = entry.make()
    batch = entry.batch_size if isinstance(entry.batch_size, str) else min(entry.batch_size, task.train.size)
    run = train_members(
        task, [Recipe(optimizer="adam", lr=0.01, batch_size=batch, epochs=1, seed=seed)], horizon=steps
    )[0]
    tail = float(np.mean(run.loss[-max(1, steps // 10) :]))
    metric = next(iter(run.val_metrics), None)
    said = f"loss {run.val_loss[-1]:.3g}"
    if metric is not None:
        said = f"{metric.replace('_', ' ')} {run.val_metrics[metric][-1]:.3g}"
    return name, entry.summary, f"{_count(task.make_model(0)):,}", f"{run.loss[0]:.4g}", f"{tail:.4g}", said


def _best(digits: Task, activation: str, depth: int, steps: int, seed: int) -> float:
    task = _with_model(digits, activation, depth)
    recipes = [Recipe(lr=lr, batch_size=64, epochs=1, seed=seed) for lr in LRS]
    runs = train_members(task, recipes, horizon=steps)
    return max(float(run.val_metrics["accuracy"][-1]) for run in runs if run.fate == "finished")


def _with_model(digits: Task, activation: str, depth: int) -> Task:
    widths = (64, *[32] * depth, 10)
    return Task(
        lambda: mlp(widths, activation=activation),
        digits.train,
        digits.val,
        loss=digits.loss,
        metrics=digits.metrics,
        name=f"{activation} of depth {depth}",
    )


def first_layer_gradient(digits: Task, activation: str, depth: int, seed: int) -> float:
    """Norm of the gradient of the first layer's weights before training, over all training examples."""
    task = _with_model(digits, activation, depth)
    model = task.make_model(seed)
    first = next(model.parameters())
    loss = task.loss_of(model, task.train.batch(torch.arange(task.train.size)))
    return float(torch.autograd.grad(loss, first)[0].norm())


def _hard_data(digits: Task, steps: int, seed: int) -> dict[str, float]:
    x, y = digits.train.batch(torch.arange(digits.train.size))
    random = torch.Generator().manual_seed(seed)
    wrong = torch.where(
        torch.rand(len(y), generator=random) < 0.2, (y + torch.randint(1, 10, y.shape, generator=random)) % 10, y
    )
    kinds = {"all, clean": (x, y), "20% wrong labels": (x, wrong), "100 examples": (x[:100], y[:100])}
    found = {}
    for name, part in kinds.items():
        task = Task(digits.model, part, digits.val, loss=digits.loss, metrics=digits.metrics, name=name)
        run = train_members(task, [Recipe(lr=0.3, batch_size=64, epochs=1, seed=seed)], horizon=3 * steps)[0]
        found[name] = float(run.val_metrics["accuracy"][-1])
    return found


def _drift(seed: int, steps: int = 3000) -> dict[float, float]:
    """Rate -> mean squared distance to a target on a random walk of deviation 0.1 that is seen with noise 1."""
    random = np.random.default_rng(seed)
    target = np.cumsum(0.1 * random.standard_normal(steps))
    seen = target + random.standard_normal(steps)
    lrs = np.array([0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
    at, total = np.zeros(len(lrs)), np.zeros(len(lrs))
    for step in range(steps):
        at = at + lrs * (seen[step] - at)
        if step >= steps // 5:
            total += (at - target[step]) ** 2
    return {float(lr): float(value) for lr, value in zip(lrs, total / (steps - steps // 5), strict=True)}


def layer_facts(seed: int) -> dict[str, float]:
    """What single layers do to one batch of random feature maps."""
    with borrowed_rng(seed), torch.no_grad():
        x = torch.randn(4, 8, 6, 6)
        dropped = nn.Dropout2d(0.5)(x)
        empty = (dropped == 0).flatten(2).all(dim=2)
        untouched = (dropped == 2 * x).flatten(2).all(dim=2)
        pooled = nn.MaxPool2d(2)(x)
        return {
            "spatial_dropout_whole_maps": float((empty | untouched).double().mean()),
            "pooling_values_left": pooled.numel() / x.numel(),
            "pooling_keeps_largest": float((pooled.amax((2, 3)) == x.amax((2, 3))).double().mean()),
            "flatten_numbers": float(nn.Flatten()(x).shape[1]),
            "softmax_sum": float(torch.softmax(x.flatten(1), dim=1).sum(dim=1).mean()),
            "relu_smallest": float(F.relu(x).min()),
            "sigmoid_at_0": float(torch.sigmoid(torch.zeros(1))),
            "tanh_at_0": float(torch.tanh(torch.zeros(1))),
        }


def _softmax_facts() -> dict[str, float]:
    scores = torch.linspace(-3, 3, 40, dtype=torch.float64).reshape(4, 10)
    target = torch.tensor([3, 1, 4, 1])
    plain = F.cross_entropy(scores, target)
    logged = F.cross_entropy(F.log_softmax(scores, dim=1), target)
    certain = F.cross_entropy(F.one_hot(target, 10).double(), target)
    return {
        "log_softmax_loss_difference": float((plain - logged).abs()),
        "softmax_floor": float(certain),
        "softmax_floor_by_formula": math.log(math.e + 9) - 1,
    }


def _size(name: str) -> int:
    return _count(find_entry(name).make().make_model(0))


def _count(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters())
