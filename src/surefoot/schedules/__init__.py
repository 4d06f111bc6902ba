"""Schedules: pure ``step -> rate`` values. Floor 0: standard library only, never torch."""

from surefoot.schedules.one_cycle import OneCycle
from surefoot.schedules.plain import Constant, Cosine, Linear
from surefoot.schedules.schedule import Schedule, make, names, register

__all__ = ["Constant", "Cosine", "Linear", "OneCycle", "Schedule", "make", "names", "register"]
