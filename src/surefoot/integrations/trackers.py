"""Trackers: how each tool takes a run. What is logged is decided in `tracking`."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from surefoot.integrations.needed import needed

__all__ = ["TRACKERS", "Tracked"]


@dataclasses.dataclass(frozen=True)
class Tracked:
    """One run as every tool takes it."""

    name: str
    params: dict[str, Any]
    points: tuple[tuple[str, int, float], ...]
    """(name, updates done, value); finite values only."""
    summary: dict[str, float]
    """Numbers of the whole run."""
    fate: str
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    """Words about it, by name."""


Tracker = Callable[[str, Sequence[Tracked], str | Path | None], None]
_FAILED = ("diverged", "aside")
_LONGEST = 5000
"""Characters of a tag of MLflow's, at most."""
_AT_ONCE = 1000
"""Metrics that one request to MLflow takes."""


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, int | float | str) else str(value) for name, value in values.items()}


def _tensorboard(project: str, runs: Sequence[Tracked], folder: str | Path | None) -> None:
    needed(("tensorboard",), "surefoot[tensorboard]")
    from torch.utils.tensorboard import SummaryWriter

    root = Path(folder if folder is not None else "runs") / project
    for one in runs:
        name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in one.name)
        writer: Any = SummaryWriter(str(_unused(root / name)))
        for channel, step, value in one.points:
            writer.add_scalar(channel, value, step)
        for channel, text in one.texts.items():
            writer.add_text(channel, text)
        metrics = {f"hparam/{name}": value for name, value in one.summary.items()}
        writer.add_hparams(_plain(one.params) | {"fate": one.fate}, metrics, run_name=".")
        writer.close()


def _unused(place: Path) -> Path:
    """The folder, or one beside it with a number: TensorBoard draws all that lies in one folder as one run."""
    number, found = 1, place
    while found.exists():
        number += 1
        found = place.with_name(f"{place.name}-{number}")
    return found


def _mlflow(project: str, runs: Sequence[Tracked], folder: str | Path | None) -> None:
    mlflow = needed(("mlflow",), "surefoot[mlflow]")
    entities = needed(("mlflow.entities",), "surefoot[mlflow]")
    with _quiet_loggers("mlflow", "alembic"):
        client = mlflow.MlflowClient(tracking_uri=None if folder is None else _database(Path(folder)))
        experiment = client.get_experiment_by_name(project)
        number = client.create_experiment(project) if experiment is None else experiment.experiment_id
        for one in runs:
            tags = {f"surefoot.{name.replace('/', '.')}": text[:_LONGEST] for name, text in one.texts.items()}
            run = client.create_run(number, run_name=one.name, tags={"surefoot.fate": one.fate, **tags})
            now = int(time.time() * 1000)
            known = {name for name, _, _ in one.points}
            points = [*one.points, *((name, 0, value) for name, value in one.summary.items() if name not in known)]
            metrics = [entities.Metric(name, value, now, step) for name, step, value in points]
            params = [entities.Param(name, str(value)) for name, value in one.params.items()]
            client.log_batch(run.info.run_id, params=params)
            for first in range(0, len(metrics), _AT_ONCE):
                client.log_batch(run.info.run_id, metrics=metrics[first : first + _AT_ONCE])
            client.set_terminated(run.info.run_id, "FAILED" if one.fate in _FAILED else "FINISHED")


def _database(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def _wandb(project: str, runs: Sequence[Tracked], folder: str | Path | None) -> None:
    wandb = needed(("wandb",), "surefoot[wandb]")
    where: dict[str, Any] = {} if folder is None else {"dir": str(folder)}
    for place, one in enumerate(runs):
        # The numbers are of earlier trainings, not of this process. The first run may ask for a login and says where
        # it is to be seen; the others would only say it again.
        wanted = {"console": "off", "x_disable_stats": True, "silent": place > 0}
        settings = wandb.Settings(**{name: value for name, value in wanted.items() if _has(wandb.Settings, name)})
        config = one.params | {"fate": one.fate} | one.texts
        run = wandb.init(project=project, name=one.name, config=config, settings=settings, **where)
        _log_steps(run, one)
        run.summary.update(one.summary)
        run.finish(exit_code=1 if one.fate in _FAILED else 0)


def _trackio(project: str, runs: Sequence[Tracked], folder: str | Path | None) -> None:  # noqa: ARG001 - has none
    trackio = needed(("trackio",), "surefoot[trackio]")
    known = inspect.signature(trackio.init).parameters
    off = {name: False for name in ("auto_log_gpu", "auto_log_cpu") if name in known}  # of this process, not the run
    said = io.StringIO()  # it prints to standard output, where a record may go
    with contextlib.redirect_stdout(said):
        for one in runs:
            summary = {f"final/{name}": value for name, value in one.summary.items()}
            config = one.params | {"fate": one.fate} | summary | one.texts
            run = trackio.init(project=project, name=one.name, config=config, **off)
            _log_steps(run, one)
            trackio.finish()


def _log_steps(run: Any, one: Tracked) -> None:
    """Log the points step by step, as tools of this form want them."""
    by_step: dict[int, dict[str, float]] = {}
    for name, step, value in one.points:
        by_step.setdefault(step, {})[name] = value
    for step in sorted(by_step):
        run.log(by_step[step], step=step)


def _has(settings: Any, name: str) -> bool:
    return name in getattr(settings, "model_fields", {})


@contextlib.contextmanager
def _quiet_loggers(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


TRACKERS: dict[str, Tracker] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}
"""Name of each tool and what logs to it."""
