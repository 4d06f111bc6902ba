"""Recipes of the paths: which trainings are drawn on one plane, and what they are called."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.engines.batches import steps_of
from surefoot.engines.optimizers import class_of, name_of
from surefoot.errors import InputError, RecipeError
from surefoot.records import Recipe

__all__ = ["KINDS", "SMALLER", "rates_of", "recipes_of"]

KINDS = ("small", "large", "decayed")
"""Paths by name; see `recipes_of`."""
SMALLER = 10.0
"""How many times the small rate is smaller than the large one, and what the decayed one falls by."""
MOST_PATHS = 12


def rates_of(lr: float | Sequence[float] | None) -> list[float]:
    """The rates that were given, as a list.

    Raises:
        InputError: something that is no rate.
    """
    if lr is None:
        return []
    given = [lr] if isinstance(lr, int | float) else list(lr)
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 < one < float("inf"):
            raise InputError(f"`lr` holds {one!r}; a rate is a finite number above 0")
    return [float(one) for one in given]


def recipes_of(
    paths: Mapping[str, Recipe] | Sequence[str] | None,
    rates: Sequence[float],
    optimizers: Sequence[Any],
    base: Recipe,
    size: int,
) -> dict[str, Recipe]:
    """Name to recipe of each path.

    `small`, `large` and `decayed` make three of one rate: a tenth of it, it, and a schedule that falls from it to the
    tenth (inverse-time, unless `base` has a schedule). Otherwise there is one path per rate and optimizer: several of
    both go in pairs.

    Args:
        paths: recipes by name, or names out of `KINDS`, or None.
        rates: peak rates.
        optimizers: names or classes.
        base: everything else, options of the optimizer included.
        size: examples of the training data.

    Raises:
        InputError: the parts do not fit together.
    """
    if isinstance(paths, Mapping):
        return _given(paths, rates)
    if paths:
        return _kinds(list(paths), rates, optimizers, base, size)
    if len(rates) > 1 and len(optimizers) > 1 and len(rates) != len(optimizers):
        raise InputError(
            f"{len(optimizers)} optimizers and {len(rates)} rates do not pair up; give one `lr`, or one per optimizer"
        )
    count = max(len(rates), len(optimizers)) if rates else 0
    if count > MOST_PATHS:
        raise InputError(f"{count} paths cannot be told apart on one picture; give at most {MOST_PATHS} rates")
    found: dict[str, Recipe] = {}
    for place in range(count):
        optimizer = name_of(optimizers[place if len(optimizers) > 1 else 0])
        lr = rates[place if len(rates) > 1 else 0]
        name = f"{optimizer} {lr:g}" if len(optimizers) > 1 else f"rate {lr:g}"
        if base.schedule != "constant":
            name += f", {base.schedule}"
        if name in found:
            raise InputError(f"`lr` holds {lr:g} twice; each path needs its own rate or optimizer")
        options = _fitting(optimizer, base.options) if len(optimizers) > 1 else base.options
        found[name] = base.replace(optimizer=optimizer, lr=lr, options=options)
    return found


def _given(paths: Mapping[str, Recipe], rates: Sequence[float]) -> dict[str, Recipe]:
    if rates:
        raise InputError("`lr` and recipes in `paths` are both given; the recipes have their rates")
    if len(paths) > MOST_PATHS:
        raise InputError(f"`paths` has {len(paths)} recipes; {MOST_PATHS} at most can be told apart on one picture")
    for name, recipe in paths.items():
        if not isinstance(recipe, Recipe):
            raise InputError(f"`paths` has {type(recipe).__name__} at {name!r}; give a Recipe")
        if recipe.lr is None:
            raise RecipeError(f"the recipe {name!r} of `paths` has no rate; a path needs one")
    return dict(paths)


def _kinds(
    names: list[str], rates: Sequence[float], optimizers: Sequence[Any], base: Recipe, size: int
) -> dict[str, Recipe]:
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise InputError(f"`paths` holds {unknown[0]!r}; there are {', '.join(KINDS)}, or give recipes by name")
    if len(rates) != 1 or len(optimizers) != 1:
        raise InputError(
            f"`paths` of {', '.join(names)} need one `lr`, the large rate, and one optimizer; there are {len(rates)} "
            f"and {len(optimizers)}"
        )
    large = base.replace(optimizer=name_of(optimizers[0]), lr=rates[0], schedule="constant", schedule_options={})
    steps = steps_of(base, size)[0]
    decay: dict[str, Any] = {"schedule": "inverse-time", "schedule_options": {"k": (SMALLER - 1) / max(steps - 1, 1)}}
    if base.schedule != "constant":
        decay = {"schedule": base.schedule, "schedule_options": dict(base.schedule_options)}
    made = {
        "small": large.replace(lr=rates[0] / SMALLER),
        "large": large,
        "decayed": large.replace(**decay),
    }
    words = {
        "small": f"small: {rates[0] / SMALLER:.3g}",
        "large": f"large: {rates[0]:.3g}",
        "decayed": f"decayed from {rates[0]:.3g}",
    }
    return {words[name]: made[name] for name in dict.fromkeys(names)}


def _fitting(optimizer: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that the optimizer has: one call may hold options of several optimizers."""
    known = inspect.signature(class_of(optimizer)).parameters
    return {name: value for name, value in options.items() if name in known}
