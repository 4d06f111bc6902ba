"""The answer key of paths down a bowl, against plain loops, torch, and the formulae."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from surefoot.maths.bowl import exact_path, flip_steps, regime
from surefoot.maths.quadratics import decay_times, descent_path

EIGENVALUES = (10.0, 1.0, -0.5)
START = (0.9, 1.8, 0.1)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.6}, {"momentum": 0.6, "nesterov": True}])
def test_torch_walks_the_same_path(options):
    rates = 0.12 / (1 + 0.1 * np.arange(30))
    point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    steep = torch.tensor(EIGENVALUES, dtype=torch.float64)
    optimizer = torch.optim.SGD([point], lr=1.0, **options)
    walked = [point.detach().clone()]
    for rate in rates:
        optimizer.param_groups[0]["lr"] = float(rate)
        point.grad = steep * point.detach()
        optimizer.step()
        walked.append(point.detach().clone())
    exact = exact_path(START, EIGENVALUES, rates, options.get("momentum", 0.0), nesterov="nesterov" in options)
    np.testing.assert_allclose(torch.stack(walked).numpy(), exact, rtol=1e-11, atol=1e-14)


def test_a_constant_rate_gives_the_closed_form():
    path = exact_path(START, EIGENVALUES, np.full(40, 0.15))
    for place, value in enumerate(EIGENVALUES):
        np.testing.assert_allclose(path[:, place], descent_path(value, 0.15, START[place], 40), rtol=1e-12)


def test_flips_by_hand_and_none_of_what_is_rounding():
    assert flip_steps(np.array([1.0, -0.5, 0.25, 0.2, -0.1])).tolist() == [0, 1, 3]
    assert flip_steps(np.array([1.0, 0.0, 1e-17, -1e-17])).tolist() == []
    assert flip_steps(np.array([1.0, -1e-16, 1e-17, -1e-18])).tolist() == []
    assert flip_steps(np.array([1.0, -np.inf, np.nan])).tolist() == [0]


@pytest.mark.parametrize(("lr", "k"), [(0.3, 0.15), (0.25, 0.021), (0.95, 0.7), (0.117, 0.011)])
def test_the_last_flip_under_inverse_time_decay_is_the_last_step_before_the_bound(lr, k):
    rates = lr / (1 + k * np.arange(400))
    flips = flip_steps(exact_path([1.0], [10.0], rates)[:, 0])
    calm, shrinking = decay_times(10.0, lr, k)
    assert flips[-1] == int(np.ceil(calm)) - 1
    assert flips.tolist() == list(range(len(flips)))
    size = np.abs(exact_path([1.0], [10.0], rates)[:, 0])
    growing = np.flatnonzero(np.diff(size) > 0)
    assert len(growing) == int(np.ceil(shrinking))


@pytest.mark.parametrize(
    ("eigenvalue", "rates", "words"),
    [
        (10, [0.05, 0.05], "monotone"),
        (10, [0.1, 0.1], "monotone"),
        (10, [0.11, 0.11], "flips"),
        (10, [0.2, 0.2], "flips"),
        (10, [0.21, 0.21], "diverges"),
        (10, [0.19, 0.05], "flips, then settles"),
        (10, [0.3, 0.05], "grows, then settles"),
        (-1, [0.1], "leaves"),
    ],
)
def test_regimes(eigenvalue, rates, words):
    assert regime(eigenvalue, rates) == words
    size = np.abs(exact_path([1.0], [eigenvalue], [rates[-1]] * 60)[:, 0])
    assert (size[-1] > 1.5) == (words in ("diverges", "leaves"))
