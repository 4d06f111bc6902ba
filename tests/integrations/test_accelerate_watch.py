"""Watching a training of Accelerate: the optimizer inside is seen, and a scheduler that runs ahead is explained."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    accelerate = pytest.importorskip("accelerate")
    from accelerate.state import AcceleratorState, GradientState, PartialState

    from surefoot.integrations.accelerate import watch_accelerate

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def no_state_left():
    yield
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


def trained(*, accumulate=1, processes=None, batches=12):
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    data = torch.utils.data.TensorDataset(torch.randn(batches * 4, 4))
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
    if processes:
        accelerator.state._shared_state["num_processes"] = processes
        PartialState._shared_state["num_processes"] = processes
    watch = watch_accelerate(accelerator, model, optimizer, scheduler, quiet=True)
    used, losses = [], []
    for (x,) in loader:
        with accelerator.accumulate(model):
            loss = watch.loss(model(x).square().mean())
            losses.append(float(loss.detach()))
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    watch.close()
    return watch, used, losses


def test_rates_are_those_of_the_optimizer_inside():
    watch, used, losses = trained()
    run = watch.run()
    assert run.lr.tolist() == used
    assert len(set(used)) == 12
    assert np.allclose(run.loss, losses)
    assert watch.findings == ()


def test_accumulated_batches_are_one_update():
    watch, used, losses = trained(accumulate=3)
    run = watch.run()
    assert run.steps == 4
    assert run.lr.tolist() == used
    assert np.allclose(run.loss, np.array(losses).reshape(4, 3).mean(1))


def test_a_scheduler_that_is_stepped_once_for_every_process_is_explained():
    watch, used, _ = trained(processes=2)
    assert watch.run().lr.tolist() == used
    assert used[1] == pytest.approx(0.1 * 0.81)
    (finding,) = watch.findings
    assert finding.id == "schedule-too-fast"
    assert finding.evidence[0].value == pytest.approx(2.0)
    assert "split_batches" in finding.remedy
