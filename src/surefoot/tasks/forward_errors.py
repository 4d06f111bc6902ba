"""Why a batch does not go through a model: which layer stopped, on what, and what to change, in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from surefoot.errors import DataError, InputError, TaskError
from surefoot.tasks.data_checks import shapes_of
from surefoot.tasks.user_code import in_one_line, place_of

__all__ = ["refusal_of"]

_MANY = 8
"""Arguments of a model; more are no arguments."""


def refusal_of(
    error: Exception,
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    name: str,
    *,
    who: str = "`model`",
) -> InputError:
    """The error to raise for `error`, which `model` raised on a batch of `name` given as `args` and `kwargs`."""
    said, where = in_one_line(error), place_of(error)
    place = f" ({where})" if where else ""
    if isinstance(error, TypeError) and "argument" in said and "forward" in said:
        parts = len(args) + len(kwargs)
        remedy = "give `loss(model, batch)` to call it yourself"
        if parts > _MANY:
            remedy = "if each part is an example, give the data as (torch.stack(x), y)"
        return TaskError(
            f"`model` cannot be called with the {parts} {'part' if parts == 1 else 'parts'} of a batch before its "
            f"target: {said}; {remedy}"
        )
    layer, module, inputs = _stopped_in(model, args, kwargs) if who == "`model`" else ("", None, ())
    at = f" in layer `{layer}` ({type(module).__name__})" if layer else ""
    got = shapes_of(inputs if inputs else (list(args), dict(kwargs)))
    if "same device" in said or "expected device" in said:
        return TaskError(
            f"{who} fails on a batch of `{name}`{at}: {said}{place}; register constants of the model with "
            "register_buffer, so that they move with it"
        )
    remedy = _remedy(said, module, inputs, model)
    if remedy:
        return DataError(f"{who} fails on a batch of `{name}`{at}, which got {got}: {remedy}")
    return TaskError(f"{who} fails on a batch of `{name}`{at}, which got {got}: {said}{place}")


def _remedy(said: str, module: nn.Module | None, inputs: Sequence[Any], model: nn.Module) -> str:
    """What to change; empty where only torch's own words are left."""
    tensor = next((one for one in inputs if isinstance(one, torch.Tensor)), None)
    if "more than 1 value per channel" in said:
        return "batch normalisation needs at least 2 examples in a training batch; take a larger `batch_size`"
    if module is None or tensor is None:
        return ""
    if isinstance(module, nn.Embedding):
        return _embedding(module, tensor)
    weight = next((one for one in module.parameters(recurse=False)), next(model.parameters(), None))
    wrong_type = weight is not None and tensor.dtype != weight.dtype
    if wrong_type and weight is not None and any(word in said for word in ("dtype", "type", "not implemented for")):
        dtype = str(weight.dtype).removeprefix("torch.")
        how = "x.float()" if weight.dtype == torch.float32 else f"x.to(torch.{dtype})"
        return f"its weights are {dtype}; convert the data, {how}"
    if isinstance(module, nn.Linear):
        return _linear(module, tensor)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return _convolution(module, tensor, said)
    return ""


def _linear(module: nn.Linear, tensor: torch.Tensor) -> str:
    if tensor.ndim and tensor.shape[-1] == module.in_features:
        return ""
    if tensor.ndim > 2 and math.prod(tensor.shape[1:]) == module.in_features:
        return f"it takes {module.in_features} values an example; put nn.Flatten() in front of it"
    if tensor.ndim == 1:
        make = "" if module.in_features == 1 else ", and `in_features` 1"
        return f"it takes (examples, values) and there is one value an example; make the data x[:, None]{make}"
    last = tensor.shape[-1] if tensor.ndim else 0
    return f"it takes {module.in_features} values in the last dimension; make `in_features` {last} or change the data"


def _convolution(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, tensor: torch.Tensor, said: str) -> str:
    dimensions = len(module.kernel_size)
    if tensor.ndim == dimensions + 1 and module.in_channels == 1 and "channels" in said:
        return "it takes (examples, 1, …); add the dimension of the channels, x.unsqueeze(1)"
    if tensor.ndim < dimensions + 2:
        return f"it takes {dimensions + 2} dimensions (examples, channels, …); reshape the data"
    if tensor.shape[1] != module.in_channels:
        if tensor.shape[-1] == module.in_channels:
            return f"it takes {module.in_channels} channels in the second dimension; reorder them, x.movedim(-1, 1)"
        return f"it takes {module.in_channels} channels; make `in_channels` {tensor.shape[1]} or change the data"
    if "size" in said:
        return f"the image is smaller than its kernel of {tuple(module.kernel_size)}; use fewer or smaller reductions"
    return ""


def _embedding(module: nn.Embedding, tensor: torch.Tensor) -> str:
    if tensor.is_floating_point():
        return "it takes whole numbers; convert the data, x.long()"
    if tensor.numel() and (int(tensor.max()) >= module.num_embeddings or int(tensor.min()) < 0):
        found = int(tensor.max()) if int(tensor.max()) >= module.num_embeddings else int(tensor.min())
        return (
            f"it has {module.num_embeddings} entries, so inputs go from 0 to {module.num_embeddings - 1}, and one is "
            f"{found}; enlarge `num_embeddings` or correct the data"
        )
    return ""


def _stopped_in(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, nn.Module | None, Sequence[Any]]:
    """Name, module and inputs of the innermost layer that the batch did not get through, by trying once more."""
    open_layers: list[tuple[str, nn.Module, tuple[Any, ...]]] = []
    handles = []

    def entering(name: str) -> Any:
        def note(module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            open_layers.append((name, module, (*inputs, *keywords.values())))

        return note

    def leaving(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        open_layers.pop()

    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(entering(name), with_kwargs=True))
            handles.append(module.register_forward_hook(leaving))
        model(*args, **kwargs)
    except Exception:  # noqa: BLE001 - it is the failure that is looked for
        return open_layers[-1] if open_layers else ("", None, ())
    finally:
        for handle in handles:
            handle.remove()
    return "", None, ()
