"""The order of the batches: every example once an epoch, the same at any step whoever asks."""

from __future__ import annotations

import pytest
import torch

from surefoot.engines.batches import BatchOrder, steps_of
from surefoot.errors import RecipeError
from surefoot.records import Recipe


@pytest.mark.parametrize(("size", "batch_size"), [(10, 3), (10, 5), (7, 1), (8, 7)])
def test_an_epoch_shows_every_example_once(size, batch_size):
    order = BatchOrder(size, batch_size, seed=3)
    for epoch in range(3):
        batches = [order.index(epoch * order.per_epoch + place) for place in range(order.per_epoch)]
        assert sorted(torch.cat(batches).tolist()) == list(range(size))
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (order.per_epoch - 1)
        assert len(batches[-1]) == (size % batch_size or batch_size)


def test_epochs_and_seeds_differ_and_numbers_decide():
    order, again, other = BatchOrder(50, 50 - 1, 1), BatchOrder(50, 49, 1), BatchOrder(50, 49, 2)
    first, second = order.index(0), order.index(2)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other.index(0))
    # Asked out of order, as after a resume.
    assert torch.equal(again.index(2), second)
    assert torch.equal(again.index(0), first)


@pytest.mark.parametrize("batch_size", ["full", 6])
def test_a_full_batch_is_the_data_in_its_order(batch_size):
    order = BatchOrder(6, batch_size, 0)
    assert order.per_epoch == 1
    assert [order.index(number).tolist() for number in (0, 5)] == [list(range(6))] * 2


def test_the_global_random_state_is_not_used():
    before = torch.get_rng_state()
    expected = BatchOrder(20, 4, 7).index(3)
    torch.rand(5)
    assert torch.equal(BatchOrder(20, 4, 7).index(3), expected)
    torch.set_rng_state(before)
    BatchOrder(20, 4, 7).index(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(
        RecipeError, match='`batch_size` is 7 and the training data has 6 examples; take at most 6, or "full"'
    ):
        BatchOrder(6, 7, 0)


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        (Recipe(batch_size=10, epochs=3), (30, 10.0)),
        (Recipe(batch_size=30, epochs=3), (12, 4.0)),
        (Recipe(batch_size=10, epochs=3, accumulate=2), (15, 5.0)),
        (Recipe(batch_size=10, epochs=3, accumulate=4), (8, 2.5)),
        (Recipe(batch_size="full", epochs=7.4), (7, 1.0)),
        (Recipe(batch_size="full", epochs=0.01), (1, 1.0)),
    ],
)
def test_steps_of_a_recipe(recipe, steps):
    assert steps_of(recipe, 100) == steps
