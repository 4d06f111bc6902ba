"""The argument TASK: a built-in name, ``path/to/file.py:name`` or ``package.module:name``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from surefoot.tasks.catalogue import hints

if TYPE_CHECKING:
    from surefoot.tasks.task import Task

__all__ = ["Downloading", "hints", "open_task"]

Downloading = Callable[[str, int, int | None], None]
"""Told of a download: name of the file, bytes done, bytes in all where that is known."""


def open_task(spec: str, *, device: str, data: str | None, progress: Downloading | None = None) -> Task:
    """Load the task that `spec` names; this loads torch.

    Raises:
        InputError: no such task, a folder that does not fit, or a file that does not yield a task.
    """
    from surefoot.tasks.loading import load_task

    return load_task(spec, device=device, data=data, progress=progress)
