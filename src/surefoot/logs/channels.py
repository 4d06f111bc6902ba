"""Channels: the named columns of a log while it is read, before anybody knows which of them is the loss.

Every reader fills a `RawLog`. Each channel keeps the order in which its values were written, for only the order tells
a resumed training from a repeated one.
"""

from __future__ import annotations

import dataclasses
from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.logs.limits import MOST_COLUMNS, MOST_POINTS, clean
from surefoot.logs.log_run import LossKind, LrOf, Note

__all__ = ["Channel", "RawLog", "Reading"]


class Channel:
    """One named series under construction: where each value stood in the log, its step, and the value."""

    __slots__ = ("order", "step", "value")

    def __init__(self) -> None:
        self.order = array("d")
        self.step = array("d")
        self.value = array("d")

    def __len__(self) -> int:
        return len(self.value)

    def add(self, order: float, step: float, value: float) -> None:
        """Append one value."""
        self.order.append(order)
        self.step.append(step)
        self.value.append(value)

    def extend(self, order: Any, step: Any, value: Any) -> None:
        """Append arrays of equal length."""
        for column, values in ((self.order, order), (self.step, step), (self.value, value)):
            column.frombytes(np.ascontiguousarray(values, dtype=np.float64).tobytes())

    def sort(self) -> None:
        """Bring the values into the order of writing."""
        order, step, value = self.arrays()
        if np.any(np.diff(order) < 0):
            place = np.argsort(order, kind="stable")
            self.order, self.step, self.value = array("d"), array("d"), array("d")
            self.extend(order[place], step[place], value[place])

    def arrays(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Order, steps and values as arrays, copied so that the channel may grow on."""
        return (
            np.frombuffer(self.order.tobytes(), dtype=np.float64),
            np.frombuffer(self.step.tobytes(), dtype=np.float64),
            np.frombuffer(self.value.tobytes(), dtype=np.float64),
        )


@dataclasses.dataclass
class Reading:
    """What every reader keeps while it works: quirks, where it stopped, and how many numbers it holds."""

    notes: dict[str, Note] = dataclasses.field(default_factory=dict)
    stopped: str = ""
    points: int = 0
    unended: bool = False
    """Whether the line being read is the last and has no end: it may be cut off."""

    def note(self, note_id: str, text: str) -> None:
        """Remember a quirk; the first sentence of an id stays."""
        self.notes.setdefault(note_id, Note(note_id, clean(text, 500)))

    def stop(self, text: str) -> None:
        """Say where reading ended early; the first place stays."""
        self.stopped = self.stopped or clean(text, 500)

    def room(self, points: int) -> bool:
        """Count `points` more numbers; False, and a word about it, once there are too many."""
        self.points += points
        if self.points <= MOST_POINTS:
            return True
        self.stop(f"more than {MOST_POINTS:,} numbers: the rest was not read")
        return False


@dataclasses.dataclass
class RawLog(Reading):
    """One training as its log has it: channels by their own names, and what the format says about them."""

    path: str = ""
    format: str = ""
    name: str = ""
    unit: str = "step"
    channels: dict[str, Channel] = dataclasses.field(default_factory=dict)
    roles: dict[str, str] = dataclasses.field(default_factory=dict)
    """Role to channel name, where the format itself tells."""
    loss_kind: LossKind = "unknown"
    averaged_over: float | None = None
    lr_of: LrOf = "unknown"
    steps_per_epoch: float | None = None
    planned_steps: float | None = None
    """Steps that the training was laid out for, where the log tells."""
    validation: set[str] = dataclasses.field(default_factory=set)
    """Channels that the format says are validation metrics though their names do not."""
    constant_lr: float | None = None
    """A rate that stands in the settings kept with the log."""

    def channel(self, name: str) -> Channel | None:
        """The channel of this name, made if need be; None when there are too many already."""
        found = self.channels.get(name)
        if found is None:
            if len(self.channels) >= MOST_COLUMNS:
                self.note("columns-bounded", f"more than {MOST_COLUMNS} named series: the others were left out")
                return None
            found = self.channels[name] = Channel()
        return found
