"""Every experiment on optimizers, interactions, networks and monitoring, at quick size: what must come out of it."""

from __future__ import annotations

import functools
import itertools
import math

import pytest

from surefoot.records.claim import Outcome
from surefoot.textbook.experiments import run_family


@functools.cache
def outcome(family: str) -> Outcome:
    return run_family(family, "quick")


def value(family: str, name: str) -> float:
    found = outcome(family).measurement(name)
    assert found is not None, f"{family} has no {name!r}"
    assert found.value is not None, found.reason
    return found.value


FAMILIES = (
    "activation", "adaptive-band", "detector", "digits-batch", "digits-depth", "digits-n", "early-stop", "features",
    "fine-tune", "gradcheck", "hyper-importance", "layerwise", "loss-check", "lr-finder", "mnist-cnn", "optim-check",
    "outlier", "plateau-sched", "pool", "reg", "robust", "search", "shape-check", "shift-test", "shuffle-pixels",
    "transfer", "unstick", "vanish", "xor-optim", "xor-width",
)  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_outcome_is_a_record_with_numbers(family: str) -> None:
    found = outcome(family)
    assert found.family == family
    assert found.notes
    assert any(one.value is not None for one in found.measurements)
    for one in found.measurements:
        if one.value is None:
            assert one.reason
            continue
        low = one.value if one.low is None else one.low
        high = one.value if one.high is None else one.high
        assert low <= one.value <= high or math.isinf(one.value)
        # What a loop leaves of the loss is a ratio of two losses, which may be a little above 1.
        if one.name.startswith(("share of", "accuracy of", "area under")) and "of the loss left" not in one.name:
            assert 0 <= one.value <= 1, one.name


def test_optimizers_by_hand_equal_torch() -> None:
    assert value("optim-check", "largest difference of five optimizers by hand from torch") < 1e-9
    assert value("optim-check", "step per gradient of a small input over a large one, SGD") == pytest.approx(1)
    for name in ("Adam", "AdaGrad", "RMSprop", "Adadelta"):
        assert value("optim-check", f"step per gradient of a small input over a large one, {name}") > 10


def test_best_rate_moves_against_a_factor_on_the_loss() -> None:
    small, large = (
        value("adaptive-band", f"log10 of the best rate, digits with the loss times {scale}")
        for scale in ("0.01", "100")
    )
    assert small - large == pytest.approx(4, abs=0.8)


def test_gradients_and_steps() -> None:
    assert value("gradcheck", "worst gradient error over all nets") < 1e-6
    assert value("gradcheck", "printed XOR update over the gradient of the printed loss") == pytest.approx(2)
    assert value("gradcheck", "growth of the printed XOR update when the data are repeated 8 times") == pytest.approx(8)
    assert value("gradcheck", "exponent of the step against the rate, SGD") == pytest.approx(1)
    assert value("gradcheck", "cosine of the second step with minus the gradient, Adam") < 0.999


def test_counts_of_layers() -> None:
    assert value("shape-check", "values after flattening") == 6760
    assert value("shape-check", "parameters of the course's CNN") == 67710
    assert value("shape-check", "multiplications of a local layer without sharing over the convolution's") == 1
    assert value("shape-check", "side of the printed slice [:5, :5] of a filter") == 3


def test_loss_arithmetic() -> None:
    assert value("loss-check", "mean squared error of the three-class example") == pytest.approx(0.18)
    assert value("loss-check", "mean absolute error of the three-class example") == pytest.approx(0.4)
    floor = value("loss-check", "lowest cross-entropy that softmax before it allows, 10 classes")
    assert floor == pytest.approx(value("loss-check", "the same floor by formula, ln(e + 9) - 1"))
    assert value("loss-check", "change of the accuracy by log-softmax before the cross-entropy") == 0


def test_xor_families() -> None:
    assert value("xor-optim", "share of solved XOR nets, SGD at 0.1") == 0
    assert value("xor-optim", "final XOR loss of SGD over that of Adam, both at 0.1") > 10
    assert value("xor-width", "share of failed XOR trainings, 4 hidden units") < value(
        "xor-width", "share of failed XOR trainings, 2 hidden units"
    )
    fresh = value("unstick", "share of stuck XOR nets freed by fresh weights")
    assert fresh > value("unstick", "share of stuck XOR nets freed by going on") + 0.3


def test_gradients_vanish_with_depth_and_clipping_does_not_help() -> None:
    by_depth = [value("vanish", f"first-layer gradient at the start, {depth} sigmoid layers") for depth in (1, 2, 4, 8)]
    assert all(a > 3 * b for a, b in itertools.pairwise(by_depth))
    assert value("vanish", "decades that lift the first layer's gradient, clipped") == pytest.approx(0, abs=1e-9)
    assert value("vanish", "decades that lift the first layer's gradient, normalised") > 2


def test_outliers() -> None:
    assert value("outlier", "exponent of the jump by one outlier against the rate") == pytest.approx(1, abs=1e-6)
    assert value("outlier", "error on clean data, Huber's loss over squared error") < 0.3


def test_ways_to_choose() -> None:
    assert value("search", "accuracy lost by a blind start, constant") > 0.2
    assert value("search", "accuracy lost by a logarithmic grid") < 0.2
    assert 0 < value("lr-finder", "decades between steepest descent and the best rate, digits, SGD") < 4
    shares = [value("hyper-importance", f"share of variance by {one}, wide range of rates")
              for one in ("the rate", "the batch", "the width", "momentum")]  # fmt: skip
    assert all(one >= 0 for one in shares)
    assert sum(shares) <= 1 + 1e-9
    assert value("transfer", "cells of data, model and optimizer") >= 4


def test_interactions() -> None:
    assert value("digits-batch", "decades the largest usable rate gains from the smallest to the largest batch") >= 0
    assert value("digits-depth", "share of failed runs at the best rate, depth 8") == 1
    assert value("digits-depth", "decades of good rates, depth 1") > 0
    assert value("digits-n", "best accuracy, 50 digits") < value("digits-n", "best accuracy, 1400 digits")
    assert value("activation", "accuracy sigmoid lacks behind ReLU at the smallest rate, depth 3") > 0.05
    assert value("layerwise", "decades between the layers' gradient over weight") > 0
    assert 0 <= value("reg", "share of variance by rate and weight decay together, SGD") <= 1
    assert value("fine-tune", "accuracy forgotten more at the largest than at the smallest rate") > 0.2


def test_monitoring() -> None:
    assert value("robust", "training loss at which runs were compared") < 0.6
    assert value("plateau-sched", "accuracy the watched rate gains over a fixed one, start 100 times too small") > 0.3
    kinds = [value("detector", f"runs labelled {one}") for one in ("too large", "good", "too small")]
    assert all(one > 0 for one in kinds)
    assert value("detector", "area under the curve of erratic loss, for a rate that is too large") > 0.7
    saved = [value("early-stop", f"share of epochs that stopping saves, patience {p}, digits with 20% wrong labels")
             for p in (3, 5, 10)]  # fmt: skip
    assert saved == sorted(saved, reverse=True)


def test_networks() -> None:
    for step in ("no backward pass", "no update"):
        assert value("mnist-cnn", f"share of the loss left by the training loop, {step}") > 0.9
    assert value("features", "accuracy learned features gain over pixels") > 0
    assert value("features", "side of what one value of the second layer sees") == 12
    assert value("shift-test", "largest difference of a moved map from the map of a moved image") < 1e-9
    assert value("shift-test", "accuracy that a CNN with global pooling loses at 3 pixels") < value(
        "shift-test", "accuracy that the course's CNN loses at 3 pixels"
    )
    assert value("pool", "share of values left by pooling 2 x 2") == 0.25
    cnn, flat = (
        value("shuffle-pixels", f"parameters of the {one} that reads shuffled pixels") for one in ("CNN", "MLP")
    )
    assert abs(cnn - flat) < 0.05 * cnn
