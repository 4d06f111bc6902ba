"""The data of a task: a *split*, which is a training part and a validation part, standardised and ready to train on.

Every built-in data set is a function that returns a `Split`. The rows of a table are divided by one fixed, seeded
permutation, so that everybody gets the same parts every time; means and deviations are those of the training part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surefoot.errors import DataError

__all__ = ["Kind", "Split", "divide", "standardise"]

Kind = Literal["classes", "regression", "sequence", "surface"]

SPLIT_SEED = 20_071_116
VALIDATION_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Split:
    """Training and validation tensors with what must be known about them.

    Attributes:
        x: inputs of the training part, first dimension the examples; float32 (int64 codes for sequences).
        y: targets of the training part: int64 class numbers of shape (n,), int64 codes of shape (n, length) for
            sequences, float32 of shape (n, outputs) for regression.
        xv: inputs of the validation part.
        yv: targets of the validation part.
        kind: "classes", "regression", "sequence" (a class at every position) or "surface" (rows of noise).
        classes: number of classes or of symbols; 0 when there are none.
        source: where the data comes from, for people.
        licence: under which terms it may be used, for people.
    """

    x: Tensor
    y: Tensor
    xv: Tensor
    yv: Tensor
    kind: Kind
    classes: int
    source: str
    licence: str

    def __post_init__(self) -> None:
        for inputs, targets, part in ((self.x, self.y, "training"), (self.xv, self.yv, "validation")):
            if len(inputs) != len(targets):
                raise DataError(
                    f"the {part} part has {len(inputs)} inputs but {len(targets)} targets; they must be equal"
                )
            if len(inputs) == 0:
                raise DataError(f"the {part} part is empty; give at least one example")


def divide(rows: int, *, share: float = VALIDATION_SHARE, seed: int = SPLIT_SEED) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row numbers of the training and the validation part, from a fixed permutation.

    Args:
        rows: number of rows to divide, at least 2.
        share: share of the rows for validation, above 0 and below 1; each part gets at least one row.
        seed: seed of the permutation; it touches no global random state.

    Returns:
        Two integer arrays that together hold every row number once.

    Raises:
        DataError: if there are fewer than two rows or `share` is not within (0, 1).
    """
    if rows < 2:
        raise DataError(f"`rows` is {rows}; a validation part can only be divided off from 2 rows or more")
    if not 0 < share < 1:
        raise DataError(f"`share` is {share}; give a share of validation rows above 0 and below 1")
    order = np.random.default_rng(seed).permutation(rows)
    held = min(max(round(rows * share), 1), rows - 1)
    return order[held:], order[:held]


def standardise(train: NDArray[Any], held: NDArray[Any], *, by_column: bool = True) -> tuple[Tensor, Tensor]:
    """Both parts less the mean and divided by the standard deviation of the training part, as float32.

    Args:
        train: numbers of the training part, shape (rows, columns).
        held: numbers of the validation part, shape (rows, columns).
        by_column: one mean and deviation per column; False takes one of each for the whole table (pixels: a pixel
            that is dark in all images but one would become an enormous outlier). Constant columns become 0.

    Returns:
        The two parts as tensors of the shapes given.
    """
    axis = 0 if by_column else None
    mean = train.mean(axis=axis, dtype=np.float64)
    deviation = np.asarray(train.std(axis=axis, dtype=np.float64))
    deviation = np.where(deviation > 0, deviation, 1.0)
    return (
        torch.from_numpy(((train - mean) / deviation).astype(np.float32)),
        torch.from_numpy(((held - mean) / deviation).astype(np.float32)),
    )
