"""The examples, and the training that most of them logged, from the script that made them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).parent / "examples"


def _maker():
    if "make_example_logs" not in sys.modules:
        spec = importlib.util.spec_from_file_location("make_example_logs", ROOT / "scripts" / "make_example_logs.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["make_example_logs"] = module
        spec.loader.exec_module(module)
    return sys.modules["make_example_logs"]


def training(**changes):
    """One row a step, as the examples logged it."""
    return list(_maker().training(**changes))


def epochs():
    """One row an epoch."""
    return _maker().epochs()


def files(folder="."):
    """Every example file, the broken ones only when they are asked for."""
    found = sorted(path for path in (EXAMPLES / folder).rglob("*") if path.is_file())
    return [path for path in found if folder != "." or "broken" not in path.parts]
