"""Reading: paths in, runs out. What each file is, is told by its content; its name decides nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from surefoot.errors import InputError
from surefoot.logs.assemble import assemble
from surefoot.logs.channels import RawLog, Reading
from surefoot.logs.databases import read_database
from surefoot.logs.delimited import read_delimited
from surefoot.logs.folders import event_root, metric_root
from surefoot.logs.json_logs import read_json_document, read_json_lines
from surefoot.logs.limits import clean
from surefoot.logs.log_run import LogRun, Note
from surefoot.logs.mlflow_files import add_metric_file, rate_from_parameter
from surefoot.logs.own_records import read_record
from surefoot.logs.recognise import Layout, layout_of
from surefoot.logs.roles import checked_mapping
from surefoot.logs.sources import Source, found_below, open_source
from surefoot.logs.stdout_text import read_printed
from surefoot.logs.tensorboard import EventFile, add_event_files, read_event_file
from surefoot.logs.wandb_offline import read_wandb_offline

__all__ = ["Watch", "read_logs"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
Watch = Callable[[int, int], None]
"""Told how many files of a folder were looked at, and how many there are."""
_TEXT_IN_FOLDERS = (".log", ".txt", ".out", ".err", "")


def read_logs(paths: Paths, mapping: Mapping[str, str] | None = None, *, watch: Watch | None = None) -> list[LogRun]:
    """Read the logs of trainings, whatever wrote them.

    A file, a folder (walked; links in it are not followed), or several. Formats are recognised by content; a log that
    is damaged or cut off gives what is readable, and `LogRun.stopped` says where that ends. Nothing in a log is
    executed, and no file is opened because a log names it.

    Args:
        paths: one path or several; packed files (gzip, xz, bzip2, Zstandard) are unpacked on the way.
        mapping: role to the log's own name for it, where names alone would mislead: `{"loss": "train/nll"}`. Roles
            are `step`, `loss`, `lr`, `grad_norm`, `val_loss`.
        watch: called before each file of a folder.

    Returns:
        One entry per training, in the order of the paths.

    Raises:
        InputError: a path does not exist or cannot be read, nothing in it is a log with a curve, or `mapping` names
            what no log has.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not given:
        raise InputError("`paths` is empty; give a log file or a folder of logs")
    wanted = checked_mapping(mapping)
    runs = [run for path in given for run in _read_path(path, wanted, watch)]
    for role, name in wanted.items():
        if role != "step" and not any(run.names.get(role, "").lower() == name.lower() for run in runs):
            raise InputError(f"`map` gives {clean(name)!r} for {role}, and no log has a series of that name")
    return runs


def _read_path(path: str | os.PathLike[str], mapping: Mapping[str, str], watch: Watch | None) -> list[LogRun]:
    shown = os.fsdecode(path)
    if "\x00" in shown:
        raise InputError(f"`{clean(shown)}` is no path; give a log file or a folder of logs")
    place = Path(shown)
    if place.is_dir():
        return _read_folder(place, shown, mapping, watch)
    return _read_file(open_source(place, shown), mapping)


def _read_file(source: Source, mapping: Mapping[str, str]) -> list[LogRun]:
    kind = layout_of(source)
    if kind is None:
        known = (
            "TensorBoard, Lightning, Hugging Face, Keras, MLflow, W&B, Ultralytics, a table, JSON lines, printed text"
        )
        empty = "is empty" if not source.head else "is no log that Surefoot knows"
        raise InputError(f"`{clean(source.shown)}` {empty}; give a log of a training ({known})")
    return _read_as(*kind, source, mapping)


def _read_as(layout: Layout, delimiter: str, source: Source, mapping: Mapping[str, str]) -> list[LogRun]:
    runs: list[LogRun] = []
    raws: list[RawLog] = []
    if layout == "events":
        raw = RawLog(path=source.shown, format="tensorboard")
        add_event_files(raw, [("", read_event_file(source, raw))])
        raws = [raw]
    elif layout == "wandb":
        raws = read_wandb_offline(source, mapping)
    elif layout == "sqlite":
        raws = read_database(source, mapping)
    elif layout == "jsonl":
        raws = read_json_lines(source, mapping)
    elif layout == "json":
        raws, record, stopped = read_json_document(source, mapping)
        if record is not None:
            runs = read_record(source.shown, record, stopped)
    elif layout == "mlflow-metric":
        raw = RawLog(path=source.shown, format="mlflow")
        parts = Path(source.shown).parts
        below = parts[parts.index("metrics") + 1 :] if "metrics" in parts[:-1] else parts[-1:]
        add_metric_file(raw, source, "/".join(below))
        raws = [raw]
    elif layout == "table":
        raws = read_delimited(source, delimiter, mapping)
    else:
        raws = read_printed(source, mapping)
    return _packed_noted(source, runs) or _assembled(source, raws, mapping)


def _assembled(source: Source, raws: list[RawLog], mapping: Mapping[str, str]) -> list[LogRun]:
    runs = [run for raw in raws for run in assemble(raw, mapping)]
    if runs:
        return _packed_noted(source, runs)
    shown = clean(source.shown)
    names = ", ".join(dict.fromkeys(name for raw in raws for name in list(raw.channels)[:20]))
    stopped = next((raw.stopped for raw in raws if raw.stopped), "")
    if names:
        raise InputError(f"`{shown}` has no series named like a loss ({clean(names)}); name it with --map loss=NAME")
    raise InputError(f"`{shown}` holds no numbers of a training{': ' + stopped if stopped else ''}; give another log")


def _packed_noted(source: Source, runs: list[LogRun]) -> list[LogRun]:
    if not source.packed:
        return runs
    note = Note("compressed", f"the file is packed ({source.packed}): it was unpacked while reading")
    return [dataclasses.replace(run, notes=(*run.notes, note)) for run in runs]


def _read_folder(folder: Path, shown: str, mapping: Mapping[str, str], watch: Watch | None) -> list[LogRun]:
    """Every log below a folder. Files that belong to one training are read together."""
    walk = Reading()
    runs: list[LogRun] = []
    events: dict[Path, list[Source]] = {}
    metrics: dict[Path, list[Source]] = {}
    files = found_below(folder, walk)
    for place, file in enumerate(files):
        if watch is not None:
            watch(place, len(files))
        try:
            source = open_source(file, os.path.join(shown, os.path.relpath(file, folder)))
            kind = layout_of(source, printed=_may_be_printed(file, source.packed))
            if kind is None:
                continue
            if kind[0] == "events":
                events.setdefault(file.parent, []).append(source)
            elif kind[0] == "mlflow-metric" and metric_root(file, folder) is not None:
                metrics.setdefault(metric_root(file, folder) or file.parent, []).append(source)
            else:
                runs.extend(_read_as(*kind, source, mapping))
        except InputError:
            continue
    runs.extend(_event_runs(folder, shown, events, mapping))
    runs.extend(_metric_runs(folder, shown, metrics, mapping))
    runs = _longest_of_each(runs)
    if not runs:
        raise InputError(f"`{clean(shown)}`: no log of a training in this folder; give the log file itself")
    if walk.stopped:
        runs = [dataclasses.replace(run, notes=(*run.notes, Note("files-bounded", walk.stopped))) for run in runs]
    return sorted(runs, key=lambda run: run.path)


def _may_be_printed(file: Path, packed: str) -> bool:
    """Whether a text in a folder has the name of a log: `train.log`, also packed or rotated, but no program or page."""
    name = Path(file.stem) if packed and file.suffix else file
    while name.suffix[1:].isdigit():
        name = Path(name.stem)
    return name.suffix in _TEXT_IN_FOLDERS


def _event_runs(
    folder: Path, shown: str, events: Mapping[Path, list[Source]], mapping: Mapping[str, str]
) -> list[LogRun]:
    """Event files by training: those of one folder, and of folders for its training and validation parts."""
    roots: dict[Path, list[tuple[str, EventFile]]] = {}
    raws: dict[Path, RawLog] = {}
    for place, sources in events.items():
        root, prefix = event_root(place, folder, set(events))
        raw = raws.setdefault(root, RawLog(path=_shown(root, folder, shown), format="tensorboard"))
        for source in sources:
            single = Reading()
            roots.setdefault(root, []).append((prefix, read_event_file(source, single)))
            raw.notes = {**raw.notes, **single.notes}
            if single.stopped:
                raw.stop(f"{Path(source.shown).name}: {single.stopped}")
    for root, files in roots.items():
        add_event_files(raws[root], files)
    return [run for raw in raws.values() for run in assemble(raw, mapping)]


def _metric_runs(
    folder: Path, shown: str, metrics: Mapping[Path, list[Source]], mapping: Mapping[str, str]
) -> list[LogRun]:
    """Metrics of MLflow's file store by run: the folder that holds `metrics`."""
    runs = []
    for root, sources in metrics.items():
        raw = RawLog(path=_shown(root, folder, shown), format="mlflow")
        for source in sources:
            add_metric_file(raw, source, source.path.relative_to(root / "metrics").as_posix())
        raw.constant_lr = _parameter_rate(root / "params") if root == folder or folder in root.parents else None
        runs.extend(assemble(raw, mapping))
    return runs


def _parameter_rate(params: Path) -> float | None:
    if params.is_symlink():
        return None
    try:
        files = [file for file in found_below(params, Reading()) if file.stat().st_size < 100]
        rates = (rate_from_parameter(open_source(file, file.name)) for file in files[:1000])
        return next((rate for rate in rates if rate is not None), None)
    except (InputError, OSError):
        return None


def _shown(place: Path, folder: Path, shown: str) -> str:
    relative = os.path.relpath(place, folder)
    return shown if relative == "." else os.path.join(shown, relative)


def _longest_of_each(runs: list[LogRun]) -> list[LogRun]:
    """Drop states that checkpoints of one training kept: their curve is the beginning of a longer one."""
    out: list[LogRun] = []
    for run in sorted(runs, key=lambda one: -len(one.run.loss)):
        size = len(run.run.loss)
        longer = next(
            (
                one
                for one in out
                if run.format == one.format == "huggingface"
                and size
                and np.array_equal(one.run.loss[:size], run.run.loss, equal_nan=True)
                and np.array_equal(one.run.step[:size], run.run.step)
            ),
            None,
        )
        if longer is None:
            out.append(run)
        elif not longer.noted("checkpoint-copies"):
            note = Note("checkpoint-copies", "checkpoints hold earlier states of this log: they were left out")
            out[out.index(longer)] = dataclasses.replace(longer, notes=(*longer.notes, note))
    return out
