"""Stability limits: the largest stable rate of the optimizer in use, from its own options and state.

A *reading* says how an optimizer turns gradients into steps near where it is: a rule (plain, heavy ball, …), its
momentum, and a *scale* s per weight, so that the step is -lr s² times the (averaged) gradient. For Adam and its kin
1 / s² is the preconditioner P, for plain descent s is 1, and a parameter group's own factor of the rate is part of s.
The limit follows from the largest eigenvalue of P⁻¹H, which is that of the symmetric s H s (Cohen et al. 2022).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.curvature.hvp import Hvp
from surefoot.maths.quadratics import Rule, overshoot_lr, stability_limit
from surefoot.records.curvature import Verdict

__all__ = ["EDGE", "Reading", "Scaled", "limit_of", "overshoot_of", "read_optimizer", "verdict_of"]

EDGE = (0.9, 1.1)
"""Shares of the limit between which a rate is at the edge: where sharpness hovers, it does so within a few percent."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """How an optimizer steps; see the module's text. `rule` None: nothing is known about its limit."""

    rule: Rule | None
    beta: float = 0.0
    look: float | None = None
    """Share of the averaged momentum in the step of NAdam; None where the rule has none of its own."""
    scale: Tensor | None = None
    """[P], or None for ones."""
    added_decay: float | Tensor = 0.0
    """Weight decay that is added to the gradient: a number or [P]."""
    own_decay: float = 0.0
    """Weight decay apart from the gradient, as AdamW's."""
    adaptive: bool = False
    """Whether `scale` comes from past gradients."""
    notes: tuple[str, ...] = ()


class Scaled:
    """The Hessian between two scales: v to s H (s v), as a function of vectors [P]."""

    def __init__(self, hvp: Hvp, scale: Tensor) -> None:
        self._hvp, self._scale = hvp, scale

    def __call__(self, vector: Tensor) -> Tensor:
        """The product, [P] to [P]."""
        return self._scale * self._hvp(self._scale * vector)


def read_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    *,
    squares: Tensor | None = None,
) -> Reading:
    """How `optimizer` steps.

    Args:
        optimizer: one of torch's over `parameters`; its state, where it has one, gives the preconditioner.
        parameters: the trained parameters in the order of the flat weights.
        squares: [P] mean square of the gradient, for a preconditioner before the first step; None without.
    """
    name = type(optimizer).__name__.lower()
    read = _READERS.get(name) if type(optimizer).__module__.startswith("torch.optim") else None
    groups = {id(one): group for group in optimizer.param_groups for one in group["params"]}
    first = optimizer.param_groups[0]
    if read is None or first.get("maximize"):
        what = "it maximises" if first.get("maximize") else "Surefoot does not know how its steps follow from gradients"
        return Reading(None, notes=(f"no stability limit is known for {type(optimizer).__name__}: {what}",))
    apart = name == "adamw" or bool(first.get("decoupled_weight_decay"))
    decays = [float(groups[id(one)].get("weight_decay", 0.0)) for one in parameters]
    factors = [float(groups[id(one)].get("lr_factor", 1.0)) for one in parameters]
    rule, beta = read(first)
    own_rates: tuple[str, ...] = ()
    if any(factor != 1.0 for factor in factors):
        own_rates = ("some parameters take a multiple of the rate: the limit is that of the rate they multiply",)
    look = _nadams(groups[id(parameters[0])], optimizer.state.get(parameters[0], {}))[0] if name == "nadam" else None
    notes: tuple[str, ...] = ()
    dampening = float(first.get("dampening", 0.0)) if beta else 0.0
    if dampening >= 1.0:
        return Reading(None, notes=(f"no stability limit is known for a dampening of {dampening:g}: it lies below 1",))
    if dampening:
        # Every step but the first is so much shorter.
        factors = [factor * (1.0 - dampening) for factor in factors]
        notes = (
            f"with a dampening of {dampening:g} steps are {1.0 - dampening:.3g} times as long: the limit counts it",
        )
    scale: Tensor | None = None
    adaptive = name != "sgd" and name != "asgd"
    if adaptive:
        parts, before = [], 0
        for one in parameters:
            guess = None if squares is None else squares[before : before + one.numel()].view_as(one)
            before += one.numel()
            divisor = _divisor(name, optimizer.state.get(one, {}), groups[id(one)], guess)
            if divisor is None:
                return Reading(None, notes=(f"{type(optimizer).__name__} has made no step: no preconditioner yet",))
            parts.append(divisor.reshape(-1))
        scale = torch.cat(parts).clamp_min(torch.finfo(parts[0].dtype).tiny).rsqrt()
        if not any(optimizer.state.get(one) for one in parameters):
            notes += ("before the first step the preconditioner is made from gradients at the same weights",)
    if any(factor != 1.0 for factor in factors):
        spread = torch.cat(
            [torch.full((one.numel(),), f**0.5, dtype=one.dtype) for one, f in zip(parameters, factors, strict=True)]
        )
        spread = spread.to(parameters[0])
        scale = spread if scale is None else scale * spread
    added: float | Tensor = 0.0
    if not apart and any(decays):
        added = decays[0] if len(set(decays)) == 1 else torch.cat(
            [torch.full((one.numel(),), d, dtype=one.dtype) for one, d in zip(parameters, decays, strict=True)]
        ).to(parameters[0])  # fmt: skip
    own = max(decays, default=0.0) if apart else 0.0
    return Reading(rule, beta, look, scale, added, own, adaptive, own_rates + notes)


def limit_of(reading: Reading, largest: float) -> float | None:
    """Largest stable rate when `largest` is the top eigenvalue of s H s; infinity where nothing curves upwards."""
    if reading.rule is None:
        return None
    return stability_limit(largest, reading.rule, reading.beta, reading.own_decay, reading.look)


def overshoot_of(reading: Reading, largest: float) -> float | None:
    """Rate above which one step jumps across the valley, `largest` being as for `limit_of`."""
    return None if reading.rule is None else overshoot_lr(largest, reading.rule, reading.beta, reading.look)


def verdict_of(reading: Reading, largest: float, error: float, lr: float) -> Verdict:
    """The rate against the limit, in words; unknown where the error of `largest` allows two verdicts."""
    ends = {_verdict(reading, largest + shift, lr) for shift in (-error, error)}
    return ends.pop() if len(ends) == 1 else "unknown"


def _verdict(reading: Reading, largest: float, lr: float) -> Verdict:
    limit, overshoot = limit_of(reading, largest), overshoot_of(reading, largest)
    if limit is None or overshoot is None or not math.isfinite(largest):
        return "unknown"
    share = lr / limit
    if share > EDGE[1]:
        return "beyond"
    if share >= EDGE[0]:
        return "at the edge"
    return "oscillating but stable" if lr > overshoot else "stable"


def _divisor(name: str, state: dict[str, Any], group: dict[str, Any], guess: Tensor | None) -> Tensor | None:
    """Preconditioner of one parameter: what the (averaged) gradient is divided by."""
    if name in ("adam", "adamw", "nadam", "radam"):
        beta1, beta2 = group["betas"]
        if "exp_avg_sq" not in state:
            return None if guess is None else _root(guess, group)
        t = float(state["step"])
        square = state.get("max_exp_avg_sq", state["exp_avg_sq"])
        root = _root(square / (1 - beta2**t), group)
        if name == "radam":
            return _rectified(root, t, beta1, beta2)
        if name == "nadam":
            return torch.mul(root, 1 - _nadams(group, state)[1])
        # The start of the averaged gradient at zero is made up for by a larger step, which is part of P.
        corrected: Tensor = root * (1 - beta1**t)
        return corrected
    if name == "rmsprop":
        square = state.get("square_avg", guess)
        if square is None:
            return None
        if group.get("centered") and "grad_avg" in state:
            square = (square - state["grad_avg"] ** 2).clamp_min(0)
        return _root(square, group)
    if name == "adagrad":
        total: Tensor | None = state.get("sum")
        steps = float(state.get("step", 0.0))
        if total is None or steps == 0:
            return None if guess is None else _root(guess, group)
        return torch.mul(_root(total, group), 1 + max(steps - 1, 0) * float(group["lr_decay"]))
    if "square_avg" in state:  # adadelta
        guess, delta = state["square_avg"], state["acc_delta"]
    else:
        delta = 0.0
    return None if guess is None else torch.sqrt((guess + group["eps"]) / (delta + group["eps"]))


def _root(square: Tensor, group: dict[str, Any]) -> Tensor:
    return torch.sqrt(square) + float(group["eps"])


def _rectified(root: Tensor, t: float, beta1: float, beta2: float) -> Tensor:
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * t * beta2**t / (1 - beta2**t)
    corrected = 1 - beta1**t
    if length <= 5:
        return torch.full_like(root, corrected)
    share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return torch.mul(root, corrected / math.sqrt(share))


def _nadams(group: dict[str, Any], state: dict[str, Any]) -> tuple[float, float]:
    """Momentum of NAdam's next step, which warms up, and the product of all until then (Dozat 2016, algorithm 8)."""
    warmth = 1 - 0.5 * 0.96 ** ((float(state.get("step", 0.0)) + 1) * float(group["momentum_decay"]))
    momentum = float(group["betas"][0]) * warmth
    return momentum, float(state.get("mu_product", 1.0)) * momentum


def _sgd(group: dict[str, Any]) -> tuple[Rule, float]:
    beta = float(group["momentum"])
    if not beta:
        return "plain", 0.0
    return ("nesterov" if group["nesterov"] else "heavy-ball"), beta


def _averaged(group: dict[str, Any]) -> tuple[Rule, float]:
    return "averaged", float(group["betas"][0])


def _averaged_nesterov(group: dict[str, Any]) -> tuple[Rule, float]:
    return "averaged-nesterov", float(group["betas"][0])


def _momentum(group: dict[str, Any]) -> tuple[Rule, float]:
    beta = float(group.get("momentum", 0.0))
    return ("heavy-ball", beta) if beta else ("plain", 0.0)


def _plain(_group: dict[str, Any]) -> tuple[Rule, float]:
    return "plain", 0.0


_READERS = {
    "sgd": _sgd, "adam": _averaged, "adamw": _averaged, "radam": _averaged, "nadam": _averaged_nesterov,
    "rmsprop": _momentum, "adagrad": _plain, "adadelta": _plain,
}  # fmt: skip
