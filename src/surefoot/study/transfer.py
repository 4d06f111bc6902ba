"""Transfer: from small sizes to a large one. How the best rate moves, and where it should lie next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from surefoot.errors import InputError
from surefoot.records.study import Response, Study
from surefoot.records.transfer import Transfer
from surefoot.study.analysis import extrapolated
from surefoot.study.sweep import sweep
from surefoot.tasks.task import Task

__all__ = ["answer", "transfer"]

Axis = Literal["batch_size", "width", "depth", "epochs"]
_FARTHEST = 16.0
"""Times the largest trained value beyond which a power law over so few values is not followed."""
_WIDEST = 10.0
"""Ratio of the ends of an interval from which it helps nobody."""


def transfer(
    task: Task | Callable[..., Task] | str,
    along: Axis,
    values: Sequence[float],
    to: float,
    *,
    lr: Any = "1e-4..3:17",
    seeds: int = 3,
    **recipe: Any,
) -> Transfer:
    """Measure how the best rate moves along an axis, and say where it should lie at a value that was not trained.

    Args:
        task: as for `sweep`; for width and depth, a function of them that returns a `Task`, or a built-in name.
        along: `batch_size`, `width`, `depth` or `epochs`.
        values: three or more to train at; the largest is kept apart first, to see whether the others foretell it.
        to: the value the rate is wanted for; at most 16 times the largest of `values`.
        lr: rates to train.
        seeds: of every member.
        recipe: everything else that `sweep` takes: `optimizer`, `schedule`, `batch_size`, `epochs`, `workers`, …

    Returns:
        The rate with its interval; or `unknown`: where best rates lie at the edge of the tried ones, where the law of
        the smaller values does not foretell the largest, where the interval spans more than a factor of ten, or where
        `to` is too far away.

    Raises:
        InputError: an argument that cannot be used.
    """
    if along not in ("batch_size", "width", "depth", "epochs"):
        raise InputError(f"`along` is {along!r}; it is batch_size, width, depth or epochs")
    sizes = sorted(set(values))
    if len(sizes) < 3 or not all(0 < one < math.inf for one in (*sizes, to)):
        raise InputError(f"`values` are {list(values)} and `to` is {to}; give three or more different numbers above 0")
    if along in recipe:
        raise InputError(f"`{along}` is what `along` varies; leave it out")
    chosen: dict[str, Any] = {along: sizes, **recipe}
    return answer(sweep(task, lr, seeds=seeds, **chosen), along, to)


def answer(study: Study, along: Axis, to: float) -> Transfer:
    """What a study that varied nothing but rates, seeds and `along` says about the value `to`.

    Raises:
        InputError: the study varied something else too, or not that axis.
    """
    found = [one for one in study.responses if one.axis == along]
    if len(found) != 1:
        raise InputError(f"the study of {study.task} has {len(found)} curves along {along}; exactly one is needed")
    response = found[0]
    problem, lr, interval = _followed(study, response, along, to)
    name = along.replace("_", " ")
    if problem:
        reason = f"{problem}; train nearer to {name} {to:g}, with more seeds or a finer grid, or search there"
        lr, interval = None, None
    else:
        reason = (
            f"over {name} {response.points[0].value} to {response.points[-1].value} the best rate moves as its power "
            f"{response.exponent:.2f}, and the smaller values foretell the largest"
        )
    return Transfer(
        task=study.task, axis=along, to=float(to), status="unknown" if problem else "found", lr=lr, interval=interval,
        reason=reason, points=response.points, exponent=response.exponent, exponent_low=response.exponent_low,
        exponent_high=response.exponent_high, cost=dict(study.cost), provenance=study.provenance,
    )  # fmt: skip


def _followed(
    study: Study, response: Response, along: Axis, to: float
) -> tuple[str, float | None, tuple[float, float] | None]:
    """Why the law cannot be followed (empty if it can), the rate at `to`, and its interval."""
    if response.exponent is None:
        return response.reason, None, None
    numbers = [float(point.value) for point in response.points if isinstance(point.value, int | float)]
    if not min(numbers) / _FARTHEST <= to <= max(numbers) * _FARTHEST:
        return f"{to:g} is more than {_FARTHEST:g} times beyond what was trained", None, None
    last = response.points[-1]
    smaller = [one for one in study.members if _value(one, along) < max(numbers)]
    foretold = extrapolated(smaller, along, max(numbers))
    if foretold is None or last.low is None or last.high is None:
        return "without the largest value there is no law to try on it", None, None
    if foretold[1] > last.high or foretold[2] < last.low:
        return (
            f"the smaller values foretell a best rate of {foretold[1]:.2g} to {foretold[2]:.2g} at {last.value}, and "
            f"{last.low:.2g} to {last.high:.2g} was measured",
            None,
            None,
        )
    there = extrapolated(study.members, along, to)
    if there is None or there[2] > _WIDEST * there[1]:
        return "the interval spans more than a factor of ten", None, None
    return "", there[0], (there[1], there[2])


def _value(member: Any, along: str) -> float:
    value = member.shape.get(along, getattr(member.recipe, along, None))
    return float(value) if isinstance(value, int | float) else math.inf
