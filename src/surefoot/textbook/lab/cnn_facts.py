"""`cnn-facts`: what is said of convolutional networks, counted and measured.

Layer shapes; parameters and multiplications of a shared, an unshared local and a dense layer of the same shape;
accuracy on shifted images for three networks; learned filters; and what a linear reader makes of each layer.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from surefoot.records import Provenance, Recipe, float_series
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.models.simple_cnn import simple_cnn
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.digit_images import Images, image_task, load_images
from surefoot.textbook.lab.record import Curve, Grid, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import follow, measure
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = [
    "SHIFTS",
    "Local",
    "flat_net",
    "global_pooling_net",
    "layer_shapes",
    "multiplications",
    "probes",
    "ridge",
    "run",
    "shifted_accuracy",
    "trained_net",
]

SHIFTS = (0, 1, 2, 3, 4)
LAYERS = ("pixels", "first convolution", "second convolution")


class Local(nn.Module):
    """A 3 x 3 convolution that shares no weights: every place has its own. (n, 1, 28, 28) to (n, 10, 26, 26)."""

    def __init__(self, side: int = 28, maps: int = 10) -> None:
        super().__init__()
        self.side = side - 2
        self.weight = nn.Parameter(0.1 * torch.randn(self.side**2, maps, 9))
        self.bias = nn.Parameter(torch.zeros(maps, self.side, self.side))

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps."""
        pieces = F.unfold(x, 3).permute(2, 0, 1)  # [places, n, 9]
        maps = torch.bmm(pieces, self.weight.transpose(1, 2)).permute(1, 2, 0)
        return maps.reshape(len(x), -1, self.side, self.side) + self.bias


def global_pooling_net() -> nn.Module:
    """Two convolutions, and of every feature map only its largest value: where it stands is forgotten."""
    return nn.Sequential(
        nn.Conv2d(1, 10, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(10, 40, 5),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(40, 10),
    )


def flat_net() -> nn.Module:
    """A network without convolutions of SimpleCNN's size."""
    return nn.Sequential(nn.Flatten(), mlp((784, 85, 10)))


def run(setting: Setting, *, images: int = 3000, test: int = 500, epochs: int = 4) -> LabResult:
    """Count, train three networks, shift their images, and read their layers."""
    seed = setting.seed_list(1)[0]
    data = load_images(setting, images, test)
    data = dataclasses.replace(data, x=data.x[:images], y=data.y[:images])
    with borrowed_rng(seed):
        layers = {
            "shared (convolution)": nn.Conv2d(1, 10, 3),
            "unshared local": Local(),
            "dense": nn.Sequential(nn.Flatten(), nn.Linear(784, 6760)),
        }
    parameters = {name: _size(layer) for name, layer in layers.items()}
    work = {name: multiplications(layer) for name, layer in layers.items()}
    shapes = layer_shapes()
    nets = {
        "SimpleCNN": (simple_cnn, 0.002),
        "MLP of the same size": (flat_net, 0.002),
        "convolutions, global pooling": (global_pooling_net, 0.01),
    }
    shifted: dict[str, list[float]] = {}
    trained: dict[str, nn.Module] = {}
    for name, (model, lr) in nets.items():
        setting.say(f"{epochs} epochs of {len(data.x)} images: {name}")
        trained[name] = trained_net(model, data, lr, epochs, seed)
        shifted[name] = shifted_accuracy(trained[name], data)
    setting.say("what a linear reader makes of each layer")
    pooling = trained["convolutions, global pooling"]
    with borrowed_rng(seed):
        untrained = global_pooling_net()
    learned, random = probes(pooling, data), probes(untrained, data)

    verdicts = Verdicts()
    verdicts.compare("conv_output_side", 26, shapes["convolution"][-1], what="side after the convolution of 28 x 28")
    verdicts.compare("flattened", 6760, shapes["flatten"][-1], what="numbers after flattening: 10 x 26 x 26")
    verdicts.compare("parameters", 67710, _size(trained["SimpleCNN"]), what="parameters of SimpleCNN")
    verdicts.state(
        "sharing_cuts_parameters",
        parameters["shared (convolution)"] < parameters["unshared local"],
        what="sharing weights reduces the parameters",
        when="the convolution has fewer than the local layer of the same shape that shares nothing",
    )
    verdicts.state(
        "sharing_cuts_computation",
        work["shared (convolution)"] < work["unshared local"],
        what="and, consequently, the computation",
        when="it needs fewer multiplications than that layer",
    )
    falls = {name: one[0] - one[3] for name, one in shifted.items()}
    verdicts.state(
        "cnn_is_translation_invariant",
        falls["SimpleCNN"] < 0.05,
        what="a CNN recognises patterns wherever they are",
        when="SimpleCNN loses less than 5 points of accuracy on images shifted by 3 pixels",
    )
    verdicts.state(
        "cnn_is_more_robust_than_mlp",
        falls["SimpleCNN"] < falls["MLP of the same size"],
        what="its structure makes it robust to shifts",
        when="SimpleCNN loses less at 3 pixels than an MLP of the same size",
    )
    verdicts.state(
        "layers_build_a_hierarchy",
        learned[0] < learned[1] < learned[2],
        what="layer by layer, features become more useful",
        when="a linear reader gets better from the pixels to the first and to the second convolution",
    )
    first = trained["SimpleCNN"].get_parameter("conv1.weight").detach()[:, 0]
    return LabResult(
        name="cnn-facts",
        title="Facts about convolutional networks",
        **verdicts.fields(),
        facts={
            "shapes": {name: list(shape) for name, shape in shapes.items()},
            "layer_parameters": parameters,
            "layer_multiplications": work,
            "accuracy_by_shift": shifted,
            "net_parameters": {name: _size(net) for name, net in trained.items()},
            "probes_learned": learned,
            "probes_random": random,
            "shifts": list(SHIFTS),
        },
        sentences=(
            f"The convolution has {parameters['shared (convolution)']:,} parameters, the unshared local layer "
            f"{parameters['unshared local']:,}, the dense one {parameters['dense']:,}.",
            f"They multiply {work['shared (convolution)']:,}, {work['unshared local']:,} and {work['dense']:,} "
            f"times per "
            "image: locality saves work, sharing does not.",
            "On images shifted by 3 pixels: "
            + ", ".join(f"{name} {one[3]:.1%} (unshifted {one[0]:.1%})" for name, one in shifted.items())
            + ".",
            f"A linear reader gets {learned[0]:.1%} from the pixels, {learned[1]:.1%} after the first and "
            f"{learned[2]:.1%} "
            f"after the second learned convolution; with random filters {random[1]:.1%} and {random[2]:.1%}.",
        ),
        tables=(
            LabTable(
                "Layers of SimpleCNN for one image",
                ("layer", "shape"),
                tuple((name, " x ".join(map(str, shape))) for name, shape in shapes.items()),
            ),
            LabTable(
                "From 28 x 28 to 10 x 26 x 26",
                ("layer", "parameters", "multiplications per image"),
                tuple((name, f"{parameters[name]:,}", f"{work[name]:,}") for name in layers),
            ),
            LabTable(
                "Accuracy on shifted images",
                ("network", *(f"{one} pixels" for one in SHIFTS)),
                tuple((name, *(f"{one:.1%}" for one in row)) for name, row in shifted.items()),
            ),
            LabTable(
                "A linear reader of each layer",
                ("layer", "learned", "random"),
                tuple((name, f"{learned[i]:.1%}", f"{random[i]:.1%}") for i, name in enumerate(LAYERS)),
            ),
        ),
        panels=(
            Panel(
                "Accuracy on shifted images",
                x_label="shift in pixels",
                y_label="accuracy",
                curves=tuple(
                    Curve(name, float_series(SHIFTS), float_series(row), marker="o") for name, row in shifted.items()
                ),
            ),
            Panel(
                "Learned filters of SimpleCNN",
                style="images",
                grids=tuple(
                    Grid(str(place), 3, 3, float_series(one.flatten().tolist())) for place, one in enumerate(first)
                ),
            ),
            Panel(
                "A linear reader of each layer",
                x_label="layer",
                y_label="accuracy",
                curves=(
                    Curve("learned", float_series(range(3)), float_series(learned), marker="o"),
                    Curve("random", float_series(range(3)), float_series(random), marker="o", dashed=True),
                ),
            ),
            Panel(
                "Multiplications per image",
                style="bars",
                y_label="multiplications",
                y_log=True,
                bars={name: float(one) for name, one in work.items()},
            ),
        ),
        notes=(
            data.words,
            f"Adam, batches of 64, {epochs} epochs, one seed; two standard errors of an accuracy of 90% are "
            f"{2 * (0.09 / len(data.test_x)) ** 0.5:.1%}",
            "multiplications are counted by torch while the layer runs",
            "linear reader: ridge regression on the layer's values, averaged over squares of 4 x 4 places at most",
        ),
        provenance=Provenance.here(
            seeds={"seed": seed}, data=image_task(data.x, data.y, data.test_x, data.test_y).checksum()
        ),
    )


def layer_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of one image after each layer of SimpleCNN."""
    with torch.no_grad(), borrowed_rng(0):
        model, x = simple_cnn(), torch.zeros(1, 1, 28, 28)
        maps = F.relu(model.get_submodule("conv1")(x))
        flat = maps.flatten(1)
        scores = model.get_submodule("fc1")(flat)
    steps = {
        "image": x,
        "convolution": maps,
        "ReLU": maps,
        "flatten": flat,
        "fully connected": scores,
        "log-softmax": scores,
    }
    return {name: tuple(one.shape[1:]) for name, one in steps.items()}


def multiplications(layer: nn.Module) -> int:
    """Multiplications of a layer for one image of 28 x 28, counted while it runs."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.zeros(1, 1, 28, 28))
    return int(counter.get_total_flops()) // 2  # torch counts a multiplication and an addition


def _size(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def trained_net(model: object, data: Images, lr: float, epochs: int, seed: int) -> nn.Module:
    """A network of `model()`, trained on the images by Adam in batches of 64."""
    task = image_task(data.x, data.y, data.test_x, data.test_y)
    task.model = model  # type: ignore[assignment]
    kept: list[nn.Module] = []
    recipe = Recipe(optimizer="adam", lr=lr, batch_size=64, epochs=epochs, seed=seed)
    follow(task, [recipe], [], lambda _step, _seen, models: kept.append(models[0]))
    return kept[-1].eval()


def shifted_accuracy(model: nn.Module, data: Images) -> list[float]:
    """Accuracy on the test images, moved to the right and down by each number of pixels."""
    found = []
    for shift in SHIFTS:
        moved = F.pad(data.test_x, (shift, 0, shift, 0))[..., :28, :28]
        found.append(measure(image_task(data.x[:64], data.y[:64], moved, data.test_y), model).accuracy)
    return found


def probes(model: nn.Module, data: Images) -> list[float]:
    """Accuracy of a linear reader of the pixels and of both convolutions."""
    assert isinstance(model, nn.Sequential)
    accuracies = []
    for depth in (0, 2, 5):
        read = partial(_features, model[:depth])
        accuracies.append(ridge(read(data.x), data.y, read(data.test_x), data.test_y))
    return accuracies


@torch.no_grad()
def _features(part: nn.Module, x: Tensor) -> Tensor:
    maps = torch.cat([part(piece) for piece in torch.split(x, 500)])
    if maps.shape[1] > 1:
        maps = F.adaptive_max_pool2d(maps, 4)
    return maps.flatten(1).double()


def ridge(x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor, strength: float = 1.0) -> float:
    """Test accuracy of ridge regression from features [n, features] to the digits."""
    mean, spread = x.mean(0), x.std(0) + 1e-6
    x, test_x = (x - mean) / spread, (test_x - mean) / spread
    wanted = F.one_hot(y, 10).double() - 0.1
    weights = torch.linalg.solve(x.T @ x + strength * len(x) / 100 * torch.eye(x.shape[1], dtype=x.dtype), x.T @ wanted)
    return float(((test_x @ weights).argmax(1) == test_y).double().mean())
