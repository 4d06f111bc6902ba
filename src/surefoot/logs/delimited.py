"""Delimited text: comma, semicolon, tab, bar or blanks between cells, a line of names on top.

Which tool wrote it is told by its columns: Lightning, Keras, Ultralytics, fastai, AlgoPerf, an export of W&B or
TensorBoard, or nobody known.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from surefoot.logs.channels import RawLog
from surefoot.logs.columns import Columns
from surefoot.logs.limits import LONGEST_LINE, MOST_COLUMNS, clean
from surefoot.logs.sources import Source
from surefoot.logs.table_tools import dress

__all__ = ["looks_delimited", "read_delimited"]

_BATCH = 8192
_MISSING = {"", "na", "n/a", "null", "none", "-", "--", "?", "nil", "missing", "<na>", "undefined"}
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_WRAPPED = re.compile(
    r"\s*(?:[\w.]*tensor|[\w.]*float\d*|\[)?\s*[(\[]?\s*(" + _NUMBER.pattern + r")\s*(?:[,)\]%].*)?", re.I
)


def looks_delimited(head: str) -> str | None:
    """The delimiter of text that is a table with names on top (or of bare numbers); None when it is none."""
    lines = [line for line in head.splitlines()[:60] if line.strip() and not line.startswith("#")]
    for delimiter in (",", ";", "\t", "|", " "):
        rows = [_cells(line, delimiter) for line in lines[:40]]
        if not rows or len(rows[0]) < 2:
            continue
        names, body = rows[0], rows[1:]
        if any(_number(cell) is not None for cell in names):
            numeric = all(_number(cell) is not None for row in rows for cell in row)
            if numeric and len(rows) > 2 and len({len(row) for row in rows[:-1]}) == 1:
                return delimiter
            continue
        if len(set(names)) < len(names) or any(len(name) > 120 for name in names):
            continue
        fitting = [row for row in body if len(row) == len(names)]
        alive = sum(any(_number(cell) is not None for cell in row) for row in fitting)
        begins = len(body) > 2 and all(len(row) == len(names) for row in body[:3])
        if body and (begins or len(fitting) >= 0.6 * len(body)) and alive >= 0.6 * len(fitting):
            return delimiter
    single = len(lines) > 2 and _number(lines[0].strip()) is None and re.fullmatch(r"[\w./ -]{1,60}", lines[0].strip())
    return "," if single and all(_number(line.strip()) is not None for line in lines[1:]) else None


def read_delimited(source: Source, delimiter: str, mapping: Mapping[str, str]) -> list[RawLog]:
    """The runs of a table. Never raises for what the table holds."""
    raw = RawLog(path=source.shown, format="csv")
    table = _Table(raw, delimiter)
    table.read(source)
    return dress(source, raw, table.columns, table.names, mapping)


class _Table:
    """The reading of one table, batch by batch, so that memory is bounded by the numbers kept."""

    def __init__(self, raw: RawLog, delimiter: str) -> None:
        self.raw, self.delimiter = raw, delimiter
        self.columns = Columns()
        self.names: list[str] = []
        self.odd = 0

    def read(self, source: Source) -> None:
        csv.field_size_limit(LONGEST_LINE)
        lines = (line for line in source.lines(self.raw) if line and not line.isspace() and line[0] != "#")
        batch: list[list[str]] = []
        for row in self._rows(lines):
            if not self.names:
                self._head(row, batch)
                continue
            if self.raw.unended and self._cut_off(row, batch):
                break
            if (len(row) != len(self.names) or row[0] == self.names[0]) and self._irregular(row, batch):
                continue
            batch.append(row)
            if len(batch) >= _BATCH and not self._flush(batch):
                return
        self._flush(batch)
        if self.odd:
            self.raw.note("odd-rows", f"{self.odd} rows have another number of cells than the head of the table")

    def _rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        if self.delimiter == " ":
            for line in lines:
                yield line.split()
            return
        reader = csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True)
        while True:
            try:
                yield next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.raw.note("corrupt-records", f"a row could not be split into cells ({clean(error)})")

    def _head(self, row: list[str], batch: list[list[str]]) -> None:
        if any(_number(cell) is not None for cell in row):
            self.names = [str(place + 1) for place in range(len(row))]
            self.raw.note("no-header", "the table has no line of names: columns are called 1, 2, …")
            batch.append(row)
            return
        seen: dict[str, int] = {}
        for cell in row[:MOST_COLUMNS]:
            name = clean(cell) or "blank"
            seen[name] = seen.get(name, 0) + 1
            self.names.append(name if seen[name] == 1 else f"{name}.{seen[name]}")

    def _cut_off(self, row: list[str], batch: list[list[str]]) -> bool:
        """Whether the last row, which has no line end, lacks cells; a last number that is too short is blanked."""
        where = self.columns.rows + len(batch) + 1
        if len(row) < len(self.names):
            self.raw.stop(f"the last row ({where}) is cut off: it was left out")
            return True
        usual = sorted(len(other[-1]) for other in batch[-50:] if len(other) == len(row) and other[-1])
        if row[-1] and usual and len(row[-1]) < 0.6 * usual[len(usual) // 2]:
            self.raw.stop(f"the last row ({where}) has no line end and its last number looks cut off: it was left out")
            row[-1] = ""
        return False

    def _irregular(self, row: list[str], batch: list[list[str]]) -> bool:
        """Deal with a row that is not plain data; whether it is used up."""
        words = sum(bool(cell.strip()) and _number(cell) is None for cell in row)
        known = set(self.names) & {cell.strip() for cell in row}
        if len(known) >= max(1, len(row) // 2) and words == sum(bool(cell.strip()) for cell in row):
            self.raw.note(
                "repeated-header", f"the line of names is repeated (row {self.columns.rows + len(batch) + 1})"
            )
            if len(row) != len(self.names):
                self._flush(batch)
                self.names = []
                self._head(row, batch)
            return True
        if len(row) != len(self.names):
            self.odd += 1
            row[:] = (row + [""] * len(self.names))[: len(self.names)]
        return False

    def _flush(self, batch: list[list[str]]) -> bool:
        if not batch:
            return True
        room = self.raw.room(len(batch) * len(self.names))
        if room:
            first = self.columns.rows
            for name, column in zip(self.names, zip(*batch, strict=True), strict=True):
                values, present = numbers(column, self.delimiter)
                if present is None:
                    rows = np.arange(first, first + len(batch), dtype=np.float64)
                    self.columns.extend(name, rows, values)
                elif len(present):
                    self.columns.extend(name, (present + first).astype(np.float64), values[present])
            self.columns.rows += len(batch)
        batch.clear()
        return room


def numbers(column: tuple[str, ...], delimiter: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
    """Cells as numbers, and where there are any: None when in every cell. A blank is no number, `nan` is one."""
    try:
        return np.array(list(map(float, column)), dtype=np.float64), None
    except ValueError:
        pass
    try:
        blank = [float(cell) if cell else np.nan for cell in column]
        present = np.flatnonzero(np.fromiter(map(len, column), dtype=np.int64, count=len(column)))
        return np.array(blank, dtype=np.float64), present
    except ValueError:
        pass
    found = [_number(cell, delimiter) for cell in column]
    present = np.array([place for place, value in enumerate(found) if value is not None], dtype=np.int64)
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64), present


def _number(cell: str, delimiter: str = ",") -> float | None:
    if not cell:
        return None
    try:
        return float(cell)
    except ValueError:
        pass
    text = cell.strip()
    if text.lower() in _MISSING or len(text) > 200:
        return None
    if delimiter == ";" and text.count(",") == 1:
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return None
    if text[0] in "[(" or "tensor" in text[:12] or text.startswith(("np.", "float")) or text.endswith("%"):
        match = _WRAPPED.fullmatch(text)
        return float(match.group(1).replace("_", "")) if match else None
    return None


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []
