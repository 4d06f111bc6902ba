"""The logbook of one training: its series, its validations and its end, and the run they make.

Training metrics are taken from the outputs that the updates computed anyway. Outputs are kept and measured together
at the next validation, which costs less than measuring each; *pending* ones are part of the state, so that a training
that is resumed measures the same outputs together.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from surefoot.engines.divergence import PATIENCE, bound_of
from surefoot.engines.engine import Validation
from surefoot.records import Fate, Recipe, Run, float_series, int_series
from surefoot.tasks.task import Task, takes_model

__all__ = ["Epoch", "Logbook", "TrainMetrics"]

_PENDING = 2**20
"""Numbers of output that are kept before they are measured."""


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What is known after an epoch, for whoever watches."""

    step: int
    """Updates made so far."""
    steps: int
    """Updates of the whole training."""
    epoch: float
    epochs: float
    loss: float
    """Mean training loss since the validation before; NaN before the first update."""
    val_loss: float
    metrics: Mapping[str, float]
    """Of the validation data."""
    train_metrics: Mapping[str, float]
    lr: float
    """Rate of the last update; of the first one before it."""
    grad_norm: float
    """Mean gradient norm since the validation before."""
    best_epoch: float
    """Epoch of the lowest validation loss so far."""
    seconds: float
    """Time of training so far."""


class TrainMetrics:
    """Means of the metrics over the training batches since the last `take`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.names = [] if task.loss_takes_model else [n for n, one in task.metrics.items() if not takes_model(one)]
        self._outputs: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._numbers = 0
        self._sums = dict.fromkeys(self.names, 0.0)
        self._count = 0

    def see(self, batch: Any, output: Any) -> None:
        """Keep what the metrics need of a batch."""
        target = batch[-1] if type(batch) is tuple else self._task.split(batch)[2]
        if not (isinstance(output, torch.Tensor) and isinstance(target, torch.Tensor) and output.ndim and target.ndim):
            self._measure(output, target, 1)
            return
        if self._outputs and self._outputs[0].shape[1:] != output.shape[1:]:
            self._flush()
        self._outputs.append(output.detach())
        self._targets.append(target)
        self._numbers += output.numel()
        if self._numbers > _PENDING:
            self._flush()

    def take(self) -> dict[str, float]:
        """The means, NaN where nothing was seen; starts anew."""
        self._flush()
        means = {name: total / self._count if self._count else math.nan for name, total in self._sums.items()}
        self._sums, self._count = dict.fromkeys(self.names, 0.0), 0
        return means

    def _flush(self) -> None:
        if self._outputs:
            output, target = torch.cat(self._outputs), torch.cat(self._targets)
            self._outputs, self._targets, self._numbers = [], [], 0
            self._measure(output, target, len(output))

    def _measure(self, output: Any, target: Any, size: int) -> None:
        with torch.no_grad():
            for name in self.names:
                self._sums[name] += float(self._task.metrics[name](output, target)) * size
        self._count += size

    def state(self) -> dict[str, Any]:
        """All that `load` needs."""
        return {"outputs": self._outputs, "targets": self._targets, "sums": self._sums, "count": self._count}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        device = self._task.device
        self._outputs = [one.to(device) for one in state["outputs"]]
        self._targets = [one.to(device) for one in state["targets"]]
        self._numbers = sum(one.numel() for one in self._outputs)
        self._sums, self._count = dict(state["sums"]), state["count"]


class Logbook:
    """What is observed of one training.

    Args:
        task: gives the metrics and its name.
        recipe: of the training.
        steps: updates of the whole training.
        per_epoch: updates of an epoch.
    """

    def __init__(self, task: Task, recipe: Recipe, steps: int, per_epoch: float) -> None:
        self.task, self.recipe, self.steps, self.per_epoch = task, recipe, steps, per_epoch
        self.metrics = TrainMetrics(task)
        self.loss: list[Any] = []
        self.lr: list[float] = []
        self.grad_norm: list[Any] = []
        self.validations: list[Validation] = []
        self.fate: Fate | None = None
        self.reason = ""
        self.notes: list[str] = []
        self.seconds = 0.0
        self.best: tuple[float, int] = (math.inf, 0)
        """Lowest validation loss and its step."""
        self._train: dict[str, list[float]] = {name: [] for name in self.metrics.names}
        self._bound = math.inf
        self._beyond = 0
        self._died: int | None = None
        self._checked = 0

    @property
    def done(self) -> int:
        """Updates made."""
        return len(self.loss)

    def has_ended(self) -> bool:
        """Whether it is settled how the training ended."""
        return self.fate is not None

    def note(self, loss: Any, lr: float, norm: Any) -> bool:
        """Note an update; whether the training died of it, as far as numbers on the CPU tell."""
        self.loss.append(loss)
        self.lr.append(lr)
        self.grad_norm.append(norm)
        if type(loss) is not float:
            return False
        self._checked += 1
        return self._dies(loss, self._checked - 1)

    @property
    def _first_val(self) -> float:
        first = self.validations[0] if self.validations else None
        return float(first.loss[0]) if first is not None and first.step == 0 else math.nan

    def _dies(self, loss: float, step: int) -> bool:
        """Whether the training is dead after this loss; see `divergence`."""
        if step == 0:
            self._bound = bound_of(loss, self._first_val)
        finite = math.isfinite(loss)
        self._beyond = self._beyond + 1 if loss > self._bound else 0
        if finite and self._beyond < PATIENCE:
            return False
        self._died = step
        return True

    def settle(self) -> bool:
        """Fetch numbers that are still on a device, and end the training if they show that it died."""
        first = self._checked
        if first < len(self.loss):
            self.loss[first:], self.grad_norm[first:] = _numbers(self.loss[first:]), _numbers(self.grad_norm[first:])
            for step in range(first, len(self.loss)):
                if self._died is None:
                    self._dies(self.loss[step], step)
            self._checked = len(self.loss)
        if self._died is None or self.fate is not None:
            return self.fate is not None
        at, last = self._died, self.loss[self._died]
        shown = f"{last:.3g}" if math.isfinite(last) else "no finite number"
        self.end("diverged", f"the training loss was {shown} at step {at} (bound {self._bound:.3g})")
        del self.loss[at + 1 :], self.lr[at + 1 :], self.grad_norm[at + 1 :]
        return True

    def end(self, fate: Fate, reason: str) -> None:
        """Settle how the training ended."""
        self.fate, self.reason = fate, reason

    def note_validation(self, validation: Validation) -> Epoch:
        """Note a validation; what is known at this point."""
        before = self.validations[-1].step if self.validations else 0
        self.validations.append(validation)
        for name, value in self.metrics.take().items():
            self._train[name].append(value)
        loss = float(validation.loss[0])
        if loss < self.best[0]:
            self.best = (loss, validation.step)
        losses, norms = self.loss[before:], self.grad_norm[before:]
        return Epoch(
            step=validation.step, steps=self.steps,
            epoch=validation.step / self.per_epoch, epochs=self.steps / self.per_epoch,
            loss=sum(losses) / len(losses) if losses else math.nan, val_loss=loss,
            metrics={name: float(values[0]) for name, values in validation.metrics.items()},
            train_metrics={name: values[-1] for name, values in self._train.items()},
            lr=self.lr[-1] if self.lr else math.nan,
            grad_norm=sum(norms) / len(norms) if norms else math.nan,
            best_epoch=self.best[1] / self.per_epoch, seconds=self.seconds,
        )  # fmt: skip

    def run(self) -> Run:
        """The record so far."""
        points = self.validations
        names = list(points[0].metrics) if points else []
        return Run(
            recipe=self.recipe,
            step=int_series(range(self.done)),
            loss=float_series(self.loss),
            lr=float_series(self.lr),
            grad_norm=float_series(self.grad_norm),
            val_step=int_series([one.step for one in points]),
            val_loss=float_series([one.loss[0] for one in points]),
            val_metrics={name: float_series([one.metrics[name][0] for one in points]) for name in names},
            train_metrics={name: float_series(values) for name, values in self._train.items()},
            steps_per_epoch=self.per_epoch,
            fate=self.fate or "interrupted",
            reason=self.reason or "still training",
            seconds=self.seconds,
            notes=tuple(self.notes),
            task=self.task.name,
        )

    def state(self) -> dict[str, Any]:
        """All that `load` needs; numbers that are still on a device are fetched."""
        self.settle()
        return {
            "loss": np.array(self.loss, dtype=np.float64), "lr": np.array(self.lr, dtype=np.float64),
            "grad_norm": np.array(self.grad_norm, dtype=np.float64),
            "val_step": np.array([one.step for one in self.validations], dtype=np.int64),
            "val_groups": np.concatenate([one.groups for one in self.validations] or [np.empty((0, 0))]),
            "val_loss": np.array([one.loss[0] for one in self.validations], dtype=np.float64),
            "val_metrics": {
                name: np.array([one.metrics[name][0] for one in self.validations]) for name in self.task.metrics
            },
            "train": {name: np.array(values, dtype=np.float64) for name, values in self._train.items()},
            "metrics": self.metrics.state(), "fate": self.fate, "reason": self.reason,
            "notes": self.notes, "seconds": self.seconds, "best": self.best, "beyond": self._beyond,
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.loss, self.lr = state["loss"].tolist(), state["lr"].tolist()
        self.grad_norm = state["grad_norm"].tolist()
        self.validations = [
            Validation(
                int(step), (0,), state["val_loss"][row : row + 1], state["val_groups"][row : row + 1],
                {name: values[row : row + 1] for name, values in state["val_metrics"].items()},
            )
            for row, step in enumerate(state["val_step"])
        ]  # fmt: skip
        self._train = {name: values.tolist() for name, values in state["train"].items()}
        self.metrics.load(state["metrics"])
        self.fate, self.reason, self.notes = state["fate"], state["reason"], list(state["notes"])
        self.seconds, self.best, self._beyond = state["seconds"], state["best"], state["beyond"]
        self._bound = bound_of(self.loss[0], self._first_val) if self.loss else math.inf
        self._checked = len(self.loss)


def _numbers(values: list[Any]) -> list[float]:
    """Tensors and numbers as numbers, in one transfer."""
    fetched: list[float] = torch.stack([torch.as_tensor(one, dtype=torch.float64) for one in values]).tolist()
    return fetched
