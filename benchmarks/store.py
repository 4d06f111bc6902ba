"""How long does it take to keep 10^6 points? Surefoot's store beside TensorBoard, MLflow and Optuna's storages.

A study of 1000 members with 1000 losses each, committed in units of 20 members, each commit on the disk before the next
begins; read back and verified. The others write as many points as fit into a few seconds, and their time is given per
10^6 points; the record says how many were written. Those that are not installed are left out.

    python benchmarks/store.py            # under two minutes, and benchmarks/records/store.json
    python benchmarks/store.py --points 20000 --no-record
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.records import Provenance, Recipe
from surefoot.records.study import StudyPlan, Unit
from surefoot.study.store import MemberResult, Store

RECORD = Path(__file__).parent / "records" / "store.json"
STEPS, UNIT = 1000, 20


def losses(member: int) -> np.ndarray:
    """A loss curve with the noise of small batches."""
    draw = np.random.default_rng(member)
    return (2.3 * np.exp(-np.arange(STEPS) / 200) + 0.1 * draw.gamma(4.0, 0.25, STEPS)).astype(np.float32)


def surefoot(folder: Path, points: int) -> dict[str, float]:
    members = max(UNIT, points // STEPS)
    series = [losses(member) for member in range(members)]
    units = tuple(
        Unit(f"unit {first}", tuple(range(first, min(first + UNIT, members))), "one", "stacked", UNIT, STEPS, ())
        for first in range(0, members, UNIT)
    )
    recipes = tuple(Recipe(lr=0.001 * (member + 1)) for member in range(members))
    plan = StudyPlan("key", "none", "", "", "none", {}, recipes, tuple({} for _ in recipes), units)
    path = folder / "points.study"
    began, cpu = time.perf_counter(), time.process_time()
    with Store.create(path, plan, Provenance()) as store:
        for unit in units:
            results = [
                MemberResult("finished", "", float(series[place][-1]), steps=STEPS, series={"loss": series[place]})
                for place in unit.members
            ]
            store.commit(unit, results, seconds=0.0)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    with Store(path) as store:
        read = [store.series(place)["loss"] for place in range(members)]
        reading = time.perf_counter() - began
        began = time.perf_counter()
        damage = store.damage()
        verifying = time.perf_counter() - began
    assert not damage
    assert all(np.array_equal(one, other) for one, other in zip(read, series, strict=True))
    return {
        "points": members * STEPS, "seconds": wall, "cpu_seconds": cpu, "bytes": path.stat().st_size,
        "commits": len(units), "reading_seconds": reading, "verifying_seconds": verifying,
    }  # fmt: skip


def tensorboard(folder: Path, points: int) -> dict[str, float]:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(str(folder / "board"))

    def write(member: int, values: np.ndarray) -> None:
        for step, value in enumerate(values.tolist()):
            writer.add_scalar(f"loss/{member}", value, step)

    return _timed(write, points, folder / "board", last=writer.close)


def mlflow(folder: Path, points: int) -> dict[str, float]:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("points", artifact_location=str(folder / "artifacts"))

    def write(member: int, values: np.ndarray) -> None:  # noqa: ARG001
        run = client.create_run(experiment)
        client.log_batch(
            run.info.run_id, [Metric("loss", value, 0, step) for step, value in enumerate(values.tolist())]
        )

    return _timed(write, points, folder / "mlflow.db")


def _optuna(storage: Callable[[Path], Any], file: str) -> Callable[[Path, int], dict[str, float]]:
    def run(folder: Path, points: int) -> dict[str, float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(storage=storage(folder / file))

        def write(member: int, values: np.ndarray) -> None:  # noqa: ARG001
            trial = study.ask({"lr": optuna.distributions.FloatDistribution(1e-5, 1, log=True)})
            for step, value in enumerate(values.tolist()):
                trial.report(value, step)
            study.tell(trial, float(values[-1]))

        return _timed(write, points, folder / file)

    return run


def _rdb(path: Path) -> Any:
    from optuna.storages import RDBStorage

    return RDBStorage(f"sqlite:///{path}")


def _journal(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))


def _timed(write: Callable[[int, np.ndarray], None], points: int, place: Path, last: Any = None) -> dict[str, float]:
    """Write members until the points or the seconds are used up; the last one is cut to what is left."""
    began, cpu = time.perf_counter(), time.process_time()
    written, member = 0, 0
    while written < points and time.perf_counter() - began < LONGEST:
        some = losses(member)[: min(STEPS, points - written, CHUNK)]
        write(member, some)
        written, member = written + len(some), member + 1
    if last is not None:
        last()
    files = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"points": written, "seconds": wall, "cpu_seconds": cpu, "bytes": size}


LONGEST, CHUNK = 12.0, 200
WAYS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "surefoot": surefoot, "tensorboard": tensorboard, "mlflow, SQLite, batches of 200": mlflow,
    "optuna, SQLite, report": _optuna(_rdb, "optuna.db"), "optuna, journal, report": _optuna(_journal, "optuna.log"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds to keep 10^6 points.")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    found = {}
    for name, run in WAYS.items():
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                one = run(Path(folder), options.points)
            except ImportError as error:
                print(f"{name:32} left out: {str(error).splitlines()[0]}")
                continue
        scale = 1e6 / one["points"]
        found[name] = one | {
            "seconds_per_million": one["seconds"] * scale, "cpu_seconds_per_million": one["cpu_seconds"] * scale,
            "bytes_per_point": one["bytes"] / one["points"],
        }  # fmt: skip
        print(
            f"{name:32} {one['points']:9,} points in {one['seconds']:6.2f} s: per million "
            f"{found[name]['seconds_per_million']:9.1f} s, CPU {found[name]['cpu_seconds_per_million']:9.1f} s, "
            f"{found[name]['bytes_per_point']:6.1f} bytes a point",
            flush=True,
        )
    if options.no_record:
        return
    record = {
        "what": "seconds to keep 10^6 points on the disk",
        "command": " ".join(["python", "benchmarks/store.py", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {
            "architecture": platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0],
        },
        "versions": {"python": platform.python_version()},
        "ways": found,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {RECORD}")


if __name__ == "__main__":
    main()
