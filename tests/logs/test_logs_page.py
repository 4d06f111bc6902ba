"""The page on logs names every format and every note there is, and no other."""

import re
from pathlib import Path

from example_logs import ROOT

import surefoot.logs
from surefoot.logs import FORMATS

PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
SOURCES = sorted(Path(surefoot.logs.__file__).parent.glob("*.py"))


def listed(heading):
    """What stands in backticks in the first column of the table below a heading."""
    table = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([a-z0-9-]+)`", cell)}


def test_formats():
    assert listed("Formats") - {"format"} == set(FORMATS)


def test_notes():
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    given = set(re.findall(r"""(?:\bnote|\bNote)\(\s*"([a-z-]+)",""", text))
    given |= set(re.findall(r"""role = "([a-z-]+)" if what == .* else "([a-z-]+)\"""", text)[0])
    assert listed("Notes") == given
