"""What was seen of the layers, under the names by which `diagnose` asks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from surefoot.records import FloatSeries, Inspection, Run

__all__ = ["evidence_of"]

Series = tuple[Any, Any]


def evidence_of(inspection: Inspection, saturated: Mapping[str, FloatSeries], run: Run) -> dict[str, Series]:
    """Name to steps and values.

    Args:
        inspection: sizes of layers and dead units, at every look.
        saturated: activation to the share of its units that are saturated, at every look.
        run: whose rates are those that the optimizer used.
    """
    step = inspection.step
    found: dict[str, Series] = {}
    for layer in inspection.layers:
        size = math.sqrt(max(int(np.prod(layer.shape)), 1))
        _add(found, f"update_ratio/{layer.name}", step, layer.ratio)
        _add(found, f"grad_norm/{layer.name}", step, layer.gradient * size)
    for units in inspection.units:
        _add(found, f"dead_units/{units.name}", step, units.dead)
    for name, share in saturated.items():
        _add(found, f"saturated_units/{name}", step, share)
    if len(run.step):
        _add(found, "true_lr", run.step, run.lr)
    return found


def _add(found: dict[str, Series], name: str, step: Any, values: Any) -> None:
    known = ~np.isnan(values)
    if known.any():
        found[name] = (step[known], values[known])
