"""Seconds and peak memory of reading logs with a million points, beside the readers people use.

Usage: python benchmarks/logs.py [--points 1000000] [--json benchmarks/records/logs.json]

Every measurement runs in a process of its own, three times, the file warm in the cache; the fastest time and the
highest resident memory above that of the interpreter with its imports count. A point is one number with its step:
a log of a million points with loss and rate has half a million rows. Reading means having every step and value as
numbers: `read_logs` also settles resumes, aligns the rate and tells the quirks; the others give what they give.
`EventAccumulator` is told to keep everything; by itself it keeps 10,000 points a tag.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import importlib.util
import json
import multiprocessing
import os
import platform
import resource
import sqlite3
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 3


def curve(points: int) -> tuple[Any, Any]:
    """Loss and rate of half as many steps as points."""
    rng = np.random.default_rng(0)
    steps = points // 2
    at = np.arange(steps)
    loss = 2.3 * np.exp(-3 * at / steps) + 0.1 * rng.random(steps)
    return loss, 0.1 * (1 - at / steps)


def write_csv(path: Path, points: int) -> None:
    """A plain table."""
    loss, lr = curve(points)
    with path.open("w") as stream:
        stream.write("step,loss,lr\n")
        stream.writelines(f"{step},{a:.9g},{b:.9g}\n" for step, (a, b) in enumerate(zip(loss, lr, strict=True)))


def write_csv_gz(path: Path, points: int) -> None:
    """The same, packed."""
    loss, lr = curve(points)
    with gzip.open(path, "wt", compresslevel=3) as stream:
        stream.write("step,loss,lr\n")
        stream.writelines(f"{step},{a:.9g},{b:.9g}\n" for step, (a, b) in enumerate(zip(loss, lr, strict=True)))


def write_lightning(path: Path, points: int) -> None:
    """Separate rows with blanks."""
    loss, lr = curve(points)
    with path.open("w") as stream:
        stream.write("epoch,lr-SGD,step,train_loss_epoch,train_loss_step,val_loss\n")
        for step, (a, b) in enumerate(zip(loss, lr, strict=True)):
            stream.write(f"{step // 1000},,{step},,{a:.9g},\n{step // 1000},{b:.9g},{step},,,\n")
            if step % 1000 == 999:
                stream.write(f"{step // 1000},,{step},{a:.9g},,{a:.9g}\n")


def write_jsonl(path: Path, points: int) -> None:
    """One object a line."""
    loss, lr = curve(points)
    with path.open("w") as stream:
        stream.writelines(
            json.dumps({"step": step, "loss": a, "lr": b}) + "\n"
            for step, (a, b) in enumerate(zip(loss.tolist(), lr.tolist(), strict=True))
        )


def write_huggingface(path: Path, points: int) -> None:
    """A trainer_state.json."""
    loss, lr = curve(points)
    pairs = enumerate(zip(loss.tolist(), lr.tolist(), strict=True))
    history = [{"epoch": step / 1e3, "learning_rate": b, "loss": a, "step": step + 1} for step, (a, b) in pairs]
    path.write_text(json.dumps({"log_history": history, "logging_steps": 1, "max_steps": len(history)}))


def write_text(path: Path, points: int) -> None:
    """Printed pairs."""
    loss, lr = curve(points)
    with path.open("w") as stream:
        stream.writelines(
            f"step={step} loss={a:.6g} lr={b:.6g}\n" for step, (a, b) in enumerate(zip(loss, lr, strict=True))
        )


def write_tensorboard(path: Path, points: int) -> None:
    """Event file by the tensorboard package's own record writer."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    loss, lr = curve(points)
    with path.open("wb") as stream:
        writer = RecordWriter(stream)
        writer.write(event_pb2.Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString())
        for step, pair in enumerate(zip(loss, lr, strict=True)):
            for tag, value in zip(("train/loss", "lr"), pair, strict=True):
                summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
                writer.write(event_pb2.Event(wall_time=1.7e9 + step, step=step, summary=summary).SerializeToString())


def write_wandb(path: Path, points: int) -> None:
    """An offline run, with W&B's own messages in its framing."""
    from wandb.proto import wandb_internal_pb2 as proto

    loss, lr = curve(points)
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for step, pair in enumerate(zip(loss.tolist(), lr.tolist(), strict=True)):
        record = proto.Record(num=step)
        for name, value in (
            *zip(("loss", "lr"), pair, strict=True),
            ("_timestamp", 1.7e9 + step),
            ("_runtime", float(step)),
            ("_step", step),
        ):
            item = record.history.item.add()
            item.nested_key.append(name)
            item.value_json = json.dumps(value)
        record.history.step.num = step
        body = record.SerializeToString()
        first = True
        while first or body:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += b"\0" * room
                continue
            piece, body = body[: room - 7], body[room - 7 :]
            kind = (1 if not body else 2) if first else (4 if not body else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    path.write_bytes(out)


def write_mlflow(path: Path, points: int) -> None:
    """MLflow's table of metrics."""
    loss, lr = curve(points)
    base = sqlite3.connect(path)
    base.execute(
        "create table metrics (key varchar(250) not null, value double not null, timestamp bigint not null, "
        "run_uuid varchar(32) not null, step bigint not null, is_nan boolean not null)"
    )
    for key, values in (("loss", loss), ("lr", lr)):
        rows = ((key, float(value), 1_700_000_000_000 + step, "0" * 32, step, 0) for step, value in enumerate(values))
        base.executemany("insert into metrics values (?, ?, ?, ?, ?, ?)", rows)
    base.commit()
    base.close()


WRITERS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "csv": (write_csv, "csv"),
    "csv, gzip": (write_csv_gz, "csv.gz"),
    "Lightning metrics.csv": (write_lightning, "csv"),
    "JSON lines": (write_jsonl, "jsonl"),
    "Hugging Face trainer_state.json": (write_huggingface, "json"),
    "printed text": (write_text, "log"),
    "TensorBoard events": (write_tensorboard, "tfevents"),
    "W&B offline run": (write_wandb, "wandb"),
    "MLflow SQLite": (write_mlflow, "db"),
}


def by_surefoot(path: str) -> int:
    """Points that `read_logs` gives."""
    from surefoot.logs import read_logs

    (one,) = read_logs(path)
    return len(one.run.loss) + int(np.isfinite(one.run.lr).sum())


def by_accumulator(path: str) -> int:
    """Points that the tensorboard package's EventAccumulator gives when told to keep all."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(path, size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return sum(len([(one.step, one.value) for one in events.Scalars(tag)]) for tag in events.Tags()["scalars"])


def by_pandas(path: str) -> int:
    """Numbers besides the step in pandas' frame."""
    import pandas as pd

    frame = pd.read_json(path, lines=True) if path.endswith("jsonl") else pd.read_csv(path)
    kept = [name for name in frame.columns if "loss" in name or name.startswith("lr")]
    return int(frame[kept].count().sum())


def by_json(path: str) -> int:
    """Numbers in the parsed history of a trainer state."""
    history = json.loads(Path(path).read_text())["log_history"]
    return len([entry["loss"] for entry in history]) + len([entry["learning_rate"] for entry in history])


def by_sqlite(path: str) -> int:
    """Rows that a plain query gives."""
    return len(sqlite3.connect(path).execute("select key, value, step, is_nan from metrics").fetchall())


PEERS: dict[str, list[tuple[str, Callable[[str], int], str]]] = {
    "csv": [("pandas.read_csv", by_pandas, "pandas")],
    "csv, gzip": [("pandas.read_csv", by_pandas, "pandas")],
    "Lightning metrics.csv": [("pandas.read_csv", by_pandas, "pandas")],
    "JSON lines": [("pandas.read_json", by_pandas, "pandas")],
    "Hugging Face trainer_state.json": [("json.loads", by_json, "json")],
    "TensorBoard events": [("EventAccumulator", by_accumulator, "tensorboard")],
    "MLflow SQLite": [("sqlite3, fetchall", by_sqlite, "sqlite3")],
}
IMPORTS = {
    by_surefoot: "surefoot.logs",
    by_accumulator: "tensorboard.backend.event_processing.event_accumulator",
    by_pandas: "pandas",
    by_json: "json",
    by_sqlite: "sqlite3",
}


def _measure(reader: Callable[[str], int], path: str, pipe: Any) -> None:
    importlib.import_module(IMPORTS[reader])
    before = _high_water(reset=True)
    start, used = time.perf_counter(), time.process_time()
    points = reader(path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    pipe.send((seconds, (_high_water() - before) / 1024, points, cpu))


def _high_water(reset: bool = False) -> int:
    """Highest resident memory of this process in KiB; on Linux the mark can be set back to what is in use now."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))


def measured(reader: Callable[[str], int], path: Path) -> dict[str, float]:
    """The fastest of several readings, each in a fresh process; wall clock and processor time apart."""
    context = multiprocessing.get_context("spawn")
    results = []
    for _ in range(REPEATS):
        mine, theirs = context.Pipe()
        process = context.Process(target=_measure, args=(reader, str(path), theirs))
        process.start()
        theirs.close()
        results.append(mine.recv())
        process.join()
    return {
        "seconds": round(min(one[0] for one in results), 3),
        "peak_mb": round(max(one[1] for one in results), 1),
        "points": results[0][2],
        "cpu_seconds": round(min(one[3] for one in results), 3),
    }


def main() -> None:
    """Write each log, read it with everything that can, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (writer, suffix) in WRITERS.items():
            if options.only not in name:
                continue
            path = Path(scratch) / f"log.{suffix}"
            writer(path, options.points)
            readers = [("surefoot", by_surefoot, "surefoot"), *PEERS.get(name, [])]
            for reader, function, package in readers:
                if importlib.util.find_spec(package) is None:
                    print(f"{name:34} {reader:20} not installed")
                    continue
                found = measured(function, path)
                rows.append(
                    {"format": name, "reader": reader, "file_mb": round(path.stat().st_size / 2**20, 1), **found}
                )
                size = f"{found['seconds']:8.2f} s {found['peak_mb']:8.0f} MB {found['points']:>10,} points"
                print(f"{name:34} {reader:20} {size}")
            path.unlink()
    record = {
        "kind": "benchmark",
        "what": "reading logs",
        "points": options.points,
        "repeats": REPEATS,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores",
        "versions": {"python": sys.version.split()[0], **_versions()},
        "rows": rows,
    }
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def _versions() -> dict[str, str]:
    import surefoot

    found = {"surefoot": surefoot.__version__}
    for name in ("numpy", "pandas", "tensorboard", "wandb"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
