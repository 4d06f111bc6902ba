"""Deeds: done when the evidence is there, within bounds, said, and undone to the bit."""

from __future__ import annotations

import copy
import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.watch import Limits
from surefoot.watch.rates import first_rate, scale_rates


class Told:
    """A watch whose losses the test tells; the model makes updates of no matter."""

    def __init__(self, lr=0.1, scheduler=None, **options):
        torch.manual_seed(0)
        self.model = nn.Linear(3, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=0.9)
        self.scheduler = scheduler(self.optimizer) if scheduler else None
        self.watch = sf.watch(
            self.model, self.optimizer, scheduler=self.scheduler, quiet=True, overhead=1.0, layers=False, units=False,
            **options,
        )  # fmt: skip

    def __call__(self, losses):
        for loss in losses:
            self.watch.loss(float(loss))
            self.optimizer.zero_grad()
            self.model(torch.ones(1, 3)).square().sum().backward()
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
        return self.watch

    @property
    def lr(self):
        return first_rate(self.optimizer)


def floor(n, noise=0.05, seed=0):
    return 2.0 * np.exp(-np.arange(n) / 60) + 0.3 + noise * np.random.default_rng(seed).normal(size=n)


def weights(model):
    return [one.detach().clone() for one in model.parameters()]


def test_nothing_is_done_unasked():
    told = Told()
    watch = told([*floor(400), math.nan])
    watch.close()
    assert watch.actions == ()
    assert told.lr == 0.1
    assert "diverged" in [finding.id for finding in watch.findings]


def test_a_noise_floor_decays_the_rate_and_in_the_end_stops():
    told = Told(act={"decay", "stop"}, limits=Limits(decays=2))
    watch = told(floor(3500))
    assert [one.deed for one in watch.actions] == ["decay", "decay", "stop"]
    assert told.lr == pytest.approx(0.1 * 0.3**2)
    assert watch.should_stop
    assert watch.actions[-1].evidence.id == "converged"
    assert "noise floor" in watch.actions[0].evidence.remedy
    watch.close()


def test_divergence_goes_back_to_good_weights_and_a_lower_rate():
    told = Told(act={"restore", "cut"})
    told(floor(300))
    watch = told([math.nan])
    (action,) = watch.actions
    assert action.deed == "restore"
    assert 0 < action.restored < 300
    assert told.lr == pytest.approx(0.03)
    assert action.evidence.id == "diverged"
    told(floor(300)[100:200])
    assert len(watch.actions) == 1, "what went before is not held against the restored training"
    watch.close()


def test_restoring_is_exact_and_undone_to_the_bit():
    told = Told(act={"restore", "cut"})
    told(floor(65))
    kept = told.watch._keeper.steps["good"]
    twin = Told()
    twin(floor(kept))
    told([*floor(10)])
    before, state = weights(told.model), copy.deepcopy(told.optimizer.state_dict())
    watch = told([math.nan])
    for mine, then in zip(told.model.parameters(), twin.model.parameters(), strict=True):
        assert torch.equal(mine, then)
        assert torch.equal(told.optimizer.state[mine]["momentum_buffer"], twin.optimizer.state[then]["momentum_buffer"])
    assert watch.undo().undone
    assert told.lr == pytest.approx(0.1)
    # The update with the lost loss was made before it was judged.
    assert not torch.equal(weights(told.model)[0], before[0])
    assert watch.actions[0].undone
    assert watch.undo() is None
    assert state["param_groups"][0]["lr"] == pytest.approx(told.lr)
    watch.close()
    twin.watch.close()


def test_copies_on_disk_are_read_back_and_removed(tmp_path):
    told = Told(act={"restore"}, keep=tmp_path)
    told(floor(200))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["surefoot-good.pt", "surefoot-newest.pt"]
    watch = told([math.nan])
    assert watch.actions[0].restored is not None
    watch.close()
    assert list(tmp_path.iterdir()) == []


def test_growing_swings_cut_the_rate():
    told = Told(act={"cut"})
    t = np.arange(160)
    swings = 1 + 0.02 * np.exp(t / 30) * (1 + (-1.0) ** t) + 0.01 * np.random.default_rng(0).normal(size=160)
    watch = told(np.concatenate([floor(200), swings - 0.7]))
    assert watch.actions[0].deed == "cut"
    assert watch.actions[0].factor == 0.3
    watch.close()


def test_a_straight_descent_raises_the_rate_within_bounds():
    told = Told(act={"raise"}, limits=Limits(highest=4.0))
    rng = np.random.default_rng(0)
    watch = told(2.3 - 0.0005 * np.arange(2500) + 0.01 * rng.normal(size=2500))
    assert [one.deed for one in watch.actions] == ["raise", "raise"]
    assert told.lr == pytest.approx(0.4)
    watch.close()


def test_overfitting_stops_with_the_best_weights():
    told = Told(act={"stop"})
    best = None
    for at in range(20):
        told(floor(200)[at * 10 : at * 10 + 10])
        loss = 1 + abs(at - 8) * 0.1
        told.watch.validation(loss)
        if at == 8:
            best = weights(told.model)
        if told.watch.should_stop:
            break
    assert 12 <= at < 19
    assert all(torch.equal(mine, then) for mine, then in zip(told.model.parameters(), best, strict=True))
    assert told.watch.run().fate == "stopped"
    told.watch.close()


def test_a_dry_run_only_says():
    told, heard = Told(act=True, dry_run=True), []
    told.watch._on_action = heard.append
    watch = told([*floor(800), math.nan])
    assert watch.actions
    assert not any(one.done for one in watch.actions)
    assert heard == list(watch.actions)
    assert watch.actions[0].text.startswith("would ")
    assert told.lr == 0.1
    assert not watch.should_stop
    watch.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 200),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=210),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.97),
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [torch.optim.lr_scheduler.ConstantLR(o, 0.1, 9), torch.optim.lr_scheduler.CosineAnnealingLR(o, 150)],
            [10],
        ),
        lambda o: _own(o),
    ],
)
def test_what_a_scheduler_planned_goes_on_a_factor_lower(make):
    def rates(scaled_at):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = make(optimizer)
        seen = []
        for step in range(60):
            if step == scaled_at:
                scale_rates(optimizer, 0.3, scheduler)
            seen.append(first_rate(optimizer))
            optimizer.step()
            scheduler.step()
        return np.array(seen)

    plain, scaled = rates(None), rates(20)
    assert np.allclose(scaled[:20], plain[:20])
    assert np.allclose(scaled[20:], 0.3 * plain[20:], rtol=1e-6)


def _own(optimizer):
    from surefoot.engines.torch_schedule import TorchSchedule
    from surefoot.schedules import make

    return TorchSchedule(make("cosine", 0.1, 100), optimizer)


def test_a_scheduler_that_was_not_given_is_noticed():
    told = Told(act={"decay"})
    told.scheduler = torch.optim.lr_scheduler.LambdaLR(told.optimizer, lambda _: 1.0)
    watch = told(floor(1200))
    assert watch.actions
    assert any("scheduler=" in note for note in watch.run().notes)
    watch.close()


def test_findings_are_said_once(capsys, caplog):
    caplog.set_level(logging.INFO, "surefoot.watch")
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    heard = []
    with sf.watch(model, optimizer, on_finding=heard.append, overhead=1.0) as watch:
        for loss in [*floor(200), math.nan, math.nan, math.nan]:
            watch.loss(float(loss))
            optimizer.step()
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("surefoot: ")]
    assert [f"surefoot: {one.message}" for one in caplog.records] == said
    assert sum("loss is nan" in line for line in said) == 1
    assert [finding.id for finding in heard].count("diverged") == 1
    assert len({finding.id for finding in heard}) == len(heard)
