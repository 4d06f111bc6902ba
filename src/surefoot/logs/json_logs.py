"""JSON: one document, or one object a line.

Documents are Hugging Face's state, a Keras history, evaluation results of boosted trees, exported rows, records of
Surefoot's; lines are Detectron2's or anybody's. A document that is cut off is closed and read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.logs.channels import RawLog
from surefoot.logs.columns import Columns, number_or_none
from surefoot.logs.limits import clean
from surefoot.logs.roles import words
from surefoot.logs.sources import Source

__all__ = ["boosted", "flat", "json_layout", "read_json_document", "read_json_lines", "rows_into"]

_DEEPEST = 3
_FAR = 40
"""A text whose first so many characters are JSON is JSON."""
_PLAINLY_JSON = re.compile(r'\{\s*["}]|\[\s*["{\[\]]|[{[]\s*$')
_DECODER = json.JSONDecoder(strict=False)
_DETECTRON = {"iteration", "total_loss"}
_GAINS = {"auc", "aucpr", "ndcg", "map", "acc", "accuracy", "precision", "recall", "f1", "pre", "r2"}
"""Metrics that rise when things get better."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]|[^\[\]{},"]+|"', re.DOTALL)


def json_layout(head: str, whole: bool) -> str | None:
    """`lines`, `document`, or None when the text is no JSON. `whole` says that `head` is all there is."""
    text = head.lstrip("\ufeff \t\r\n")
    if not text.startswith(("{", "[")) or text.startswith("{'"):
        return None
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError) as error:
        if getattr(error, "pos", _FAR) < min(_FAR, len(text.rstrip()) - 1) and not _PLAINLY_JSON.match(text):
            return None  # [12:30:00] INFO …, [rank0] …: brackets of a printed line
        first = text.splitlines()[0].strip()
        if not first.endswith(("{", "[", ",", '"', "]", "}")) and whole and not re.match(r'[{\[]\s*["{\[\d\-NI]', text):
            return None
        return "document" if re.match(r'[{\[]\s*(["{\[\]}\d\-NI]|$)', text) else None
    rest = text[end:].lstrip()
    if rest.startswith(("{", "[")) and isinstance(value, dict):
        return "lines"
    if isinstance(value, dict) and not rest and _scalars_only(value):
        return "lines"
    if rest.startswith("{") or not rest:
        return "document"
    return "lines" if isinstance(value, dict) and "\n" in text[end : end + 3] else None


def _scalars_only(value: dict[str, Any]) -> bool:
    return bool(value) and not any(isinstance(one, (dict, list)) for one in value.values())


def read_json_lines(source: Source, mapping: Mapping[str, str]) -> list[RawLog]:
    """The run of a file with one object a line. Lines that are no objects are left out and counted."""
    raw = RawLog(path=source.shown, format="jsonl")
    columns = Columns()
    broken = 0
    last = ""
    for line in source.lines(raw):
        if not line or line.isspace():
            continue
        last = line
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError):
            broken += 1
            continue
        last = ""
        if isinstance(value, dict) and not raw.room(columns.add_row(flat(value))):
            break
    if last and broken:
        broken -= 1
        raw.stop(f"the last line (row {columns.rows + 1}) is cut off or no JSON")
    if broken:
        raw.note("corrupt-records", f"{broken} lines are no JSON: they were left out")
    return rows_into(raw, columns, mapping)


def rows_into(raw: RawLog, columns: Columns, mapping: Mapping[str, str]) -> list[RawLog]:
    """Tell the tool by the keys of its rows and hand the rows on."""
    keys = set(columns.cells)
    if keys >= _DETECTRON:
        raw.format, raw.loss_kind, raw.averaged_over, raw.lr_of = "detectron2", "filtered", 20, "this"
        raw.roles["loss"] = "total_loss"
    elif keys & {"_step", "_runtime", "_timestamp"}:
        raw.format = "wandb-export"
    elif {"epoch", "step"} <= keys and keys & {"loss", "eval_loss", "train_loss"} and "learning_rate" in keys:
        raw.format = "huggingface"
        raw.loss_kind = "mean"
    return [columns.into(raw, mapping)]


def read_json_document(source: Source, mapping: Mapping[str, str]) -> tuple[list[RawLog], Any, str]:
    """The runs of one document, the document itself when it is a record of Surefoot's, and where reading stopped."""
    raw = RawLog(path=source.shown, format="json")
    text = source.whole(raw).decode("utf-8-sig", errors="replace")
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        value, kept = _salvaged(text)
        if value is None:
            return [], None, ""
        raw.stop(f"the document is cut off or damaged ({clean(error)}): what stands before character {kept:,} was read")
    if isinstance(value, dict) and isinstance(value.get("kind"), str) and "schema" in value:
        return [], value, raw.stopped
    return _document(raw, value, mapping), None, raw.stopped


def _document(raw: RawLog, value: Any, mapping: Mapping[str, str]) -> list[RawLog]:
    if isinstance(value, dict) and isinstance(value.get("log_history"), list):
        return _huggingface(raw, value, mapping)
    if isinstance(value, list):
        return _listed(raw, value, mapping)
    if not isinstance(value, dict):
        return []
    if {"columns", "data"} <= set(value) and isinstance(value["data"], list) and isinstance(value["columns"], list):
        names = [clean(name) for name in value["columns"]]
        rows = [dict(zip(names, row, strict=False)) for row in value["data"] if isinstance(row, list)]
        return _listed(raw, rows, mapping)
    lists = _lists(value)
    if lists:
        return _history(raw, lists, mapping)
    for inner in list(value.values())[:50]:
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            found = _listed(raw, inner, mapping)
        elif isinstance(inner, dict) and _lists(inner):
            found = _history(raw, _lists(inner), mapping)
        else:
            continue
        if found:
            return found
    return []


def _lists(value: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Series by name: lists of numbers at the first or second level, or an object of row number to number."""
    out: dict[str, list[Any]] = {}
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(number_or_none(one) is not None for one in inner[:3]):
            out[clean(name)] = inner
        elif isinstance(inner, dict):
            if inner and all(str(key).isdigit() for key in list(inner)[:3]):
                out[clean(name)] = [
                    inner[key] for key in sorted(inner, key=lambda key: int(key) if key.isdigit() else 0)
                ]
                continue
            for metric, series in inner.items():
                if isinstance(series, list) and series and number_or_none(series[0]) is not None:
                    out[f"{clean(name, 80)}/{clean(metric, 80)}"] = series
    return out


def _history(raw: RawLog, lists: dict[str, list[Any]], mapping: Mapping[str, str]) -> list[RawLog]:
    """Lists side by side, one entry an epoch (Keras) or a boosting round (XGBoost, LightGBM)."""
    columns = Columns()
    longest = max(len(series) for series in lists.values())
    if not raw.room(sum(len(series) for series in lists.values())):
        return []
    apart = {name: longest // len(series) for name, series in lists.items() if longest % len(series) == 0}
    if not raw.stopped and any(every > 1 for every in apart.values()):
        raw.note(
            "seldom-validated",
            "some lists are shorter by a whole ratio: they were taken for every second, third, … epoch",
        )
    else:
        apart = {}
    for place in range(longest):
        row = []
        for name, series in lists.items():
            at, rest = divmod(place + 1, apart.get(name, 1))
            value = number_or_none(series[at - 1]) if rest == 0 and at <= len(series) else None
            if value is not None:
                row.append((name, value))
        columns.add_row(row)
    if any("/" in name for name in lists) and not any(name in ("loss", "val_loss") for name in lists):
        boosted(raw, list(lists))
        columns.into(raw, mapping)
        raw.unit = "round"
        raw.notes.pop("steps-from-rows", None)
        return [raw]
    raw.format = "keras-history"
    if "loss" in lists and "step" not in lists:
        raw.loss_kind, raw.lr_of = "epoch", "this"
        raw.notes.pop("steps-from-rows", None)
        columns.into(raw, mapping)
        raw.notes.pop("steps-from-rows", None)
        if raw.unit == "row":
            raw.unit = "epoch"
        return [raw]
    return [columns.into(raw, mapping)]


def boosted(raw: RawLog, names: Sequence[str]) -> None:
    """Of a booster's evaluation sets the one called train is the training set; the first metric that falls, the loss.

    Names are SET/METRIC.
    """
    raw.format, raw.loss_kind = "boosting", "epoch"
    sets = list(dict.fromkeys(name.split("/")[0] for name in names))
    train = next((one for one in sets if "train" in one.lower()), sets[0] if len(sets) > 1 else None)
    held = next((one for one in sets if one != train), None)
    for role, name in (("loss", train), ("val_loss", held)):
        first = next((one for one in names if one.split("/")[0] == name and not _GAINS & set(words(one)[-2:])), None)
        if first is not None:
            raw.roles[role] = first
    if train is not None and "train" not in train.lower():
        raw.note("columns-inferred", f"the first evaluation set, {train!r}, was taken for the training set")


def _huggingface(raw: RawLog, value: dict[str, Any], mapping: Mapping[str, str]) -> list[RawLog]:
    raw.format, raw.loss_kind = "huggingface", "mean"
    raw.note("separate-rows", "training and evaluation stand in separate entries: they were joined by step")
    columns = Columns()
    for entry in value["log_history"]:
        if not isinstance(entry, dict):
            continue
        # the summary of the whole training carries `train_loss`; as an entry of the curve it would mislead
        if not raw.room(columns.add_row([item for item in flat(entry) if item[0] != "train_loss"])):
            break
    raw.roles.update(loss="loss", lr="learning_rate", grad_norm="grad_norm", val_loss="eval_loss")
    every = number_or_none(value.get("logging_steps"))
    if every is not None and every >= 1:
        raw.averaged_over = every
        raw.loss_kind = "step" if every == 1 else "mean"
    most = number_or_none(value.get("max_steps"))
    done = number_or_none(value.get("global_step"))
    raw.planned_steps = most
    if most and done and done < most:
        raw.note("unfinished", f"the training stopped at step {int(done)} of {int(most)}")
    return [columns.into(raw, mapping)]


def _listed(raw: RawLog, rows: list[Any], mapping: Mapping[str, str]) -> list[RawLog]:
    columns = Columns()
    triples = bool(rows) and all(isinstance(row, list) and len(row) == 3 for row in rows[:5])
    for row in rows:
        if triples and isinstance(row, list) and len(row) == 3:
            named = zip(("wall_time", "step", "value"), map(number_or_none, row), strict=True)
            items = [(name, number) for name, number in named if number is not None]
        elif isinstance(row, dict):
            items = flat(row)
        else:
            continue
        if not raw.room(columns.add_row(items)):
            break
    if triples:
        raw.format, raw.roles["loss"] = "tensorboard-export", "value"
        raw.note("columns-inferred", "the document holds one series without a name: it was taken for the loss")
        return [columns.into(raw, mapping)]
    return rows_into(raw, columns, mapping)


def flat(row: Mapping[str, Any], before: str = "", depth: int = 0) -> list[tuple[str, float]]:
    """The numbers of an object by name; those of objects inside it by path."""
    out: list[tuple[str, float]] = []
    for name, value in row.items():
        if type(value) is float:
            out.append((before + name, value))
        elif isinstance(value, dict):
            if depth < _DEEPEST:
                out.extend(flat(value, f"{before}{name}/", depth + 1))
        else:
            number = number_or_none(value)
            if number is not None:
                out.append((before + name, number))
    return out


def _salvaged(text: str) -> tuple[Any, int]:
    """The part of a damaged document before the damage, its brackets closed; None when nothing is left."""
    closers: list[str] = []
    good: list[tuple[int, str]] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == '"':
            break
        if token in "[{":
            closers.append("]" if token == "[" else "}")
            if len(closers) > 50:
                break
        elif token in "]}":
            if not closers or closers.pop() != token:
                break
            good.append((match.end(), "".join(reversed(closers))))
        elif token == ",":
            good.append((match.start(), "".join(reversed(closers))))
        if len(good) > 64:
            del good[:32]
    for end, tail in reversed(good[-32:]):
        try:
            return json.loads(text[:end] + tail, strict=False), end
        except (ValueError, RecursionError):
            continue
    return None, 0
