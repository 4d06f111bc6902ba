"""The rate that is usually best."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from surefoot.engines.engine import unit_schedule
from surefoot.find.candidates import default_range
from surefoot.find.search import Search
from surefoot.find.usual import FITTED, PARAMETERS, STEPS, parameters_of, usual_rate
from surefoot.records import Recipe
from surefoot.tasks.task import Task

RECORD = Path(__file__).parents[2] / "benchmarks" / "records" / "usual_rates.json"


def _place(steps=STEPS, parameters=PARAMETERS, **changes):
    return usual_rate(Recipe(**{"optimizer": "sgd", **changes}), steps, parameters).place


def test_the_numbers_are_those_of_the_record():
    fit = json.loads(RECORD.read_text(encoding="utf-8"))["fit"]
    for name, number in fit["numbers"].items():
        assert getattr(FITTED, name) == pytest.approx(number["value"], abs=0.0051), name
    assert set(fit["numbers"]) == set(FITTED.__dataclass_fields__)
    # As in the text beside it.
    assert fit["scale"] == pytest.approx(0.39, abs=0.0051)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "nadam", "adagrad", "adadelta", "rprop"])
def test_it_lies_inside_the_range(optimizer):
    low, high = default_range(Recipe(optimizer=optimizer))
    for parameters in (10, 1_000, 100_000, 10**9):
        for steps in (10, 500, 10**6):
            assert low < 10 ** _place(steps, parameters, optimizer=optimizer) < high * 1.5


def test_of_an_unknown_optimizer_nothing_is_held():
    assert usual_rate(Recipe(optimizer="of my own"), 500, 1_000) is None


def test_what_was_not_fitted_is_held_less_firmly():
    adam, sgd, guess = (usual_rate(Recipe(optimizer=one), 500, 1_000).scale for one in ("adam", "sgd", "adagrad"))
    # The best rate of SGD depends on the scale of the loss, that of Adam does not.
    assert adam < sgd < guess


def test_the_mean_rate_is_what_counts():
    plain = _place()
    for schedule in ("cosine", "linear", "one-cycle", "warmup+cosine"):
        mean = sum(unit_schedule(Recipe(schedule=schedule), STEPS).lrs()) / STEPS
        assert _place(schedule=schedule) == pytest.approx(plain - math.log10(mean), abs=2e-3), schedule
    assert _place(schedule="plateau") == plain


def test_more_steps_and_more_momentum_lower_it():
    assert _place(2 * STEPS) - _place() == pytest.approx(FITTED.doubling)
    heavy = _place(options={"momentum": 0.9})
    assert heavy - _place() == pytest.approx(FITTED.momentum)
    assert _place(options={"momentum": 0.99}) - heavy == pytest.approx(FITTED.momentum)


def test_size_counts_where_gradients_are_divided_by_theirs():
    for optimizer in ("adam", "adamw", "rmsprop"):
        small, large = _place(optimizer=optimizer), _place(parameters=10 * PARAMETERS, optimizer=optimizer)
        assert large - small == pytest.approx(FITTED.tenfold)
    assert _place(parameters=10 * PARAMETERS) == _place()


def test_it_is_not_carried_on_far_beyond_what_was_seen():
    assert _place(10**4) == _place(10**7)
    assert _place(10) == _place(100)
    assert _place(parameters=10**7, optimizer="adam") == _place(parameters=10**10, optimizer="adam")


def test_a_search_counts_the_numbers_that_are_trained():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last, self.lazy = nn.Linear(4, 3), nn.Linear(3, 2), nn.LazyLinear(5)
            self.first.weight.requires_grad_(False)

    data = torch.randn(20, 4), torch.randint(0, 2, (20,))
    task = Task(Frozen, data, data, loss=nn.CrossEntropyLoss())
    before = torch.get_rng_state()
    assert parameters_of(task) == Search([task], Recipe(batch_size=10), cost=1, steps=10).parameters == 3 + 3 * 2 + 2
    assert torch.equal(before, torch.get_rng_state())
