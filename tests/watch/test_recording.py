"""What a watch notes is what the optimizer did, whatever the loop; and the training is as if nobody had watched."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.errors import InputError
from surefoot.records import Watched


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))


def batches(count, size=16, seed=1):
    rng = torch.Generator().manual_seed(seed)
    return [(torch.randn(size, 6, generator=rng), torch.randint(0, 3, (size,), generator=rng)) for _ in range(count)]


def train(model, optimizer, data, watch=None, scheduler=None):
    losses, used = [], []
    for x, y in data:
        loss = nn.functional.cross_entropy(model(x), y)
        losses.append(loss.item())
        if watch is not None:
            watch.loss(loss)
        optimizer.zero_grad()
        loss.backward()
        used.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return losses, used


def test_the_training_is_bit_identical_and_no_hook_is_left():
    model = network()
    twin = copy.deepcopy(model)
    mine, plain = (torch.optim.Adam(one.parameters(), lr=1e-2) for one in (model, twin))
    torch.manual_seed(5)
    watch = sf.watch(model, mine, quiet=True, overhead=1.0)
    train(model, mine, batches(40), watch)
    watch.close()
    torch.manual_seed(5)
    train(twin, plain, batches(40))
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
        for key, value in mine.state[a].items():
            assert torch.equal(value, plain.state[b][key])
    assert not mine._optimizer_step_pre_hooks
    assert not mine._optimizer_step_post_hooks
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def test_rates_and_losses_of_every_group_are_exact():
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[3].parameters(), "lr": 0.02}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [0.2, 0.05], total_steps=30)
    with sf.watch(model, optimizer, quiet=True) as watch:
        losses, used = train(model, optimizer, batches(30), watch, scheduler)
    run = watch.run()
    assert run.lr.tolist() == [one[0] for one in used]
    assert watch.rates()[1].tolist() == [one[1] for one in used]
    assert run.loss.tolist() == losses
    assert any("parameter groups" in note for note in run.notes)


def test_a_tensor_rate_is_read_before_it_changes():
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.01))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with sf.watch(model, optimizer, quiet=True) as watch:
        train(model, optimizer, batches(5), watch, scheduler)
    assert np.allclose(watch.run().lr, 0.01 * 0.5 ** np.arange(5), rtol=1e-6)


def test_sizes_are_those_of_the_update():
    """Against sizes worked out by hand around each step."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    by_hand = []
    with sf.watch(model, optimizer, quiet=True, overhead=1.0) as watch:
        for x, y in batches(12):
            loss = watch.loss(nn.functional.cross_entropy(model(x), y))
            optimizer.zero_grad()
            loss.backward()
            before = [one.detach().clone() for one in model.parameters()]
            gradients = [one.grad.clone() for one in model.parameters()]
            optimizer.step()
            rms = lambda t: float(t.double().square().mean().sqrt())  # noqa: E731
            by_hand.append(
                [
                    (rms(was), rms(grad), rms(now.detach() - was))
                    for was, grad, now in zip(before, gradients, model.parameters(), strict=True)
                ]
            )
    seen = watch.inspection()
    assert len(seen.step) >= 3
    for column, layer in enumerate(seen.layers):
        truth = np.array([by_hand[step][column] for step in seen.step])
        assert np.allclose(layer.weight, truth[:, 0], rtol=1e-5)
        assert np.allclose(layer.gradient, truth[:, 1], rtol=1e-5)
        assert np.allclose(layer.update, truth[:, 2], rtol=1e-4)
    norm = watch.run().grad_norm[seen.step[0]]
    counts = np.array([parameter.numel() for parameter in model.parameters()])
    squares = np.array([row[1] ** 2 for row in by_hand[seen.step[0]]])
    assert norm == pytest.approx(math.sqrt(float(counts @ squares)), rel=1e-5)


def test_dead_and_saturated_units_are_counted():
    class Net(nn.Module):
        """One relu by a function, one tanh by a module."""

        def __init__(self):
            super().__init__()
            self.one, self.two, self.tanh = nn.Linear(6, 8), nn.Linear(8, 3), nn.Tanh()

        def forward(self, x):
            return self.tanh(self.two(nn.functional.relu(self.one(x))))

    torch.manual_seed(0)
    model = Net()
    with torch.no_grad():
        model.one.bias[:2] = -100.0
        model.two.bias[0] = 100.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with sf.watch(model, optimizer, quiet=True) as watch:
        train(model, optimizer, batches(3), watch)
    units = {one.name: one for one in watch.inspection().units}
    assert units["relu"].units == 8
    assert units["relu"].dead[0] == pytest.approx(2 / 8)
    evidence = watch.evidence()
    assert evidence["dead_units/relu"][1][0] == pytest.approx(2 / 8)
    assert evidence["saturated_units/tanh tanh"][1][0] >= 1 / 3
    assert evidence["update_ratio/one.weight"][1][0] > 0


def test_accumulated_batches_are_one_update_with_their_mean_loss():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with sf.watch(model, optimizer, quiet=True) as watch:
        for number, (x, y) in enumerate(batches(12)):
            loss = watch.loss(nn.functional.cross_entropy(model(x), y))
            losses.append(loss.item())
            (loss / 4).backward()
            if number % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    run = watch.run()
    assert run.steps == 3
    assert np.allclose(run.loss, np.array(losses).reshape(3, 4).mean(1))


@pytest.mark.parametrize("left_over", [False, True])
def test_an_epoch_that_is_no_whole_number_of_accumulated_batches(left_over):
    """Ten batches by fours: the last two make an update of their own, or go into the next one."""
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    parts, means = [], []
    with sf.watch(model, optimizer, quiet=True) as watch:
        for _ in range(4):
            for number, (x, y) in enumerate(batches(10)):
                loss = watch.loss(nn.functional.cross_entropy(model(x), y))
                loss.backward()
                parts.append(loss.item())
                if number % 4 == 3 or (number == 9 and not left_over):
                    optimizer.step()
                    optimizer.zero_grad()
                    means.append(np.mean(parts))
                    parts = []
    run = watch.run()
    assert np.allclose(run.loss, means)
    assert watch.record().skipped == 0
    assert run.notes == ()


@pytest.mark.parametrize("fused", [False, True])
def test_updates_that_a_gradient_scaler_skips_are_not_counted(fused):
    """Every third batch has infinite gradients; a fused optimizer steps and does nothing."""
    model = nn.Linear(6, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    kept = []
    with sf.watch(model, optimizer, quiet=True, overhead=1.0) as watch:
        for number, (x, y) in enumerate(batches(13)):
            loss = watch.loss(nn.functional.cross_entropy(model(x), y))
            optimizer.zero_grad()
            scaled = scaler.scale(loss)
            (scaled * (math.inf if number % 3 == 2 else 1.0)).backward()
            if number % 3 != 2:
                kept.append(loss.item())
            norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters())) / scaler.get_scale()
            scaler.step(optimizer)
            scaler.update()
            if number == 0:
                assert watch.run().grad_norm[0] == pytest.approx(norm, rel=1e-4), "the gradient, unscaled"
    run = watch.run()
    assert run.steps == 9
    assert run.loss.tolist() == kept
    assert watch.record().skipped == 4


def test_a_closure_that_is_evaluated_many_times_is_one_update():
    model = nn.Linear(6, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    first = []
    with sf.watch(model, optimizer, quiet=True, overhead=1.0) as watch:
        for x, y in batches(3):
            evaluations = []

            def closure(x=x, y=y, evaluations=evaluations):
                optimizer.zero_grad()
                loss = watch.loss(nn.functional.cross_entropy(model(x), y))
                loss.backward()
                evaluations.append(loss.item())
                return loss

            optimizer.step(closure)
            assert len(evaluations) > 1
            first.append(evaluations[0])
    run = watch.run()
    assert run.loss.tolist() == first
    assert not np.isfinite(run.grad_norm).any(), "the last gradient is not that of the weights before"
    assert watch.inspection().layers[0].update[0] > 0


def test_validation_and_record(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with sf.watch(model, optimizer, quiet=True, steps_per_epoch=5, name="mine") as watch:
        for _ in range(2):
            train(model, optimizer, batches(5), watch)
            watch.validation(torch.tensor(1.5), accuracy=0.5)
    run = watch.run()
    assert run.val_step.tolist() == [5, 10]
    assert run.val_metrics["accuracy"].tolist() == [0.5, 0.5]
    assert run.source == "watch"
    saved = watch.record().save(tmp_path / "watched.json")
    assert Watched.load(saved) == watch.record() or Watched.load(saved).inspection == watch.inspection()
    assert Watched.load(saved).run.loss.tolist() == run.loss.tolist()


def test_parameter_groups_that_join_later_are_seen():
    model = network()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    with sf.watch(model, optimizer, quiet=True) as watch:
        train(model, optimizer, batches(3), watch)
        optimizer.add_param_group({"params": list(model[3].parameters()), "lr": 0.3})
        train(model, optimizer, batches(2), watch)
    rates = watch.rates()[1]
    assert np.isnan(rates[:3]).all()
    assert rates[3:].tolist() == [0.3, 0.3]


def test_without_losses_the_rates_are_still_there_and_the_record_says_so():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with sf.watch(model, optimizer, quiet=True) as watch:
        train(model, optimizer, batches(4))
    run = watch.run()
    assert run.lr.tolist() == [0.1] * 4
    assert any("watch.loss" in note for note in run.notes)


def test_what_cannot_be_watched_is_refused():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match="`optimizer` is list"):
        sf.watch(model, list(model.parameters()))
    with pytest.raises(InputError, match="`model` is list"):
        sf.watch([model], optimizer)
    with pytest.raises(InputError, match="`act` has 'jump'"):
        sf.watch(model, optimizer, act={"jump"})
    with pytest.raises(InputError, match="`overhead` is 0"):
        sf.watch(model, optimizer, overhead=0)
    with sf.watch(model, optimizer, quiet=True) as watch, pytest.raises(InputError, match="shape"):
        watch.loss(torch.ones(3))


@pytest.mark.parametrize("bad", [[1.0, 2.0], "low", None, torch.ones(2)])
def test_a_validation_that_is_no_number_is_refused_in_one_line(bad):
    model = nn.Linear(6, 3)
    with sf.watch(model, torch.optim.SGD(model.parameters(), lr=0.1), quiet=True) as watch:
        with pytest.raises(InputError, match=r"`loss` is .*not one number"):
            watch.validation(bad)
        with pytest.raises(InputError, match=r"`accuracy` is .*not one number"):
            watch.validation(1.0, accuracy=bad)
        assert not len(watch.run().val_loss)
        watch.validation(torch.tensor([0.5]), accuracy=np.float32(0.25))
    assert watch.run().val_loss.tolist() == [0.5]
