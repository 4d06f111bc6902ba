from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from surefoot.records import Recipe
from surefoot.records.plain_numbers import plain


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([0.5, 0.25]), [0.5, 0.25]),
        (np.array(2), 2),
        (torch.tensor(0.5), 0.5),
        (Fraction(1, 2), 0.5),
        ((np.float32(0.5), [np.int8(1)]), (0.5, [1])),
        ({"a": np.float32(0.5)}, {"a": 0.5}),
        (True, True),
        ("full", "full"),
        (None, None),
    ],
    ids=str,
)
def test_every_number_is_one_of_pythons(given, expected):
    found = plain(given)
    assert found == expected
    assert type(found) is type(expected)


def test_a_recipe_takes_numbers_of_any_kind_wherever_it_takes_numbers():
    recipe = Recipe(
        optimizer="adam", lr=np.float32(0.5),
        options={"betas": (np.float32(0.5), np.float64(0.75)), "amsgrad": np.True_},
        schedule_options={"pct_start": np.float32(0.25)}, batch_size=np.int64(8), epochs=torch.tensor(2),
        changes={"label_smoothing": np.float32(0.125)},
    )  # fmt: skip
    assert recipe == Recipe(
        optimizer="adam", lr=0.5, options={"betas": (0.5, 0.75), "amsgrad": True}, schedule_options={"pct_start": 0.25},
        batch_size=8, epochs=2, changes={"label_smoothing": 0.125},
    )  # fmt: skip
    assert Recipe.from_json(json.loads(recipe.dumps())).options["amsgrad"] is True
