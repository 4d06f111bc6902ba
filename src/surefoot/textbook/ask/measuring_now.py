"""Measuring now: a question that names a task or a log of the user's is answered by a measurement on it.

"Is 0.1 too high for digits with sgd?" names a task, a rate and an optimizer: `find` searches its rate. "How sharp is
digits at 0.1?" asks for its `curvature`, "what is wrong in runs/log.csv" for a `diagnose`. The question becomes the
command that measures it; with leave to run, the measurement is made and the answer read off it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from typing import TYPE_CHECKING, Any, Literal

from surefoot.records import Measurement
from surefoot.records.answer import Answer
from surefoot.tasks.catalogue import ALIASES, CATALOGUE, hints
from surefoot.textbook.ask.words import plain

if TYPE_CHECKING:
    from surefoot.records import Curvature, Found
    from surefoot.records.diagnosis import Diagnoses, Diagnosis

__all__ = ["Wanted", "bent_so", "diagnosed", "judged", "measure", "offered", "unnamed", "wanted"]

_NUMBER = re.compile(r"(?<![\w.:/-])(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?(?![\w:/]|\.\d)")
_FILE = re.compile(r"[\w./-]+\.py:\w+|[a-zA-Z_]\w*(?:\.\w+)+:\w+")
_LOG = re.compile(r"[\w~./-]+\.(?:csv|tsv|jsonl?|log|txt|out)\b|[\w~.-]*/[\w~./-]*")
_OPTIMIZERS = ("adamw", "adam", "nadam", "radam", "rmsprop", "adagrad", "adadelta", "sgd")
_RATE_WORDS = re.compile(r"\b(?:lr|learning[- ]?rate|rate|step[- ]?size|eta)\b")
_CURVATURE_WORDS = re.compile(
    r"\b(?:sharp(?:ness)?|curv(?:ature|ed)|hessian|eigenvalues?|stability limit|edge of stability|stable|steep)\b"
)
_AMOUNTS = re.compile(r"\s*(?:epochs?|steps?|layers?|examples?|images?|seeds?|%|percent)")
_MOMENTUM = re.compile(r"\bmomentum\s*(?:=|of)?\s*(0?\.\d+|0)\b")
_AFTER = re.compile(r"(?:momentum|batch(?: size)?(?: of)?|weight decay|seed|epochs?)\s*(?:=|of)?\s*$")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a question wants measured."""

    task: str
    """A built-in name, ``file.py:name`` or ``module:name``; for `diagnose`, a log file or a folder with logs."""
    lr: float | None
    optimizer: str
    momentum: float | None = None
    verb: Literal["find", "curvature", "diagnose"] = "find"

    @property
    def command(self) -> str:
        """The command that measures it."""
        if self.verb == "diagnose":
            return f"surefoot diagnose {shlex.quote(self.task)}"
        rate = "" if self.lr is None or self.verb == "find" else f" --lr {self.lr:g}"
        momentum = "" if self.momentum is None else f" --momentum {self.momentum:g}"
        return f"surefoot {self.verb} {shlex.quote(self.task)}{rate} --optimizer {self.optimizer}{momentum}"


def wanted(question: str) -> Wanted | None:
    """What `question` wants measured; None when it names no task and no log, or nothing about the task's rate."""
    spelled = plain(question)
    task = _task(question, spelled)
    if task is None:
        log = _log(question)
        return None if log is None else Wanted(log, None, "", verb="diagnose")
    without = spelled.replace(task.lower(), " ")
    lr = _rate(without)
    sharp = _CURVATURE_WORDS.search(without) is not None
    if lr is None and not sharp and not _RATE_WORDS.search(without):
        return None
    optimizer = next((one for one in _OPTIMIZERS if re.search(rf"\b{one}\b", without)), "sgd")
    momentum = _MOMENTUM.search(without) if optimizer in ("sgd", "rmsprop") else None
    factor = None if momentum is None else float(momentum.group(1))
    return Wanted(task, lr, optimizer, factor, "curvature" if sharp else "find")


def _log(question: str) -> str | None:
    """A log that the question names: by the ending of its name, or because there is such a folder or file."""
    for found in _LOG.finditer(question):
        path = found.group().rstrip(".")
        if os.path.splitext(path)[1] or (len(path) > 1 and os.path.exists(os.path.expanduser(path))):
            return path
    return None


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


def unnamed(answer: Answer) -> Answer:
    """An answer to a question that names nothing that could be measured now."""
    words = (
        "Nothing was measured now: the question names no task with a rate, and no log (`surefoot tasks` lists tasks)."
    )
    return dataclasses.replace(answer, answer=f"{answer.answer} {words}")


def offered(answer: Answer, want: Wanted) -> Answer:
    """An answer with the offer to measure on the task or log that the question names."""
    offer = f"To measure it on `{want.task}`: {want.command} (or ask again with --run)."
    words = offer if answer.status == "nothing_measured" else f"{answer.answer} {offer}"
    return dataclasses.replace(answer, answer=words, command=want.command)


def measure(answer: Answer, want: Wanted) -> Answer:
    """The answer from the measurement that the question wants."""
    if want.verb == "diagnose":
        from surefoot.diagnose.diagnose import diagnose

        return diagnosed(answer, want, diagnose(os.path.expanduser(want.task)))
    from surefoot.tasks.loading import load_task

    task = load_task(want.task, device="auto", data=None)
    epochs, batch_size = hints(want.task, task)
    options: dict[str, Any] = {} if want.momentum is None else {"momentum": want.momentum}
    if want.verb == "curvature":
        from surefoot.curvature import curvature

        bent = curvature(task, lr=want.lr, optimizer=want.optimizer, epochs=epochs, batch_size=batch_size, **options)
        return bent_so(answer, want, bent)
    from surefoot.find import find

    found = find(task, optimizer=want.optimizer, epochs=epochs, batch_size=batch_size, **options)
    return judged(answer, want, found)


def bent_so(answer: Answer, want: Wanted, found: Curvature) -> Answer:
    """The answer that a measurement of the sharpness gives."""
    verdicts = {"beyond": "too_high", "stable": "right", "oscillating but stable": "right", "at the edge": "right"}
    known = "" if found.limit is not None else f"no stability limit is known for {found.optimizer}"
    error = abs(found.error)
    numbers = [
        Measurement("sharpness", found.sharpness, low=found.sharpness - error, high=found.sharpness + error),
        _measured("largest stable rate", found.limit, None, known),
    ]
    return dataclasses.replace(
        answer,
        status="answered",
        answer=found.statement,
        verdict="too_high" if found.diverged else verdicts.get(found.verdict or "", "unknown"),
        measurements=tuple(numbers),
        command=want.command,
        conditions=f"{want.task} with {want.optimizer}, "
        f"{'before training' if not found.step else f'after {found.step} updates'}, {found.examples} examples",
    )


def diagnosed(answer: Answer, want: Wanted, found: Diagnosis | Diagnoses) -> Answer:
    """The answer that the logs give; of several runs the first faulty one decides the verdict."""
    from surefoot.records.diagnosis import Diagnoses

    each = found.each if isinstance(found, Diagnoses) else (found,)
    first = next((one for one in each if one.is_fault), each[0])
    others = "" if len(each) == 1 else f" ({len(each)} runs; this is {first.path})"
    numbers = [Measurement("probability of the diagnosis", first.probability)]
    numbers += [number for finding in first.holding for number in finding.evidence[:1]]
    return dataclasses.replace(
        answer,
        status="answered",
        answer=" ".join(part for part in (f"{first.text}{others}", first.remedy) if part),
        verdict=first.verdict,
        measurements=tuple(numbers),
        command=want.command,
        conditions="; ".join((f"read from {want.task}", *first.notes)),
    )


def judged(answer: Answer, want: Wanted, found: Found) -> Answer:
    """The answer that a search gives."""
    verdict, words = _verdict(want, found)
    numbers = [
        _measured("rate found", found.lr, found.interval, found.reason),
        _measured("rate above which training diverges", found.divergence_lr, None, "no rate that was tried diverged"),
        _measured("expected loss at the rate found", found.expected_loss, None, found.reason),
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


def _measured(name: str, value: float | None, interval: tuple[float, float] | None, reason: str) -> Measurement:
    low, high = interval or (None, None)
    return Measurement(name, value, low=low, high=high, reason="" if value is not None else reason)
