"""An update rule: parameters, gradients, state and rates in, changed parameters and state out, K members at once.

*Parameters* are tensors [K, ...] whose first axis is the member. *State* is what the rule remembers between steps:
slot name (`momentum`, `square`, …) to one tensor like each parameter. A *value* is a number that all members share,
or a tensor [K] with one number per member; shared numbers take faster kernels. Every rule follows its `torch.optim`
twin operation by operation, so the two agree to rounding.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from surefoot.errors import RecipeError

__all__ = [
    "Interval",
    "Piece",
    "State",
    "UpdateRule",
    "Value",
    "add_each_scaled",
    "add_scaled",
    "add_square",
    "column",
    "native_pays",
    "nearest",
    "per_member",
]

Value = float | Tensor
"""One number for all members, or [K] numbers in float64."""
State = dict[str, list[Tensor]]
"""Slot name to one tensor per parameter, each of the parameter's shape."""

NATIVE_FROM = 8192
"""Numbers per member from which one call of a native kernel per member beats several calls for all members."""


class Interval:
    """The allowed values of an option: `low <= value < high` (or `<= high` with `closed`)."""

    def __init__(self, low: float, high: float = math.inf, *, closed: bool = False) -> None:
        self.low, self.high, self.closed = low, high, closed

    def holds(self, value: float) -> bool:
        """Whether a finite value lies in the interval."""
        below = value <= self.high if self.closed else value < self.high
        return math.isfinite(value) and self.low <= value and below

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"{self.low:g} or larger"
        return f"from {self.low:g} to {'' if self.closed else 'below '}{self.high:g}"


class Piece(NamedTuple):
    """One parameter in one step."""

    param: Tensor
    grad: Tensor
    slots: dict[str, Tensor]
    lr: Value
    """Numbers, or what broadcasts against `param`; so is `decay`."""
    decay: Value


class UpdateRule:
    """Base of the rules. A subclass names its options and says how one parameter is updated."""

    name: ClassVar[str]
    default_lr: ClassVar[float]
    """The `lr` that the `torch.optim` class takes when none is given."""
    numbers: ClassVar[dict[str, tuple[float, Interval]]]
    """Option name to default and allowed values."""
    flags: ClassVar[dict[str, bool]] = {}
    """Option name to default, for options that are true or false (the same for all members)."""
    beta_defaults: ClassVar[tuple[float, float] | None] = None

    def __init__(self, options: Mapping[str, Any]) -> None:
        known = self.known()
        for option in options:
            if option not in known:
                raise RecipeError(
                    f"`{option}` is not an option of {self.name}; it has {', '.join(sorted(known))}"
                    f"{nearest(option, known)}"
                )
        self.values: dict[str, Value] = {}
        self.members: int | None = None
        """K where any option is given per member, else None."""
        for option, (default, allowed) in self.numbers.items():
            self._set(option, options.get(option, default), allowed)
        if self.beta_defaults:
            betas = options.get("betas", self.beta_defaults)
            if not isinstance(betas, list | tuple) or len(betas) != 2:
                raise RecipeError(f"`betas` of {self.name} is {betas!r}; it is a pair of numbers from 0 to below 1")
            for i, beta in enumerate(betas):
                self._set(f"betas[{i}]", beta, Interval(0, 1))
        self.switches: dict[str, bool] = {}
        for option, default_flag in self.flags.items():
            flag = options.get(option, default_flag)
            if not isinstance(flag, bool):
                raise RecipeError(f"`{option}` of {self.name} is {flag!r}; it is True or False")
            self.switches[option] = flag

    @classmethod
    def known(cls) -> list[str]:
        """Names of the options."""
        return [*cls.numbers, *cls.flags, *(["betas"] if cls.beta_defaults else [])]

    def _set(self, option: str, given: Any, allowed: Interval) -> None:
        if isinstance(given, Tensor | list | tuple):
            numbers = [_number(self.name, option, each, allowed) for each in given]
            if self.members not in (None, len(numbers)):
                raise RecipeError(
                    f"`{option}` of {self.name} has {len(numbers)} values and another option {self.members}; "
                    "give one value per member, or one for all"
                )
            self.members = len(numbers)
            same = len(set(numbers)) == 1
            self.values[option] = numbers[0] if same else torch.tensor(numbers, dtype=torch.float64)
        else:
            self.values[option] = _number(self.name, option, given, allowed)

    def slots(self) -> tuple[str, ...]:
        """Names of the tensors the rule keeps per parameter."""
        raise NotImplementedError

    def init(self, params: Sequence[Tensor]) -> State:
        """The state before the first step."""
        return {slot: [torch.zeros_like(p) for p in params] for slot in self.slots()}

    def step(
        self,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        state: State,
        lr: Value,
        step: int,
        *,
        momentum: Value | None = None,
        lr_scale: Sequence[Value] | None = None,
        weight_decay: Sequence[Value | None] | None = None,
    ) -> None:
        """Update all parameters and the state in place; the gradients may be overwritten.

        Args:
            params: tensors [K, ...].
            grads: gradients of the same shapes.
            state: what `init` made and earlier steps changed.
            lr: the rates of this step, [K] or one for all.
            step: updates done before this one, from 0.
            momentum: replaces `momentum` (or the first of `betas`) in this step, for schedules that move it.
            lr_scale: per parameter a factor on the rate: a number, or a tensor that broadcasts against the parameter.
            weight_decay: per parameter what stands for the rule's `weight_decay`: None (nothing does), a number, or
                a tensor that broadcasts against the parameter.
        """
        now = self._prepare(step + 1, momentum)
        slots = list(state)
        shaped: dict[tuple[int, torch.dtype], tuple[Value, Value]] = {}
        pieces = []
        for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
            kind = param.ndim, param.dtype
            if kind not in shaped:
                shaped[kind] = column(lr, param), column(self.values["weight_decay"], param)
            rate, decay = shaped[kind]
            if lr_scale is not None:
                rate = rate * lr_scale[i]
            own = None if weight_decay is None else weight_decay[i]
            if own is not None:
                decay = own
            pieces.append(Piece(param, grad, {slot: state[slot][i] for slot in slots}, rate, decay))
        for piece in self._at_once(pieces, now):
            self._update(*piece, now)

    def _at_once(self, pieces: list[Piece], now: Any) -> list[Piece]:  # noqa: ARG002 - for rules that can
        """Update what one call can update for all members; the other pieces are left over."""
        return pieces

    def _prepare(self, t: int, momentum: Value | None) -> Any:
        """Whatever step number `t` (from 1) needs and all parameters share."""
        raise NotImplementedError

    def _update(self, param: Tensor, grad: Tensor, slots: dict[str, Tensor], lr: Value, decay: Value, now: Any) -> None:
        """Update one parameter. `lr` and `decay` are numbers or broadcast against `param`."""
        raise NotImplementedError

    def take(self, members: Sequence[int]) -> Self:
        """The same rule for some of the members, in the order given."""
        other = object.__new__(type(self))
        index = torch.as_tensor(list(members))
        other.values = {k: v[index] if isinstance(v, Tensor) else v for k, v in self.values.items()}
        other.switches = dict(self.switches)
        other.members = None if self.members is None else len(index)
        return other


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where one of the known names is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def column(value: Value, like: Tensor) -> Value:
    """A value [K] shaped and typed to broadcast against a tensor [K, ...]; numbers stay numbers."""
    if isinstance(value, Tensor) and value.ndim == 1:
        return value.to(like.dtype).view(-1, *[1] * (like.ndim - 1))
    return value


def add_scaled(target: Tensor, addend: Tensor, factor: Value) -> None:
    """`target += factor * addend`, in one pass."""
    if isinstance(factor, Tensor):
        target.addcmul_(addend, factor)
    elif factor:
        target.add_(addend, alpha=factor)


def add_each_scaled(
    targets: Sequence[Tensor], addends: Sequence[Tensor], factors: Sequence[Value], sign: float = 1.0
) -> None:
    """`target += sign * factor * addend` for several targets, in one call where their factors are per member."""
    per_member = [factor for factor in factors if isinstance(factor, Tensor)]
    if len(per_member) == len(targets):
        torch._foreach_addcmul_(list(targets), list(addends), per_member, value=sign)
        return
    for target, addend, factor in zip(targets, addends, factors, strict=True):
        add_scaled(target, addend, sign * factor)


def add_square(target: Tensor, grad: Tensor, keep: Value) -> None:
    """`target = keep * target + (1 - keep) * grad**2`: an exponential average of squares."""
    keep = column(keep, target)
    if isinstance(keep, Tensor):
        target.mul_(keep).add_(grad.square().mul_(1 - keep))
    else:
        target.mul_(keep).addcmul_(grad, grad, value=1 - keep)


def native_pays(param: Tensor) -> bool:
    """Whether one call of a native kernel per member beats several calls for all."""
    return param.is_cpu and param.numel() >= NATIVE_FROM * param.shape[0] and param.is_floating_point()


def per_member(param: Tensor, values: Iterable[Value], kernel: Callable[..., None], *tensors: Tensor) -> bool:
    """Run a native kernel once per member; False where it does not apply, with nothing done. See `native_pays`.

    The kernel gets one list [param, *tensors] of the member and its own numbers out of `values`.
    """
    numbers: list[list[float]] = []
    for value in values:
        if isinstance(value, Tensor):
            if value.numel() != len(param):
                return False
            numbers.append(value.flatten().tolist())
        else:
            numbers.append([value] * len(param))
    rows = [param.unbind(0), *(t.unbind(0) for t in tensors)]
    for k in range(len(param)):
        kernel([row[k] for row in rows], *(n[k] for n in numbers))
    return True


def _number(rule: str, option: str, value: Any, allowed: Interval) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not allowed.holds(value):
        raise RecipeError(f"`{option}` of {rule} is {value!r}; it is a number {allowed}")
    return float(value)
