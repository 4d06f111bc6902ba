"""CNN with batch normalisation and dropout: a model with buffers that change and with randomness in training."""

from __future__ import annotations

from torch import nn

from surefoot.errors import InputError
from surefoot.tasks.models.sizes import check_share, check_size

__all__ = ["batch_norm_cnn"]


def batch_norm_cnn(
    *, size: int = 28, channels: tuple[int, int] = (8, 16), dropout: float = 0.25, outputs: int = 10
) -> nn.Module:
    """Twice convolution, batch normalisation, ReLU and halving; then dropout and one fully connected layer.

    Takes images of shape (n, 1, size, size), with n of 2 or more in training, and returns scores (n, outputs).

    Args:
        size: side of the images in pixels, a multiple of 4 (8 and 28 are in use).
        channels: feature maps of the two convolutions.
        dropout: share of features put to 0 in training, 0 or more and below 1.
        outputs: number of classes.

    Raises:
        InputError: if an argument is out of its range.
    """
    if check_size("size", size, least=4) % 4:
        raise InputError(f"`size` is {size}; give a multiple of 4, as the image is halved twice")
    first, second = check_size("channels[0]", channels[0]), check_size("channels[1]", channels[1])
    return nn.Sequential(
        nn.Conv2d(1, first, kernel_size=3, padding=1),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, kernel_size=3, padding=1),
        nn.BatchNorm2d(second),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(check_share("dropout", dropout)),
        nn.Linear(second * (size // 4) ** 2, check_size("outputs", outputs)),
    )
