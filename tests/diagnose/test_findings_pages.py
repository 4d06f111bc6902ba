"""The pages of the findings are the checks' own words."""

from pathlib import Path

import surefoot.diagnose.checks  # noqa: F401 - registers the checks
from surefoot.diagnose.check import CHECKS
from surefoot.diagnose.explain import page_of

DOCS = Path(__file__).parents[2] / "docs"


def test_each_check_has_its_page_as_generated_and_no_other_is_there():
    there = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "findings").glob("*.md")}
    assert set(there) == set(CHECKS)
    stale = [name for name, text in there.items() if text != page_of(CHECKS[name])]
    assert stale == [], "run scripts/make_findings.py"


def test_the_guide_links_every_finding():
    text = (DOCS / "diagnose.md").read_text(encoding="utf-8")
    assert [name for name in CHECKS if f"findings/{name}.md" not in text] == []


def test_the_figures_of_the_guide_are_those_of_the_record():
    import json
    import runpy

    made = runpy.run_path(str(DOCS.parent / "scripts" / "make_findings.py"), run_name="made")
    record = json.loads((DOCS.parent / "benchmarks" / "records" / "diagnosis.json").read_text(encoding="utf-8"))
    text = (DOCS / "diagnose.md").read_text(encoding="utf-8")
    assert made["guide"](text, record) == text
