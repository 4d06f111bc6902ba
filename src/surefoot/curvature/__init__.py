"""Curvature of the loss: sharpness, the largest stable rate of an optimizer, noise of the gradient."""

from __future__ import annotations

from surefoot.curvature.measure import curvature

__all__ = ["curvature"]
