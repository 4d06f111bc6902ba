"""Printed tables: a line of names, then lines of cells below it, within other text.

Ultralytics, spaCy, scikit-learn's boosting and fastai print so. The names stand two or more blanks apart; a row begins
with a number and has a cell for each name; what follows the last cell (a progress bar) is passed over.
"""

from __future__ import annotations

import re

from surefoot.logs.limits import clean
from surefoot.logs.roles import is_loss, words

__all__ = ["PrintedTable"]

_CLOCKS = {"epoch": "epoch", "e": "epoch", "ep": "epoch"} | dict.fromkeys(
    ("#", "step", "steps", "iter", "iteration", "it", "batch"), "step"
)
_CELL = re.compile(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|nan|inf)(?:/\d+)?[%:]?", re.IGNORECASE)
_MOST = 60


class PrintedTable:
    """The last line of names that was met, and rows read by it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def heads(self, line: str) -> bool:
        """Whether a line without numbers is a line of names with a loss among them; it then holds for what follows."""
        if len(line) > 1000 or "  " not in line or "loss" not in line.lower():
            return False
        cells = re.split(r"\s{2,}", line.strip())
        if not 2 <= len(cells) <= _MOST or any(len(cell) > 40 or not re.match(r"[\w#]", cell) for cell in cells):
            return False
        names = [_CLOCKS.get(cell.lower(), clean(cell.lower().replace(" ", "_"))) for cell in cells]
        clocks = [name for name in names[:2] if name in ("epoch", "step")]
        if not clocks or len(set(names)) < len(names) or not any(is_loss(words(name)) for name in names):
            return False
        self.names = names
        return True

    def row(self, line: str) -> list[tuple[str, float]] | None:
        """The cells of a line as named numbers; None when it is no row of the table."""
        if not self.names or not line.lstrip()[:1].isdigit():
            return None
        cells = line.split()
        wide = len(self.names)
        if len(cells) < wide or (len(cells) > wide and "|" not in line and not cells[wide - 1].endswith(":")):
            return None
        row = []
        for name, cell in zip(self.names, cells[:wide], strict=True):
            match = _CELL.fullmatch(cell)
            if match:
                row.append((name, float(match[1])))
            elif name in ("epoch", "step") or is_loss(words(name)):
                return None
        return row
