"""The result of a member: what a unit yields for it, and what is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.records.study import MemberFate
from surefoot.study.blobs import Floats, checksum

__all__ = ["MemberResult", "member_checksum"]


@dataclasses.dataclass(frozen=True)
class MemberResult:
    """What a unit yields for one of its members."""

    fate: MemberFate
    reason: str
    loss: float | None
    spread: float | None = None
    first_loss: float | None = None
    steps: int = 0
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    series: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    """`loss` per update; `val_step`, `val_loss` and `val_NAME` of the metrics per validation."""


def member_checksum(row: Sequence[Any]) -> bytes:
    """Checksum of what is kept of a member, but for its time."""
    return checksum(repr(tuple(row)))
