"""Write the example logs that the tests read: one small training per tool, logged by the tool itself.

Usage: python scripts/make_example_logs.py [NAME ...]

Each maker needs its own library and is passed over, with a word, when that is not installed: run the script again in
an environment that has it. Ultralytics, Detectron2 and AlgoPerf are written in the shape that their sources document,
from the same training, for they pull in more than an example is worth.
`broken` comes last, for it damages the others. Paths, host names and times are taken out.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import lzma
import math
import os
import shutil
import sqlite3
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

TARGET = Path(__file__).parents[1] / "tests" / "logs" / "examples"
MAKERS: dict[str, Callable[[Path], None]] = {}
WHEN = 1_700_000_000.0
STEPS, PER_EPOCH, RATE = 60, 10, 0.5


def maker(function: Callable[[Path], None]) -> Callable[[Path], None]:
    """Register a maker under its name; it writes into the folder it is given."""
    MAKERS[function.__name__] = function
    return function


def training(rate: float = RATE, steps: int = STEPS, seed: int = 0) -> Iterator[dict[str, float]]:
    """Softmax regression on three noisy clouds, batch 16, rate decayed along a cosine: one row a step."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 5))
    y = rng.integers(0, 3, 400)
    x = centres[y] + 1.2 * rng.normal(size=(400, 5))
    w = np.zeros((5, 3))
    for step in range(steps):
        rows = rng.integers(0, 300, 16)
        loss, grad = _loss(w, x[rows], y[rows])
        lr = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        row = {
            "step": step,
            "epoch": step // PER_EPOCH,
            "loss": loss,
            "lr": lr,
            "grad_norm": float(np.sqrt((grad**2).sum())),
        }
        w = w - lr * grad
        if (step + 1) % PER_EPOCH == 0:
            row["val_loss"] = _loss(w, x[300:], y[300:])[0]
            row["val_accuracy"] = float(((x[300:] @ w).argmax(1) == y[300:]).mean())
        yield row


def _loss(w: Any, x: Any, y: Any) -> tuple[float, Any]:
    z = x @ w
    z = z - z.max(1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    loss = float(-np.log(p[np.arange(len(y)), y]).mean())
    p[np.arange(len(y)), y] -= 1
    return loss, x.T @ p / len(y)


def epochs() -> list[dict[str, float]]:
    """The same training, one row an epoch."""
    rows = list(training())
    out = []
    for first in range(0, STEPS, PER_EPOCH):
        part = rows[first : first + PER_EPOCH]
        mean = sum(row["loss"] for row in part) / PER_EPOCH
        out.append({**part[-1], "loss": mean, "epoch": first // PER_EPOCH})
    return out


@maker
def tensorboard(folder: Path) -> None:
    """SummaryWriter of torch: a training that was resumed from step 40 after it had reached 50, in a second file."""
    from torch.utils.tensorboard import SummaryWriter

    for part, span in enumerate((range(50), range(40, STEPS))):
        with tempfile.TemporaryDirectory() as scratch:
            writer = SummaryWriter(scratch)
            for row in training():
                step = int(row["step"])
                if step not in span:
                    continue
                when = WHEN + 100 * part + step
                writer.add_scalar("train/loss", row["loss"], step, walltime=when)
                writer.add_scalar("lr", row["lr"], step, walltime=when)
                if "val_loss" in row:
                    writer.add_scalar("val/loss", row["val_loss"], step, walltime=when)
            writer.close()
            _take_events(Path(scratch), folder / f"events.out.tfevents.{int(WHEN) + 100 * part}.example.{part}")


@maker
def tensorboard_tensors(folder: Path) -> None:
    """Scalars in the tensor form of TensorFlow 2 and Keras, training and validation in folders side by side."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for part in ("train", "validation"):
        with tempfile.TemporaryDirectory() as scratch:
            writer = EventFileWriter(scratch)
            for row in epochs():
                pairs = {"train": (("epoch_loss", "loss"), ("epoch_learning_rate", "lr"))}.get(
                    part, (("epoch_loss", "val_loss"),)
                )
                for tag, key in pairs:
                    summary = scalar_pb(tag, np.float32(row[key]))
                    event = event_pb2.Event(wall_time=WHEN + row["epoch"], step=int(row["epoch"]), summary=summary)
                    writer.add_event(event)
            writer.close()
            _take_events(Path(scratch), folder / part / f"events.out.tfevents.{int(WHEN)}.example.0.v2")


def _take_events(scratch: Path, target: Path) -> None:
    """Move an event file out, without the event of its own start, whose time is now and which names the writer."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    (source,) = scratch.iterdir()
    data = source.read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        writer = RecordWriter(stream)
        at = 0
        while at + 12 <= len(data):
            size = struct.unpack_from("<Q", data, at)[0]
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
            if event.file_version:
                event = event_pb2.Event(wall_time=WHEN, file_version=event.file_version)
            writer.write(event.SerializeToString())
            at += 16 + size


@maker
def ignite(folder: Path) -> None:
    """TensorboardLogger of ignite with the rate of each parameter group."""
    import torch
    from ignite.engine import Engine, Events
    from ignite.handlers.tensorboard_logger import OptimizerParamsHandler, OutputHandler, TensorboardLogger

    rows = list(training())
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)

    def update(_: Any, batch: int) -> float:
        optimizer.param_groups[0]["lr"] = rows[batch]["lr"]
        return rows[batch]["loss"]

    with tempfile.TemporaryDirectory() as scratch:
        logger = TensorboardLogger(log_dir=scratch)
        trainer = Engine(update)
        every = Events.ITERATION_COMPLETED
        logger.attach(trainer, OutputHandler("training", output_transform=lambda loss: {"loss": loss}), every)
        logger.attach(trainer, OptimizerParamsHandler(optimizer), every)
        trainer.run(list(range(STEPS)), max_epochs=1)
        logger.close()
        _take_events(Path(scratch), folder / f"events.out.tfevents.{int(WHEN)}.example.0")


@maker
def accelerate(folder: Path) -> None:
    """The TensorBoard tracker of Accelerate: all numbers of a step in one event's neighbourhood."""
    from accelerate import Accelerator
    from accelerate.tracking import TensorBoardTracker

    with tempfile.TemporaryDirectory() as scratch:
        Accelerator(cpu=True)
        tracker = TensorBoardTracker("run", logging_dir=scratch)
        tracker.start()
        for row in training():
            tracker.log({"train_loss": row["loss"], "learning_rate": row["lr"]}, step=int(row["step"]))
        tracker.finish()
        files = [path for path in Path(scratch).rglob("events*") if path.parent.name == "run"]
        own = Path(scratch) / "own"
        own.mkdir()
        shutil.move(files[0], own)
        _take_events(own, folder / f"events.out.tfevents.{int(WHEN)}.example.0")


@maker
def lightning(folder: Path) -> None:
    """Trainer of PyTorch Lightning with CSVLogger and LearningRateMonitor."""
    import logging
    import warnings

    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.callbacks import LearningRateMonitor
    from pytorch_lightning.loggers import CSVLogger

    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(5, 3)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, _: int) -> None:
            out = self.layer(batch[0])
            self.log("val_loss", torch.nn.functional.cross_entropy(out, batch[1]))
            self.log("val_acc", (out.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=RATE)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    train, val = _loaders()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = pl.Trainer(
            max_epochs=6,
            accelerator="cpu",
            logger=CSVLogger(scratch),
            callbacks=[LearningRateMonitor("step")],
            log_every_n_steps=2,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        pl.seed_everything(0, verbose=False)
        trainer.fit(Net(), train, val)
        shutil.copy(next(Path(scratch).rglob("metrics.csv")), folder / "metrics.csv")


def _tensors() -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 3, (200,), generator=generator)
    x = torch.randn(3, 5, generator=generator)[y] + 1.2 * torch.randn(200, 5, generator=generator)
    return x, y


def _loaders() -> Any:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    x, y = _tensors()
    torch.manual_seed(0)
    return (
        DataLoader(TensorDataset(x[:160], y[:160]), 16, shuffle=True),
        DataLoader(TensorDataset(x[160:], y[160:]), 40),
    )


@maker
def huggingface(folder: Path) -> None:
    """Trainer of transformers: losses averaged over five steps, evaluations in entries of their own."""
    shutil.copy(_huggingface(RATE), folder / "trainer_state.json")


@maker
def huggingface_nan(folder: Path) -> None:
    """The same with a loss that becomes NaN at step 31: the Trainer's default filter hides it."""
    shutil.copy(_huggingface(RATE, poison=30), folder / "trainer_state.json")


def _huggingface(rate: float, poison: int | None = None) -> Path:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(5, 3)
            self.seen = 0

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            logits = self.layer(x)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            if self.training:
                self.seen += 1
                if poison is not None and self.seen > poison:
                    loss = loss * float("nan")
            return {"loss": loss, "logits": logits}

    x, y = _tensors()
    rows = [{"x": one, "labels": label} for one, label in zip(x, y, strict=True)]
    torch.manual_seed(0)
    place = Path(tempfile.mkdtemp())
    arguments = transformers.TrainingArguments(
        output_dir=str(place),
        max_steps=STEPS,
        per_device_train_batch_size=16,
        learning_rate=rate,
        logging_steps=5,
        eval_strategy="steps",
        eval_steps=10,
        save_strategy="no",
        report_to=[],
        optim="sgd",
        use_cpu=True,
        disable_tqdm=True,
        seed=0,
    )
    trainer = transformers.Trainer(Net(), arguments, train_dataset=rows[:160], eval_dataset=rows[160:])
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    state = json.loads(_saved(trainer, place).read_text())
    for entry in state["log_history"]:
        for key in list(entry):
            if key.endswith(("runtime", "per_second")):
                entry[key] = 1.0
    (place / "scrubbed.json").write_text(json.dumps(state, indent=2) + "\n")
    return place / "scrubbed.json"


def _saved(trainer: Any, place: Path) -> Path:
    trainer.state.save_to_json(str(place / "state.json"))
    return place / "state.json"


@maker
def keras(folder: Path) -> None:
    """Keras with the torch backend: CSVLogger, and the history as JSON."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k

    k.utils.set_random_seed(0)
    x, y = (one.numpy() for one in _tensors())
    model = k.Sequential([k.Input((5,)), k.layers.Dense(3)])
    model.compile(
        k.optimizers.SGD(RATE), k.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    callbacks = [k.callbacks.CSVLogger(str(folder / "training.csv")), k.callbacks.ReduceLROnPlateau(patience=1)]
    history = model.fit(
        x[:160], y[:160], validation_data=(x[160:], y[160:]), epochs=8, batch_size=16, verbose=0, callbacks=callbacks
    )
    plain = {name: [float(value) for value in series] for name, series in history.history.items()}
    (folder / "history.json").write_text(json.dumps(plain) + "\n")


@maker
def mlflow(folder: Path) -> None:
    """MLflow: the file store, and the SQLite store packed with xz. Both with a NaN and an infinity."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow as ml

    with tempfile.TemporaryDirectory() as scratch:
        for uri in (f"file:{scratch}/mlruns", f"sqlite:///{scratch}/mlflow.db"):
            ml.set_tracking_uri(uri)
            ml.set_experiment("example")
            with ml.start_run(run_name="example"):
                ml.log_param("learning_rate", RATE)
                client, run = ml.MlflowClient(), ml.active_run().info.run_id
                for row in training():
                    step, when = int(row["step"]), int(1000 * (WHEN + row["step"]))
                    loss = math.nan if step == STEPS - 2 else math.inf if step == STEPS - 1 else row["loss"]
                    client.log_metric(run, "train/loss", loss, timestamp=when, step=step)
                    if "val_loss" in row:
                        client.log_metric(run, "val/loss", row["val_loss"], timestamp=when, step=step)
        (run_folder,) = (path.parent for path in Path(scratch).rglob("metrics") if path.is_dir())
        for part in ("metrics", "params"):
            shutil.copytree(run_folder / part, folder / "store" / part, dirs_exist_ok=True)
        base = sqlite3.connect(f"{scratch}/mlflow.db")
        kept = {"metrics", "params", "runs", "latest_metrics"}
        names = base.execute("select type, name from sqlite_master where name not like 'sqlite%'").fetchall()
        base.execute("pragma foreign_keys=off")
        for kind, name in names:
            if kind in ("table", "view") and name not in kept:
                base.execute(f'drop {kind} "{name}"')
        base.execute("update runs set artifact_uri='', user_id='', source_name=''")
        base.commit()
        base.execute("vacuum")
        base.close()
        (folder / "mlflow.db.xz").write_bytes(lzma.compress(Path(f"{scratch}/mlflow.db").read_bytes(), preset=9))


@maker
def wandb(folder: Path) -> None:
    """W&B in offline mode. Records about the machine are taken out, the others kept as W&B wrote them."""
    import wandb as wb
    from wandb.proto import wandb_internal_pb2 as proto

    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=scratch)
        settings = wb.Settings(
            x_disable_stats=True, x_disable_meta=True, disable_code=True, disable_git=True, console="off"
        )
        with wb.init(project="example", config={"lr": RATE}, name="example", settings=settings) as run:
            for row in training():
                if row["step"] == 33:
                    row["loss"] = math.nan
                named = {"train/loss": row["loss"], "lr": row["lr"], "grads": {"norm": row["grad_norm"]}}
                named |= {f"val/{key[4:]}": value for key, value in row.items() if key.startswith("val_")}
                run.log(named, step=int(row["step"]))
        (source,) = Path(scratch).rglob("*.wandb")
        records = []
        for body in _wandb_records(source.read_bytes()):
            record = proto.Record.FromString(body)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                for field in ("host", "telemetry", "git", "settings", "run_id", "start_time"):
                    record.run.ClearField(field)
                record.run.run_id = "example"
            if kind in ("header", "run", "history", "exit"):
                for entry in record.history.item if kind == "history" else ():
                    if list(entry.nested_key) in (["_timestamp"], ["_runtime"]):
                        entry.value_json = "1"
                record.ClearField("uuid")
                record.ClearField("_info")
                records.append(record.SerializeToString())
        (folder / "run-example.wandb").write_bytes(_wandb_file(records))


def _wandb_records(data: bytes) -> Iterator[bytes]:
    at, parts = 7, b""
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield parts
            parts = b""


def _wandb_file(records: list[bytes]) -> bytes:
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for record in records:
        first, left = True, record
        while first or left:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += b"\0" * room
                continue
            piece, left = left[: room - 7], left[room - 7 :]
            kind = (1 if not left else 2) if first else (4 if not left else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return bytes(out)


@maker
def wandb_export(folder: Path) -> None:
    """A panel's CSV with two runs, and one run's history as JSON, as W&B's page and API give them."""
    runs = {"calm-sun-1": list(training(0.1)), "bold-sea-2": list(training(2.0))}
    with (folder / "panel.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        bands = [f"{run} - train/loss{band}" for run in runs for band in ("", "__MIN", "__MAX")]
        writer.writerow(["Step", *bands])
        for step in range(STEPS):
            writer.writerow([step, *(value for rows in runs.values() for value in [rows[step]["loss"]] * 3)])
    history = [
        {"_step": row["step"], "_runtime": 1.0, "train/loss": row["loss"], "lr": row["lr"]} for row in training()
    ]
    (folder / "history.json").write_text(json.dumps(history) + "\n")


@maker
def trackio(folder: Path) -> None:
    """The storage of trackio, packed with xz."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TRACKIO_DIR"] = scratch
        from trackio.sqlite_storage import SQLiteStorage

        rows = list(training())
        SQLiteStorage.bulk_log(
            project="example",
            run="example",
            metrics_list=[
                {("train_loss" if key == "loss" else key): value for key, value in row.items() if key != "step"}
                for row in rows
            ],
            steps=[int(row["step"]) for row in rows],
            timestamps=["2026-01-01T00:00:00+00:00"] * len(rows),
        )
        base = sqlite3.connect(Path(scratch) / "example.db")
        base.execute("pragma journal_mode=delete")
        base.execute("vacuum")
        base.close()
        (folder / "example.db.xz").write_bytes(lzma.compress((Path(scratch) / "example.db").read_bytes(), preset=9))


@maker
def fastai(folder: Path) -> None:
    """CSVLogger of fastai, appended to by a second fit: the line of names stands twice."""
    import torch
    from fastai.callback.progress import CSVLogger
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.metrics import accuracy
    from fastai.optimizer import SGD

    train, val = _loaders()
    torch.manual_seed(0)
    learner = Learner(
        DataLoaders(train, val),
        torch.nn.Linear(5, 3),
        loss_func=torch.nn.CrossEntropyLoss(),
        opt_func=SGD,
        metrics=accuracy,
    )
    with learner.no_bar(), contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as scratch:
        learner.path = Path(scratch)
        for append in (False, True):
            learner.fit(4, lr=0.1, cbs=CSVLogger(append=append))
        shutil.copy(Path(scratch) / "history.csv", folder / "history.csv")


@maker
def lightgbm(folder: Path) -> None:
    """LightGBM's record of evaluations."""
    import lightgbm as lgb

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = (x[:, 0] + 0.5 * rng.normal(size=300) > 0).astype(int)
    train = lgb.Dataset(x[:200], y[:200])
    evals: dict[str, Any] = {}
    lgb.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.3, "seed": 0},
        train,
        30,
        valid_sets=[train, lgb.Dataset(x[200:], y[200:], reference=train)],
        valid_names=["training", "valid"],
        callbacks=[lgb.record_evaluation(evals)],
    )
    (folder / "evals.json").write_text(json.dumps(evals) + "\n")


@maker
def ultralytics(folder: Path) -> None:
    """results.csv in Ultralytics' documented shape, resumed after epoch 4: the time starts again."""
    with (folder / "results.csv").open("w", newline="") as stream:
        names = [
            "epoch",
            "time",
            "train/box_loss",
            "train/cls_loss",
            "metrics/mAP50(B)",
            "val/box_loss",
            "val/cls_loss",
            "lr/pg0",
        ]
        writer = csv.writer(stream)
        writer.writerow(names)
        for place, row in enumerate(epochs()):
            loss, val = row["loss"], row["val_loss"]
            time = 12.5 * (place + 1 if place < 4 else place - 3)
            values = [0.4 * loss, 0.6 * loss, row["val_accuracy"], 0.4 * val, 0.6 * val, row["lr"]]
            writer.writerow([place + 1, time, *(f"{value:.5g}" for value in values)])


@maker
def detectron2(folder: Path) -> None:
    """metrics.json in Detectron2's shape: a line every five iterations, losses as medians of the last twenty."""
    rows = list(training())
    with (folder / "metrics.json").open("w") as stream:
        for last in range(4, STEPS, 5):
            median = float(np.median([row["loss"] for row in rows[max(0, last - 19) : last + 1]]))
            line = {
                "data_time": 0.01,
                "iteration": last,
                "loss_box_reg": 0.3 * median,
                "loss_cls": 0.7 * median,
                "lr": rows[last]["lr"],
                "time": 0.2,
                "total_loss": median,
            }
            stream.write(json.dumps(line, sort_keys=True) + "\n")


@maker
def algoperf(folder: Path) -> None:
    """measurements.csv in AlgoPerf's shape: evaluations repeat the step of a training row, cells blank between."""
    names = ["loss", "grad_norm", "global_step", "train/ce_loss", "validation/ce_loss", "validation/accuracy"]
    names += ["score", "total_duration", "accumulated_submission_time", "preemption_count"]
    with (folder / "measurements.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        for row in training():
            step = int(row["step"])
            writer.writerow({"loss": row["loss"], "grad_norm": row["grad_norm"], "global_step": step})
            if "val_loss" in row:
                writer.writerow(
                    {
                        "global_step": step,
                        "train/ce_loss": row["loss"],
                        "validation/ce_loss": row["val_loss"],
                        "validation/accuracy": row["val_accuracy"],
                        "score": 10.0 * step,
                        "total_duration": 11.0 * step,
                        "accumulated_submission_time": 10.0 * step,
                        "preemption_count": 0,
                    }
                )


@maker
def plain(folder: Path) -> None:
    """What people write themselves: a table, JSON lines, and text on the terminal in several manners."""
    with (folder / "log.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["step", "loss", "lr", "grad_norm", "val_loss"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(training())
    with (folder / "log.jsonl").open("w") as stream:
        for row in training():
            stream.write(json.dumps(row) + "\n")
    with (folder / "pairs.log").open("w") as stream:
        stream.write("loading data\n")
        for row in training():
            stream.write(f"step={row['step']} loss={row['loss']:.4f} lr={row['lr']:.3g}\n")
            if "val_loss" in row:
                stream.write(f"step={row['step']} val_loss={row['val_loss']:.4f}\n")
    with (folder / "epochs.log").open("w") as stream:
        for row in epochs():
            stream.write(
                f"Epoch {row['epoch'] + 1}/6\nTrain Loss: {row['loss']:.4f}  Val Loss: {row['val_loss']:.4f}\n"
            )
    with (folder / "batches.log").open("w") as stream:
        for row in training():
            place = int(row["step"]) % PER_EPOCH + 1
            stream.write(f"Epoch [{row['epoch'] + 1}/6], Step [{place}/{PER_EPOCH}], Loss: {row['loss']:.4f}\n")


@maker
def broken(folder: Path) -> None:
    """Every other example, cut off after seven tenths of its bytes; and an event file with one byte changed."""
    for source in sorted(
        path for path in TARGET.rglob("*") if path.is_file() and TARGET / "broken" not in path.parents
    ):
        name = "-".join(source.relative_to(TARGET).parts)
        data = source.read_bytes()
        (folder / f"cut-{name}").write_bytes(data[: len(data) * 7 // 10])
    events = bytearray(next((TARGET / "tensorboard").iterdir()).read_bytes())
    events[len(events) // 2] ^= 0x40
    (folder / "changed-tensorboard").write_bytes(bytes(events))


def main(names: list[str]) -> None:
    """Run the makers that are named, or all of them."""
    for name in names or list(MAKERS):
        folder = TARGET / name
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / name
            made.mkdir()
            try:
                MAKERS[name](made)
            except ImportError as error:
                print(f"{name}: passed over ({error})")
                continue
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
        sizes = {
            str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
        }
        print(f"{name}: {sizes}")


if __name__ == "__main__":
    main(sys.argv[1:])
