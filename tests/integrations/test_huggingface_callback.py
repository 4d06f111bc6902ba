"""The Hugging Face callback against the real Trainer, with models too small to download anything."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    from surefoot.integrations.huggingface import SurefootCallback

pytestmark = pytest.mark.filterwarnings("ignore")


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 1)
        self.seen = []

    def forward(self, x, labels=None):
        loss = nn.functional.mse_loss(self.net(x).squeeze(1), labels)
        if self.training:
            self.seen.append(float(loss.detach()))
        return {"loss": loss}


class SharedLoss(Model):
    """Divides by the items of the whole accumulated batch, as language models do."""

    def forward(self, x, labels=None, num_items_in_batch=None, **kwargs):
        loss = nn.functional.mse_loss(self.net(x).squeeze(1), labels, reduction="sum") / (num_items_in_batch or len(x))
        if self.training:
            self.seen.append(float(loss.detach()))
        return {"loss": loss}


class Used(transformers.TrainerCallback):
    def __init__(self, set_to=None):
        self.rates, self.set_to = [], set_to

    def on_step_begin(self, args, state, control, optimizer=None, **_):
        if self.set_to is not None:
            optimizer.param_groups[0]["lr"] = self.set_to

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **_):
        self.rates.append(optimizer.param_groups[0]["lr"])


def trained(tmp_path, model, callbacks, **options):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    rows = [{"x": rng.normal(size=4).astype("float32"), "labels": np.float32(rng.normal())} for _ in range(48)]
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=4, num_train_epochs=1, learning_rate=1e-2,
        report_to="none", disable_tqdm=True, use_cpu=True, save_strategy="no", logging_steps=500, seed=0, **options,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=model, args=args, train_dataset=rows, eval_dataset=rows[:8], callbacks=callbacks
    )
    trainer.train()
    return trainer


def test_rates_and_losses_are_what_the_trainer_used(tmp_path):
    callback, used = SurefootCallback(quiet=True), Used()
    model = Model()
    trained(tmp_path, model, [callback, used], eval_strategy="epoch")
    run = callback.watch.run()
    assert run.lr.tolist() == used.rates
    assert len(set(used.rates)) == 12
    assert np.allclose(run.loss, model.seen, rtol=1e-6)
    assert run.val_step.tolist() == [12]
    assert "runtime" not in "".join(run.val_metrics)


def test_a_rate_that_another_callback_sets_is_seen(tmp_path):
    """The Trainer's own log would tell the scheduler's rate."""
    callback = SurefootCallback(quiet=True)
    trained(tmp_path, Model(), [Used(set_to=3e-4), callback])
    assert callback.watch.run().lr.tolist() == [3e-4] * 12


@pytest.mark.parametrize("kind", [Model, SharedLoss])
def test_accumulated_batches_are_one_update(tmp_path, kind):
    callback, model = SurefootCallback(quiet=True), kind()
    trained(tmp_path, model, [callback], gradient_accumulation_steps=3)
    run = callback.watch.run()
    parts = np.array(model.seen).reshape(4, 3)
    assert run.steps == 4
    assert np.allclose(run.loss, parts.sum(1) if kind is SharedLoss else parts.mean(1), rtol=1e-5)


def test_no_hook_is_left(tmp_path):
    model = Model()
    trainer = trained(tmp_path, model, [SurefootCallback(quiet=True)])
    assert not model._forward_hooks
    assert not trainer.optimizer.optimizer._optimizer_step_pre_hooks


def test_after_a_training_that_broke_off_the_next_one_is_watched_alone(tmp_path):
    class Breaks(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 5:
                raise RuntimeError("broken off")

    callback, model = SurefootCallback(quiet=True), Model()
    with pytest.raises(RuntimeError, match="broken off"):
        trained(tmp_path, model, [callback, Breaks()])
    model.seen.clear()
    trained(tmp_path, model, [callback])
    run = callback.watch.run()
    assert run.steps == 12
    assert np.allclose(run.loss, model.seen, rtol=1e-6)
    assert not model._forward_hooks


def test_anything_evaluated_afterwards_is_no_validation(tmp_path):
    callback = SurefootCallback(quiet=True)
    trainer = trained(tmp_path, Model(), [callback], eval_strategy="epoch")
    before = callback.watch.run().val_loss.tolist()
    assert len(before) == 1
    trainer.evaluate([{"x": np.full(4, 9, "float32"), "labels": np.float32(-50)}])
    assert callback.watch.run().val_loss.tolist() == before
