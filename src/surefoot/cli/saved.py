"""Saved records: read a file whose kind is not known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

from surefoot.errors import RecordError
from surefoot.records import Found, Recipe, Record, Run, Sweep

__all__ = ["load_record"]

_KINDS: dict[str, type[Record]] = {one.kind: one for one in (Found, Recipe, Run, Sweep)}


def load_record(path: str, *kinds: type[Record]) -> Record:
    """The record in the file `path`, of one of `kinds`.

    Raises:
        RecordError: no such file, no record, or a record of another kind.
    """
    wanted = " or ".join(one.kind for one in kinds)
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"`{path}`: no such file; give a {wanted} record that Surefoot wrote") from None
    except OSError as error:
        raise RecordError(f"`{path}` cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"`{path}` is no JSON ({error}); give a {wanted} record that Surefoot wrote") from None
    kind = data.get("kind") if isinstance(data, dict) else None
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None or found not in kinds:
        what = f"a record of kind {kind!r}" if isinstance(kind, str) else "no record of Surefoot"
        raise RecordError(f"`{path}` is {what}; a {wanted} record is needed")
    try:
        return found.from_json(data)
    except RecordError as error:
        raise RecordError(f"`{path}`: {error}") from None
