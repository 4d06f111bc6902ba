from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from surefoot.cli import main as cli
from surefoot.errors import InputError
from surefoot.tasks.catalogue import CATALOGUE

VERBS = ("find", "train", "tasks", "report")


def _python(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ | env, check=False
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["tasks"], ["nosuch"], *([v, "--help"] for v in VERBS)])
def test_what_needs_no_training_loads_no_torch(words):
    heavy = "('torch', 'matplotlib', 'plotly', 'sklearn')"
    code = (
        f"import sys; from surefoot.cli.main import main; main({words!r});"
        f"sys.exit(9 if [m for m in {heavy} if m in sys.modules] else 0)"
    )
    ran = _python(code)
    assert ran.returncode == 0, ran.stderr


def test_help_names_every_verb(surefoot):
    said = surefoot("--help")
    assert said.code == 0
    assert said.err == ""
    for verb in VERBS:
        assert f"\n  {verb} " in said.out
    assert surefoot().out == said.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_every_option_explained(surefoot, verb):
    said = surefoot(verb, "--help")
    assert said.code == 0
    command = cli.app.get_command(click.Context(cli.app), verb)
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert all(one.help for one in options)
    assert all(one.opts[0] in said.out for one in options)


def test_version(surefoot):
    from surefoot import __version__

    assert surefoot("--version").out == f"surefoot {__version__}\n"


def test_tasks_lists_the_catalogue(surefoot):
    listed = json.loads(surefoot("tasks", "--json").out)
    assert [one["name"] for one in listed] == list(CATALOGUE)
    said = surefoot("tasks")
    assert all(f"\n{name} " in "\n" + said.out for name in CATALOGUE)


def _calls(monkeypatch, error):
    @click.command()
    def verb():
        raise error

    monkeypatch.setattr(cli.app, "places", {"verb": (f"{__name__}:none", "")})
    monkeypatch.setattr(cli.app, "get_command", lambda ctx, name: verb)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("`a` is 1;\n  take 2"), 2, "surefoot: `a` is 1; take 2\n"),
        (KeyboardInterrupt(), 130, "surefoot: interrupted\n"),
        (ValueError("x"), 70, "surefoot: defect: ValueError: x; SUREFOOT_TRACEBACK=1 shows where\n"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_every_error_is_one_line_and_a_code(surefoot, monkeypatch, error, code, line):
    _calls(monkeypatch, error)
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)
    said = surefoot("verb")
    assert (said.code, said.err, said.out) == (code, line, "")


def test_the_traceback_is_shown_to_who_asks(monkeypatch, capsys):
    _calls(monkeypatch, InputError("said"))
    monkeypatch.setenv("SUREFOOT_TRACEBACK", "1")
    assert cli.main(["verb"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("surefoot: said\n")


def test_a_reader_that_leaves_early_is_no_error():
    ran = subprocess.run(
        f"'{sys.executable}' -m surefoot tasks | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stderr == ""
    assert ran.stdout.endswith("\n0\n")


def test_characters_that_the_output_lacks_do_not_stop_it():
    ran = subprocess.run(
        [sys.executable, "-m", "surefoot", "find", "--help"],
        capture_output=True, timeout=60, check=True, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert b"adamw" in ran.stdout
