"""The bowl: paths at small, large and decayed rates on surfaces that everybody can see, with theory beside them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.engines.batches import steps_of
from surefoot.engines.engine import unit_schedule
from surefoot.errors import InputError
from surefoot.landscape.drawing import Watch, drawn
from surefoot.landscape.ground import Ground
from surefoot.landscape.planes import Plane
from surefoot.landscape.recipes import KINDS, rates_of, recipes_of
from surefoot.landscape.surfaces import Surface, surface_of, task_of
from surefoot.landscape.walks import Walk, walk_all
from surefoot.maths.bowl import exact_path, flip_steps, regime
from surefoot.maths.quadratics import Rule, decay_times, stability_limit
from surefoot.records import Recipe, float_series, int_series
from surefoot.records.landscape import BowlTheory, Landscape

__all__ = ["bowl"]

Floats = npt.NDArray[np.float64]

_LARGE = 1.9
"""The large rate times the largest eigenvalue, when none is given: it flips and still shrinks."""
_MOST_STEPS = 100_000


def bowl(
    surface: str = "quadratic",
    *,
    eigenvalues: Sequence[float] | None = None,
    start: Sequence[float] | None = None,
    lr: float | Sequence[float] | None = None,
    paths: Mapping[str, Recipe] | Sequence[str] | None = None,
    optimizer: Any = "sgd",
    schedule: str = "constant",
    schedule_options: dict[str, Any] | None = None,
    steps: int = 40,
    grid: int = 101,
    span: float | None = None,
    refine: bool = True,
    watch: Watch | None = None,
    **options: Any,
) -> Landscape:
    """Descend a surface of two or more numbers at several rates; beside each path, what theory says of it.

    The library's own engines walk, with any optimizer and schedule, in float64 and without noise. For sgd on a
    quadratic each path carries a `BowlTheory`: monotone below 1 / eigenvalue, flips from there, diverges past
    2 / eigenvalue; the flips predicted and seen.

    Args:
        surface: ``"quadratic"``, ``"ravine"`` (x²/20 + y²), ``"rosenbrock"``, ``"double-well"`` or ``"saddle"``.
        eigenvalues: of the quadratic; 2 to 8, the first two of which are drawn.
        start: where the paths begin; a number per coordinate.
        lr: rate of a path, or several.
        paths: recipes by name, or names out of small, large, decayed of one `lr`; by default these three, of 1.9
            over the largest eigenvalue at the lowest point.
        optimizer: a name or class, or several, one per `lr`.
        schedule: of every path; with `paths` by name, of the decayed one.
        schedule_options: keywords of the schedule.
        steps: updates of every path; 1 to 100,000.
        grid: lines along an axis; 3 to 1001.
        span: half the width of the picture; None shows the paths.
        refine: whether lines are added where the picture would be wrong below a path.
        watch: told the progress.
        **options: of the optimizer (``momentum=0.9``).

    Raises:
        InputError: an argument that cannot be used.
    """
    ground_form = surface_of(surface, eigenvalues, start)
    for name, value, low, high in (("steps", steps, 1, _MOST_STEPS), ("grid", grid, 3, 1001)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"`{name}` is {value!r}; it is a whole number from {low} to {high}")
    if span is not None and not (isinstance(span, int | float) and 0 < span < float("inf")):
        raise InputError(f"`span` is {span!r}; it is a finite number above 0")
    started = time.perf_counter()
    base = Recipe(
        options=dict(options), schedule=schedule, schedule_options=schedule_options or {}, batch_size="full",
        epochs=float(steps),
    )  # fmt: skip
    task = task_of(ground_form)
    optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    rates = rates_of(lr)
    if isinstance(paths, str):
        paths = [one.strip() for one in paths.split(",") if one.strip()]
    notes = [f"f(w) = {ground_form.formula}; start {_numbers(ground_form.start)}"]
    if paths is None and not rates:
        paths = KINDS
    if paths and not isinstance(paths, Mapping) and not rates:
        rates = [float(f"{_LARGE / max(ground_form.eigenvalues):.3g}")]
    recipes = recipes_of(paths, rates, optimizers, base, task.train.size)
    ground = Ground(task, task.make_model(0), examples=None)
    tell = watch or (lambda *_: None)
    walks, interrupted = walk_all(
        task, recipes, ground.weights, points=steps + 1, tick=lambda done, of: tell("descending", done, of)
    )
    losses = {walk.name: ground.losses(walk.stacked) for walk in walks}
    notes += _limit_notes(ground_form, walks)
    found = drawn(
        task, ground, _plane(ground_form), walks, losses, grid=grid, span=span, refine=refine, exact=True, tell=tell,
        notes=notes, skip=interrupted, started=started, seed=0,
    )  # fmt: skip
    pairs = zip(found.paths, walks, strict=True)
    told = [dataclasses.replace(path, theory=_theory(ground_form, walk)) for path, walk in pairs]
    more = [note for walk in walks for note in _decay_notes(ground_form, walk)]
    return dataclasses.replace(found, paths=tuple(told), notes=(*found.notes, *more))


def _plane(surface: Surface) -> Plane:
    size = len(surface.start)
    names = [f"w{place + 1}" for place in range(2)]
    if surface.quadratic:
        names = [f"w{place + 1}, eigenvalue {surface.eigenvalues[place]:g}" for place in range(2)]
    plane = Plane(
        "coordinates", "the point 0", np.zeros(size), np.eye(size)[:2], names, ["coordinate"] * 2,
        curvatures=[*surface.eigenvalues[:2]] if surface.quadratic else [None, None],
    )  # fmt: skip
    plane.shown = [np.array([one[:2] for one in surface.lowest])]
    return plane


def _theory(surface: Surface, walk: Walk) -> BowlTheory | None:
    """What is known of a walk by sgd on a quadratic, as far as it got."""
    recipe, followed = walk.recipe, _rule_of(walk.recipe)
    if not surface.quadratic or followed is None:
        return None
    rule, momentum = followed
    steep = np.array(surface.eigenvalues)
    made = walk.step[-1]
    # The schedule that the engine followed, for all the updates that it would have made.
    horizon, per_epoch = steps_of(recipe, 2)
    factor = unit_schedule(recipe, horizon, per_epoch)
    rates = np.array([(recipe.lr or 0.0) * factor(step) for step in range(horizon)])
    exact = exact_path(surface.start, steep, rates[:made], momentum, nesterov=rule == "nesterov")
    seen = walk.stacked.astype(np.float64)
    flips = [flip_steps(column) for column in seen.T]
    predicted = [flip_steps(column) for column in exact.T]
    scale = np.maximum(np.abs(exact).max(axis=0), 1e-300)
    words = [
        regime(one, rates) if momentum == 0 else _with_momentum(one, rates, stability_limit(one, rule, momentum))
        for one in surface.eigenvalues
    ]
    return BowlTheory(
        eigenvalues=float_series(steep),
        factor=float_series(1 - rates[0] * steep),
        regime=tuple(words),
        predicted_flips=int_series([len(one) for one in predicted]),
        flips=int_series([len(one) for one in flips]),
        predicted_last_flip=int_series([one[-1] if len(one) else -1 for one in predicted]),
        last_flip=int_series([one[-1] if len(one) else -1 for one in flips]),
        largest_error=float((np.abs(seen - exact) / scale).max()),
    )


def _rule_of(recipe: Recipe) -> tuple[Rule, float] | None:
    """How a recipe's steps follow from gradients, and the momentum; None where a quadratic has no theory of it."""
    own = set(recipe.options)
    if recipe.optimizer != "sgd" or own - {"momentum", "nesterov"} or recipe.clip is not None:
        return None
    momentum = float(recipe.options.get("momentum", 0.0))
    if momentum == 0:
        return "plain", 0.0
    return "nesterov" if recipe.options.get("nesterov") else "heavy-ball", momentum


def _limit_notes(surface: Surface, walks: Sequence[Walk]) -> list[str]:
    """Where descent near the lowest point changes its kind, for the rules that the paths follow and no other."""
    steepest = max(surface.eigenvalues)
    notes = []
    for rule, momentum in dict.fromkeys(one for walk in walks if (one := _rule_of(walk.recipe)) is not None):
        if rule == "plain":
            notes.append(
                f"plain descent near the lowest point: monotone below {1 / steepest:.4g}, flips up to "
                f"{surface.limit:.4g}, diverges past that"
            )
            continue
        called = "Nesterov's momentum" if rule == "nesterov" else "momentum"
        limit = stability_limit(steepest, rule, momentum)
        notes.append(
            f"descent with {called} {momentum:g} near the lowest point: settles below {limit:.4g}, diverges past that"
        )
    return notes


def _with_momentum(eigenvalue: float, rates: Floats, limit: float) -> str:
    if eigenvalue < 0:
        return "leaves"
    if rates.max() < limit:
        return "swings and settles"
    return "grows, then settles" if rates[-1] < limit else "diverges"


def _decay_notes(surface: Surface, walk: Walk) -> list[str]:
    """For inverse-time decay: when the formula says that growth and flips end, beside the last flip that was seen."""
    recipe = walk.recipe
    k = recipe.schedule_options.get("k") if recipe.schedule == "inverse-time" else None
    if not surface.quadratic or not k or recipe.optimizer != "sgd" or set(recipe.options):
        return []
    steepest = int(np.argmax(surface.eigenvalues))
    calm, shrinking = decay_times(surface.eigenvalues[steepest], recipe.lr or 0.0, float(k))
    last = flip_steps(walk.stacked[:, steepest].astype(np.float64))
    seen = f"the last one seen is at step {last[-1]}" if len(last) else "none was seen"
    return [
        f"{walk.name}: rate {recipe.lr:g} / (1 + {float(k):.4g} t) shrinks the steepest coordinate from step "
        f"{shrinking:.1f} on and flips it until step {calm:.1f}; {seen} of {walk.step[-1]}"
    ]


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{one:g}" for one in values) + ")"
