"""Values: how the words of a command line become numbers, ranges and options."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Value = click.ParamType[Any]
else:
    _Value = click.ParamType

__all__ = ["BATCH", "EARLY_STOP", "FINITE", "MEMORY", "NAMED", "NUMBERS", "POSITIVE", "RATES"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


class _Batch(_Value):
    name = "N|full"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "full":
            return "full"
        try:
            size = int(value)
        except ValueError:
            size = 0
        if size < 1:
            self.fail(f"{value!r} is no batch size; give a whole number from 1, or full", param, ctx)
        return size


class _Rates(_Value):
    name = "LOW..HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        low, dots, high = str(value).partition("..")
        try:
            rates = (float(low), float(high))
        except ValueError:
            rates = (math.nan, math.nan)
        if not dots or not 0 < rates[0] < rates[1] < math.inf:
            self.fail(f"{value!r} is no range of rates; give the lowest and the highest, such as 1e-4..1", param, ctx)
        return rates


class _Memory(_Value):
    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]i?)?b?\s*", str(value).lower())
        size = int(float(found[1]) * _UNITS[found[2] or ""]) if found else 0
        if size < 1:
            self.fail(f"{value!r} is no size; give a number with a unit, such as 500MB or 4GB", param, ctx)
        return size


class _Numbers(_Value):
    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers; separate them by commas, such as 0.9,0.999", param, ctx)


class _Named(_Value):
    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        name, sign, written = str(value).partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not name.isidentifier():
            self.fail(f"{value!r} is no option; write NAME=VALUE, such as nesterov=true", param, ctx)
        return name, _literal(written.strip())


class _EarlyStop(_Value):
    name = "PATIENCE[:MIN_DELTA]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, float]:
        if isinstance(value, tuple):
            return value
        patience, _, delta = str(value).partition(":")
        try:
            read = (int(patience), float(delta or 0.0))
        except ValueError:
            read = (0, 0.0)
        if read[0] < 1 or not 0 <= read[1] < math.inf:
            self.fail(f"{value!r} does not say when to stop; give a number of epochs, such as 5 or 5:0.001", param, ctx)
        return read


class _Finite(_Value):
    name = "NUMBER"
    wanted = "a finite number"
    above = -math.inf

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self.above < number < math.inf:
            self.fail(f"{value!r} is not {self.wanted}", param, ctx)
        return number


class _Positive(_Finite):
    wanted = "a finite number above 0"
    above = 0.0


def _literal(written: str) -> Any:
    """A number, ``true``, ``false``, ``none`` or a list of numbers where it is one, else the text itself."""
    words = {"true": True, "false": False, "none": None}
    if written.lower() in words:
        return words[written.lower()]
    for kind in (int, float):
        try:
            return kind(written)
        except ValueError:
            continue
    if "," in written:
        return tuple(_literal(part.strip()) for part in written.strip("()[]").split(",") if part.strip())
    return written


BATCH = _Batch()
RATES = _Rates()
MEMORY = _Memory()
NUMBERS = _Numbers()
NAMED = _Named()
EARLY_STOP = _EarlyStop()
FINITE = _Finite()
POSITIVE = _Positive()
