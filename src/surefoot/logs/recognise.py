"""Recognise: what wrote a file, told by its first bytes."""

from __future__ import annotations

from typing import Literal

from surefoot.logs import databases, wandb_offline
from surefoot.logs.delimited import looks_delimited
from surefoot.logs.json_logs import json_layout
from surefoot.logs.mlflow_files import is_metric_file
from surefoot.logs.printed_rounds import tells_rounds
from surefoot.logs.sources import Source
from surefoot.logs.stdout_text import looks_printed
from surefoot.logs.tensorboard import looks_like_events

__all__ = ["FORMATS", "Layout", "layout_of"]

Layout = Literal["events", "wandb", "sqlite", "json", "jsonl", "mlflow-metric", "table", "text"]

FORMATS = {
    "tensorboard": "TensorBoard event files",
    "tensorboard-export": "one series downloaded from TensorBoard's page (CSV or JSON)",
    "lightning": "Lightning's metrics.csv",
    "huggingface": "Hugging Face trainer_state.json",
    "keras": "Keras CSVLogger",
    "keras-history": "a Keras history as JSON",
    "mlflow": "MLflow's file store or SQLite database",
    "wandb": "W&B offline run",
    "wandb-export": "rows or a panel exported from W&B (CSV or JSON)",
    "ultralytics": "Ultralytics results.csv",
    "detectron2": "Detectron2 metrics.json",
    "fastai": "fastai CSVLogger",
    "algoperf": "AlgoPerf measurements",
    "trackio": "trackio's SQLite database",
    "boosting": "evaluation results of XGBoost or LightGBM as JSON",
    "surefoot": "Surefoot's own records",
    "csv": "any table with a line of names",
    "json": "rows in one JSON document",
    "jsonl": "one JSON object a line",
    "text": "text that a training printed",
}
"""Name of each format in `LogRun.format`, and what it is."""

_SNIFFED = 1 << 15


def layout_of(source: Source, *, printed: bool = True) -> tuple[Layout, str] | None:
    """How to read the file, and the delimiter of a table; None when it is nothing that is known.

    Without `printed` a text that a training printed is none: telling whether it is one costs most of the time.
    """
    head = source.head
    if head.startswith(databases.MAGIC):
        return "sqlite", ""
    if head.startswith(wandb_offline.MAGIC):
        return "wandb", ""
    if looks_like_events(head):
        return "events", ""
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\x00" in head[:4096] and not wide:
        return None
    text = head.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    if text[:2000].count("\ufffd") > 200:
        return None
    small = text[:_SNIFFED]
    if (not source.packed and len(head) < source.size) or len(text) > len(small):
        small = small[: small.rfind("\n") + 1] or small
        whole = False
    else:
        whole = True
    layout = json_layout(text, whole)
    if layout is not None:
        return ("jsonl" if layout == "lines" else "json"), ""
    if is_metric_file(small):
        return "mlflow-metric", ""
    delimiter = None if tells_rounds(small) else looks_delimited(small)
    if delimiter is not None:
        return "table", delimiter
    return ("text", "") if printed and looks_printed(small) else None
