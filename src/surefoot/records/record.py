"""The base of all records: frozen values that travel as JSON and come back equal.

A *record* is a frozen dataclass with a `kind` and a schema version. Its JSON form is the dataclass's own field
names as keys, with `kind` and `schema` in front. A *series* is a one-dimensional, read-only NumPy array inside a
record: float64, or int64 for steps. JSON has no NaN or infinity, so these are written as the strings ``"nan"``,
``"inf"`` and ``"-inf"`` wherever a float is expected.

Two records are equal when their JSON forms are: NaN equals NaN, and no identity is involved.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias, get_args, get_origin

import numpy as np
import numpy.typing as npt

from surefoot.errors import InputError, OutputError, RecordError
from surefoot.faces import face_of

__all__ = ["FloatSeries", "IntSeries", "Record", "float_series", "int_series", "write_text"]

FloatSeries: TypeAlias = npt.NDArray[np.float64]
IntSeries: TypeAlias = npt.NDArray[np.int64]

_DEEPEST = 20
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def float_series(values: Any = ()) -> FloatSeries:
    """Copy `values` (any one-dimensional sequence of numbers) into a read-only float64 series."""
    return _frozen(np.array(values, dtype=np.float64).reshape(-1))


def int_series(values: Any = ()) -> IntSeries:
    """Copy `values` (any one-dimensional sequence of whole numbers) into a read-only int64 series."""
    return _frozen(np.array(values, dtype=np.int64).reshape(-1))


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.setflags(write=False)
    return array


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """Base class of every record. Subclasses are frozen dataclasses and set `kind`; see the module's text."""

    kind: ClassVar[str] = "record"
    schema: ClassVar[int] = 1

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values: `kind`, `schema`, then every field under its own name."""
        out: dict[str, Any] = {"kind": self.kind, "schema": self.schema}
        for field in dataclasses.fields(self):
            out[field.name] = _encode(getattr(self, field.name))
        return out

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Build the record from what `to_json` returned.

        Raises:
            RecordError: `data` is of another kind, of a newer schema, or lacks a field.
        """
        if not isinstance(data, Mapping):
            raise RecordError(f"a {cls.kind} record is a JSON object, not {_json_type(data)}")
        kind = data.get("kind", cls.kind)
        if kind != cls.kind:
            raise RecordError(f"this is a record of kind `{kind}`; a `{cls.kind}` record is needed here")
        schema = data.get("schema", cls.schema)
        if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
            raise RecordError(f"`schema` of this {cls.kind} record is {schema!r}; it is a whole number from 1")
        if schema > cls.schema:
            raise RecordError(
                f"this {cls.kind} record has schema {schema}, and this version of Surefoot reads up to "
                f"{cls.schema}: upgrade Surefoot"
            )
        hints = _field_types(cls)
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if field.name in data:
                values[field.name] = _decode(data[field.name], hints[field.name], f"{cls.kind}.{field.name}")
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise RecordError(f"this {cls.kind} record lacks the field `{field.name}`")
        try:
            return cls(**values)
        except RecordError:
            raise
        except (InputError, ArithmeticError, TypeError, ValueError) as error:
            raise RecordError(f"this {cls.kind} record is damaged: {error}") from None

    def dumps(self) -> str:
        """The record as JSON text: keys in field order, one line for each, so that differences read well."""
        lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in self.to_json().items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record to `path`, whole or not at all.

        Raises:
            OutputError: the file cannot be written; an older file at `path` is then as it was.
        """
        return write_text(path, self.dumps())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a record that `save` wrote.

        Raises:
            RecordError: no such file, no JSON, another kind, or a newer schema.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise RecordError(f"`{path}`: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(f"`{path}` cannot be read: {error}") from None
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"`{path}` is no JSON: {error}") from None
        try:
            return cls.from_json(data)
        except RecordError as error:
            raise RecordError(f"`{path}`: {error}") from None

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the record as a matplotlib figure and return it; also write it to `path` (PNG, SVG or PDF) if given.

        Raises:
            RecordError: records of this kind have no picture.
            OutputError: `path` cannot be written.
        """
        draw = face_of(self.kind, "plot")
        if draw is None:
            raise RecordError(f"a {self.kind} record has no picture")
        return draw(self, path)

    def _repr_html_(self) -> str | None:
        draw = face_of(self.kind, "html")
        return None if draw is None else str(draw(self))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(_hashable(self.to_json()))


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` to `path` through a temporary file in the same folder, so that a failure leaves no half file.

    A link is followed; a device or pipe is written to directly.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    target = Path(path)
    try:
        if _is_device(target):
            with target.open("w", encoding="utf-8") as stream:
                stream.write(text)
        else:
            _replace(target.resolve(), text)
    except (OSError, RuntimeError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OutputError(f"`{target}` cannot be written: {said}; name another place") from None
    return target


def _is_device(target: Path) -> bool:
    # `/dev/stdout` leads to whatever standard output is; a file behind it must not be replaced under its writer.
    return (target.is_absolute() and target.parts[1:2] in (("dev",), ("proc",))) or (
        target.exists() and not target.is_file() and not target.is_dir()
    )


def _replace(target: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".surefoot-", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _encode(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, np.ndarray):
        return [_encode(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return _encode(value.item())
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    raise TypeError(f"a record cannot hold a {type(value).__name__}: {value!r}")


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


_TYPES: dict[type, dict[str, Any]] = {}


def _field_types(cls: type) -> dict[str, Any]:
    if cls not in _TYPES:
        _TYPES[cls] = typing.get_type_hints(cls)
    return _TYPES[cls]


def _decode(value: Any, hint: Any, place: str) -> Any:
    """Turn the JSON `value` into what the field's type says; `place` names it in errors."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return _checked_depth(value, place)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(value, arguments, place)
    if origin is np.ndarray:
        return _decode_series(value, arguments, place)
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_json(value)
    if origin is tuple:
        if not isinstance(value, list):
            raise RecordError(f"`{place}` is {_json_type(value)}; a list is needed")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_decode(item, arguments[0], place) for item in value)
        if len(value) != len(arguments):
            raise RecordError(f"`{place}` has {len(value)} items; {len(arguments)} are needed")
        return tuple(_decode(item, one, place) for item, one in zip(value, arguments, strict=True))
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise RecordError(f"`{place}` is {_json_type(value)}; an object is needed")
        return {key: _decode(item, arguments[1], place) for key, item in value.items()}
    return _decode_scalar(value, hint, place)


def _checked_depth(value: Any, place: str, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise RecordError(f"`{place}` is nested more than {_DEEPEST} deep")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _checked_depth(item, place, depth + 1)
    return value


def _decode_union(value: Any, arguments: tuple[Any, ...], place: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    failure: RecordError | None = None
    for one in arguments:
        if one is type(None):
            continue
        try:
            return _decode(value, one, place)
        except RecordError as error:
            failure = error
    raise failure or RecordError(f"`{place}` is {_json_type(value)}")


def _decode_series(value: Any, arguments: tuple[Any, ...], place: str) -> npt.NDArray[Any]:
    if not isinstance(value, list):
        raise RecordError(f"`{place}` is {_json_type(value)}; a list of numbers is needed")
    if get_args(arguments[1])[0] is np.int64:
        return int_series([_decode_scalar(item, int, place) for item in value])
    return float_series([_decode_scalar(item, float, place) for item in value])


def _decode_scalar(value: Any, hint: Any, place: str) -> Any:
    if hint is float:
        if isinstance(value, str) and value in _NON_FINITE:
            return _NON_FINITE[value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise RecordError(f"`{place}` is a whole number too large for a float") from None
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            return value
    elif hint in (str, bool):
        if isinstance(value, hint):
            return value
    elif get_origin(hint) is typing.Literal and value in get_args(hint):
        return value
    wanted = getattr(hint, "__name__", str(hint))
    if get_origin(hint) is typing.Literal:
        wanted = f"one of {', '.join(map(str, get_args(hint)))}"
    raise RecordError(f"`{place}` is {_json_type(value)}; {wanted} is needed")


def _json_type(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true/false",
    }
    if value is None:
        return "null"
    shown = repr(value)
    return names.get(type(value), "a number") + ("" if len(shown) > 40 else f" ({shown})")
