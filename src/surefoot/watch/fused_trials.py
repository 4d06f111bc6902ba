"""Trials of several rates side by side: the live weights and optimizer state, once for every rate, in one batch.

The optimizer's state is taken over into the update rules of `surefoot.engines`; what has no rule there (another
optimizer, options that differ between parameter groups, frozen parameters) is for `serial_trials`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from surefoot.engines.fused import FORMS
from surefoot.engines.members import Form, Place, Unsupported
from surefoot.engines.optimizers import name_of
from surefoot.engines.parameters import Blocks, Layout
from surefoot.engines.peculiar import peculiarity
from surefoot.engines.update_rules import RULES, State, UpdateRule, clip_members, make_rule
from surefoot.tasks.borrowing import seed_all
from surefoot.watch.fork import Fork
from surefoot.watch.rates import first_rate

__all__ = ["fused_trials"]

Floats = npt.NDArray[np.float64]

_SLOTS = {
    "sgd": {"momentum": "momentum_buffer"},
    "adam": {"mean": "exp_avg", "square": "exp_avg_sq", "largest": "max_exp_avg_sq"},
    "adamw": {"mean": "exp_avg", "square": "exp_avg_sq", "largest": "max_exp_avg_sq"},
    "nadam": {"mean": "exp_avg", "square": "exp_avg_sq"},
    "radam": {"mean": "exp_avg", "square": "exp_avg_sq"},
    "adagrad": {"square": "sum"},
    "adadelta": {"square": "square_avg", "delta": "acc_delta"},
    "rmsprop": {"square": "square_avg", "mean": "grad_avg", "momentum": "momentum_buffer"},
}
"""Optimizer to the slots of its rule and torch's names for them."""
_REFUSED = ("maximize", "differentiable")
"""Options that no rule has."""
_HOW = {
    "params",
    "lr",
    "weight_decay",
    "initial_lr",
    "max_lr",
    "min_lr",
    "foreach",
    "fused",
    "capturable",
    "lr_factor",
}


def fused_trials(fork: Fork, lrs: Floats, factors: Sequence[float]) -> tuple[str, Floats, Floats]:
    """Train a copy at each rate times `factors` and score it; see `serial_trials`.

    Returns:
        the form that trained, losses [rates, scoring batches], and losses before [scoring batches].

    Raises:
        Unsupported: the model or the optimizer cannot be trained this way; the text says why.
    """
    model, optimizer = fork.copies()
    named = dict(model.named_parameters())
    held = [one for group in optimizer.param_groups for one in group["params"]]
    if {id(one) for one in held} != {id(one) for one in named.values()}:
        raise Unsupported("the optimizer does not hold all parameters of the model")
    if not model.training:
        raise Unsupported("the model is in evaluation mode")
    rule = _rule(optimizer)
    torch_name = name_of(type(optimizer))
    form_name, form = _form(fork, model)
    count = len(lrs)
    place = form.place([fork.seed] * count)
    with torch.no_grad():
        for name, view in place.weights.named.items():
            view.copy_(named[name].detach().expand_as(view))
        for name, buffer in model.named_buffers():
            place.buffers[name].copy_(buffer.expand_as(place.buffers[name]))
        start = _scores(fork, form, place, model)[0]
        done = _updates(optimizer, held)
        state = _state(rule, torch_name, optimizer, named, form.layout, count, done)
        scales, decays = _groups(optimizer, named, form.layout, fork.device)
        rates = torch.tensor(lrs, dtype=torch.float64)
        alive = np.ones(count, dtype=bool)
        prepared: dict[int, Any] = {}
        for at, factor in enumerate(factors):
            number = at % len(fork.training)
            if number not in prepared:
                prepared[number] = form.prepare(fork.training[number])
            place.start(at)
            alive &= place.losses(prepared[number]).isfinite().cpu().numpy()
            if fork.clip is not None:
                clip_members(place.grads.tensors, fork.clip)
            rule.step(
                place.weights.tensors, place.grads.tensors, state, rates * factor, done + at,
                lr_scale=scales, weight_decay=decays,
            )  # fmt: skip
        losses = _scores(fork, form, place, model)
    losses[~alive] = math.inf
    return form_name, losses, start


def _form(fork: Fork, model: nn.Module) -> tuple[str, Form]:
    own = peculiarity(fork.task, copy.deepcopy(model), copy.deepcopy(fork.training[0]))
    if own:
        raise Unsupported(own)
    reasons = []
    for name, make in FORMS.items():
        try:
            return name, make(fork.task, model, fork.training[0])
        except Unsupported as reason:
            reasons.append(f"{name}: {reason}")
    raise Unsupported("; ".join(reasons))


def _rule(optimizer: torch.optim.Optimizer) -> UpdateRule:
    if type(optimizer).__module__.split(".")[:2] != ["torch", "optim"]:
        raise Unsupported(f"the optimizer {type(optimizer).__name__} is not torch's")
    name = name_of(type(optimizer))
    if name not in RULES or name not in _SLOTS:
        raise Unsupported(f"the optimizer `{name}` has no rule for many members")
    groups = optimizer.param_groups
    options = {key: value for key, value in groups[0].items() if key not in _HOW}
    for group in groups[1:]:
        if {key: value for key, value in group.items() if key not in _HOW} != options:
            raise Unsupported("options other than rate and weight decay differ between parameter groups")
    if float(groups[0]["lr"]) <= 0 and len(groups) > 1:
        raise Unsupported("the rate of the first parameter group is 0")
    for key in _REFUSED:
        if options.pop(key, False):
            raise Unsupported(f"the optimizer has `{key}`")
    kind = RULES[name]
    # Torch's AdamW is its Adam with this switch on.
    decoupled = "decoupled_weight_decay"
    if decoupled in options and decoupled not in kind.flags and options.pop(decoupled) != (name == "adamw"):
        raise Unsupported("the optimizer has another `decoupled_weight_decay` than its class")
    if "weight_decay" in kind.numbers and "weight_decay" in groups[0]:
        options["weight_decay"] = groups[0]["weight_decay"]
    known = {*kind.numbers, *kind.flags, *(["betas"] if kind.beta_defaults else [])}
    extra = {key: value for key, value in options.items() if key not in known}
    if any(not _is_default(optimizer, key, value) for key, value in extra.items()):
        raise Unsupported(f"the rule of `{name}` does not know `{next(iter(extra))}`")
    plain = {key: float(v) if isinstance(v, Tensor) else v for key, v in options.items() if key in known}
    return make_rule(name, plain)


def _is_default(optimizer: torch.optim.Optimizer, key: str, value: Any) -> bool:
    """Whether an option does nothing: switched off, or something a scheduler or user left in the group."""
    return key not in optimizer.defaults or value is None or value is False or value == 0


def _updates(optimizer: torch.optim.Optimizer, held: Sequence[Tensor]) -> int:
    """Updates that the optimizer's state has behind it."""
    counts = set()
    for one in held:
        state = optimizer.state.get(one, {})
        if "step" in state:
            counts.add(int(state["step"]))
        else:
            counts.add(1 if any(isinstance(value, Tensor) for value in state.values()) else 0)
    if len(counts) != 1:
        raise Unsupported("the parameters have different numbers of updates behind them")
    return counts.pop()


def _state(
    rule: UpdateRule, name: str, optimizer: torch.optim.Optimizer, named: dict[str, nn.Parameter], layout: Layout,
    count: int, done: int,
) -> State:  # fmt: skip
    state: State = {}
    for slot in rule.slots():
        blocks = Blocks(layout, layout.new(count, next(iter(named.values())).device).tensors)
        for key, view in blocks.named.items():
            kept = optimizer.state.get(named[key], {})
            if slot == "product":
                view.fill_(float(kept["mu_product"]) - 1.0 if done else 0.0)
                continue
            value = kept.get(_SLOTS[name][slot])
            if value is None and done:
                raise Unsupported(f"the optimizer's state has no `{_SLOTS[name][slot]}`")
            if value is not None:
                view.copy_(value.expand_as(view))
        state[slot] = blocks.tensors
    return state


def _groups(
    optimizer: torch.optim.Optimizer, named: dict[str, nn.Parameter], layout: Layout, device: torch.device
) -> tuple[list[Any] | None, list[Any] | None]:
    """Per block: factors on the rate and weight decays, where the groups differ."""
    if len(optimizer.param_groups) == 1:
        return None, None
    names = {id(parameter): name for name, parameter in named.items()}
    first = first_rate(optimizer)
    scales: dict[str, float | Tensor] = {}
    decays: dict[str, float | Tensor] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            scales[names[id(parameter)]] = float(group["lr"]) / first
            decays[names[id(parameter)]] = float(group.get("weight_decay", 0.0))
    has_decay = any("weight_decay" in group for group in optimizer.param_groups)
    return layout.spread(scales, device), [*layout.spread(decays, device)] if has_decay else None


def _scores(fork: Fork, form: Form, place: Place, model: nn.Module) -> Floats:
    """Losses [rates, scoring batches] in evaluation mode."""
    count = len(place.weights.tensors[0])
    scores = np.empty((count, len(fork.scoring)))
    seed_all(fork.seed)
    if fork.task.loss_takes_model:
        return _scores_alone(fork, place, model, scores)
    for column, batch in enumerate(fork.scoring):
        outputs = place.outputs(form.prepare(batch))
        target = fork.task.split(batch)[2]
        for row in range(count):
            scores[row, column] = float(fork.loss(outputs[row], target))
    return scores


def _scores_alone(fork: Fork, place: Place, model: nn.Module, scores: Floats) -> Floats:
    """The same, one model after the other, for losses that call the model."""
    modes = [(module, module.training) for module in model.modules()]
    kept = {name: one.detach().clone() for name, one in (*model.named_parameters(), *model.named_buffers())}
    model.eval()
    views = place.weights.named
    for row in range(len(scores)):
        for name, parameter in model.named_parameters():
            parameter.copy_(views[name][row])
        for name, buffer in model.named_buffers():
            buffer.copy_(place.buffers[name][row])
        for column, batch in enumerate(fork.scoring):
            scores[row, column] = float(fork.task.loss_of(model, batch))
    for name, one in (*model.named_parameters(), *model.named_buffers()):
        one.copy_(kept[name])
    for module, mode in modes:
        module.training = mode
    return scores
