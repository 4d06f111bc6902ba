"""XOR: the four points that no straight line can separate."""

from __future__ import annotations

import torch

from surefoot.tasks.data.split import Split

__all__ = ["xor"]


def xor() -> Split:
    """The truth table of exclusive or: 4 rows, 2 inputs of 0 or 1, 1 target of 0 or 1.

    The numbers are left as they are (not standardised) and the targets are float32 of shape (4, 1), for a mean
    squared error. There are no other points, so the **validation part is the same four points**: a validation loss
    on this task says nothing about new data.

    Source: a truth table. Licence: none needed.
    """
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    return Split(
        x=x,
        y=y,
        xv=x.clone(),
        yv=y.clone(),
        kind="regression",
        classes=0,
        source="the truth table of exclusive or; the validation part is the same four points",
        licence="none needed",
    )
