"""Look into a model after every epoch: sizes of weights, updates and gradients, filters, biases, dead units.

Looking changes nothing: copies are taken, activations are computed in evaluation mode without gradients, and random
states are put back. The training makes the same bits with and without.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from surefoot.records import Inspection, LayerSeries, Picture, UnitSeries, float_series, int_series
from surefoot.tasks.task import Task

__all__ = ["Inspector"]

_EXAMPLES = 256
"""Examples that go through the model to find dead units."""
_SMALL = 16
"""Most examples of a task, and most units of an activation, of which every number is kept."""
_BIASES = 64
"""Most numbers of a bias that are kept."""
_LOOKS = 6
"""Least looks of which pictures are kept, spread evenly; at most twice as many, and the last."""
_FILTERS = 32
"""Most filters that are kept."""
_SAME = 1e-6
"""Outputs that differ by less than this share of the largest one of the layer are the same."""

_ACTIVATIONS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.softplus, F.hardtanh, F.tanh, F.sigmoid,
    torch.relu, torch.tanh, torch.sigmoid, torch.Tensor.relu, torch.Tensor.tanh, torch.Tensor.sigmoid,
}  # fmt: skip


class Inspector:
    """Collects an `Inspection` of one training; give it to `Training`, and ask for `record` afterwards."""

    def __init__(self) -> None:
        self._task = ""
        self._steps: list[int] = []
        self._epochs: list[float] = []
        self._layers: dict[str, dict[str, list[float]]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._units: dict[str, dict[str, list[float]]] = {}
        self._counts: dict[str, int] = {}
        self._pictures: dict[str, dict[int, np.ndarray[Any, Any]]] = {}
        self._before: dict[str, Tensor] = {}
        self._last: dict[str, Tensor] = {}
        self._observed: dict[str, tuple[float, float]] = {}

    def before_update(self, model: nn.Module) -> None:
        """Remember the weights before the last update of an epoch."""
        self._before = {name: one.detach().clone() for name, one in model.named_parameters() if one.requires_grad}

    def after_update(self, model: nn.Module) -> None:
        """Measure that update and its gradient."""
        self._observed = {}
        for name, one in model.named_parameters():
            if name in self._before:
                gradient = math.nan if one.grad is None else _size(one.grad)
                self._observed[name] = (_size(one.detach() - self._before[name]), gradient)
        self._before = {}

    def look(self, model: nn.Module, task: Task, step: int, epoch: float) -> None:
        """Look at the model after `step` updates."""
        self._task = task.name
        self._steps.append(step)
        self._epochs.append(epoch)
        for name, one in model.named_parameters():
            self._note_layer(name, one.detach())
        self._observed = {}
        with _in_passing(model):
            self._note_units(model, task)
        self._note_filters(model)
        self._thin()

    def _note_layer(self, name: str, now: Tensor) -> None:
        series = self._layers.setdefault(name, {"weight": [], "update": [], "gradient": [], "change": []})
        self._shapes[name] = tuple(now.shape)
        update, gradient = self._observed.get(name, (math.nan, math.nan))
        series["weight"].append(_size(now))
        series["update"].append(update)
        series["gradient"].append(gradient)
        series["change"].append(_size(now - self._last[name]) if name in self._last else math.nan)
        self._last[name] = now.clone()
        if now.ndim == 1 and "bias" in name and len(now) <= _BIASES:
            self._keep(f"bias {name}", now)

    def _note_units(self, model: nn.Module, task: Task) -> None:
        small = task.train.size <= _SMALL
        source = task.train if small else task.val
        batch = task.batch(source, torch.arange(min(source.size, _EXAMPLES)))
        seen: list[tuple[str, Tensor]] = []
        with torch.no_grad(), _Activations(model, seen):
            output = task.loss_and_output(model, batch)[1]
        for name, values in seen:
            # Channels come second in images and last in sequences.
            flat = (values.movedim(1, -1) if values.ndim > 3 else values).flatten(0, -2)
            same = (flat.amax(0) - flat.amin(0)) <= _SAME * max(float(flat.abs().max()), 1e-30)
            series = self._units.setdefault(name, {"dead": [], "mean": []})
            # A module that runs several times in a pass, or not in every pass, would make series of several lengths.
            series["dead"] += [math.nan] * (len(self._steps) - 1 - len(series["dead"]))
            series["mean"] += [math.nan] * (len(self._steps) - 1 - len(series["mean"]))
            series["dead"].append(float(same.float().mean()))
            series["mean"].append(float(flat.mean()))
            self._counts[name] = flat.shape[1]
            if small and values.ndim == 2 and values.shape[1] <= _SMALL:
                self._keep(f"activations {name}", values)
        if small and isinstance(output, Tensor) and output.numel() <= _SMALL**2:
            self._keep("predictions output", output.reshape(len(output), -1))

    def _note_filters(self, model: nn.Module) -> None:
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d):
                # One picture per filter: of its channels, the mean.
                self._keep(f"filters {name}.weight", module.weight.detach()[:_FILTERS].mean(1))
                return
            if isinstance(module, nn.Linear):
                side = math.isqrt(module.in_features)
                if side * side == module.in_features and side >= 8:
                    self._keep(f"filters {name}.weight", module.weight.detach()[:_FILTERS].view(-1, side, side))
                return

    def _keep(self, name: str, values: Tensor) -> None:
        self._pictures.setdefault(name, {})[self._steps[-1]] = values.double().cpu().numpy().copy()

    def _thin(self) -> None:
        """Keep pictures of looks that are evenly spread, and of the last one."""
        stride = 1
        while len(self._steps) / stride > 2 * _LOOKS:
            stride *= 2
        kept = {*self._steps[::stride], self._steps[-1]}
        for looks in self._pictures.values():
            for step in [step for step in looks if step not in kept]:
                del looks[step]

    def record(self) -> Inspection:
        """What was seen so far."""
        layers = tuple(
            LayerSeries(
                name=name, shape=self._shapes[name], weight=float_series(series["weight"]),
                update=float_series(series["update"]), gradient=float_series(series["gradient"]),
                ratio=float_series([_over(u, w) for u, w in zip(series["update"], series["weight"], strict=True)]),
                change=float_series(series["change"]),
            )
            for name, series in self._layers.items()
        )  # fmt: skip
        units = tuple(
            UnitSeries(name, self._counts[name], float_series(series["dead"]), float_series(series["mean"]))
            for name, series in self._units.items()
        )
        pictures = tuple(_picture(name, looks) for name, looks in self._pictures.items())
        return Inspection(
            task=self._task, step=int_series(self._steps), epoch=float_series(self._epochs), layers=layers,
            units=units, pictures=pictures,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """All that `load` needs."""
        return {
            "task": self._task, "steps": self._steps, "epochs": self._epochs, "layers": self._layers,
            "shapes": self._shapes, "units": self._units, "counts": self._counts, "pictures": self._pictures,
            "last": self._last, "observed": self._observed,
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, value in state.items():
            setattr(self, f"_{name}", value)


class _Activations(TorchFunctionMode):
    """Notes what activation functions return, with the module that called them."""

    def __init__(self, model: nn.Module, seen: list[tuple[str, Tensor]]) -> None:
        super().__init__()
        self._model, self._seen = model, seen
        self._inside: list[str] = []
        self._handles: list[Any] = []

    def __enter__(self) -> Any:
        for name, module in self._model.named_modules():
            self._handles.append(module.register_forward_pre_hook(lambda *_, name=name: self._inside.append(name)))
            self._handles.append(module.register_forward_hook(self._left, always_call=True))
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *details: Any) -> None:
        for handle in self._handles:
            handle.remove()
        super().__exit__(*details)  # type: ignore[no-untyped-call]

    def _left(self, *_: Any) -> None:
        self._inside.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _ACTIVATIONS and isinstance(result, Tensor) and result.ndim >= 2:
            place = self._inside[-1] if self._inside else ""
            name = f"{place} {func.__name__}".strip()
            taken = sum(1 for other, _ in self._seen if other.split(" #")[0] == name)
            self._seen.append((f"{name} #{taken + 1}" if taken else name, result.detach()))
        return result


@contextmanager
def _in_passing(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards modes and the random states are as before."""
    modes = [(module, module.training) for module in model.modules()]
    python, numpy_ = random.getstate(), np.random.get_state()  # noqa: NPY002 - models may draw from it
    model.eval()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        random.setstate(python)
        np.random.set_state(numpy_)  # noqa: NPY002


def _size(values: Tensor) -> float:
    """Root mean square."""
    return float(values.norm()) / math.sqrt(max(values.numel(), 1))


def _over(update: float, weight: float) -> float:
    return update / weight if weight > 0 else math.nan


def _picture(key: str, looks: dict[int, np.ndarray[Any, Any]]) -> Picture:
    what, _, name = key.partition(" ")
    steps = sorted(looks)
    values = float_series(np.concatenate([looks[step].reshape(-1) for step in steps]))
    return Picture(name=name, what=what, shape=looks[steps[0]].shape, step=int_series(steps), values=values)
