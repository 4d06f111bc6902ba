"""The next batches of a training, read without taking them from it."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch

from surefoot.errors import InputError

__all__ = ["taken"]


def taken(batches: Any, count: int, name: str) -> list[Any]:
    """At most `count` batches of a list, a loader or an iterator that can be copied; what they came from is as before.

    Generators of a loader and of its sampler are put back. What cannot be put back is the state of a user's own
    dataset that changes when it is read.

    Raises:
        InputError: no batches, or an iterator that Python cannot copy.
    """
    if isinstance(batches, torch.Tensor | str | bytes | dict) or not hasattr(batches, "__iter__"):
        raise InputError(f"`{name}` is {type(batches).__name__}; give a list of batches or a loader")
    if hasattr(batches, "__next__"):
        try:
            batches = copy.copy(batches)
        except TypeError:
            raise InputError(
                f"`{name}` is an iterator that cannot be copied, so that reading it would take batches from the "
                "training; give the loader itself, or a list of batches"
            ) from None
        if type(batches).__name__ == "generator":  # pragma: no cover - copy.copy refuses these
            raise InputError(f"`{name}` is a generator, which cannot be copied; give a list of batches")
    with _generators_kept(batches):
        found = list(itertools.islice(iter(batches), count))
    if not found:
        raise InputError(f"`{name}` is empty; give at least one batch")
    return found


@contextlib.contextmanager
def _generators_kept(batches: Any) -> Iterator[None]:
    """Generators that a loader and its samplers draw from are as before afterwards."""
    holders = [batches, getattr(batches, "sampler", None), getattr(batches, "batch_sampler", None)]
    holders.append(getattr(holders[2], "sampler", None))
    generators = {id(g): g for one in holders if isinstance(g := getattr(one, "generator", None), torch.Generator)}
    states = {key: generator.get_state() for key, generator in generators.items()}
    try:
        yield
    finally:
        for key, generator in generators.items():
            generator.set_state(states[key])
