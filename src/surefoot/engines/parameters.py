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
        apart: block numbers may differ for these, whatever their shape.
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

    def new(self, members: int) -> Blocks:
        """Blocks of zeros for K members."""
        return Blocks(self, [torch.zeros(members, width, dtype=self.dtype) for width in self.widths])

    def columns(self, per_name: Mapping[str, float], default: float) -> list[float | Tensor]:
        """A number per parameter, as one number or a tensor [P] per block."""
        columns: list[float | Tensor] = []
        for block in self.blocks:
            values = [per_name.get(name, default) for name in block]
            if len(set(values)) == 1:
                columns.append(values[0])
            else:
                columns.append(
                    torch.cat([
                        torch.full((self.counts[name],), value, dtype=self.dtype)
                        for name, value in zip(block, values, strict=True)
                    ])
                )  # fmt: skip
        return columns


class Blocks:
    """Numbers of K members in the blocks of a layout."""

    def __init__(self, layout: Layout, tensors: Sequence[Tensor]) -> None:
        self.layout, self.tensors = layout, list(tensors)

    @property
    def named(self) -> dict[str, Tensor]:
        """Name to a view [K, *shape]."""
        views: dict[str, Tensor] = {}
        for names, tensor in zip(self.layout.blocks, self.tensors, strict=True):
            parts = tensor.split([self.layout.counts[name] for name in names], dim=1)
            for name, part in zip(names, parts, strict=True):
                views[name] = part.view(len(tensor), *self.layout.shapes[name])
        return views

    def load(self, rows: Tensor) -> None:
        """Take over members from rows [K, P] (see `rows`)."""
        for tensor, part in zip(self.tensors, rows.split(self.layout.widths, dim=1), strict=True):
            tensor.copy_(part)

    def rows(self) -> Tensor:
        """All numbers, one row [P] per member, block after block."""
        return torch.cat(self.tensors, dim=1)

    def save(self, rows: Tensor) -> None:
        """Write the members into rows [K, P]."""
        torch.cat(self.tensors, dim=1, out=rows)
