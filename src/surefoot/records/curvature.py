"""Curvature: how sharply the loss bends, and what rate that allows the optimizer in use."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.provenance import Provenance
from surefoot.records.recipe import Recipe
from surefoot.records.record import FloatSeries, IntSeries, Record, float_series, int_series

__all__ = ["Curvature", "LayerCurvature", "NoiseScale", "Verdict"]

Verdict = Literal["stable", "oscillating but stable", "at the edge", "beyond", "unknown"]
"""A rate against the stability limit: below 1 / sharpness; from there to the limit; within 10% of it; above it."""


@dataclasses.dataclass(frozen=True, eq=False)
class NoiseScale(Record):
    """Noise of the gradient at one point. The noise scale is the batch size at which noise and signal are equal."""

    kind: ClassVar[str] = "noise_scale"

    value: float | None
    """Trace of the covariance of one example's gradient over |G|²; None where it is not resolved."""
    interval: tuple[float, float] | None
    """Bootstrap interval at `confidence`; its upper end is infinite where the value is not resolved."""
    status: Literal["resolved", "unresolved"]
    batch_size: int
    """Examples in each measured batch."""
    batches: int
    confidence: float = 0.95
    signal: float = 0.0
    """|G|², unbiased: it may come out below 0."""
    variance: float = 0.0
    """Trace of the covariance of one example's gradient."""
    variance_batch: IntSeries = dataclasses.field(default_factory=int_series)
    """Batch sizes at which the variance of the gradient was measured."""
    variance_measured: FloatSeries = dataclasses.field(default_factory=float_series)
    """Variance of the gradient of a batch of that size, summed over the weights."""
    batch_sharpness: float | None = None
    """Mean of g·Hg / |g|² with gradient and Hessian of the same batch."""
    hessian_scale: float | None = None
    """tr(H S) / (G·HG): the batch size that halves the best rate; None where it is not resolved."""
    largest_lr: float | None = None
    """Rate with the largest fall of the loss in one step of plain descent on all data: |G|² / (G·HG)."""
    best_lr: float | None = None
    """The same for batches of `recipe_batch`."""
    recipe_batch: int | None = None
    """Examples per step of the training."""
    floor: float | None = None
    """Height above the minimum at which the loss settles at this rate and batch size, to first order in the rate."""
    floor_measured: float | None = None
    """Fall of the training loss when the rate then decays to 0."""

    def __post_init__(self) -> None:
        """Refuse a value that is not resolved, and the reverse."""
        if (self.value is not None) != (self.status == "resolved"):
            raise RecordError(f"`status` is {self.status} and `value` is {self.value}; a value is given when resolved")


@dataclasses.dataclass(frozen=True, eq=False)
class LayerCurvature(Record):
    """One trainable parameter: root mean squares of its gradient, weights and last update, and its sharpness."""

    kind: ClassVar[str] = "layer_curvature"

    name: str
    size: int
    gradient: float
    weight: float
    update: float | None = None
    sharpness: float | None = None
    """Largest eigenvalue of the Hessian's block of this parameter alone."""
    residual: float | None = None
    """‖H v - sharpness v‖ with the block for H: some eigenvalue of it lies this close."""
    error: float | None = None
    """Estimated distance of `sharpness` from the eigenvalue."""
    converged: bool | None = None
    """Whether the products that were allowed were enough; None where no sharpness was measured."""


@dataclasses.dataclass(frozen=True, eq=False)
class Curvature(Record):
    """Sharpness and stability limit of a training at `step`. `sharpness` goes with `residual` and `error`."""

    kind: ClassVar[str] = "curvature"

    task: str
    sharpness: float
    """Largest algebraic eigenvalue of the Hessian of the mean training loss (with weight decay, if added to it)."""
    residual: float
    """‖H v - sharpness v‖: some eigenvalue lies this close."""
    error: float
    """Estimated distance from the largest eigenvalue."""
    converged: bool
    products: float
    """Hessian-vector products that the sharpness took; one over some of the examples counts as that share."""
    step: int
    """Updates done when it was measured: what is said holds there."""
    limit: float | None
    """Largest stable rate of this optimizer; infinite where nothing curves upwards, None where it is not known."""
    optimizer: str
    lr: float | None
    """Rate of the training at `step`; None when no rate was given."""
    margin: float | None
    """`limit` over `lr`."""
    verdict: Verdict | None
    """None when no rate was given."""
    statement: str
    """The answer in words."""
    rule: str = ""
    """How gradients become steps: `plain`, `heavy-ball`, `nesterov`, `averaged`, `averaged-nesterov`; else empty."""
    beta: float = 0.0
    preconditioned: float | None = None
    """Largest eigenvalue of P⁻¹H with the optimizer's preconditioner P; None where there is none."""
    overshoot: float | None = None
    """Rate above which one step jumps across the valley."""
    noise_scale: NoiseScale | None = None
    eigenvalues: FloatSeries = dataclasses.field(default_factory=float_series)
    """The largest ones, descending."""
    eigenvalue_errors: FloatSeries = dataclasses.field(default_factory=float_series)
    smallest: float | None = None
    """Smallest algebraic eigenvalue."""
    smallest_residual: float | None = None
    """‖H v - smallest v‖: some eigenvalue lies this close."""
    smallest_error: float | None = None
    """Estimated distance from the smallest eigenvalue."""
    smallest_converged: bool | None = None
    """Whether the products that were allowed were enough; None where it was not measured."""
    trace: float | None = None
    trace_error: float | None = None
    """Standard error of `trace`."""
    density_at: FloatSeries = dataclasses.field(default_factory=float_series)
    density: FloatSeries = dataclasses.field(default_factory=float_series)
    """Share of all eigenvalues per unit at `density_at`; together they integrate to 1."""
    layers: tuple[LayerCurvature, ...] = ()
    track_step: IntSeries = dataclasses.field(default_factory=int_series)
    """Updates done at each measurement along the short run."""
    track_lr: FloatSeries = dataclasses.field(default_factory=float_series)
    track_sharpness: FloatSeries = dataclasses.field(default_factory=float_series)
    """Sharpness, or the largest eigenvalue of P⁻¹H where the optimizer has a preconditioner."""
    track_limit: FloatSeries = dataclasses.field(default_factory=float_series)
    track_loss: FloatSeries = dataclasses.field(default_factory=float_series)
    """Mean loss over the measured examples."""
    loss_step: IntSeries = dataclasses.field(default_factory=int_series)
    loss: FloatSeries = dataclasses.field(default_factory=float_series)
    """Training loss of each batch along the short run."""
    diverged: bool = False
    """Whether the short run ended in a loss that is no number or ran away."""
    recipe: Recipe | None = None
    examples: int = 0
    """Training examples that the Hessian is of."""
    parameters: int = 0
    method: str = ""
    """How products were computed: `reverse` or `forward` over reverse."""
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    def __post_init__(self) -> None:
        """Refuse a verdict without a rate, a missing one with it, and series of different lengths."""
        if (self.lr is None) != (self.verdict is None):
            raise RecordError(f"`lr` is {self.lr} and `verdict` is {self.verdict}; a verdict is on a rate")
        lengths = {
            len(one)
            for one in (self.track_step, self.track_lr, self.track_sharpness, self.track_limit, self.track_loss)
        }
        if len(lengths) > 1 or len(self.loss) != len(self.loss_step) or len(self.density) != len(self.density_at):
            raise RecordError("the series of this curvature record have different lengths; they go together")
