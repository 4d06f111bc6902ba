"""The handwritten digits that the CNN programs train on: the excerpt in the package, or the whole from a folder."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from surefoot.records import Recipe
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.data.mnist import PIXEL_DEVIATION, PIXEL_MEAN
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.models.simple_cnn import SimpleCNN, simple_cnn
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting

__all__ = ["Images", "dropout_cnn", "image_task", "load_images", "printed_recipe"]


@dataclasses.dataclass(frozen=True)
class Images:
    """Images [n, 1, 28, 28] with pixels from 0 to 1, as the printed programs feed them, and their digits."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    whole: bool
    """Whether this is all of MNIST."""

    @property
    def words(self) -> str:
        """What the images are, for notes."""
        count = f"{len(self.x):,} training and {len(self.test_x):,} test images"
        if self.whole:
            return f"{count}, from the folder given"
        return f"{count}, an excerpt of MNIST; the printed numbers are for 60,000 images: --data DIR trains on all"


def load_images(setting: Setting, train: int, test: int) -> Images:
    """The first `train` and `test` images of the excerpt; all images where a folder is given.

    Raises:
        DataError: the folder does not hold MNIST.
    """
    whole = setting.data is not None
    task = find_entry("mnist").make(setting.data) if whole else find_entry("mnist-small").make()
    parts: list[Tensor] = []
    for source, count in ((task.train, train), (task.val, test)):
        x, y = source.batch(torch.arange(source.size if whole else min(count, source.size)))
        parts += [x * PIXEL_DEVIATION + PIXEL_MEAN, y]
    return Images(parts[0], parts[1], parts[2], parts[3], whole)


def image_task(x: Tensor, y: Tensor, xv: Tensor, yv: Tensor, *, dropout: float = 0.0, name: str = "SimpleCNN") -> Task:
    """SimpleCNN on these images, with dropout before its last layer where that is above 0."""
    model = simple_cnn if dropout == 0 else lambda: dropout_cnn(dropout)
    return Task(model, (x, y), (xv, yv), loss=nn.CrossEntropyLoss(), metrics={"accuracy": accuracy}, name=name)


def dropout_cnn(share: float) -> nn.Module:
    """SimpleCNN's layers with dropout before the last one; the same numbers at the start under the same seed."""
    plain = SimpleCNN()
    return nn.Sequential(plain.conv1, nn.ReLU(), nn.Flatten(), nn.Dropout(share), plain.fc1, nn.LogSoftmax(dim=1))


def printed_recipe(epochs: float, seed: int) -> Recipe:
    """SGD at 0.01 with momentum 0.9 in batches of 64, as printed."""
    return Recipe(optimizer="sgd", lr=0.01, options={"momentum": 0.9}, batch_size=64, epochs=epochs, seed=seed)
