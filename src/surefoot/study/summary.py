"""The summary: what a study file holds, as a record."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from surefoot.records import Provenance
from surefoot.records.study import Study
from surefoot.study.analysis import best_setting, importance, responses
from surefoot.study.store import Store

__all__ = ["study_of"]


def study_of(
    store: Store, provenance: Provenance, *, notes: Sequence[str] = (), wall: float = 0.0, kept: bool = True
) -> Study:
    """What a store holds, as a record."""
    plan, members = store.plan(), store.members()
    said = [*notes, *(store.noted("notes") or [])]
    if store.noted("question") is not None:
        said.append(
            "Optuna proposed the settings and tries more of them where losses are low: shares of the variance and best "
            "rates along an axis hold for these settings, not for the whole space"
        )
    findings = store.findings()
    if findings:
        several = len({member for member, _ in findings})
        counted = collections.Counter(finding.id for _, finding in findings).most_common()
        which = ", ".join(f"{name} in {number}" for name, number in counted)
        said.append(f"findings of {several} diagnosed {'member' if several == 1 else 'members'}: {which}")
    sessions = store.sessions()
    torches = {one.versions.get("torch", "") for one in sessions}
    machines = {one.machine for one in sessions}
    if len(torches) > 1 or len(machines) > 1:
        said.append("it was trained under several versions of torch or machines: last bits may differ between members")
    aside = sum(one.fate == "aside" for one in members)
    if aside:
        why = next(one.reason for one in members if one.fate == "aside")
        said.append(f"{aside} of {len(members)} members could not be trained and were set aside: {why}")
    return Study(
        study=str(store.path) if kept else "", task=plan.task, members=tuple(members), best=best_setting(members),
        cost={
            "member_steps": float(sum(one.steps for one in members)), "seconds": store.unit_seconds(),
            "planned_member_steps": float(plan.member_steps), "wall_seconds": wall,
        },
        importance=tuple(importance(members)), responses=tuple(responses(members)), axes=dict(plan.axes),
        prune=plan.prune, key=plan.key, contents=store.contents(), notes=tuple(said), provenance=provenance,
    )  # fmt: skip
