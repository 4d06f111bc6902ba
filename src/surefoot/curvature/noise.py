"""Gradient noise: how much the gradient of a batch differs from that of all data, and what that costs.

Everything follows from gradients of independent batches at one point. What one batch has in common with another is
signal, the rest is noise; products of different batches make every estimate unbiased. See maths/noise_scale.py.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.curvature.hvp import Hvp
from surefoot.curvature.limits import Reading
from surefoot.maths.krylov import Floats
from surefoot.maths.noise_scale import from_gram
from surefoot.records import NoiseScale, float_series, int_series
from surefoot.tasks.task import Task

__all__ = ["gradient_noise", "noise_batches"]

_BATCHES = 32
_WITH_HESSIAN = 8
"""Batches whose gradients are multiplied with the Hessian."""
_FEWEST = 3


def noise_batches(task: Task, batch_size: int | str, seed: int, *, room: int) -> list[tuple[object, int]]:
    """Independent batches of one size: of `batch_size`, or fewer examples where the data does not hold enough.

    At most `room` batches, for their gradients are held at once.
    """
    size = task.train.size
    wanted = batch_size if isinstance(batch_size, int) else size
    each = max(1, min(wanted, size // min(_BATCHES, max(_FEWEST, size))))
    if isinstance(batch_size, int) and size // batch_size >= 8:
        each = batch_size
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    count = min(_BATCHES, size // each, max(room, _FEWEST))
    return [(task.batch(task.train, order[i * each : (i + 1) * each]), each) for i in range(count)]


def gradient_noise(
    hvp: Hvp,
    task: Task,
    model: nn.Module,
    *,
    batch_size: int | str,
    accumulate: int = 1,
    reading: Reading,
    lr: float | None,
    hessian: bool = False,
    room: int = _BATCHES,
    seed: int = 0,
) -> NoiseScale | None:
    """Noise of the gradient at the weights of `model`; None where there are too few examples to tell.

    Args:
        hvp: the Hessian of the whole at these weights.
        task: whose examples.
        model: where.
        batch_size: of the training.
        accumulate: batches that are averaged into one step.
        reading: how the optimizer steps.
        lr: rate of the training.
        hessian: whether what needs the Hessian (batch sharpness, best rates) is measured too.
        room: gradients that fit into memory at once.
        seed: draws the batches.
    """
    batches = noise_batches(task, batch_size, seed, room=room)
    if len(batches) < _FEWEST:
        return None
    each = batches[0][1]
    own = Hvp(task, model, batches, method="reverse", keep=False, seed=seed)
    gradients = own.gradients()
    gram = (gradients @ gradients.T).double().cpu().numpy()
    found = from_gram(gram, each, seed=seed)
    size = task.train.size
    used = size if isinstance(batch_size, str) else min(size, batch_size * accumulate)
    sizes, variances = _variances(gram, each)
    floor = None
    if lr is not None and reading.rule is not None and used < size:
        trace = found.trace if reading.scale is None else each * _spread(gradients, reading.scale)
        gain = 1.0 / (1.0 - reading.beta) if reading.rule in ("heavy-ball", "nesterov") else 1.0
        # To first order in the rate, where the curvature cancels: lr tr S / (4 B) (1 / (1 - beta)).
        floor = 0.25 * lr * gain * trace * (1.0 / used - 1.0 / size)
    scale = largest = best = sharp = None
    if hessian:
        scale, largest, best, sharp = _with_hessian(hvp, own, gradients, each, used)
    return NoiseScale(
        value=found.scale,
        interval=(found.low, found.high),
        status="resolved" if found.resolved else "unresolved",
        batch_size=each,
        batches=len(batches),
        signal=found.signal,
        variance=found.trace,
        variance_batch=int_series(sizes),
        variance_measured=float_series(variances),
        batch_sharpness=sharp,
        hessian_scale=scale,
        largest_lr=largest,
        best_lr=best,
        recipe_batch=used,
        floor=floor,
    )


def _variances(gram: Floats, each: int) -> tuple[list[int], list[float]]:
    """Variance of the mean gradient of 1, 2, 4, … batches put together, while there are three such groups."""
    sizes, variances, joined = [], [], 1
    while len(gram) // joined >= _FEWEST:
        groups = len(gram) // joined
        mean = np.kron(np.eye(groups), np.full((1, joined), 1.0 / joined))
        part = mean @ gram[: groups * joined, : groups * joined] @ mean.T
        spread = np.trace(part) - part.sum() / groups
        sizes.append(each * joined)
        variances.append(float(spread / (groups - 1)))
        joined *= 2
    return sizes, variances


def _spread(rows: Tensor, scale: Tensor) -> float:
    """Sum of the variances of the columns of scaled rows, one row at a time."""
    total, squares = torch.zeros_like(rows[0], dtype=torch.float64), 0.0
    for row in rows:
        scaled = (row * scale).double()
        total += scaled
        squares += float(scaled @ scaled)
    return (squares - float(total @ total) / len(rows)) / (len(rows) - 1)


def _with_hessian(
    hvp: Hvp, own: Hvp, gradients: Tensor, each: int, used: int
) -> tuple[float | None, float | None, float | None, float | None]:
    """Hessian noise scale, largest and best rate of plain descent, batch sharpness."""
    count = min(_WITH_HESSIAN, len(gradients))
    rows = gradients[:count]
    decay, hvp.decay = hvp.decay, 0.0
    try:
        images = torch.empty_like(rows)
        for image, row in zip(images, rows, strict=True):
            image.copy_(hvp(row))
    finally:
        hvp.decay = decay
    across = (rows @ images.T).double().cpu().numpy()
    gram = (rows @ rows.T).double().cpu().numpy()
    pairs = count * (count - 1)
    along = float((across.sum() - np.trace(across)) / pairs)
    whole = (gradients @ gradients.T).double().cpu().numpy()
    signal = float((whole.sum() - np.trace(whole)) / (len(whole) * (len(whole) - 1)))
    spread = each * (float(np.mean(np.diag(across))) - along)
    sharp = float(
        np.mean([float(row @ own.on_batch(place, row)) / float(row @ row) for place, row in enumerate(rows)])
        if float(np.min(np.diag(gram))) > 0
        else 0.0
    )
    if along <= 0 or signal <= 0 or spread <= 0:
        return None, None, None, sharp
    largest, scale = signal / along, spread / along
    return scale, largest, largest / (1 + scale / used), sharp
