"""Schedules: pure ``step -> rate`` values. Floor 0: standard library only, never torch."""

from surefoot.schedules.compose import Chain, Join, Offset, Repeat, Replan, chain, join, offset, repeat, replan
from surefoot.schedules.cyclical import CosineRestarts, ExponentialRange, Triangular, Triangular2
from surefoot.schedules.decays import Exponential, InverseSqrt, InverseTime, Noam
from surefoot.schedules.feedback import Greedy, Plateau
from surefoot.schedules.one_cycle import OneCycle
from surefoot.schedules.plain import Constant, Cosine, KDecay, Linear, Polynomial, Rex, Tanh
from surefoot.schedules.registry import class_of, names, option_names, register
from surefoot.schedules.schedule import Schedule, State
from surefoot.schedules.spec import from_json, make, spec_of
from surefoot.schedules.stages import MultiStep, Piecewise, Step
from surefoot.schedules.warmup import Warmup, warmup
from surefoot.schedules.warmup_stable_decay import WarmupStableDecay

__all__ = [
    "Chain",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "ExponentialRange",
    "Greedy",
    "InverseSqrt",
    "InverseTime",
    "Join",
    "KDecay",
    "Linear",
    "MultiStep",
    "Noam",
    "Offset",
    "OneCycle",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Repeat",
    "Replan",
    "Rex",
    "Schedule",
    "State",
    "Step",
    "Tanh",
    "Triangular",
    "Triangular2",
    "Warmup",
    "WarmupStableDecay",
    "chain",
    "class_of",
    "from_json",
    "join",
    "make",
    "names",
    "offset",
    "option_names",
    "register",
    "repeat",
    "replan",
    "spec_of",
    "warmup",
]
