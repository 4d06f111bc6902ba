"""LeNet-size CNN: the proportions of LeNet-5 with ReLU and maxima instead of its sigmoids and averages."""

from __future__ import annotations

from torch import nn

from surefoot.tasks.models.sizes import check_size

__all__ = ["lenet"]


def lenet(*, outputs: int = 10) -> nn.Module:
    """Convolutions 6 and 16 of 5 x 5, layers 120, 84 and `outputs`: 61,706 parameters for ten classes.

    Takes images of shape (n, 1, 28, 28) and returns scores of shape (n, outputs).

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition"
    (1998), for the sizes.

    Raises:
        InputError: if `outputs` is no whole number of 1 or more.
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, check_size("outputs", outputs)),
    )
