"""Validation losses where the loss counts examples differently, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.engines.fused import Fused
from surefoot.engines.serial import Serial, validate_model
from surefoot.engines.val_parts import part_weights
from surefoot.engines.validator import Validator
from surefoot.records import Recipe

SIZE = 64
LOSSES = {
    "plain": nn.CrossEntropyLoss(),
    "ignoring": nn.CrossEntropyLoss(ignore_index=2),
    "weighted": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2])),
}


def task(loss):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SIZE, 4, generator=generator)
    y = torch.randint(0, 3, (SIZE,), generator=generator)
    y[:10] = 2  # the first parts hold nothing else
    return sf.Task(lambda: nn.Linear(4, 3), (x, y), (x, y), loss=loss, device="cpu")


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_parts_is_the_loss_over_everything(name):
    given = task(LOSSES[name])
    model = given.make_model(0)
    with torch.no_grad():
        whole = float(given.loss_of(model, given.val.whole))
    recipes = [Recipe(lr=0.1, epochs=1, batch_size=16), Recipe(lr=0.2, epochs=1, batch_size=16)]
    losses, weights, _ = validate_model(given, model)
    assert np.average(losses, weights=weights) == pytest.approx(whole, rel=1e-6)
    for seen in (
        Validator(given)(model, 0),
        Serial(given, recipes).validate(),
        Fused(given, recipes, width=2).validate(),
    ):
        assert seen.loss == pytest.approx(np.full(len(seen.loss), whole), rel=1e-5)
        assert np.isfinite(seen.groups).all()
        assert seen.groups.shape == (len(seen.loss), np.count_nonzero(part_weights(given)))


def test_parts_of_which_nothing_counts_are_left_out():
    weights = part_weights(task(LOSSES["ignoring"]))
    assert weights[:2].tolist() == [0.0, 0.0]
    assert (weights > 0).sum() == 14
    assert part_weights(task(LOSSES["plain"])).tolist() == [4.0] * 16


def test_a_search_takes_such_data():
    found = sf.find(task(LOSSES["ignoring"]), epochs=5, batch_size=64, workers=1)
    assert found.initial_loss is not None
    assert np.isfinite(found.initial_loss)
    ended = [point for point in found.curve if point.fate == "finished"]
    assert ended
    assert all(np.isfinite([point.loss, point.spread]).all() for point in ended)


def test_where_nothing_counts_at_all_the_loss_says_so():
    given = task(nn.CrossEntropyLoss(ignore_index=2))
    given.val.whole[1][:] = 2
    assert np.isnan(Validator(given)(given.make_model(0), 0).loss).all()
