"""`gradcheck`: gradients by backpropagation against central differences; steps against minus the rate times them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.records import Measurement
from surefoot.records.claim import Outcome, Size
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.textbook.experiments.transfer import RowReader
from surefoot.textbook.lab.formulas import mixed_forms
from surefoot.textbook.lab.xor import INPUTS, TARGETS, gradients, normal_nets, outputs, sigmoid
from surefoot.textbook.lab.xor_backprop import autograd, central_differences
from surefoot.textbook.measuring import exact, mean_of, slope_of

__all__ = ["worst_error"]

SEEDS = {"quick": 2, "full": 10}
LRS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class GatedReader(nn.Module):
    """A gated recurrent network over the rows of an image, (n, 64) to (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.tell = nn.GRU(8, 6, batch_first=True), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores."""
        _, last = self.read(x.reshape(len(x), 8, 8))
        return self.tell(last[0])  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two layers with a way around the second, (n, 64) to (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.tell = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores."""
        inner = torch.tanh(self.first(x))
        return self.tell(inner + torch.tanh(self.second(inner)))  # type: ignore[no-any-return]


NETS: dict[str, Callable[[], nn.Module]] = {
    "fully connected": lambda: nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)),
    "convolutional": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 3, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 10)
    ),
    "recurrent": lambda: RowReader(6),
    "gated recurrent": GatedReader,
    "residual": Residual,
}


def run(size: Size, seeds: Sequence[int]) -> Outcome:
    """Check gradients, the XOR programs and single steps."""
    found: list[Measurement] = []
    worst = {name: max(worst_error(net, seed) for seed in seeds) for name, net in NETS.items()}
    found += [
        exact(f"worst gradient error, {name} net", one, method="share of the largest entry, float64")
        for name, one in worst.items()
    ]
    found.append(exact("worst gradient error over all nets", max(worst.values()), method="float64"))
    found += _xor(seeds)
    found += _steps(seeds[:3] if size == "quick" else seeds)
    return Outcome("gradcheck", measurements=tuple(found), notes=("central differences with a step of 1e-5, float64",))


def worst_error(net: Callable[[], nn.Module], seed: int) -> float:
    """Largest difference of a gradient by backpropagation from central differences, over its largest entry."""
    with borrowed_rng(seed):
        model = net().double()
        x, y = torch.rand(6, 64, dtype=torch.float64), torch.randint(0, 10, (6,))
    loss = nn.functional.cross_entropy(model(x), y)
    exact_ones = torch.autograd.grad(loss, list(model.parameters()))
    random = np.random.default_rng(seed)
    errors, largest = [], max(float(one.abs().max()) for one in exact_ones)
    with torch.no_grad():
        for parameter, slope in zip(model.parameters(), exact_ones, strict=True):
            flat = parameter.view(-1)
            for place in random.choice(len(flat), min(len(flat), 12), replace=False):
                kept = float(flat[place])
                sides = []
                for sign in (1, -1):
                    flat[place] = kept + sign * 1e-5
                    sides.append(float(nn.functional.cross_entropy(model(x), y)))
                flat[place] = kept
                errors.append(abs((sides[0] - sides[1]) / 2e-5 - float(slope.view(-1)[place])) / largest)
    return max(errors)


def _xor(seeds: Sequence[int]) -> list[Measurement]:
    """The hand-written programs: the missing factor, and the two forms of the sigmoid's derivative."""
    ratios, repeated, matching, activation, swapped = [], [], [], [], []
    for seed in seeds:
        nets = normal_nets([42 + seed])
        hidden, out = outputs(nets)
        printed, true = _flat(gradients(nets, hidden, out)), central_differences(nets)
        ratios.append(float(printed @ true / (true @ true)))
        matching.append(float(np.abs(0.5 * printed - autograd(nets)).max() / np.abs(true).max()))
        repeated.append(_repeated(nets, 8))
        activation.append(float(printed @ true / np.sqrt((printed @ printed) * (true @ true))))
        swapped.append(mixed_forms(nets.w1[..., 0], nets.w2[:, 0], autograd(nets)))
    return [
        mean_of("printed XOR update over the gradient of the printed loss", ratios, method="4 examples"),
        mean_of("growth of the printed XOR update when the data are repeated 8 times", repeated),
        exact("worst error of the hand-written XOR gradient with factor 2/N", max(matching)),
        mean_of("cosine of the XOR update with x(1-x) on activations", activation, method="with the true gradient"),
        mean_of("cosine of the XOR update with x(1-x) on pre-activations", swapped, method="with the true gradient"),
    ]


def _flat(nets: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.concatenate([getattr(nets, name)[..., 0].ravel() for name in ("w1", "b1", "w2", "b2")])


def _repeated(nets: object, times: int) -> float:
    """Size of the printed update on the data repeated so often, over that on the data once."""
    x, y = np.tile(INPUTS, (times, 1)), np.tile(TARGETS, times)
    w1, b1, w2, b2 = (getattr(nets, name)[..., 0] for name in ("w1", "b1", "w2", "b2"))

    def update(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        hidden = sigmoid(x @ w1 + b1)
        out = sigmoid(hidden @ w2 + b2)
        at_output = (out - y) * out * (1 - out)
        return np.concatenate([(hidden * at_output[:, None]).sum(0), [at_output.sum()]])

    return float(np.linalg.norm(update(x, y)) / np.linalg.norm(update(INPUTS, TARGETS)))


def _steps(seeds: Sequence[int]) -> list[Measurement]:
    """One step of torch's optimizers at rates from 1e-4 to 1."""
    rules: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "SGD": torch.optim.SGD,
        "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
        "Adam": torch.optim.Adam,
    }
    error, curves = 0.0, {name: np.zeros((len(seeds), len(LRS))) for name in rules}
    direction = {name: np.zeros(len(seeds)) for name in rules}
    for row, seed in enumerate(seeds):
        for name, rule in rules.items():
            for column, lr in enumerate(LRS):
                change, gradient = _two_steps(rule, lr, seed)
                curves[name][row, column] = float(change.norm())
                direction[name][row] = float(change @ -gradient / (change.norm() * gradient.norm()))
                if name == "SGD":
                    error = max(error, float((change + lr * gradient).abs().max()))
    found = [exact("largest difference of a step of SGD from minus rate times gradient", error, method="float64")]
    for name in rules:
        found.append(slope_of(f"exponent of the step against the rate, {name}", LRS, curves[name]))
        found.append(
            mean_of(f"cosine of the second step with minus the gradient, {name}", direction[name], method="rate 1")
        )
    return found


def _two_steps(rule: Callable[..., torch.optim.Optimizer], lr: float, seed: int) -> tuple[Tensor, Tensor]:
    """Change and gradient of the second step: on another gradient than the first, so that history can show."""
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(20, generator=random, dtype=torch.float64).requires_grad_()
    optimizer = rule([weights], lr=lr)
    for _ in range(2):
        before = weights.detach().clone()
        gradient = torch.randn(20, generator=random, dtype=torch.float64)
        weights.grad = gradient.clone()
        optimizer.step()
    return weights.detach() - before, gradient
