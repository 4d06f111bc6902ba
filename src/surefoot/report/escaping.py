"""Escaping: the only way by which text and data reach a page.

Names of tasks, reasons and notes come from users and from files; a page must show them and never run them. `Markup`
is text that is already safe; everything else is escaped when it meets a page.
"""

from __future__ import annotations

import html
import json
import math
from typing import Any

__all__ = ["Markup", "attribute", "join", "script_json", "tag", "text"]

_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "\ufffd")


class Markup(str):
    """HTML that is safe to put into a page as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """`value` as the text of an element; control characters become the replacement character."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(str(value).translate(_CONTROL), quote=True))


def attribute(value: object) -> str:
    """`value` in double quotes, as the value of an attribute. Never for addresses or handlers."""
    return f'"{html.escape(str(value).translate(_CONTROL), quote=True)}"'


def tag(element: str, /, *content: object, **attributes: object) -> Markup:
    """The element named `element`; content and values of attributes are escaped, `class_` means ``class``."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={attribute(value)}"
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{element}{given}>{''.join(text(part) for part in content)}</{element}>")


def join(parts: list[Markup], between: str = "\n") -> Markup:
    """Safe parts behind one another; `between` is escaped."""
    return Markup(text(between).join(text(part) for part in parts))


def script_json(value: Any) -> Markup:
    """`value` as JSON that may stand in a script element: ``<``, ``>`` and ``&`` are written as codes.

    NaN and infinities, which JSON lacks, become null.
    """
    written = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
