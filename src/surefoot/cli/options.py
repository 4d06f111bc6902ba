"""Options that verbs share: how the task is trained, where it runs, and where results go."""

from __future__ import annotations

import functools
import importlib.util
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from surefoot.cli.output import STANDARD_OUTPUT
from surefoot.cli.standard_output import keep_for_result
from surefoot.cli.values import BATCH, NAMED, NUMBERS, POSITIVE
from surefoot.errors import InputError

__all__ = [
    "command_line",
    "json_option",
    "keyword_arguments",
    "optimizer_options",
    "output_options",
    "place_options",
    "precision_option",
    "quiet_option",
    "track_option",
    "tracker",
    "training_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def _all(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(options), command)


training_options = _all(
    click.option(
        "--optimizer",
        metavar="NAME",
        help="sgd, adam, adamw, rmsprop, …, or your own path/to/file.py:CLASS or module:CLASS.  [default: sgd]",
    ),
    click.option("--momentum", type=float, help="Momentum of the optimizer."),
    click.option("--weight-decay", type=float, help="Weight decay of the optimizer."),
    click.option("--betas", type=NUMBERS, help="Betas of Adam and its kin, such as 0.9,0.999."),
    click.option("--option", "more", type=NAMED, multiple=True, help="Any other option of the optimizer; repeatable."),
    click.option(
        "--schedule",
        metavar="NAME",
        help="constant, cosine, one-cycle, …, or warmup:linear:500+cosine.  [default: constant]",
    ),
    click.option(
        "--schedule-option", "schedule_more", type=NAMED, multiple=True, help="An option of the schedule; repeatable."
    ),
    click.option(
        "--epochs", type=POSITIVE, help="Length of the training in passes over the data.  [default: the task's, or 10]"
    ),
    click.option("--batch-size", type=BATCH, metavar="N|full", help="Examples per step.  [default: the task's, or 64]"),
    click.option("--clip", type=POSITIVE, help="Largest gradient norm."),
    click.option(
        "--accumulate", type=click.IntRange(min=1), metavar="N", help="Batches averaged into one step.  [default: 1]"
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0, max=2**63 - 1),
        metavar="N",
        help="Seed of every random choice.  [default: 0]",
    ),
)

precision_option = click.option(
    "--precision",
    type=click.Choice(("float32", "bf16")),
    help="What the model computes in: bf16 is torch's autocast, on a GPU.  [default: float32]",
)

place_options = _all(
    click.option("--data", metavar="DIR", help="Folder with the data, for tasks that read one."),
    click.option(
        "--device", default="auto", show_default=True, metavar="NAME", help="A torch device, such as cpu or cuda:0."
    ),
)


def _keep_standard_output(_ctx: click.Context, _: click.Parameter, given: Any) -> Any:
    """What is read by a script is kept apart from what the user's code prints, from here on."""
    if given is True or given == STANDARD_OUTPUT:
        keep_for_result()
    return given


def json_option(command: Command) -> Command:
    """Click decorator: ``--json FILE``, the record of a verb."""
    return click.option(
        "--json", "json_to", metavar="FILE", callback=_keep_standard_output, help="Write the record here; - prints it."
    )(command)


def quiet_option(words: str) -> Callable[[Command], Command]:
    """Click decorator: ``--quiet``, which leaves of the output what a script reads; `words` are its help."""
    return click.option("--quiet", "-q", is_flag=True, callback=_keep_standard_output, help=words)


output_options = _all(
    json_option,
    click.option("--out", metavar="DIR", help="Write the page, the pictures and the record into this folder."),
    quiet_option("No progress and no summary."),
)


_TRACKERS = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb", "trackio": "trackio"}
"""Name of each tool that results can be logged to, and the module it needs."""
_META = "surefoot.track"


def _note_tracker(ctx: click.Context, _: click.Parameter, name: str | None) -> None:
    if name is not None and importlib.util.find_spec(_TRACKERS[name]) is None:
        raise InputError(f"`--track` is {name}, which is not installed; pip install 'surefoot[{name}]'")
    ctx.meta[_META] = name


track_option = click.option(
    "--track",
    type=click.Choice(tuple(_TRACKERS)),
    callback=_note_tracker,
    expose_value=False,
    help="Log the result to the tool, too.",
)
"""For verbs whose result is a run, a sweep, a study or findings; `deliver` logs it."""


def tracker() -> str | None:
    """The tool that ``--track`` of the running verb names; None for none."""
    ctx = click.get_current_context(silent=True)
    return None if ctx is None else ctx.meta.get(_META)


def optimizer_options(
    momentum: float | None,
    weight_decay: float | None,
    betas: tuple[float, ...] | None,
    more: tuple[tuple[str, Any], ...],
) -> dict[str, Any]:
    """The optimizer's keywords that were given on the command line."""
    given = {"momentum": momentum, "weight_decay": weight_decay, "betas": betas}
    return {name: value for name, value in given.items() if value is not None} | dict(more)


def keyword_arguments(given: dict[str, Any], *reserved: str) -> dict[str, Any]:
    """Keywords of a verb's function from its options: what was given, under the names the function uses.

    Raises:
        InputError: ``--option`` names an option of the verb, one of `reserved`, or what the function is given anyway.
    """
    options = optimizer_options(given.pop("momentum"), given.pop("weight_decay"), given.pop("betas"), given.pop("more"))
    schedule_options = dict(given.pop("schedule_more"))
    taken = {name: value for name, value in given.items() if value is not None}
    clash = sorted(set(options) & {*given, "watch", "schedule_options", "task", *reserved})
    if clash:
        raise InputError(f"`--option {clash[0]}=…` is no option of an optimizer here")
    return taken | options | ({"schedule_options": schedule_options} if schedule_options else {})


def command_line(ctx: click.Context) -> str:
    """The command as it was typed, for the record."""
    words = ctx.find_root().obj
    return shlex.join(["surefoot", *words]) if isinstance(words, list) else ctx.command_path
