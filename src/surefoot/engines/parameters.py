"""Where the numbers of K members live: blocks [K, P] that layers see as tensors and update rules as a whole.

A *block* holds one parameter with two or more dimensions, contiguous so that all members' weights also make one
matrix, or all the smaller parameters side by side. An update rule then works on a handful of blocks, whatever the
number of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["Blocks", "Layout"]


class Layout:
    """The blocks of named tensors.

    Args:
        shapes: name to shape, without the member axis.
        dtype: of all of them.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> None:
        self.shapes, self.dtype = dict(shapes), dtype
        self.blocks: list[list[str]] = [[name] for name, shape in shapes.items() if len(shape) >= 2]
        small = [name for name, shape in shapes.items() if len(shape) < 2]
        if small:
            self.blocks.append(small)
        self.counts = {name: int(torch.Size(shape).numel()) for name, shape in shapes.items()}
        self.widths = [sum(self.counts[name] for name in block) for block in self.blocks]
        self.size = sum(self.widths)
        """Numbers per member."""

    def new(self, members: int, device: torch.device | None = None) -> Blocks:
        """Blocks of zeros for K members."""
        return Blocks(self, [torch.zeros(members, width, dtype=self.dtype, device=device) for width in self.widths])

    def spread(
        self, per_name: Mapping[str, float | Tensor], device: torch.device | None = None
    ) -> list[float | Tensor]:
        """Numbers per parameter as what broadcasts against each block.

        A number per name, or K of them; one number where the whole block has the same, else a tensor [1 or K, P].
        """
        spread: list[float | Tensor] = []
        for block in self.blocks:
            values = [per_name[name] for name in block]
            if not any(isinstance(value, Tensor) for value in values) and len(set(values)) == 1:
                spread.append(values[0])
                continue
            rows = max(len(value) if isinstance(value, Tensor) else 1 for value in values)
            parts = [
                torch.as_tensor(value, dtype=self.dtype, device=device).reshape(-1, 1).expand(rows, self.counts[name])
                for name, value in zip(block, values, strict=True)
            ]
            spread.append(torch.cat(parts, dim=1))
        return spread


class Blocks:
    """Numbers of K members in the blocks of a layout."""

    def __init__(self, layout: Layout, tensors: Sequence[Tensor]) -> None:
        self.layout, self.tensors = layout, list(tensors)

    @property
    def named(self) -> dict[str, Tensor]:
        """Name to a view [K, *shape]."""
        views: dict[str, Tensor] = {}
        for names, tensor in zip(self.layout.blocks, self.tensors, strict=True):
            parts = torch.split(tensor, [self.layout.counts[name] for name in names], dim=1)
            for name, part in zip(names, parts, strict=True):
                views[name] = part.view(len(tensor), *self.layout.shapes[name])
        return views

    def take(self, other: Blocks, members: Tensor) -> None:
        """Copy some members of `other` to here."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            torch.index_select(theirs, 0, members, out=mine)

    def put(self, other: Blocks, members: Tensor) -> None:
        """Copy the members back to their places in `other`."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            theirs.index_copy_(0, members, mine)
