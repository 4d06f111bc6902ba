"""Diagnose a run, or the logs of several: gather evidence, ask every check, weigh the answers."""

from __future__ import annotations

from collections.abc import Mapping

import surefoot.diagnose.checks  # noqa: F401 - registers the checks
from surefoot.diagnose.check import ask_all
from surefoot.diagnose.evidence import Evidence, SeriesLike
from surefoot.records import Run
from surefoot.records.diagnosis import Diagnosis, Verdict

__all__ = ["diagnose_run"]

_POINTS = 400


def diagnose_run(
    run: Run,
    *,
    evidence: Mapping[str, SeriesLike] | None = None,
    path: str = "",
    format: str = "",  # noqa: A002 - the record's own name for it
    notes: tuple[str, ...] = (),
) -> Diagnosis:
    """What `run` suffers from.

    Args:
        run: the training as far as it went; a loss that is NaN among finite ones counts as a row without a loss, unless
            such entries are rare.
        evidence: series of layers that were recorded beside the run: name to steps and values of the same length. Names
            are ``update_ratio/LAYER``, ``grad_norm/LAYER``, ``dead_units/LAYER``, ``saturated_units/LAYER`` (shares
            from 0 to 1), ``loss_scale`` and ``true_lr``.
        path: where the run was read, for the record.
        format: of the log, for the record.
        notes: quirks of the log that were met.

    Raises:
        InputError: `evidence` has a name that is not known.
    """
    found = ask_all(Evidence(run, evidence))
    verdict: Verdict = "nan" if found["loss-not-finite"].result == "holds" else "unknown"
    return Diagnosis(
        verdict="diverged" if found["diverged"].result == "holds" else verdict,
        probability=0.5,
        findings=tuple(found.values()),
        notes=(*run.notes, *notes),
        path=path,
        format=format,
        run=run.thinned(_POINTS),
    )


def diagnose() -> None: ...
