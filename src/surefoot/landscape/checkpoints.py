"""Checkpoints: weights from a file, for a picture around them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from surefoot.errors import InputError
from surefoot.landscape.weights import Numbers, Weights
from surefoot.tasks.user_code import in_one_line

__all__ = ["load_point"]

_INSIDE = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Where training scripts keep the model in a dictionary with other things."""
_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers put before every name."""


def load_point(path: str | os.PathLike[str], weights: Weights) -> tuple[Numbers, dict[str, Tensor]]:
    """The point that the file holds, and all its tensors: ``.safetensors``, or a state dict that torch saved.

    Torch files are read without running code from them.

    Raises:
        InputError: no such file, none of these, or weights of another model.
    """
    target = Path(path)
    if target.is_dir():
        target = target / "weights.safetensors"
    if not target.is_file():
        raise InputError(f"`{path}`: no such checkpoint; give a .safetensors file or a state dict saved by torch.save")
    try:
        state = load_file(target) if target.suffix == ".safetensors" else torch.load(target, "cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"`{target}` cannot be read as a checkpoint: {in_one_line(error)[:200]}") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"`{target}` holds more than tensors ({type(error).__name__}); save model.state_dict() alone"
        ) from None
    named = _tensors(state, target)
    for prefix in ("", *_PREFIXES):
        stripped = {name.removeprefix(prefix): one for name, one in named.items()}
        if all(name in stripped for name in weights.shapes):
            named = stripped
            break
    for name, shape in weights.shapes.items():
        if name not in named:
            raise InputError(
                f"`{target}` has no weights for `{name}`; it is of another model (it holds {_some(named)})"
            )
        if tuple(named[name].shape) != shape:
            raise InputError(f"`{target}` has `{name}` of shape {tuple(named[name].shape)}; the model has {shape}")
        if not bool(torch.isfinite(named[name]).all()):
            raise InputError(f"`{target}` has NaN or infinity in `{name}`; take a checkpoint from before it diverged")
    return weights.point(named), named


def _tensors(state: Any, target: Path) -> dict[str, Tensor]:
    if isinstance(state, Mapping):
        for key in _INSIDE:
            if isinstance(state.get(key), Mapping):
                state = state[key]
                break
        found = {str(name): one for name, one in state.items() if isinstance(one, Tensor)}
        if found:
            return found
    raise InputError(f"`{target}` holds no weights by name; save model.state_dict()")


def _some(named: Mapping[str, Tensor]) -> str:
    names = list(named)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
