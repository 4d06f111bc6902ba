"""Small CNN: two convolutions for small images, such as the digits of 8 x 8."""

from __future__ import annotations

from torch import nn

from surefoot.tasks.models.sizes import check_size

__all__ = ["small_cnn"]


def small_cnn(*, size: int = 8, channels: tuple[int, int] = (16, 32), outputs: int = 10) -> nn.Module:
    """Two 3 x 3 convolutions, halving by maximum, one fully connected layer: 9,930 parameters as it stands.

    Takes images of shape (n, 1, size, size) and returns scores of shape (n, outputs).

    Args:
        size: side of the images in pixels, 2 or more.
        channels: feature maps of the two convolutions.
        outputs: number of classes.

    Raises:
        InputError: if a size is no whole number in its range.
    """
    check_size("size", size, least=2)
    first, second = check_size("channels[0]", channels[0]), check_size("channels[1]", channels[1])
    return nn.Sequential(
        nn.Conv2d(1, first, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(first, second, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(second * (size // 2) ** 2, check_size("outputs", outputs)),
    )
