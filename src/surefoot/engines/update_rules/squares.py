"""Rules that divide by a root of summed or averaged squared gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from surefoot.engines.update_rules.rule import (
    Interval,
    State,
    UpdateRule,
    Value,
    add_scaled,
    add_square,
    column,
)

__all__ = ["AdadeltaRule", "AdagradRule", "RMSpropRule"]


class AdagradRule(UpdateRule):
    """Duchi, Hazan, Singer 2011: s ← s + g²; p ← p - η / (1 + (t - 1) d) · g / (√s + ε)."""

    name = "adagrad"
    default_lr = 1e-2
    numbers: ClassVar = {
        "lr_decay": (0.0, Interval(0)),
        "weight_decay": (0.0, Interval(0)),
        "initial_accumulator_value": (0.0, Interval(0)),
        "eps": (1e-10, Interval(0)),
    }

    def slots(self) -> tuple[str, ...]:
        """The sum of squares."""
        return ("square",)

    def init(self, params: Sequence[Tensor]) -> State:
        """The sums start at `initial_accumulator_value`."""
        start = self.values["initial_accumulator_value"]
        return {"square": [torch.zeros_like(p).add_(column(start, p)) for p in params]}

    def _prepare(self, t: int, momentum: Value | None) -> Value:
        del momentum  # the rule has none
        return 1 + (t - 1) * self.values["lr_decay"]

    def _update(self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: Any) -> None:
        add_scaled(grad, param, decay)
        square = slots["square"].addcmul_(grad, grad)
        root = square.sqrt().add_(column(self.values["eps"], param))
        add_scaled(param, torch.div(grad, root, out=root), -lr / column(now, param))


class AdadeltaRule(UpdateRule):
    """Zeiler 2012: steps in the ratio of two running roots, of past steps and of past gradients."""

    name = "adadelta"
    default_lr = 1.0
    numbers: ClassVar = {
        "rho": (0.9, Interval(0, 1, closed=True)),
        "eps": (1e-6, Interval(0)),
        "weight_decay": (0.0, Interval(0)),
    }

    def slots(self) -> tuple[str, ...]:
        """Averages of squared gradients and of squared steps."""
        return ("square", "delta")

    def _prepare(self, t: int, momentum: Value | None) -> None:
        del t, momentum  # the rule has neither bias correction nor momentum

    def _update(self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: Any) -> None:
        del now
        rho, eps = self.values["rho"], column(self.values["eps"], param)
        add_scaled(grad, param, decay)
        add_square(slots["square"], grad, rho)
        std = slots["square"].add(eps).sqrt_()
        delta = slots["delta"].add(eps).sqrt_().div_(std).mul_(grad)
        add_square(slots["delta"], delta, rho)
        add_scaled(param, delta, -lr)


class RMSpropRule(UpdateRule):
    """Hinton 2012: p ← p - η g / (√s + ε), s the average of g²; `centered` subtracts the squared average of g."""

    name = "rmsprop"
    default_lr = 1e-2
    numbers: ClassVar = {
        "alpha": (0.99, Interval(0)),
        "eps": (1e-8, Interval(0)),
        "weight_decay": (0.0, Interval(0)),
        "momentum": (0.0, Interval(0)),
    }
    flags: ClassVar = {"centered": False}

    def slots(self) -> tuple[str, ...]:
        """The average of squares; the average gradient if centered; momentum where any member has it."""
        momentum = self.values["momentum"]
        return (
            "square",
            *(["mean"] if self.switches["centered"] else []),
            *(["momentum"] if isinstance(momentum, Tensor) or momentum > 0 else []),
        )

    def _prepare(self, t: int, momentum: Value | None) -> Value:
        del t
        return self.values["momentum"] if momentum is None else momentum

    def _update(self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: Any) -> None:
        alpha = self.values["alpha"]
        add_scaled(grad, param, decay)
        square = slots["square"]
        add_square(square, grad, alpha)
        if "mean" in slots:
            mean = slots["mean"].lerp_(grad, column(1 - alpha, param))
            root = square.addcmul(mean, mean, value=-1).sqrt_()
        else:
            root = square.sqrt()
        root.add_(column(self.values["eps"], param))
        if "momentum" in slots:
            grad = slots["momentum"].mul_(column(now, param)).addcdiv_(grad, root)
        else:
            grad = torch.div(grad, root, out=root)
        add_scaled(param, grad, -lr)
