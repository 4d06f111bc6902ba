"""The order of the batches: which examples each step sees, reachable at any step.

Every epoch is a permutation drawn from the seed and the epoch's number alone, so that a run that is resumed, and
members that train side by side, see the same batches. The last batch of an epoch may be short.
"""

from __future__ import annotations

import math

import torch

from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.borrowing import mixed_seed

__all__ = ["BatchOrder", "steps_of"]


class BatchOrder:
    """Indices of the examples in each batch, numbered over all epochs.

    Args:
        size: examples in the training data.
        batch_size: examples in a batch, at most `size`; ``"full"`` takes all of them every time.
        seed: draws the permutations.

    Raises:
        RecipeError: a batch larger than the data.
    """

    def __init__(self, size: int, batch_size: int | str, seed: int) -> None:
        if isinstance(batch_size, int) and batch_size > size:
            raise RecipeError(
                f"`batch_size` is {batch_size} and the training data has {size} examples; "
                f'take at most {size}, or "full" for all of them'
            )
        self.size, self.seed = size, seed
        self.batch_size = batch_size if isinstance(batch_size, int) else size
        self.full = self.batch_size == size
        self.per_epoch = math.ceil(size / self.batch_size)
        self._epoch = -1
        self._order = torch.arange(size)

    def index(self, number: int) -> torch.Tensor:
        """Examples of batch `number` (from 0 over all epochs), as int64 indices."""
        if self.full:
            return self._order
        epoch, place = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(mixed_seed(self.seed, epoch))
            self._order, self._epoch = torch.randperm(self.size, generator=generator), epoch
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]


def steps_of(recipe: Recipe, size: int) -> tuple[int, float]:
    """Updates of the whole training, and updates per epoch, for `size` training examples."""
    order = BatchOrder(size, recipe.batch_size, 0)
    per_epoch = order.per_epoch / recipe.accumulate
    return max(1, round(recipe.epochs * per_epoch)), per_epoch
