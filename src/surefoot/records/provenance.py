"""Where a number comes from: seeds, versions, device, data and the command that made it."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any, ClassVar

from surefoot.records.record import Record

__all__ = ["Provenance"]

_REPORTED = ("surefoot", "torch", "numpy", "scikit-learn")


@dataclasses.dataclass(frozen=True, eq=False)
class Provenance(Record):
    """What is needed to make the same number again."""

    kind: ClassVar[str] = "provenance"

    seeds: dict[str, int] = dataclasses.field(default_factory=dict)
    """Name of each source of randomness and its seed."""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    """Package name to version, and `python`."""
    device: str = "cpu"
    """The torch device that trained."""
    machine: str = ""
    """Processor architecture, operating system and number of usable cores; no host name."""
    data: str = ""
    """SHA-256 of the training and validation data as they were fed to the model, or why there is none."""
    command: str = ""
    """The command line or call that asked for the result."""
    date: str = ""
    """UTC time of the result, ISO 8601, to the second."""

    @classmethod
    def here(
        cls, *, seeds: Mapping[str, int] | None = None, device: str = "cpu", data: str = "", command: str = ""
    ) -> Provenance:
        """The provenance of a result that is being made now, on this machine."""
        return cls(
            seeds=dict(seeds or {}),
            versions=_versions(),
            device=device,
            machine=f"{platform.machine()} {platform.system()}, {_cores()} cores",
            data=data,
            command=command,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def _versions() -> dict[str, str]:
    found: dict[str, Any] = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in _REPORTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)
