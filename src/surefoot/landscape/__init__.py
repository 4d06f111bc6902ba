"""Landscapes: the loss over lines and planes of weights, with the paths of real trainings; and the bowl."""

from surefoot.landscape.bowl import bowl
from surefoot.landscape.drawing import Watch
from surefoot.landscape.landscape import landscape

__all__ = ["Watch", "bowl", "landscape"]
