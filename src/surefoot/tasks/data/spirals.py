"""Spirals: arms wound around one centre, a small problem that needs a curved boundary."""

from __future__ import annotations

import math

import numpy as np
import torch

from surefoot.errors import InputError
from surefoot.tasks.data.split import Split, divide, standardise

__all__ = ["spirals"]


def spirals(*, arms: int = 3, points: int = 200, turns: float = 1.0, noise: float = 0.1, seed: int = 0) -> Split:
    """Points on `arms` spirals in the plane, one class per arm: 600 points of 3 classes unless told otherwise.

    The point at share t of its arm's length lies at radius t and angle 2 pi (turns t + arm / arms), plus normal
    noise on both coordinates.

    Args:
        arms: number of spirals and of classes, at least 2.
        points: points on each arm, at least 2.
        turns: how often an arm winds around the centre, above 0.
        noise: standard deviation of the noise, as a share of the outer radius; 0 or more.
        seed: seed of the noise; it touches no global random state.

    Raises:
        InputError: if an argument is out of its range.

    Source: drawn when asked for. Licence: none needed.
    """
    for name, value, least in (("arms", arms, 2), ("points", points, 2)):
        if value < least:
            raise InputError(f"`{name}` is {value}; give a whole number of {least} or more")
    if not (turns > 0 and math.isfinite(turns)):
        raise InputError(f"`turns` is {turns}; give a number above 0")
    if not (noise >= 0 and math.isfinite(noise)):
        raise InputError(f"`noise` is {noise}; give a number of 0 or more")
    random = np.random.default_rng(seed)
    along = np.tile(np.linspace(1 / points, 1, points), arms)
    arm = np.repeat(np.arange(arms), points)
    angle = 2 * math.pi * (turns * along + arm / arms)
    places = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    places += noise * random.standard_normal(places.shape)
    train, held = divide(len(places))
    x, xv = standardise(places[train], places[held])
    return Split(
        x=x,
        y=torch.from_numpy(arm[train]).long(),
        xv=xv,
        yv=torch.from_numpy(arm[held]).long(),
        kind="classes",
        classes=arms,
        source=f"{arms} spirals drawn from seed {seed}",
        licence="none needed",
    )
