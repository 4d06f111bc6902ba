"""Schedules inside engines: laid out for the whole training, scaled to a rung of it."""

from __future__ import annotations

import pytest

from surefoot.engines.engine import unit_schedule
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.schedules import make


def test_lengths_in_updates_shrink_with_the_rung():
    recipe = Recipe(schedule="warmup:linear:500+cosine", epochs=10)
    assert unit_schedule(recipe, 1000, per_epoch=100).lrs() == make("warmup:linear:500+cosine", 1.0, 1000).lrs()
    assert unit_schedule(recipe, 100, per_epoch=100).lrs() == make("warmup:linear:50+cosine", 1.0, 100).lrs()


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "one-cycle"])
@pytest.mark.parametrize("horizon", [1, 7, 300])
def test_schedules_without_lengths_do_not_mind(name, horizon):
    assert unit_schedule(Recipe(schedule=name), horizon, per_epoch=12.5).lrs() == make(name, 1.0, horizon).lrs()


def test_a_warmup_longer_than_the_training_is_refused():
    with pytest.raises(RecipeError, match="`length` is 500 updates and the run has 100; shorten it"):
        unit_schedule(Recipe(schedule="warmup:linear:500+cosine", epochs=1), 50, per_epoch=100)
