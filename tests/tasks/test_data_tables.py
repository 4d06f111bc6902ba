from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from surefoot.errors import DataError, InputError
from surefoot.tasks.data.penguins import penguins
from surefoot.tasks.data.spirals import spirals
from surefoot.tasks.data.split import Split, divide, standardise
from surefoot.tasks.data.tables import breast_cancer, diabetes, digits, iris, wine
from surefoot.tasks.data.xor import xor

TABLES = {  # function: (training rows, validation rows, inputs, classes), as the docstrings say
    digits: (1438, 359, 64, 10),
    breast_cancer: (455, 114, 30, 2),
    diabetes: (354, 88, 10, 0),
    iris: (120, 30, 4, 3),
    wine: (142, 36, 13, 3),
    penguins: (266, 67, 9, 3),
    spirals: (480, 120, 2, 3),
}


@pytest.mark.parametrize("load", TABLES, ids=lambda load: load.__name__)
def test_table_has_the_documented_size_and_types(load):
    rows, held, inputs, classes = TABLES[load]
    split = load()
    assert split.x.shape == (rows, inputs)
    assert split.xv.shape == (held, inputs)
    assert split.x.dtype == split.xv.dtype == torch.float32
    assert split.classes == classes
    assert split.source
    assert split.licence
    if classes:
        assert split.kind == "classes"
        assert split.y.dtype == split.yv.dtype == torch.int64
        assert set(split.y.tolist()) == set(range(classes))
        assert set(split.yv.tolist()) == set(range(classes))
    else:
        assert split.kind == "regression"
        assert split.y.dtype == torch.float32
        assert split.y.shape == (rows, 1)


@pytest.mark.parametrize("load", TABLES, ids=lambda load: load.__name__)
def test_table_is_standardised_by_its_training_part_alone(load):
    split = load()
    columns = split.x.double() if load is not digits else split.x.double().reshape(-1, 1)
    torch.testing.assert_close(columns.mean(0), torch.zeros(columns.shape[1]).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(columns.std(0, correction=0), torch.ones(columns.shape[1]).double(), atol=1e-5, rtol=0)
    assert split.xv.double().mean(0).abs().max() > 1e-4  # the validation part was not used


@pytest.mark.parametrize("load", [*TABLES, xor], ids=lambda load: load.__name__)
def test_loading_is_the_same_every_time_and_borrows_no_random_state(load):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002  (the global state is what must not move)
    random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    first = load()
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    torch.manual_seed(4)
    second = load()
    for name in ("x", "y", "xv", "yv"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_digits_as_images_are_the_same_numbers():
    flat, images = digits(), digits(flat=False)
    assert images.x.shape == (1438, 1, 8, 8)
    assert torch.equal(images.x.flatten(1), flat.x)
    assert torch.equal(images.xv.flatten(1), flat.xv)
    assert torch.equal(images.y, flat.y)


def test_xor_is_the_truth_table_and_validates_on_itself():
    split = xor()
    assert {(tuple(x.tolist()), y.item()) for x, y in zip(split.x, split.y, strict=True)} == {
        ((0.0, 0.0), 0.0),
        ((0.0, 1.0), 1.0),
        ((1.0, 0.0), 1.0),
        ((1.0, 1.0), 0.0),
    }
    assert torch.equal(split.x, split.xv)
    assert torch.equal(split.y, split.yv)
    assert split.x.data_ptr() != split.xv.data_ptr()
    assert "same four points" in split.source


def test_penguins_keep_their_species_apart():
    split = penguins()
    birds = torch.bincount(torch.cat([split.y, split.yv]))
    assert birds.tolist() == [146, 68, 119]  # complete rows of each species
    flipper = [split.x[split.y == species, 2].mean() for species in range(3)]
    assert flipper[0] < flipper[1] < flipper[2]  # Adelie, Chinstrap, Gentoo
    assert len(split.x[:, 4:7].unique(dim=0)) == 3  # one island each
    assert len(split.x[:, 7:].unique(dim=0)) == 2  # one sex each


def test_spirals_without_noise_lie_on_their_arms():
    split = spirals(arms=2, points=50, turns=0.5, noise=0.0)
    x = torch.cat([split.x, split.xv])
    y = torch.cat([split.y, split.yv])
    # Two arms of half a turn are each other's mirror through the centre, once the shift by the mean is undone.
    middle = (x[y == 0].mean(0) + x[y == 1].mean(0)) / 2
    first = (x[y == 0] - middle)[(x[y == 0] - middle).norm(dim=1).argsort()]
    second = (x[y == 1] - middle)[(x[y == 1] - middle).norm(dim=1).argsort()]
    torch.testing.assert_close(first.norm(dim=1), second.norm(dim=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(first, -second, atol=1e-5, rtol=0)
    assert not torch.equal(spirals(seed=0).x, spirals(seed=1).x)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"arms": 1}, "arms"), ({"points": 0}, "points"), ({"turns": 0.0}, "turns"), ({"noise": float("nan")}, "noise")],
)
def test_spirals_refuse_by_name(options, named):
    with pytest.raises(InputError, match=f"`{named}` is"):
        spirals(**options)


@pytest.mark.parametrize("rows", [2, 3, 10, 151])
def test_divide_gives_every_row_once(rows):
    train, held = divide(rows)
    assert sorted([*train, *held]) == list(range(rows))
    assert len(held) == max(1, round(rows * 0.2))
    assert np.array_equal(divide(rows)[0], train)


def test_divide_refuses_what_cannot_be_divided():
    with pytest.raises(DataError, match="`rows` is 1"):
        divide(1)
    with pytest.raises(DataError, match="`share` is 1"):
        divide(10, share=1.0)


def test_standardise_leaves_constant_columns_at_zero():
    x, xv = standardise(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[2.0, 6.0]]))
    assert x.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert xv.tolist() == [[0.0, 1.0]]


def test_split_refuses_parts_that_do_not_fit():
    x, y = torch.zeros(3, 2), torch.zeros(3)
    with pytest.raises(DataError, match="validation part has 3 inputs but 2 targets"):
        Split(x, y, x, y[:2], "regression", 0, "a test", "none")
    with pytest.raises(DataError, match="training part is empty"):
        Split(x[:0], y[:0], x, y, "regression", 0, "a test", "none")
