"""Checkpoints: the state of a training as numbered pairs of files, of which a good one survives any crash.

A *checkpoint* is ``checkpoint-000007.safetensors``, all tensors, and ``checkpoint-000007.json``, everything else and
the SHA-256 of both. Each file is written under another name, flushed to the disk and renamed; the JSON comes last, so
a checkpoint without it never was. The two newest are kept. No pickle: reading a checkpoint runs no code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from surefoot.errors import OutputError, RecipeError, RecordError

__all__ = ["Checkpoints", "Loaded", "pack", "unpack"]

SCHEMA = 1
KEPT = 2
"""Checkpoints that stay: the newest, and the one before in case the newest is damaged."""

_NAME = re.compile(r"checkpoint-(\d{6,})\.json")
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read."""

    number: int
    state: dict[str, Any]
    """What `Checkpoints.write` was given."""
    notes: tuple[str, ...] = ()
    """Newer checkpoints that are damaged, in words."""


class Checkpoints:
    """The checkpoints in a folder.

    Args:
        folder: made by the first `write` if it is not there.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def numbers(self) -> list[int]:
        """Numbers of the checkpoints in the folder, ascending, whether they can be read or not."""
        try:
            names = [_NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        except OSError:
            return []
        return sorted(int(found[1]) for found in names if found)

    def write(self, state: dict[str, Any]) -> int:
        """Write a checkpoint behind all others and return its number; older ones than the one before go.

        Args:
            state: nested dicts, lists and tuples of tensors, NumPy arrays, numbers, text and None.

        Raises:
            RecipeError: the state holds something else.
            OutputError: the folder or file cannot be written; the checkpoints that were there still are.
        """
        tensors: dict[str, torch.Tensor] = {}
        tree = pack(state, tensors)
        number = (self.numbers() or [0])[-1] + 1
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            blob, described = self._path(number, "safetensors"), self._path(number, "json")
            with _replacing(blob) as part:
                save_file(tensors, part)
            document = {
                "kind": "checkpoint", "schema": SCHEMA,
                "tensors": {"bytes": blob.stat().st_size, "sha256": _digest_of_file(blob)}, "state": tree,
            }  # fmt: skip
            with _replacing(described) as part:
                part.write_text(json.dumps({"sha256": _digest(document)} | document), encoding="utf-8")
        except (OSError, SafetensorError) as error:
            said = getattr(error, "strerror", None) or error
            raise OutputError(f"no checkpoint can be written to `{self.folder}`: {said}; name another folder") from None
        self._forget(number - KEPT)
        return number

    def newest(self) -> Loaded:
        """Read the newest checkpoint that is whole; those that are not are named in its notes.

        Raises:
            RecordError: there is none, none is whole, or it was written by a newer version.
        """
        numbers = self.numbers()
        if not numbers:
            raise RecordError(f"`{self.folder}` holds no checkpoint; name the folder that a training was saved to")
        notes: list[str] = []
        for number in reversed(numbers):
            try:
                return Loaded(number, self._read(number), tuple(notes))
            except _DamagedError as damage:
                notes.append(f"checkpoint {number} is damaged ({damage}); the one before it was used")
        said = "; ".join(one.split(";")[0] for one in notes)
        raise RecordError(f"no checkpoint in `{self.folder}` is whole: {said}")

    def _read(self, number: int) -> dict[str, Any]:
        try:
            document = json.loads(self._path(number, "json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            raise _DamagedError("its JSON cannot be read") from None
        if not isinstance(document, dict) or document.get("kind") != "checkpoint":
            raise _DamagedError("its JSON is no checkpoint")
        if document.get("schema") != SCHEMA:
            raise RecordError(
                f"checkpoint {number} in `{self.folder}` has schema {document.get('schema')!r}, and this version of "
                f"Surefoot reads {SCHEMA}: resume it with the version that wrote it"
            )
        if document.pop("sha256", None) != _digest(document):
            raise _DamagedError("its JSON was changed")
        blob, expected = self._path(number, "safetensors"), document["tensors"]
        try:
            if blob.stat().st_size != expected["bytes"]:
                raise _DamagedError(f"its tensors have {blob.stat().st_size} of {expected['bytes']} bytes")
            if _digest_of_file(blob) != expected["sha256"]:
                raise _DamagedError("its tensors were changed")
            tensors = load_file(blob)
        except (OSError, SafetensorError):
            raise _DamagedError("its tensors cannot be read") from None
        state: dict[str, Any] = unpack(document["state"], tensors)
        return state

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"checkpoint-{number:06d}.{ending}"

    def _forget(self, last: int) -> None:
        """Remove the checkpoints up to `last`, and what a crash left half written."""
        for path in self.folder.glob("checkpoint-*"):
            number = re.match(r"checkpoint-(\d+)\.", path.name)
            if number and (int(number[1]) <= last or path.suffix == ".part"):
                path.unlink(missing_ok=True)


class _DamagedError(Exception):
    """A checkpoint that is not what was written."""


class _replacing:  # noqa: N801 - reads as a verb in a with statement
    """``with _replacing(path) as part``: what is written to `part` becomes `path`, on the disk, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")

    def __enter__(self) -> Path:
        return self.part

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.part.unlink(missing_ok=True)
            return
        _flush(self.part)
        self.part.replace(self.path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _flush(self.path.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pack(value: Any, tensors: dict[str, torch.Tensor], place: str = "state") -> Any:
    """`value` as JSON; its tensors and arrays go into `tensors` under the path to them, as copies.

    Raises:
        RecipeError: something in it is no tensor, array, number, text, None, list, tuple or dict.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"~float": str(value)}
    if isinstance(value, torch.Tensor):
        # A copy of its own: safetensors refuses tensors that share memory, as tied weights do.
        place = _free(place, tensors)
        tensors[place] = value.detach().to("cpu", copy=True).contiguous()
        return {"~tensor": place}
    if isinstance(value, np.ndarray):
        place = _free(place, tensors)
        tensors[place] = torch.from_numpy(value.copy())
        return {"~array": place}
    if isinstance(value, np.generic):
        return pack(value.item(), tensors, place)
    if isinstance(value, list | tuple):
        items = [pack(item, tensors, f"{place}.{at}") for at, item in enumerate(value)]
        return {"~tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("~") for key in value):
            return {key: pack(item, tensors, f"{place}.{key}") for key, item in value.items()}
        keys = [pack(key, tensors, f"{place}.key") for key in value]
        items = [pack(item, tensors, f"{place}.{key}") for key, item in value.items()]
        return {"~dict": [list(pair) for pair in zip(keys, items, strict=True)]}
    raise RecipeError(
        f"`{place}` of the training is a {type(value).__name__}, which a checkpoint cannot hold; it holds tensors, "
        "numbers and text: train without `save`"
    )


def _free(place: str, tensors: dict[str, torch.Tensor]) -> str:
    """`place`, or one like it: the keys ``a.b`` and ``a`` then ``b`` lead to the same path."""
    while place in tensors:
        place += "+"
    return place


def unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The value that `pack` was given."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "~float" in value:
        return _NON_FINITE[value["~float"]]
    if "~tensor" in value:
        return tensors[value["~tensor"]]
    if "~array" in value:
        return tensors[value["~array"]].numpy()
    if "~tuple" in value:
        return tuple(unpack(item, tensors) for item in value["~tuple"])
    if "~dict" in value:
        return {unpack(key, tensors): unpack(item, tensors) for key, item in value["~dict"]}
    return {key: unpack(item, tensors) for key, item in value.items()}
