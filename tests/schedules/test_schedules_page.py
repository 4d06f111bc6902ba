"""The page on schedules: every example on it is run, and every test it names exists."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from surefoot.cli.main import main
from surefoot.schedules import names, option_names
from surefoot.schedules.registry import class_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "schedules.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_python_examples_give_what_they_show() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried > 25
    assert failed == 0


@pytest.mark.parametrize("line", re.findall(r"^\$ surefoot (.*)$", TEXT, flags=re.MULTILINE))
def test_the_commands_run(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)) == 0
    assert len(capsys.readouterr().out.splitlines()) > 10


def test_every_schedule_and_option_is_told() -> None:
    table = TEXT.split("## The schedules")[1].split("## Putting")[0]
    for name in set(names()) - {"join", "chain", "repeat", "offset", "replan"}:
        row = re.search(rf"^\| `{name}`.*$", table, flags=re.MULTILINE)
        assert row is not None, name
        if "the same" not in row[0]:
            for option in option_names(class_of(name)):
                assert f"`{option}`" in row[0], (name, option)


def test_the_tests_it_names_exist() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) >= 10
    assert {one for one in named if f"def {one}(" not in written} == set()
