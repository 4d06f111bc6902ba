"""`surefoot watch PATH`: follow the log of a training that is running, and say what it suffers from as it shows."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surefoot.cli.console import result_console
from surefoot.cli.diagnose import FILES, finish, role
from surefoot.cli.options import output_options
from surefoot.cli.output import Output
from surefoot.errors import InputError

if TYPE_CHECKING:
    from surefoot.records.diagnosis import Diagnoses, Diagnosis

__all__ = ["follow", "watch"]

_SURE = 2
"""Readings in a row in which a finding must hold before it is said."""
_DEEPEST = 4
"""Folders below the given one whose files are looked at for growth."""


@click.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--map",
    "named",
    multiple=True,
    metavar="ROLE=NAME",
    help="What a role (loss, lr, val_loss, grad_norm, step) is called in the log; repeatable.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks at the log.",
)
@click.option(
    "--idle",
    type=click.FloatRange(min=0.0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Leave when the log has not grown for so long; 0 reads it once.",
)
@output_options
@click.pass_context
def watch(
    ctx: click.Context,
    path: str,
    named: tuple[str, ...],
    every: float,
    idle: float,
    json_to: str | None,
    out: str | None,
    quiet: bool,
) -> None:
    """Follow the log of a running training: a line for every finding once it is certain, and a summary at the end.

    PATH is a log file or a folder with logs, of any format that `surefoot diagnose` reads. A finding is said when it
    holds in two readings in a row. Ctrl-C leaves with what was found. To see inside of the training itself, or to act
    on it, put `surefoot.watch(model, optimizer)` into its loop.

    Exit code 0: no fault; 1: a fault was found; 2: bad input.
    """
    output = Output(json_to, out, FILES)
    mapping = dict(role(one) for one in named)
    console = result_console(err=output.to_stdout)

    def say(words: str) -> None:
        if not quiet:
            console.print(words, markup=False, soft_wrap=True)

    found: Diagnoses | None = None
    with contextlib.suppress(KeyboardInterrupt):
        for found in follow(path, mapping, every=every, idle=idle, say=say):  # noqa: B007 - the last one is kept
            pass
    if found is None:
        raise InputError(f"`{path}` held no log that can be read before the watch ended; wait for its first lines")
    finish(ctx, found, output, quiet=quiet)


def follow(
    path: str,
    mapping: dict[str, str] | None = None,
    *,
    every: float,
    idle: float,
    say: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Diagnoses]:
    """Diagnose the log whenever it has grown, and say what holds in two readings in a row.

    Args:
        path: a log file or a folder.
        mapping: role to the log's own name for it.
        every: seconds between two looks.
        idle: seconds without growth after which the watch ends.
        say: told each finding in one line.
        clock: seconds.
        sleep: waits.

    Raises:
        InputError: no such file or folder, or no log in it until the watch ends.
    """
    from surefoot.diagnose import diagnose

    if not Path(path).exists():
        raise InputError(f"`{path}`: no such file or folder")
    said: set[tuple[str, str]] = set()
    suspected: dict[tuple[str, str], int] = {}
    size, grown, problem = -1, clock(), ""
    any_read = False
    while True:
        now = _size(Path(path))
        if now != size:
            size, grown = now, clock()
            try:
                found: Any = diagnose([path], mapping=mapping or {})
            except InputError as error:
                # The first lines of a log may not be enough to know it by.
                problem = str(error)
            else:
                any_read = True
                _say_new(found.each, said, suspected, say)
                yield found
        if clock() - grown >= idle:
            break
        sleep(every)
    if not any_read:
        raise InputError(problem or f"`{path}` holds no log")


def _say_new(
    each: tuple[Diagnosis, ...],
    said: set[tuple[str, str]],
    suspected: dict[tuple[str, str], int],
    say: Callable[[str], object],
) -> None:
    holding = {(one.path, finding.id): (one, finding) for one in each for finding in one.holding}
    for key in list(suspected):
        if key not in holding:
            del suspected[key]
    for key, (one, finding) in holding.items():
        suspected[key] = suspected.get(key, 0) + 1
        if key in said or suspected[key] < _SURE:
            continue
        said.add(key)
        last = int(one.run.step[-1]) if one.run is not None and len(one.run.step) else 0
        where = f"{one.path}: " if len(each) > 1 else ""
        remedy = f" -> {finding.remedy}" if finding.remedy else ""
        say(f"{where}{last}: {finding.text}{remedy}")


def _size(path: Path) -> int:
    """Bytes of the file, or of the files of the folder; a number that changes when something is written."""
    if path.is_file():
        # a database that is being written grows in a file beside it
        return _bytes(path) + _bytes(Path(f"{path}-wal"))
    total = 0
    for folder, below, names in os.walk(path, followlinks=False):
        if len(Path(folder).relative_to(path).parts) >= _DEEPEST:
            below.clear()
        total += sum(_bytes(Path(folder) / name) for name in names)
    return total


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
