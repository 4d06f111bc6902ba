"""Sources: the examples of a task, reached by index.

A *batch* is what the user's data yields for several examples at once: a tensor, or a tuple, list or dict of tensors.
A *source* has a size and gives the batch of any examples. Tensors are indexed; a Dataset is read item by item and
collated; a DataLoader lends its dataset and its collate function, while order and batch size come from the recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
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
)
from torch.utils.data import Subset as TorchSubset

from surefoot.errors import DataError
from surefoot.tasks.borrowing import borrowed_rng, mixed_seed

__all__ = ["DatasetSource", "Source", "SubsetSource", "TensorSource", "checksum", "make_source", "tensors_of"]

_SAMPLED = 256
"""Examples of a Dataset that the checksum and the checks read; reading all could take hours."""


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
            shapes = ", ".join(str(tuple(leaf.shape)) for leaf in self._leaves)
            raise DataError(f"the tensors of `{name}` have shapes {shapes}; their first dimensions must agree")
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
    if isinstance(data, torch.Tensor | np.ndarray) or _holds_arrays(data):
        return TensorSource(data, name)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes | Mapping):
        if len(data) == 0:
            raise DataError(f"`{name}` is empty; it needs at least one example")
        return _from_dataset(data, default_collate)
    raise DataError(f"`{name}` is {type(data).__name__}; give tensors such as (x, y), a Dataset or a DataLoader")


def _holds_arrays(data: Any) -> bool:
    values = list(data.values()) if isinstance(data, Mapping) else data
    if not isinstance(values, tuple | list) or not values:
        return False
    return all(isinstance(value, torch.Tensor | np.ndarray) or _holds_arrays(value) for value in values)


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
    collate = loader.collate_fn
    if isinstance(loader.dataset, IterableDataset):
        return _read_through(loader, None, name)
    notes: tuple[str, ...] = ()
    if not isinstance(loader.sampler, RandomSampler | SequentialSampler):
        notes = (f"the sampler of the `{name}` loader is not used: every example is drawn once an epoch",)
    if not hasattr(loader.dataset, "__len__"):
        raise DataError(f"the dataset of the `{name}` loader has no length; give one with `__len__`")
    return _from_dataset(loader.dataset, collate if callable(collate) else default_collate, notes)


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
        return leaf.detach()
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
