"""Reading: paths in, runs out. What each file is, is told by its content; its name decides nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from surefoot.errors import InputError
from surefoot.logs.assemble import assemble
from surefoot.logs.channels import RawLog, Reading
from surefoot.logs.delimited import looks_delimited, read_delimited
from surefoot.logs.limits import clean
from surefoot.logs.log_run import LogRun
from surefoot.logs.roles import checked_mapping
from surefoot.logs.sources import Source, found_below, open_source

__all__ = ["read_logs"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def read_logs(paths: Paths, mapping: Mapping[str, str] | None = None) -> list[LogRun]:
    """Read the logs of trainings, whatever wrote them.

    A file, a folder (walked; links in it are not followed), or several. Formats are recognised by content; a log that
    is damaged or cut off gives what is readable, and `LogRun.stopped` says where that ends. Nothing in a log is
    executed, and no file is opened because a log names it.

    Args:
        paths: one path or several; packed files (gzip, xz, bzip2, Zstandard) are unpacked on the way.
        mapping: role to the log's own name for it, where names alone would mislead: `{"loss": "train/nll"}`. Roles
            are `step`, `loss`, `lr`, `grad_norm`, `val_loss`.

    Returns:
        One entry per training, in the order of the paths.

    Raises:
        InputError: a path does not exist or cannot be read, or nothing in it is a log with a curve.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not given:
        raise InputError("`paths` is empty; give a log file or a folder of logs")
    wanted = checked_mapping(mapping)
    runs: list[LogRun] = []
    for path in given:
        runs.extend(_read_path(path, wanted))
    return runs


def _read_path(path: str | os.PathLike[str], mapping: Mapping[str, str]) -> list[LogRun]:
    shown = os.fspath(path)
    place = Path(shown)
    if not place.is_dir():
        return _read_file(open_source(place, shown), mapping)
    reading = Reading()
    runs: list[LogRun] = []
    for file in found_below(place, reading):
        try:
            runs.extend(_read_file(open_source(file, str(file)), mapping))
        except InputError:
            continue
    if not runs:
        raise InputError(f"`{clean(shown)}`: no log of a training in this folder; give the log file itself")
    return runs


def _read_file(source: Source, mapping: Mapping[str, str]) -> list[LogRun]:
    raws: list[RawLog] = []
    delimiter = looks_delimited(source.head.decode("utf-8", errors="replace"))
    if delimiter is not None:
        raws = read_delimited(source, delimiter, mapping)
    if not raws:
        raise InputError(f"`{clean(source.shown)}` is no log that Surefoot knows; give a log of a training")
    runs = [run for raw in raws for run in assemble(raw, mapping)]
    if not runs:
        names = ", ".join(name for raw in raws for name in raw.channels)
        raise InputError(
            f"`{clean(source.shown)}`: no loss among its series ({clean(names)}); name it with --map loss=NAME"
        )
    return runs
