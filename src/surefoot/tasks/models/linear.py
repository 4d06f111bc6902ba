"""Linear model: one fully connected layer, which is logistic regression under cross-entropy."""

from __future__ import annotations

from torch import nn

from surefoot.tasks.models.sizes import check_size

__all__ = ["linear"]


def linear(inputs: int, outputs: int) -> nn.Module:
    """One layer from `inputs` numbers to `outputs` numbers, shape (n, inputs) to (n, outputs).

    Raises:
        InputError: if a size is no whole number of 1 or more.
    """
    return nn.Linear(check_size("inputs", inputs), check_size("outputs", outputs))
