"""Claims derived again with the plainest code there is, beside the numbers of the experiments."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from surefoot.records.claim import Outcome
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.textbook.experiments import outlier, run_family, unstick

Floats = npt.NDArray[np.float64]

INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
TARGETS = [0.0, 1.0, 1.0, 0.0]


@functools.cache
def outcome(family: str) -> Outcome:
    return run_family(family, "quick")


def value(family: str, name: str) -> float:
    found = outcome(family).measurement(name)
    assert found is not None
    assert found.value is not None
    return found.value


def squash(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_adaptive_scales_each_parameter() -> None:
    ratios = []
    for seed in outcome("optim-check").seeds:
        random = np.random.default_rng(seed)
        x = torch.from_numpy(random.standard_normal((64, 2)) * np.array([1.0, 1000.0]))
        y = x @ torch.tensor([1.0, 0.001], dtype=torch.float64) + 0.1 * torch.from_numpy(random.standard_normal(64))
        w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([w], lr=0.01)
        seen = []
        for _ in range(30):
            optimizer.zero_grad()
            ((x @ w - y) ** 2).mean().backward()  # type: ignore[no-untyped-call]
            assert w.grad is not None
            before = w.detach().clone()
            optimizer.step()
            per_gradient = ((w.detach() - before) / w.grad).abs()
            seen.append(float(per_gradient[0] / per_gradient[1]))
        ratios.append(np.median(seen))
    measured = value("optim-check", "step per gradient of a small input over a large one, Adam")
    assert np.mean(ratios) == pytest.approx(measured, rel=1e-6)


def xor_nets(seed: int, hidden: int = 2) -> tuple[Floats, Floats, Floats, float]:
    random = np.random.RandomState(seed)
    return random.randn(2, hidden), np.zeros(hidden), random.randn(hidden), 0.0


def xor_loss(flat: Floats) -> float:
    """Mean squared error of a 2-2-1 net given as nine numbers."""
    total = 0.0
    for (a, b), target in zip(INPUTS, TARGETS, strict=True):
        hidden = [squash(a * flat[j] + b * flat[2 + j] + flat[4 + j]) for j in (0, 1)]
        total += (squash(hidden[0] * flat[6] + hidden[1] * flat[7] + flat[8]) - target) ** 2
    return total / 4


def xor_slopes(flat: Floats) -> Floats:
    """Its gradient from the loss alone."""
    found = np.zeros(9)
    for place in range(9):
        up, down = flat.copy(), flat.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        found[place] = (xor_loss(up) - xor_loss(down)) / 2e-5
    return found


def printed_update(flat: Floats, *, on_activations: bool = True) -> Floats:
    """The hand-written update, example by example; the short derivative on activations or on pre-activations."""
    found = np.zeros(9)
    for (a, b), target in zip(INPUTS, TARGETS, strict=True):
        z1 = [a * flat[j] + b * flat[2 + j] + flat[4 + j] for j in (0, 1)]
        a1 = [squash(one) for one in z1]
        z2 = a1[0] * flat[6] + a1[1] * flat[7] + flat[8]
        out = squash(z2)
        slope = out * (1 - out) if on_activations else z2 * (1 - z2)
        at_output = (out - target) * slope
        for j in (0, 1):
            inner = a1[j] * (1 - a1[j]) if on_activations else z1[j] * (1 - z1[j])
            at_hidden = at_output * flat[6 + j] * inner
            found[j] += a * at_hidden
            found[2 + j] += b * at_hidden
            found[4 + j] += at_hidden
            found[6 + j] += a1[j] * at_output
        found[8] += at_output
    return found


def flat_net(seed: int) -> Floats:
    w1, b1, w2, b2 = xor_nets(seed)
    return np.concatenate([w1.ravel(), b1, w2, [b2]])


def test_xor_gradient_omits_factor() -> None:
    ratios = []
    for seed in outcome("gradcheck").seeds:
        net = flat_net(42 + seed)
        printed, true = printed_update(net), xor_slopes(net)
        ratios.append(float(printed @ true / (true @ true)))
    measured = value("gradcheck", "printed XOR update over the gradient of the printed loss")
    assert np.mean(ratios) == pytest.approx(measured, rel=1e-6)
    assert measured == pytest.approx(2.0, rel=1e-6)


def test_sigmoid_derivative_conventions() -> None:
    cosines = []
    for seed in outcome("gradcheck").seeds:
        net = flat_net(42 + seed)
        swapped, true = printed_update(net, on_activations=False), xor_slopes(net)
        cosines.append(float(swapped @ true / (np.linalg.norm(swapped) * np.linalg.norm(true))))
    measured = value("gradcheck", "cosine of the XOR update with x(1-x) on pre-activations")
    assert np.mean(cosines) == pytest.approx(measured, abs=1e-5)


def test_three_class_loss_example() -> None:
    off = [0.6, 0.3, 0.3]
    assert sum(off) / 3 == pytest.approx(value("loss-check", "mean absolute error of the three-class example"))
    assert sum(o * o for o in off) / 3 == pytest.approx(
        value("loss-check", "mean squared error of the three-class example")
    )
    assert -math.log(0.4) == pytest.approx(value("loss-check", "cross-entropy of the three-class example"))


def test_log_softmax_into_cross_entropy() -> None:
    def log_softmax(row: list[float]) -> list[float]:
        whole = math.log(sum(math.exp(one) for one in row))
        return [one - whole for one in row]

    once = log_softmax([0.3, -1.0, 2.0])
    assert log_softmax(once) == pytest.approx(once)
    certain = log_softmax([1.0] + [0.0] * 9)
    assert -certain[0] == pytest.approx(
        value("loss-check", "lowest cross-entropy that softmax before it allows, 10 classes")
    )


def test_weight_sharing_cuts_computation() -> None:
    places = [(row, column) for row in range(28 - 2) for column in range(28 - 2)]
    shared = sum(10 * 9 for _ in places)
    own_filters = {(place, k): 9 for place in places for k in range(10)}
    assert shared == value("shape-check", "multiplications, convolution")
    assert sum(own_filters.values()) == value("shape-check", "multiplications, local layer without sharing")
    assert 784 * 10 * len(places) == value("shape-check", "multiplications, dense layer")


def test_cnn_layer_shapes() -> None:
    image = np.arange(784.0).reshape(28, 28)
    filtered = [[(image[i : i + 3, j : j + 3]).sum() for j in range(28 - 3 + 1)] for i in range(28 - 3 + 1)]
    assert (
        len(filtered)
        == len(filtered[0])
        == value("shape-check", "side of the maps after a 3 x 3 convolution of 28 x 28")
    )
    assert 10 * len(filtered) ** 2 == value("shape-check", "values after flattening")
    assert value("shape-check", "parameters of the course's CNN") == 10 * 9 + 10 + 6760 * 10 + 10


def test_xor_sgd_slower_than_adam() -> None:
    task = find_entry("xor").make()
    x, y = task.train.batch(torch.arange(4))
    ratios = []
    for seed in outcome("xor-optim").seeds:
        ends = []
        for kind in (torch.optim.SGD, torch.optim.Adam):
            model = task.make_model(seed)
            optimizer = kind(model.parameters(), lr=0.1)
            for _ in range(300):
                optimizer.zero_grad()
                ((model(x) - y) ** 2).mean().backward()
                optimizer.step()
            ends.append(float(((model(x) - y) ** 2).mean().detach()))
        ratios.append(ends[0] / ends[1])
    measured = value("xor-optim", "final XOR loss of SGD over that of Adam, both at 0.1")
    assert np.median(ratios) == pytest.approx(measured, rel=0.01)


def test_restart_or_lr_change_unsticks() -> None:
    stuck = 0
    first = outcome("unstick").seeds[0]
    seeds = range(first, first + unstick.NETS["quick"])
    x, target = np.array(INPUTS), np.array(TARGETS)
    for seed in seeds:
        w1, b1, w2, b2 = xor_nets(seed)
        for _ in range(1000):
            a1 = 1 / (1 + np.exp(-(x @ w1 + b1)))
            out = 1 / (1 + np.exp(-(a1 @ w2 + b2)))
            at_output = (out - target) * out * (1 - out)
            at_hidden = np.outer(at_output, w2) * a1 * (1 - a1)
            w1, b1 = w1 - x.T @ at_hidden, b1 - at_hidden.sum(0)
            w2, b2 = w2 - a1.T @ at_output, b2 - at_output.sum()
        out = 1 / (1 + np.exp(-(1 / (1 + np.exp(-(x @ w1 + b1))) @ w2 + b2)))
        stuck += not all((one > 0.5) == (wanted > 0.5) for one, wanted in zip(out, target, strict=True))
    assert stuck / len(seeds) == pytest.approx(value("unstick", "share of XOR nets that are stuck"))


def test_large_lr_outlier_sensitive() -> None:
    jumps, errors = [], []
    for seed in outcome("outlier").seeds:
        x, y, xv, yv = (one.double().numpy() for one in outlier._data(seed))
        fitted = np.linalg.lstsq(xv, yv, rcond=None)[0]
        jumps.append(0.15 * 2 * abs(float((x[:1] @ fitted - y[:1]).item())) * float(np.linalg.norm(x[0])))
        # Where full training with the squared error ends: least squares with a constant, whatever the rate.
        with_constant = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
        errors.append(float(np.mean((np.c_[xv, np.ones(len(xv))] @ with_constant - yv) ** 2)))
    assert np.mean(jumps) == pytest.approx(value("outlier", "jump by one outlier at rate 0.15"), rel=1e-4)
    assert np.mean(errors) == pytest.approx(
        value("outlier", "error on clean data at the largest rate, squared error"), rel=1e-3
    )


def test_backprop_cures_vanishing() -> None:
    digits = find_entry("digits").make()
    x, y = (one.double().numpy() if one.is_floating_point() else one.numpy()
            for one in digits.train.batch(torch.arange(digits.train.size)))  # fmt: skip
    sizes = []
    for seed in outcome("vanish").seeds:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = mlp((64, *[32] * 8, 10), activation="sigmoid")
        weights = [one.detach().double().numpy() for one in model.parameters() if one.ndim == 2]
        biases = [one.detach().double().numpy() for one in model.parameters() if one.ndim == 1]
        layers = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            layers.append(1 / (1 + np.exp(-(layers[-1] @ w.T + b))))
        scores = layers[-1] @ weights[-1].T + biases[-1]
        chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        chances[np.arange(len(y)), y] -= 1
        back = chances / len(y)
        for w, layer in zip(weights[:0:-1], layers[:0:-1], strict=True):
            back = back @ w * layer * (1 - layer)
        sizes.append(np.linalg.norm(back.T @ x))
    assert np.mean(sizes) == pytest.approx(
        value("vanish", "first-layer gradient at the start, 8 sigmoid layers"), rel=0.02
    )
