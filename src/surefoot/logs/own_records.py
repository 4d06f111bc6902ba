"""Surefoot's own records as logs: a saved run, the runs of a sweep, the thinned runs of a search."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from surefoot.errors import RecordError
from surefoot.logs.limits import MOST_RUNS, clean
from surefoot.logs.log_run import LogRun, Note
from surefoot.records import Found, Run, Sweep

__all__ = ["read_record"]


def read_record(path: str, value: dict[str, Any], stopped: str) -> list[LogRun]:
    """The runs of a record; none when it is of a kind that holds none, or damaged beyond reading."""
    try:
        if value["kind"] == Run.kind:
            runs: tuple[Run, ...] = (Run.from_json(value),)
        elif value["kind"] == Sweep.kind:
            runs = Sweep.from_json(value).runs
        elif value["kind"] == Found.kind:
            runs = Found.from_json(value).runs
        else:
            return []
    except (RecordError, RecursionError):
        return []
    thinned = (Note("thinned", "a search keeps its runs thinned for drawing"),) if value["kind"] == Found.kind else ()
    many = len(runs) > 1
    out = []
    for place, run in enumerate(runs[:MOST_RUNS]):
        names = {"loss": "loss"} if len(run.loss) else {}
        names |= {"lr": "lr"} if np.any(np.isfinite(run.lr)) else {}
        names |= {"grad_norm": "grad_norm"} if len(run.grad_norm) else {}
        names |= {"val_loss": "val_loss"} if np.any(np.isfinite(run.val_loss)) else {}
        recipe = run.recipe
        name = f"{recipe.optimizer} lr={recipe.lr:g}" if recipe is not None and recipe.lr is not None else ""
        notes = (*thinned, *(Note("record", clean(text, 300)) for text in run.notes))
        out.append(
            LogRun(
                path=path,
                format="surefoot",
                run=dataclasses.replace(run, source="log:surefoot"),
                name=(f"{place + 1}: {name}" if name else str(place + 1)) if many else name,
                notes=notes,
                loss_kind="epoch" if run.unit == "epoch" else "step",
                lr_of="this",
                stopped=stopped,
                names=names,
            )
        )
    return out
