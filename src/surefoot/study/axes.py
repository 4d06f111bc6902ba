"""Axes: what a sweep varies, and the recipes that follow from it.

An *axis* has values (`0.1,0.2`), or a range of numbers on a logarithmic scale (`1e-5..1:25`; without the count, the
range can only be drawn from). A *grid* takes every combination; *random* draws settings, each from every axis.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surefoot.errors import InputError
from surefoot.records import Recipe

__all__ = ["NUMERIC", "OPTIONS", "SHAPE", "WHOLE", "Axis", "grid", "listed", "random", "read_axis"]

SHAPE = ("width", "depth")
"""Axes that change the model instead of the recipe."""
OPTIONS = ("weight_decay", "momentum")
"""Axes that are options of the optimizer; an optimizer without the option is not varied in it."""
NUMERIC = ("lr", "batch_size", "epochs", *OPTIONS, *SHAPE)
WHOLE = ("batch_size", *SHAPE)
"""Axes whose values are whole numbers."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """Values of one axis, or a range to draw from."""

    name: str
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    def drawn(self, generator: np.random.Generator) -> Any:
        """One value: of a range, uniform in its logarithm."""
        if self.low is None or self.high is None:
            return self.values[int(generator.integers(len(self.values)))]
        value = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        return round(value) if self.name in WHOLE else value

    def shown(self) -> Any:
        """The axis as plain JSON values."""
        return list(self.values) if self.low is None else f"{self.low:g}..{self.high:g}"


def read_axis(name: str, given: Any) -> Axis:
    """The axis `name` from text (`0.1,0.2`, `1e-5..1:25`, `sgd,adamw`), one value, or a sequence of values.

    Raises:
        InputError: no values, or ones that the axis cannot have.
    """
    if isinstance(given, Axis):
        return given
    if isinstance(given, str):
        text = given.strip()
        if ".." in text and name in NUMERIC:
            return _range(name, text)
        given = [part.strip() for part in text.split(",") if part.strip()]
    elif not isinstance(given, Sequence | np.ndarray):
        given = [given]
    values = tuple(dict.fromkeys(_value(name, one) for one in given))
    if not values:
        raise InputError(f"`{name}` has no values; give one or more, separated by commas")
    return Axis(name, values)


def grid(axes: Mapping[str, Axis], fixed: Recipe, known: Mapping[str, frozenset[str]], seeds: Sequence[int],
         data_seed: int | None) -> tuple[list[Recipe], list[dict[str, int]]]:  # fmt: skip
    """Every combination under every seed: the recipes, and the shape of each one's model.

    Args:
        axes: by name.
        fixed: what is not varied.
        known: options of every optimizer.
        seeds: of each combination.
        data_seed: of the order of the batches of all; None lets it differ with the seed.

    Raises:
        InputError: a range without a count.
    """
    for axis in axes.values():
        if not axis.values:
            raise InputError(
                f"`{axis.name}` is {axis.shown()!r}, a range without a count; write {axis.shown()}:25 for 25 values, "
                "or draw from it with --random N"
            )
    names = [name for name in axes if name != "lr"]
    settings = [
        {**dict(zip(names, chosen, strict=True)), **({"lr": lr} if lr is not None else {})}
        for chosen in itertools.product(*(axes[name].values for name in names))
        for lr in (axes["lr"].values if "lr" in axes else (None,))
    ]
    return listed(settings, fixed, known, seeds, data_seed)


def random(axes: Mapping[str, Axis], count: int, fixed: Recipe, known: Mapping[str, frozenset[str]],
           seeds: Sequence[int], data_seed: int | None) -> tuple[list[Recipe], list[dict[str, int]]]:  # fmt: skip
    """`count` settings drawn from the axes under the first seed, as `grid` returns them."""
    generator = np.random.default_rng([seeds[0], count])
    settings = [{name: axis.drawn(generator) for name, axis in axes.items()} for _ in range(count)]
    return listed(settings, fixed, known, seeds, data_seed)


def listed(
    settings: Sequence[Mapping[str, Any]],
    fixed: Recipe,
    known: Mapping[str, frozenset[str]],
    seeds: Sequence[int],
    data_seed: int | None,
) -> tuple[list[Recipe], list[dict[str, int]]]:
    """The settings, each given by its values of the axes, under every seed, as `grid` returns them; equal ones once."""
    recipes: list[Recipe] = []
    shapes: list[dict[str, int]] = []
    seen: set[str] = set()
    for setting in settings:
        optimizer = setting.get("optimizer", fixed.optimizer)
        options = {**fixed.options, **{name: setting[name] for name in OPTIONS if name in setting}}
        direct = {name: value for name, value in setting.items() if name not in (*OPTIONS, *SHAPE)}
        shape = {name: int(setting[name]) for name in SHAPE if name in setting}
        taken = {name: value for name, value in options.items() if name in known[optimizer]}
        base = fixed.replace(**direct, options=taken)
        written = f"{base.to_json()}{shape}"
        if written in seen:  # an optimizer without the option that was varied
            continue
        seen.add(written)
        for seed in seeds:
            recipes.append(base.replace(seed=seed, data_seed=data_seed))
            shapes.append(shape)
    return recipes, shapes


def _range(name: str, text: str) -> Axis:
    span, _, count = text.partition(":")
    low, _, high = span.partition("..")
    try:
        ends = (float(low), float(high))
        number = int(count) if count else 0
    except ValueError:
        ends, number = (math.nan, math.nan), 0
    if not 0 < ends[0] < ends[1] < math.inf or (count and number < 2):
        raise InputError(f"`{name}` is {text!r}, which is no range; write LOW..HIGH:COUNT, such as 1e-5..1:25")
    if not number:
        return Axis(name, (), *ends)
    values = np.geomspace(*ends, number).tolist()
    if name in WHOLE:
        return Axis(name, tuple(dict.fromkeys(round(value) for value in values)))
    # Seventeen figures of a logarithmic grid help nobody; six tell all of its rates apart.
    return Axis(name, tuple(float(f"{value:.6g}") for value in values))


def _value(name: str, given: Any) -> Any:
    if name not in NUMERIC:
        return given
    if name == "batch_size" and given == "full":
        return given
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    low = 0.0 if name in OPTIONS else math.ulp(0.0)
    if not low <= number < math.inf or (name in WHOLE and (number != int(number) or number < 1)):
        what = "whole numbers from 1" if name in WHOLE else f"finite numbers {'from' if low == 0 else 'above'} 0"
        raise InputError(f"`{name}` holds {given!r}; its values are {what}")
    return int(number) if name in WHOLE else number
