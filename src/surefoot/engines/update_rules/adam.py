"""The Adam family: Adam and AMSGrad, AdamW, NAdam, RAdam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from surefoot.engines.update_rules.rule import (
    Interval,
    Piece,
    UpdateRule,
    Value,
    add_each_scaled,
    add_scaled,
    add_square,
    column,
    native_pays,
    per_member,
)

__all__ = ["AdamRule", "AdamWRule", "NAdamRule", "RAdamRule"]

_COMMON = {"eps": (1e-8, Interval(0)), "weight_decay": (0.0, Interval(0))}


class _Moments(NamedTuple):
    """What step t shares: decay rates of the two averages and the corrections 1 - β^t of their start at zero."""

    t: int
    beta1: Value
    beta2: Value
    correction1: Value
    correction2: Value


class _AdamFamily(UpdateRule):
    beta_defaults = (0.9, 0.999)
    decoupled = False

    def slots(self) -> tuple[str, ...]:
        """Averages of the gradient and of its square."""
        return ("mean", "square")

    def _prepare(self, t: int, momentum: Value | None) -> _Moments:
        beta1 = self.values["betas[0]"] if momentum is None else momentum
        beta2 = self.values["betas[1]"]
        return _Moments(t, beta1, beta2, 1 - beta1**t, 1 - beta2**t)

    def _average(
        self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: _Moments
    ) -> tuple[Tensor, Tensor]:
        if self.decoupled or self.switches.get("decoupled_weight_decay"):
            if isinstance(decay, Tensor) or decay != 0:
                param.mul_(1 - lr * decay)
        else:
            add_scaled(grad, param, decay)
        mean = slots["mean"].lerp_(grad, column(1 - now.beta1, param))
        add_square(slots["square"], grad, now.beta2)
        return mean, slots["square"]


class AdamRule(_AdamFamily):
    """Kingma, Ba 2015: p ← p - η m̂ / (√v̂ + ε), hats for averages corrected for their start at zero.

    With `amsgrad` (Reddi, Kale, Kumar 2018) the largest v so far stands for v.
    """

    name = "adam"
    default_lr = 1e-3
    numbers: ClassVar = _COMMON
    flags: ClassVar = {"amsgrad": False}

    def slots(self) -> tuple[str, ...]:
        """Averages of the gradient and of its square, and the largest square for `amsgrad`."""
        return ("mean", "square", "largest") if self.switches["amsgrad"] else ("mean", "square")

    def _update(
        self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: _Moments
    ) -> None:
        if native_pays(param) and self._native(param, grad, slots, lr, decay, now):
            return
        mean, square = self._average(param, grad, slots, lr, decay, now)
        if "largest" in slots:
            square = torch.maximum(slots["largest"], square, out=slots["largest"])
        root = square.sqrt().div_(column(now.correction2**0.5, param)).add_(column(self.values["eps"], param))
        add_scaled(param, torch.div(mean, root, out=root), -lr / column(now.correction1, param))

    def _at_once(self, pieces: list[Piece], now: _Moments) -> list[Piece]:
        """One call of torch's kernel for all members and small parameters, where only rates and decays differ.

        The kernel takes one rate. At rate 1 and from zero it leaves -m̂ / (√v̂ + ε), which each member scales.
        """
        beta1, beta2, eps = now.beta1, now.beta2, self.values["eps"]
        small = [one for one in pieces if one.param.is_cpu and not native_pays(one.param)]
        if not small or isinstance(beta1, Tensor) or isinstance(beta2, Tensor) or isinstance(eps, Tensor):
            return pieces
        params, grads, slots, rates, decays = zip(*small, strict=True)
        self._decay(params, grads, rates, decays)
        steps = [torch.zeros_like(param) for param in params]
        amsgrad = self.switches["amsgrad"]
        torch._fused_adam_(
            steps,
            list(grads),
            [each["mean"] for each in slots],
            [each["square"] for each in slots],
            [each["largest"] for each in slots] if amsgrad else [],
            [torch.tensor(float(now.t))] * len(small),
            lr=1.0,
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            eps=eps,
            amsgrad=amsgrad,
            maximize=False,
        )
        add_each_scaled(params, steps, rates)
        return [one for one in pieces if native_pays(one.param)] if len(small) < len(pieces) else []

    def _decay(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], rates: Sequence[Value], decays: Sequence[Value]
    ) -> None:
        if not self.decoupled:
            for param, grad, decay in zip(params, grads, decays, strict=True):
                add_scaled(grad, param, decay)
            return
        # Mostly all have the same rate and decay: the factor is computed once.
        known: dict[tuple[int, int], Value] = {}
        for param, lr, decay in zip(params, rates, decays, strict=True):
            if isinstance(decay, Tensor) or decay != 0:
                pair = id(lr), id(decay)
                if pair not in known:
                    known[pair] = 1 - lr * decay
                param.mul_(known[pair])

    def _native(
        self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: _Moments
    ) -> bool:
        amsgrad = self.switches["amsgrad"]
        fused = torch._fused_adamw_ if self.decoupled else torch._fused_adam_
        t = torch.tensor(float(now.t))

        def kernel(tensors: list[Tensor], lr: float, decay: float, beta1: float, beta2: float, eps: float) -> None:
            fused(
                tensors[:1],
                tensors[1:2],
                tensors[2:3],
                tensors[3:4],
                tensors[4:],
                [t],
                lr=lr,
                beta1=beta1,
                beta2=beta2,
                weight_decay=decay,
                eps=eps,
                amsgrad=amsgrad,
                maximize=False,
            )

        values = (lr, decay, now.beta1, now.beta2, self.values["eps"])
        return per_member(param, values, kernel, grad, *(slots[slot] for slot in self.slots()))


class AdamWRule(AdamRule):
    """Loshchilov, Hutter 2019: Adam with weight decay apart from the gradient: p ← (1 - η λ) p first."""

    name = "adamw"
    decoupled = True
    numbers: ClassVar = {**_COMMON, "weight_decay": (1e-2, Interval(0))}


class NAdamRule(_AdamFamily):
    """Dozat 2016: Adam with Nesterov's momentum, whose decay rate warms up as β₁ (1 - 0.96^(t ψ) / 2)."""

    name = "nadam"
    default_lr = 2e-3
    numbers: ClassVar = {**_COMMON, "momentum_decay": (4e-3, Interval(0))}
    flags: ClassVar = {"decoupled_weight_decay": False}

    def slots(self) -> tuple[str, ...]:
        """Averages of the gradient and of its square, and the product of all decay rates used so far, less 1."""
        return ("mean", "square", "product")

    def _update(
        self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: _Moments
    ) -> None:
        mean, square = self._average(param, grad, slots, lr, decay, now)
        psi = self.values["momentum_decay"]
        mu = column(now.beta1 * (1 - 0.5 * 0.96 ** (now.t * psi)), param)
        mu_next = column(now.beta1 * (1 - 0.5 * 0.96 ** ((now.t + 1) * psi)), param)
        # The product is one number per member; kept as a slot so that it moves with the member. Less 1, so that
        # a state of zeros is a fresh one.
        product = slots["product"].add_(1).mul_(mu)
        root = square.div(column(now.correction2, param)).sqrt_().add_(column(self.values["eps"], param))
        step = grad.mul(1 - mu).div_(1 - product).add_(mean.mul(mu_next).div_(1 - product * mu_next))
        product.sub_(1)
        add_scaled(param, step.div_(root), -lr)


class RAdamRule(_AdamFamily):
    """Liu et al. 2020: Adam whose adaptive part is scaled by r_t, and left out while its variance is unbounded."""

    name = "radam"
    default_lr = 1e-3
    numbers: ClassVar = _COMMON
    flags: ClassVar = {"decoupled_weight_decay": False}

    def _update(
        self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: _Moments
    ) -> None:
        mean, square = self._average(param, grad, slots, lr, decay, now)
        beta2 = torch.as_tensor(now.beta2, dtype=torch.float64)
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * now.t * beta2**now.t / (1 - beta2**now.t)
        settled = length > 5
        scale = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)).clamp_min(0).sqrt()
        scale = scale * (1 - beta2**now.t).sqrt()
        rate = -lr / column(now.correction1, param)
        if not bool(settled.any()):
            add_scaled(param, mean, rate)
            return
        adaptive = mean / square.sqrt().add_(column(self.values["eps"], param))
        if settled.ndim == 0:
            add_scaled(param, adaptive, rate * float(scale))
            return
        mix = settled.view(-1, *[1] * (param.ndim - 1))
        add_scaled(param, torch.where(mix, adaptive.mul_(column(scale, param)), mean), rate)
