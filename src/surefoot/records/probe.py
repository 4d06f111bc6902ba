"""A probe: which rate is best for a running training now, found by trying several on copies of it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.record import FloatSeries, Record, float_series

__all__ = ["Probe"]


@dataclasses.dataclass(frozen=True, eq=False)
class Probe(Record):
    """What copies of a training reached at several rates. The series have one entry per rate, rising."""

    kind: ClassVar[str] = "probe"

    status: Literal["found", "unknown"]
    """Whether the answer is carried by the evidence."""
    lr: float | None
    """The rate that reached the lowest loss; None when `status` is unknown."""
    interval: tuple[float, float] | None
    """Rates that cannot be told from the best one: lowest and highest."""
    reason: str
    """What was seen, and where `status` is unknown, why and what to do."""
    lr_now: float
    """Rate of the first parameter group when the training was forked."""
    step: int
    """Updates made when the training was forked."""
    lrs: FloatSeries = dataclasses.field(default_factory=float_series)
    """Rates of the first parameter group that were tried; the other groups keep their ratio to it."""
    losses: FloatSeries = dataclasses.field(default_factory=float_series)
    """Mean loss on the scoring batches at the end of each trial; infinity where it diverged."""
    errors: FloatSeries = dataclasses.field(default_factory=float_series)
    """Standard error of the difference between each loss and the best one; 0 at the best."""
    start_loss: float = float("nan")
    """Mean loss on the scoring batches before the trials."""
    steps: int = 0
    """Updates of each trial."""
    annealed: int = 0
    """Of these, how many at the end let the rate fall in a line to nothing."""
    cost: int = 0
    """Updates of single models in all."""
    engine: str = ""
    """What trained the copies: `serial`, or the form of the fused one."""
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse series of different lengths, and an answer without a rate."""
        if not len(self.lrs) == len(self.losses) == len(self.errors):
            raise RecordError("`lrs`, `losses` and `errors` go together and have different lengths")
        if (self.status == "found") != (self.lr is not None and self.interval is not None):
            raise RecordError(f"`status` is {self.status!r} and `lr` is {self.lr}; found has a rate and an interval")

    @property
    def factor(self) -> float | None:
        """What to multiply the rate by; 1 where the rate in use cannot be told from the best; None when unknown."""
        if self.lr is None or self.interval is None or self.lr_now <= 0:
            return None
        low, high = self.interval
        return 1.0 if low <= self.lr_now * (1 + 1e-9) and self.lr_now <= high * (1 + 1e-9) else self.lr / self.lr_now
