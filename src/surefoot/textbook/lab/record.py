"""What a classic program printed, what was measured, and what there is to draw.

A *printed* number is one that the textbook states; the *measured* number of the same key was made by running the
program. A *verdict* says whether the two agree, by the *rule* of that key. A *panel* is one picture: curves over a
common axis, small images, or a surface with paths on it; the panels of a result make its figure.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, ClassVar

from surefoot.errors import RecordError
from surefoot.records import Provenance, Record
from surefoot.records.panel import Curve, Grid, Panel

__all__ = ["AGREES", "DIFFERS", "Curve", "Grid", "LabResult", "LabTable", "Panel"]

AGREES = "agrees"
DIFFERS = "differs"


@dataclasses.dataclass(frozen=True, eq=False)
class LabTable(Record):
    """Numbers as text: a heading per column, and rows."""

    kind: ClassVar[str] = "lab_table"

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class LabResult(Record):
    """The result of one classic program. `printed`, `measured`, `verdict` and `rule` have the same keys."""

    kind: ClassVar[str] = "lab"

    name: str
    """The program, as `surefoot lab` calls it."""
    title: str
    printed: dict[str, Any] = dataclasses.field(default_factory=dict)
    """A number, or a list of numbers, that the textbook states."""
    measured: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The number, or list, of the same key as it came out by running."""
    verdict: dict[str, Any] = dataclasses.field(default_factory=dict)
    """`agrees` or `differs`, for a number or for every entry of a list."""
    rule: dict[str, str] = dataclasses.field(default_factory=dict)
    """In words: what the number is, and when the two agree."""
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Other measured numbers, without a printed counterpart; a number, a list or text each."""
    sentences: tuple[str, ...] = ()
    """What was measured, in plain words made from the numbers."""
    tables: tuple[LabTable, ...] = ()
    panels: tuple[Panel, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know: sizes, definitions, corrections."""
    seconds: float | None = None
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    def __post_init__(self) -> None:
        """Refuse a printed number without a measured one, a verdict and a rule, and the reverse; and an odd name."""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):  # files are called so
            raise RecordError(f"`name` is {self.name!r}; small letters and digits are needed, joined by hyphens")
        for name in ("measured", "verdict", "rule"):
            other = getattr(self, name)
            if other.keys() != self.printed.keys():
                odd = ", ".join(sorted(other.keys() ^ self.printed.keys()))
                raise RecordError(f"`{name}` and `printed` of {self.name} differ in the keys {odd}")

    @property
    def counts(self) -> tuple[int, int]:
        """How many printed numbers agree with the measured ones, and how many there are."""
        verdicts = [
            one for value in self.verdict.values() for one in (value if isinstance(value, list | tuple) else [value])
        ]
        return verdicts.count(AGREES), len(verdicts)
