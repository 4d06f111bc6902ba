"""The Lightning callback against the real Trainer: rates, losses and updates are what Lightning applied."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pl = pytest.importorskip("pytorch_lightning")
    from surefoot.integrations.lightning import SurefootCallback

pytestmark = pytest.mark.filterwarnings("ignore")


class Module(pl.LightningModule):
    def __init__(self, scheduled=True, boom_at=None):
        super().__init__()
        self.net = nn.Linear(4, 1)
        self.seen, self.used, self.scheduled, self.boom_at = [], [], scheduled, boom_at
        self.calls = 0

    def training_step(self, batch, _):
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.calls += 1
        if self.boom_at is not None and self.calls >= self.boom_at:
            loss = loss * float("nan")
        self.seen.append(float(loss.detach()))
        return loss

    def validation_step(self, batch, _):
        x, y = batch
        self.log("val_loss", nn.functional.mse_loss(self.net(x), y))

    def on_before_optimizer_step(self, optimizer):
        self.used.append(optimizer.param_groups[0]["lr"])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        if not self.scheduled:
            return optimizer
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def trained(callback, module=None, *, epochs=1, **options):
    torch.manual_seed(0)
    x = torch.randn(96, 4)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    trainer = pl.Trainer(
        max_epochs=epochs, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", num_sanity_val_steps=1, **options,
    )  # fmt: skip
    module = module or Module()
    trainer.fit(module, loader, loader)
    return module, trainer


def test_rates_and_losses_are_what_lightning_used():
    callback = SurefootCallback(quiet=True)
    module, _ = trained(callback)
    run = callback.watch.run()
    assert run.lr.tolist() == module.used
    assert len(set(module.used)) == 12, "the schedule moves the rate at every update"
    assert np.allclose(run.loss, module.seen, rtol=1e-6)
    assert run.val_step.tolist() == [12], "the sanity check is no validation"
    assert np.isfinite(run.grad_norm).any()


def test_accumulated_batches_are_one_update_with_their_mean_loss():
    callback = SurefootCallback(quiet=True)
    module, _ = trained(callback, accumulate_grad_batches=3)
    run = callback.watch.run()
    assert run.steps == 4
    assert run.lr.tolist() == module.used
    assert np.allclose(run.loss, np.array(module.seen).reshape(4, 3).mean(1), rtol=1e-6)


def test_the_gradient_is_the_clipped_one_that_the_optimizer_used():
    callback = SurefootCallback(quiet=True, overhead=1.0)
    trained(callback, Module(scheduled=False), gradient_clip_val=1e-3)
    norms = callback.watch.run().grad_norm
    assert np.nanmax(norms) == pytest.approx(1e-3, rel=1e-3)


def test_training_is_the_same_with_and_without():
    with_it, trainer = trained(SurefootCallback(quiet=True))
    without, _ = trained(pl.Callback())
    for mine, plain in zip(with_it.parameters(), without.parameters(), strict=True):
        assert torch.equal(mine, plain)
    assert not trainer.optimizers[0]._optimizer_step_pre_hooks
    assert not trainer.optimizers[0]._optimizer_step_post_hooks


def test_it_stops_the_trainer_when_the_loss_is_no_number():
    callback = SurefootCallback(quiet=True, act={"stop"})
    _, trainer = trained(callback, Module(boom_at=5), epochs=3)
    assert callback.watch.actions[0].deed == "stop"
    assert trainer.global_step < 12


class LateModule(Module):
    """Logs its validation loss itself, at the end of the epoch, as many do."""

    def __init__(self):
        super().__init__()
        self.parts, self.logged = [], []

    def validation_step(self, batch, _):
        x, y = batch
        self.parts.append(float(nn.functional.mse_loss(self.net(x), y)))

    def on_validation_epoch_end(self):
        mean = float(np.mean(self.parts))
        self.parts.clear()
        self.log("val_loss", mean)
        if not self.trainer.sanity_checking:
            self.logged.append(mean)


def test_a_validation_loss_logged_at_the_end_of_the_epoch_is_that_of_this_epoch():
    callback = SurefootCallback(quiet=True)
    module, trainer = trained(callback, LateModule(), epochs=3)
    run = callback.watch.run()
    assert run.val_step.tolist() == [12, 24, 36]
    assert np.allclose(run.val_loss, module.logged, rtol=1e-6)
    other = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(8, 4), torch.ones(8, 1)))
    trainer.validate(module, other, verbose=False)
    assert np.allclose(callback.watch.run().val_loss, module.logged[:3], rtol=1e-6), "that was no part of the training"
