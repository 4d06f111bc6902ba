"""Faces: how a record shows itself, named here and drawn far above.

Records stand on the lowest floor and cannot import what draws them. They know a face only by name; the package names
the function behind it when it is imported, and the function is loaded when the face is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["face_of", "register_face"]

_FACES: dict[tuple[str, str], str] = {}


def register_face(kind: str, face: str, target: str) -> None:
    """Let records of `kind` show `face` (such as `plot` or `html`) by calling `target`, ``module:function``."""
    _FACES[kind, face] = target


def face_of(kind: str, face: str) -> Any:
    """The function that draws `face` for records of `kind`; None where there is none."""
    target = _FACES.get((kind, face))
    if target is None:
        return None
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)
