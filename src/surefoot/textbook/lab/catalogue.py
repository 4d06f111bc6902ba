"""The catalogue of classic programs: names and summaries; each program's file is imported when it is run.

A *program* is one of the textbook's, or a family of them: run as printed and, where the print is wrong, corrected. A
*setting* is what a user may change about it.
"""

from __future__ import annotations

import dataclasses
import difflib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from surefoot.errors import InputError

if TYPE_CHECKING:
    from surefoot.textbook.lab.record import LabResult

__all__ = ["PROGRAMS", "Program", "Setting", "find_program"]

Say = Callable[[str], None]


def _silent(words: str) -> None:
    del words


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a user may change about a program."""

    seed: int | None = None
    """First seed of everything random; None takes the program's own, which is the printed one where there is one."""
    seeds: int | None = None
    """How many seeds, from 1; None takes the program's own number."""
    data: str | None = None
    """Folder with the whole of MNIST, for programs that can train on it."""
    say: Say = _silent
    """Told what is being done now, in a few words."""

    def __post_init__(self) -> None:
        """Refuse numbers that are no seeds."""
        if self.seeds is not None and self.seeds < 1:
            raise InputError(f"`seeds` is {self.seeds}; it is a whole number from 1")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise InputError(f"`seed` is {self.seed}; it is a whole number from 0 to 2**32 - 1")

    def seed_list(self, count: int, first: int = 0) -> list[int]:
        """The seeds of this setting; `count` from `first` on where the user said nothing."""
        start = first if self.seed is None else self.seed
        return [start + place for place in range(count if self.seeds is None else self.seeds)]


@dataclasses.dataclass(frozen=True)
class Program:
    """One classic program."""

    name: str
    summary: str
    module: str
    """File of this folder whose `run` runs it."""
    reads_data: bool = False
    """Whether it can train on a folder of the user's."""

    def run(self, setting: Setting | None = None, **sizes: Any) -> LabResult:
        """Run the program. `sizes` are keywords of its `run`, for shorter or longer ones.

        Raises:
            InputError: a folder was given and the program reads none.
            DataError: the folder does not hold what is needed.
        """
        chosen = Setting() if setting is None else setting
        if chosen.data is not None and not self.reads_data:
            readers = ", ".join(one.name for one in PROGRAMS.values() if one.reads_data)
            raise InputError(f"`data` is {chosen.data!r}, but {self.name!r} reads no folder; only {readers} do")
        run = import_module(f"surefoot.textbook.lab.{self.module}").run
        started = time.perf_counter()
        with self._threads(chosen):
            result: LabResult = run(chosen, **sizes)
        return dataclasses.replace(result, seconds=time.perf_counter() - started)

    def _threads(self, setting: Setting) -> AbstractContextManager[None]:
        # The networks are small: more threads than one wait for each other longer than they compute.
        if setting.data is not None:
            return nullcontext()
        from surefoot.tasks.borrowing import borrowed_threads

        return borrowed_threads(1)


_ALL = (
    Program(
        "xor-backprop", "XOR by hand-written backpropagation: losses, gradients, share of seeds solved", "xor_backprop"
    ),
    Program("xor-rates", "XOR at three rates, and at many: which is the best, and which of them diverge", "xor_rates"),
    Program(
        "xor-optimizers",
        "XOR 2-4-1: SGD and Adam at two rates; AdaGrad, RMSprop and AdaDelta beside them",
        "xor_optimizers",
    ),
    Program(
        "mnist-cnn",
        "SimpleCNN on handwritten digits: loss by epoch, first filter, biases",
        "mnist_cnn",
        reads_data=True,
    ),
    Program("epochs", "3, 10, 30, 50 epochs against two printed tables: are 50 too many?", "epochs", reads_data=True),
    Program(
        "regularizers",
        "dropout, weight decay, shifts, clipping, normalisation, early stopping, a fresh start",
        "regularizers",
    ),
    Program(
        "scenarios", "rates too high, too low and good in one picture, found and labelled by measurement", "scenarios"
    ),
    Program("schedules", "rate against step for every schedule, and what each does to a training", "schedules"),
    Program("bowl", "paths down a bowl at small, large and decaying rates, beside the exact ones", "bowl"),
    Program(
        "gradient-noise",
        "single example, mini-batch, full batch: noise, its floor, and decay removing it",
        "gradient_noise",
    ),
    Program("noise-floor", "the height at which a constant rate settles, measured over predicted", "noise_floor"),
    Program(
        "edge-of-stability",
        "sharpness rises to the limit of the optimizer in use and hovers there",
        "edge_of_stability",
    ),
    Program("catapult", "a first rate above 2 / sharpness: the four regimes, beside the closed recursion", "catapult"),
    Program("cnn-facts", "shapes, parameters, operations, shifts, filters and feature hierarchy of CNNs", "cnn_facts"),
    Program("inspection", "size of weights, updates and gradients by epoch; sharpness against 2 / rate", "inspection"),
    Program("searches", "grid, random, cross-validation and range test, side by side on one task", "searches"),
    Program(
        "building-blocks",
        "layers, activations, losses, data sets, shallow and deep, trained and counted",
        "building_blocks",
    ),
    Program("loss-arithmetic", "the three-class loss example, under four definitions of loss", "loss_arithmetic"),
    Program(
        "formulas",
        "update rule, decay, derivatives, convolution size, divergence limit: each by experiment",
        "formulas",
    ),
)

PROGRAMS: Mapping[str, Program] = MappingProxyType({one.name: one for one in _ALL})
"""Every program by its name, in the order to list them."""


def find_program(name: str) -> Program:
    """The program of a name.

    Raises:
        InputError: there is none; the nearest names are given.
    """
    found = PROGRAMS.get(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name.lower().replace("_", "-"), PROGRAMS, n=3, cutoff=0.4)
    offer = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(PROGRAMS)}"
    raise InputError(f"no program {name!r} in the lab; {offer}")
