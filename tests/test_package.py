"""The package as a whole: what is public, what loads quickly, how files are named and how long they are."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import surefoot as sf

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "surefoot").rglob("*.py"))
VAGUE = {"utils", "util", "misc", "helpers", "helper", "common", "stuff", "tools"}


def loaded_after(statements: str) -> set[str]:
    """Names of the modules that a new interpreter holds after the statements."""
    code = f"{statements}\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


class TestPublicNames:
    def test_all_resolve_and_nothing_else_is_listed(self):
        for name in sf.__all__:
            assert getattr(sf, name) is not None
        assert len(set(sf.__all__)) == len(sf.__all__)
        assert set(dir(sf)) == set(sf.__all__)

    @pytest.mark.parametrize("name", sorted(set(sf.__all__) - {"__version__"}))
    def test_each_has_a_docstring(self, name):
        assert (getattr(sf, name).__doc__ or "").strip()

    def test_verbs_stay_functions_after_their_folders_are_imported(self):
        importlib.import_module("surefoot.find")
        import surefoot

        assert callable(surefoot.find)
        assert surefoot.find is surefoot.find
        from surefoot import find

        assert callable(find)

    def test_an_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no attribute 'fnid'"):
            _ = sf.fnid


class TestStart:
    def test_the_package_loads_no_torch_and_no_numpy(self):
        loaded = loaded_after("import surefoot; surefoot.__version__; dir(surefoot)")
        assert "surefoot" in loaded
        assert loaded & {"torch", "numpy", "sklearn", "matplotlib", "plotly"} == set()

    def test_records_and_schedules_load_no_torch(self):
        loaded = loaded_after(
            "import surefoot; surefoot.Recipe, surefoot.Run, surefoot.Found; import surefoot.schedules"
        )
        assert "surefoot.records.run" in loaded
        assert loaded & {"torch", "sklearn", "matplotlib", "plotly"} == set()

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["find", "--help"], ["train", "--help"]])
    def test_help_loads_no_torch(self, arguments):
        loaded = loaded_after(f"from surefoot.cli.main import main\ncode = main({arguments!r})\nassert code == 0, code")
        assert "surefoot.cli.main" in loaded
        assert loaded & {"torch", "sklearn", "matplotlib", "plotly"} == set()


class TestFiles:
    @pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_each_is_short_and_named_for_what_it_holds(self, path):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 400
        assert VAGUE & {path.stem, *path.relative_to(ROOT).parts[:-1]} == set()

    @pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_each_opens_with_a_docstring(self, path):
        text = path.read_text(encoding="utf-8")
        assert not text.strip() or text.startswith('"""')


class TestRelease:
    def test_version_is_that_of_the_project_and_of_the_changelog(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert newest is not None
        assert sf.__version__ == project["version"] == newest.group(1)

    def test_every_direct_dependency_is_pinned(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"]
        wanted = [*project["dependencies"], "hatchling", "editables"]
        for one in extras["dev"]:
            own = re.fullmatch(r"surefoot\[(.+)\]", one)
            wanted += [each for name in own.group(1).split(",") for each in extras[name]] if own else [one]
        pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        pinned = {line.partition("==")[0].lower().replace("_", "-") for line in pins if "==" in line}
        missing = [one for one in wanted if re.split(r"[<>=!~\[; ]", one)[0].lower() not in pinned]
        assert missing == []
        assert not [line for line in pins if "+" in line.partition("==")[2]]
