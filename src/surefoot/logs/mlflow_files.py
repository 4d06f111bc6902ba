"""MLflow's file store: a folder `metrics` beside `params` and `meta.yaml`, one text file per metric.

Each line is `timestamp value step` (older: `timestamp value`). The settings file is not read: it is YAML, and holds
nothing the curve needs; parameters are one short text each.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from surefoot.logs.channels import RawLog
from surefoot.logs.databases import mlflow_number
from surefoot.logs.limits import clean
from surefoot.logs.sources import Source

__all__ = ["add_metric_file", "is_metric_file", "rate_from_parameter"]

_LINE = re.compile(r"(\d{9,16}) (\S{1,40})(?: (-?\d{1,18}))?\s*")
_RATES = ("lr", "learning_rate", "optimizer_lr", "lr0", "base_lr")


def is_metric_file(head: str) -> bool:
    """Whether a text is a metric of the file store: a time in milliseconds, a number, a step."""
    lines = head.split("\n")[:20]
    return bool(lines) and bool(_LINE.fullmatch(lines[0])) and _float(lines[0].split(" ")[1]) is not None


def add_metric_file(raw: RawLog, source: Source, name: str) -> None:
    """Read one metric into `raw` under `name`."""
    channel = raw.channel(clean(name))
    if channel is None:
        return
    odd = place = 0
    width = 0
    for line in source.lines(raw):
        parts = line.split(" ")
        width = width or len(parts)
        if raw.unended and (len(parts) < width or width < 3):
            raw.stop(f"the last line of {clean(name)!r} is cut off")
            raw.unended = False
            break
        value = _float(parts[1]) if 2 <= len(parts) <= 3 else None
        try:
            stamp, step = float(parts[0]), float(parts[2]) if len(parts) == 3 else float(place)
        except (ValueError, IndexError):
            value = None
        if value is None:
            odd += bool(line.strip())
            continue
        place += 1
        if not raw.room(1):
            break
        decoded = mlflow_number(value, 0, raw)
        if decoded is not None:
            channel.add(stamp, step, decoded)
    if odd:
        raw.note("corrupt-records", f"{odd} lines are no metric: they were left out")


def rate_from_parameter(source: Source) -> float | None:
    """The rate, when a file `params/NAME` holds one."""
    if PurePath(source.shown).name not in _RATES or source.size > 40:
        return None
    value = _float(source.head.decode("utf-8", errors="replace").strip())
    return value if value is not None and 0 < value < float("inf") else None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
