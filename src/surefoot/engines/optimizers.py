"""Names of optimizers and the torch classes behind them.

A name is one of torch's in lower case (`sgd`, `adamw`, …), or that of a class of the user's, ``path/to/file.py:Class``
or ``package.module:Class``, found as tasks are. A class that a user passes keeps the name ``module:Class`` and is
remembered for the life of the process, so that a class defined in a script works too.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from surefoot.engines.torch_options import changing_numbers, check_switches, for_device
from surefoot.errors import RecipeError, TaskError
from surefoot.tasks.named_objects import NamedObject, is_file, names_near, opened
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
_KNOWN: dict[str, type[torch.optim.Optimizer]] = {}
"""Classes of the user's that were passed or loaded, by name."""
_BY_NAME = "path/to/file.py:CLASS or package.module:CLASS"


def optimizer_names() -> list[str]:
    """Names of the optimizers that need no import path."""
    return sorted(_TORCH)


def name_of(optimizer: str | type[torch.optim.Optimizer]) -> str:
    """The name of an optimizer that is given by name or as a class.

    Raises:
        RecipeError: neither a name nor an optimizer class.
    """
    if isinstance(optimizer, str):
        place, colon, _ = optimizer.rpartition(":")
        if colon and is_file(place):
            _KNOWN.pop(optimizer, None)  # the file may be another by now
        found, name = class_of(optimizer), optimizer
    else:
        found = _checked(optimizer)
        name = f"{found.__module__}:{found.__qualname__}"
    for short, known in _TORCH.items():
        if found is known:
            return short
    _KNOWN[name] = found
    return name


def class_of(name: str) -> type[torch.optim.Optimizer]:
    """The class behind `name`.

    Raises:
        RecipeError: no such name, file, module or class.
    """
    found = _TORCH.get(name.lower()) or _KNOWN.get(name)
    if found is None and ":" in name:
        found = _KNOWN[name] = _loaded(name)
    if found is None:
        raise RecipeError(f"`optimizer` is {name!r}, which Surefoot does not know; {_meant(name)}")
    return found


def _meant(name: str) -> str:
    if is_file(name):
        return f"name the class in the file, {name}:CLASS"
    near = difflib.get_close_matches(name.rpartition(".")[2].lower(), _TORCH, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(_TORCH)}, and your own {_BY_NAME}"


def _loaded(name: str) -> type[torch.optim.Optimizer]:
    """The class in the user's file or module."""
    place, _, inner = name.rpartition(":")
    remedy = f"put the class at the top of a file or module, and give {_BY_NAME}"
    if not (place and all(part.isidentifier() for part in inner.split("."))):
        raise RecipeError(f"`optimizer` is {name!r}, which cannot be imported; {remedy}")
    try:
        with opened(place, inner, "", again=False) as found:
            if found.exists:
                return _checked(found.value, name)
            if place == "__main__":
                raise RecipeError(f"`optimizer` is {name!r}, a class of a script that does not run here; {remedy}")
            raise RecipeError(f"`optimizer` is {name!r}, and `{found.shown}` has no `{inner}`; {_classes_near(found)}")
    except TaskError as error:
        raise RecipeError(f"`optimizer` is {name!r}, which cannot be imported: {error}") from error


def _classes_near(found: NamedObject) -> str:
    kinds = {"optimizer classes": _is_class}
    return names_near(found, kinds, "it defines no optimizer class")


def _is_class(given: Any) -> bool:
    return isinstance(given, type) and issubclass(given, torch.optim.Optimizer)


def _checked(given: Any, name: str | None = None) -> type[torch.optim.Optimizer]:
    """The class that was given, or that has the `name`."""
    if _is_class(given):
        found: type[torch.optim.Optimizer] = given
        return found
    if isinstance(given, torch.optim.Optimizer):
        made = type(given).__name__
        what = f"an {made}" if name is None else f"{name!r}, an {made}"
        raise RecipeError(
            f"`optimizer` is {what} that already belongs to a model; give its class, torch.optim.{made}, or its "
            "name, and its options as keywords"
        )
    if name is not None:
        raise RecipeError(f"`optimizer` is {name!r}, a {type(given).__name__}, which is no torch.optim.Optimizer class")
    raise RecipeError(
        f"`optimizer` is {given!r}; give a name such as `sgd`, or a torch.optim class, and its options as keywords"
    )


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
            hint = f"did you mean `{near[0]}`?" if near else f"it takes {', '.join(changing_numbers(known))}"
            raise RecipeError(f"optimizer `{name}` has no option `{option}`; {hint}")
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    groups = list(groups)
    if optimizer in _TORCH.values():
        check_switches(name, plain)
        plain = for_device(plain, next((one.device.type for group in groups for one in group["params"]), "cpu"))
    elif plain.get("maximize") is True:
        check_switches(name, {"maximize": True})
    try:
        made: torch.optim.Optimizer = optimizer(groups, lr=lr, **plain)  # type: ignore[call-arg, arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise RecipeError(f"optimizer `{name}` refuses its options: {in_one_line(error)}") from None
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
