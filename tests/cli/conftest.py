"""The command line as a function: arguments in, exit code and both outputs out."""

from __future__ import annotations

import dataclasses

import pytest
from quick_search import QUICK

from surefoot.cli.main import main


@dataclasses.dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def surefoot(capsys, monkeypatch):
    """Run ``surefoot`` with words; never as a terminal."""
    monkeypatch.delenv("SUREFOOT_TRACEBACK", raising=False)

    def call(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    """The folder of one quick search on a built-in task."""
    folder = tmp_path_factory.mktemp("search")
    assert main([*QUICK, "--out", str(folder), "--quiet"]) == 0
    return folder
