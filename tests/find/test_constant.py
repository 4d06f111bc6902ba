"""What a constant output loses, and what is said where nothing more was learned."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import surefoot as sf
from surefoot.find.constant import constant_loss

X = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
CLASSES = (torch.arange(300) % 10 < 3).long()
NUMBERS = (torch.arange(300.0) % 7 - 2).unsqueeze(1)


def task(outputs, target, loss, last=None):
    def model():
        layers = [nn.Linear(4, outputs), *([] if last is None else [last])]
        return nn.Sequential(*layers)

    return sf.Task(model, (X[:200], target[:200]), (X[200:], target[200:]), loss=loss)


class TestConstantLoss:
    def test_of_classes_it_is_the_entropy_of_how_often_they_come(self):
        share = float(CLASSES[:200].double().mean())
        met = float(CLASSES[200:].double().mean())
        expected = -met * math.log(share) - (1 - met) * math.log(1 - share)
        assert constant_loss(task(2, CLASSES, nn.CrossEntropyLoss())) == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize(
        ("loss", "centre"),
        [(nn.MSELoss(), torch.mean), (nn.L1Loss(), torch.median), (F.mse_loss, torch.mean)],
        ids=["mse", "l1", "function"],
    )
    def test_of_numbers_it_is_their_spread_around_the_centre_of_the_training_data(self, loss, centre):
        constant = centre(NUMBERS[:200]).expand(100, 1)
        expected = float(loss(constant, NUMBERS[200:]))
        assert constant_loss(task(1, NUMBERS, loss)) == pytest.approx(expected, rel=0.02)

    def test_of_several_outputs_each_has_its_own(self):
        target = torch.cat([NUMBERS, NUMBERS + 5], 1)
        each = [(target[200:, place] - target[:200, place].mean()).square().mean() for place in (0, 1)]
        assert constant_loss(task(2, target, nn.MSELoss())) == pytest.approx(float(sum(each) / 2), rel=1e-4)

    def test_it_is_not_known_where_no_output_loses_least(self):
        assert constant_loss(task(2, CLASSES, nn.NLLLoss(), nn.LogSoftmax(1))) is None

    def test_nor_where_the_loss_calls_the_model_or_the_output_is_no_tensor(self):
        def own(model, batch):
            return F.mse_loss(model(batch[0]), batch[1])

        class Pair(nn.Linear):
            def forward(self, x):
                return (super().forward(x), x)

        assert constant_loss(task(1, NUMBERS, own)) is None
        paired = sf.Task(lambda: Pair(4, 1), (X, NUMBERS), loss=lambda out, target: F.mse_loss(out[0], target))
        assert constant_loss(paired) is None

    def test_nothing_of_the_users_is_changed(self):
        class Counting(nn.MSELoss):
            calls = 0

            def forward(self, output, target):
                self.calls += 1
                return super().forward(output, target)

        given = task(1, NUMBERS, Counting())
        before = torch.get_rng_state()
        assert constant_loss(given) is not None
        assert given.loss.calls == 0
        assert torch.equal(torch.get_rng_state(), before)


SHORT = {"epochs": 6, "batch_size": 50, "workers": 1, "optimizer": "adam"}


def test_a_search_says_that_nothing_but_a_constant_was_learned():
    labels = torch.randint(2, (300,), generator=torch.Generator().manual_seed(1))
    notes = sf.find(task(2, labels, nn.CrossEntropyLoss()), **SHORT).notes
    assert any(note.startswith("no rate has learned more than a constant yet: over ") for note in notes)


def test_and_does_not_where_more_was():
    learnable = (X[:, 0] > 0).long()
    found = sf.find(task(2, learnable, nn.CrossEntropyLoss()), **SHORT)
    assert found.status == "found"
    assert not any("constant" in note for note in found.notes)
