"""Verifying: run the experiments of some claims again and put the verdicts beside the record.

A claim *matches* the record when its verdict is the same, every number lies within the stated spread of the recorded
one, and the record was decided by the rule as it is now.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context

from surefoot.records import Measurement, Provenance
from surefoot.records.claim import (
    Claim,
    ClaimCheck,
    ClaimResult,
    Outcome,
    Size,
    TextbookRecord,
    Verification,
)
from surefoot.textbook.claims import families_of
from surefoot.textbook.experiments import run_family
from surefoot.textbook.measured import result_of
from surefoot.textbook.measuring import TIMED

__all__ = ["differences", "run_families", "verify"]

Say = Callable[[str], object]

NEAR = 0.01
"""Share of a number by which two may differ that have no spread: rounding differs between machines."""
QUICKER = 6
"""Fewest experiments for which starting worker processes pays."""
TOGETHER = (("mnist-cnn", "early-stop"),)
"""Experiments that read the same trainings: one process runs them one after the other."""


def verify(
    claims: Sequence[Claim],
    record: TextbookRecord,
    *,
    size: Size = "full",
    workers: int = 1,
    say: Say | None = None,
) -> Verification:
    """Measure claims again and compare them with a record. Ctrl-C keeps the claims whose experiments are done.

    Args:
        claims: what to verify.
        record: what to compare with; its quick part for quick size.
        size: how much every experiment runs.
        workers: processes that run experiments at the same time.
        say: told what is being done.
    """
    started = time.perf_counter()
    outcomes: dict[str, Outcome] = {}
    failed: dict[str, str] = {}
    interrupted = False
    recorded = {one.family: one for one in (record.outcomes if size == "full" else record.quick)}
    families = families_of(claims)
    if workers > 1:  # the longest first, so that no worker is left with it at the end
        times = {one: recorded[one].seconds or 0.0 if one in recorded else 0.0 for one in families}
        families = tuple(sorted(families, key=lambda one: -times[one]))
    try:
        for family, outcome in run_families(families, size, workers=workers, say=say):
            if isinstance(outcome, Outcome):
                outcomes[family] = outcome
            else:
                failed[family] = outcome
    except KeyboardInterrupt:
        interrupted = True
    done = [claim for claim in claims if all(one in outcomes or one in failed for one in claim.families)]
    return Verification(
        size=size,
        claims=tuple(_check(claim, outcomes, record, recorded, size, failed) for claim in done),
        outcomes=tuple(outcomes.values()),
        failed=failed,
        interrupted=interrupted,
        provenance=Provenance.here(data="built-in tasks, truth tables and surfaces; see the notes of each experiment"),
        seconds=time.perf_counter() - started,
    )


def run_families(
    families: Sequence[str], size: Size, *, workers: int = 1, say: Say | None = None
) -> Iterator[tuple[str, Outcome | str]]:
    """Run experiments and yield each one's outcome as it is done, or in one line how it broke."""
    if workers < 2 or len(families) < QUICKER:
        for place, family in enumerate(families):
            if say is not None:
                say(f"{family}, {place + 1} of {len(families)}")
            yield family, _run(family, size)
        return
    # A fresh process: a forked one would inherit locks of torch's threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_ready_to_leave) as pool:
        units = _units(families)
        waiting = {pool.submit(_run_unit, unit, size): unit for unit in units}
        left = len(families)
        try:
            while waiting:
                if say is not None:
                    say(f"{len(families) - left} of {len(families)} experiments done")
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for one in done:
                    unit = waiting.pop(one)
                    left -= len(unit)
                    yield from zip(unit, one.result(), strict=True)
        except BaseException:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                with contextlib.suppress(OSError):
                    process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ready_to_leave() -> None:
    """In a worker: Ctrl-C is the parent's business, and when it ends this process, trainings stop their own workers."""

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)


@contextlib.contextmanager
def _noticing() -> Iterator[list[bool]]:
    """Whether Ctrl-C was pressed meanwhile: a training that is interrupted returns what it has and says nothing."""
    seen: list[bool] = []
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)

    def note(_number: int, _frame: object) -> None:
        seen.append(True)
        raise KeyboardInterrupt

    if ours and callable(before):
        signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        if ours and callable(before):
            signal.signal(signal.SIGINT, before)


def _units(families: Sequence[str]) -> list[tuple[str, ...]]:
    """The experiments in pieces for one process each."""
    units: dict[tuple[str, ...], tuple[str, ...]] = {}
    for family in families:
        group = next((one for one in TOGETHER if family in one), (family,))
        units.setdefault(group, tuple(one for one in group if one in families))
    return list(units.values())


def _run_unit(families: Sequence[str], size: Size) -> list[Outcome | str]:
    try:
        return [_run(one, size) for one in families]
    except SystemExit:
        os._exit(1)  # the pool would hand it on as a result and go on with the next experiment


def _run(family: str, size: Size) -> Outcome | str:
    try:
        with _noticing() as interrupted:
            outcome = run_family(family, size)
    except Exception as error:  # noqa: BLE001 - one broken experiment must not cost the others
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    if interrupted:
        raise KeyboardInterrupt
    return outcome


def _check(
    claim: Claim,
    outcomes: Mapping[str, Outcome],
    record: TextbookRecord,
    recorded: Mapping[str, Outcome],
    size: Size,
    failed: Mapping[str, str],
) -> ClaimCheck:
    result = result_of(claim, outcomes, size)
    before = record.result(claim.id) if size == "full" else None
    if size == "quick" and all(one in recorded for one in claim.families):
        before = result_of(claim, recorded, size)
    apart = [f"{one} broke: {failed[one]}" for one in claim.families if one in failed]
    apart += ["the record has no such result"] if before is None else differences(before, result)
    kept = record.result(claim.id)
    if kept is not None and kept.rule != result.rule:
        apart.append("the rule, its seeds or its experiments were changed after the record was made: measure it anew")
    return ClaimCheck(
        claim.id,
        result.verdict,
        on=result.on,
        measurements=result.measurements,
        recorded=None if before is None else before.verdict,
        matches_record=not apart,
        differences=tuple(apart),
        seconds=result.seconds,
    )


def differences(before: ClaimResult, now: ClaimResult) -> list[str]:
    """What does not match between two results of one claim, in words; empty when they match."""
    apart = []
    if before.verdict != now.verdict:
        apart.append(f"the verdict is {now.verdict}, the record says {before.verdict}")
    numbers = {one.name: one for one in now.measurements}
    for old in before.measurements:
        new = numbers.get(old.name)
        if new is None:
            apart.append(f"{old.name} was not measured")
        elif not _within(old, new):
            apart.append(f"{old.name} is {_shown(new)}, the record says {_shown(old)}")
    return apart


def _within(old: Measurement, new: Measurement) -> bool:
    if old.method.startswith(TIMED):
        return True
    if old.value is None or new.value is None:
        return old.value is None and new.value is None
    if math.isinf(old.value) or math.isinf(new.value):
        return old.value == new.value
    near = NEAR * max(abs(old.value), abs(new.value)) + 1e-9
    low, high = (old.value if old.low is None else old.low), (old.value if old.high is None else old.high)
    other_low, other_high = (new.value if new.low is None else new.low), (new.value if new.high is None else new.high)
    return other_low <= high + near and low <= other_high + near


def _shown(one: Measurement) -> str:
    if one.value is None:
        return f"unknown ({one.reason})"
    spread = "" if one.low is None or one.high is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"{one.value:.4g}{spread}"
