"""Tasks loaded by name: built in, from a file, from a module; and what is said of each thing that can be wrong."""

from __future__ import annotations

import pickle
import random
import sys
import textwrap

import numpy as np
import pytest
import torch

from surefoot.errors import DataError, InputError, TaskError
from surefoot.tasks.loading import load_task
from surefoot.tasks.task import Task

GOOD = """
    import torch
    from torch import nn
    import surefoot as sf

    def make_model():
        return nn.Linear(3, 2)

    x, y = torch.randn(12, 3), torch.arange(12) % 2
    task = sf.Task(make_model, train=(x, y), val=(x, y), loss=nn.CrossEntropyLoss())

    def make_task():
        return task

    def sized(size=12):
        return sf.Task(make_model, train=(x[:size], y[:size]), loss=nn.CrossEntropyLoss(), name="mine")
    """


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into an empty working directory and return its name."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return name

    return write


def refusal(spec, kind=TaskError, **options):
    """The message with which loading is refused: one line."""
    with pytest.raises(kind) as caught:
        load_task(spec, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestGood:
    def test_a_built_in_name(self):
        assert load_task("iris").name == "iris"

    @pytest.mark.parametrize(("name", "shown"), [("task", "task"), ("make_task", "make_task"), ("sized", "mine")])
    def test_a_task_or_a_function_of_a_file(self, write, name, shown):
        task = load_task(f"{write(GOOD)}:{name}")
        assert isinstance(task, Task)
        assert task.train.size + task.val.size in (12, 24)
        assert task.name == shown

    def test_a_module_and_one_in_a_package(self, write):
        write(GOOD, "my_module.py")
        write("from my_module import task as t", "my_package/inner.py")
        assert load_task("my_module:task").train.size == 12
        assert load_task("my_package.inner:t").train.size == 12

    def test_names_that_the_user_gave_are_kept_and_the_users_object_is_not_renamed(self, write):
        write(GOOD, "own_module.py")
        task = load_task("own_module:task")
        assert sys.modules["own_module"].task.name == "task"
        assert task.name == "task"

    def test_an_absolute_path_and_a_home(self, write, tmp_path, monkeypatch):
        write(GOOD)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert load_task(f"{tmp_path}/mine.py:task").train.size == 12
        assert load_task("~/mine.py:task").train.size == 12

    def test_the_model_is_picklable_by_name(self, write):
        task = load_task(f"{write(GOOD)}:task")
        assert pickle.loads(pickle.dumps(task.model)) is task.model

    def test_data_drawn_in_the_file_is_the_same_each_time(self, write):
        spec = f"{write(GOOD)}:task"
        assert load_task(spec).checksum() == load_task(spec).checksum()

    def test_a_changed_file_is_read_again(self, write):
        spec = f"{write(GOOD)}:task"
        load_task(spec)
        write(GOOD.replace("arange(12)", "arange(6)").replace("randn(12, 3)", "randn(6, 3)"))
        assert load_task(spec).train.size == 6

    def test_moved_to_a_device(self, write):
        task = load_task(f"{write(GOOD)}:task", device="meta")
        assert task.device.type == "meta"
        assert task.train.whole[0].device.type == "meta"


class TestBorrowed:
    def test_path_modules_bytecode_and_random_state_are_as_before(self, write, tmp_path, borrowed, monkeypatch):
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        write("WIDTH = 3", "shape_of_mine.py")
        spec = (
            f"{write('from shape_of_mine import WIDTH' + textwrap.dedent(GOOD).replace('(3, 2)', '(WIDTH, 2)'))}:task"
        )
        path, bytecode, folder = list(sys.path), sys.dont_write_bytecode, sorted(tmp_path.rglob("*"))
        with borrowed():
            task = load_task(spec)
        assert (sys.path, sys.dont_write_bytecode) == (path, bytecode)
        assert sorted(tmp_path.rglob("*")) == folder
        assert task.make_model(0).in_features == 3

    def test_a_file_that_fails_leaves_no_module(self, write):
        before = set(sys.modules)
        refusal(f"{write('import torch; 1 / 0')}:task")
        assert set(sys.modules) == before

    def test_a_file_that_draws_leaves_the_callers_stream(self, write):
        write(
            "import random, numpy, torch; random.random(); numpy.random.rand(); torch.rand(1)" + textwrap.dedent(GOOD)
        )
        torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
        expected = torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
        torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
        load_task("mine.py:task")
        assert (torch.rand(1), np.random.rand(), random.random()) == expected  # noqa: NPY002

    def test_modules_of_the_same_name_in_two_folders_are_told_apart(self, write):
        file = "from same_name import WIDTH" + textwrap.dedent(GOOD).replace("Linear(3", "Linear(WIDTH")
        for folder, width in (("one", 3), ("two", 5)):
            write(f"WIDTH = {width}", f"{folder}/same_name.py")
            write(file, f"{folder}/mine.py")
        widths = [load_task(f"{folder}/mine.py:task").make_model(0).in_features for folder in ("one", "two", "one")]
        assert widths == [3, 5, 3]


class TestRefused:
    def test_an_unknown_built_in_name(self):
        assert "digits" in refusal("digit", InputError)

    def test_a_missing_file_with_the_nearest_name(self, write):
        write(GOOD)
        assert "did you mean `mien.py`" not in refusal("mien.py:task")
        assert "`mien.py`: no such file; did you mean `mine.py`?" in refusal("mien.py:task")

    def test_a_missing_folder_a_folder_and_another_kind_of_file(self, write, tmp_path):
        write("nothing", "notes.txt")
        assert "there is no folder `nowhere`" in refusal("nowhere/mine.py:task")
        assert "is a folder" in refusal(f"{tmp_path}:task")
        assert "is no Python file" in refusal("./notes.txt:task")

    def test_a_file_without_a_name(self, write):
        assert "mine.py:NAME" in refusal(write(GOOD), InputError)

    def test_half_specs(self, write):
        for spec in ("mine.py:", ":task", "mine.py:a b", "package.:x"):
            write(GOOD)
            assert "`task`" in refusal(spec, InputError)

    def test_an_unreadable_file(self, write, tmp_path):
        (tmp_path / "latin.py").write_bytes(b"name = '\xe9'\n")
        assert "latin.py" in refusal("latin.py:task")

    def test_a_name_that_is_not_there(self, write):
        assert "`mine.py` has no `taks`; the nearest is `task`" in refusal(f"{write(GOOD)}:taks")
        assert "its tasks are `task`" in refusal(f"{write(GOOD)}:zzzz")
        assert "it defines no Task; its functions are `f`" in refusal(f"{write('def f(): pass')}:zzzz")

    def test_a_syntax_error_with_its_line(self, write):
        message = refusal(f"{write('import torch' + chr(10) + 'def f(:' + chr(10))}:f")
        assert message.startswith("mine.py, line 2: SyntaxError: ")
        assert message.endswith("def f(:")

    def test_a_syntax_error_in_an_imported_file(self, write):
        write("x = (", "broken_inside.py")
        assert refusal(f"{write('import broken_inside')}:f").startswith("broken_inside.py, line 1: SyntaxError")

    def test_an_exception_with_the_users_line(self, write):
        text = "import json\ndef read():\n    return json.loads('{')\nread()\n"
        message = refusal(f"{write(text)}:task")
        assert message.startswith("mine.py, line 3: JSONDecodeError: ")

    def test_a_missing_package(self, write):
        message = refusal(f"{write('import no_such_package_xyz')}:task")
        assert message == "mine.py, line 1: ModuleNotFoundError: No module named 'no_such_package_xyz'"

    def test_a_script_that_ends_the_program(self, write):
        message = refusal(f"{write('import sys' + chr(10) + 'sys.exit(3)')}:task")
        assert message.startswith("mine.py, line 2: it ended the program")
        assert "__main__" in message

    def test_data_refused_by_the_task_itself_keeps_its_kind_and_gains_its_line(self, write):
        message = refusal(f"{write(GOOD.replace('val=(x, y)', 'val=(x, y[:3])'))}:task", DataError)
        assert message.startswith("mine.py, line 10: the tensors of `val` have shapes (12, 3), (3,)")

    def test_a_function_that_fails(self, write):
        assert refusal(f"{write('def f():' + chr(10) + '    return [][1]')}:f").startswith(
            "mine.py, line 2: IndexError: "
        )

    def test_a_function_that_needs_arguments(self, write):
        assert "needs `a`, `b`" in refusal(f"{write('def f(a, b, c=1, *d, **e): pass')}:f")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("f = 3", "is int; it must be a Task or a function that returns one"),
            ("def f(): pass", "returned NoneType; it must return a Task"),
            ("class f: pass", "is the class f"),
            ("from torch import nn; f = nn.Linear(1, 1)", "is a model; a Task is needed"),
            ("from torch.nn import Linear as f", "is a model; a Task is needed"),
        ],
    )
    def test_an_object_of_another_kind(self, write, text, said):
        assert said in refusal(f"{write(text)}:f")

    def test_a_missing_module_and_a_missing_part_of_a_package(self, write):
        write("", "half_package/__init__.py")
        assert "there is no `no_such_module_xyz`" in refusal("no_such_module_xyz:task")
        assert "there is no `half_package.nothing`" in refusal("half_package.nothing:task")
        assert "is no module's name" in refusal(".relative:task")

    def test_a_module_that_lacks_a_package_is_told_from_a_missing_module(self, write):
        write("import no_such_package_xyz", "needs_more.py")
        assert refusal("needs_more:task").startswith("needs_more.py, line 1: ModuleNotFoundError")

    def test_a_data_folder_for_a_users_task(self, write):
        assert "`data` is 'x'" in refusal(f"{write(GOOD)}:task", InputError, data="x")

    def test_a_device_that_is_not_there(self, write):
        assert "`device` is 'gpu0'" in refusal(f"{write(GOOD)}:task", InputError, device="gpu0")

    def test_an_interrupt_passes(self, write):
        with pytest.raises(KeyboardInterrupt):
            load_task(f"{write('raise KeyboardInterrupt')}:task")
