"""SimpleCNN: the textbook's first convolutional network, one convolution and one fully connected layer."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SimpleCNN", "simple_cnn"]


class SimpleCNN(nn.Module):
    """Convolution 1 to 10 of 3 x 3, ReLU, flatten, fully connected 6,760 to 10, log-softmax: 67,710 parameters.

    Takes images of shape (n, 1, 28, 28) and returns log-probabilities of shape (n, 10). Cross-entropy and negative
    log-likelihood give the same loss on it, as the softmax of log-probabilities is the probabilities.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=3)
        self.fc1 = nn.Linear(10 * 26 * 26, 10)  # 28 - 3 + 1 = 26 places along each side

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities of the ten classes, shape (n, 1, 28, 28) to (n, 10)."""
        features = F.relu(self.conv1(x))
        return F.log_softmax(self.fc1(features.flatten(1)), dim=1)


def simple_cnn() -> nn.Module:
    """The textbook's SimpleCNN for images of 28 x 28, in float32."""
    return SimpleCNN()
