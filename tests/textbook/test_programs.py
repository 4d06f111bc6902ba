"""The other programs at tiny sizes: exact facts come out by running, and every result is a whole record."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from surefoot.maths.bowl import exact_path
from surefoot.tasks.data.surfaces import quadratic
from surefoot.textbook.lab import LabResult, Setting, find_program
from surefoot.textbook.lab.cnn_facts import Local, layer_shapes, multiplications
from surefoot.textbook.lab.epochs import History
from surefoot.textbook.lab.gradient_noise import floor, single_gradients
from surefoot.textbook.lab.inspection import sharpness
from surefoot.textbook.lab.scenarios import label, straightness
from surefoot.textbook.lab.training import Epoch

TINY = {
    "mnist-cnn": {"images": 64, "test": 64, "seeds": 1},
    "epochs": {"images": 80, "test": 32, "epochs": 2},
    "scenarios": {"epochs": 3, "seeds": 1, "lrs": (1e-4, 0.3, 100.0)},
    "bowl": {"steps": 12},
    "gradient-noise": {"draws": 40, "steps": 150, "seeds": 1, "epochs": 1},
    "cnn-facts": {"images": 64, "test": 32, "epochs": 1},
    "inspection": {"images": 64, "epochs": 2, "steps": 20, "examples": 30},
    "regularizers": {"epochs": 3, "seeds": 1, "starts": 20},
    "building-blocks": {"steps": 10, "tasks": ("xor", "penguins"), "depths": (1, 8)},
    "loss-arithmetic": {},
    "schedules": {"epochs": 1, "seeds": 1, "steps": 30},
    "searches": {"epochs": 1, "cost": 4.0, "oracle": 4, "seeds": 1},
    "formulas": {},
}


@pytest.fixture(scope="module")
def results():
    return {name: find_program(name).run(Setting(), **sizes) for name, sizes in TINY.items()}


@pytest.mark.parametrize("name", TINY)
def test_a_result_is_whole_and_comes_back_equal(results, name):
    result = results[name]
    assert result.name == name
    assert result.printed.keys() == result.measured.keys() == result.verdict.keys() == result.rule.keys()
    assert result.printed
    assert LabResult.from_json(json.loads(result.dumps())) == result
    assert result.panels
    assert all(sentence.endswith(".") for sentence in result.sentences)
    assert result.provenance.versions["torch"]
    for key, printed in result.printed.items():
        if isinstance(printed, list):
            assert len(printed) == len(result.measured[key]) == len(result.verdict[key])
        else:
            assert isinstance(result.measured[key], float)


def test_simple_cnn_is_what_the_textbook_prints(results):
    measured = results["mnist-cnn"].measured
    assert (measured["parameters"], measured["conv_output_side"], measured["filter_side"]) == (67710, 26, 3)
    assert results["mnist-cnn"].verdict["filter_side"] == "differs"
    assert results["mnist-cnn"].facts["running_loss"][0] > results["mnist-cnn"].facts["training_loss_after"][1]


def test_an_early_stop_is_the_first_epoch_without_hope():
    history = History(val=[Epoch(loss, 0.0) for loss in (3.0, 2.0, 2.5, 2.4)])
    assert (history.best(), history.stopped()) == (1, 3)


def test_labels_follow_their_rules():
    falling, rising = np.array([2.3, 2.29, 2.28]), np.array([2.3, 5.0, 9.0])
    gone = np.array([2.3, 4.0, math.inf])
    assert label(falling, 2.3, 0, 2) == "too low"
    assert label(rising, 2.3, 3, 2) == "too high"
    assert label(gone, 2.3, 3, 2) == "too high"
    assert label(np.array([2.3, 1.0, 0.2]), 2.3, 0, 2) == "works"
    assert label(rising, 2.3, 2, 2) == "good"
    assert straightness(np.linspace(3, 1, 9)) == pytest.approx(1.0)
    assert straightness(np.exp(-np.arange(20.0))) < 0.5


def test_scenarios_finds_a_rate_of_each_kind(results):
    assert results["scenarios"].facts["labels"] == ["too low", "good", "too high"]


def test_the_bowl_is_descended_as_theory_says(results):
    facts = results["bowl"].facts
    assert facts["largest_error_to_theory"] < 1e-5
    assert facts["growth_per_step_too_large"] == pytest.approx(facts["growth_per_step_exact"], rel=1e-5)
    path = exact_path((0.9, 1.8), (10, 1), [0.1] * 3)
    assert path[:, 0] == pytest.approx([0.9, 0, 0, 0], abs=1e-15)  # rate 1 / 10 jumps to the floor of the steep side
    assert path[:, 1] == pytest.approx([1.8 * 0.9**t for t in range(4)])


def test_single_gradients_average_to_the_gradient():
    from surefoot.tasks.catalogue import find_entry

    task = find_entry("iris").make()
    model = task.make_model(0)
    batch = task.train.batch(torch.arange(task.train.size))
    whole = torch.autograd.grad(task.loss_of(model, batch), list(model.parameters()))
    flat = torch.cat([one.flatten() for one in whole]).numpy()
    assert np.abs(single_gradients(task, 0).mean(axis=0) - flat).max() < 1e-6


def test_noise_follows_the_formula(results):
    measured = results["gradient-noise"].measured
    # 40 draws of each of seven batch sizes: a variance is known to about sqrt(2 / 40), the slope to about a tenth.
    assert measured["variance_exponent"] == pytest.approx(-1.0, abs=0.3)
    assert floor(1.0) == pytest.approx(1.0)  # 16 · 1 · 1 / (2 · 8 · (2 - 1))
    assert measured["decay_removes_floor"] in (0.0, 1.0)


def test_cnn_counts_are_exact(results):
    assert results["cnn-facts"].facts["layer_parameters"] == {
        "shared (convolution)": 100, "unshared local": 67600, "dense": 5306600,
    }  # fmt: skip
    assert results["cnn-facts"].facts["layer_multiplications"] == {
        "shared (convolution)": 60840, "unshared local": 60840, "dense": 5299840,
    }  # fmt: skip
    assert layer_shapes()["flatten"] == (6760,)
    assert multiplications(torch.nn.Linear(28, 5)) == 28 * 28 * 5


def test_an_unshared_layer_with_equal_weights_is_a_convolution():
    torch.manual_seed(0)
    shared, local = torch.nn.Conv2d(1, 10, 3), Local()
    with torch.no_grad():
        local.weight.copy_(shared.weight.reshape(1, 10, 9).expand(676, 10, 9))
        local.bias.copy_(shared.bias[:, None, None].expand(10, 26, 26))
        x = torch.randn(3, 1, 28, 28)
        assert (local(x) - shared(x)).abs().max() < 1e-5


def test_sharpness_is_the_largest_eigenvalue():
    surface = quadratic(eigenvalues=(7.0, 3.0, 0.5), noise=0.0, rows=2, rotation=4, start=(1.0, 1.0, 1.0))
    found = sharpness(surface.model(), lambda model: model(torch.zeros(1, 3)).mean())
    assert found == pytest.approx(7.0, rel=1e-4)


def test_building_blocks_counts(results):
    measured = results["building-blocks"].measured
    assert measured["parameters"] == [67710, 17, 9]
    assert measured["penguin_outputs"] == 3
    assert measured["dropping_eliminates_feature_maps"] == 1
    assert measured["log_softmax_before_cross_entropy_matters"] == 0
    assert results["building-blocks"].facts["softmax"]["softmax_floor"] == pytest.approx(1.4612, abs=1e-4)
    assert measured["backpropagation_cures_vanishing_gradients"] == 0


def test_loss_arithmetic_is_exact(results):
    result = results["loss-arithmetic"]
    assert result.measured["average_loss"] == pytest.approx(0.18)
    assert result.verdict["average_loss"] == "agrees"
    assert result.verdict["variance"] == "differs"
    assert result.facts["losses"]["cross-entropy"] == pytest.approx(-math.log(0.4))


def test_nothing_of_the_caller_is_touched(borrowed):
    with borrowed():
        find_program("bowl").run(Setting(), steps=3)
        find_program("cnn-facts").module  # noqa: B018
        layer_shapes()
        find_program("xor-backprop").run(Setting(seeds=1), epochs=5, long=5)


def test_formulas_hold_but_for_those_that_do_not(results):
    result = results["formulas"]
    wholly = {key for key, one in result.verdict.items() if set(one if isinstance(one, list) else [one]) == {"agrees"}}
    assert wholly == {"update_rule", "inverse_time_decay", "sigmoid_derivative", "chain_rule", "conv_output_size"}
    assert result.measured["conv_output_size"][0] == 26
    assert result.facts["mixed_forms_cosine"] == pytest.approx(-0.94, abs=0.01)
    exact = result.facts["divergence_limit_with_momentum"]
    assert result.measured["divergence_limit"] == pytest.approx(exact, rel=0.006)  # the grid of rates has steps of 1%


def test_schedules_are_the_formula_and_torch(results):
    result = results["schedules"]
    assert result.verdict["inverse_time"] == ["agrees"] * 4
    assert result.verdict["cyclical_rates_are_decay"] == "differs"
    assert max(result.facts["twin_difference"].values()) < 1e-12


def test_searches_never_spend_more_than_they_were_allowed(results):
    cost = results["searches"].facts["cost"]
    assert all(cost[name] <= (12.0 if name == "cross-validation" else 4.0) + 1e-9 for name in cost)
    assert min(results["searches"].facts["loss_share_missed"].values()) >= 0
