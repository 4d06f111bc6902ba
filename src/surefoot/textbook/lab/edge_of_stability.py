"""`edge-of-stability`: sharpness rises until it meets the limit of the optimizer in use, and hovers there.

Full-batch gradient descent at the rate eta trains a network until its sharpness reaches 2 / eta, and goes on training
there (Cohen et al. 2021, arXiv 2103.00065); with momentum beta at (2 + 2 beta) / eta; Adam with its preconditioned
sharpness at 38 / eta (Cohen et al. 2022, arXiv 2207.14484). With batches it is the batch sharpness that hovers, and the
sharpness of the whole loss stays below, the lower the smaller the batch (Andreyev, Beneventano 2024, arXiv 2412.20553).
A *ratio* here is sharpness over limit; its median and quartiles are over the second half of a training.
"""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.curvature.hvp import Hvp, batches_of
from surefoot.curvature.track import ShortRun
from surefoot.engines.pool import can_fork
from surefoot.records import Provenance, Recipe, float_series
from surefoot.tasks.borrowing import borrowed_rng, borrowed_threads
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.models.mlp import mlp
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["CASES", "Case", "chebyshev_task", "digits_task", "half_square", "run"]

EXAMPLES = 500
POINTS = 40
"""Measurements along a training."""
PROBES = 40
"""Batches behind a batch sharpness."""
WORKERS = 2


@dataclasses.dataclass(frozen=True)
class Case:
    """One training: what, how, how long, and what is expected of its ratio."""

    name: str
    data: str
    optimizer: str
    lr: float
    steps: int
    batch: int | str = "full"
    options: tuple[tuple[str, float], ...] = ()
    expected: str = "edge"
    """`edge`: the ratio is 1; `below`: the rate is too small to get there; `seen`: nothing is claimed."""


CASES = (
    Case("descent 0.05", "digits", "sgd", 0.05, 1000, expected="below"),
    Case("descent 0.3", "digits", "sgd", 0.3, 2000),
    Case("descent 0.4", "digits", "sgd", 0.4, 1500),
    Case("descent 0.5", "digits", "sgd", 0.5, 1500),
    Case("descent 1.0", "digits", "sgd", 1.0, 1000, expected="seen"),
    Case("heavy ball 0.6", "digits", "sgd", 0.6, 1500, options=(("momentum", 0.9),)),
    Case("Adam 0.001", "digits", "adam", 0.001, 1000, expected="below"),
    Case("Adam 0.005", "digits", "adam", 0.005, 1500),
    Case("Adam 0.01", "digits", "adam", 0.01, 1500),
    Case("batches of 64", "digits", "sgd", 0.6, 3000, batch=64, expected="seen"),
    Case("batches of 16", "digits", "sgd", 0.6, 3000, batch=16, expected="seen"),
    Case("Chebyshev 0.1", "chebyshev", "sgd", 0.1, 6000, expected="below"),
    Case("Chebyshev 0.2", "chebyshev", "sgd", 0.2, 6000, expected="seen"),
    Case("Chebyshev 0.4", "chebyshev", "sgd", 0.4, 6000),
)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What one training showed."""

    steps: list[int]
    ratios: list[float]
    eigenvalues: list[float]
    losses: list[float]
    batch_sharpness: float | None


def run(
    setting: Setting,
    *,
    seeds: int = 3,
    cases: Sequence[Case] = CASES,
    points: int = POINTS,
    workers: int = WORKERS,
) -> LabResult:
    """Train every case from every seed and follow its sharpness. `points` measurements a training."""
    chosen = setting.seed_list(seeds)
    jobs = [(case, seed, points) for case in cases for seed in chosen]
    results: dict[tuple[str, int], _Seen] = {}
    for (case, seed, _), seen in zip(jobs, _all(jobs, workers), strict=True):
        results[case.name, seed] = seen
        setting.say(f"{len(results)} of {len(jobs)} trainings")
    runs = [_summary(case, chosen, [results[case.name, seed] for seed in chosen]) for case in cases]
    medians = {one["name"]: one["ratio"]["median"] for one in runs}
    verdicts = Verdicts()
    edge = [case.name for case in cases if case.expected == "edge"]
    verdicts.compare(
        "ratio_at_the_edge",
        [1.0] * len(edge),
        [medians[name] for name in edge],
        share=0.05,
        what="median sharpness over limit in the second half: " + ", ".join(edge),
    )
    for case in cases:
        if case.expected == "below":
            verdicts.state(
                "too_small_" + case.name.replace(" ", "_").replace(".", "_").lower(),
                medians[case.name] < 0.6,
                what=f"{case.name} is too small a rate to get to the edge",
                when="its median ratio is below 0.6",
            )
    small, large = (next((one for one in runs if one["batch"] == size), None) for size in (16, 64))
    if small is not None and large is not None:
        verdicts.state(
            "smaller_batches_are_flatter",
            small["ratio"]["median"] < large["ratio"]["median"],
            what="the smaller the batch, the further below the limit the sharpness of the whole loss stays",
            when="the median ratio with batches of 16 is below that with batches of 64",
        )
    shown = [_curve(one, [results[one["name"], seed] for seed in chosen]) for one in runs]
    marks = {"the limit": 1.0}
    return LabResult(
        name="edge-of-stability",
        title="The edge of stability",
        **verdicts.fields(),
        facts={"runs": runs},
        sentences=tuple(_sentences(runs, edge, medians, small, large)),
        tables=(
            LabTable(
                "Sharpness over limit, second half of the training",
                ("training", "limit of the eigenvalue", "median", "quartiles", "over seeds", "rises of the loss"),
                tuple(
                    (
                        one["name"],
                        f"{one['limit']:.4g}",
                        f"{one['ratio']['median']:.3f}",
                        f"{one['ratio']['lower']:.3f} to {one['ratio']['upper']:.3f}",
                        ", ".join(f"{value:.3f}" for value in one["medians"]),
                        f"{one['rises']:.0%}",
                    )
                    for one in runs
                ),
            ),
        ),
        panels=(
            _panel("Gradient descent, digits", shown, runs, marks, "digits", "sgd", "full"),
            _panel("Adam, digits (preconditioned)", shown, runs, marks, "digits", "adam", "full"),
            _panel("Batches, digits", shown, runs, marks, "digits", "sgd", "batches"),
            _panel("Chebyshev polynomial of degree 5", shown, runs, marks, "chebyshev", "sgd", "full"),
        ),
        notes=(
            f"digits: {EXAMPLES} of scikit-learn's, centred, MLP 64-32-32-10 of tanh, half the squared error",
            "Chebyshev: 20 points of the polynomial of degree 5 on [-1, 1], one layer of 100 tanh",
            f"every training is measured {points} times, from {len(chosen)} seeds; eigenvalues to a thousandth",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=digits_task().checksum()),
    )


def digits_task() -> Task:
    """The first digits of scikit-learn, centred, and a network of tanh."""
    source = find_entry("digits").make()
    x, y = source.train.batch(torch.arange(min(EXAMPLES, source.train.size)))
    x, y = x[:EXAMPLES] - x[:EXAMPLES].mean(dim=0), nn.functional.one_hot(y[:EXAMPLES], 10).float()
    return Task(_digits_model, (x, y), (x[:64], y[:64]), loss=half_square, name="digits", device="cpu")


def chebyshev_task(degree: int = 5, points: int = 20) -> Task:
    """Points of a Chebyshev polynomial, and one wide layer of tanh."""
    x = torch.linspace(-1, 1, points)[:, None]
    y = torch.cos(degree * torch.arccos(x))
    return Task(_chebyshev_model, (x, y), (x, y), loss=half_square, name="chebyshev", device="cpu")


def half_square(output: Tensor, target: Tensor) -> Tensor:
    """Half the squared distance, the mean over the examples."""
    return 0.5 * (output - target).square().sum(dim=1).mean()


def _digits_model() -> nn.Module:
    return mlp((64, 32, 32, 10), activation="tanh")


def _chebyshev_model() -> nn.Module:
    inward, outward = nn.Linear(1, 100), nn.Linear(100, 1, bias=False)
    nn.init.xavier_normal_(inward.weight, gain=1.9)
    nn.init.zeros_(inward.bias)
    nn.init.xavier_normal_(outward.weight)
    return nn.Sequential(inward, nn.Tanh(), outward)


def _all(jobs: Sequence[tuple[Case, int, int]], workers: int) -> Iterator[_Seen]:
    """Every job's result, in order; side by side where processes can be forked."""
    if workers < 2 or not can_fork() or multiprocessing.current_process().daemon:
        yield from (_one(job) for job in jobs)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads: workers use none of them
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            yield from pool.map(_one, jobs)


def _one(job: tuple[Case, int, int]) -> _Seen:
    case, seed, points = job
    task = digits_task() if case.data == "digits" else chebyshev_task()
    recipe = Recipe(
        optimizer=case.optimizer, lr=case.lr, options=dict(case.options), batch_size=case.batch, epochs=1e6, seed=seed
    )
    with borrowed_threads(1), borrowed_rng(seed), torch.enable_grad():
        training = ShortRun(task, recipe)
        hvp = Hvp(task, training.single.model, batches_of(task), method="reverse")
        for point in sorted({round(one) for one in np.linspace(case.steps / points, case.steps, points).tolist()}):
            training.advance(point)
            if training.diverged or training.look(hvp, squares=None, most=80, seed=seed) is None:
                break
        sharp = None
        if isinstance(case.batch, int) and not training.diverged:
            sharp = _batch_sharpness(task, training.single.model, case.batch, seed)
    seen = training.points
    return _Seen(
        [one.step for one in seen],
        [one.lr / one.limit for one in seen],
        [one.sharpness for one in seen],
        [one.loss for one in seen],
        sharp,
    )


def _batch_sharpness(task: Task, model: nn.Module, size: int, seed: int) -> float:
    """Mean of g·Hg / |g|² over batches, gradient and Hessian of the same batch."""
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(PROBES):
        index = torch.randperm(task.train.size, generator=generator)[:size]
        batches.append((task.batch(task.train, index), size))
    hvp = Hvp(task, model, batches, method="reverse", keep=False)
    rows = hvp.gradients()
    found = [float(row @ hvp.on_batch(place, row)) / float(row @ row) for place, row in enumerate(rows)]
    return float(np.mean(found))


def _summary(case: Case, seeds: Sequence[int], seen: Sequence[_Seen]) -> dict[str, Any]:
    halves = [np.array(one.ratios[len(one.ratios) // 2 :] or [math.nan]) for one in seen]
    lower, median, upper = np.quantile(np.concatenate(halves), [0.25, 0.5, 0.75]).tolist()
    limit = next((one.eigenvalues[-1] / one.ratios[-1] for one in seen if one.ratios), math.nan)
    rises = [float(np.mean(np.diff(one.losses) > 0)) for one in seen if len(one.losses) > 1]
    sharp = [one.batch_sharpness * case.lr / 2 for one in seen if one.batch_sharpness is not None]
    return {
        "name": case.name,
        "task": case.data,
        "optimizer": case.optimizer,
        "options": dict(case.options),
        "lr": case.lr,
        "batch": case.batch,
        "steps": case.steps,
        "limit": limit,
        "ratio": {"median": median, "lower": lower, "upper": upper},
        "medians": [float(np.median(one)) for one in halves],
        "batch_sharpness_ratio": float(np.mean(sharp)) if sharp else None,
        "rises": float(np.mean(rises)) if rises else math.nan,
        "seeds": list(seeds),
    }


def _curve(one: dict[str, Any], seen: Sequence[_Seen]) -> Curve:
    length = min(len(each.ratios) for each in seen)
    ratios = np.array([each.ratios[:length] for each in seen]).reshape(len(seen), length)
    return Curve(
        one["name"],
        float_series(seen[0].steps[:length]),
        float_series(np.median(ratios, axis=0) if length else ()),
        low=float_series(ratios.min(axis=0) if length else ()),
        high=float_series(ratios.max(axis=0) if length else ()),
    )


def _panel(
    title: str,
    curves: Sequence[Curve],
    runs: Sequence[dict[str, Any]],
    marks: dict[str, float],
    data: str,
    optimizer: str,
    batch: str,
) -> Panel:
    chosen = tuple(
        curve
        for curve, one in zip(curves, runs, strict=True)
        if (one["task"], one["optimizer"]) == (data, optimizer) and (one["batch"] == "full") == (batch == "full")
    )
    return Panel(title, x_label="update", y_label="sharpness over limit", curves=chosen, marks=marks)


def _sentences(
    runs: Sequence[dict[str, Any]],
    edge: Sequence[str],
    medians: dict[str, float],
    small: dict[str, Any] | None,
    large: dict[str, Any] | None,
) -> Iterator[str]:
    if edge:
        values = [medians[name] for name in edge]
        yield (
            f"In {len(edge)} trainings at rates that can reach it, sharpness over limit settles at {min(values):.3f} "
            f"to {max(values):.3f} (medians of the second half)."
        )
    low = [one for one in runs if one["name"] in medians and medians[one["name"]] < 0.6]
    if low:
        yield (
            "Below it, and smooth, stay "
            + ", ".join(f"{one['name']} ({medians[one['name']]:.3f})" for one in low)
            + "."
        )
    if small is not None and large is not None:
        yield (
            f"With batches of 64 the sharpness of the whole loss is {large['ratio']['median']:.2f} of the limit, with "
            f"batches of 16 {small['ratio']['median']:.2f}; the batch sharpness {_shown(large)} and {_shown(small)}."
        )
    seen = [one for one in runs if one["name"] == "descent 1.0"]
    if seen:
        yield (
            f"At rate 1.0 it hovers at {seen[0]['ratio']['median']:.3f}, above "
            "the limit: the larger the steps, the further."
        )


def _shown(one: dict[str, Any]) -> str:
    value = one["batch_sharpness_ratio"]
    return "–" if value is None else f"{value:.2f}"
