"""Packing: large text, squeezed into a page.

Compressed bytes are written with 85 characters, five for every four bytes, which is a sixteenth shorter than base64.
None of the characters means anything to HTML; `assets/page.js` reads them.
"""

from __future__ import annotations

import base64
import gzip

__all__ = ["ALPHABET", "pack"]

_PYTHON = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
ALPHABET = _PYTHON.translate(str.maketrans("<>&`", ",:./"))
_TRANSLATION = bytes.maketrans(_PYTHON.encode(), ALPHABET.encode())


def pack(text: str) -> str:
    """`text` as UTF-8, compressed by gzip, in characters of `ALPHABET`; the same every time."""
    squeezed = gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0)
    return base64.b85encode(squeezed).translate(_TRANSLATION).decode("ascii")
