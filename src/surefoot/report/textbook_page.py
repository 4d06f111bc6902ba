"""The textbook as one page: every claim with its verdict, the number, a figure, and how to measure it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from surefoot.records.claim import TextbookRecord, Verification

__all__ = ["verification_files"]


def verification_files(seen: Verification, record: TextbookRecord) -> dict[str, Callable[[Path], Any]]:
    """Name of each file of a verification and the function that writes it to a path."""
    del record
    return {"verification.json": seen.save}
