"""Activity of the units during one forward pass of the user's own: which ones say the same whatever they are shown.

For the one pass that is looked at, hooks on the model let a function mode see what activation functions return. The
pass itself computes what it would have computed; before and after it there is no hook.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["Activity"]

_FUNCTIONS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.softplus, F.hardtanh, F.tanh, F.sigmoid,
    torch.relu, torch.relu_, torch.tanh, torch.sigmoid, torch.Tensor.relu, torch.Tensor.relu_, torch.Tensor.tanh,
    torch.Tensor.sigmoid,
}  # fmt: skip
_LEAST_EXAMPLES = 8
"""Units that agree on fewer examples than this say nothing about themselves."""
_MOST_NUMBERS = 1 << 20
"""Numbers of an activation that are looked at: the first examples of the batch."""
_ENDS = {"tanh": (-0.99, 0.99), "sigmoid": (0.01, 0.99)}
"""Function to the outputs beyond which its slope is next to nothing."""
_NEARLY_ALL = 0.95
_SAME = 1e-6
"""Outputs that differ by less than this share of the largest one of the layer are the same."""


class Activity:
    """Looks at the activations of a model's next forward pass.

    Args:
        model: whose passes are looked at.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        # A compiled forward pass would be compiled again for the hooks.
        self.possible = not any(
            hasattr(module, "_orig_mod") or module._compiled_call_impl is not None for module in model.modules()
        ) and not isinstance(model, torch.jit.ScriptModule)
        self._handles: list[Any] = []
        self._mode: _Mode | None = None
        self.units: dict[str, int] = {}
        """Activation to number of units."""

    def begin(self) -> None:
        """Look at the next forward pass."""
        if self.possible and not self._handles:
            self._handles = [
                self._model.register_forward_pre_hook(self._enter),
                self._model.register_forward_hook(self._leave, always_call=True),
            ]

    def end(self) -> dict[str, tuple[float, float, float]]:
        """Stop looking; activation to (share of units that are the same for every example, mean, share saturated).

        A unit of a tanh or sigmoid is saturated when nearly all of its outputs are at one of the function's ends; the
        share is NaN for functions without two ends.
        """
        for handle in self._handles:
            handle.remove()
        self._handles = []
        mode, self._mode = self._mode, None
        if mode is None:
            return {}
        mode.inside = None
        found: dict[str, tuple[float, float, float]] = {}
        for name, (dead, mean, saturated, units) in mode.seen.items():
            found[name] = (float(dead), float(mean), float(saturated))
            self.units[name] = units
        return found

    def _enter(self, *_: Any) -> None:
        if self._mode is not None or not torch.is_grad_enabled() or not self._model.training:
            return
        self._mode = _Mode(self._model)
        self._mode.__enter__()

    def _leave(self, *_: Any) -> None:
        if self._mode is not None and self._mode.inside is not None:
            self._mode.__exit__(None, None, None)
            self._mode.inside = None


class _Mode(TorchFunctionMode):
    """Notes of each activation function's result how many units are the same for every example."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.seen: dict[str, tuple[Tensor, Tensor, Tensor | float, int]] = {}
        self.inside: list[str] | None = []
        self._handles: list[Any] = []
        self._model = model

    def __enter__(self) -> Any:
        for name, module in self._model.named_modules():
            if module is not self._model:
                self._handles.append(module.register_forward_pre_hook(lambda *_, name=name: self._entered(name)))
                self._handles.append(module.register_forward_hook(self._left, always_call=True))
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *details: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        super().__exit__(*details)  # type: ignore[no-untyped-call]

    def _entered(self, name: str) -> None:
        if self.inside is not None:
            self.inside.append(name)

    def _left(self, *_: Any) -> None:
        if self.inside:
            self.inside.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _FUNCTIONS and isinstance(result, Tensor) and result.ndim >= 2 and len(result) >= _LEAST_EXAMPLES:
            self._note(func.__name__.rstrip("_"), result.detach())
        return result

    def _note(self, function: str, values: Tensor) -> None:
        place = self.inside[-1] if self.inside else ""
        name = f"{place} {function}".strip()
        if name in self.seen:
            name = f"{name} #{sum(1 for other in self.seen if other.split(' #')[0] == name)}"
        with torch.no_grad(), torch._C.DisableTorchFunction():
            row = max(values[0].numel(), 1)
            values = values[: max(_LEAST_EXAMPLES, _MOST_NUMBERS // row)]
            # Channels come second in images and last in sequences.
            flat = (values.movedim(1, -1) if values.ndim > 3 else values).flatten(0, -2)
            low, high = flat.aminmax(dim=0)
            same = (high - low) <= _SAME * torch.maximum(high.max(), -low.min()).clamp_min(1e-30)
            saturated: Tensor | float = math.nan
            if function in _ENDS:
                below, above = _ENDS[function]
                at_end = ((flat < below) | (flat > above)).float().mean(0) > _NEARLY_ALL
                saturated = at_end.float().mean()
            self.seen[name] = (same.float().mean(), flat.mean(), saturated, flat.shape[1])
