"""The seeds of the experiments: one number moves them all.

A *repetition* of an experiment has a seed of its own, which draws its first weights, the order of its examples and its
noise. What all repetitions share, such as which labels are wrong, is drawn from a *shared* seed.
"""

from __future__ import annotations

__all__ = ["FIRST_SEED", "repetitions", "shared"]

FIRST_SEED = 500_000
"""Seed of the first repetition. Runs made while the rules were being written began at 0 and never came near it."""


def repetitions(count: int) -> tuple[int, ...]:
    """Seeds of so many repetitions."""
    return tuple(range(FIRST_SEED, FIRST_SEED + count))


def shared(place: int = 0) -> int:
    """Seed of something that all repetitions share; `place`, from 0, tells several such things apart."""
    return FIRST_SEED - 1 - place
