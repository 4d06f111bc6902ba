"""Sources: the examples of a task, reached by index.

A *batch* is what the user's data yields for several examples at once: a tensor, or a tuple, list or dict of tensors.
A *source* has a size and gives the batch of any examples. Tensors are indexed; a Dataset is read item by item and
collated; a DataLoader lends its dataset and its collate function, while order and batch size come from the recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils import _pytree as pytree
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
    default_convert,
)
from torch.utils.data import Subset as TorchSubset

from surefoot.errors import DataError
from surefoot.tasks.borrowing import borrowed_rng, mixed_seed
from surefoot.tasks.listed_data import is_array, tensors_in

__all__ = ["DatasetSource", "Source", "SubsetSource", "TensorSource", "checksum", "make_source", "tensors_of"]

_SAMPLED = 256
"""Examples of a Dataset that the checksum and the checks read; reading all could take hours."""


_LISTED = 6
"""Shapes that an error lists."""


class Source(Protocol):
    """Examples by index."""

    size: int
    notes: tuple[str, ...]

    def batch(self, index: torch.Tensor, seed: int = 0) -> Any:
        """The examples at `index` (int64, one dimension) as one batch.

        `seed` fixes whatever is random in the user's transforms.
        """
        ...


class TensorSource:
    """Tensors in memory whose first dimension counts examples."""

    def __init__(self, tensors: Any, name: str) -> None:
        leaves, self._spec = pytree.tree_flatten(tensors)
        self._leaves = [_as_tensor(leaf, name) for leaf in leaves]
        if not self._leaves:
            raise DataError(f"`{name}` holds no tensor")
        sizes = {len(leaf) if leaf.ndim else -1 for leaf in self._leaves}
        if -1 in sizes or len(sizes) > 1:
            shapes = [str(tuple(leaf.shape)) for leaf in self._leaves]
            more = f" and {len(shapes) - _LISTED} more" if len(shapes) > _LISTED else ""
            raise DataError(
                f"the tensors of `{name}` have shapes {', '.join(shapes[:_LISTED])}{more}; their first dimensions "
                "must agree"
            )
        self.size = sizes.pop()
        self.notes: tuple[str, ...] = ()
        self.rows: torch.Tensor | None = None
        """Place of each example in what the user gave; None where it is the same."""

    def batch(self, index: torch.Tensor, seed: int = 0) -> Any:  # noqa: ARG002
        """Rows of every tensor."""
        return pytree.tree_unflatten([leaf[index] for leaf in self._leaves], self._spec)

    def batches(self, indices: Sequence[torch.Tensor]) -> list[Any]:
        """One batch for each of the indices, all read at once."""
        rows = torch.cat(list(indices))
        parts = [torch.split(leaf[rows], [len(one) for one in indices]) for leaf in self._leaves]
        return [pytree.tree_unflatten(list(leaves), self._spec) for leaves in zip(*parts, strict=True)]

    def to(self, device: torch.device) -> TensorSource:
        """The same examples on `device`; shares memory where they are there already."""
        moved = object.__new__(TensorSource)
        moved._spec, moved.size, moved.notes, moved.rows = self._spec, self.size, self.notes, self.rows
        moved._leaves = [leaf.to(device) for leaf in self._leaves]
        return moved

    @property
    def whole(self) -> Any:
        """All examples as one batch, sharing memory."""
        return pytree.tree_unflatten(self._leaves, self._spec)


class DatasetSource:
    """A map-style Dataset and a collate function."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any], notes: tuple[str, ...] = ()) -> None:
        self._dataset, self._collate = dataset, collate
        self.size = len(dataset)
        self.notes = notes

    def batch(self, index: torch.Tensor, seed: int = 0) -> Any:
        """Items read one by one, under a seed of their own, and collated."""
        with borrowed_rng(mixed_seed(seed, int(index[0]) if len(index) else 0)):
            return self._collate([self._dataset[int(i)] for i in index])


class SubsetSource:
    """Some examples of another source."""

    def __init__(self, source: Source, index: torch.Tensor) -> None:
        self.source, self.rows = source, index
        self.size = len(index)
        self.notes = source.notes

    def batch(self, index: torch.Tensor, seed: int = 0) -> Any:
        """Examples of the subset, by their place in it."""
        return self.source.batch(self.rows[index], seed)

    def in_memory(self, name: str) -> TensorSource:
        """The same examples as tensors of their own."""
        kept = TensorSource(self.source.batch(self.rows), name)
        kept.rows, kept.notes = self.rows, self.notes
        return kept


def make_source(data: Any, name: str) -> Source:
    """Wrap what a user gives as `train` or `val`.

    Raises:
        DataError: nothing that holds examples, or no examples in it.
    """
    if isinstance(data, TensorSource | DatasetSource | SubsetSource):
        return data
    source = _wrap(data, name)
    if source.size == 0:
        raise DataError(f"`{name}` is empty; it needs at least one example")
    return source


def _wrap(data: Any, name: str) -> Source:
    if isinstance(data, DataLoader):
        return _from_loader(data, name)
    if isinstance(data, IterableDataset):
        return _read_through(data, default_collate, name)
    if isinstance(data, TensorDataset):
        return TensorSource(tuple(data.tensors), name)
    if isinstance(data, Dataset) and hasattr(data, "__len__"):
        return _from_dataset(data, default_collate)
    if is_array(data):
        return TensorSource(data, name)
    if isinstance(data, list | tuple | Mapping):
        tensors = tensors_in(data, name)
        if tensors is not None:
            return TensorSource(tensors, name)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes | Mapping):
        if len(data) == 0:
            raise DataError(f"`{name}` is empty; it needs at least one example")
        return _from_dataset(data, default_collate)
    if isinstance(data, Iterator):
        raise DataError(f"`{name}` is a {type(data).__name__}, which can be read only once; give list(…) of it")
    raise DataError(f"`{name}` is {type(data).__name__}; give tensors such as (x, y), a Dataset or a DataLoader")


def _from_dataset(dataset: Any, collate: Callable[[list[Any]], Any], notes: tuple[str, ...] = ()) -> Source:
    if collate is default_collate and isinstance(dataset, TorchSubset) and isinstance(dataset.dataset, TensorDataset):
        index = torch.as_tensor(list(dataset.indices), dtype=torch.int64)
        whole = TensorSource(tuple(dataset.dataset.tensors), "data")
        kept = TensorSource(whole.batch(index), "data")
        kept.notes = notes
        return kept
    if collate is default_collate and isinstance(dataset, TensorDataset):
        plain = TensorSource(tuple(dataset.tensors), "data")
        plain.notes = notes
        return plain
    return DatasetSource(dataset, collate, notes)


def _from_loader(loader: DataLoader[Any], name: str) -> Source:
    collate: Any = loader.collate_fn
    if loader.batch_sampler is None:
        if not isinstance(loader.dataset, TensorDataset) and _holds_batches(_first_of(loader, name), name):
            return _read_through(loader, None, name)
        collate = default_collate if collate is default_convert else _collate_after(collate)
    if isinstance(loader.dataset, IterableDataset):
        alone = loader.batch_sampler is None  # the loader has changed each example already
        return _read_through(loader, default_collate if alone else None, name)
    notes: tuple[str, ...] = ()
    if not isinstance(loader.sampler, RandomSampler | SequentialSampler):
        notes = (f"the sampler of the `{name}` loader is not used: every example is drawn once an epoch",)
    if not hasattr(loader.dataset, "__len__"):
        raise DataError(f"the dataset of the `{name}` loader has no length; give one with `__len__`")
    return _from_dataset(loader.dataset, collate if callable(collate) else default_collate, notes)


def _first_of(loader: DataLoader[Any], name: str) -> Any:
    """The first that a loader without a batch size yields."""
    with borrowed_rng(0):
        if isinstance(loader.dataset, IterableDataset):
            for item in loader.dataset:
                return loader.collate_fn(item)
        else:
            for index in loader.sampler:
                return loader.collate_fn(loader.dataset[index])
    raise DataError(f"`{name}` is empty; it needs at least one example")


def _holds_batches(item: Any, name: str) -> bool:
    """Whether what a loader without a batch size yields is a batch already, not one example."""
    leaves = pytree.tree_leaves(item)
    sizes = [tuple(leaf.shape) for leaf in leaves if isinstance(leaf, torch.Tensor)]
    single = any(isinstance(leaf, int | float | np.generic) for leaf in leaves) or () in sizes
    if single or len({shape[0] for shape in sizes}) != 1:
        return False
    if all(len(shape) == 1 for shape in sizes):
        raise DataError(
            f"the loader of `{name}` has no batch size, and what it yields may be an example or a batch (shapes "
            f"{', '.join(map(str, sizes[:_LISTED]))}); give it a batch_size"
        )
    return True


def _collate_after(change: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    return lambda items: default_collate([change(item) for item in items])


def _read_through(stream: Iterable[Any], collate: Callable[[list[Any]], Any] | None, name: str) -> Source:
    """Read a stream once and keep it: rates can only be compared on the same examples."""
    with borrowed_rng(0):
        items = list(stream)
    if not items:
        raise DataError(f"`{name}` is empty; it needs at least one example")
    if collate is not None:
        source: Source = TensorSource(collate(items), name)
    else:
        try:
            source = TensorSource(pytree.tree_map(lambda *leaves: torch.cat(leaves), items[0], *items[1:]), name)
        except (RuntimeError, TypeError, ValueError):
            raise DataError(f"the batches of `{name}` do not fit together; give a map-style Dataset instead") from None
    source.notes = (f"`{name}` is a stream: its {source.size} examples were read once and kept in memory",)
    return source


def _as_tensor(leaf: Any, name: str) -> torch.Tensor:
    if isinstance(leaf, torch.Tensor):
        if leaf.is_nested:
            raise DataError(
                f"`{name}` holds a nested tensor; make its rows of one length, torch.nested.to_padded_tensor"
            )
        if leaf.layout != torch.strided:
            raise DataError(f"`{name}` holds a sparse tensor; make it dense, x.to_dense()")
        return leaf.detach()
    if is_array(leaf) and not isinstance(leaf, np.ndarray):
        leaf = np.asarray(leaf)
    if isinstance(leaf, np.ndarray) and leaf.dtype != object:
        try:
            return torch.from_numpy(np.ascontiguousarray(leaf))
        except TypeError:
            raise DataError(f"`{name}` holds an array of type {leaf.dtype}, which torch does not have") from None
    raise DataError(f"`{name}` holds a {type(leaf).__name__}; tensors or arrays are needed")


def tensors_of(batch: Any) -> list[torch.Tensor]:
    """All tensors of a batch, in a fixed order."""
    return [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, torch.Tensor)]


def checksum(sources: Sequence[Source]) -> str:
    """SHA-256 over the examples of the sources; of a Dataset, over evenly spaced ones, and then it says so."""
    digest, sampled = hashlib.sha256(), False
    for source in sources:
        if isinstance(source, DatasetSource) and source.size > _SAMPLED:
            index = torch.linspace(0, source.size - 1, _SAMPLED).long()
            sampled = True
        else:
            index = torch.arange(source.size)
        for leaf in tensors_of(source.batch(index)):
            digest.update(f"{leaf.dtype}{tuple(leaf.shape)}".encode())
            digest.update(leaf.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest() + (f" (of {_SAMPLED} examples per Dataset)" if sampled else "")
