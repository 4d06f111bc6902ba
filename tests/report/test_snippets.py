from __future__ import annotations

import sys
import types
import warnings

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from surefoot import schedules
from surefoot.engines.batches import steps_of
from surefoot.engines.optimizers import class_of, optimizer_names
from surefoot.errors import RecordError
from surefoot.records import Recipe
from surefoot.report.snippets import CLASSES, huggingface, lightning, pytorch, snippets

SIZE = 37
OPTIONS = {"sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, "adam": {"betas": (0.8, 0.99)}}


class _Watched:
    """Notes rate, momentum and gradient norm of every update made inside, whoever makes it."""

    def __enter__(self):
        self.lr, self.momentum, self.norm, self.made_by = [], [], [], None
        self._handle = register_optimizer_step_pre_hook(self._note)
        return self

    def __exit__(self, *_):
        self._handle.remove()

    def _note(self, optimizer, args, kwargs):
        group = optimizer.param_groups[0]
        self.made_by = optimizer
        self.lr.append(group["lr"])
        self.momentum.append(group["betas"][0] if "betas" in group else group.get("momentum"))
        norms = [torch.linalg.vector_norm(p.grad) for p in group["params"] if p.grad is not None]
        self.norm.append(float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0)


def _namespace():
    torch.manual_seed(1)
    x, y = torch.randn(SIZE, 3), torch.randn(SIZE, 1)
    return {
        "make_model": lambda: nn.Linear(3, 1),
        "loss_fn": nn.MSELoss(),
        "train_set": torch.utils.data.TensorDataset(x, y),
    }


def _executed(code):
    with torch.random.fork_rng(), warnings.catch_warnings(), _Watched() as watched:
        warnings.simplefilter("ignore", UserWarning)
        exec(compile(code, "<snippet>", "exec"), _namespace())
    return watched


def _plain_rates(recipe, steps):
    schedule = schedules.make(recipe.schedule, recipe.lr, steps, **recipe.schedule_options)
    if schedule.follows_metric:
        return None, schedule
    return [schedule(step) for step in range(steps)], schedule


def test_the_names_of_optimizers_are_those_of_the_engine():
    assert sorted(CLASSES) == optimizer_names()
    assert {name: f"{class_of(name).__name__}" for name in CLASSES} == CLASSES


@pytest.mark.parametrize("optimizer", sorted(CLASSES))
def test_the_loop_runs_with_every_optimizer(optimizer):
    recipe = Recipe(optimizer=optimizer, lr=0.01, options=OPTIONS.get(optimizer, {}), batch_size=8, epochs=2)
    watched = _executed(pytorch(recipe))
    assert type(watched.made_by) is class_of(optimizer)
    assert watched.lr == [0.01] * steps_of(recipe, SIZE)[0]
    for name, value in recipe.options.items():
        assert watched.made_by.param_groups[0][name] == value


SPECS = sorted(set(schedules.names()) - {"chain", "join", "offset", "repeat", "replan"})


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad"])
@pytest.mark.parametrize("schedule", [*SPECS, "warmup:linear:0.2+cosine", "0.5*cosine*exponential:0.5"])
def test_the_loop_sets_the_rate_and_momentum_of_the_schedule(schedule, optimizer):
    recipe = Recipe(
        optimizer=optimizer, lr=0.05, options=OPTIONS.get(optimizer, {}), schedule=schedule, batch_size=8, epochs=4
    )
    watched = _executed(pytorch(recipe))
    steps = steps_of(recipe, SIZE)[0]
    rates, made = _plain_rates(recipe, steps)
    assert len(watched.lr) == steps
    if rates is None:
        assert "scheduler.step(val_loss)" in pytorch(recipe)
        return
    assert watched.lr == pytest.approx(rates, rel=1e-9, abs=1e-15)
    moved = [made.momentum(step) for step in range(steps)]
    if moved[0] is not None and optimizer != "adagrad":
        assert watched.momentum == pytest.approx(moved, rel=1e-9)


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        ("cosine", {"end_factor": 0.1}),
        ("linear", {"end_factor": 0.25}),
        ("one-cycle", {"pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0, "base_momentum": None}),
        ("one-cycle", {"shape": "linear", "three_phase": True}),
        ("multi-step", {"milestones": [0.25, 0.5], "gamma": 0.5}),
    ],
)
def test_options_of_the_schedule_are_kept(schedule, options):
    recipe = Recipe(optimizer="sgd", options={"momentum": 0.9}, lr=0.05, schedule=schedule, schedule_options=options,
                    batch_size=8, epochs=4)  # fmt: skip
    watched = _executed(pytorch(recipe))
    rates, made = _plain_rates(recipe, len(watched.lr))
    assert watched.lr == pytest.approx(rates, rel=1e-9, abs=1e-15)
    expected = [made.momentum(step) for step in range(len(rates))]
    assert watched.momentum == pytest.approx([0.9 if m is None else m for m in expected])


def test_clipping_accumulation_and_full_batches_are_in_the_loop():
    clipped = _executed(pytorch(Recipe(lr=0.01, clip=0.001, batch_size="full", epochs=3)))
    assert clipped.norm == pytest.approx([0.001] * 3, rel=1e-3)
    recipe = Recipe(lr=0.01, accumulate=2, batch_size=8, epochs=3)
    assert len(_executed(pytorch(recipe)).lr) == steps_of(recipe, SIZE)[0]


def test_accumulated_batches_are_averaged():
    one = _executed(pytorch(Recipe(lr=1e-9, batch_size="full", epochs=1)))
    four = _executed(pytorch(Recipe(lr=1e-9, batch_size="full", epochs=4, accumulate=4)))
    assert four.norm == pytest.approx(one.norm, rel=1e-5)


class _Lightning(types.ModuleType):
    """The little of pytorch_lightning that the snippet uses, with its rules of stepping."""

    def __init__(self):
        super().__init__("pytorch_lightning")
        outer = self
        outer.given = {}

        class LightningModule(nn.Module):
            def log(self, name, value):
                outer.logged = (name, float(value))

        class Trainer:
            def __init__(self, **given):
                outer.given = given

            def fit(self, model, loader):
                made = model.configure_optimizers()
                assert made["lr_scheduler"]["interval"] == "step"
                for _ in range(outer.given["max_steps"]):
                    loss = model.training_step(next(iter(loader)), 0)
                    made["optimizer"].zero_grad()
                    loss.backward()
                    made["optimizer"].step()
                    made["lr_scheduler"]["scheduler"].step()

        self.LightningModule, self.Trainer = LightningModule, Trainer
        self.seed_everything = torch.manual_seed


def test_the_lightning_module_sets_the_rates(monkeypatch):
    stub = _Lightning()
    monkeypatch.setitem(sys.modules, "pytorch_lightning", stub)
    recipe = Recipe(optimizer="adamw", lr=0.05, schedule="cosine", batch_size=8, epochs=4, clip=1.0, accumulate=2)
    watched = _executed(lightning(recipe))
    assert stub.given == {"max_steps": 10, "max_epochs": -1, "gradient_clip_val": 1.0, "accumulate_grad_batches": 2}
    assert watched.lr == pytest.approx(_plain_rates(recipe, 10)[0])


def test_the_hugging_face_trainer_is_given_rates_batches_and_no_hidden_clipping(monkeypatch):
    stub, kept = types.ModuleType("transformers"), {}

    class Trainer:
        def __init__(self, **given):
            kept.update(given)

        def train(self):
            optimizer, scheduler = kept["optimizers"]
            kept["lr"] = []
            for _ in range(kept["args"]["max_steps"]):
                kept["lr"].append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                scheduler.step()

    stub.Trainer, stub.TrainingArguments = Trainer, dict
    monkeypatch.setitem(sys.modules, "transformers", stub)
    recipe = Recipe(optimizer="adamw", lr=0.05, schedule="linear", batch_size=8, epochs=4)
    _executed(huggingface(recipe))
    assert kept["args"]["max_grad_norm"] == 0.0
    assert kept["args"]["per_device_train_batch_size"] == 8
    assert kept["lr"] == pytest.approx(_plain_rates(recipe, 20)[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"x=1); import os; (y": 1}},
        {"optimizer": "os:system('true');x"},
        {"optimizer": "nowhere"},
        {"schedule_options": {"a b": 1}},
        {"options": {"x": {"a": 1}}},
        {"changes": {"bad name": 1}},
    ],
)
def test_names_that_are_no_names_never_become_code(changes):
    with pytest.raises(RecordError):
        snippets(Recipe(lr=0.1, **changes))


def test_text_is_only_ever_quoted():
    hostile = "');import os\n#"
    code = pytorch(Recipe(lr=0.1, options={"x": hostile}, changes={"augment": [hostile]}))
    assert repr(hostile) in code
    compile(code, "<snippet>", "exec")
    assert not any(line.startswith("import os") for line in code.splitlines())


def test_there_is_no_code_without_a_rate():
    assert snippets(Recipe()) == []


def test_an_optimizer_of_the_users_is_imported():
    recipe = Recipe(optimizer="torch.optim.sgd:SGD", lr=0.1, batch_size=8, epochs=1)
    assert "from torch.optim.sgd import SGD" in pytorch(recipe)
    assert type(_executed(pytorch(recipe)).made_by) is torch.optim.SGD
