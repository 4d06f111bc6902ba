"""Diagnose a run, or the logs of several: gather evidence, ask every check, weigh the answers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from surefoot.diagnose import checks  # noqa: F401 - registers the checks
from surefoot.diagnose.check import ask_all
from surefoot.diagnose.correction import correction_words
from surefoot.diagnose.evidence import Evidence, SeriesLike
from surefoot.diagnose.siblings import placed
from surefoot.diagnose.verdict import FINDINGS_OF, SAID, SIDE, Judgement, judge
from surefoot.errors import InputError
from surefoot.records import Finding, Run, float_series, int_series
from surefoot.records.diagnosis import Diagnoses, Diagnosis

if TYPE_CHECKING:
    from surefoot.logs import LogRun
    from surefoot.logs.read import Watch

__all__ = ["diagnose", "diagnose_run"]

_POINTS = 400
"""Entries of a run that are kept for drawing."""

_AVERAGED = ("mean", "filtered", "running", "epoch")


def diagnose(
    what: str | os.PathLike[str] | Run | Iterable[str | os.PathLike[str] | Run],
    *,
    mapping: Mapping[str, str] | None = None,
    watch: Watch | None = None,
) -> Diagnosis | Diagnoses:
    """What one training, or each of several, suffers from.

    Args:
        what: a log file, a folder with logs, a `Run`, or several of these. Runs of one sweep, which differ in the rate,
            are compared with one another.
        mapping: role (`loss`, `lr`, `val_loss`, `grad_norm`) to the log's own name, where the names do not tell.
        watch: called while a folder is read, with how many of its files were looked at and how many there are.

    Returns:
        A `Diagnosis`; `Diagnoses`, runs before logs, where `what` is several or holds several runs.

    Raises:
        InputError: nothing to read there, or nothing that is a log.
    """
    several = not isinstance(what, str | os.PathLike | Run)
    given: list[str | os.PathLike[str] | Run] = list(what) if several else [what]  # type: ignore[arg-type,list-item]
    if not given:
        raise InputError("`what` is empty; give a log file, a folder or a Run")
    odd = [one for one in given if not isinstance(one, str | os.PathLike | Run)]
    if odd:
        raise InputError(f"`what` holds {type(odd[0]).__name__}; give log files, folders or Runs")
    paths = [os.fspath(one) for one in given if not isinstance(one, Run)]
    each = [diagnose_run(one) for one in given if isinstance(one, Run)]
    if paths:
        from surefoot.logs import read_logs

        each += [diagnose_log(one) for one in read_logs(paths, mapping, watch=watch)]
    return Diagnoses(placed(each)) if several or len(each) != 1 else each[0]


def diagnose_log(log: LogRun) -> Diagnosis:
    """What the training suffers from that a log tells of."""
    notes = [note.text for note in log.notes]
    told = {note.id for note in log.notes}
    if log.stopped and "truncated" not in told:
        notes.append(f"reading stopped early: {log.stopped}")
    if log.loss_kind in _AVERAGED and told.isdisjoint({"averaged-loss", "epoch-loss"}):
        over = f" over {log.averaged_over:g} {log.run.unit}s" if log.averaged_over else ""
        notes.append(f"each loss is averaged{over}: spikes and noise are damped")
    where = f"{log.path}#{log.name.removeprefix('#')}" if log.name else log.path
    return diagnose_run(log.run, path=where, format=log.format, notes=tuple(dict.fromkeys(notes)))


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
    said = list(dict.fromkeys((*run.notes, *notes)))
    judged, more = _with_a_loss(run)
    said += more
    gathered = Evidence(judged, evidence)
    findings = ask_all(gathered)
    judgement = judge(gathered, findings)
    return Diagnosis(
        verdict=judgement.verdict,
        probability=round(judgement.probability, 4),
        decades=judgement.decades,
        findings=tuple(findings.values()),
        notes=(*said, *([judgement.doubt] if judgement.doubt and judgement.verdict != "unknown" else [])),
        path=path,
        format=format,
        text=_text(judgement, findings),
        remedy=_remedy(judgement, findings),
        likelihoods=judgement.likelihoods,
        run=run.thinned(_POINTS),
    )


def _with_a_loss(run: Run) -> tuple[Run, list[str]]:
    """The run, its validation loss in place of a training loss that was not recorded."""
    if np.isfinite(run.loss).any() or not np.isfinite(run.val_loss).any():
        return run, []
    blank = float_series(np.full(len(run.val_step), np.nan))
    changed = dataclasses.replace(
        run, step=run.val_step, loss=run.val_loss, lr=blank, grad_norm=float_series(), val_step=int_series(),
        val_loss=float_series(), val_metrics={}, train_metrics={},
    )  # fmt: skip
    return changed, ["there is no training loss: the validation loss was looked at in its place"]


def _chief(judgement: Judgement, findings: Mapping[str, Finding]) -> Finding | None:
    """The finding that speaks most for the verdict."""
    for name in FINDINGS_OF.get(judgement.verdict, ()):
        if findings[name].result == "holds":
            return findings[name]
    return None


def _text(judgement: Judgement, findings: Mapping[str, Finding]) -> str:
    said = SAID[judgement.verdict][0]
    chief = _chief(judgement, findings)
    if judgement.verdict == "unknown":
        return f"{said}: {judgement.doubt}." if judgement.doubt else f"{said}."
    return f"{said}: {chief.text}." if chief is not None else f"{said}, by the course of the loss as a whole."


def _remedy(judgement: Judgement, findings: Mapping[str, Finding]) -> str:
    if judgement.verdict == "unknown":
        missing = dict.fromkeys(one.remedy for one in findings.values() if one.result == "unknown" and one.remedy)
        listed = [one for one in missing if "watch" not in one.lower()][:3] or list(missing)[:1]
        return (
            " ".join(listed) or "Log the loss of every step, the rate and the validation loss, or watch the training."
        )
    remedy = SAID[judgement.verdict][1]
    last = findings["best-is-not-last"]
    if judgement.verdict in ("converged", "rate_ok") and last.result == "holds" and last.steps is not None:
        return f"{remedy}; keep the weights of step {last.steps[0]}, where the validation loss was lowest."
    if judgement.decades is not None:
        remedy += f": {correction_words(judgement.decades)}"
    elif judgement.verdict in SIDE:
        remedy += "; by how much, `surefoot find` tells"
    return remedy + "."
