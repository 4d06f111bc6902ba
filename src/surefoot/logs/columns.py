"""Columns: a log that is a table, one row an entry, and the choice of the column that counts the steps."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.logs.channels import RawLog
from surefoot.logs.limits import MOST_COLUMNS, clean

__all__ = ["Columns", "number_or_none"]

_STEPS = (
    *("step", "global_step", "trainer/global_step", "train/global_step", "_step", "iteration", "iter", "global_iter"),
    *("iterations", "n_iter", "step_num", "num_steps", "steps", "update", "updates", "num_updates", "batches"),
    *("total_steps", "train/step", "optimizer_step", "itr", "it", "i", "t", "batch", "batch_idx", "batch_index"),
    *("current_steps", "current_step", "cur_step", "completed_steps", "global_steps", "training_step", "train_step"),
)
_EPOCHS = ("epoch", "epochs", "epoch_num", "train/epoch", "global_epoch")


class Columns:
    """A table under construction. Cells that a row leaves out take no room."""

    def __init__(self) -> None:
        self.rows = 0
        self.cells: dict[str, tuple[array[float], array[float]]] = {}
        self.bounded = False

    def _cell(self, name: str) -> tuple[array[float], array[float]] | None:
        found = self.cells.get(name)
        if found is None:
            if len(self.cells) >= MOST_COLUMNS:
                self.bounded = True
                return None
            found = self.cells[name] = (array("d"), array("d"))
        return found

    def add_row(self, items: Iterable[tuple[str, float]]) -> int:
        """Append one row of named numbers; returns how many."""
        count = 0
        for name, value in items:
            cell = self._cell(name)
            if cell is not None:
                cell[0].append(self.rows)
                cell[1].append(value)
                count += 1
        self.rows += 1
        return count

    def extend(self, name: str, rows: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> None:
        """Append the cells `values` of one column, standing in `rows`. `self.rows` is the caller's to advance."""
        cell = self._cell(name)
        if cell is not None:
            cell[0].frombytes(np.ascontiguousarray(rows, dtype=np.float64).tobytes())
            cell[1].frombytes(np.ascontiguousarray(values, dtype=np.float64).tobytes())

    def arrays(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Rows and values of a column."""
        rows, values = self.cells[name]
        return np.frombuffer(rows.tobytes()), np.frombuffer(values.tobytes())

    def into(self, raw: RawLog, mapping: Mapping[str, str]) -> RawLog:
        """Choose what counts the steps and hand every other column to `raw` as a channel."""
        if self.bounded:
            raw.note("columns-bounded", f"more than {MOST_COLUMNS} columns: the others were left out")
        clock_name, unit = self._clock_name(mapping)
        clock = self._clock(clock_name, raw) if clock_name else None
        if clock is None:
            clock, unit = np.arange(self.rows, dtype=np.float64), "row"
            if self.rows:
                raw.note("steps-from-rows", "no column counts the steps: the rows were counted instead")
        raw.unit = unit
        for name in self.cells:
            if name == clock_name and clock_name is not None and unit != "row":
                continue
            rows, values = self.arrays(name)
            place = rows.astype(np.int64)
            steps = clock[place]
            known = np.isfinite(steps)
            channel = raw.channel(clean(name))
            if channel is not None:
                channel.extend(rows[known], steps[known], values[known])
        self._note_time_resets(raw)
        return raw

    def _clock_name(self, mapping: Mapping[str, str]) -> tuple[str | None, str]:
        wanted = mapping.get("step")
        if wanted is not None and wanted in self.cells:
            return wanted, "epoch" if wanted.lower() in _EPOCHS else "step"
        lower = {_plain(name): name for name in reversed(self.cells)}
        for names, unit in ((_STEPS, "step"), (_EPOCHS, "epoch")):
            for name in names:
                found = lower.get(_plain(name))
                if found is not None and len(self.cells[found][0]) * 2 >= self.rows:
                    values = self.arrays(found)[1]
                    whole = bool(np.all(values[np.isfinite(values)] % 1 == 0)) if len(values) else False
                    if whole and (len(values) < 3 or len(np.unique(values)) > len(values) // 4):
                        return found, unit
                    if whole and len(np.unique(values)) > 1 and self._epoch_name() not in (None, found):
                        return found, unit
        return None, "row"

    def _epoch_name(self) -> str | None:
        lower = {_plain(name): name for name in reversed(self.cells)}
        return next((lower[name] for name in _EPOCHS if name in lower), None)

    def _clock(self, name: str, raw: RawLog) -> npt.NDArray[np.float64] | None:
        """Steps by row. A counter that starts again with every epoch is unrolled; a blank takes the step before."""
        rows, values = self.arrays(name)
        clock = np.full(self.rows, np.nan)
        clock[rows.astype(np.int64)] = values
        clock[~(np.abs(clock) < 2**53)] = np.nan
        epochs = self._epoch_name()
        falls = np.flatnonzero(values[1:] < values[:-1]) + 1  # without a difference: steps may be infinite
        if epochs not in (None, name) and len(falls):
            erows, evalues = self.arrays(epochs or "")
            epoch = np.full(self.rows, np.nan)
            epoch[erows.astype(np.int64)] = evalues
            at = rows.astype(np.int64)
            risen = epoch[at[falls]] > epoch[at[falls - 1]]
            if bool(np.all(risen)) and bool(np.all(np.diff(evalues) >= 0)):
                span = np.nanmax(values) + (1 if np.nanmin(values) == 0 else 0)
                first = np.nanmin(epoch)
                raw.note("steps-by-epoch", f"{clean(name)!r} starts again with every epoch: steps were counted on")
                raw.steps_per_epoch = float(span)
                return np.asarray(clock + (np.floor(epoch) - first) * span, dtype=np.float64)
        return _filled(clock)

    def _note_time_resets(self, raw: RawLog) -> None:
        for name in self.cells:
            if _plain(name) in ("time", "_runtime", "wall_time", "elapsed", "total_time", "elapsed_time", "walltime"):
                rows, values = self.arrays(name)
                with np.errstate(invalid="ignore"):  # times may be infinite
                    falls = np.flatnonzero(np.diff(values) < -0.5 * np.abs(values[:-1]))
                if 0 < len(falls) < max(4, len(values) // 20):
                    raw.note(
                        "time-reset", f"{clean(name)!r} starts again at row {int(rows[falls[0] + 1]) + 1}: a resume"
                    )


def _plain(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip().lower())


def _filled(clock: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Blanks take the last step above them; blanks at the top the first below."""
    known = np.flatnonzero(np.isfinite(clock))
    if not len(known):
        return clock
    last = np.searchsorted(known, np.arange(len(clock)), side="right") - 1
    return np.asarray(clock[known[np.maximum(last, 0)]], dtype=np.float64)


def number_or_none(value: Any) -> float | None:
    """A JSON value as a number: numbers, also written as text, and the spellings of NaN and infinity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    if isinstance(value, str) and len(value) < _LONGEST:
        text = value.strip()
        if text.lower().lstrip("+-") in _SPELT or _WRITTEN.fullmatch(text):
            return float(text)
    return None


_LONGEST = 30
_SPELT = {"nan", "inf", "infinity"}
_WRITTEN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
