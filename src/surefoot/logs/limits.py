"""Bounds: what a log may cost before reading stops and says so. A log is somebody else's file."""

from __future__ import annotations

__all__ = [
    "DEEPEST_FOLDER",
    "LONGEST_LINE",
    "LONGEST_NAME",
    "LONGEST_RECORD",
    "MOST_COLUMNS",
    "MOST_DOCUMENT",
    "MOST_FILES",
    "MOST_POINTS",
    "MOST_RUNS",
    "MOST_UNPACKED",
    "clean",
]

MOST_POINTS = 20_000_000
"""Numbers kept of one log: 320 MB in memory."""
MOST_COLUMNS = 2_000
MOST_RUNS = 1_000
MOST_UNPACKED = 1 << 31
"""Bytes that a compressed file may unpack to."""
MOST_DOCUMENT = 1 << 27
"""Bytes of a file that must be held whole: one JSON document, a compressed database."""
MOST_FILES = 100_000
"""Directory entries looked at below one folder."""
DEEPEST_FOLDER = 12
LONGEST_LINE = 1 << 20
LONGEST_NAME = 200
LONGEST_RECORD = 1 << 26
"""Bytes of one record in a framed file; a length beyond it is taken for damage."""


def clean(text: object, longest: int = LONGEST_NAME) -> str:
    """`text` on one line, without control characters that would act on a terminal, at most `longest` long."""
    raw = str(text)[: 4 * longest]
    line = " ".join("".join(char if char.isprintable() else " " for char in raw).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
