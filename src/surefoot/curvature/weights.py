"""Weights from outside: a state dict, or a file of one, by the names of a task's model. Reading a file runs no code.

The one reader of checkpoints: a file that one verb takes, the others take too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.tasks.user_code import in_one_line

__all__ = ["load_weights", "read_weights"]

_INNER = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Where training scripts keep the model in a dictionary with other things."""
_WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What wrappers put before every name; several may stand one after the other."""
_DEEPEST = 3


def load_weights(model: nn.Module, weights: Mapping[str, Tensor] | str | os.PathLike[str]) -> dict[str, Tensor]:
    """Put `weights` into `model` and return its state under its names; see `read_weights`."""
    model.load_state_dict(read_weights(model, weights), strict=False)
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def read_weights(
    model: nn.Module, weights: Mapping[str, Tensor] | str | os.PathLike[str], *, argument: str = "weights"
) -> dict[str, Tensor]:
    """The tensors of `weights` that are the model's, under its names.

    All trainable parameters are there. Of frozen ones and of buffers what the file holds: a file of an adapter has
    none of its base.

    Args:
        model: says which names and shapes are wanted; it is not changed.
        weights: a ``.safetensors`` file, a state dict that torch saved, a folder that `train --save` wrote, or a state
            dict itself.
        argument: what errors call it.

    Raises:
        InputError: no such file, no state dict in it, one of another model, or one with NaN.
    """
    shown = "the given mapping"
    found: Any = weights
    if isinstance(weights, str | os.PathLike):
        path = Path(weights)
        shown = repr(os.fspath(path))
        found = _inner(_read(path, argument))
    named = {str(name): one for name, one in found.items() if isinstance(one, Tensor)} if _is_dict(found) else {}
    if not named:
        raise InputError(f"`{argument}` is {shown}, which holds no weights by name; save model.state_dict()")
    fault, fitting = _fitting(model, named)
    if fault:
        raise InputError(f"`{argument}` is {shown}, which does not fit the task's model: {fault}")
    for name, _ in model.named_parameters():
        if name in fitting and not bool(torch.isfinite(fitting[name]).all()):
            raise InputError(
                f"`{argument}` is {shown}, which has NaN or infinity in `{name}`; take a checkpoint from before it "
                "diverged"
            )
    return fitting


def _fitting(model: nn.Module, named: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """What is wrong with these tensors for the model, or nothing; and those that are its own."""
    needed = [name for name, one in model.named_parameters() if one.requires_grad]
    prefix = _prefix(named, needed)
    # What does not stand below the wrapper belongs to something else than the model.
    inside = {name.removeprefix(prefix): one for name, one in named.items() if name.startswith(prefix)}
    for name in needed:
        if name not in inside:
            return f"it has no weights for `{name}` (it holds {_some(named)})", {}
    own = {name: one for name, one in model.state_dict().items() if isinstance(one, Tensor)}
    for name in own.keys() & inside.keys():
        if inside[name].shape != own[name].shape:
            return (
                f"it has `{name}` of shape {tuple(inside[name].shape)}, and the model has {tuple(own[name].shape)}"
            ), {}
    layers = {name for name, _ in model.named_modules()}
    for name in inside.keys() - own.keys():
        # A tensor more in a layer that is there, such as a buffer of an older version, does no harm.
        if name.rpartition(".")[0] not in layers:
            return f"it has `{name}`, and the model has no such layer", {}
    return "", {name: inside[name] for name in own if name in inside}


def _prefix(names: Iterable[str], needed: Iterable[str]) -> str:
    """What stands before every needed name; nothing where none of the wrappers' prefixes makes them fit."""
    held, wanted = set(names), list(needed)
    waiting = [("", 0)]
    for prefix, depth in waiting:
        if all(prefix + name in held for name in wanted):
            return prefix
        if depth < _DEEPEST:
            longer = [prefix + one for one in _WRAPPERS]
            waiting += [(one, depth + 1) for one in longer if any(name.startswith(one) for name in held)]
    return ""


def _inner(found: Any) -> Any:
    if _is_dict(found):
        for key in _INNER:
            if _is_dict(found.get(key)):
                return found[key]
    return found


def _is_dict(found: Any) -> bool:
    return isinstance(found, Mapping)


def _some(named: Mapping[str, Tensor]) -> str:
    names = list(named)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _read(path: Path, argument: str) -> Any:
    shown = f"`{argument}` is {os.fspath(path)!r}"
    if path.is_dir():
        path = path / "weights.safetensors"
    if not path.is_file():
        raise InputError(
            f"{shown}, and there is no such file; give a .safetensors file, or a state dict saved by torch.save"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"{shown}, which cannot be read as a checkpoint: {in_one_line(error)[:200]}") from None
    except Exception as error:  # noqa: BLE001 - torch's unpickler has error types of its own
        raise InputError(
            f"{shown}, which holds more than tensors ({type(error).__name__}); save model.state_dict() alone"
        ) from None
