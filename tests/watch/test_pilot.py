"""The pilot keeps its budget, moves the rate where the probes say so, and comes back from a divergence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import surefoot as sf
from surefoot.errors import InputError
from surefoot.watch import Pilot
from surefoot.watch.rates import first_rate


def task():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(400, 10, generator=rng)
    y = (x @ torch.randn(10, 3, generator=rng) + 0.5 * torch.randn(400, 3, generator=rng)).argmax(1)
    return sf.Task(
        lambda: nn.Linear(10, 3), train=(x[:320], y[:320]), val=(x[320:], y[320:]), loss=nn.CrossEntropyLoss()
    )


def test_from_a_rate_a_hundred_times_too_low_it_gets_close_to_the_best_of_a_sweep(tmp_path):
    mine = task()
    watched = sf.autopilot(
        mine, optimizer="sgd", epochs=60, batch_size=32, lr=1e-3, budget=0.3, seed=0, save=tmp_path / "w.safetensors"
    )
    run = watched.run
    steps = run.steps
    assert steps == 600
    assert sum(one.cost for one in watched.probes) <= 0.3 * steps
    sweep = [
        sf.train(mine, sf.Recipe(lr=lr, schedule="cosine", epochs=60, batch_size=32)).final_val_loss
        for lr in (0.1, 0.3)
    ]
    alone = sf.train(mine, sf.Recipe(lr=1e-3, schedule="cosine", epochs=60, batch_size=32)).final_val_loss
    start = run.val_loss[0]
    assert (run.final_val_loss - min(sweep)) / (start - min(sweep)) < 0.15
    assert (alone - min(sweep)) / (start - min(sweep)) > 0.3
    assert run.lr[-1] < 0.01 * run.lr.max()
    assert watched.actions[0].deed == "raise"
    assert watched.actions[0].evidence.text
    assert load_file(tmp_path / "w.safetensors").keys() == nn.Linear(10, 3).state_dict().keys()


def test_the_same_seed_makes_the_same_training():
    one, other = (sf.autopilot(task(), optimizer="adam", epochs=4, batch_size=32, budget=1.0) for _ in range(2))
    assert one.run.loss.tolist() == other.run.loss.tolist()
    assert one.run.lr.tolist() == other.run.lr.tolist()


def test_in_a_loop_of_the_users_own():
    mine = task()
    torch.manual_seed(0)
    model = mine.make_model(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    x, y = mine.train.whole
    batches = [(x[at : at + 32], y[at : at + 32]) for at in range(0, 320, 32)]
    pilot = Pilot(model, optimizer, steps=200, batches=batches, loss=nn.CrossEntropyLoss(), budget=0.5)
    rates = []
    for step in range(200):
        rates.append(first_rate(optimizer))
        xb, yb = batches[step % 10]
        loss = nn.functional.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pilot.step(loss.item())
    assert max(rates) > 1e-3
    assert rates == pytest.approx([*rates[:1], *rates[1:]])
    assert pilot.spent <= 100
    assert np.argmax(rates) > 0, "the rate rises first"


def test_a_loss_that_is_no_number_goes_back_and_cuts():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [(torch.randn(8, 2), torch.randn(8, 1)) for _ in range(10)]
    pilot = Pilot(model, optimizer, steps=100, batches=batches, loss=nn.MSELoss(), budget=0.01)
    for _ in range(20):
        pilot.step(1.0)
    kept, peak = model.weight.detach().clone(), pilot.peak
    with torch.no_grad():
        model.weight.fill_(math.nan)
    pilot.step(math.nan)
    assert torch.equal(model.weight, kept)
    assert pilot.peak == pytest.approx(0.3 * peak)
    assert pilot.actions[-1].deed == "restore"


@pytest.mark.parametrize(("options", "said"), [({"budget": 0}, "`budget`"), ({"validations": 0}, "`validations`")])
def test_bad_arguments_are_named(options, said):
    with pytest.raises(InputError, match=said):
        sf.autopilot(task(), epochs=4, batch_size=32, **options)


def test_a_raise_that_the_rest_of_the_training_does_not_need_goes_half_of_the_way():
    model = nn.Linear(10, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches = [(torch.randn(8, 10), torch.randint(0, 3, (8,))) for _ in range(8)]
    pilot = Pilot(model, optimizer, steps=6000, batches=batches, loss=nn.CrossEntropyLoss(), budget=1e-9)
    assert not pilot.probes
    # a trial of 4 updates at 9 times the rate goes as far as 36 at the present one, of which there are 3000 in a line
    # to nothing: 30 times that far is within reach
    assert pilot._tempered(9.0, 4.0) == pytest.approx(3.0)
    # 30 times the way of 100 updates takes all of the raise, that of 40 updates a part of it
    assert pilot._tempered(9.0, 100.0) == pytest.approx(9.0)
    assert pilot._tempered(9.0, 40.0) == pytest.approx(3.6 * 2.5**0.5)
