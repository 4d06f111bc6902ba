"""Exporting: the members of a study, or their series, as JSON, CSV or Parquet for other tools."""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surefoot.errors import InputError, OutputError
from surefoot.records import Provenance
from surefoot.study.store import Store
from surefoot.study.summary import study_of

__all__ = ["export"]

_BLOCK = 50_000
_FORMATS = (".json", ".csv", ".parquet")


def export(study: str | Path, target: str | Path, *, series: bool = False) -> int:
    """Write a study to `target`, whose ending names the format; the number of rows.

    A row per member: its place, shape, recipe (options as `option.NAME`), fate, losses, steps and metrics
    (`metric.NAME`). With `series` a row per member, series and entry: `member`, `series`, `entry` (from 0), `value`.

    Raises:
        InputError: another ending, Parquet without pyarrow, or a file that is no export.
        OutputError: `target` cannot be written.
    """
    place = Path(target)
    kind = place.suffix.lower()
    if kind not in _FORMATS:
        raise InputError(f"`target` is {str(target)!r}; its ending says how: {', '.join(_FORMATS)}")
    if kind == ".parquet":
        _parquet()
    if place.is_file() and place.stat().st_size and not _is_ours(place, kind):
        raise InputError(f"`target` is {str(target)!r}, which exists and was not exported by Surefoot; name another")
    with Store(study) as store:
        if kind == ".json" and not series:
            sessions = store.sessions()
            record = study_of(store, sessions[-1] if sessions else Provenance())
            record.save(place)
            return len(record.members)
        rows = _series(store) if series else iter(_members(store))
        try:
            return _written(place, kind, rows)
        except OSError as error:
            raise OutputError(f"`{target}` cannot be written: {error.strerror or error}; name another place") from None


def _is_ours(place: Path, kind: str) -> bool:
    """Whether the file begins as an export does."""
    try:
        if kind == ".parquet":
            return str(_parquet()[1].read_schema(place).names[0]) == "member"
        with place.open("rb") as stream:
            head = stream.read(200)
    except (OSError, ValueError, IndexError):  # pyarrow's errors are ValueErrors
        return False
    return head.startswith((b"member,", b'[\n{"member": ', b'{\n"kind": "study"'))


def _members(store: Store) -> list[dict[str, Any]]:
    rows = []
    for place, one in enumerate(store.members()):
        recipe = one.recipe.to_json()
        options = recipe.pop("options")
        for name in ("kind", "schema", "schedule_options", "changes"):
            recipe.pop(name)
        row = {"member": place, **one.shape, **recipe, **{f"option.{name}": str(v) for name, v in options.items()}}
        row |= {"fate": one.fate, "final_loss": one.final_loss, "spread": one.spread, "first_loss": one.first_loss}
        row |= {"steps": one.steps, "horizon": one.horizon, "seconds": one.seconds, "reason": one.reason}
        row["batch_size"] = str(row["batch_size"])
        rows.append(row | {f"metric.{name}": value for name, value in one.metrics.items()})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def _series(store: Store) -> Iterator[dict[str, Any]]:
    for member in range(len(store.members())):
        for name, values in store.series(member).items():
            for entry, value in enumerate(values.tolist()):
                yield {"member": member, "series": name, "entry": entry, "value": value}


def _written(target: Path, kind: str, rows: Iterator[dict[str, Any]]) -> int:
    handle, temporary = tempfile.mkstemp(dir=target.resolve().parent, prefix=".surefoot-", suffix=".part")
    os.close(handle)
    part = Path(temporary)
    try:
        count = {".json": _json, ".csv": _csv, ".parquet": _to_parquet}[kind](part, rows)
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _json(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write("[")
        for row in rows:
            stream.write((",\n" if count else "\n") + json.dumps(_plain(row), allow_nan=False))
            count += 1
        stream.write("\n]\n")
    return count


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with numbers that JSON does not have written as in Surefoot's records: "nan", "inf", "-inf"."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def _csv(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer: Any = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(stream, fieldnames=list(row))
                writer.writeheader()
            writer.writerow(row)
            count += 1
    return count


def _to_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    arrow, parquet = _parquet()
    count, writer, block = 0, None, list[dict[str, Any]]()
    try:
        while True:
            row = next(rows, None)
            if row is not None:
                block.append(row)
            if block and (row is None or len(block) == _BLOCK):
                table = arrow.Table.from_pylist(block, schema=None if writer is None else writer.schema)
                writer = writer or parquet.ParquetWriter(path, table.schema)
                writer.write_table(table)
                count, block = count + len(block), []
            if row is None:
                return count
    finally:
        if writer is not None:
            writer.close()


def _parquet() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InputError("Parquet needs pyarrow: pip install 'surefoot[parquet]'; or export to .csv") from None
