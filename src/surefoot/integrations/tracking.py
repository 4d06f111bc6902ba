"""Tracking: studies in the tool that a user has already: TensorBoard, MLflow, Weights & Biases, trackio.

Every member becomes a run of that tool: its recipe as parameters, the final loss and metrics under the names that the
tool's users expect (`val/loss`, `val/accuracy`), and, for a kept study, the losses of every update (`train/loss`) and
validation. Steps are updates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from surefoot.errors import InputError
from surefoot.integrations.needed import needed
from surefoot.records.study import Study, StudyMember
from surefoot.study.store import Store

__all__ = ["TRACKERS", "check_tracker", "log_study"]


@dataclasses.dataclass(frozen=True)
class Tracked:
    """One member as every tool takes it."""

    name: str
    params: dict[str, Any]
    points: tuple[tuple[str, int, float], ...]
    """(name, updates done, value), by rising updates within a name; finite values only."""
    summary: dict[str, float]
    fate: str


def log_study(study: Study, tracker: str, *, folder: str | Path | None = None) -> int:
    """Log every member that was trained; how many.

    Args:
        study: the record; where it was kept in a file, series are read from there.
        tracker: `tensorboard`, `mlflow`, `wandb` or `trackio`.
        folder: where a tool that writes files does so; None takes its own default.

    Raises:
        InputError: no such tool, or it is not installed.
    """
    check_tracker(tracker)
    members = list(_tracked(study))
    TRACKERS[tracker](study, members, folder)
    return len(members)


def check_tracker(tracker: str) -> None:
    """Refuse an unknown tool.

    Raises:
        InputError: it is none of `TRACKERS`.
    """
    if tracker not in TRACKERS:
        raise InputError(f"`track` is {tracker!r}; it is one of {', '.join(TRACKERS)}")


def _tracked(study: Study) -> Iterator[Tracked]:
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
    recipe = member.recipe
    params: dict[str, Any] = {"lr": recipe.lr, "optimizer": recipe.optimizer, "schedule": recipe.schedule}
    params |= {"batch_size": recipe.batch_size, "epochs": recipe.epochs, "seed": recipe.seed}
    params |= dict(recipe.options) | dict(member.shape)
    points = [("train/loss", step, value) for step, value in enumerate(series.get("loss", []))]
    steps = [int(step) for step in series.get("val_step", [])]
    for name, values in series.items():
        if name.startswith("val_") and name != "val_step":
            points += [(f"val/{name[4:]}", step, value) for step, value in zip(steps, values, strict=False)]
    summary = {f"val/{name}": value for name, value in member.metrics.items()}
    if member.final_loss is not None:
        summary["val/loss"] = member.final_loss
    if not steps:
        points += [(name, member.steps, value) for name, value in summary.items()]
    return Tracked(
        name=f"member {place}", params=params, fate=member.fate,
        points=tuple(one for one in points if math.isfinite(one[2])),
        summary={name: value for name, value in summary.items() if math.isfinite(value)},
    )  # fmt: skip


def _tensorboard(study: Study, members: list[Tracked], folder: str | Path | None) -> None:
    needed(("tensorboard",), "surefoot[tensorboard]")
    from torch.utils.tensorboard import SummaryWriter

    root = Path(folder if folder is not None else "runs") / f"surefoot-{study.task}"
    for one in members:
        writer: Any = SummaryWriter(str(root / one.name.replace(" ", "-")))
        for name, step, value in one.points:
            writer.add_scalar(name, value, step)
        plain = {
            key: value if isinstance(value, int | float | str) else str(value) for key, value in one.params.items()
        }
        writer.add_hparams(plain | {"fate": one.fate}, {f"hparam/{k}": v for k, v in one.summary.items()}, run_name=".")
        writer.close()


def _mlflow(study: Study, members: list[Tracked], folder: str | Path | None) -> None:
    mlflow = needed(("mlflow",), "surefoot[mlflow]")
    entities = needed(("mlflow.entities",), "surefoot[mlflow]")
    client = mlflow.MlflowClient(tracking_uri=None if folder is None else f"sqlite:///{Path(folder) / 'mlflow.db'}")
    name = f"surefoot {study.task}"
    experiment = client.get_experiment_by_name(name)
    number = client.create_experiment(name) if experiment is None else experiment.experiment_id
    for one in members:
        run = client.create_run(number, run_name=one.name, tags={"surefoot.fate": one.fate})
        params = [entities.Param(key, str(value)) for key, value in one.params.items()]
        metrics = [entities.Metric(key, value, 0, step) for key, step, value in one.points]
        client.log_batch(run.info.run_id, params=params)
        for first in range(0, len(metrics), 1000):  # the most that one request takes
            client.log_batch(run.info.run_id, metrics=metrics[first : first + 1000])
        client.set_terminated(run.info.run_id, "FAILED" if one.fate in ("diverged", "aside") else "FINISHED")


def _like_wandb(module: str) -> Callable[[Study, list[Tracked], str | Path | None], None]:
    def log(study: Study, members: list[Tracked], folder: str | Path | None) -> None:
        tool = needed((module,), f"surefoot[{module}]")
        options: dict[str, Any] = {} if folder is None or module != "wandb" else {"dir": str(folder)}
        for one in members:
            run = tool.init(project=f"surefoot-{study.task}", name=one.name, config=one.params, **options)
            by_step: dict[int, dict[str, float]] = {}
            for name, step, value in one.points:
                by_step.setdefault(step, {})[name] = value
            for step in sorted(by_step):
                run.log(by_step[step], step=step)
            if module == "wandb":
                run.summary.update(one.summary | {"fate": one.fate})
            run.finish()

    return log


TRACKERS: dict[str, Callable[[Study, list[Tracked], str | Path | None], None]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _like_wandb("wandb"),
    "trackio": _like_wandb("trackio"),
}
"""Name of each tool and what logs to it."""
