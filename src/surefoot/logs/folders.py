"""Folders: which training a file belongs to, where a tool spreads one training over several folders."""

from __future__ import annotations

from pathlib import Path

__all__ = ["event_root", "metric_root"]

_PARTS = {"train", "training", "validation", "val", "valid", "eval", "evaluation", "test", "dev"}


def event_root(place: Path, given: Path, with_events: set[Path]) -> tuple[Path, str]:
    """The folder of the training that the event files in `place` belong to, and the prefix their tags get.

    Keras and estimators write `train/` and `validation/` side by side; `add_scalars` writes one folder per line below
    the run's own. Folders above `given` are not looked at.
    """
    if place == given or given not in place.parents:
        return place, ""
    if place.name.lower() in _PARTS and (
        place.parent in with_events or any(place.parent / part in with_events for part in _PARTS - {place.name.lower()})
    ):
        return place.parent, place.name
    for above in place.parents:
        if above in with_events:
            return above, place.relative_to(above).as_posix()
        if above == given:
            break
    return place, ""


def metric_root(file: Path, given: Path) -> Path | None:
    """The run's folder of a metric file `RUN/metrics/NAME` of MLflow; None when no such folder lies below `given`."""
    for above in file.parents:
        if above.name == "metrics":
            return above.parent if above == given or given in above.parents else None
        if above == given:
            return None
    return None
