"""Phrasings: questions that people ask, those that a claim answers and those about other things.

Every claim has a page of phrasings in `questions/`; `elsewhere.txt` holds questions that no claim answers. What is
looked up when somebody asks is made of both by `scripts/make_ask_index.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

__all__ = ["FOLDER", "elsewhere", "phrasings"]

FOLDER = files("surefoot.textbook.ask")


def phrasings() -> Mapping[str, tuple[str, ...]]:
    """Claim and the questions it answers, as the files of `questions/` list them."""
    found: dict[str, list[str]] = {}
    for page in sorted(FOLDER.joinpath("questions").iterdir(), key=lambda one: one.name):
        claim = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                claim = line[2:].strip()
                found.setdefault(claim, [])
            elif line.strip():
                found[claim].append(line.strip())
    return {claim: tuple(lines) for claim, lines in found.items()}


def elsewhere() -> tuple[str, ...]:
    """Questions about other things than any claim."""
    lines = FOLDER.joinpath("elsewhere.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
