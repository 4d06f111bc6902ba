"""fastai: ``Learner(..., cbs=SurefootCallback())``, or ``learn.fit_one_cycle(3, cbs=SurefootCallback())``.

fastai has optimizers and schedules of its own: updates are seen between its events before and after the step, and a
change of the rate is applied on top of what its schedule sets.
"""

from __future__ import annotations

from typing import Any

from surefoot.integrations.needed import needed
from surefoot.watch import Watch, watch
from surefoot.watch.shadow import Shadow

__all__ = ["SurefootCallback"]

_fastai: Any = needed(("fastai.callback.core",), "fastai")
_Callback: Any = _fastai.Callback


class SurefootCallback(_Callback):  # type: ignore[misc]
    """Watches the training of a fastai Learner.

    Args:
        options: of `surefoot.watch`, such as ``act=True``.
    """

    order = 70
    """After the schedule has set the rates of the batch (60)."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.watched: Watch | None = None
        """What was seen; there from the beginning of the training on."""
        self._shadow: Shadow | None = None
        self._factor = 1.0
        self._applied: list[float] = []
        self._inside = False

    def before_fit(self) -> None:
        """Begin to watch, unless this is a search for a rate or only a prediction."""
        if hasattr(self.learn, "lr_finder") or hasattr(self.learn, "gather_preds"):
            return
        self.after_fit()
        self._shadow = Shadow([list(one) for one in self.opt.param_lists], self._rates())
        # What is put back when the training diverged is put back into fastai's own optimizer.
        self._shadow.state = self.opt.state
        self._factor = 1.0
        self.watched = watch(self.learn.model, self._shadow, **self.options)

    def before_batch(self) -> None:
        """Apply what was changed of the rate to what the schedule set."""
        rates = self._rates()
        if self._factor != 1.0 and self.training and rates != self._applied:
            # The schedule has set them anew; without a schedule they still are what was applied.
            self._applied = [lr * self._factor for lr in rates]
            self.opt.set_hyper("lr", self._applied)

    def after_loss(self) -> None:
        """Tell the loss."""
        if self.watched is not None and self.training:
            self.watched.loss(self.learn.loss_grad)

    def before_step(self) -> None:
        """Read the rates in force and the gradients."""
        if self._shadow is not None:
            self._shadow.begin(self._rates(), gradients=True)
            self._inside = True

    def after_cancel_step(self) -> None:
        """The update is not made."""
        self._inside = False

    def after_step(self) -> None:
        """The update was made."""
        if self._shadow is None or self.watched is None or not self._inside:
            return
        self._inside = False
        before = [float(group["lr"]) for group in self._shadow.param_groups]
        after = self._shadow.end()
        if before[0] and after[0] != before[0]:
            self._factor *= after[0] / before[0]
            self._applied = after
            self.opt.set_hyper("lr", after)
        if self.watched.should_stop:
            raise _fastai.CancelFitException

    def after_epoch(self) -> None:
        """Tell the validation."""
        if self.watched is None:
            return
        names = list(self.recorder.metric_names[1:-1])
        values = dict(zip(names, self.recorder.log[1:], strict=False))
        loss = values.pop("valid_loss", None)
        if loss is not None:
            metrics = {
                name: float(value) for name, value in values.items() if name != "train_loss" and value is not None
            }
            self.watched.validation(float(loss), **metrics)

    def after_fit(self) -> None:
        """Take the hooks away."""
        if self.watched is not None:
            self.watched.close()
        self._shadow = None

    def _rates(self) -> list[float]:
        return [float(hyper["lr"]) for hyper in self.opt.hypers]
