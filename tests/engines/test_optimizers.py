"""Optimizers by name: torch's, those of the user's files and modules, and what is said where there is none."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest
import torch

from surefoot.cli.main import main
from surefoot.engines.optimizers import class_of, name_of
from surefoot.engines.train import train
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.loading import load_task

MINE = """
    import torch
    from torch import nn
    import surefoot as sf

    print("run")
    SLOWER = 0.5

    class Mine(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for one in group["params"]:
                    one.grad.mul_(SLOWER)
            return super().step(closure)

    class Outer:
        class Inner(torch.optim.Adam):
            pass

    made = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    x = torch.arange(40.0).reshape(20, 2) / 40
    task = sf.Task(lambda: nn.Linear(2, 1), (x, x.sum(1, keepdim=True)), loss=nn.MSELoss())
    """


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A working directory with a file that holds a task and optimizers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_opt.py").write_text(textwrap.dedent(MINE))
    yield tmp_path / "mine_opt.py"
    sys.modules.pop("mine_opt", None)


def _refusal(name):
    with pytest.raises(RecipeError) as caught:
        name_of(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["mine_opt.py:Mine", "mine_opt:Mine", "./mine_opt.py:Mine"])
def test_a_class_of_the_users_in_the_working_directory(mine, name):
    assert name_of(name) == name
    assert class_of(name).__name__ == "Mine"
    recipe = Recipe(optimizer=name, lr=0.2, epochs=1, batch_size=4)
    run = train(load_task("mine_opt.py:task"), recipe)
    half = train(load_task("mine_opt.py:task"), recipe.replace(optimizer="sgd", lr=0.1))
    assert run.loss.tolist() == half.loss.tolist()


def test_a_class_inside_of_another_and_torchs_own_by_their_place(mine):
    assert issubclass(class_of("mine_opt.py:Outer.Inner"), torch.optim.Adam)
    assert name_of("torch.optim:AdamW") == name_of(torch.optim.AdamW) == name_of("AdamW") == "adamw"


def test_the_file_of_the_task_is_not_run_twice_and_one_that_changed_is(mine, capsys):
    load_task("mine_opt.py:task")
    name_of("mine_opt.py:Mine")
    assert capsys.readouterr().out == "run\n"
    before = class_of("mine_opt.py:Mine")
    mine.write_text(mine.read_text().replace("SLOWER = 0.5", "SLOWER = 0.25"))
    os.utime(mine, ns=(1, 1))
    assert class_of("mine_opt.py:Mine") is before  # not while something is trained
    name_of("mine_opt.py:Mine")
    assert sys.modules[class_of("mine_opt.py:Mine").__module__].SLOWER == 0.25


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine_opt.py:Mien", "`mine_opt.py` has no `Mien`; the nearest is `Mine`"),
        ("mine_opt.py:zzz", "its optimizer classes are `Mine`"),
        ("mine_opt.py:made", "'mine_opt.py:made', an SGD that already belongs to a model; give its class"),
        ("mine_opt.py:task", "a Task, which is no torch.optim.Optimizer class"),
        ("mine_opt.py", "name the class in the file, mine_opt.py:CLASS"),
        ("mine_otp.py:Mine", "no such file; did you mean `mine_opt.py`?"),
        ("none_such:Mine", "which cannot be imported: there is no `none_such` (seen from "),
        ("mine_opt.py:f.<locals>.X", "put the class at the top of a file or module, and give path/to/file.py:CLASS"),
        ("torch.optim.AdamW", "did you mean `adamw`?"),
    ],
)
def test_what_is_no_optimizer_is_said_in_one_line(mine, name, said):
    assert said in _refusal(name)


def test_a_class_of_a_script_is_told_what_to_do():
    said = _refusal("__main__:OfAScript")
    assert "a class of a script that does not run here; put the class at the top of a file or module" in said


def test_find_train_sweep_and_compare_take_it(mine, tmp_path):
    words = ["--optimizer", "mine_opt.py:Mine", "--epochs", "2", "-q"]
    assert main(["find", "mine_opt.py:task", *words, "--batch-size", "4", "--json", "found.json"]) in (0, 1)
    assert main(["train", "mine_opt.py:task", "--recipe", "found.json", "--lr", "0.1", "-q", "--json", "run.json"]) == 0
    assert main(["sweep", "mine_opt.py:task", *words, "--batch-size", "4", "--lr", "0.1,0.2"]) == 0
    assert main(["compare", "mine_opt.py:task", *words, "--batch-size", "4", "--lr", "0.1"]) == 0
