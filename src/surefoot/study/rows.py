"""Rows: how numbers and records lie in the tables of a study."""

from __future__ import annotations

import json
import math
from typing import Any

from surefoot.records import Recipe
from surefoot.records.study import StudyMember

__all__ = ["MEMBER_COLUMNS", "finite_or_infinite", "in_json", "member_of", "numbers_in", "plain"]

MEMBER_COLUMNS = "place, recipe, shape, fate, reason, loss, spread, first_loss, steps, horizon, metrics, seconds"


def member_of(row: tuple[Any, ...], recipe: Recipe | None) -> StudyMember:
    """The member of a row of `MEMBER_COLUMNS`; its recipe is read where it is not given."""
    _, written, shape, fate, reason, loss, spread, first, steps, horizon, metrics, seconds = row
    return StudyMember(
        recipe=recipe or Recipe.from_json(json.loads(written)), shape=json.loads(shape), fate=fate, reason=reason,
        final_loss=loss, spread=spread, first_loss=first, steps=steps, horizon=horizon, metrics=numbers_in(metrics),
        seconds=seconds,
    )  # fmt: skip


def in_json(value: Any) -> str:
    """The value as JSON, without spaces."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def plain(value: float) -> float | str:
    """A number as JSON can hold it."""
    return value if math.isfinite(value) else str(float(value))


def numbers_in(written: str) -> dict[str, float]:
    """Numbers by name, whose values `plain` wrote."""
    return {name: float(value) for name, value in json.loads(written).items()}


def finite_or_infinite(value: float | None) -> float | None:
    """SQLite has no NaN; what is not known is NULL."""
    return None if value is None or math.isnan(value) else float(value)
