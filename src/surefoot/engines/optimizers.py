"""Names of optimizers and the torch classes behind them.

A name is one of torch's in lower case (`sgd`, `adamw`, …) or ``module:Class``. A class that a user passes keeps the
name ``module:Class`` and is remembered for the life of the process, so that a class defined in a script works too.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from surefoot.errors import RecipeError
from surefoot.tasks.user_code import in_one_line

__all__ = ["build_optimizer", "class_of", "name_of", "optimizer_names", "step_refusal"]

_TORCH: dict[str, type[torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "asgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "rprop": torch.optim.Rprop,
    "sgd": torch.optim.SGD,
}
_PASSED: dict[str, type[torch.optim.Optimizer]] = {}


def optimizer_names() -> list[str]:
    """Names of the optimizers that need no import path."""
    return sorted(_TORCH)


def name_of(optimizer: str | type[torch.optim.Optimizer]) -> str:
    """The name of an optimizer that is given by name or as a class.

    Raises:
        RecipeError: neither a name nor an optimizer class.
    """
    if isinstance(optimizer, str):
        class_of(optimizer)
        return optimizer.lower() if optimizer.lower() in _TORCH else optimizer
    given: Any = optimizer
    if isinstance(given, torch.optim.Optimizer):
        made = type(given).__name__
        raise RecipeError(
            f"`optimizer` is an {made} that already belongs to a model; give its class, torch.optim.{made}, or its "
            "name, and its options as keywords"
        )
    if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
        raise RecipeError(f"`optimizer` is {optimizer!r}; give a name such as `sgd`, or a torch.optim class")
    for name, known in _TORCH.items():
        if optimizer is known:
            return name
    name = f"{optimizer.__module__}:{optimizer.__qualname__}"
    _PASSED[name] = optimizer
    return name


def class_of(name: str) -> type[torch.optim.Optimizer]:
    """The class behind `name`.

    Raises:
        RecipeError: no such name, module or class.
    """
    found: Any = _TORCH.get(name.lower()) or _PASSED.get(name)
    if found is None and ":" in name:
        module_name, _, class_name = name.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError, ValueError) as error:
            raise RecipeError(f"`optimizer` is {name!r}, which cannot be imported: {error}") from None
    if found is None:
        near = difflib.get_close_matches(name.lower(), _TORCH, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(_TORCH)}, or module:Class"
        raise RecipeError(f"`optimizer` is {name!r}, which Surefoot does not know; {hint}")
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise RecipeError(f"`optimizer` is {name!r}, which is no torch.optim.Optimizer")
    return found


def build_optimizer(
    name: str, groups: Iterable[dict[str, Any]], lr: float, options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """The optimizer `name` over torch parameter groups.

    Raises:
        RecipeError: an option that the optimizer does not have, or a value that it refuses.
    """
    optimizer = class_of(name)
    known = [one for one in inspect.signature(optimizer).parameters if one not in ("params", "lr")]
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"it takes {', '.join(known)}"
            raise RecipeError(f"optimizer `{name}` has no option `{option}`; {hint}")
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    try:
        made: torch.optim.Optimizer = optimizer(groups, lr=lr, **plain)  # type: ignore[call-arg, arg-type]
    except (TypeError, ValueError) as error:
        raise RecipeError(f"optimizer `{name}` refuses its options: {error}") from None
    closure = inspect.signature(made.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise RecipeError(
            f"optimizer `{name}` computes the loss several times a step, by a closure, which is not done here; take "
            "one that steps by the gradient, such as sgd or adamw"
        )
    return made


def step_refusal(error: Exception, name: str) -> RecipeError:
    """What is said of a step that optimizer `name` refuses; an error for want of memory is raised again as it is."""
    if "memory" in str(error):
        raise error
    return RecipeError(f"optimizer `{name}` cannot make a step on this model: {in_one_line(error)}")
