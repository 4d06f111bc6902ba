"""A program: a plan carried out for K members and batches of N examples, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from surefoot.engines.stacked.layer import Layer, Noise, Site
from surefoot.engines.stacked.plan import Plan

__all__ = ["Program"]


class Program:
    """The layers of a plan with their buffers.

    Args:
        plan: which layers.
        members: K.
        batch: N.
        weights: parameter name to values [K, ...].
        grads: parameter name to where its gradient goes; empty for a program that only evaluates.
        buffers: buffer name to values [K, ...].
        dtype: of the parameters.
        noise: random numbers of the members, for plans that are noisy.
    """

    def __init__(
        self,
        plan: Plan,
        members: int,
        batch: int,
        weights: Mapping[str, Tensor],
        grads: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        dtype: torch.dtype,
        noise: Noise | None = None,
    ) -> None:
        self._plan = plan
        self._layers: list[Layer] = []
        for step in plan.steps:
            site = Site(
                members=members,
                batch=batch,
                inputs=tuple(plan.specs[number] for number in step.inputs),
                output=step.output,
                weights={role: weights[name] for role, name in step.weights.items()},
                grads={role: grads[name] for role, name in step.weights.items()} if grads else {},
                buffers={role: buffers[name] for role, name in step.buffers.items()},
                dtype=dtype,
                noise=noise,
                train=bool(grads),
                overwrite=step.overwrite,
            )
            self._layers.append(step.layer(site, **step.settings))

    def forward(self, arguments: Sequence[Tensor]) -> Tensor:
        """The outputs [K, features..., N] for shared arguments [features..., N]."""
        values = list(arguments)
        for step, layer in zip(self._plan.steps, self._layers, strict=True):
            values.append(layer.forward(*(values[number] for number in step.inputs)))
        return values[self._plan.result]

    def backward(self, grad: Tensor) -> None:
        """Write all gradients of parameters, from the gradient of the outputs; it may be overwritten."""
        first = len(self._plan.inputs)
        grads: list[Tensor | None] = [None] * len(self._plan.specs)
        grads[self._plan.result] = grad
        for number in range(len(self._layers) - 1, -1, -1):
            step, own = self._plan.steps[number], grads[first + number]
            if own is None:
                continue
            grads[first + number] = None
            for source, value in zip(step.inputs, self._layers[number].backward(own.contiguous()), strict=True):
                if value is None or source < first:
                    continue
                before = grads[source]
                # Both may be buffers of layers that still need them: add into neither.
                grads[source] = value if before is None else before + value
