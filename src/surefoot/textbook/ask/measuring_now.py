"""Measuring now: a question that names a task of the user's is answered by a measurement on that task.

"Is 0.1 too high for digits with sgd?" names a task, a rate and an optimizer. The question becomes the command that
measures it; with leave to run, the measurement is made and the answer read off it.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import TYPE_CHECKING, Any

from surefoot.records import Measurement
from surefoot.records.answer import Answer
from surefoot.tasks.catalogue import ALIASES, CATALOGUE, hints
from surefoot.textbook.ask.words import plain

if TYPE_CHECKING:
    from surefoot.records import Found

__all__ = ["Wanted", "measure", "offered", "wanted"]

_NUMBER = re.compile(r"(?<![\w.:/-])(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?(?![\w:/]|\.\d)")
_FILE = re.compile(r"[\w./-]+\.py:\w+|[a-zA-Z_]\w*(?:\.\w+)+:\w+")
_OPTIMIZERS = ("adamw", "adam", "nadam", "radam", "rmsprop", "adagrad", "adadelta", "sgd")
_RATE_WORDS = re.compile(r"\b(?:lr|learning[- ]?rate|rate|step[- ]?size|eta)\b")
_AMOUNTS = re.compile(r"\s*(?:epochs?|steps?|layers?|examples?|images?|seeds?|%|percent)")
_MOMENTUM = re.compile(r"\bmomentum\s*(?:=|of)?\s*(0?\.\d+|0)\b")
_AFTER = re.compile(r"(?:momentum|batch(?: size)?(?: of)?|weight decay|seed|epochs?)\s*(?:=|of)?\s*$")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a question wants measured."""

    task: str
    """A built-in name, ``file.py:name`` or ``module:name``."""
    lr: float | None
    optimizer: str
    momentum: float | None = None

    @property
    def command(self) -> str:
        """The command that measures it."""
        momentum = "" if self.momentum is None else f" --momentum {self.momentum:g}"
        return f"surefoot find {shlex.quote(self.task)} --optimizer {self.optimizer}{momentum}"


def wanted(question: str) -> Wanted | None:
    """What `question` wants measured; None when it names no task, or nothing about its rate."""
    spelled = plain(question)
    task = _task(question, spelled)
    if task is None:
        return None
    without = spelled.replace(task.lower(), " ")
    lr = _rate(without)
    if lr is None and not _RATE_WORDS.search(without):
        return None
    optimizer = next((one for one in _OPTIMIZERS if re.search(rf"\b{one}\b", without)), "sgd")
    momentum = _MOMENTUM.search(without) if optimizer in ("sgd", "rmsprop") else None
    return Wanted(task, lr, optimizer, None if momentum is None else float(momentum.group(1)))


def _task(question: str, spelled: str) -> str | None:
    file = _FILE.search(question)
    if file is not None:
        return file.group()
    names = sorted([*CATALOGUE, *ALIASES], key=len, reverse=True)
    return next((one for one in names if re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", spelled)), None)


def _rate(spelled: str) -> float | None:
    for found in _NUMBER.finditer(spelled):
        if _AMOUNTS.match(spelled, found.end()) or _AFTER.search(spelled[: found.start()]):
            continue
        value = float(found.group())
        if 0 < value < 1e4:
            return value
    return None


def offered(answer: Answer, want: Wanted) -> Answer:
    """An answer with the offer to measure on the task that the question names."""
    offer = f"To measure it on `{want.task}`: {want.command} (or ask again with --run)."
    words = offer if answer.status == "nothing_measured" else f"{answer.answer} {offer}"
    return dataclasses.replace(answer, answer=words, command=want.command)


def measure(answer: Answer, want: Wanted) -> tuple[Answer, Found]:
    """The answer from a search for the rate of the task that the question names, and the search."""
    from surefoot.find import find
    from surefoot.tasks.loading import load_task

    task = load_task(want.task, device="auto", data=None)
    epochs, batch_size = hints(want.task, task)
    options: dict[str, Any] = {} if want.momentum is None else {"momentum": want.momentum}
    found = find(task, optimizer=want.optimizer, epochs=epochs, batch_size=batch_size, **options)
    return judged(answer, want, found), found


def judged(answer: Answer, want: Wanted, found: Found) -> Answer:
    """The answer that a search gives."""
    verdict, words = _verdict(want, found)
    numbers = [
        _number("rate found", found.lr, found.interval, found.reason),
        _number("rate above which training diverges", found.divergence_lr, None, "no rate that was tried diverged"),
        _number("expected loss at the rate found", found.expected_loss, None, found.reason),
    ]
    return dataclasses.replace(
        answer,
        status="answered",
        answer=words,
        verdict=verdict,
        measurements=tuple(numbers),
        command=want.command,
        conditions=f"{want.task} with {want.optimizer}, {found.recipe.epochs:g} epochs, "
        f"batch size {found.recipe.batch_size}; a search that cost {found.cost:.2g} trainings",
    )


def _verdict(want: Wanted, found: Found) -> tuple[str, str]:
    where = f"on {want.task} with {want.optimizer}"
    if found.lr is None or found.interval is None:
        return "unknown", f"No rate can be recommended {where}: {found.reason}"
    low, high = found.interval
    best = f"the best rate measured {where} is {found.lr:.3g}, not distinguishable from {low:.2g} to {high:.2g}"
    if want.lr is None:
        return "right", f"{best[0].upper()}{best[1:]}."
    asked = f"{want.lr:g}"
    if found.divergence_lr is not None and want.lr >= found.divergence_lr:
        return "too_high", f"{asked} is too high: training diverges from about {found.divergence_lr:.2g}; {best}."
    if want.lr > high:
        return "too_high", f"{asked} is too high, {want.lr / found.lr:.2g} times the rate found; {best}."
    if want.lr < low:
        return "too_low", f"{asked} is too low, {found.lr / want.lr:.2g} times below the rate found; {best}."
    return "right", f"{asked} is right: {best}."


def _number(name: str, value: float | None, interval: tuple[float, float] | None, reason: str) -> Measurement:
    low, high = interval or (None, None)
    return Measurement(name, value, low=low, high=high, reason="" if value is not None else reason)
