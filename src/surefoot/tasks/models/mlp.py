"""Multilayer perceptron: fully connected layers of any widths with one activation between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from surefoot.errors import InputError
from surefoot.tasks.models.initialisation import initialise
from surefoot.tasks.models.sizes import check_size

__all__ = ["ACTIVATIONS", "mlp"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "leaky-relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


def mlp(
    widths: Sequence[int], *, activation: str = "relu", init: str = "default", output: str = "identity"
) -> nn.Module:
    """Fully connected layers, shape (n, widths[0]) to (n, widths[-1]).

    Args:
        widths: inputs, hidden widths, outputs: two or more whole numbers, as in (64, 32, 10).
        activation: between the layers, a name in `ACTIVATIONS`.
        init: how the weights begin: default (or torch), kaiming, xavier, normal, normal(0.1) or uniform; see
            `initialisation`.
        output: activation after the last layer; identity leaves it out.

    Raises:
        InputError: if a width or a name cannot be used.
    """
    if isinstance(widths, str | int) or len(widths) < 2:
        raise InputError(f"`widths` is {widths!r}; give two or more whole numbers, inputs first, as in (64, 32, 10)")
    for index, width in enumerate(widths):
        check_size(f"widths[{index}]", width)
    between, last = _activation("activation", activation), _activation("output", output)
    layers: list[nn.Module] = []
    for index in range(len(widths) - 1):
        layer = nn.Linear(widths[index], widths[index + 1])
        if init not in ("default", "torch"):  # torch has filled it already; filling twice would draw twice
            initialise(layer, init)
        layers.append(layer)
        if index < len(widths) - 2:
            layers.append(between())
    if output != "identity":
        layers.append(last())
    return nn.Sequential(*layers)


def _activation(argument: str, name: str) -> Callable[[], nn.Module]:
    if name not in ACTIVATIONS:
        raise InputError(f"`{argument}` is {name!r}; give one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
