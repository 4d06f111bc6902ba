"""Saved records: read a file whose kind is not known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

from surefoot.errors import RecordError
from surefoot.records import Record

__all__ = ["load_record"]


def load_record(path: str, *kinds: type[Record]) -> Record:
    """The record in the file `path`, of one of `kinds`.

    Raises:
        RecordError: no such file, no record, or a record of another kind.
    """
    by_kind = {one.kind: one for one in kinds}
    *others, last = by_kind
    wanted = f"{', '.join(others)} or {last}" if others else last
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"`{path}`: no such file; give a {wanted} record that Surefoot wrote") from None
    except OSError as error:
        raise RecordError(f"`{path}` cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"`{path}` is no JSON ({error}); give a {wanted} record that Surefoot wrote") from None
    first = data[0] if isinstance(data, list) and data else data
    kind = first.get("kind") if isinstance(first, dict) else None
    if first is not data and kind == "diagnosis":
        kind = "diagnoses"  # which is a list of them
    found = by_kind.get(kind) if isinstance(kind, str) else None
    if found is None:
        what = f"a record of kind {kind!r}" if isinstance(kind, str) else "no record of Surefoot"
        raise RecordError(f"`{path}` is {what}; a {wanted} record is needed")
    try:
        return found.from_json(data)
    except RecordError as error:
        raise RecordError(f"`{path}`: {error}") from None
