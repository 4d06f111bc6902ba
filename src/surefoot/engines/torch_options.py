"""Options of torch's optimizers that say how a step is computed, and those that no training here can have.

`foreach`, `fused` and `capturable` choose between kernels that make the same step: torch gets them, and update rules
for many members have kernels of their own. `maximize` climbs where everything here looks for a low loss, and
`differentiable` wants a graph through the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from surefoot.errors import RecipeError

__all__ = ["changing_numbers", "check_switches", "for_device"]

_HOW = ("foreach", "fused", "capturable")
_REFUSED = {
    "maximize": "a training here lowers its loss; leave it out, and give the loss with its sign changed",
    "differentiable": "steps are made without a graph here; leave it out",
}


def check_switches(name: str, options: Mapping[str, Any]) -> None:
    """Refuse what optimizer `name` cannot have among these options.

    Raises:
        RecipeError: a switch that is on and must not be, or that is neither on nor off.
    """
    for option, why in _REFUSED.items():
        if options.get(option, False) not in (False, None):
            raise RecipeError(f"`{option}` of {name} is {options[option]!r}; {why}")
    for option in _HOW:
        if option in options and not isinstance(options[option], bool | None):
            raise RecipeError(f"`{option}` of {name} is {options[option]!r}; it is True, False or None")


def changing_numbers(options: Iterable[str]) -> list[str]:
    """The names of the options that change what a step makes of a gradient."""
    return [option for option in options if option not in _HOW and option not in _REFUSED]


def for_device(options: Mapping[str, Any], device: str) -> dict[str, Any]:
    """The options as torch takes them there: a step can be captured on a GPU only."""
    plain = {option: value for option, value in options.items() if option not in _REFUSED}
    if device == "cpu" or plain.get("capturable", False) is None:
        plain.pop("capturable", None)
    return plain
