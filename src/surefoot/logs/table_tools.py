"""Tables by tool: the column names tell who wrote a table, and the tool tells what its numbers are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np

from surefoot.logs.channels import RawLog
from surefoot.logs.columns import Columns
from surefoot.logs.limits import MOST_RUNS, clean
from surefoot.logs.roles import is_validation, words
from surefoot.logs.sources import Source

__all__ = ["dress"]

_EXPORTED = re.compile(r"(?P<run>.+?) - (?P<key>.+?)(?P<band>__MIN|__MAX|__STEP)?")


def dress(
    source: Source, raw: RawLog, columns: Columns, names: Sequence[str], mapping: Mapping[str, str]
) -> list[RawLog]:
    """Recognise the tool by its columns and hand the table on as raw logs, with what the tool's numbers mean."""
    low = {name.lower() for name in names}
    if {"wall time", "step", "value"} <= low:
        return [_tensorboard_export(source, raw, columns, mapping)]
    if any(_EXPORTED.fullmatch(name) for name in names) and not {"epoch", "train_loss"} <= low:
        exported = _wandb_export(raw, columns, mapping)
        if exported:
            return exported
    if {"epoch", "time"} <= low and any(n.startswith(("train/", "metrics/", "lr/pg")) for n in low):
        _ultralytics(raw, columns)
    elif {"epoch", "train_loss", "valid_loss"} <= low and "step" not in low:
        _fastai(raw, names)
    elif "global_step" in low and ({"score", "preemption_count", "accumulated_submission_time"} & low):
        raw.format, raw.loss_kind, raw.lr_of = "algoperf", "step", "unknown"
    elif {"epoch", "step"} <= low and _written_apart(columns):
        _lightning(raw, names)
    elif low & {"_step", "_runtime", "_timestamp"}:
        raw.format = "wandb-export"
    elif names and names[0] == "epoch" and "step" not in low and _keras_order(names) and _row_by_row(columns, "epoch"):
        raw.format, raw.loss_kind, raw.lr_of = "keras", "epoch", "this"
    else:
        raw.note("columns-inferred", f"what each column is was inferred from its name ({_listed(names)})")
    columns.into(raw, mapping)
    return [raw]


def _written_apart(columns: Columns) -> bool:
    """Whether training and validation stand in separate rows, the others' cells blank: Lightning's way."""
    return any(0 < len(rows) < columns.rows for rows, _ in columns.cells.values()) or columns.rows < 2


def _keras_order(names: Sequence[str]) -> bool:
    """Whether the columns but the first are in alphabetical order."""
    return list(names[1:]) == sorted(names[1:])


def _row_by_row(columns: Columns, name: str) -> bool:
    """Whether a counter has a value of its own in most rows: of a table by batch, an epoch fills many."""
    values = columns.arrays(name)[1] if name in columns.cells else ()
    return 2 * len(set(values)) > columns.rows


def _lightning(raw: RawLog, names: Sequence[str]) -> None:
    raw.format = "lightning"
    raw.note("separate-rows", "training and validation stand in separate rows with blanks between: they were joined")
    has_step = any(words(name)[-1:] == ["step"] and "loss" in words(name) for name in names)
    raw.loss_kind = "step" if has_step else "unknown"
    raw.lr_of = "this" if any(name.startswith("lr-") for name in names) else "unknown"


def _ultralytics(raw: RawLog, columns: Columns) -> None:
    raw.format, raw.loss_kind, raw.lr_of = "ultralytics", "epoch", "this"
    raw.validation.update(name for name in columns.cells if name.strip().startswith("metrics/"))
    if "epoch" in columns.cells:
        rows, epochs = columns.arrays("epoch")
        gaps = np.flatnonzero(np.diff(epochs) > 1)
        if len(gaps):
            raw.note("skipped-epochs", f"epochs are missing, first after {int(epochs[gaps[0]])}")
        del rows


def _fastai(raw: RawLog, names: Sequence[str]) -> None:
    raw.format, raw.loss_kind, raw.averaged_over = "fastai", "running", None
    place = list(names).index("valid_loss")
    raw.validation.update(name for name in names[place + 1 :] if name not in ("time", "epoch") and "loss" not in name)


def _tensorboard_export(source: Source, raw: RawLog, columns: Columns, mapping: Mapping[str, str]) -> RawLog:
    """One tag downloaded from TensorBoard's page: the tag stands in the file's name, if anywhere."""
    raw.format = "tensorboard-export"
    stem = PurePath(source.shown).name.split(".")[0]
    tag = stem.rsplit("tag-", 1)[-1]
    value = next(name for name in columns.cells if name.lower() == "value") if columns.cells else "Value"
    role = "lr" if {"lr", "rate"} & set(words(tag)) else "val_loss" if is_validation(tag) else "loss"
    raw.roles[role] = value
    raw.note(
        "columns-inferred", f"the table holds one series without a name: it was taken for `{role}` by the file's name"
    )
    return columns.into(raw, mapping)


def _wandb_export(raw: RawLog, columns: Columns, mapping: Mapping[str, str]) -> list[RawLog]:
    """A panel's export: one column a run and key, and bands beside them. One raw log per run."""
    runs: dict[str, list[tuple[str, str]]] = {}
    clocks = []
    for name in columns.cells:
        match = _EXPORTED.fullmatch(name)
        if match is None:
            clocks.append(name)
        elif match["band"] is None:
            runs.setdefault(match["run"], []).append((name, match["key"]))
    made = []
    for run, pairs in list(runs.items())[:MOST_RUNS]:
        one = RawLog(path=raw.path, format="wandb-export", name=clean(run), stopped=raw.stopped, notes=dict(raw.notes))
        part = Columns()
        part.rows = columns.rows
        for name in clocks:
            part.extend(name, *columns.arrays(name))
        for name, key in pairs:
            part.extend(clean(key), *columns.arrays(name))
        part.into(one, mapping)
        if any(one.channels):
            made.append(one)
    return made


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
