"""What a module remembers beside its parameters and buffers: counters, caches, lists and generators of its own.

Members side by side share one module object, so whatever a forward pass leaves there would be shared too.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import random
import types
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["changed_attributes", "remembered"]

_MOST = 20_000
"""Values that are looked at; of a list for which no room is left, its length is."""
_TORCHS_OWN = frozenset(vars(nn.Module())) - {"training", "_forward_hooks", "_forward_pre_hooks"}
"""Attributes in which torch keeps parameters, buffers and modules; hooks may remember something."""
_PLAIN = bool | int | float | complex | str | bytes | type | None
_COUNTING = itertools.count | itertools.cycle | type(iter([])) | type(iter(())) | type(iter(range(0)))


class _Same:
    """Equal to the same object, or to one that says it is equal; holds it, so that its place is not given away."""

    def __init__(self, one: object) -> None:
        self._one = one

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return False
        if self._one is other._one:
            return True
        if type(self._one) is not type(other._one) or isinstance(self._one, Tensor | np.ndarray):
            return False
        try:
            return bool(self._one == other._one)
        except Exception:  # noqa: BLE001 - the user's own comparison
            return False

    __hash__ = None  # type: ignore[assignment]


def remembered(owner: object) -> dict[tuple[str, str], object]:
    """What can be compared later of each attribute of a module and of those in it, by (module, attribute).

    Of any other object, its attributes are those of the module "".
    """
    if not isinstance(owner, nn.Module):
        look = _Look(())
        return {("", name): look.at(value) for name, value in _attributes(owner)}
    look = _Look(owner.modules())
    return {
        (prefix, name): look.at(value)
        for prefix, module in owner.named_modules()
        for name, value in vars(module).items()
        if name not in _TORCHS_OWN
    }


def changed_attributes(
    before: Mapping[tuple[str, str], object], now: Mapping[tuple[str, str], object]
) -> list[tuple[str, str]]:
    """The attributes that differ between two answers of `remembered`."""
    gone = [name for name in before if name not in now]
    return [name for name in now if name not in before or before[name] != now[name]] + gone


class _Look:
    """One walk through everything that hangs on an object."""

    def __init__(self, known: Iterable[nn.Module]) -> None:
        self._left = _MOST
        # Modules that are looked at anyway; a hook may lead back to them.
        self._seen: dict[int, object] = {id(module): module for module in known}

    def at(self, value: object) -> object:
        self._left -= 1
        if isinstance(value, _PLAIN):
            return type(value), repr(value) if isinstance(value, float | complex) else value
        if isinstance(value, Tensor):
            return _Same(value), _version(value)
        if isinstance(value, np.ndarray):
            return value.shape, value.dtype, zlib.crc32(np.ascontiguousarray(value).tobytes())
        if id(value) in self._seen:
            return "as above"
        self._seen[id(value)] = value
        return type(value), self._inside(value)

    def _inside(self, value: Any) -> object:
        if isinstance(value, Mapping | Set | list | tuple | deque) and len(value) > self._left:
            return len(value)
        if isinstance(value, Mapping):
            return [(repr(key), self.at(one)) for key, one in value.items()]
        if isinstance(value, Set):
            return sorted(map(repr, value))
        if isinstance(value, list | tuple | deque):
            return [self.at(one) for one in value]
        state = _state(value)
        if state is not None:
            return state
        own = list(_attributes(value))
        return [(name, self.at(one)) for name, one in own] if own else _Same(value)


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written into, where that is counted: not in inference mode, nor before it has a shape."""
    try:
        return tensor._version
    except (RuntimeError, ValueError):
        return None


def _state(value: Any) -> object:
    """The state of what counts or draws without showing it in attributes; None for other objects."""
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return repr(value.get_state(legacy=False))
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, _COUNTING):
        return repr(value.__reduce__()[1:])
    if isinstance(value, types.GeneratorType):
        return value.gi_frame.f_lasti if value.gi_frame else -1, repr(inspect.getgeneratorlocals(value))
    return None


def _attributes(value: Any) -> Iterator[tuple[str, object]]:
    """What hangs on an object: attributes, what a function closes over, what a method or partial is bound to."""
    if isinstance(value, types.ModuleType):
        return
    if isinstance(value, types.MethodType):
        yield "__self__", value.__self__
        return
    if isinstance(value, functools.partial):
        yield from (("func", value.func), ("args", value.args), ("keywords", value.keywords))
    if isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield name, cell.cell_contents
            except ValueError:  # not filled yet
                continue
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield name, getattr(value, name)
    yield from getattr(value, "__dict__", {}).items()
