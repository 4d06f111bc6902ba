"""Options for what a training changes of its task; see `Recipe.changes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["change_options", "changes_of"]

Command = TypeVar("Command", bound=Callable[..., Any])


def change_options(command: Command) -> Command:
    """Click decorator: dropout, label smoothing and augmentation."""
    share = click.FloatRange(0, 1, max_open=True)
    for option in (
        click.option(
            "--augment",
            multiple=True,
            metavar="NAME[:SIZE]",
            help="shift[:PIXELS] of images, noise[:SIZE]; repeatable.",
        ),
        click.option("--label-smoothing", type=share, metavar="S", help="Smooth the labels, in training only."),
        click.option("--dropout", type=share, metavar="P", help="Share that the model's dropout layers drop."),
    ):
        command = option(command)
    return command


def changes_of(given: dict[str, Any]) -> dict[str, Any]:
    """The changes among what was given, which are taken out of it."""
    asked = {"augment": list(given.pop("augment")) or None}
    asked |= {name: given.pop(name) for name in ("label_smoothing", "dropout")}
    return {name: value for name, value in asked.items() if value is not None}
