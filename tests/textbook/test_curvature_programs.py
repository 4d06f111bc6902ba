"""Edge of stability, catapult and noise floor at tiny sizes: what is exact is exact, and every record is whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from surefoot.textbook.lab import LabResult, Setting, find_program
from surefoot.textbook.lab.catapult import TwoLayers, regime_of
from surefoot.textbook.lab.edge_of_stability import CASES, Case, chebyshev_task, digits_task, half_square
from surefoot.textbook.lab.noise_floor import regression, settled

QUICK = (
    Case("heavy ball 0.6", "digits", "sgd", 0.6, 40, options=(("momentum", 0.9),)),
    Case("Adam 0.001", "digits", "adam", 0.001, 40, expected="below"),
    Case("batches of 64", "digits", "sgd", 0.6, 40, batch=64, expected="seen"),
    Case("batches of 16", "digits", "sgd", 0.6, 40, batch=16, expected="seen"),
    Case("Chebyshev 0.1", "chebyshev", "sgd", 0.1, 40, expected="below"),
)
SIZES = {
    "edge-of-stability": {"cases": QUICK, "workers": 1, "seeds": 2, "points": 5},
    "catapult": {"steps": 25, "width": 64, "seeds": 2},
    "noise-floor": {"chains": 800, "steps": 60, "walks": 20},
}


@pytest.fixture(scope="module")
def results():
    return {name: find_program(name).run(Setting(), **sizes) for name, sizes in SIZES.items()}


@pytest.mark.parametrize("name", SIZES)
def test_a_record_is_whole_and_comes_back(results, name):
    result = results[name]
    assert result.name == name
    assert LabResult.from_json(json.loads(result.dumps())) == result
    assert result.printed
    assert result.panels
    assert all(sentence.endswith(".") for sentence in result.sentences)


def test_every_run_says_optimizer_rate_limit_ratio_and_seeds(results):
    runs = results["edge-of-stability"].facts["runs"]
    assert [one["name"] for one in runs] == [case.name for case in QUICK]
    for one in runs:
        assert {"optimizer", "lr", "limit", "ratio", "seeds"} <= one.keys()
        assert one["ratio"]["lower"] <= one["ratio"]["median"] <= one["ratio"]["upper"]
        assert one["seeds"] == [0, 1]
        assert len(one["medians"]) == 2
    limits = {one["name"]: one["limit"] for one in runs}
    assert limits["heavy ball 0.6"] == pytest.approx(3.8 / 0.6, rel=1e-6)
    assert limits["Adam 0.001"] == pytest.approx(38 / 0.001, rel=1e-6)
    assert limits["batches of 16"] == pytest.approx(2 / 0.6, rel=1e-6)
    assert all(one["batch_sharpness_ratio"] > 0 for one in runs if one["batch"] != "full")


def test_the_cases_are_those_that_are_claimed():
    edge = [case for case in CASES if case.expected == "edge"]
    assert sum(case.optimizer == "sgd" and not case.options and case.data == "digits" for case in edge) == 3
    assert any(case.options for case in edge)
    assert any(case.optimizer == "adam" for case in edge)
    assert any(case.data == "chebyshev" for case in edge)
    assert {case.data for case in CASES if case.expected == "below"} == {"digits", "chebyshev"}
    assert {case.batch for case in CASES} == {"full", 64, 16}


def test_the_tasks_are_what_they_are_called():
    x, y = digits_task().train.whole
    assert x.shape == (500, 64)
    assert float(x.mean(dim=0).abs().max()) < 1e-6
    assert torch.equal(y.sum(dim=1), torch.ones(500))
    x, y = chebyshev_task().train.whole
    assert torch.allclose(y, 16 * x**5 - 20 * x**3 + 5 * x, atol=1e-5)
    assert float(half_square(torch.tensor([[1.0, 2.0]]), torch.zeros(1, 2))) == 2.5


def test_the_catapult_has_its_regimes_and_follows_the_recursion(results):
    result = results["catapult"]
    assert result.facts["largest_error_to_recursion"] < 1e-9
    assert result.facts["regimes"] == ["smooth", "smooth", "oscillating", "catapult", "catapult", "divergence"]
    assert all(one == pytest.approx(1.0, rel=1e-3) for one in result.measured["sharpness_at_the_end"])
    ends = result.facts["products_at_the_end"]
    assert ends[0] == pytest.approx(0.5, abs=0.02)
    assert max(ends[3:5]) < 2


def test_regimes_by_their_series():
    one = np.ones(4)
    assert regime_of(np.array([1.0, 0.5, 0.2, 0.1]), 0.5 * one) == "smooth"
    assert regime_of(np.array([1.0, -0.9, 0.8, -0.7, 0.6]), 1.9 * np.ones(5)) == "oscillating"
    assert regime_of(np.array([1.0, -2.0, 3.0, 0.1]), np.array([2.5, 2.4, 1.9, 1.5])) == "catapult"
    assert regime_of(np.array([1.0, 1e9, np.inf]), np.array([4.2, 9.0, 1e9])) == "divergence"


def test_the_kernel_of_two_layers_is_that_of_its_gradient():
    net = TwoLayers(16)
    output = net(torch.ones(1, 1, dtype=torch.float64))
    slopes = torch.autograd.grad(output.sum(), list(net.parameters()))
    error, sharpness = net.error_and_sharpness()
    assert error == pytest.approx(float(output.detach()))
    assert sharpness == pytest.approx(float(sum((one**2).sum() for one in slopes)))


def test_floors_are_near_their_formulas(results):
    facts = results["noise-floor"].facts
    # 800 descents over 60 steps at the rate 0.5 forget within 2 steps: about 24,000 independent squares.
    at = facts["lrs"].index(0.5)
    assert facts["floors"][at] == pytest.approx(facts["floors_predicted"][at], rel=3 * (2 / 24_000) ** 0.5)
    assert facts["averaging"] == pytest.approx(facts["averaging_predicted"], rel=0.2)
    assert facts["reshuffled"] < facts["regression"][0]["measured"]


def test_settled_does_not_depend_on_where_it_began():
    random = np.random.default_rng(1)
    floor, averaged = settled(random, 1.0, 0.0, chains=4000, steps=30)
    # At rate times curvature 1 every step forgets all: 120,000 independent values.
    assert floor == pytest.approx(1.0 / 16, rel=3 * (2 / 120_000) ** 0.5)
    assert averaged < floor


def test_the_regression_is_at_its_best():
    x, y, H, best = regression()
    assert x.T @ (x @ best - y) == pytest.approx(np.zeros(5), abs=1e-9)
    assert pytest.approx(x.T @ x / len(x)) == H


def test_nothing_of_the_caller_is_touched(borrowed):
    with borrowed():
        find_program("edge-of-stability").run(Setting(seeds=1), cases=QUICK[-1:], workers=1, points=3)
        find_program("catapult").run(Setting(seeds=1), steps=3, width=8)
