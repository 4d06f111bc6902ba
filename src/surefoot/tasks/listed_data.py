"""Data in lists and tuples: columns, one for each part of an example, or examples, one after the other.

``([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0, 1, 0])`` are two columns, ``[(x0, y0), (x1, y1)]`` two examples. What could
be either is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from surefoot.errors import DataError

__all__ = ["is_array", "tensors_in"]

_FEW = 3
"""Parts that an example usually has at most: as many pairs of arrays are examples rather than columns."""


def is_array(value: Any) -> bool:
    """Whether `value` is a tensor, or what NumPy takes for an array, such as a table of pandas."""
    return isinstance(value, torch.Tensor | np.ndarray) or (
        hasattr(value, "__array__") and hasattr(value, "__len__") and not isinstance(value, np.generic)
    )


def tensors_in(data: Any, name: str) -> Any:
    """Tensors or arrays whose first dimension counts examples, in the structure of a batch.

    Args:
        data: a list, tuple or dict.
        name: `train` or `val`, for errors.

    Returns:
        None where the examples have to be read one by one.

    Raises:
        DataError: columns that hold no numbers or differ in length, or lists that may be columns or examples.
    """
    if isinstance(data, Mapping):
        return data if _holds_arrays(data) else _columns_of_dict(data, name)
    if all(isinstance(part, list | tuple) and not part for part in data):
        raise DataError(f"`{name}` is empty; it needs at least one example")
    columns, examples = _as_columns(data), _as_examples(data)
    if columns is not None and examples is not None:
        return _the_meant_one(data, columns, examples, name)
    if columns is not None or examples is not None:
        return examples if columns is None else columns
    if all(is_array(part) for part in data):
        return data  # whose sizes differ, which is told where they are counted
    if len(data) <= _FEW and all(is_array(part) or isinstance(part, list) for part in data):
        raise _no_table(name)
    return None


def _the_meant_one(data: Sequence[Any], columns: Any, examples: Any, name: str) -> Any:
    if _holds_arrays(data):
        return columns if len(data) < _FEW else examples
    if all(isinstance(part, tuple) for part in data):
        return examples
    length = len(pytree.tree_leaves(columns)[0])
    if len(data) != length:
        return columns if len(data) < length else examples
    if isinstance(data, tuple):
        return columns
    raise DataError(
        f"`{name}` is a list of {length} lists of {length}, which could be examples or columns; give columns as "
        "(torch.as_tensor(x), torch.as_tensor(y)), or examples as a list of (x, y) tuples"
    )


def _holds_arrays(data: Any) -> bool:
    values = list(data.values()) if isinstance(data, Mapping) else data
    if not isinstance(values, tuple | list) or not values:
        return False
    return all(is_array(value) or _holds_arrays(value) for value in values)


def _as_columns(data: Sequence[Any]) -> Any:
    """Columns of one length; None where these are none."""
    if _holds_arrays(data) and len({_length(leaf) for leaf in pytree.tree_leaves(data)}) == 1:
        return data
    parts = [_column(part) for part in data]
    lengths = {None if part is None else len(part) for part in parts}
    if len(parts) < 2 or len(lengths) != 1 or None in lengths:
        return None
    return tuple(parts)


def _columns_of_dict(data: Mapping[Any, Any], name: str) -> Any:
    if not data:
        return None
    columns = {}
    for key, values in data.items():
        columns[key] = values if _holds_arrays(values) else _column(values)
        if columns[key] is None:
            raise DataError(
                f"`{name}[{key!r}]` is {type(values).__name__} and no table of numbers; give a tensor, "
                "torch.as_tensor(…), or leave it out"
            )
    return columns


def _as_examples(data: Sequence[Any]) -> Any:
    """The parts of examples of one structure, each put together; None where these are none."""
    if not _alike(data):
        return None
    first = data[0]
    if isinstance(first, Mapping):
        named = {key: _column([one[key] for one in data]) for key in first}
        return None if any(part is None for part in named.values()) else named
    parts = [_column([one[place] for one in data]) for place in range(len(first))]
    if len(parts) < 2 or any(part is None for part in parts):
        return None
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


def _alike(data: Sequence[Any]) -> bool:
    """Whether all are tuples, lists or dicts of the same parts."""
    first = data[0]
    if isinstance(first, Mapping):
        return all(isinstance(one, Mapping) and one.keys() == first.keys() for one in data)
    return isinstance(first, tuple | list) and all(
        isinstance(one, type(first)) and len(one) == len(first) for one in data
    )


def _column(values: Any) -> torch.Tensor | np.ndarray[Any, Any] | None:
    """Values of one shape as a tensor; None where they are none."""
    if is_array(values):
        return values if _length(values) else None
    if not isinstance(values, list | tuple) or not values:
        return None
    first = values[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # slow lists of arrays are what there is
            if isinstance(first, torch.Tensor):
                return torch.stack([value.detach() for value in values])
            if isinstance(first, np.ndarray):
                return torch.from_numpy(np.stack(values))
            return torch.as_tensor(values)
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None


def _length(array: Any) -> int:
    """Rows of an array; 0 for a single number."""
    try:
        return len(array)
    except TypeError:
        return 0


def _no_table(name: str) -> DataError:
    return DataError(
        f"`{name}` holds lists that are no tables of numbers with a row an example; give tensors, "
        "(torch.as_tensor(x), torch.as_tensor(y)), or a list of (x, y) tuples"
    )
