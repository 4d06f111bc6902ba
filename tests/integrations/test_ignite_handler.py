"""The Ignite handler against a real engine."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ignite = pytest.importorskip("ignite.engine")
    from ignite.metrics import Loss

    from surefoot.integrations.ignite import SurefootHandler

from surefoot.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")


def trained(handler_of, *, update=None, lr=0.05, epochs=2):
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    y = x.sum(1, keepdim=True)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    used, losses = [], []

    def process(engine, batch):
        i, (xb, yb) = engine.state.iteration, batch
        loss = nn.functional.mse_loss(model(xb), yb)
        loss.backward()
        losses.append(loss.item())
        if update is None or i % update == 0:
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
        return loss.item()

    trainer = ignite.Engine(process)
    evaluator = ignite.create_supervised_evaluator(model, metrics={"loss": Loss(nn.functional.mse_loss)})
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 64, 8)]
    handler = handler_of(model, optimizer).attach(trainer, evaluator)
    trainer.add_event_handler(ignite.Events.EPOCH_COMPLETED, lambda _: evaluator.run(batches))
    trainer.run(batches, max_epochs=epochs)
    trainer.evaluator = evaluator
    return handler.watch, trainer, used, losses, optimizer


def test_rates_and_losses_are_what_the_engine_used():
    watch, _, used, losses, optimizer = trained(lambda m, o: SurefootHandler(m, o, quiet=True))
    run = watch.run()
    assert run.lr.tolist() == used
    assert np.allclose(run.loss, losses)
    assert run.val_step.tolist() == [8, 16]
    assert not optimizer._optimizer_step_pre_hooks


def test_accumulated_batches_are_one_update():
    watch, _, used, losses, _ = trained(lambda m, o: SurefootHandler(m, o, quiet=True), update=4)
    run = watch.run()
    assert run.lr.tolist() == used
    assert np.allclose(run.loss, np.array(losses).reshape(4, 4).mean(1))


def test_it_ends_the_engine_when_the_loss_is_no_number():
    handler = lambda m, o: SurefootHandler(m, o, quiet=True, act={"stop"})  # noqa: E731
    watch, trainer, *_ = trained(handler, lr=1e12, epochs=50)
    assert watch.actions[0].deed == "stop"
    assert trainer.state.iteration < 50 * 8


def test_an_output_without_a_loss_is_refused():
    from surefoot.integrations.ignite import _loss_in

    assert _loss_in({"loss": 1.0}) == 1.0
    assert _loss_in((2.0, "rest")) == 2.0
    with pytest.raises(InputError, match="loss_of"):
        _loss_in("nothing")


def test_whatever_is_evaluated_afterwards_is_no_validation():
    watch, trainer, *_ = trained(lambda m, o: SurefootHandler(m, o, quiet=True))
    before = watch.run().val_loss.tolist()
    trainer.evaluator.run([(torch.full((2, 4), 9.0), torch.full((2, 1), -50.0))])
    assert watch.run().val_loss.tolist() == before
