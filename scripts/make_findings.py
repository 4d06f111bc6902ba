"""Make docs/findings/*.md, a page for each check of `surefoot diagnose`, from the checks themselves.

python scripts/make_findings.py            write the pages, remove those of checks that are gone
"""

from __future__ import annotations

from pathlib import Path

import surefoot.diagnose.checks  # noqa: F401 - registers the checks
from surefoot.diagnose.check import CHECKS
from surefoot.diagnose.explain import page_of

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "findings"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.stem not in CHECKS:
            old.unlink()
    for name, check in CHECKS.items():
        (FOLDER / f"{name}.md").write_text(page_of(check), encoding="utf-8")


if __name__ == "__main__":
    main()
