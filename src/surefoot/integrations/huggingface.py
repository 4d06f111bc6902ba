"""Hugging Face: ``Trainer(..., callbacks=[SurefootCallback()])``.

The Trainer's own log holds losses that are averaged, and with NaN replaced; its logged rate is what the scheduler says,
whatever the optimizer used. So the rate is read from the optimizer, and the loss from the model's output, batch by
batch. A model that returns no loss leaves the Trainer's average, which is then what is noted.
"""

from __future__ import annotations

from typing import Any

import torch

from surefoot.integrations.needed import needed
from surefoot.watch import Watch, watch

__all__ = ["SurefootCallback"]

_Callback: Any = needed(("transformers",), "surefoot[hf]").TrainerCallback


class SurefootCallback(_Callback):  # type: ignore[misc]
    """Watches the training of a Hugging Face Trainer.

    Args:
        options: of `surefoot.watch`, such as ``act=True``.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.watch: Watch | None = None
        """What was seen; there from the beginning of the training on."""
        self._parts: list[Any] = []
        self._shared = self._model_tells = False
        self._hook: Any = None

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        *,
        model: Any = None,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **_: Any,
    ) -> None:
        """Begin to watch."""
        del args, state, control
        # The Trainer tells nobody when a training ends in an error; its hooks end with the next one.
        self.on_train_end()
        self._parts, self._shared, self._model_tells = [], False, False
        self.watch = watch(model, optimizer, **{"scheduler": lr_scheduler, **self.options})
        self._hook = model.register_forward_hook(self._forward, with_kwargs=True)

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Tell the loss of the accumulated batches."""
        if self.watch is None or not self._parts:
            return
        # The model divides by the number of items of all accumulated batches where it is told that number.
        total = sum(self._parts[1:], self._parts[0])
        self.watch.loss(total if self._shared else total / len(self._parts))
        self._parts = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Pass on the wish to stop."""
        del args, state
        if self.watch is not None and self.watch.should_stop:
            control.should_training_stop = True
        return control

    def on_evaluate(self, args: Any, state: Any, control: Any, *, metrics: Any = None, **_: Any) -> None:
        """Tell the evaluation loss and metrics."""
        del args, state, control
        # After the training the Trainer may be asked to evaluate anything.
        if self.watch is None or self._hook is None or not metrics or "eval_loss" not in metrics:
            return
        skipped = ("eval_loss", "epoch", "eval_runtime")
        others = {
            name: value
            for name, value in metrics.items()
            if name not in skipped and not name.endswith("_per_second") and isinstance(value, int | float)
        }
        self.watch.validation(metrics["eval_loss"], **others)

    def on_log(self, args: Any, state: Any, control: Any, *, logs: Any = None, **_: Any) -> None:
        """Take the Trainer's average where the model returns no loss."""
        del args, state, control
        if self.watch is None or not logs or "loss" not in logs or self._model_tells:
            return
        self.watch.loss_after(float(logs["loss"]))

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Take the hooks away."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
        if self.watch is not None:
            self.watch.close()

    def _forward(self, model: Any, args: Any, kwargs: Any, output: Any) -> None:
        del args
        if not model.training or not torch.is_grad_enabled():
            return
        loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            self._model_tells = True
            self._parts.append(loss.detach())
            self._shared = kwargs.get("num_items_in_batch") is not None
