"""Examples by index, whatever they come in; and checksums that tell data apart."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, WeightedRandomSampler

from surefoot.errors import DataError
from surefoot.tasks.sources import DatasetSource, SubsetSource, TensorSource, checksum, make_source

N = 11
X = torch.arange(N * 2, dtype=torch.float32).reshape(N, 2)
Y = torch.arange(N)
SOME = torch.tensor([7, 0, 3])


class Items(Dataset):
    def __init__(self, count=N, noise=0.0):
        self.count, self.noise = count, noise

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if not 0 <= place < self.count:
            raise IndexError(place)
        jitter = self.noise * (torch.rand(()) + random.random() + np.random.rand())  # noqa: NPY002
        return X[place % N] + jitter, place


class Stream(IterableDataset):
    def __init__(self, count=N):
        self.count = count

    def __iter__(self):
        return iter([(X[place], place) for place in range(self.count)])


FORMS = {
    "tensors": (X, Y),
    "list of arrays": [X.numpy(), Y.numpy()],
    "TensorDataset": TensorDataset(X, Y),
    "Dataset": Items(),
    "list of items": [(X[place], place) for place in range(N)],
    "Subset": Subset(TensorDataset(torch.cat([X, X]), torch.cat([Y, Y])), range(N)),
    "DataLoader": DataLoader(Items(), batch_size=4, shuffle=True),
    "DataLoader of tensors": DataLoader(TensorDataset(X, Y), batch_size=2),
    "stream": Stream(),
    "DataLoader of a stream": DataLoader(Stream(), batch_size=4),
}


class TestForms:
    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_all_give_the_same_examples(self, form):
        source = make_source(form, "train")
        assert source.size == N
        x, y = source.batch(SOME)
        assert torch.equal(x, X[SOME])
        assert torch.equal(y, Y[SOME])

    @pytest.mark.parametrize("data", [{"x": X, "y": Y}, (X, (X, Y)), X, {"a": {"b": [X, Y]}}], ids=range(4))
    def test_the_structure_is_kept(self, data):
        batch = make_source(data, "train").batch(SOME)
        taken = torch.utils._pytree.tree_map(lambda leaf: leaf[SOME], data)
        assert str(batch) == str(taken)
        assert type(batch) is type(data)

    def test_a_source_is_itself(self):
        source = make_source((X, Y), "train")
        assert make_source(source, "train") is source
        subset = SubsetSource(source, SOME)
        assert make_source(subset, "val") is subset

    def test_streams_and_samplers_are_noted(self):
        assert "is a stream: its 11 examples were read once" in make_source(Stream(), "train").notes[0]
        weighted = DataLoader(Items(), sampler=WeightedRandomSampler([1.0] * N, N))
        assert "the sampler of the `train` loader is not used" in make_source(weighted, "train").notes[0]
        assert make_source(DataLoader(Items(), shuffle=True), "train").notes == ()

    def test_a_loader_lends_its_collate_function(self):
        loader = DataLoader(Items(), collate_fn=lambda items: {"sum": torch.stack([x.sum() for x, _ in items])})
        assert make_source(loader, "train").batch(SOME)["sum"].tolist() == X[SOME].sum(1).tolist()


class TestSubsets:
    def test_examples_of_examples(self):
        inner = SubsetSource(make_source((X, Y), "train"), torch.tensor([2, 4, 6, 8]))
        outer = SubsetSource(inner, torch.tensor([3, 1]))
        assert outer.size == 2
        assert outer.batch(torch.tensor([0, 1]))[1].tolist() == [8, 4]
        assert outer.in_memory("train").batch(torch.tensor([1]))[1].tolist() == [4]
        assert outer.in_memory("train").rows.tolist() == [3, 1]


class TestRandomTransforms:
    def test_they_come_from_the_seed_and_leave_the_callers_stream(self, borrowed):
        source = make_source(Items(noise=1.0), "train")
        with borrowed(X):
            first, again, other = (source.batch(SOME, seed)[0] for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert not torch.equal(source.batch(SOME, 1)[0], source.batch(SOME.flip(0), 1)[0].flip(0))


class TestMemory:
    def test_tensors_are_shared_not_copied(self):
        source = make_source((X, Y), "train")
        assert source.whole[0].data_ptr() == X.data_ptr()
        assert source.to(torch.device("cpu")).whole[0].data_ptr() == X.data_ptr()
        array = np.ones((3, 2), dtype=np.float32)
        assert make_source((array,), "train").whole[0].data_ptr() == array.ctypes.data

    def test_a_batch_is_a_copy(self):
        x = X.clone()
        make_source((x, Y), "train").batch(torch.arange(N))[0].zero_()
        assert torch.equal(x, X)

    def test_gradients_of_the_users_tensors_are_not_tracked(self):
        source = make_source((X.clone().requires_grad_(), Y), "train")
        assert not source.batch(SOME)[0].requires_grad


class TestChecksum:
    def test_it_tells_values_types_shapes_and_order_apart(self):
        different = [
            [make_source((X, Y), "train")],
            [make_source((X + 1e-6 * (Y == 3)[:, None], Y), "train")],
            [make_source((X.double(), Y), "train")],
            [make_source((X.reshape(N, 2, 1), Y), "train")],
            [make_source((X.flip(0), Y), "train")],
            [make_source((X, Y), "train"), make_source((X, Y), "train")],
        ]
        sums = [checksum(sources) for sources in different]
        assert len(set(sums)) == len(sums)
        assert all(len(one) == 64 for one in sums)

    def test_it_is_the_same_for_the_same_examples(self):
        assert checksum([make_source(TensorDataset(X, Y), "a")]) == checksum([make_source((X, Y), "b")])
        assert checksum([make_source((X, Y), "a")]) == checksum([make_source((X.t().contiguous().t(), Y), "a")])

    def test_a_long_dataset_is_sampled_and_that_is_said(self):
        assert checksum([make_source(Items(256), "train")]) == checksum([make_source(Items(256), "train")])
        assert checksum([make_source(Items(300), "train")]).endswith(" (of 256 examples per Dataset)")


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (None, "`train` is NoneType; give tensors such as (x, y), a Dataset or a DataLoader"),
            (5, "`train` is int"),
            ("digits", "`train` is str"),
            ((), "`train` is empty"),
            ({}, "`train` is dict"),
            ((X[:0], Y[:0]), "`train` is empty; it needs at least one example"),
            (Items(0), "`train` is empty"),
            (Stream(0), "`train` is empty"),
            ((X, Y[:3]), "the tensors of `train` have shapes (11, 2), (3,); their first dimensions must agree"),
            ((X, torch.tensor(1.0)), "have shapes (11, 2), ()"),
            ((np.array([None, 1]),), "`train` holds a ndarray; tensors or arrays are needed"),
            ((np.array(["a", "b"]),), "`train` holds an array of type <U1, which torch does not have"),
        ],
        ids=range(12),
    )
    def test_data_that_holds_no_examples(self, data, said):
        with pytest.raises(DataError) as caught:
            make_source(data, "train")
        assert said in str(caught.value)

    def test_a_stream_of_batches_that_do_not_fit_together(self):
        class Ragged(IterableDataset):
            def __iter__(self):
                return iter([torch.zeros(2, 3), torch.zeros(2, 4)])

        with pytest.raises(DataError, match="the batches of `train` do not fit together"):
            make_source(DataLoader(Ragged(), batch_size=None), "train")


def test_kinds_of_sources():
    assert isinstance(make_source((X, Y), "train"), TensorSource)
    assert isinstance(make_source(Items(), "train"), DatasetSource)
