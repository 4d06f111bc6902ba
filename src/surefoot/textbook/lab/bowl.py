"""`bowl`: paths of gradient descent down a bowl at small, large and decaying rates, beside the exact ones.

On the bowl f(w) = 1/2 sum of lambda_i w_i^2 one update multiplies the coordinate i by 1 - rate lambda_i. So after t
updates it is w_i (1 - rate lambda_i)^t: it crosses the floor at every step when the rate is above 1 / lambda_i, and
grows when it is above 2 / lambda_i.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from surefoot.engines.engine import Validation
from surefoot.maths.bowl import exact_path, flip_steps
from surefoot.records import Provenance, Recipe, float_series
from surefoot.schedules import make
from surefoot.tasks.data.surfaces import mean_height, quadratic
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, Grid, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import follow
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["run"]

Floats = npt.NDArray[np.float64]

EIGENVALUES = (10.0, 1.0)
START = (0.9, 1.8)
STEPS = 40
DECAY = "inverse-time:k=0.15"
PATHS = {
    "small: 0.02": (0.02, "constant"),
    "large: 0.19": (0.19, "constant"),
    "decaying from 0.19": (0.19, DECAY),
    "too large: 0.205": (0.205, "constant"),
    "too large, decaying from 0.3": (0.3, DECAY),
}


def run(setting: Setting, *, steps: int = STEPS) -> LabResult:
    """Let the library's own engine descend without noise, and compare every point with the exact one."""
    surface = quadratic(eigenvalues=EIGENVALUES, noise=0.0, rows=2, start=START)
    split = surface.split
    task = Task(surface.model, (split.x, split.y), (split.xv, split.yv), loss=mean_height, name="bowl")
    walked: dict[str, Floats] = {}
    for name, (lr, schedule) in PATHS.items():
        setting.say(name)
        recipe = Recipe(lr=lr, schedule=schedule, batch_size="full", epochs=steps)
        points: list[list[float]] = []

        def observe(_step: int, _seen: Validation, models: object, kept: list[list[float]] = points) -> None:
            assert isinstance(models, dict)
            kept.append(models[0].point.detach().tolist())

        follow(task, [recipe], range(steps + 1), observe)
        walked[name] = np.array(points)
    exact = {name: _exact(lr, schedule, steps) for name, (lr, schedule) in PATHS.items()}
    error = max(float(np.abs(walked[name] - exact[name][: len(walked[name])]).max()) / max(START) for name in PATHS)
    heights = {name: _height(path) for name, path in walked.items()}
    small, large, decaying, too_large, _ = (walked[name] for name in PATHS)
    limit, found = surface.stability_limit, _measured_limit(steps)
    verdicts = Verdicts()
    verdicts.compare(
        "divergence_limit",
        2 / max(EIGENVALUES),
        found,
        share=0.002,
        what="rate above which the descent diverges: 2 / largest eigenvalue, and by bisection",
    )
    verdicts.compare(
        "crossings_large",
        steps,
        _crossings(large[:, 0]),
        within=0,
        what=f"times in {steps} steps that the large rate jumps across the valley",
    )
    verdicts.compare(
        "crossings_small",
        0,
        _crossings(small[:, 0]),
        within=0,
        what="times that the small rate does, whose path is a smooth curve",
    )
    verdicts.state(
        "decay_ends_lowest",
        heights["decaying from 0.19"][-1] < min(heights["small: 0.02"][-1], heights["large: 0.19"][-1]),
        what="large steps first and small ones later settle at the bottom",
        when="the decaying rate ends lower than the small and the large one",
    )
    facts = {
        "final_height": {name: float(one[-1]) for name, one in heights.items()},
        "largest_error_to_theory": error,
        "stability_limit": limit,
        "crossings_decaying": _crossings(decaying[:, 0]),
        "growth_per_step_too_large": float(abs(too_large[-1, 0] / too_large[-2, 0])),
        "growth_per_step_exact": abs(1 - 0.205 * max(EIGENVALUES)),
    }
    x, y = np.linspace(-1.15, 1.15, 41), np.linspace(-0.6, 2.1, 41)
    ground = Grid(
        "height",
        41,
        41,
        float_series(_height(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))),
        x=float_series(x),
        y=float_series(y),
    )
    shown = [name for name in PATHS if not name.startswith("too")]
    paths = tuple(
        Curve(
            name,
            float_series(walked[name][:, 0]),
            float_series(walked[name][:, 1]),
            z=float_series(heights[name]),
            marker="o",
        )
        for name in shown
    )
    ends = "; ".join(f"{name} {heights[name][-1]:.3g}" for name in PATHS)
    return LabResult(
        name="bowl",
        title="Down the bowl",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"Height after {steps} steps from {heights['small: 0.02'][0]:.3g}: {ends}.",
            f"The large rate crosses the valley {_crossings(large[:, 0])} times in {steps} steps, the small one "
            f"{_crossings(small[:, 0])} times, the decaying one {facts['crossings_decaying']} times.",
            f"Every point lies within {error:.0e} of the exact path (relative to the start).",
            f"The limit {limit:g} = 2 / {max(EIGENVALUES):g} is found to {abs(found / limit - 1):.1e} by bisection.",
        ),
        tables=(
            LabTable(
                "Paths",
                ("rate", "height at the end", "crossings", "exact factor per step, steep / flat"),
                tuple(
                    (
                        name,
                        f"{heights[name][-1]:.4g}",
                        str(_crossings(walked[name][:, 0])),
                        f"{1 - lr * EIGENVALUES[0]:+.3f} / {1 - lr * EIGENVALUES[1]:+.3f}"
                        + (" at first" if schedule != "constant" else ""),
                    )
                    for name, (lr, schedule) in PATHS.items()
                ),
            ),
        ),
        panels=(
            Panel(
                "From above",
                style="contour",
                x_label="steep direction",
                y_label="flat direction",
                curves=paths,
                grids=(ground,),
            ),
            Panel(
                "As a bowl",
                style="surface",
                x_label="steep direction",
                y_label="flat direction",
                curves=paths,
                grids=(ground,),
            ),
            Panel(
                "Height by step: descent (lines) and theory (crosses)",
                x_label="step",
                y_label="height",
                y_log=True,
                curves=tuple(
                    one
                    for name in PATHS
                    for one in (
                        Curve(name, float_series(range(len(heights[name]))), float_series(heights[name])),
                        Curve(
                            f"{name}, exact",
                            float_series(range(0, steps + 1, 4)),
                            float_series(_height(exact[name])[::4]),
                            marker="x",
                            joined=False,
                        ),
                    )
                ),
            ),
        ),
        notes=(f"f(w) = 1/2 ({EIGENVALUES[0]:g} x² + {EIGENVALUES[1]:g} y²), no noise, starting at {START}",),
        provenance=Provenance.here(data="none: a bowl"),
    )


def _exact(lr: float, schedule: str, steps: int) -> Floats:
    """Points of the exact descent, [steps + 1, 2]."""
    rates = make(schedule, lr, steps)
    return exact_path(START, EIGENVALUES, [rates(step) for step in range(steps)])


def _height(points: Floats) -> Floats:
    return np.asarray(0.5 * (np.square(points) * np.array(EIGENVALUES)).sum(axis=-1))


def _crossings(coordinate: Floats) -> int:
    return len(flip_steps(coordinate))


def _measured_limit(steps: int) -> float:
    """Rate between a descent whose steep coordinate shrinks and one where it grows, by bisection of plain updates."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        point = np.array(START)
        for _ in range(steps):
            point = point - middle * np.array(EIGENVALUES) * point
        low, high = (middle, high) if abs(point[0]) < START[0] else (low, middle)
    return 0.5 * (low + high)
