"""Diagnosing: what members of a study suffer from, told from their series and kept in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from surefoot.diagnose import diagnose_run
from surefoot.diagnose.siblings import placed
from surefoot.engines.engine import unit_schedule
from surefoot.errors import InputError
from surefoot.records import Run, float_series, int_series
from surefoot.records.diagnosis import Diagnoses, Diagnosis
from surefoot.records.study import StudyMember
from surefoot.study.analysis import best_setting, settings
from surefoot.study.store import Store

__all__ = ["diagnose_members", "run_of"]


def diagnose_members(study: str | Path, which: Literal["best", "all"] = "best", *, keep: bool = True) -> Diagnoses:
    """Diagnose members of a study; members that differ in the rate are compared with one another.

    Args:
        study: the file.
        which: those of the best setting, one per seed, or all that were trained.
        keep: whether the findings that hold are kept in the file, in place of earlier ones of the same members.

    Raises:
        InputError: no such file, or no member that was trained.
        OutputError: another process writes the study.
    """
    if which not in ("best", "all"):
        raise InputError(f"`which` is {which!r}; it is best or all")
    with Store(study, write=keep) as store:
        members = store.members()
        chosen = list(range(len(members))) if which == "all" else _best(members)
        runs = {place: run_of(store, place, members[place]) for place in chosen}
        trained = {place: run for place, run in runs.items() if len(run.step)}
        if not trained:
            raise InputError(f"`study` is {str(study)!r}, in which no member was trained so far")
        found = _compared(
            {
                place: diagnose_run(run, path=f"{study}#{place}", format="Surefoot study")
                for place, run in trained.items()
            },
            members,
        )
        if keep:
            for place, one in zip(trained, found, strict=True):
                store.keep_findings(place, [each for each in one.findings if each.result == "holds"])
    return Diagnoses(found)


def _compared(found: Mapping[int, Diagnosis], members: Sequence[StudyMember]) -> tuple[Diagnosis, ...]:
    """The diagnoses by place, those of members with models of one shape beside one another; runs tell no shapes."""
    by_shape: dict[str, list[int]] = {}
    for place in found:
        by_shape.setdefault(str(sorted(members[place].shape.items())), []).append(place)
    beside = dict[int, Diagnosis]()
    for places in by_shape.values():
        beside |= zip(places, placed([found[place] for place in places]), strict=True)
    return tuple(beside[place] for place in found)


def _best(members: Sequence[StudyMember]) -> list[int]:
    """Places of the members of the best setting."""
    best = best_setting(members)
    for group in settings(members):
        if best is not None and any(one.recipe == best.recipe and one.shape == best.shape for one in group):
            return [place for place, one in enumerate(members) if any(one is other for other in group)]
    return []


def run_of(store: Store, place: int, member: StudyMember) -> Run:
    """The record of a member, from what the study keeps; without a step where it was not trained."""
    series = store.series(place)
    losses = series.get("loss", np.empty(0))
    recipe, per_epoch = member.recipe, member.horizon / member.recipe.epochs
    schedule = unit_schedule(recipe, member.horizon, per_epoch) if len(losses) else None
    rates = [] if schedule is None or recipe.lr is None else [recipe.lr * schedule(k) for k in range(len(losses))]
    validated = series.get("val_step", np.empty(0))
    return Run(
        recipe=recipe,
        step=int_series(range(len(rates))),
        loss=float_series(losses[: len(rates)]),
        lr=float_series(rates),
        val_step=int_series(validated),
        val_loss=float_series(series.get("val_loss", np.empty(0))),
        val_metrics={
            name.removeprefix("val_"): float_series(values)
            for name, values in series.items()
            if name.startswith("val_") and name not in ("val_step", "val_loss")
        },
        steps_per_epoch=per_epoch if per_epoch > 0 else None,
        fate=member.fate if member.fate in ("finished", "diverged", "retired") else "interrupted",
        reason=member.reason,
        seconds=member.seconds,
        task=store.plan().task,
    )
