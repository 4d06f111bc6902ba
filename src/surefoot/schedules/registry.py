"""Schedules by name: `register` lists a class, `construct` builds one from plain options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from surefoot.errors import RecipeError
from surefoot.schedules.options import nearest
from surefoot.schedules.schedule import Schedule

__all__ = ["class_of", "construct", "names", "option_names", "register"]

_BY_NAME: dict[str, type[Schedule]] = {}
_ALIASES: dict[str, str] = {}

Kind = TypeVar("Kind", bound=type[Schedule])


def register(schedule: Kind) -> Kind:
    """Class decorator: let `make` build the schedule by its `name` or one of its `aliases`."""
    _BY_NAME[schedule.name] = schedule
    _ALIASES.update(dict.fromkeys(schedule.aliases, schedule.name))
    return schedule


def names() -> list[str]:
    """Names that `make` knows, in alphabetical order."""
    return sorted(_BY_NAME)


def class_of(name: str) -> type[Schedule]:
    """The class registered as `name`.

    Raises:
        RecipeError: there is none; the nearest name is given.
    """
    found = _BY_NAME.get(_ALIASES.get(name, name))
    if found is None:
        raise RecipeError(f"`schedule` is {name!r}, which Surefoot does not know; {nearest(name, names())}")
    return found


def option_names(kind: type[Schedule]) -> list[str]:
    """Names of the options of a class, in the order in which they are declared."""
    return [field.name for field in dataclasses.fields(kind) if field.name not in ("peak", "steps")]


def construct(name: str, peak: float, steps: int, options: Mapping[str, Any]) -> Schedule:
    """Build the schedule registered as `name`.

    Raises:
        RecipeError: no such schedule or option, or a value out of its range.
    """
    kind = class_of(name)
    known = option_names(kind)
    for option in options:
        if option not in known:
            listed = nearest(option, known) if known else "it takes no options"
            raise RecipeError(f"schedule `{kind.name}` has no option `{option}`; {listed}")
    try:
        return kind(peak=peak, steps=steps, **options)
    except RecipeError as error:
        if str(error).startswith(("`peak`", "`steps`", "schedule `", "`schedule`")):
            raise
        raise RecipeError(f"schedule `{kind.name}`: {error}") from None
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        raise RecipeError(f"schedule `{kind.name}` refuses its options: {error}") from None
