"""Training one model: the same updates as the reference, and the same numbers after any interruption."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from surefoot.engines.checkpoint import Checkpoints
from surefoot.engines.early_stopping import EarlyStop
from surefoot.engines.serial import Serial, validate_model
from surefoot.engines.train import train_members
from surefoot.engines.training import Training, train
from surefoot.engines.validator import Validator
from surefoot.errors import InputError, OutputError, RecipeError, RecordError
from surefoot.records import Recipe
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.task import Task

SCRIPT = Path(__file__).with_name("killed_training.py")


@pytest.fixture(scope="module")
def iris():
    return find_entry("iris").make()


def by_reference(task, recipe):
    def serial(task, recipes):
        return Serial(task, recipes, grad_norms=True)

    return train_members(task, [recipe], make_engine=serial)[0]


def differences(one, other, place="state"):
    """Places at which two states differ in a bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        equal = one.dtype == other.dtype and one.shape == other.shape
        same = equal and np.array_equal(one.view(torch.uint8) if one.ndim else one, other.view(torch.uint8) if other.ndim else other)  # fmt: skip # noqa: E501
        return [] if same else [place]
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return [] if one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True) else [place]
    if type(one) is not type(other):
        return [place]
    if isinstance(one, dict):
        if list(one) != list(other):
            return [place]
        return [found for key in one for found in differences(one[key], other[key], f"{place}.{key}")]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [place]
        return [
            found
            for at, pair in enumerate(zip(one, other, strict=True))
            for found in differences(*pair, f"{place}.{at}")
        ]
    return [] if one == other or (one != one and other != other) else [place]


def final_state(folder):
    state = Checkpoints(folder).newest().state
    # How long it took and that it was resumed are the only things that may differ.
    for name in ("seconds", "notes"):
        del state["log"][name]
    return state


class TestSameAsTheReference:
    @pytest.mark.parametrize(
        ("name", "recipe"),
        [
            ("digits", Recipe(lr=0.1, options={"momentum": 0.9}, epochs=2)),
            ("digits-bn", Recipe(optimizer="adam", lr=0.003, schedule="cosine", epochs=0.7, clip=1.0)),
            ("xor", Recipe(lr=1.0, batch_size="full", epochs=20)),
            ("iris", Recipe(optimizer="adamw", lr=0.01, batch_size=7, epochs=3, accumulate=2, schedule="one-cycle")),
            ("iris", Recipe(optimizer="rprop", lr=0.01, batch_size=1, epochs=1, data_seed=4)),
            ("breast-cancer", Recipe(optimizer="rmsprop", lr=0.01, batch_size=32, epochs=1)),
            ("digits", Recipe(lr=1000.0, epochs=3)),
        ],
        ids=lambda one: one if isinstance(one, str) else f"{one.optimizer}-{one.batch_size}",
    )
    def test_every_step(self, name, recipe, borrowed):
        task = find_entry(name).make()
        reference = by_reference(task, recipe)
        with borrowed():
            run = train(task, recipe)
        # The same path bit by bit; sums over parameters and over the validation data may be taken in another order.
        assert np.array_equal(run.loss, reference.loss)
        assert np.array_equal(run.lr, reference.lr)
        assert np.array_equal(run.step, reference.step)
        np.testing.assert_allclose(run.grad_norm, reference.grad_norm, rtol=1e-5)
        np.testing.assert_allclose(run.val_loss[[0, -1]], reference.val_loss[[0, -1]], rtol=1e-5)
        assert run.fate == reference.fate

    def test_a_feedback_schedule_follows_the_validation_loss(self, iris):
        recipe = Recipe(
            lr=3.0, schedule="plateau", schedule_options={"patience": 0, "reduction": 0.5, "spike": None}, epochs=12
        )
        run = train(iris, recipe)
        per_epoch = round(run.steps_per_epoch)
        rates = run.lr[::per_epoch].tolist()
        best, expected = math.inf, []
        rate = 3.0
        for loss in run.val_loss[:-1]:
            rate = rate if loss < best - 1e-4 * abs(best) or math.isinf(best) else rate / 2
            best = min(best, loss)
            expected.append(rate)
        assert rates == expected
        assert len(set(rates)) > 2

    def test_numbers_on_a_device_are_fetched_later_and_say_the_same(self, iris):
        recipe = Recipe(lr=1e6, batch_size=5, epochs=4)
        now, later = Training(iris, recipe), Training(iris, recipe)
        later._single._waits = True
        one, other = now.run(), later.run()
        assert one.fate == other.fate == "diverged"
        assert one.reason == other.reason
        assert np.array_equal(one.loss, other.loss, equal_nan=True)
        assert len(one.loss) == len(one.lr) == len(other.lr) < later.horizon


class TestWhatIsSeen:
    def test_training_metrics_are_those_of_the_outputs_in_training_mode(self):
        task = find_entry("digits").make()
        seen = []

        def counted(output, target):
            if torch.is_grad_enabled() or len(target) != 999:
                seen.append(len(target))
            return accuracy(output, target)

        task.metrics = {"accuracy": counted}
        recipe = Recipe(lr=0.1, epochs=1)
        run = train(task, recipe)
        # By hand: the same updates, and the share of hits over all batches.
        model = task.make_model(0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        training = Training(task, recipe)
        hits = 0
        for number in range(training.horizon):
            x, y = training._single._reader.batch(number)
            optimizer.zero_grad()
            output = model(x)
            hits += int((output.argmax(1) == y).sum())
            nn.functional.cross_entropy(output, y).backward()
            optimizer.step()
        assert math.isnan(run.train_metrics["accuracy"][0])
        assert run.train_metrics["accuracy"][1] == pytest.approx(hits / task.train.size, abs=1e-6)
        # Before the first update one batch is tried.
        assert sum(seen) == 64 + task.train.size + 2 * task.val.size

    def test_epochs_are_told_as_they_end(self, iris):
        told = []
        run = train(iris, Recipe(lr=0.1, epochs=3, batch_size=30), watch=told.append)
        assert [one.epoch for one in told] == [0, 1, 2, 3]
        assert [one.val_loss for one in told] == run.val_loss.tolist()
        assert told[2].loss == pytest.approx(run.loss[told[1].step : told[2].step].mean())
        assert told[2].grad_norm == pytest.approx(run.grad_norm[told[1].step : told[2].step].mean())
        assert "all 3 epochs were made" in run.reason
        assert told[-1].best_epoch == int(np.argmin(run.val_loss))

    @pytest.mark.parametrize("name", ["digits", "digits-bn", "diabetes", "spirals", "rosenbrock", "xor"])
    def test_validation_is_the_reference_one(self, name):
        task = find_entry(name).make()
        model = task.make_model(1)
        losses, sizes, metrics = validate_model(task, model)
        found = Validator(task)(model, 5)
        np.testing.assert_allclose(found.groups[0], losses, rtol=2e-5, atol=1e-7)
        assert found.loss[0] == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)
        assert {k: v[0] for k, v in found.metrics.items()} == pytest.approx(metrics, rel=1e-5)
        assert all(module.training for module in model.modules())

    @pytest.mark.parametrize(
        "loss",
        [
            nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), nn.CrossEntropyLoss(ignore_index=1),
            nn.CrossEntropyLoss(label_smoothing=0.2), nn.functional.cross_entropy,
            lambda output, target: nn.functional.cross_entropy(output, target) + output.square().mean(),
        ],
    )  # fmt: skip
    def test_validation_with_other_losses_is_the_reference_one(self, iris, loss):
        task = Task(iris.model, iris.train, iris.val, loss=loss)
        model = task.make_model(1)
        np.testing.assert_allclose(Validator(task)(model, 0).groups[0], validate_model(task, model)[0], rtol=2e-5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children of a fork")
def test_killed_at_any_moment_and_resumed_to_the_same_bits(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), "7"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    killed = dict(line.split() for line in done.stdout.splitlines())
    assert set(killed) == {"xor", "digits-bn", "digits"}
    assert sum(map(int, killed.values())) >= 5
    for name in killed:
        whole, again = (final_state(tmp_path / name / one) for one in ("whole", "killed"))
        assert differences(whole, again) == []
        assert whole["log"]["fate"] in ("finished", "stopped")
        weights = [load_file(tmp_path / name / one / "weights.safetensors") for one in ("whole", "killed")]
        assert differences(*weights) == []


class TestResume:
    recipe = Recipe(lr=0.1, options={"momentum": 0.9}, epochs=3.0, batch_size=16)

    def cut(self, iris, folder, at=11, **options):
        """A training that is interrupted after `at` updates."""
        training = Training(iris, self.recipe, save=folder, **options)
        single = training._single
        update = single.update

        def until(step, *arguments):
            if step == at - 1:
                os.kill(os.getpid(), signal.SIGINT)
            return update(step, *arguments)

        single.update = until
        return training.run()

    def test_ctrl_c_saves_and_says_how_to_go_on(self, iris, tmp_path):
        run = self.cut(iris, tmp_path / "cut")
        assert (run.fate, len(run.loss)) == ("interrupted", 11)
        assert "interrupted at step 11 of" in run.reason
        assert f"`resume` {str(tmp_path / 'cut')!r}" in run.reason
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        again = train(iris, self.recipe, resume=tmp_path / "cut")
        whole = train(iris, self.recipe, save=tmp_path / "whole")
        assert again.fate == "finished"
        assert "resumed at step 11" in again.notes
        assert np.array_equal(again.loss, whole.loss)
        assert differences(final_state(tmp_path / "cut"), final_state(tmp_path / "whole")) == []

    def test_ctrl_c_without_a_folder_gives_what_was_done(self, iris):
        training = Training(iris, self.recipe, watch=lambda epoch: os.kill(os.getpid(), signal.SIGINT))
        run = training.run()
        assert (run.fate, len(run.loss)) == ("interrupted", 0)
        assert "resume" not in run.reason

    def test_the_recipe_can_be_left_to_the_checkpoint(self, iris, tmp_path):
        self.cut(iris, tmp_path, early_stop=EarlyStop(2, 0.01))
        training = Training(iris, resume=tmp_path)
        assert training.recipe == self.recipe
        assert training.run().recipe == self.recipe
        assert Checkpoints(tmp_path).newest().state["origin"]["early_stop"]["min_delta"] == 0.01

    def test_an_ended_training_is_given_back(self, iris, tmp_path):
        first = Training(iris, self.recipe, save=tmp_path)
        run = first.run()
        again = Training(iris, resume=tmp_path)
        assert again.run() == run
        assert differences(dict(first.model.state_dict()), dict(again.model.state_dict())) == []

    def test_a_damaged_newest_checkpoint_is_said_and_the_result_is_the_same(self, iris, tmp_path):
        self.cut(iris, tmp_path / "cut")
        newest = sorted((tmp_path / "cut").glob("*.safetensors"))[-1]
        newest.write_bytes(newest.read_bytes()[:-100])
        run = train(iris, resume=tmp_path / "cut")
        assert any("damaged" in note and "the one before it was used" in note for note in run.notes)
        assert np.array_equal(run.loss, train(iris, self.recipe).loss)

    def test_another_training_is_refused_in_one_line(self, iris, tmp_path):
        self.cut(iris, tmp_path)

        def said(match, task=iris, recipe=None, **options):
            with pytest.raises(RecordError, match=match) as caught:
                Training(task, recipe, resume=tmp_path, **options)
            assert "\n" not in str(caught.value)

        said("of another recipe: `lr` is 0.1 there and 0.2 here", recipe=self.recipe.replace(lr=0.2))
        said("of the task `iris`, not of `wine`", task=find_entry("wine").make())
        said("of other early stopping", early_stop=EarlyStop(3))
        x, y = iris.train.whole
        said("of other data", task=Task(iris.model, (x + 1, y), iris.val, loss=iris.loss, name="iris"))
        wider = Task(lambda: nn.Linear(4, 3), iris.train, iris.val, loss=iris.loss, metrics=iris.metrics, name="iris")
        said(r"of another model: `0.weight` is float32 of shape \(16, 4\) there and absent here", task=wider)

    def test_a_folder_in_use_is_not_overwritten(self, iris, tmp_path):
        self.cut(iris, tmp_path)
        with pytest.raises(InputError, match="holds a training already"):
            Training(iris, self.recipe, save=tmp_path)
        with pytest.raises(RecordError, match="holds no checkpoint"):
            Training(iris, resume=tmp_path / "nowhere")
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="no folder"):
            Training(iris, self.recipe, save=tmp_path / "file")

    def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(self, iris, tmp_path, monkeypatch):
        training = Training(iris, self.recipe, save=tmp_path)
        calls = []

        def full(self, state, write=Checkpoints.write):
            calls.append(1)
            if len(calls) == 1:
                raise OutputError("no space left")
            return write(self, state)

        monkeypatch.setattr(Checkpoints, "write", full)
        run = training.run()
        assert run.fate == "finished"
        assert "no space left" in run.notes

    @pytest.mark.parametrize("optimizer", ["adadelta", "adagrad", "asgd", "nadam", "radam", "adamax", "adafactor"])
    def test_the_state_of_every_optimizer_comes_back(self, iris, tmp_path, optimizer):
        recipe = Recipe(optimizer=optimizer, lr=0.01, epochs=2, batch_size=30)
        whole = Training(iris, recipe)
        run = whole.run()
        steps = iter(range(9))
        cut = Training(
            iris, recipe, save=tmp_path, watch=lambda _: next(steps) == 1 and os.kill(os.getpid(), signal.SIGINT)
        )
        assert cut.run().fate == "interrupted"
        again = Training(iris, recipe, resume=tmp_path)
        assert 0 < again.done < len(run.loss)
        assert np.array_equal(again.run().loss, run.loss)
        assert differences(whole._single.state(), again._single.state()) == []

    def test_state_of_more_digits_than_the_weights_and_hidden_buffers_come_back(self, iris, tmp_path):
        recipe = Recipe(optimizer=f"{__name__}:Exact", lr=0.1, epochs=2, batch_size=30)
        from surefoot.engines.optimizers import name_of

        recipe = recipe.replace(optimizer=name_of(Exact))
        task = Task(Counting, iris.train, iris.val, loss=iris.loss, name="counting")
        whole = train(task, recipe)
        steps = iter(range(9))
        Training(
            task, recipe, save=tmp_path, watch=lambda _: next(steps) == 1 and os.kill(os.getpid(), signal.SIGINT)
        ).run()
        again = Training(task, recipe, resume=tmp_path)
        assert np.array_equal(again.run().loss, whole.loss)
        assert again.model.count.item() == len(whole.loss)


class Exact(torch.optim.SGD):
    """Descent that adds up its updates in float64."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for one in group["params"]:
                state = self.state[one]
                exact = state.setdefault("exact", one.double())
                exact -= group["lr"] * one.grad.double()
                one.copy_(exact)


class Counting(nn.Module):
    """Adds to its output what a buffer that is not saved has counted, and what NumPy draws."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.register_buffer("count", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.count += 1
        drawn = float(np.random.normal()) if self.training else 0.0  # noqa: NPY002 - as users' models do
        return self.layer(x) + 0.01 * self.count * torch.arange(3) + drawn * torch.ones(3).cumsum(0)


class TestEarlyStopping:
    def overfitting(self):
        generator = torch.Generator().manual_seed(0)
        x, y = torch.randn(40, 20, generator=generator), torch.randint(0, 2, (40,), generator=generator)
        xv, yv = torch.randn(200, 20, generator=generator), torch.randint(0, 2, (200,), generator=generator)
        return Task(
            lambda: nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2)), (x, y), (xv, yv),
            loss=nn.CrossEntropyLoss(), name="noise",
        )  # fmt: skip

    def test_the_best_weights_are_restored_and_the_epochs_saved_are_said(self):
        task = self.overfitting()
        recipe = Recipe(optimizer="adam", lr=0.01, batch_size=10, epochs=50)
        training = Training(task, recipe, early_stop=EarlyStop(3))
        run = training.run()
        assert run.fate == "stopped"
        best = int(np.argmin(run.val_loss))
        made = len(run.val_loss) - 1
        assert made == best + 3 or made < best + 3
        assert f"stopped after epoch {made} of 50, which saved {50 - made} epochs" in run.reason
        assert Validator(task)(training.model, 0).loss[0] == run.val_loss[best] < run.val_loss[-1]

    def test_a_full_training_ends_with_the_best_weights_too(self):
        task = self.overfitting()
        training = Training(task, Recipe(optimizer="adam", lr=0.01, batch_size=10, epochs=8), early_stop=EarlyStop(99))
        run = training.run()
        assert run.fate == "finished"
        assert Validator(task)(training.model, 0).loss[0] == run.val_loss.min() < run.val_loss[-1]
        assert any("the best ones" in note for note in run.notes)


def test_a_recipe_without_a_rate_is_refused(iris):
    with pytest.raises(RecipeError, match="`lr` of the recipe is None"):
        Training(iris, Recipe())
    with pytest.raises(RecipeError, match="`recipe` is None"):
        Training(iris)


def test_the_users_objects_are_as_before(borrowed):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 4, generator=generator), torch.randint(0, 3, (64,), generator=generator)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
    task = Task(model, (x, y), (x, y), loss=nn.CrossEntropyLoss(), metrics={"accuracy": accuracy})
    with borrowed(model, x, y):
        run = train(task, Recipe(lr=0.1, epochs=2, changes={"dropout": 0.5}), early_stop=EarlyStop(1))
    assert run.fate in ("finished", "stopped")


def test_a_model_that_writes_into_its_full_batch_sees_the_data_anew_each_time(iris):
    class Shifting(nn.Linear):
        def forward(self, x):
            x += 1
            return super().forward(x)

    x, y = iris.train.whole
    task = Task(lambda: Shifting(4, 3), (x.clone(), y), (x.clone(), y), loss=nn.CrossEntropyLoss())
    recipe = Recipe(lr=0.1, batch_size="full", epochs=3)
    reference = by_reference(task, recipe)
    assert np.array_equal(train(task, recipe).loss, reference.loss)


def test_hooks_of_an_optimizer_are_called_though_its_wrappers_are_left_out(iris):
    training = Training(iris, Recipe(optimizer="adam", lr=0.1, batch_size=40, epochs=2))
    assert training._single._step != training._single.optimizer.step
    called = []
    training._single.optimizer.register_step_post_hook(lambda *_: called.append(1))
    run = training.run()
    assert len(called) == len(run.loss)
    handle = register_optimizer_step_pre_hook(lambda *_: called.append(2))
    try:
        again = train(iris, Recipe(optimizer="adam", lr=0.1, batch_size=40, epochs=2))
    finally:
        handle.remove()
    assert called.count(2) == len(run.loss)
    assert np.array_equal(again.loss, run.loss)
