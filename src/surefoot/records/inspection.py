"""An inspection: what the layers of a model looked like after every epoch of its training."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surefoot.errors import RecordError
from surefoot.records.record import FloatSeries, IntSeries, Record, float_series, int_series

__all__ = ["Inspection", "LayerSeries", "Picture", "UnitSeries"]


@dataclasses.dataclass(frozen=True, eq=False)
class LayerSeries(Record):
    """Sizes of one parameter, an entry per look. Sizes are root mean squares of the numbers in it."""

    kind: ClassVar[str] = "layer_series"

    name: str
    """The parameter's name in the model."""
    shape: tuple[int, ...]
    weight: FloatSeries
    """Size of the parameter."""
    update: FloatSeries
    """Size of the last update before the look; NaN before the first."""
    gradient: FloatSeries
    """Size of the gradient of that update, after clipping."""
    ratio: FloatSeries
    """`update` over `weight`; around 1e-3 is common in a training that goes well."""
    change: FloatSeries
    """Size of the change since the look before; NaN at the first."""


@dataclasses.dataclass(frozen=True, eq=False)
class UnitSeries(Record):
    """Units of one activation, an entry per look."""

    kind: ClassVar[str] = "unit_series"

    name: str
    """The module that computes it, and the function."""
    units: int
    dead: FloatSeries
    """Share of units that give the same output for every example that was looked at; 0 to 1."""
    mean: FloatSeries
    """Mean activation."""


@dataclasses.dataclass(frozen=True, eq=False)
class Picture(Record):
    """Numbers in rows and columns at some looks: filters, biases, activations or predictions."""

    kind: ClassVar[str] = "picture"

    name: str
    what: str
    """`filters`, `bias`, `activations` or `predictions`."""
    shape: tuple[int, ...]
    """Shape of the numbers at one look."""
    step: IntSeries
    """Updates done at each look that was kept."""
    values: FloatSeries
    """All numbers, look after look, row by row."""

    def __post_init__(self) -> None:
        """Refuse numbers that do not fill the shape at every look."""
        size = 1
        for side in self.shape:
            size *= side
        if size * len(self.step) != len(self.values):
            raise RecordError(f"`values` has {len(self.values)} entries; {len(self.step)} looks of {size} are needed")


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection(Record):
    """What was seen of a model's layers; the series of all layers have the length of `step`."""

    kind: ClassVar[str] = "inspection"

    task: str = ""
    step: IntSeries = dataclasses.field(default_factory=int_series)
    """Updates done at each look."""
    epoch: FloatSeries = dataclasses.field(default_factory=float_series)
    layers: tuple[LayerSeries, ...] = ()
    units: tuple[UnitSeries, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
