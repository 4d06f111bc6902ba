"""PyTorch Ignite: ``SurefootHandler(model, optimizer).attach(trainer, evaluator)``.

The engine's output is the loss, or `loss_of` says where it is in there. It is known when the iteration is over, after
the update it led to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from surefoot.errors import InputError
from surefoot.integrations.needed import needed
from surefoot.watch import Watch, watch

__all__ = ["SurefootHandler"]


class SurefootHandler:
    """Watches the training of an Ignite engine.

    Args:
        model: that the engine trains.
        optimizer: that it steps.
        loss_of: engine output to the loss of its batch; None takes a number, or the entry `loss` of a dict, or the
            first entry of a tuple.
        options: of `surefoot.watch`, such as ``act=True``.

    Raises:
        InputError: Ignite is not installed.
    """

    def __init__(self, model: Any, optimizer: Any, loss_of: Callable[[Any], Any] | None = None, **options: Any) -> None:
        self._events = needed(("ignite.engine",), "surefoot[ignite]").Events
        self._model, self._optimizer, self._loss_of, self._options = model, optimizer, loss_of or _loss_in, options
        self.watch: Watch | None = None
        """What was seen; there from the beginning of the training on."""
        self._parts: list[Any] = []
        self._steps = 0
        self._training = False

    def attach(self, trainer: Any, evaluator: Any = None, *, val_loss: str = "loss") -> SurefootHandler:
        """Watch from the beginning of `trainer` to its end.

        Args:
            trainer: the engine that trains.
            evaluator: the engine that validates, whose metrics are told when it is done; None for none.
            val_loss: name of the evaluator's metric that is the validation loss.
        """
        events = self._events
        trainer.add_event_handler(events.STARTED, self._begin)
        trainer.add_event_handler(events.ITERATION_COMPLETED, self._made)
        trainer.add_event_handler(events.COMPLETED, self._end)
        trainer.add_event_handler(events.TERMINATE, self._end)
        trainer.add_event_handler(events.EXCEPTION_RAISED, self._failed)
        if evaluator is not None:
            evaluator.add_event_handler(events.COMPLETED, lambda engine: self._validated(engine, val_loss))
        return self

    def _begin(self, _: Any) -> None:
        self._end(_)
        self.watch = watch(self._model, self._optimizer, **self._options)
        self._parts, self._steps, self._training = [], 0, True

    def _made(self, engine: Any) -> None:
        if self.watch is None:
            return
        loss = self._loss_of(engine.state.output)
        if loss is not None:
            self._parts.append(loss)
        if self.watch.steps > self._steps and self._parts:
            self._steps = self.watch.steps
            self.watch.loss_after(sum(self._parts[1:], self._parts[0]) / len(self._parts))
            self._parts = []
        if self.watch.should_stop:
            engine.terminate()

    def _validated(self, engine: Any, val_loss: str) -> None:
        metrics = {
            name: float(value)
            for name, value in engine.state.metrics.items()
            if isinstance(value, int | float) or (isinstance(value, torch.Tensor) and value.numel() == 1)
        }
        loss = metrics.pop(val_loss, None)
        # After the training the evaluator may be run on anything.
        if self.watch is not None and self._training and loss is not None:
            self.watch.validation(loss, **metrics)

    def _end(self, _: Any) -> None:
        self._training = False
        if self.watch is not None:
            self.watch.close()

    def _failed(self, engine: Any, error: BaseException) -> None:
        self._end(engine)
        raise error


def _loss_in(output: Any) -> Any:
    """The loss in an engine's output; None where there is none.

    Raises:
        InputError: an output from which it cannot be told.
    """
    if isinstance(output, dict):
        return output.get("loss")
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if isinstance(output, int | float) or (isinstance(output, torch.Tensor) and output.numel() == 1):
        return output
    if output is None:
        return None
    raise InputError(f"the engine's output is {type(output).__name__}; give `loss_of`, which finds the loss in it")
