"""Data in plain lists and tuples: columns or examples, and what is said where it is neither or could be both."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset

from surefoot.errors import DataError
from surefoot.tasks.sources import DatasetSource, TensorSource, make_source

N = 7
X = torch.arange(N * 2, dtype=torch.float32).reshape(N, 2)
Y = torch.arange(N)
SOME = torch.tensor([5, 0, 3])


class Table:
    """What NumPy takes for an array, as tables of other libraries are."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values.numpy()


class Items(Dataset):
    """Examples, or batches of two examples where `batches` says so."""

    def __init__(self, batches=False):
        self.batches = batches

    def __len__(self):
        return (N + 1) // 2 if self.batches else N

    def __getitem__(self, place):
        if not 0 <= place < len(self):
            raise IndexError(place)
        if self.batches:
            return X[2 * place : 2 * place + 2], Y[2 * place : 2 * place + 2]
        return X[place], int(place)


class Stream(IterableDataset):
    def __init__(self, batches=False):
        self.items = Items(batches)

    def __iter__(self):
        return (self.items[place] for place in range(len(self.items)))


FORMS = {
    "pairs of tensors": [(X[place], Y[place]) for place in range(N)],
    "a tuple of pairs": tuple((X[place], Y[place]) for place in range(N)),
    "pairs as lists": [[X[place], Y[place]] for place in range(N)],
    "pairs of arrays": [(X[place].numpy(), Y[place].numpy()) for place in range(N)],
    "a row and a number": [(X[place].tolist(), place) for place in range(N)],
    "columns": (X.tolist(), Y.tolist()),
    "columns in a list": [X.tolist(), Y.tolist()],
    "a tensor and a list": (X, Y.tolist()),
    "lists of tensors": (list(X), list(Y)),
    "a list of tensors and a tensor": (list(X), Y),
    "a list of arrays and a list": (list(X.numpy()), Y.tolist()),
    "tables": (Table(X), Table(Y)),
    "a loader that yields examples": DataLoader(Items(), batch_size=None),
    "a loader that yields tensors' rows": DataLoader(TensorDataset(X, Y), batch_size=None),
    "a loader that yields batches": DataLoader(Items(batches=True), batch_size=None),
    "a loader with a sampler of batches": DataLoader(
        TensorDataset(X, Y), batch_size=None, sampler=BatchSampler(SequentialSampler(X), 3, False)
    ),
    "a stream of examples": DataLoader(Stream(), batch_size=None),
    "a stream of batches": DataLoader(Stream(batches=True), batch_size=None),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_all_give_the_same_examples(form):
    source = make_source(form, "train")
    assert source.size == N
    x, y = source.batch(SOME)
    assert torch.equal(x, X[SOME])
    assert torch.equal(y, Y[SOME])
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


def test_examples_and_columns_with_names_keep_them():
    Pair = namedtuple("Pair", ["x", "y"])
    assert make_source([Pair(X[place], place) for place in range(N)], "train").batch(SOME).y.tolist() == SOME.tolist()
    for data in ([{"x": X[place], "y": place} for place in range(N)], {"x": X.tolist(), "y": Y.tolist()}):
        batch = make_source(data, "train").batch(SOME)
        assert torch.equal(batch["x"], X[SOME])
        assert batch["y"].tolist() == SOME.tolist()


def test_pairs_of_sequences_of_one_length_are_examples_unless_there_are_two():
    rows = torch.arange(24.0).reshape(6, 4)
    x, y = make_source([(row, row + 1) for row in rows], "train").batch(torch.tensor([4]))
    assert torch.equal(x, rows[4:5])
    assert torch.equal(y, rows[4:5] + 1)
    nested = make_source([(X, X), (Y, Y)], "train")  # as tensors in a list always were
    assert nested.size == N


def test_what_fits_no_table_is_read_one_by_one():
    words = [("a", 1), ("b", 2)]
    source = make_source(words, "train")
    assert isinstance(source, DatasetSource)
    assert source.batch(torch.tensor([1, 0]))[0] == ("b", "a")
    ragged = make_source([(X[0], 0), (X[1, :1], 1), (X[2], 2)], "train")
    assert isinstance(ragged, DatasetSource)
    assert isinstance(make_source(FORMS["pairs of tensors"], "train"), TensorSource)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "`train` is empty"),
        (([], []), "`train` is empty"),
        (([[1.0, 2.0], [3.0]], [0, 1]), "holds lists that are no tables of numbers with a row an example"),
        ((X.tolist(), [0, 1]), "give tensors, (torch.as_tensor(x), torch.as_tensor(y))"),
        ((X, ["a"] * N), "no tables of numbers"),
        ([[1.0, 0], [2.0, 1]], "`train` is a list of 2 lists of 2, which could be examples or columns"),
        ({"x": X, "y": ["a"] * N}, "`train['y']` is list and no table of numbers"),
        (zip(X, Y, strict=True), "`train` is a zip, which can be read only once; give list(…) of it"),
        ((X.to_sparse(), Y), "`train` holds a sparse tensor; make it dense, x.to_dense()"),
        ([*X, X[0, :1]], "have shapes (2,), (2,), (2,), (2,), (2,), (2,) and 2 more; their first dimensions"),
        (DataLoader(TensorDataset(X[:0]), batch_size=None), "`train` is empty"),
    ],
    ids=range(11),
)
def test_what_cannot_be_read_is_said_in_one_short_line(data, said):
    with pytest.raises(DataError) as caught:
        make_source(data, "train")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_loader_without_a_batch_size_may_leave_it_open():
    class Rows(Dataset):
        def __len__(self):
            return N

        def __getitem__(self, place):
            return X[place], X[place]

    with pytest.raises(DataError, match=r"an example or a batch \(shapes \(2,\), \(2,\)\); give it a batch_size"):
        make_source(DataLoader(Rows(), batch_size=None), "train")


def test_a_loaders_own_function_changes_each_example():
    loader = DataLoader(Items(), batch_size=None, collate_fn=lambda item: (item[0] * 2, np.int64(item[1])))
    x, y = make_source(loader, "train").batch(SOME)
    assert torch.equal(x, X[SOME] * 2)
    assert y.tolist() == SOME.tolist()
