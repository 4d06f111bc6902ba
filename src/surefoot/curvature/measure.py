"""Measure the curvature of a task: sharpness, stability limit of the optimizer in use, noise of the gradient."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.curvature.hvp import Hvp, batches_of, trainable
from surefoot.curvature.layers import layer_curvatures
from surefoot.curvature.limits import Reading, limit_of, overshoot_of, read_optimizer, verdict_of
from surefoot.curvature.noise import gradient_noise, noise_batches
from surefoot.curvature.plan import Plan, make_plan
from surefoot.curvature.sharpness import bulk, density_grid, largest, smallest
from surefoot.curvature.statement import statement
from surefoot.curvature.track import Point, ShortRun, points_of
from surefoot.curvature.weights import load_weights
from surefoot.engines.batches import steps_of
from surefoot.engines.optimizers import build_optimizer, name_of
from surefoot.engines.serial import parameter_groups
from surefoot.errors import InputError, TaskError
from surefoot.records import Curvature, NoiseScale, Provenance, Recipe, float_series, int_series
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.checking import check_task
from surefoot.tasks.task import Task

__all__ = ["curvature"]

_STEPS = (50, 200)
"""Updates of the short run when nothing is said: two epochs, within these."""
_TRACKED_STEPS = (200, 2000)
"""The same with `track`: the whole training, within these."""
_POINTS, _TRACKED_POINTS = 5, 40
_NEAR_PEAK = 0.9
"""Share of the highest rate of the run, up to which a rate counts as near it: there the verdict holds."""


def curvature(
    task: Task,
    *,
    optimizer: str | type[torch.optim.Optimizer] = "sgd",
    lr: float | None = None,
    schedule: str = "constant",
    epochs: float = 10.0,
    batch_size: int | str = 64,
    steps: int | None = None,
    track: bool = False,
    top_k: int = 1,
    density: bool = False,
    layers: bool = False,
    noise: bool = False,
    examples: int | None = None,
    weights: Mapping[str, Tensor] | str | os.PathLike[str] | None = None,
    tolerance: float = 1e-6,
    memory: int | None = None,
    seed: int = 0,
    clip: float | None = None,
    accumulate: int = 1,
    schedule_options: dict[str, Any] | None = None,
    watch: Callable[[Point], None] | None = None,
    **options: Any,
) -> Curvature:
    """Sharpness of a task's loss, and whether a rate is stable for the optimizer in use, measured where it trains.

    With a rate a short run is trained first and the sharpness followed along it, because it moves. Without one, the
    limit at the initial (or given) weights is told and no verdict made up.

    Args:
        task: what is trained.
        optimizer: name such as `sgd`, or a torch.optim class; its options are further keywords (``momentum=0.9``).
        lr: peak rate to judge; None asks for the limit only.
        schedule: name of the schedule, which the rate is the peak of.
        epochs: length of the whole training, for which the schedule is laid out.
        batch_size: examples per step, or ``"full"``.
        steps: updates of the short run, from 0; None chooses two epochs (with `track` the whole training) in bounds.
        track: follow the sharpness closely along the run.
        top_k: how many of the largest eigenvalues, from 1.
        density: measure smallest eigenvalue, trace and density of the spectrum too.
        layers: measure gradient, weights, update and sharpness of every parameter too.
        noise: measure what of the noise needs the Hessian (batch sharpness, best rates) and the noise floor too.
        examples: training examples that the Hessian is of; None chooses by size.
        weights: where to measure and begin: a state dict, or a file of one (safetensors, or torch's; no code is run).
        tolerance: error of the sharpness, as a share, at which it counts as converged; above 0.
        memory: bytes that the measurement may take; None takes half of what is free.
        seed: initialises the model, orders batches and draws whatever else is random.
        clip: largest gradient norm of the training.
        accumulate: batches averaged into one step.
        schedule_options: keywords of the schedule.
        watch: called with every `Point` along the run.
        **options: of the optimizer.

    Returns:
        What was measured, at the step that it says: the last point of the short run at which the rate was near its
        highest. Ctrl-C ends the short run, and what is there is measured.

    Raises:
        InputError: an argument that cannot be used, or a loss without a second derivative.
        MemoryBoundError: not even the smallest pieces fit into `memory`.
    """
    if not isinstance(task, Task):
        raise TaskError(f"`task` is {type(task).__name__}; make one with surefoot.Task(model, train, val, loss=...)")
    whole: dict[str, tuple[Any, int]] = {
        "steps": (steps, 0), "top_k": (top_k, 1), "examples": (examples, 1), "memory": (memory, 1),
    }  # fmt: skip
    for name, (value, low) in whole.items():
        if value is not None and not (isinstance(value, numbers.Integral) and int(value) >= low):
            what = " of bytes" if name == "memory" else ""
            raise InputError(f"`{name}` is {value!r}; it is a whole number{what} from {low}")
    if not isinstance(tolerance, float) or not 0 < tolerance < 1:
        raise InputError(f"`tolerance` is {tolerance!r}; it lies above 0 and below 1")
    recipe = Recipe(
        optimizer=name_of(optimizer), lr=lr, options=dict(options), schedule=schedule,
        schedule_options=schedule_options or {}, batch_size=batch_size, epochs=epochs, clip=clip,
        accumulate=accumulate, seed=seed,
    )  # fmt: skip
    started = time.perf_counter()
    with borrowed_rng(seed), torch.enable_grad():
        work = _Measurement(task, recipe, weights=weights, examples=examples, memory=memory, tolerance=tolerance)
        if lr is not None:
            work.train(steps, track=track, watch=watch)
        elif track or steps:
            raise InputError(f"`{'track' if track else 'steps'}` needs a rate to train with; give `lr`")
        found = work.record(top_k=top_k, density=density, layers=layers, noise=noise)
    return dataclasses.replace(
        found,
        seconds=time.perf_counter() - started,
        provenance=Provenance.here(seeds={"seed": seed}, device=str(task.device), data=task.checksum()),
    )


class _Measurement:
    """One call of `curvature`, in borrowed random state."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        *,
        weights: Mapping[str, Tensor] | str | os.PathLike[str] | None,
        examples: int | None,
        memory: int | None,
        tolerance: float,
    ) -> None:
        self.task, self.recipe, self.tolerance = task, recipe, tolerance
        # Without a rate nothing is trained, and batches larger than the data are no harm.
        checked = recipe if recipe.lr is not None else recipe.replace(batch_size="full")
        self.notes: list[str] = [*task.notes, *check_task(task, checked)]
        model = task.make_model(recipe.seed)
        self.weights = None if weights is None else load_weights(model, weights)
        self.plan: Plan = make_plan(task, model, examples=examples, memory=memory)
        self.notes += self.plan.notes
        batches = batches_of(task, batch_size=self.plan.chunk, examples=self.plan.examples, seed=recipe.seed)
        self.hvp = Hvp(task, model, batches, keep=self.plan.keep, seed=recipe.seed)
        self.model: nn.Module = model
        # Refuses bad options before anything is computed, and is what a rate is not needed for.
        self.optimizer = build_optimizer(
            recipe.optimizer, parameter_groups(task, model, recipe.replace(lr=recipe.lr or 1.0)), recipe.lr or 1.0,
            recipe.options,
        )  # fmt: skip
        self.run: ShortRun | None = None
        self.interrupted = False
        self._squares: Tensor | None = None

    def squares(self) -> Tensor:
        """Mean square of the gradient of training batches at the first weights, [P]."""
        if self._squares is None:
            batches = noise_batches(self.task, self.recipe.batch_size, self.recipe.seed, room=8)[:8]
            total = torch.zeros(self.hvp.size, dtype=self.hvp.dtype, device=self.hvp.device)
            for batch in batches:
                total += Hvp(self.task, self.model, [batch], method="reverse", seed=self.recipe.seed).gradient() ** 2
            self._squares = total / len(batches)
        return self._squares

    def train(self, steps: int | None, *, track: bool, watch: Callable[[Point], None] | None) -> None:
        """The short run, measured at its points."""
        whole, per_epoch = steps_of(self.recipe, self.task.train.size)
        if steps is None:
            low, high = _TRACKED_STEPS if track else _STEPS
            steps = int(min(max(whole if track else 2 * per_epoch, low), high))
        run = ShortRun(self.task, self.recipe, weights=self.weights)
        self.run, self.model, self.optimizer = run, run.single.model, run.single.optimizer
        if self.recipe.clip is not None:
            self.notes.append(
                "gradients are clipped: rates beyond the limit may survive, for clipped steps are shorter"
            )
        first = self.squares() if self.reading().rule is None else None
        try:
            for point in points_of(steps, _TRACKED_POINTS if track else _POINTS):
                run.advance(point)
                if run.diverged:
                    break
                run.found, most = self.plan.begin(run.found, rough=True)
                seen = run.look(self.hvp, squares=first, most=most, seed=self.recipe.seed)
                if seen is None:
                    run.diverged = True
                    break
                if watch is not None:
                    watch(seen)
        except KeyboardInterrupt:
            self.interrupted = True
            self.notes.append(f"the short run was interrupted after {run.done} of {steps} updates")
        if run.diverged:
            self.notes.append(f"the loss ran away after {run.done} updates; what is said holds for the last good point")
        if run.points:
            self._return_to(run, _judged(run.points))

    def _return_to(self, run: ShortRun, point: Point) -> None:
        """Go back to where `point` was measured, by the same updates once more."""
        if point.step == run.done and not run.diverged:
            return
        if point.step < run.points[-1].step:
            self.notes.append(
                f"what is said holds after {point.step} updates, the last point near the highest rate of the run; the "
                f"schedule then lowered it"
            )
        again = ShortRun(self.task, self.recipe, weights=self.weights)
        try:
            again.advance(point.step)
        except KeyboardInterrupt:
            self.interrupted = True
            self.notes.append(f"interrupted on the way back: what is said holds after {again.done} updates")
        again.points, again.found, again.losses, again.diverged = run.points, run.found, run.losses, run.diverged
        again.products = run.products
        self.run, self.model, self.optimizer = again, again.single.model, again.single.optimizer

    def reading(self, squares: Tensor | None = None) -> Reading:
        """How the optimizer steps now."""
        return read_optimizer(self.optimizer, [one for _, one in trainable(self.model)], squares=squares)

    def record(self, *, top_k: int, density: bool, layers: bool, noise: bool) -> Curvature:
        """Measure in full where the run has come to."""
        recipe, hvp, run = self.recipe, self.hvp, self.run
        hvp.load(self.model)
        reading = self.reading()
        if reading.rule is None:
            reading = self.reading(self.squares())
        made = hvp.products
        known, most = self.plan.begin(None if run is None or top_k > 1 else run.found, rough=False)
        if run is not None:
            run.found = None  # as large as many models
        top = largest(
            hvp, reading, warm=known, count=min(top_k, hvp.size), tolerance=self.tolerance, most=most, seed=recipe.seed
        )
        products = hvp.products - made
        if run is not None and top_k == 1 and run.points and run.points[-1].step == run.done:
            products += run.products
        lr = None if run is None else run.lr
        limit = limit_of(reading, top.meets.value)
        meets = top.meets
        error = float(meets.errors[0]) if meets.converged else max(float(meets.residuals[0]), float(meets.errors[0]))
        step = 0 if run is None else run.done
        found = Curvature(
            task=self.task.name,
            sharpness=top.plain.value,
            residual=float(top.plain.residuals[0]),
            error=float(top.plain.errors[0]),
            converged=top.plain.converged and meets.converged,
            products=round(products, 4),
            step=step,
            limit=limit,
            optimizer=recipe.optimizer,
            lr=lr,
            margin=None if lr is None or limit is None or lr == 0 else limit / lr,
            verdict=None if lr is None else verdict_of(reading, meets.value, error, lr),
            statement="",
            rule=reading.rule or "",
            beta=reading.beta,
            preconditioned=top.scaled.value if top.scaled is not None and reading.adaptive else None,
            overshoot=overshoot_of(reading, meets.value),
            eigenvalues=float_series(top.plain.values),
            eigenvalue_errors=float_series(top.plain.errors),
            diverged=run is not None and run.diverged,
            recipe=recipe,
            examples=self.plan.examples,
            parameters=hvp.size,
            method=hvp.method,
        )
        value = meets.value
        del top, meets, known
        found = dataclasses.replace(found, **self._along())
        # Beyond its limit a training does not settle, and above no floor.
        settles = lr is not None and (limit is None or lr < limit) and not found.diverged
        found = dataclasses.replace(found, noise_scale=self._noise(reading, lr if settles else None, noise))
        if layers:
            update = None if run is None else run.update
            each = layer_curvatures(hvp, update=update, most=self.plan.most, seed=recipe.seed)
            found = dataclasses.replace(found, layers=each)
        if density:
            found = dataclasses.replace(found, **self._bulk())
        settled = (found.converged, found.smallest_converged, *(one.converged for one in found.layers))
        if self.plan.short and False in settled:
            self.notes.append(self.plan.short)
        if found.converged and error > 1.01 * self.tolerance * abs(value):
            kind = str(hvp.dtype).removeprefix("torch.")
            self.notes.append(f"in {kind} numbers rounding leaves an error of {error:.1g}; weights of more digits less")
        notes = (*self.notes, *hvp.notes, *reading.notes)
        return dataclasses.replace(found, statement=statement(found), notes=tuple(dict.fromkeys(notes)))

    def _along(self) -> dict[str, Any]:
        if self.run is None:
            return {}
        points = self.run.points
        return {
            "track_step": int_series([one.step for one in points]),
            "track_lr": float_series([one.lr for one in points]),
            "track_sharpness": float_series([one.sharpness for one in points]),
            "track_limit": float_series([one.limit for one in points]),
            "track_loss": float_series([one.loss for one in points]),
            "loss_step": int_series(range(len(self.run.losses))),
            "loss": float_series(self.run.losses),
        }

    def _noise(self, reading: Reading, lr: float | None, hessian: bool) -> NoiseScale | None:
        found = gradient_noise(
            self.hvp, self.task, self.model, batch_size=self.recipe.batch_size, accumulate=self.recipe.accumulate,
            reading=reading, lr=lr, hessian=hessian, room=self.plan.rows - (8 if hessian else 0), seed=self.recipe.seed,
        )  # fmt: skip
        if found is None:
            self.notes.append("there are too few examples to tell the noise of the gradient from the gradient")
            return None
        if found.status == "unresolved":
            self.notes.append(
                "the noise scale is unresolved: the mean gradient cannot be told from zero with these batches"
            )
        if hessian and self.run is not None and found.floor is not None and not self.run.diverged:
            found = dataclasses.replace(found, floor_measured=self._fall())
        return found

    def _fall(self) -> float:
        """Fall of the loss when the rate decays to 0 over one epoch more, at least 50 updates."""
        run, hvp = self.run, self.hvp
        assert run is not None
        kept, before = run.single.state(), hvp.loss()
        kept = {"model": {k: v.clone() for k, v in kept["model"].items()}}
        more = max(50, math.ceil(steps_of(self.recipe, self.task.train.size)[1]))
        losses, done, update = list(run.losses), run.done, run.update
        run.advance(run.done + more, falling=more)
        hvp.load(run.single.model)
        fall = before - hvp.loss()
        run.losses, run.done, run.update = losses, done, update
        run.single.model.load_state_dict(kept["model"])
        hvp.load(run.single.model)
        return fall

    def _bulk(self) -> dict[str, Any]:
        hvp, seed = self.hvp, self.recipe.seed
        trace, seen = bulk(hvp, hvp.weights(), steps=min(30, self.plan.rows), seed=seed)
        at, share = density_grid(seen)
        low = smallest(hvp, tolerance=1e-5, most=self.plan.most, seed=seed)
        return {
            "smallest": low.value,
            "smallest_residual": float(low.residuals[0]),
            "smallest_error": float(low.errors[0]),
            "smallest_converged": low.converged,
            "trace": trace.value,
            "trace_error": trace.error,
            "density_at": float_series(at),
            "density": float_series(share),
        }


def _judged(points: Sequence[Point]) -> Point:
    """The last point at which the rate was near its highest: later ones say nothing about the peak."""
    highest = max(point.lr for point in points)
    return [point for point in points if point.lr >= _NEAR_PEAK * highest][-1]
