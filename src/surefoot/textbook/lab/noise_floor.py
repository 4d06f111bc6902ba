"""`noise-floor`: the height at which a constant rate stops getting lower, measured and predicted.

On the bowl h w²/2 with gradient noise of variance c per example, batches of B settle at the mean loss
lr c / (2 B (2 - lr h)); with momentum beta at lr c (1 + beta) / (2 B (2 + 2 beta - lr h) (1 - beta)); an average of the
weights settles lower, and a rate that decays like 1 / t has no floor (Zhang et al. 2019, arXiv 1907.04164). For a real
regression the covariance of the weights solves H S + S H - lr H S H = (lr / B) C, and the floor is tr(H S) / 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from surefoot.maths.quadratics import (
    averaged_variance,
    decayed_moments,
    gaussian_least_squares_limit,
    noise_floor,
    stationary_covariance,
)
from surefoot.records import Provenance, float_series
from surefoot.tasks.catalogue import find_entry
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["regression", "run", "settled"]

Floats = npt.NDArray[np.float64]

CURVATURE, VARIANCE, BATCH = 1.0, 1.0, 8
LRS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MOMENTA = (0.5, 0.9)
MOMENTUM_LR = 0.1
GAMMA = 0.9
DIRECTIONS = 5
REGRESSION_BATCHES = (4, 16)
REGRESSION_LR = 0.02


def run(setting: Setting, *, chains: int = 4000, steps: int = 400, walks: int = 400, seeds: int = 1) -> LabResult:
    """Let many noisy descents settle and compare their mean height with the formulas."""
    seed = setting.seed_list(seeds)[0]
    random = np.random.default_rng(seed)
    setting.say("bowls at six rates")
    plain = [settled(random, lr, 0.0, chains=chains, steps=steps)[0] for lr in LRS]
    exact = [noise_floor(CURVATURE, lr, VARIANCE, BATCH) for lr in LRS]
    setting.say("momentum and averaging")
    heavy = [settled(random, MOMENTUM_LR, beta, chains=chains, steps=steps)[0] for beta in MOMENTA]
    heavy_exact = [noise_floor(CURVATURE, MOMENTUM_LR, VARIANCE, BATCH, beta) for beta in MOMENTA]
    mean_of, averaged = settled(random, 0.2, 0.0, chains=chains, steps=steps)
    shrink = averaged / mean_of
    shrink_exact = averaged_variance(CURVATURE, 0.2, GAMMA)
    setting.say("a decaying rate")
    decayed, decayed_exact = _decayed(random, 4 * chains, steps)
    setting.say("linear regression on diabetes")
    rows = [_regression_row(random, batch, walks, steps) for batch in REGRESSION_BATCHES]
    reshuffled = _reshuffled(random, REGRESSION_BATCHES[0], walks, steps)

    ratios = [a / b for a, b in zip(plain, exact, strict=True)]
    verdicts = Verdicts()
    verdicts.compare(
        "bowl", [1.0] * len(LRS), ratios, within=0.05,
        what=f"measured over predicted floor on the bowl at the rates {', '.join(map(str, LRS))}",
    )  # fmt: skip
    verdicts.compare(
        "momentum", [1.0] * len(MOMENTA), [a / b for a, b in zip(heavy, heavy_exact, strict=True)], within=0.05,
        what=f"the same with heavy ball of momentum {', '.join(map(str, MOMENTA))} at rate {MOMENTUM_LR}",
    )  # fmt: skip
    verdicts.compare(
        "averaging", 1.0, shrink / shrink_exact, within=0.05,
        what=f"the share of the floor that an average of the weights (gamma {GAMMA}) leaves, over the formula",
    )  # fmt: skip
    verdicts.compare(
        "decay", 1.0, decayed / decayed_exact, within=0.05,
        what=f"mean square after {steps} steps at lr / (1 + k t), over the exact recursion",
    )  # fmt: skip
    verdicts.compare(
        "regression", [1.0] * len(rows), [one["measured"] / one["predicted"] for one in rows], within=0.05,
        what=f"floor of a linear regression on diabetes with batches of {', '.join(map(str, REGRESSION_BATCHES))}",
    )  # fmt: skip
    first = rows[0]
    facts: dict[str, Any] = {
        "lrs": list(LRS), "floors": plain, "floors_predicted": exact, "momentum_floors": heavy,
        "momentum_predicted": heavy_exact, "averaging": shrink, "averaging_predicted": shrink_exact,
        "decayed": decayed, "decayed_predicted": decayed_exact, "regression": rows, "reshuffled": reshuffled,
        "gaussian_limit": gaussian_least_squares_limit(CURVATURE, BATCH),
    }  # fmt: skip
    table = [
        *((f"bowl, rate {lr:g}", a, b) for lr, a, b in zip(LRS, plain, exact, strict=True)),
        *((f"bowl, momentum {m:g}", a, b) for m, a, b in zip(MOMENTA, heavy, heavy_exact, strict=True)),
        *((f"diabetes, batches of {one['batch']}", one["measured"], one["predicted"]) for one in rows),
    ]
    return LabResult(
        name="noise-floor",
        title="The noise floor",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"On the bowl the measured floor is within {max(abs(one - 1) for one in ratios):.1%} of the formula at "
            f"{len(LRS)} rates.",
            f"Averaging the weights leaves {shrink:.1%} of the floor (formula {shrink_exact:.1%}).",
            f"A linear regression settles {first['measured'] / first['predicted'] - 1:+.1%} from the prediction when "
            f"batches are drawn anew; with epochs in random order the floor is {reshuffled / first['measured']:.2f} "
            "times as high.",
        ),
        tables=(
            LabTable(
                "Noise floor", ("what", "measured", "predicted", "measured / predicted"),
                tuple((name, f"{a:.5g}", f"{b:.5g}", f"{a / b:.3f}") for name, a, b in table),
            ),
        ),
        panels=(
            Panel(
                "Floor of the bowl by rate", x_label="rate", y_label="mean height", x_log=True, y_log=True,
                curves=(
                    Curve("predicted", float_series(LRS), float_series(exact)),
                    Curve("measured", float_series(LRS), float_series(plain), marker="o", joined=False),
                ),
            ),
            Panel(
                "Measured over predicted", style="bars", y_label="ratio",
                bars={name: a / b for name, a, b in table}, marks={"agreement": 1.0},
            ),
        ),
        notes=(
            f"bowl: curvature {CURVATURE:g}, noise of variance {VARIANCE:g} per example, batches of {BATCH}; "
            f"{chains} descents side by side, {steps} steps after settling count",
            f"regression: diabetes on its {DIRECTIONS} main components, rate {REGRESSION_LR:g} / largest eigenvalue",
        ),
        provenance=Provenance.here(seeds={"first": seed}, data=find_entry("diabetes").make().checksum()),
    )  # fmt: skip


def settled(random: np.random.Generator, lr: float, beta: float, *, chains: int, steps: int) -> tuple[float, float]:
    """Mean height of the bowl over `steps` steps of noisy descents, and that of their running average.

    The descents begin at the minimum and first take as many steps as they need to forget that.
    """
    w, m, mean = np.zeros(chains), np.zeros(chains), np.zeros(chains)
    spread = (VARIANCE / BATCH) ** 0.5
    wait = int(12 / min(lr * CURVATURE / (1 - beta), 1.0) / 2) + int(6 / (1 - beta)) + int(6 / (1 - GAMMA))
    own = averaged = 0.0
    for step in range(wait + steps):
        m = beta * m + CURVATURE * w + spread * random.standard_normal(chains)
        w = w - lr * m
        mean = GAMMA * mean + (1 - GAMMA) * w
        if step >= wait:
            own += 0.5 * CURVATURE * float(np.mean(w * w)) / steps
            averaged += 0.5 * CURVATURE * float(np.mean(mean * mean)) / steps
    return own, averaged


def _decayed(random: np.random.Generator, chains: int, steps: int) -> tuple[float, float]:
    """Mean square of w at the end of a rate that decays like 1 / t: measured and exact."""
    lr, k, start = 0.5, 0.5 * CURVATURE, 1.0
    w = np.full(chains, start)
    spread = (VARIANCE / BATCH) ** 0.5
    for t in range(steps):
        w = w - lr / (1 + k * t) * (CURVATURE * w + spread * random.standard_normal(chains))
    mean, variance = decayed_moments(CURVATURE, lr, k, VARIANCE, BATCH, start, steps)
    return float(np.mean(w * w)), mean * mean + variance


def regression() -> tuple[Floats, Floats, Floats, Floats]:
    """Main components of diabetes, its target, the Hessian of half the mean square, and the best weights."""
    task = find_entry("diabetes").make()
    batch = task.train.batch(torch.arange(task.train.size))
    x, y = (np.asarray(one, dtype=np.float64) for one in batch)
    y = y.reshape(-1)
    x = x - x.mean(axis=0)
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    x = x @ axes[:DIRECTIONS].T
    x = x / x[:, 0].std()
    y = (y - y.mean()) / y.std()
    H = x.T @ x / len(x)
    return x, y, H, np.linalg.solve(H, x.T @ y / len(x))


def _regression_row(random: np.random.Generator, batch: int, walks: int, steps: int) -> dict[str, float]:
    """Floor of the regression with batches drawn anew, measured and predicted."""
    x, y, H, best = regression()
    lr = REGRESSION_LR / float(np.linalg.eigvalsh(H)[-1])
    single = x * (x @ best - y)[:, None]
    C = single.T @ single / len(x)
    predicted = 0.5 * float(np.trace(H @ stationary_covariance(H, C, lr, batch)))
    return {"batch": batch, "predicted": predicted, "measured": _walks(random, x, y, H, best, lr, batch, walks, steps)}


def _reshuffled(random: np.random.Generator, batch: int, walks: int, steps: int) -> float:
    x, y, H, best = regression()
    lr = REGRESSION_LR / float(np.linalg.eigvalsh(H)[-1])
    return _walks(random, x, y, H, best, lr, batch, walks, steps, anew=False)


def _walks(
    random: np.random.Generator,
    x: Floats,
    y: Floats,
    H: Floats,
    best: Floats,
    lr: float,
    batch: int,
    walks: int,
    steps: int,
    *,
    anew: bool = True,
) -> float:
    """Mean height above the best weights after settling: `walks` descents side by side, batches anew or by epochs."""
    wait = int(4 / (lr * float(np.linalg.eigvalsh(H)[0])))
    w = np.tile(best, (walks, 1))
    per_epoch = len(x) // batch
    order = np.empty((walks, 0), dtype=np.int64)
    total = 0.0
    for step in range(wait + 2 * steps):
        if anew:
            index = random.integers(0, len(x), (walks, batch))
        else:
            place = step % per_epoch
            if place == 0:
                order = random.permuted(np.tile(np.arange(len(x)), (walks, 1)), axis=1)
            index = order[:, place * batch : (place + 1) * batch]
        rows = x[index]
        off = np.einsum("kbd,kd->kb", rows, w) - y[index]
        w = w - lr * np.einsum("kbd,kb->kd", rows, off) / batch
        if step >= wait:
            away = w - best
            total += 0.5 * float(np.mean(np.einsum("kd,de,ke->k", away, H, away))) / (2 * steps)
    return total
