"""How a task is trained: optimizer, peak rate, schedule, batch size, length and seeds."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

from surefoot.errors import RecipeError
from surefoot.records.plain_numbers import plain
from surefoot.records.record import Record

__all__ = ["Recipe"]

_HIGHEST = 3.4e38
"""Rate above which float32 has no numbers."""
_LONGEST = 1e9
"""Epochs that no training lives to see."""


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe(Record):
    """One way of training a task. `lr` is the peak rate, which the schedule scales; None means it is sought."""

    kind: ClassVar[str] = "recipe"

    optimizer: str = "sgd"
    """Name of the update rule in lower case (`sgd`, `adam`, …) or `module:Class` for a class of the user's."""
    lr: float | None = None
    """Peak rate, above 0."""
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Keywords of the optimizer other than `lr`, under torch's names (`momentum`, `betas`, `weight_decay`, …)."""
    schedule: str = "constant"
    schedule_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch_size: int | str = 64
    """Examples per step; `"full"` takes the whole training set."""
    epochs: float = 10.0
    """Length of the training in passes over the training data; fractions are allowed."""
    clip: float | None = None
    """Largest total gradient norm; None leaves gradients as they are."""
    accumulate: int = 1
    """Batches whose gradients are averaged into one step."""
    precision: str = "float32"
    """`float32` (the model as it is) or `bf16` (autocast; needs a GPU)."""
    seed: int = 0
    """Seed of the initialisation and of randomness inside the model, such as dropout."""
    data_seed: int | None = None
    """Seed of the order of the batches; None takes `seed`."""
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What the training changes of the task, by name: `augment` (a list such as ["shift:2", "noise:0.1"]),
    `label_smoothing` (0 to 1) and `dropout` (0 to 1)."""

    def __post_init__(self) -> None:
        """Take numbers of any kind, such as numpy's, and refuse values that no training can have."""
        for name in ("lr", "batch_size", "epochs", "clip", "accumulate", "seed", "data_seed"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        for name in ("options", "schedule_options", "changes"):
            given = getattr(self, name)
            if not isinstance(given, dict):
                raise RecipeError(f"`{name}` is {given!r}; it is a dict of keywords")
            object.__setattr__(self, name, plain(dict(given)))
        if self.lr is not None and not (_number(self.lr) and 0 < self.lr <= _HIGHEST):
            raise RecipeError(f"`lr` is {self.lr!r}; a rate is a finite number above 0, at most {_HIGHEST:g}")
        if self.batch_size != "full" and not _whole(self.batch_size, 1):
            raise RecipeError(f'`batch_size` is {self.batch_size!r}; it is a whole number from 1, or "full"')
        if not (_number(self.epochs) and 0 < self.epochs <= _LONGEST):
            raise RecipeError(f"`epochs` is {self.epochs!r}; it is a number above 0, at most {_LONGEST:g}")
        if self.clip is not None and not (_number(self.clip) and math.isfinite(self.clip) and self.clip > 0):
            raise RecipeError(f"`clip` is {self.clip!r}; it is a finite number above 0, or None")
        if not _whole(self.accumulate, 1):
            raise RecipeError(f"`accumulate` is {self.accumulate!r}; it is a whole number from 1")
        if self.precision not in ("float32", "bf16"):
            raise RecipeError(f"`precision` is {self.precision!r}; it is `float32` or `bf16`")
        for name, value in (("seed", self.seed), ("data_seed", self.data_seed)):
            if value is None and name == "data_seed":
                continue
            if value is None or not (_whole(value, 0) and value < 2**63):
                raise RecipeError(f"`{name}` is {value!r}; it is a whole number from 0 to 2**63 - 1")

    @property
    def order_seed(self) -> int:
        """The seed that orders the batches: `data_seed`, or `seed` where that is None."""
        return self.seed if self.data_seed is None else self.data_seed

    def replace(self, **changes: Any) -> Self:
        """A copy with the named fields changed."""
        return dataclasses.replace(self, **changes)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low
