"""Libraries that an integration needs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from surefoot.errors import InputError

__all__ = ["needed"]


def needed(names: tuple[str, ...], extra: str) -> Any:
    """The first of the modules that the program has loaded already, else the first that is installed.

    Raises:
        InputError: none is installed.
    """
    for name in names:
        if name in sys.modules:
            return sys.modules[name]
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and not name.startswith(error.name):
                raise
    raise InputError(f"{names[0]} is not installed; pip install {extra!r}")
