"""Initialisations: how the weights of fully connected layers begin, by name.

| name         | weights                                         | biases          |
|--------------|-------------------------------------------------|-----------------|
| default      | as torch does it: uniform within 1/sqrt(fan-in) | the same        |
| torch        | the same as default                             | the same        |
| kaiming      | normal, variance 2 / fan-in (He et al. 2015)    | 0               |
| xavier       | uniform, variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010) | 0 |
| normal       | normal of deviation 1                           | 0               |
| normal(S)    | normal of deviation S                           | 0               |
| uniform      | uniform from 0 to 1                             | the same        |
"""

from __future__ import annotations

import re

from torch import nn

from surefoot.errors import InputError

__all__ = ["initialise"]

NORMAL = re.compile(r"normal(?:\(\s*([0-9.eE+-]+)\s*\))?")
NAMES = "default, torch, kaiming, xavier, normal, normal(0.1) or uniform"


def initialise(layer: nn.Linear, name: str) -> None:
    """Fill a layer's weights and biases in place, from the global random generator.

    Args:
        layer: the layer to fill.
        name: one of the names in this module's table.

    Raises:
        InputError: if the name is unknown or the deviation is no number above 0.
    """
    if name in ("default", "torch"):
        layer.reset_parameters()
        return
    if name == "kaiming":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    elif name == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    elif name == "uniform":
        nn.init.uniform_(layer.weight)
        nn.init.uniform_(layer.bias)
        return
    else:
        nn.init.normal_(layer.weight, std=_deviation(name))
    nn.init.zeros_(layer.bias)


def _deviation(name: str) -> float:
    match = NORMAL.fullmatch(name)
    if match is None:
        raise InputError(f"`init` is {name!r}; give {NAMES}")
    if match[1] is None:
        return 1.0
    try:
        deviation = float(match[1])
    except ValueError:
        deviation = -1.0
    if not 0 < deviation < float("inf"):
        raise InputError(f"`init` is {name!r}; the deviation in brackets must be a number above 0")
    return deviation
