"""`surefoot ask "QUESTION"`: questions in words, answered from what was measured. Without a question, a prompt."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console

from surefoot.cli.console import progress_console, result_console
from surefoot.cli.delivery import deliver
from surefoot.cli.options import json_option, quiet_option
from surefoot.cli.output import Output
from surefoot.errors import InputError, SurefootError
from surefoot.records.answer import Answer

__all__ = ["ask"]

COLOURS = {
    "supported": "green",
    "right": "green",
    "contradicted": "red",
    "too_high": "red",
    "too_low": "red",
    "depends": "yellow",
}
WIDEST = 100
"""Columns of running text."""
LEAVING = {"exit", "quit", "q", ":q", "bye"}


@click.command()
@click.argument("words", metavar="[QUESTION]...", nargs=-1)
@click.option(
    "--run", is_flag=True, help="When the question names a task or a log, measure it now (find, curvature, diagnose)."
)
@json_option
@quiet_option("Print only the verdict.")
@click.option("--record", metavar="FILE", help="Answer from this record of the claims instead of the package's own.")
def ask(words: tuple[str, ...], *, run: bool, json_to: str | None, quiet: bool, record: str | None) -> None:
    """Ask about the learning rate in your own words; the answer says what was measured, and when nothing was.

    A question that names a task ("is 0.1 too high for digits with sgd?") is offered as a measurement, and with --run
    made into one. Without QUESTION: a prompt with a history.
    """
    if not words:
        if json_to is not None or quiet:
            raise InputError("`QUESTION` is missing; `--json` and `--quiet` need one")
        _prompt(run=run, record=record)
        return
    output = Output(json_to, None, ())
    answer = _answer(" ".join(words), run=run, record=record, quiet=quiet)
    terse = answer.verdict or answer.status
    deliver(answer, output, {}, lambda to, _: show_answer(answer, to), quiet=quiet, terse=lambda: terse, dear=run)


def _answer(question: str, *, run: bool, record: str | None, quiet: bool = False) -> Answer:
    from surefoot.textbook.ask import ask as answered

    console = progress_console(quiet=quiet) if run else None
    with contextlib.nullcontext() if console is None else console.status("measuring …"):
        return answered(question, run=run, record=record)


def show_answer(answer: Answer, console: Console) -> None:
    """Print an answer."""
    from surefoot.report.numbers import measured

    width = min(console.width, WIDEST)
    colour = COLOURS.get(answer.verdict, "bold")
    console.print(answer.answer, style=colour, markup=False, width=width)
    for one in answer.measurements:
        console.print(f"  {one.name}: {measured(one)}", markup=False, width=width)
    lines = [
        ("measured", answer.conditions),
        ("literature", "; ".join(answer.literature)),
        ("courses also say", " / ".join(answer.contradicted)),
        ("again", answer.command if answer.status == "answered" else ""),
        ("figure", "the same with --out DIR" if answer.status == "answered" else ""),
        ("see also", ", ".join(dict.fromkeys((*answer.claims[1:], *answer.related)))),
    ]
    for name, words in lines:
        if words:
            console.print(f"{name}: {words}", style="dim", markup=False, width=width)


def _prompt(*, run: bool, record: str | None) -> None:
    """Questions one after the other; what was asked before comes back with the arrow keys."""
    console = result_console()
    interactive = sys.stdin.isatty()
    if interactive:
        console.print("Ask about the learning rate; an empty line or Ctrl-D leaves.", style="dim")
    with _history() if interactive else contextlib.nullcontext():
        while True:
            try:
                question = input("? " if interactive else "").strip()
            except (EOFError, KeyboardInterrupt):
                if interactive:
                    console.print()
                return
            if not question and not interactive:
                continue
            if not question or question.lower() in LEAVING:
                return
            try:
                show_answer(_answer(question, run=run, record=record), console)
            except SurefootError as error:
                console.print(str(error), style="red", markup=False)
            console.print()


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Line editing with a history that the next prompt still knows, where the system has it."""
    try:
        import readline
    except ImportError:
        yield
        return
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "surefoot"
    kept = home / "ask_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(kept)
    readline.set_history_length(500)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(kept)
