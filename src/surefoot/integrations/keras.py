"""Keras 3 on torch: ``model.fit(..., callbacks=[SurefootCallback()])``.

Keras has optimizers of its own, so updates are seen between the beginning and the end of a batch. The loss in Keras'
logs is the mean since the epoch began; the loss of each batch is worked out from the tracker behind it. What is put
back when a training diverged are the weights and all that the optimizer keeps, except for its count of updates where a
schedule of Keras' own computes the rate from it: the schedule goes on.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from surefoot.errors import InputError
from surefoot.integrations.needed import needed
from surefoot.watch import Watch, watch
from surefoot.watch.shadow import Shadow

__all__ = ["SurefootCallback"]

_keras: Any = needed(("keras",), "surefoot[keras]")
_Callback: Any = _keras.callbacks.Callback


class SurefootCallback(_Callback):  # type: ignore[misc]
    """Watches the training of a Keras model.

    Args:
        options: of `surefoot.watch`, such as ``act=True``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        if _keras.backend.backend() != "torch":
            raise InputError(
                f"Keras runs on {_keras.backend.backend()}; Surefoot watches torch: set KERAS_BACKEND=torch"
            )
        self.options = options
        self.watch: Watch | None = None
        """What was seen; there from the beginning of the training on."""
        self._shadow: Shadow | None = None
        self._seen = (0.0, 0.0)
        self._shown = 0
        """Variables of the optimizer that the shadow holds."""
        self._parts: list[float] = []
        """Losses of the batches that go into the update to come."""
        self._begun = False
        """Whether an update was announced that is not made yet."""
        self._made: int | None = None
        """Updates made before this batch, where several batches make one."""

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Begin to watch."""
        self.on_train_end()
        self._seen = (0.0, 0.0)
        self._shown, self._begun, self._parts = 0, False, []
        values = [variable.value for variable in self.model.trainable_variables]
        self._shadow = Shadow([values], [self._rate()])
        module = self.model if isinstance(self.model, torch.nn.Module) else torch.nn.ParameterList(values)
        self.watch = watch(module, self._shadow, **self.options)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """The mean of the loss begins anew."""
        self._seen = (0.0, 0.0)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Read the rate in force."""
        self._made = self._updates()
        if self._shadow is not None and not self._begun:
            self._shadow.begin([self._rate()], gradients=False)
            self._begun = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell the loss, and set the rate where it was changed."""
        if self._shadow is None or self.watch is None:
            return
        loss = self._batch_loss(batch, logs)
        if loss is not None:
            self._parts.append(loss)
        if self._made is not None and self._updates() == self._made:
            return  # its gradient was put by, for an update to come
        self._begun = False
        if self._parts:
            self.watch.loss(sum(self._parts) / len(self._parts))
            self._parts = []
        self._show_state()
        before = float(self._shadow.param_groups[0]["lr"])
        done = len(self.watch.actions)
        (after,) = self._shadow.end()
        if any(action.done and action.restored is not None for action in self.watch.actions[done:]):
            self._forget_losses()
        if after != before:
            self._set_rate(after)
        if self.watch.should_stop:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Tell the validation."""
        if self.watch is None or not logs or "val_loss" not in logs:
            return
        metrics = {name: float(value) for name, value in logs.items() if name.startswith("val_") and name != "val_loss"}
        self.watch.validation(float(logs["val_loss"]), **metrics)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Stop to watch."""
        if self.watch is not None:
            self.watch.close()

    def _rate(self) -> float:
        return float(self.model.optimizer.learning_rate)

    def _updates(self) -> int | None:
        """Updates that the optimizer has made, where it accumulates gradients; None where every batch makes one."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return int(optimizer.iterations) if optimizer.gradient_accumulation_steps else None

    def _set_rate(self, lr: float) -> None:
        # Under a schedule of Keras' own the rate cannot be set.
        with contextlib.suppress(TypeError):
            self.model.optimizer.learning_rate = lr

    def _show_state(self) -> None:
        """Let the shadow hold what Keras' optimizer keeps, so that copies of the training have it."""
        assert self._shadow is not None
        optimizer = self.model.optimizer
        variables = optimizer.variables
        if len(variables) == self._shown:
            return
        self._shown = len(variables)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        apart = [getattr(inner, "_learning_rate", None)]
        if not isinstance(apart[0], _keras.Variable):
            apart.append(inner.iterations)
        state = self._shadow.state[self._shadow.param_groups[0]["params"][0]]
        for place, variable in enumerate(variables):
            if not any(variable is one for one in apart):
                state.setdefault(str(place), variable.value)

    def _forget_losses(self) -> None:
        """A mean that a lost batch went into would stay lost to the end of the epoch."""
        tracker = getattr(self.model, "_loss_tracker", None)
        if tracker is not None:
            tracker.reset_state()
            self._seen = (0.0, 0.0)

    def _batch_loss(self, batch: int, logs: Any) -> float | None:
        """The loss of this batch alone."""
        tracker = getattr(self.model, "_loss_tracker", None)
        if tracker is not None and hasattr(tracker, "total") and hasattr(tracker, "count"):
            total, count = float(tracker.total), float(tracker.count)
        elif logs and "loss" in logs:
            total, count = float(logs["loss"]) * (batch + 1), float(batch + 1)
        else:
            return None
        before, self._seen = self._seen, (total, count)
        return (total - before[0]) / (count - before[1]) if count > before[1] else None
