"""The closed forms against the thing itself: iterated maps exactly, noisy ones within three standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.errors import InputError
from surefoot.maths import quadratics as q

RULES = ["plain", "heavy-ball", "nesterov", "averaged", "averaged-nesterov"]
CHAINS = 20_000


def walk(h, lr, rule, beta, decay, steps, w=1.0, look=None):
    """The rule itself, step by step."""
    m, path = 0.0, [w]
    look = beta if look is None else look
    for _ in range(steps):
        g = h * w
        w = w - lr * decay * w
        if rule == "plain":
            w = w - lr * g
        else:
            m = beta * m + ((1 - beta) if rule.startswith("averaged") else 1.0) * g
            direct, ahead = ((1 - look) * g, look) if rule == "averaged-nesterov" else (g, beta)
            w = w - lr * (direct + ahead * m if rule.endswith("nesterov") else m)
        path.append(w)
    return np.array(path)


def noisy(h, lr, c, batch, steps, rng, beta=0.0, start=0.0):
    w, m = np.full(CHAINS, start), np.zeros(CHAINS)
    for _ in range(steps):
        m = beta * m + h * w + math.sqrt(c / batch) * rng.standard_normal(CHAINS)
        w = w - lr * m
    return w


def within_three_errors(samples, exact):
    """Whether the mean of independent samples is within three standard errors of `exact`."""
    return abs(np.mean(samples) - exact) <= 3 * np.std(samples, ddof=1) / math.sqrt(len(samples))


@pytest.mark.parametrize("lr", [0.1, 0.5, 0.95, 1.05])
def test_1_descent(lr):
    h = 2 * 1.0  # of x², in x²/20 + y²
    path = q.descent_path(h, lr, 1.0, 200)
    assert path == pytest.approx(walk(h, lr, "plain", 0, 0, 200), rel=1e-9)
    flips = int(np.sum(path[1:] * path[:-1] < 0))
    assert flips == (200 if lr * h > 1 else 0)
    assert (abs(path[-1]) > 1) == (lr * h > 2)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("rule", RULES)
def test_2_limits_are_where_the_radius_crosses_one(rule, beta, decay):
    h = 3.0
    limit = q.stability_limit(h, rule, beta, decay)
    assert q.path_radius(h, limit * (1 - 1e-4), rule, beta, decay) <= 1 + 1e-12
    assert q.path_radius(h, limit * (1 + 1e-4), rule, beta, decay) > 1
    below, above = (np.abs(walk(h, limit * s, rule, beta, decay, 40_000)[-50:]).max() for s in (0.99, 1.01))
    assert below < 1e-1 < 1e1 < above or math.isnan(above)


@pytest.mark.parametrize("look", [0.0, 0.45, 0.8])
def test_2_limits_where_the_step_looks_ahead_by_less_than_the_momentum(look):
    rule, beta, decay = "averaged-nesterov", 0.9, 0.2
    limit = q.stability_limit(3.0, rule, beta, decay, look)
    assert q.path_radius(3.0, limit * (1 - 1e-4), rule, beta, decay, look) <= 1 + 1e-12
    assert q.path_radius(3.0, limit * (1 + 1e-4), rule, beta, decay, look) > 1
    below, above = (np.abs(walk(3.0, limit * s, rule, beta, decay, 5000, look=look)[-50:]).max() for s in (0.99, 1.01))
    assert below < 1e-1 < 1e1 < above or math.isnan(above)
    over = q.overshoot_lr(3.0, rule, beta, look)
    signs = [walk(3.0, s * over, rule, beta, 0, 1, look=look)[1] for s in (0.999, 1.001)]
    assert signs[0] > 0 > signs[1]


def test_2_limits_have_the_published_forms():
    assert q.stability_limit(4.0) == 0.5
    assert q.stability_limit(4.0, "heavy-ball", 0.9) == pytest.approx(3.8 / 4)
    assert q.stability_limit(4.0, "nesterov", 0.9) == pytest.approx(3.8 / 2.8 / 4)
    assert q.stability_limit(1.0, "averaged", 0.9) == pytest.approx(38.0)
    assert q.stability_limit(-1.0) == math.inf
    assert q.stability_limit(-1.0, decay=3.0) == pytest.approx(1.0)


@pytest.mark.parametrize("rule", RULES)
def test_above_the_overshoot_a_step_from_rest_changes_sign(rule):
    lr = q.overshoot_lr(3.0, rule, 0.6)
    assert walk(3.0, 0.999 * lr, rule, 0.6, 0, 1)[1] > 0 > walk(3.0, 1.001 * lr, rule, 0.6, 0, 1)[1]
    assert lr <= q.stability_limit(3.0, rule, 0.6)


def test_3_the_best_momentum():
    lr, beta, factor = q.best_momentum(1.0, 100.0)
    radius = max(q.path_radius(h, lr, "heavy-ball", beta) for h in (1.0, 10.0, 50.0, 100.0))
    # At the ends both eigenvalues are equal: rounding splits them by the square root of itself.
    assert radius == pytest.approx(factor, abs=1e-6)
    for other in ((1.05 * lr, beta), (lr, beta - 0.05)):
        assert max(q.path_radius(h, other[0], "heavy-ball", other[1]) for h in (1.0, 100.0)) > factor


def test_4_risk_and_floor():
    h, lr, c, batch, steps = 1.5, 0.4, 2.0, 4, 12
    rng = np.random.default_rng(1)
    exact = q.risk_path(h, lr, c, batch, 0.5 * h, steps)
    assert within_three_errors(0.5 * h * noisy(h, lr, c, batch, steps, rng, start=1.0) ** 2, exact[-1])
    settled = 0.5 * h * noisy(h, lr, c, batch, 60, rng) ** 2
    assert within_three_errors(settled, q.noise_floor(h, lr, c, batch))
    assert 2 * q.noise_floor(h, lr, c, batch) / h == pytest.approx(lr * c / (batch * h * (2 - lr * h)))
    assert q.noise_floor(1.0, 2.0, 1.0, 1) == math.inf


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_5_the_floor_with_momentum(beta):
    rng = np.random.default_rng(2)
    settled = 0.5 * noisy(1.0, 0.3, 1.0, 2, 200, rng, beta=beta) ** 2
    assert within_three_errors(settled, q.noise_floor(1.0, 0.3, 1.0, 2, beta))


def test_6_an_average_of_the_weights():
    h, lr, gamma = 1.0, 0.3, 0.8
    rng = np.random.default_rng(3)
    w, mean = np.zeros(CHAINS), np.zeros(CHAINS)
    for _ in range(120):
        w = w - lr * (h * w + rng.standard_normal(CHAINS))
        mean = gamma * mean + (1 - gamma) * w
    floor = 2 * q.noise_floor(h, lr, 1.0, 1) / h
    assert within_three_errors(mean**2, floor * q.averaged_variance(h, lr, gamma))


def test_7_the_stationary_covariance():
    rng = np.random.default_rng(4)
    H = np.array([[2.0, 0.5], [0.5, 1.0]])
    root = np.array([[1.0, 0.0], [0.6, 0.8]])
    C, lr, batch = root @ root.T, 0.3, 2
    S = q.stationary_covariance(H, C, lr, batch)
    assert H @ S + S @ H - lr * H @ S @ H == pytest.approx(lr / batch * C)
    w = np.zeros((CHAINS, 2))
    for _ in range(80):
        w = w - lr * (w @ H + rng.standard_normal((CHAINS, 2)) @ root.T / math.sqrt(batch))
    assert within_three_errors(w[:, 0] * w[:, 1], S[0, 1])
    assert within_three_errors(w[:, 0] ** 2, S[0, 0])


def test_8_without_replacement():
    values = np.random.default_rng(5).standard_normal(6)
    from itertools import combinations

    means = [np.mean(one) for one in combinations(values, 4)]
    exact = q.without_replacement(float(np.var(values, ddof=1)), 4, 6)
    assert np.mean((np.array(means) - values.mean()) ** 2) == pytest.approx(exact, rel=1e-12)


def test_9_when_decay_ends_flips_and_growth():
    h, lr, k = 20.0, 0.5, 0.2
    last_flip, last_growth = q.decay_times(h, lr, k)
    w, path = 1.0, [1.0]
    for t in range(80):
        w = w * (1 - lr / (1 + k * t) * h)
        path.append(w)
    path = np.array(path)
    assert last_flip == pytest.approx(45.0)
    assert int(np.flatnonzero(path[1:] * path[:-1] < 0)[-1]) == 44  # the last time below 45
    assert int(np.flatnonzero(np.abs(path[1:]) > np.abs(path[:-1]))[-1]) == math.ceil(last_growth) - 1


def test_10_decayed_noise():
    h, lr, c, batch, steps = 2.0, 0.25, 3.0, 2, 60
    k = h * lr
    mean, variance = q.decayed_moments(h, lr, k, c, batch, 1.5, steps)
    t0 = 1 / k
    assert mean == pytest.approx(1.5 * (t0 - 1) / (steps + t0 - 1), rel=1e-9)
    assert variance == pytest.approx(steps * (c / batch) / (h * (steps + t0 - 1)) ** 2, rel=1e-9)
    rng = np.random.default_rng(6)
    w = np.full(CHAINS, 1.5)
    for t in range(steps):
        w = w - lr / (1 + k * t) * (h * w + math.sqrt(c / batch) * rng.standard_normal(CHAINS))
    assert within_three_errors(w**2, variance + mean**2)


def test_10_a_slower_decay_has_chungs_variance():
    h, a, c, batch, steps = 1.0, 2.0, 1.0, 1, 4000  # lr_t about a / t
    k = 0.25
    _, variance = q.decayed_moments(h, a * k, k, c, batch, 0.0, steps)
    assert variance == pytest.approx(a * a * c / (batch * (2 * a * h - 1) * steps), rel=0.01)


def test_11_mean_square_stability():
    curvatures = np.array([0.2, 0.5, 1.5, 2.8])
    a, s2, batch = curvatures.mean(), curvatures.var(), 2
    lr = q.mean_square_limit(a, s2, batch, 4)
    assert q.mean_square_factor(a, s2, lr, batch, 4) == pytest.approx(1.0)
    from itertools import combinations

    exact = np.mean([(1 - lr * np.mean(one)) ** 2 for one in combinations(curvatures, batch)])
    assert exact == pytest.approx(1.0)
    assert q.mean_square_limit(a, s2, 4, 4) == pytest.approx(2 / a)


def test_12_gaussian_least_squares():
    a, batch = 1.5, 3
    lr = q.gaussian_least_squares_limit(a, batch)
    x = math.sqrt(a) * np.random.default_rng(7).standard_normal((200_000, batch))
    assert within_three_errors((1 - lr * np.mean(x * x, axis=1)) ** 2, 1.0)


def test_13_the_best_rate_for_a_batch():
    rng = np.random.default_rng(8)
    root = rng.standard_normal((3, 3))
    H, G = root @ root.T + np.eye(3), rng.standard_normal(3)
    S = np.diag([0.5, 1.0, 2.0])
    best, largest, scale = q.best_batch_rate(G, H, S, 5)
    rates = np.linspace(0, 2 * largest, 4001)
    falls = [q.expected_drop(G, H, S, lr, 5) for lr in rates]
    assert rates[int(np.argmax(falls))] == pytest.approx(best, abs=largest / 2000)
    assert best == pytest.approx(largest / (1 + scale / 5))
    assert q.best_batch_rate(G, H, S, scale)[0] == pytest.approx(largest / 2)
    noise = rng.standard_normal((CHAINS, 3)) * np.sqrt(np.diag(S) / 5)
    step = -best * (G + noise)
    change = step @ G + 0.5 * np.einsum("ki,ij,kj->k", step, H, step)
    assert within_three_errors(-change, q.expected_drop(G, H, S, best, 5))


@pytest.mark.parametrize(
    ("product", "ends"), [(1.0, "lazy"), (1.9, "lazy"), (2.5, "flat"), (3.5, "flat"), (4.2, "gone")]
)
def test_15_the_catapult(product, ends):
    n, rng = 64, np.random.default_rng(9)
    u, v = rng.standard_normal(n), rng.standard_normal(n)
    v += (1 - v @ u / math.sqrt(n)) * math.sqrt(n) * u / (u @ u)
    lam0 = (u @ u + v @ v) / n
    lr = product / lam0
    f, lam = q.catapult_path(1.0, lam0, lr, n, 200)
    for t in range(30):
        error = v @ u / math.sqrt(n)
        if abs(error) > 1e6:
            break
        assert error == pytest.approx(f[t], rel=1e-6, abs=1e-9)
        assert (u @ u + v @ v) / n == pytest.approx(lam[t], rel=1e-8)
        u, v = u - lr * error * v / math.sqrt(n), v - lr * error * u / math.sqrt(n)
    if ends == "gone":
        assert abs(f[-1]) > 1e6
    else:
        assert abs(f[-1]) < 1e-6
        assert (lr * lam[-1] < product - 0.2) == (ends == "flat")
        assert lr * lam[-1] < 2


def test_17_principal_components_of_a_random_walk():
    rng = np.random.default_rng(10)
    shares = q.walk_shares(2)
    assert shares == pytest.approx([0.6079, 0.1520], abs=1e-4)
    found = []
    for _ in range(20):
        walk_ = np.cumsum(rng.standard_normal((200, 4000)), axis=0)
        gram = (walk_ - walk_.mean(axis=0)) @ (walk_ - walk_.mean(axis=0)).T
        values = np.linalg.eigvalsh(gram)[::-1]
        found.append(values[:2] / values.sum())
    # The formula is the limit of many steps and dimensions: 200 steps and 4,000 dimensions leave a percent.
    assert np.mean(found, axis=0) == pytest.approx(shares, rel=0.02)


def test_bad_rules_are_refused():
    with pytest.raises(InputError, match="`rule` is 'newton'"):
        q.stability_limit(1.0, "newton")
    with pytest.raises(InputError, match="`beta` is 1"):
        q.stability_limit(1.0, "heavy-ball", 1.0)
