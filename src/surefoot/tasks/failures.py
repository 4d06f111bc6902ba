"""Failures of the user's code in the middle of a training, after the check of its first batch has passed.

Batches, model, loss, metrics and gradients are the user's; so is an error that comes out of them, which is told in one
line with the place in the user's file. Every other error is a defect of Surefoot and stays as it is.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

from surefoot.errors import DataError, InputError, SurefootError, TaskError
from surefoot.tasks.user_code import in_one_line, place_of

__all__ = ["failure_of"]

_PACKAGE = Path(__file__).resolve().parents[1]
_AUTOGRAD = Path(torch.autograd.__file__).parent
_BATCH, _METRIC, _MODEL, _GRADIENT = "reading a batch", "a metric", "model or loss", "the gradient of `loss`"
_PARTS = {
    ("tasks/sources.py", None): _BATCH,
    ("tasks/augmenting.py", None): _BATCH,
    ("tasks/task.py", "batch"): _BATCH,
    ("tasks/task.py", "metrics_of"): _METRIC,
    ("engines/logbook.py", "_measure"): _METRIC,
    ("tasks/task.py", "loss_and_output"): _MODEL,
    ("engines/stacked/losses.py", None): _MODEL,
}
"""What fails where a traceback passes a file of Surefoot, in any function or in one of that name."""
_REMEDIES = {
    "more than 1 value per channel": "one example cannot be normalised; take a `batch_size` that leaves none over",
    "out of bounds": "a label or index lies outside of what the model has room for; correct the data or enlarge it",
    "out of range": "a label or index lies outside of what the model has room for; correct the data or enlarge it",
}


def failure_of(error: Exception, done: int | None = None) -> InputError | None:
    """What to tell of `error` where it came out of the user's code; None where it did not.

    Args:
        error: with its traceback.
        done: updates that were made before it, where that is known.
    """
    # Want of memory is mended by smaller pieces; on the CPU torch says it with a plain RuntimeError.
    if isinstance(error, SurefootError | MemoryError) or (isinstance(error, RuntimeError) and "memory" in str(error)):
        return None
    what = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        # The outermost part that it passed: a model may be called while a metric is computed.
        what = what or _part(Path(frame.f_code.co_filename), frame.f_code.co_name)
    if what is None:
        return None
    said, place = in_one_line(error), place_of(error)
    where = f" ({place})" if place else ""
    when = "" if done is None else f" after {done} update{'' if done == 1 else 's'}"
    remedy = next((f"; {words}" for sign, words in _REMEDIES.items() if sign in said), "")
    kind = DataError if what == _BATCH else TaskError
    return kind(f"{what} failed{when}: {said}{where}{remedy}")


def _part(path: Path, function: str) -> str | None:
    if path.is_relative_to(_PACKAGE):
        name = path.relative_to(_PACKAGE).as_posix()
        return _PARTS.get((name, function)) or _PARTS.get((name, None))
    return _GRADIENT if path.parent == _AUTOGRAD else None
