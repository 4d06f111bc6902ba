"""Weights from outside: a state dict, or a file of one, put into a task's model. Reading a file runs no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.tasks.user_code import in_one_line

__all__ = ["load_weights"]

_INNER = ("model", "model_state_dict", "state_dict", "weights")
"""Where checkpoints of common loops keep the model's part."""


def load_weights(model: nn.Module, weights: Mapping[str, Tensor] | str | os.PathLike[str]) -> dict[str, Tensor]:
    """Put `weights` into `model` and return them under its names.

    Raises:
        InputError: no such file, no state dict in it, or one of another model.
    """
    found: Any = weights
    shown = "the given mapping"
    if isinstance(weights, str | os.PathLike):
        path, shown = Path(weights), f"{os.fspath(weights)!r}"
        found = _read(path)
        for key in _INNER:
            if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
                found = found[key]
                break
    if not isinstance(found, Mapping) or not found or not all(isinstance(one, Tensor) for one in found.values()):
        raise InputError(f"`weights` is {shown}, which holds no state dict; save model.state_dict()")
    try:
        model.load_state_dict(dict(found))
    except RuntimeError as error:
        raise InputError(f"`weights` is {shown}, which does not fit the task's model: {in_one_line(error)}") from None
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def _read(path: Path) -> Any:
    if path.is_dir():
        path = path / "weights.safetensors"
    if not path.is_file():
        raise InputError(f"`weights` is {str(path)!r}, and there is no such file; name a state dict that was saved")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"`weights` is {str(path)!r}, which cannot be read: {in_one_line(error)}") from None
    except Exception as error:  # noqa: BLE001 - torch's unpickler has error types of its own
        raise InputError(
            f"`weights` is {str(path)!r}, which holds more than tensors ({type(error).__name__}); save the state dict"
        ) from None
