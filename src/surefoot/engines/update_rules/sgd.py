"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form after Sutskever et al. 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from surefoot.engines.update_rules.rule import (
    Interval,
    Piece,
    UpdateRule,
    Value,
    add_each_scaled,
    add_scaled,
    column,
    native_pays,
    per_member,
)
from surefoot.errors import RecipeError

__all__ = ["SGDRule"]


class SGDRule(UpdateRule):
    """m ← μ m + (1 - τ) g; p ← p - η m, with g holding the weight decay; Nesterov steps along g + μ m."""

    name = "sgd"
    default_lr = 1e-3
    numbers: ClassVar = {
        "momentum": (0.0, Interval(0)),
        "dampening": (0.0, Interval(0, 1, closed=True)),
        "weight_decay": (0.0, Interval(0)),
    }
    flags: ClassVar = {"nesterov": False}

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        momentum, dampening = self.values["momentum"], self.values["dampening"]
        if self.switches["nesterov"]:
            least = float(momentum.min()) if isinstance(momentum, Tensor) else momentum
            if least <= 0:
                raise RecipeError(f"`momentum` of sgd is {least:g}; with `nesterov` it is a number above 0")
            if isinstance(dampening, Tensor) or dampening != 0:
                raise RecipeError("`dampening` of sgd is not 0; `nesterov` needs 0")

    def slots(self) -> tuple[str, ...]:
        """`momentum`, where any member has momentum."""
        momentum = self.values["momentum"]
        return ("momentum",) if isinstance(momentum, Tensor) or momentum != 0 else ()

    def _prepare(self, t: int, momentum: Value | None) -> tuple[bool, Value, Value]:
        mu = self.values["momentum"] if momentum is None else momentum
        fresh = 1 - self.values["dampening"]
        if isinstance(mu, Tensor) and not (isinstance(fresh, float) and fresh == 1):
            fresh = torch.where(mu == 0, 1.0, fresh)  # without momentum there is nothing to dampen
        return t == 1, mu, fresh

    def _at_once(self, pieces: list[Piece], now: Any) -> list[Piece]:  # noqa: ARG002 - all is in the pieces
        """Small parameters without momentum are one call for all of them."""
        small = [one for one in pieces if not one.slots and not native_pays(one.param)]
        if not small:
            return pieces
        for one in small:
            add_scaled(one.grad, one.param, one.decay)
        params, grads, _, rates, _ = zip(*small, strict=True)
        add_each_scaled(params, grads, rates, -1.0)
        return [one for one in pieces if native_pays(one.param)]

    def _update(self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: Any) -> None:
        first, mu, fresh = now
        buffer = slots.get("momentum")
        if native_pays(param) and self._native(param, grad, buffer, lr, decay, now):
            return
        add_scaled(grad, param, decay)
        if buffer is not None:
            if first:
                buffer.copy_(grad)
            else:
                add_scaled(buffer.mul_(column(mu, param)), grad, column(fresh, param))
            if self.switches["nesterov"]:
                add_scaled(grad, buffer, column(mu, param))
            else:
                grad = buffer
        add_scaled(param, grad, -lr)

    def _native(self, param: Tensor, grad: Tensor, buffer: Tensor | None, lr: Value, decay: Value, now: Any) -> bool:
        first, mu, fresh = now

        def kernel(tensors: list[Tensor], lr: float, decay: float, mu: float, fresh: float) -> None:
            torch._fused_sgd_(
                tensors[:1],
                tensors[1:2],
                tensors[2:] if mu else [],  # torch refuses a buffer without momentum, where it changes nothing
                weight_decay=decay,
                momentum=mu if buffer is not None else 0.0,
                lr=lr,
                dampening=1 - fresh,
                nesterov=self.switches["nesterov"],
                maximize=False,
                is_first_step=first,
            )

        return per_member(param, (lr, decay, mu, fresh), kernel, grad, *([] if buffer is None else [buffer]))
