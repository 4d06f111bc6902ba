"""Hidden NaN: a logger that replaces a NaN loss by its running mean, or by 0, leaves other columns that still tell.

Once a weight is NaN, so is every later gradient. A gradient norm that is NaN to the end of the log beside finite losses
therefore means that those losses were replaced; they are put back. A norm that is infinite or NaN now and then is
what mixed precision skips over, and is only noted. Hugging Face's filter (`logging_nan_inf_filter`, on by default)
is the common case.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from surefoot.logs.rewinds import Settled

__all__ = ["put_back"]

_FEWEST = 2


def put_back(loss: Settled, norm: Settled | None, note: Callable[[str, str], None]) -> Settled:
    """`loss` with the NaN that its logger hid; what was found goes to `note`."""
    if norm is not None and len(norm.step) and len(loss.step):
        finite = loss.step[np.isfinite(loss.value)]
        hidden = np.intersect1d(norm.step[~np.isfinite(norm.value)], finite)
        lasting = len(norm.value) - int(np.argmax(np.append(~np.isnan(norm.value[::-1]), True)))
        first = int(norm.step[lasting]) if lasting < len(norm.step) else None
        if first is not None and len(norm.step) - lasting >= _FEWEST and np.any(hidden >= first):
            note(
                "nan-hidden",
                f"from step {first} on the gradient is NaN to the end while finite losses are logged: the logger "
                "replaced them, and they were set back to NaN",
            )
            return dataclasses.replace(loss, value=np.where(loss.step >= first, np.nan, loss.value))
        if len(hidden):
            note(
                "nan-hidden",
                f"the gradient is not finite at step {int(hidden[0])} ({len(hidden)} entries) though a finite loss is "
                "logged there: a step that mixed precision skipped, or a NaN that the logger replaced",
            )
    zero = loss.value == 0.0
    if len(zero) > 3 and zero[-1] and not zero[0]:
        first = int(np.flatnonzero(~zero)[-1]) + 1
        before = loss.value[:first]
        abrupt = bool(np.all(np.abs(before[np.isfinite(before)][-3:]) > 1e-4))
        if abrupt and len(zero) - first >= _FEWEST:
            note(
                "nan-hidden",
                f"the loss is exactly 0 from step {int(loss.step[first])} on, at once: some loggers write that for NaN",
            )
    return loss
