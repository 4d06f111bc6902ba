"""The fastai callback against real fastai; run where fastai is installed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    learner = pytest.importorskip(
        "fastai.learner",
        reason="fastai is not installed (its torchvision has no build that loads beside torch for CPUs)",
    )
    from fastai.callback.core import Callback
    from fastai.callback.schedule import ParamScheduler, SchedCos  # noqa: F401 - adds fit_one_cycle
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader

    from surefoot.integrations.fastai import SurefootCallback

pytestmark = pytest.mark.filterwarnings("ignore")


class Truth(Callback):
    order = 90

    def before_fit(self):
        self.rates, self.losses = [], []

    def before_step(self):
        self.rates.append(float(self.opt.hypers[-1]["lr"]))
        self.losses.append(float(self.learn.loss_grad.detach()))


def make_learner(seed=0):
    torch.manual_seed(seed)
    x = torch.randn(64, 4)
    rows = list(zip(x, x.sum(1, keepdim=True), strict=True))
    loaders = DataLoaders(DataLoader(rows, bs=8), DataLoader(rows, bs=8))
    return learner.Learner(loaders, nn.Linear(4, 1), loss_func=nn.MSELoss(), lr=0.01)


def test_rates_and_losses_are_what_fastai_used():
    learn, callback, truth = make_learner(), SurefootCallback(quiet=True, overhead=1.0), Truth()
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(2, 0.05, cbs=[callback, truth])
    run = callback.watched.run()
    assert run.lr.tolist() == truth.rates
    assert len(set(truth.rates)) == 16
    assert np.allclose(run.loss, truth.losses)
    assert run.val_step.tolist() == [8, 16]
    assert np.isfinite(run.grad_norm).any()


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_cut_lasts(scheduled):
    learn, callback, truth = make_learner(), SurefootCallback(quiet=True, act={"cut"}), Truth()
    with learn.no_bar(), learn.no_logging():
        fit = learn.fit_one_cycle if scheduled else learn.fit
        learn.opt_func = lambda params, lr: __import__("fastai.optimizer").optimizer.SGD(params, lr=lr)
        fit(8, 1.2, cbs=[callback, truth])
    actions = callback.watched.actions
    assert actions[0].deed == "cut"
    at = actions[0].step
    assert truth.rates[at] == pytest.approx(truth.rates[at - 1] * 0.3, rel=0.3 if scheduled else 1e-9)
    if not scheduled:
        assert truth.rates[at + 1] == truth.rates[at]


def test_a_lost_training_goes_on_with_the_optimizers_state_put_back():
    """One NaN gets into Adam's averages: weights alone would be lost again with the next update."""

    class Poison(Callback):
        seen = 0

        def before_batch(self):
            if self.training:
                if self.seen == 50:
                    self.learn.yb = (self.learn.yb[0] * float("nan"),)
                self.seen += 1

    learn, callback = make_learner(), SurefootCallback(quiet=True, act={"restore"}, overhead=1.0)
    with learn.no_bar(), learn.no_logging():
        learn.fit(10, 0.01, cbs=[callback, Poison()])
    (action,) = callback.watched.actions
    assert (action.deed, action.step) == ("restore", 51)
    run = callback.watched.run()
    assert np.flatnonzero(~np.isfinite(run.loss)).tolist() == [50]
    assert run.loss[-8:].mean() < run.loss[:8].mean()
    for state in learn.opt.state.values():
        assert all(torch.isfinite(value).all() for value in state.values() if isinstance(value, torch.Tensor))
