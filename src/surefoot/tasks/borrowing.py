"""Borrowed state and its return: random number generators and thread counts are as before, to the bit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

__all__ = ["borrowed_rng", "borrowed_threads", "mixed_seed", "seed_all", "seed_torch"]

_MASK = 2**64 - 1


@contextlib.contextmanager
def borrowed_rng(seed: int | None = None) -> Iterator[None]:
    """Inside, torch, NumPy's legacy generator and `random` start from `seed`; afterwards all are as before.

    With `seed` None they only are put back.
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 - the user's legacy generator is what is borrowed
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            if seed is not None:
                seed_all(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def seed_all(seed: int) -> None:
    """Start torch, NumPy's legacy generator and `random` from `seed`; for use inside `borrowed_rng`."""
    seed_torch(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)


def seed_torch(seed: int) -> None:
    """What ``torch.manual_seed`` does for the CPU and CUDA devices.

    Without a GPU that function formats a stack trace and keeps it for a GPU to come: slow, and it piles up.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


@contextlib.contextmanager
def borrowed_threads(count: int) -> Iterator[None]:
    """Inside, torch computes with `count` threads; afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def mixed_seed(*parts: int) -> int:
    """One 63-bit seed from several whole numbers; each part changes it (SplitMix64, Steele et al. 2014)."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & _MASK)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state = (state ^ (state >> 31)) + 0x9E3779B97F4A7C15 & _MASK
    return state >> 1
