"""Probes: the fused trials match the obvious ones, the training goes on bit-identically, the answer is right."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.errors import InputError
from surefoot.watch import probe
from surefoot.watch.batches import taken
from surefoot.watch.probing import answer

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "plain": (torch.optim.SGD, {"lr": 0.05}),
    "adam": (torch.optim.Adam, {"lr": 1e-3, "weight_decay": 0.1}),
    "amsgrad": (torch.optim.AdamW, {"lr": 1e-3, "amsgrad": True}),
    "nadam": (torch.optim.NAdam, {"lr": 1e-3}),
    "radam": (torch.optim.RAdam, {"lr": 1e-3}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 1e-3, "momentum": 0.5, "centered": True}),
    "adagrad": (torch.optim.Adagrad, {"lr": 1e-2}),
    "adadelta": (torch.optim.Adadelta, {"lr": 1.0}),
}


def data(count=18, size=32, seed=0):
    rng = torch.Generator().manual_seed(seed)
    weights = torch.randn(6, 3, generator=rng)
    found = []
    for _ in range(count):
        x = torch.randn(size, 6, generator=rng)
        found.append((x, (x @ weights + torch.randn(size, 3, generator=rng)).argmax(1)))
    return found


def training(kind, options, *, norm=False, groups=False, updates=12):
    torch.manual_seed(0)
    layers = [nn.Linear(6, 8), *([nn.BatchNorm1d(8)] if norm else []), nn.ReLU(), nn.Linear(8, 3)]
    model = nn.Sequential(*layers).double()
    first, *rest = model.parameters()
    parts = [{"params": [first], "lr": 3 * options["lr"]}, {"params": rest, "weight_decay": 0.05}]
    if kind is torch.optim.Adadelta or not groups:
        parts = list(model.parameters())
    optimizer = kind(parts, **options)
    batches = [(x.double(), y) for x, y in data()]
    for x, y in itertools.islice(itertools.cycle(batches), updates):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, optimizer, batches


@pytest.mark.parametrize("updates", [0, 12])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_trials_match_the_serial_ones(name, updates):
    """From the live state of the optimizer, in double precision."""
    model, optimizer, batches = training(*OPTIMIZERS[name], groups=updates > 0, updates=updates)
    found = [
        probe(model, optimizer, batches, nn.CrossEntropyLoss(), engine=engine, steps=9, clip=0.5)
        for engine in ("serial", "fused")
    ]
    assert found[0].engine == "serial"
    assert found[1].engine == "stacked"
    assert np.allclose(found[0].losses, found[1].losses, rtol=1e-9)
    assert np.ptp(found[0].losses) > 1e-6, "the rates make a difference"


def test_with_batch_normalisation_and_a_loss_that_calls_the_model():
    model, optimizer, batches = training(torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, norm=True)

    def loss(model, batch):
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    serial, fused = (probe(model, optimizer, batches, loss, engine=e, steps=6) for e in ("serial", "fused"))
    assert fused.engine == "vmapped"
    assert np.allclose(serial.losses, fused.losses, rtol=1e-9)


def test_the_training_goes_on_bit_identically(borrowed):
    """With a probe in the middle and without: parameters, optimizer, random states, order of the batches."""

    def trained(*, probed):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        x = torch.cat([one for one, _ in data()])
        y = torch.cat([one for _, one in data()])
        own = torch.Generator().manual_seed(9)
        dataset = torch.utils.data.TensorDataset(x, y)
        loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True, generator=own)
        seen = []
        with sf.watch(model, optimizer, quiet=True, units=False) as watch:
            for epoch in range(2):
                for number, (xb, yb) in enumerate(loader):
                    if probed and epoch == 0 and number == 7:
                        with borrowed(model):
                            before = copy.deepcopy(optimizer.state_dict())
                            found = watch.probe(loader, nn.CrossEntropyLoss(), steps=6)
                            assert found.lrs.size == 7
                        for key, state in optimizer.state_dict()["state"].items():
                            assert all(torch.equal(value, before["state"][key][k]) for k, value in state.items())
                    seen.append(yb)
                    loss = watch.loss(nn.functional.cross_entropy(model(xb), yb))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        return model, torch.cat(seen)

    (model, order), (twin, plain) = trained(probed=True), trained(probed=False)
    assert torch.equal(order, plain)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_finds_a_rate_that_is_ten_times_too_low_and_one_that_is_too_high():
    """A noisy bowl of curvature 1: with plain descent the rates of choice lie between 0.1 and 1."""

    class Bowl(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.full((4,), 3.0))

        def forward(self, x):
            return self.w + 0 * x

    rng = torch.Generator().manual_seed(0)
    batches = [(torch.randn(16, 4, generator=rng), 0.5 * torch.randn(16, 4, generator=rng)) for _ in range(40)]
    half = lambda out, target: 0.5 * (out - target).square().sum(1).mean()  # noqa: E731
    for lr, direction in ((0.02, 1), (1.9, -1)):
        model = Bowl()
        found = probe(model, torch.optim.SGD(model.parameters(), lr=lr), batches, half, steps=16)
        assert found.status == "found"
        assert direction * np.log10(found.factor) > 0.3
        assert 0.1 <= found.lr <= 1.0


def test_what_cannot_be_fused_is_trained_one_by_one():
    model, _, batches = training(torch.optim.SGD, {"lr": 0.1})
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    assert probe(model, optimizer, batches, nn.CrossEntropyLoss(), steps=3).engine == "serial"
    with pytest.raises(InputError, match="has no rule"):
        probe(model, optimizer, batches, nn.CrossEntropyLoss(), steps=3, engine="fused")


class Counting(nn.Linear):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * (1.0 + self.calls % 2)


def test_models_that_remember_and_sparse_gradients_are_trained_one_by_one():
    model = Counting(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert probe(model, optimizer, data(), nn.CrossEntropyLoss(), steps=3).engine == "serial"
    with pytest.raises(InputError, match="remembers something in `calls`"):
        probe(model, optimizer, data(), nn.CrossEntropyLoss(), steps=3, engine="fused")
    table = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    batches = [(torch.arange(32).reshape(16, 2) % 9, torch.arange(16) % 3) for _ in range(18)]
    assert probe(table, optimizer, batches, nn.CrossEntropyLoss(), steps=3, clip=0.5).lr is not None


def test_the_interval_holds_what_cannot_be_told_from_the_best():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=8)
    losses = np.array([[2.0], [1.005], [1.0], [1.5]]) + 0.5 * noise + 0.03 * rng.normal(size=(4, 8))
    told = {"step": 0, "steps": 1, "annealed": 0, "cost": 4, "engine": "serial", "seconds": None}
    found = answer(0.1, np.array([0.01, 0.1, 1.0, 10.0]), losses, losses[0], **told)
    assert found.interval == (0.1, 1.0)
    assert found.factor == 1.0, "the present rate is among the best"
    assert answer(0.01, found.lrs, losses, losses[0], **told).factor == pytest.approx(found.lr / 0.01)
    flat = answer(0.1, found.lrs, 1.0 + noise + 1e-3 * rng.normal(size=(4, 8)), losses[0], **told)
    assert flat.status == "unknown"
    assert "no rate can be told" in flat.reason
    dead = answer(0.1, found.lrs, np.full((4, 8), np.inf), losses[0], **told)
    assert dead.status == "unknown"
    assert "diverged" in dead.reason


def test_reading_batches_takes_none_from_the_training():
    numbers = list(range(10))
    iterator = iter(numbers)
    next(iterator)
    assert taken(iterator, 3, "batches") == [1, 2, 3]
    assert next(iterator) == 1
    with pytest.raises(InputError, match="cannot be copied"):
        taken((n for n in numbers), 3, "batches")
    with pytest.raises(InputError, match="is empty"):
        taken([], 3, "batches")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"span": 1.0}, "`span`"),
        ({"count": 2}, "`count`"),
        ({"steps": 0}, "`steps`"),
        ({"anneal": 99}, "`anneal`"),
        ({"engine": "fast"}, "`engine`"),
        ({"lrs": [0.1, -1.0]}, "`lrs`"),
        ({"score": [1]}, "at least two"),
    ],
)
def test_bad_arguments_are_named(options, said):
    model, optimizer, batches = training(torch.optim.SGD, {"lr": 0.1}, updates=1)
    with pytest.raises(InputError, match=said):
        probe(model, optimizer, batches, nn.CrossEntropyLoss(), **options)
