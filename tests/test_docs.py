"""Everything that README and docs show is run, and what they list is what there is."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

import surefoot.errors
from surefoot.cli.main import main

ROOT = Path(__file__).parents[1]
OWN_TESTS = {"schedules.md"}  # see tests/schedules/test_schedules_page.py
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in OWN_TESTS)]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder to work in, and no place of the repository's on the way to it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUREFOOT_DATA", raising=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the data that examples draw
        yield tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_examples_run_in_order(page, elsewhere, capsys):
    """Python blocks share one namespace; one that begins with a file's name is also written to that file."""
    namespace = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        language, block = found.groups()
        line = text.count("\n", 0, found.start()) + 2
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", block)
            if name:
                (elsewhere / name[1]).write_text(block, encoding="utf-8")
            exec(compile("\n" * (line - 1) + block, str(page), "exec"), namespace)
        elif language == "console":
            for command in re.findall(r"^\$ surefoot (.*)$", block, re.MULTILINE):
                code = main(shlex.split(command))
                assert code == 0, f"{page.name}, line {line}: surefoot {command}: {capsys.readouterr().err}"
                assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "docs" / name for name in OWN_TESTS)], ids=lambda page: page.name)
def test_its_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".ipynb")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_the_tree_of_errors_is_the_one_there_is():
    """Each error stands in the drawn tree below its base, and nothing else does."""
    block = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").split("```")[1]
    drawn, stack = {}, {}
    for line in block.strip().splitlines():
        prefix, name = re.match(r"([ │├└─]*)(\w+)", line).groups()
        depth = len(prefix) // 3
        drawn[name] = stack.get(depth - 1)
        stack[depth] = name
    there = {name: getattr(surefoot.errors, name).__bases__[0].__name__ for name in surefoot.errors.__all__}
    assert drawn == {"Exception": None} | there


def test_the_tour_runs(elsewhere):
    notebook = nbformat.read(ROOT / "docs" / "tour.ipynb", as_version=4)
    assert all(cell.get("outputs", []) == [] for cell in notebook.cells), "keep the committed tour without outputs"
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(elsewhere)}}
    )
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert any("image/png" in output.get("data", {}) for output in shown)


def test_the_page_of_measurements_is_what_the_records_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    maker = runpy.run_path(str(ROOT / "scripts" / "make_measured.py"))
    assert (ROOT / "docs" / "measured.md").read_text(encoding="utf-8") == maker["page"](), (
        "run python scripts/make_measured.py"
    )
