"""PyTorch Lightning: ``Trainer(callbacks=[SurefootCallback()])``.

Lightning runs the whole training step inside of the optimizer's step, so the loss and the gradients are met in there.
What it calls the loss is divided by the number of accumulated batches and multiplied by the gradient scaler; both are
taken back.
"""

from __future__ import annotations

from typing import Any

from surefoot.integrations.needed import needed
from surefoot.watch import Watch, watch

__all__ = ["SurefootCallback"]

_Callback: Any = needed(("pytorch_lightning", "lightning.pytorch"), "surefoot[lightning]").Callback


class SurefootCallback(_Callback):  # type: ignore[misc]
    """Watches the first optimizer of a Lightning training.

    Args:
        monitor: logged metric that is the validation loss; None takes `val_loss`.
        options: of `surefoot.watch`, such as ``act=True``.
    """

    def __init__(self, monitor: str | None = None, **options: Any) -> None:
        super().__init__()
        self.monitor = monitor or "val_loss"
        self.options = options
        self.watch: Watch | None = None
        """What was seen; there from the beginning of the training on."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        if self.watch is not None:
            self.watch.close()
        if not trainer.optimizers:
            return
        schedulers = [one.scheduler for one in trainer.lr_scheduler_configs]
        options = {"scheduler": schedulers[0] if schedulers else None, **self.options}
        self.watch = watch(pl_module, trainer.optimizers[0], **options)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:  # noqa: ARG002
        """Tell the loss of a batch."""
        if self.watch is None:
            return
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        value = loss.detach() * trainer.accumulate_grad_batches
        self.watch.loss(value if scaler is None else value / scaler.get_scale())

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Pass on the wish to stop."""
        if self.watch is not None and self.watch.should_stop:
            trainer.should_stop = True

    # Not on_validation_epoch_end: what the module itself logs at the end of the epoch is only there after it.
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Tell the validation loss and the other metrics of the validation."""
        if self.watch is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val")}
        loss = metrics.pop(self.monitor, None)
        if loss is not None:
            self.watch.validation(loss, **metrics)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Take the hooks away."""
        if self.watch is not None:
            self.watch.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """Take the hooks away."""
        if self.watch is not None:
            self.watch.close()
