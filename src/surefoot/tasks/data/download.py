"""A download: one published file, from the first mirror that gives it whole, proved by checksum, kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

from surefoot.errors import DataError
from surefoot.tasks.data.idx import unzip

__all__ = ["Progress", "cache_folder", "fetch", "keep", "proved"]

Progress = Callable[[str, int, int | None], None]
"""Called as progress(file name, bytes done, bytes in all or None where the mirror does not say)."""

CHUNK = 2**16
PATIENCE = 20.0  # seconds a mirror may stay silent


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/surefoot`, or `~/.cache/surefoot` where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "surefoot"


def proved(content: bytes, checksum: str, size: int, name: str) -> bytes:
    """The unzipped content, if its length and SHA-256 are the published ones.

    Args:
        content: bytes of the file, gzipped or not (mirrors zip differently, so the checksum is of the unzipped file).
        checksum: SHA-256 of the unzipped file, in hexadecimal.
        size: length of the unzipped file in bytes.
        name: what to call the file in an error.

    Raises:
        DataError: if the content is cut short, damaged, or not the published file.
    """
    plain = unzip(content, name, largest=size)
    if len(plain) != size:
        raise DataError(f"`{name}` has {len(plain):,} bytes unzipped, the published file {size:,}")
    if hashlib.sha256(plain).hexdigest() != checksum:
        raise DataError(f"`{name}` differs from the published file (SHA-256 checksum)")
    return plain


def fetch(
    name: str, mirrors: Sequence[str], *, checksum: str, size: int, progress: Progress | None = None
) -> tuple[bytes, bytes]:
    """The file `name` from the first of the mirrors that gives it whole.

    Args:
        name: file name, appended to each mirror's address.
        mirrors: addresses of folders.
        checksum: SHA-256 of the unzipped file.
        size: length of the unzipped file in bytes.
        progress: called after each piece.

    Returns:
        The bytes as they were sent, and unzipped.

    Raises:
        DataError: if no mirror gives the file; it holds one reason for each mirror.
    """
    reasons = []
    for mirror in mirrors:
        try:
            content = _pieces(f"{mirror.rstrip('/')}/{name}", name, progress, largest=2 * size + CHUNK)
            return content, proved(content, checksum, size, name)
        except (OSError, http.client.HTTPException, ValueError, DataError) as error:
            reasons.append(f"{mirror}: {_one_line(error)}")
    raise DataError("; ".join(reasons))


def keep(content: bytes, target: Path) -> None:
    """Write a file whole or not at all: a temporary file beside it, then a rename.

    Where the folder cannot be written, a warning says so and nothing is left behind: the copy is lost, not the work.
    """
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        warnings.warn(
            f"`{target}` cannot be written ({error.strerror or error}); the file will be downloaded again next time, "
            "or set XDG_CACHE_HOME to a folder that can be written",
            stacklevel=2,
        )
    except BaseException:  # Ctrl-C in the middle of writing
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise


def _pieces(address: str, name: str, progress: Progress | None, *, largest: int) -> bytes:
    parts: list[bytes] = []
    done = 0
    with urlopen(address, timeout=PATIENCE) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length is not None else None
        while part := answer.read(CHUNK):
            parts.append(part)
            done += len(part)
            if done > largest:
                raise DataError(f"more than {largest:,} bytes were sent; this is not the published file")
            if progress is not None:
                progress(name, done, total)
    if total is not None and done != total:
        raise DataError(f"the connection ended after {done:,} of {total:,} bytes")
    return b"".join(parts)


def _one_line(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    text = str(reason if reason not in (None, "") else error) or type(error).__name__
    return " ".join(text.split())
