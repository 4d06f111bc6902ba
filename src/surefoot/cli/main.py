"""The command `surefoot`: runs a verb and turns whatever goes wrong into one line and an exit code.

Exit codes: 0 done; 1 the answer is one that the user asked to be told about (a search without a rate); 2 bad input or
a result that could not be written; 70 a defect of Surefoot; 130 interrupted. With the variable SUREFOOT_TRACEBACK set,
the place of an error is shown too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from surefoot.cli.lazy import LazyGroup
from surefoot.cli.standard_output import discard, give_back
from surefoot.errors import SurefootError

__all__ = ["app", "main"]

INTERRUPTED = 130
DEFECT = 70
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)

_PLACES = {
    "find": ("surefoot.cli.find:find", "Find the learning rate of a training."),
    "train": ("surefoot.cli.train:train", "Train a task with a recipe or with what `find` found."),
    "curvature": ("surefoot.cli.curvature:curvature", "Measure sharpness and the largest stable rate of an optimizer."),
    "schedule": ("surefoot.cli.schedule:schedule", "Show the rates of a schedule."),
    "lab": ("surefoot.cli.lab:lab", "Run the textbook's classic programs, printed beside measured."),
    "verify": ("surefoot.cli.verify:verify", "Measure the textbook's claims again."),
    "landscape": ("surefoot.cli.landscape:landscape", "Show the loss around a model's weights, with training paths."),
    "compare": ("surefoot.cli.compare:compare", "Train a task in several settings and put them side by side."),
    "sweep": ("surefoot.cli.sweep:sweep", "Train a task under many recipes, kept and resumed, on one machine or many."),
    "study": ("surefoot.cli.study:study", "List, show, export, merge, verify and remove kept sweeps."),
    "diagnose": ("surefoot.cli.diagnose:diagnose", "Tell from a log what is wrong with a training."),
    "explain": ("surefoot.cli.explain:explain", "Tell what a finding of `diagnose` means."),
    "tasks": ("surefoot.cli.tasks:tasks", "List the built-in tasks."),
    "ask": ("surefoot.cli.ask:ask", "Ask in your own words; answered from what was measured."),
    "watch": ("surefoot.cli.watch:watch", "Follow the log of a running training and say what it suffers from."),
    "report": ("surefoot.cli.report:report", "Draw the page and pictures of a saved record."),
}


def _show_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    from surefoot import __version__

    click.echo(f"surefoot {__version__}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    places=_PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=False,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show version."
)
def app() -> None:
    """Find the learning rate of a neural network's training, with an interval and the evidence for it."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line on `args` (default: the process's) and return the exit code."""
    words = list(sys.argv[1:] if args is None else args)
    _print_what_the_terminal_can_show()
    if "_SUREFOOT_COMPLETE" in os.environ:
        app.main(words, prog_name="surefoot")
    try:
        return _run(words or ["--help"])
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        discard()
        return 0
    finally:
        if args is not None:  # else the process ends here, and what it prints on its way is no result
            give_back()


def _run(words: list[str]) -> int:
    try:
        with app.make_context("surefoot", list(words), obj=words) as ctx:
            app.invoke(ctx)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        _complain(_usage(error, words))
        return 2
    except click.ClickException as error:
        _complain(error.format_message())
        return 2
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except SurefootError as error:
        _trace()
        _complain(str(error))
        return 2
    except Exception as error:  # noqa: BLE001 - the last one to see it says where to look
        _trace()
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            discard()
            _complain(f"the output cannot be written: {error.strerror}; make room or write it elsewhere")
            return 2
        _complain(f"defect: {type(error).__name__}: {error}; SUREFOOT_TRACEBACK=1 shows where")
        return DEFECT
    return 0


def _trace() -> None:
    if os.environ.get("SUREFOOT_TRACEBACK"):
        traceback.print_exc()


def _usage(error: click.UsageError, words: list[str]) -> str:
    """What is wrong with the command line, and where its help is, in one line."""
    message = error.format_message().rstrip(".")
    if message[:1].isupper() and not message[:2].isupper():
        message = message[0].lower() + message[1:]
    # click does not say of an option without its value whose it is.
    verb = next((f" {word}" for word in words[:1] if word in app.places), "")
    where = error.ctx.command_path if error.ctx else f"surefoot{verb}"
    return f"{message} (see `{where} --help`)"


def _complain(message: str) -> None:
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    click.echo(f"surefoot: {line}", err=True)


def _print_what_the_terminal_can_show() -> None:
    """Let characters that the output's encoding lacks become `?` instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(OSError, ValueError):
                reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
