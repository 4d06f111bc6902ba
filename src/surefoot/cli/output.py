"""Output: where the results of a verb are written, checked before the work and written after it.

A *target* is one file that a verb will write: the record that ``--json`` names, or a page, picture or record in the
folder of ``--out``. A target may replace a file that Surefoot wrote, and nothing else of the user's.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from surefoot.cli.standard_output import is_closed
from surefoot.errors import InputError, OutputError
from surefoot.records import Record

__all__ = ["STANDARD_OUTPUT", "Output", "PartlyWrittenError", "Writer", "kept_record"]

STANDARD_OUTPUT = "-"

Writer = Callable[[Path], object]
"""Writes one file."""


class Output:
    """The targets of one call of a verb.

    Args:
        json_to: file of ``--json``, ``-`` for standard output, or None.
        out: folder of ``--out``, or None.
        names: files that the verb writes into `out`.

    Raises:
        OutputError: a target cannot be written here.
        InputError: a target is a file that Surefoot did not write.
    """

    def __init__(self, json_to: str | None, out: str | None, names: Sequence[str]) -> None:
        self.to_stdout = json_to == STANDARD_OUTPUT
        if self.to_stdout and is_closed():
            raise OutputError("`--json` is '-', and standard output is closed; name a file")
        self.json_to = None if json_to is None or self.to_stdout else Path(json_to)
        self.out = None if out is None else Path(out)
        if self.json_to is not None:
            _check_file(self.json_to, "--json", record=True)
        if self.out is not None:
            _make_folder(self.out)
            for name in names:
                _check_file(self.out / name, "--out")

    def write(self, record: Record, writers: Mapping[str, Writer]) -> list[Path]:
        """Write the record to ``--json`` and every file of `writers` into ``--out``; the paths that were written.

        Raises:
            OutputError: some could not be written; the others were, and the record is kept somewhere.
        """
        jobs: list[tuple[Path, Writer]] = []
        if self.json_to is not None:
            jobs.append((self.json_to, record.save))
        if self.out is not None:
            jobs += [(self.out / name, writer) for name, writer in writers.items()]
        written: list[Path] = []
        failed: list[str] = []
        for path, writer in jobs:
            try:
                writer(path)
            except OutputError as error:
                failed.append(str(error))
            except OSError as error:
                failed.append(f"`{path}` cannot be written: {error.strerror or error}")
            except Exception as error:  # noqa: BLE001 - a defect in a picture must not cost the result
                failed.append(f"`{path}` could not be drawn: {type(error).__name__}: {error}")
            else:
                written.append(path)
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            kept = "" if any(path.suffix == ".json" for path in written) else kept_record(record)
            raise PartlyWrittenError(f"{failed[0]}{more}{kept}", written)
        return written


class PartlyWrittenError(OutputError):
    """Some targets were written, in `written`, and some were not."""

    def __init__(self, message: str, written: list[Path]) -> None:
        super().__init__(message)
        self.written = written


def kept_record(record: Record) -> str:
    """Save the record in the folder for temporary files; where it is, in words that end a sentence."""
    try:
        handle, name = tempfile.mkstemp(prefix=f"surefoot-{record.kind}-", suffix=".json")
    except OSError:
        return "; the record could not be kept"
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(record.dumps())
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        return "; the record could not be kept"
    return f"; the record is kept in {name}"


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"`--out` is {str(folder)!r}, which is a file; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"`--out` is {str(folder)!r}, which cannot be made: {error.strerror or error}") from None


def _check_file(path: Path, option: str, *, record: bool = False) -> None:
    if path.is_dir():
        raise OutputError(f"`{option}` would write {str(path)!r}, which is a folder; name a file")
    if path.exists() and not path.is_file():
        if not os.access(path, os.W_OK):
            raise OutputError(f"`{option}` is {str(path)!r}, which cannot be written; name another place")
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"`{option}` is {str(path)!r}, and there is no folder {str(folder)!r}; make it first")
    try:
        handle, probe = tempfile.mkstemp(dir=folder, prefix=".surefoot-", suffix=".probe")
    except OSError as error:
        raise OutputError(f"`{folder}` cannot be written to: {error.strerror or error}; name another place") from None
    os.close(handle)
    Path(probe).unlink(missing_ok=True)
    if path.exists() and not _is_ours(path, record=record or path.suffix == ".json"):
        raise InputError(f"{str(path)!r} exists and was not written by Surefoot; `{option}` must name another place")


def _is_ours(path: Path, *, record: bool) -> bool:
    """Whether Surefoot wrote the file: a record, or a page or picture with its mark; an empty file is nobody's."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return False
    if not head:
        return True
    if record:
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        if isinstance(data, list) and data:
            data = data[0]
        return isinstance(data, dict) and isinstance(data.get("kind"), str) and isinstance(data.get("schema"), int)
    return b"surefoot" in head.lower()
