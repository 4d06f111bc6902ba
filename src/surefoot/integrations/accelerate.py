"""Accelerate: ``w = watch_accelerate(accelerator, model, optimizer, scheduler)`` after ``prepare``.

The optimizer that Accelerate keeps inside of its own is hooked, so an accumulated batch is one update. Tell the loss by
``w.loss(loss)`` before ``accelerator.backward(loss)``. Accelerate steps a prepared scheduler once for every process at
each update, unless it is told `split_batches`; this is found while it happens and explained.
"""

from __future__ import annotations

from typing import Any

from surefoot.integrations.needed import needed
from surefoot.watch import Watch, watch

__all__ = ["watch_accelerate"]


def watch_accelerate(accelerator: Any, model: Any, optimizer: Any, scheduler: Any = None, **options: Any) -> Watch:
    """Watch a training that Accelerate runs.

    Args:
        accelerator: the `Accelerator`.
        model: as `prepare` returned it, or before.
        optimizer: as `prepare` returned it, or before.
        scheduler: as `prepare` returned it, or before; None without one.
        options: of `surefoot.watch`, such as ``act=True``.

    Raises:
        InputError: Accelerate is not installed.
    """
    needed(("accelerate",), "surefoot[accelerate]")
    return watch(accelerator.unwrap_model(model), optimizer, scheduler=scheduler, **options)
