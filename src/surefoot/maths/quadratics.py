"""Quadratics: what gradient descent does on ½ h w², exactly. The answer key for everything that is measured.

Letters: `h` curvature (an eigenvalue of the Hessian), `lr` the rate, `beta` momentum, `batch` examples per batch, `c`
variance of a single example's gradient. A *rule* is how a gradient becomes a step:

- ``plain``: w ← w - lr g
- ``heavy-ball``: m ← beta m + g;  w ← w - lr m                       (torch's SGD with momentum)
- ``nesterov``: m ← beta m + g;  w ← w - lr (g + beta m)              (torch's SGD with nesterov=True)
- ``averaged``: m ← beta m + (1 - beta) g;  w ← w - lr m              (Adam's, with its preconditioner in h)
- ``averaged-nesterov``: the same m;  w ← w - lr ((1 - look) g + look m)   (NAdam's; `look` is beta if not given)

On a quadratic g = h w, so each rule is a 2 x 2 matrix that acts on every eigen-direction by itself; it is stable while
the matrix's largest eigenvalue in magnitude, its *radius*, is at most 1.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from surefoot.errors import InputError

__all__ = [
    "Rule",
    "averaged_variance",
    "best_batch_rate",
    "best_momentum",
    "catapult_path",
    "decay_times",
    "decayed_moments",
    "descent_path",
    "expected_drop",
    "gaussian_least_squares_limit",
    "mean_square_factor",
    "mean_square_limit",
    "noise_floor",
    "overshoot_lr",
    "path_radius",
    "risk_path",
    "stability_limit",
    "stationary_covariance",
    "walk_shares",
    "without_replacement",
]

Floats = npt.NDArray[np.float64]
Rule = Literal["plain", "heavy-ball", "nesterov", "averaged", "averaged-nesterov"]
RULES: tuple[Rule, ...] = ("plain", "heavy-ball", "nesterov", "averaged", "averaged-nesterov")


def descent_path(h: float, lr: float, start: float, steps: int) -> Floats:
    """w_t = (1 - lr h)^t w_0 for t = 0 … steps.

    Monotone for lr h below 1, changes sign at every step above 1, grows above 2 (Goh, Why momentum really works, 2017).
    """
    return np.asarray(start * (1.0 - lr * h) ** np.arange(steps + 1, dtype=np.float64))


def stability_limit(
    h: float, rule: Rule = "plain", beta: float = 0.0, decay: float = 0.0, look: float | None = None
) -> float:
    """Largest stable rate at curvature `h`; infinity where `h` (with decay) is not above 0.

    2 / h plain; (2 + 2 beta) / h heavy ball; (2 + 2 beta) / ((1 + 2 beta) h) Nesterov (Cohen et al. 2021,
    arXiv 2103.00065); (2 + 2 beta) / ((1 - beta) h) with an averaged momentum (Cohen et al. 2022, arXiv 2207.14484).

    Args:
        h: curvature; weight decay that is added to the gradient is part of it.
        rule: see the module's text.
        beta: momentum, from 0 to below 1.
        decay: weight decay apart from the gradient (AdamW: w ← (1 - lr decay) w first), from 0.
        look: share of m in the step of ``averaged-nesterov``; None takes `beta`.

    Raises:
        InputError: no such rule, or a momentum out of its range.
    """
    _check(rule, beta)
    look = beta if look is None else look
    # At the limit the characteristic polynomial has the root -1: 2 (1 + beta) = lr (gain h + (1 + beta) decay).
    gain = {
        "plain": 1.0,
        "heavy-ball": 1.0,
        "nesterov": 1.0 + 2.0 * beta,
        "averaged": 1.0 - beta,
        "averaged-nesterov": 1.0 + beta - 2.0 * look * beta,
    }[rule]
    inertia = 1.0 if rule == "plain" else 1.0 + beta
    push = gain * h + inertia * decay
    return 2.0 * inertia / push if push > 0 else math.inf


def overshoot_lr(h: float, rule: Rule = "plain", beta: float = 0.0, look: float | None = None) -> float:
    """Rate above which one step from rest jumps across the valley: 1 / h for plain descent and heavy ball."""
    _check(rule, beta)
    look = beta if look is None else look
    gain = {
        "plain": 1.0,
        "heavy-ball": 1.0,
        "nesterov": 1.0 + beta,
        "averaged": 1.0 - beta,
        "averaged-nesterov": 1.0 - look * beta,
    }[rule]
    return 1.0 / (gain * h) if h > 0 else math.inf


def path_radius(
    h: float, lr: float, rule: Rule = "plain", beta: float = 0.0, decay: float = 0.0, look: float | None = None
) -> float:
    """Largest magnitude of the eigenvalues of one step, (w, m) to (w, m): the slow twin of `stability_limit`."""
    _check(rule, beta)
    look = beta if look is None else look
    if rule == "plain":
        return abs(1.0 - lr * decay - lr * h)
    share = 1.0 - beta if rule.startswith("averaged") else 1.0
    from_w, from_m = share * h, beta  # m' = from_w w + from_m m
    own = 1.0 - lr * decay
    if rule.endswith("nesterov"):
        direct, ahead = (1.0 - look, look) if rule.startswith("averaged") else (1.0, beta)
        step = [[own - lr * (direct * h + ahead * from_w), -lr * ahead * from_m], [from_w, from_m]]
    else:
        step = [[own - lr * from_w, -lr * from_m], [from_w, from_m]]
    return float(np.abs(np.linalg.eigvals(np.array(step))).max())


def best_momentum(smallest: float, largest: float) -> tuple[float, float, float]:
    """Rate and momentum of the fastest heavy ball between two eigenvalues, and its factor per step √beta (Polyak)."""
    root = math.sqrt(largest / smallest)
    beta = ((root - 1.0) / (root + 1.0)) ** 2
    return (2.0 / (math.sqrt(largest) + math.sqrt(smallest))) ** 2, beta, math.sqrt(beta)


def risk_path(h: float, lr: float, c: float, batch: int, start_loss: float, steps: int) -> Floats:
    """Mean loss after t = 0 … steps noisy steps: (1-lr h)^2t L₀ + (1 - (1-lr h)^2t) floor (Zhang et al. 2019)."""
    shrink = (1.0 - lr * h) ** (2.0 * np.arange(steps + 1))
    return np.asarray(shrink * start_loss + (1.0 - shrink) * noise_floor(h, lr, c, batch))


def noise_floor(h: float, lr: float, c: float, batch: float, beta: float = 0.0) -> float:
    """Mean loss that a constant rate settles at: lr c (1 + beta) / (2 batch (2 + 2 beta - lr h) (1 - beta)).

    Heavy ball; `beta` 0 is plain descent. Zhang et al. 2019 (arXiv 1907.04164). Infinity from the stability limit on.
    """
    room = 2.0 + 2.0 * beta - lr * h
    return lr * c * (1.0 + beta) / (2.0 * batch * room * (1.0 - beta)) if room > 0 else math.inf


def averaged_variance(h: float, lr: float, gamma: float) -> float:
    """Factor by which an average a ← gamma a + (1 - gamma) w has less variance than w itself; plain descent."""
    keep = 1.0 - lr * h
    return (1.0 - gamma) * (1.0 + gamma * keep) / ((1.0 + gamma) * (1.0 - gamma * keep))


def stationary_covariance(H: Floats, C: Floats, lr: float, batch: float) -> Floats:
    """Covariance S of the weights under plain noisy descent: H S + S H - lr H S H = (lr / batch) C, exactly.

    Liu, Ziyin, Ueda 2021 (arXiv 2012.03636); without the last term it is Mandt et al. 2017, right for small lr.
    `H` [n, n] symmetric and positive, `C` [n, n] covariance of a single gradient.
    """
    values, axes = np.linalg.eigh(H)
    turned = axes.T @ C @ axes
    scale = values[:, None] + values[None, :] - lr * values[:, None] * values[None, :]
    return np.asarray(axes @ (lr / batch * turned / scale) @ axes.T)


def without_replacement(variance: float, batch: int, size: int) -> float:
    """Variance of the mean of `batch` of `size` examples drawn without repetition: S (1/batch - 1/size).

    `variance` S is the sample variance (divisor size - 1) over all examples.
    """
    return variance * (1.0 / batch - 1.0 / size)


def decay_times(h: float, lr: float, k: float) -> tuple[float, float]:
    """Last times of a change of sign and of growth at lr / (1 + k t): (lr h - 1) / k and (lr h / 2 - 1) / k."""
    return max(0.0, (lr * h - 1.0) / k), max(0.0, (lr * h / 2.0 - 1.0) / k)


def decayed_moments(
    h: float, lr: float, k: float, c: float, batch: int, start: float, steps: int
) -> tuple[float, float]:
    """Mean and variance of w after `steps` noisy steps at lr / (1 + k t), t from 0, by the exact recursion.

    With k = h lr the product telescopes: mean w₀ (t₀ - 1) / (T + t₀ - 1), variance T (c / batch) / (h (T + t₀ - 1))²
    with t₀ = 1 / k.
    """
    mean, variance = start, 0.0
    for t in range(steps):
        now = lr / (1.0 + k * t)
        keep = 1.0 - now * h
        mean, variance = keep * mean, keep * keep * variance + now * now * c / batch
    return mean, variance


def mean_square_factor(a: float, s2: float, lr: float, batch: int, size: int) -> float:
    """Growth of E w² per step when examples have curvatures of mean `a` and variance `s2` (Wu, Ma, E 2018).

    (1 - lr a)² + lr² s2 (size - batch) / (batch (size - 1)); stable while at most 1. `s2` has the divisor size.
    """
    spread = s2 * (size - batch) / (batch * (size - 1)) if size > 1 else 0.0
    return (1.0 - lr * a) ** 2 + lr * lr * spread


def mean_square_limit(a: float, s2: float, batch: int, size: int) -> float:
    """Largest rate at which `mean_square_factor` is at most 1."""
    spread = s2 * (size - batch) / (batch * (size - 1)) if size > 1 else 0.0
    return 2.0 * a / (a * a + spread)


def gaussian_least_squares_limit(a: float, batch: int) -> float:
    """The same for y = w x with x normal of variance `a` and fresh examples at every step: 2 B / (a (B + 2))."""
    return 2.0 * batch / (a * (batch + 2.0))


def expected_drop(G: Floats, H: Floats, S: Floats, lr: float, batch: float) -> float:
    """Expected fall of a quadratic loss in one step: lr |G|² - ½ lr² (G·HG + tr(H S) / batch).

    McCandlish et al. 2018 (arXiv 1812.06162). `G` [n] mean gradient, `S` [n, n] covariance of a single one.
    """
    return float(lr * G @ G - 0.5 * lr * lr * (G @ H @ G + np.trace(H @ S) / batch))


def best_batch_rate(G: Floats, H: Floats, S: Floats, batch: float) -> tuple[float, float, float]:
    """Rate with the largest expected fall, the one of the whole data, and the noise scale tr(H S) / (G·HG).

    best = largest / (1 + noise scale / batch), largest = |G|² / (G·HG).
    """
    along = float(G @ H @ G)
    largest, scale = float(G @ G) / along, float(np.trace(H @ S)) / along
    return largest / (1.0 + scale / batch), largest, scale


def catapult_path(error: float, sharpness: float, lr: float, width: int, steps: int) -> tuple[Floats, Floats]:
    """Error f and sharpness λ of a two-layer linear net on one example, t = 0 … steps (Lewkowycz et al. 2020).

    f' = f (1 - lr λ + lr² f² / n);  λ' = λ + (lr f² / n) (lr λ - 4). Lazy for lr λ₀ below 2; up to 4 the error grows
    until λ has fallen (the catapult); above 4 both grow without end. The series end early when they overflow.
    """
    f, lam = [error], [sharpness]
    for _ in range(steps):
        now, curve = f[-1], lam[-1]
        if abs(now) > 1e100:
            break
        f.append(now * (1.0 - lr * curve + lr * lr * now * now / width))
        lam.append(curve + lr * now * now / width * (lr * curve - 4.0))
    return np.array(f), np.array(lam)


def walk_shares(count: int) -> Floats:
    """Share of the variance that the first `count` principal components of a long random walk hold: 6 / (π² k²).

    Antognini, Sohl-Dickstein 2018 (arXiv 1806.08805).
    """
    return np.asarray(6.0 / (math.pi * np.arange(1, count + 1)) ** 2)


def _check(rule: str, beta: float) -> None:
    if rule not in RULES:
        raise InputError(f"`rule` is {rule!r}; there are {', '.join(RULES)}")
    if not 0.0 <= beta < 1.0:
        raise InputError(f"`beta` is {beta}; momentum is from 0 to below 1")
