"""Tracking: records in the tool that a user has already: TensorBoard, MLflow, Weights & Biases, trackio.

A run of Surefoot's becomes a run of the tool: its recipe as parameters, losses and metrics under the names that the
tool's users expect (`train/loss`, `val/loss`, `val/accuracy`, `train/lr`), at steps that are updates. Findings become
texts beside the numbers (`finding/rate-too-high`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from surefoot.errors import InputError, OutputError
from surefoot.integrations.trackers import TRACKERS, Tracked
from surefoot.records import Found, Recipe, Record, Run, Sweep
from surefoot.records.diagnosis import Diagnoses, Diagnosis
from surefoot.records.study import Study, StudyMember
from surefoot.study.store import Store

__all__ = ["check_tracker", "log_record"]


def log_record(record: Record, tracker: str, *, folder: str | Path | None = None) -> int:
    """Log a run, a sweep, a study, what a search found, or a diagnosis; how many runs of the tool that made.

    Args:
        record: what is logged. A study that was kept in a file is logged with its series.
        tracker: `tensorboard`, `mlflow`, `wandb` or `trackio`.
        folder: where a tool that writes files does so; None takes its own default.

    Raises:
        InputError: no such tool, it is not installed, or the record is of another kind.
        OutputError: the tool failed; it says how.
    """
    check_tracker(tracker)
    runs = list(_tracked(record))
    try:
        TRACKERS[tracker](f"surefoot-{_task_of(record) or 'runs'}", runs, folder)
    except (InputError, OutputError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        said = lines[0] if lines else type(error).__name__
        raise OutputError(f"`track`: {tracker} did not take it ({type(error).__name__}: {said})") from error
    return len(runs)


def check_tracker(tracker: str) -> None:
    """Refuse an unknown tool.

    Raises:
        InputError: it is none of `TRACKERS`.
    """
    if tracker not in TRACKERS:
        raise InputError(f"`track` is {tracker!r}; it is one of {', '.join(TRACKERS)}")


def _task_of(record: Record) -> str:
    if isinstance(record, Run | Sweep | Found | Study):
        return record.task
    return next((one.run.task for one in _diagnoses(record) if one.run is not None), "")


def _tracked(record: Record) -> Iterator[Tracked]:
    if isinstance(record, Study):
        yield from _members(record)
    elif isinstance(record, Run):
        yield _run("run", record)
    elif isinstance(record, Sweep):
        yield from (_run(f"run {place}", one) for place, one in enumerate(record.runs))
    elif isinstance(record, Found):
        yield _found(record)
        yield from (_run(f"member {place}", one) for place, one in enumerate(record.runs))
    elif isinstance(record, Diagnosis | Diagnoses):
        yield from (_diagnosis(place, one) for place, one in enumerate(_diagnoses(record)))
    else:
        raise InputError(f"a record of kind `{record.kind}` cannot be tracked; runs, sweeps, studies and findings can")


def _diagnoses(record: Record) -> Sequence[Diagnosis]:
    return (record,) if isinstance(record, Diagnosis) else record.each if isinstance(record, Diagnoses) else ()


def _params(recipe: Recipe) -> dict[str, Any]:
    named = {"lr": recipe.lr, "optimizer": recipe.optimizer, "schedule": recipe.schedule}
    named |= {"batch_size": recipe.batch_size, "epochs": recipe.epochs, "seed": recipe.seed}
    return {name: value for name, value in (named | dict(recipe.options)).items() if value is not None}


def _finite(points: Sequence[tuple[str, int, float]]) -> tuple[tuple[str, int, float], ...]:
    return tuple(one for one in points if math.isfinite(one[2]))


def _along(name: str, steps: Sequence[int], values: Sequence[float]) -> list[tuple[str, int, float]]:
    return [(name, int(step), float(value)) for step, value in zip(steps, values, strict=False)]


def _run(name: str, run: Run) -> Tracked:
    points: list[tuple[str, int, float]] = []
    for channel, values in (("loss", run.loss), ("lr", run.lr), ("grad_norm", run.grad_norm)):
        points += _along(f"train/{channel}", run.step.tolist(), values.tolist())
    for prefix, channels in (("val", {"loss": run.val_loss, **run.val_metrics}), ("train", run.train_metrics)):
        for channel, values in channels.items():
            points += _along(f"{prefix}/{channel}", run.val_step.tolist(), values.tolist())
    final = {"val/loss": run.final_val_loss}
    final |= {f"val/{metric}": float(values[-1]) for metric, values in run.val_metrics.items() if len(values)}
    return Tracked(
        name=name, params={} if run.recipe is None else _params(run.recipe), points=_finite(points), fate=run.fate,
        summary={name: value for name, value in final.items() if math.isfinite(value)},
        texts={"reason": run.reason} if run.reason else {},
    )  # fmt: skip


def _found(found: Found) -> Tracked:
    low, high = found.interval or (None, None)
    numbers = {"lr": found.lr, "low": low, "high": high, "divergence_lr": found.divergence_lr}
    numbers |= {"expected_loss": found.expected_loss, "cost": found.cost}
    return Tracked(
        name="found", params=_params(found.recipe), points=(), fate="finished", texts={"reason": found.reason},
        summary={f"found/{name}": value for name, value in numbers.items() if value is not None},
    )  # fmt: skip


def _diagnosis(place: int, one: Diagnosis) -> Tracked:
    run = _run("", one.run) if one.run is not None else Tracked("", {}, (), {}, "")
    numbers = {"probability": one.probability}
    if one.decades is not None:
        numbers |= {"decades_low": one.decades[0], "decades_high": one.decades[1]}
    texts = {"verdict": one.verdict, "text": one.text, "remedy": one.remedy}
    texts = {f"diagnosis/{name}": said for name, said in texts.items() if said}
    texts |= {f"finding/{it.id}": f"{it.result}: {it.text}" if it.text else it.result for it in one.findings}
    return Tracked(
        name=f"diagnosis of {one.path}" if one.path else f"diagnosis {place}", params=run.params, points=run.points,
        summary=run.summary | {f"diagnosis/{name}": value for name, value in numbers.items()},
        fate=run.fate, texts=texts,
    )  # fmt: skip


def _members(study: Study) -> Iterator[Tracked]:
    store = Store(study.study) if study.study and Path(study.study).is_file() else None
    try:
        for place, member in enumerate(study.members):
            if member.steps or member.final_loss is not None:
                series = {} if store is None else store.series(place)
                yield _member(place, member, {name: values.tolist() for name, values in series.items()})
    finally:
        if store is not None:
            store.close()


def _member(place: int, member: StudyMember, series: Mapping[str, list[float]]) -> Tracked:
    losses = series.get("loss", [])
    points = _along("train/loss", range(len(losses)), losses)
    steps = [int(step) for step in series.get("val_step", [])]
    for name, values in series.items():
        if name.startswith("val_") and name != "val_step":
            points += _along(f"val/{name[4:]}", steps, values)
    summary = {f"val/{name}": value for name, value in member.metrics.items()}
    if member.final_loss is not None:
        summary["val/loss"] = member.final_loss
    if not steps:
        points += [(name, member.steps, value) for name, value in summary.items()]
    return Tracked(
        name=f"member {place}", params=_params(member.recipe) | dict(member.shape), fate=member.fate,
        points=_finite(points), summary={name: value for name, value in summary.items() if math.isfinite(value)},
        texts={"reason": member.reason} if member.reason else {},
    )  # fmt: skip
