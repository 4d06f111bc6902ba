"""Two-dimensional convolution with the batch last, as matrix products over tiles that stay in the cache.

The windows of an image [C, H, W, N] form a matrix [C kh kw, positions N], copied tile by tile (`im2col`; Chellapilla,
Puri, Simard 2006): with the batch last each copy moves whole runs of N numbers. On a shared input a tile is copied
once for all members. The gradient of the input is, at stride 1, the same product with the kernel turned round.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from surefoot.engines.stacked.layer import Layer, Site

__all__ = ["Conv2d"]

TILE_BYTES = 1 << 20
"""Size of a tile of windows: with the rows it meets it fits a second-level cache."""

Pair = tuple[int, int]


class _Windows:
    """The windows of images [M, C, H, W, N] in tiles: some images with all their rows, or some rows of one image."""

    def __init__(
        self,
        count: int,
        channels: int,
        padded: Pair,
        out: Pair,
        batch: int,
        kernel: Pair,
        stride: Pair,
        dilation: Pair,
        dtype: torch.dtype,
    ) -> None:
        self._kernel, self._stride, self._dilation = kernel, stride, dilation
        self._channels, self._padded, self._batch, self.out = channels, padded, batch, out
        self.depth = channels * kernel[0] * kernel[1]
        row = self.depth * out[1] * batch * dtype.itemsize
        tiles = -(-out[0] // max(1, min(out[0], TILE_BYTES // row)))
        self.rows = -(-out[0] // tiles)
        whole = self.rows == out[0]
        self.images = max(1, min(count, TILE_BYTES // (row * out[0]))) if whole else 1
        self._direct = kernel == (1, 1) and stride == (1, 1)
        self._count = count
        room = self.images * self.depth * self.rows * out[1] * batch
        self._room = torch.empty(0 if self._direct else room, dtype=dtype)

    def tiles(self, images: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
        """(images, positions, windows [images, depth, positions N]) until all are covered."""
        base = images.stride()
        (kh, kw), (sh, sw), (dh, dw) = self._kernel, self._stride, self._dilation
        shape = (self._count, self._channels, kh, kw, *self.out, self._batch)
        strides = (base[0], base[1], dh * base[2], dw * base[3], sh * base[2], sw * base[3], 1)
        view = images.as_strided(shape, strides)
        width = self.out[1] * self._batch
        for first in range(0, self._count, self.images):
            last = min(first + self.images, self._count)
            for top in range(0, self.out[0], self.rows):
                bottom = min(top + self.rows, self.out[0])
                part = view[first:last, :, :, :, top:bottom]
                if self._direct:
                    windows = part.flatten(4).flatten(1, 3)
                else:
                    windows = self._room[: part.numel()].view(part.shape).copy_(part)
                    windows = windows.view(last - first, self.depth, -1)
                yield slice(first, last), slice(top * width, bottom * width), windows


class Conv2d(Layer):
    """Convolution with one group and zero padding."""

    def __init__(self, site: Site, stride: Pair, padding: Pair, dilation: Pair) -> None:
        super().__init__(site)
        weight = site.weights["weight"]
        self._members, self._out_channels, channels, *_ = weight.shape
        kernel = (weight.shape[3], weight.shape[4])
        _, height, width = site.inputs[0].features
        self._shared = site.inputs[0].shared
        count = 1 if self._shared else self._members
        self._padding = padding
        padded = (height + 2 * padding[0], width + 2 * padding[1])
        out = (site.output.features[1], site.output.features[2])
        self._windows = _Windows(count, channels, padded, out, site.batch, kernel, stride, dilation, site.dtype)
        self._padded = torch.zeros(count, channels, *padded, site.batch, dtype=site.dtype) if any(padding) else None
        self._result = site.empty(site.output)
        self._weight = weight
        rows = self._members * self._out_channels
        self._group = rows if self._shared else self._out_channels
        self._matrix = weight.view(count, self._group, -1)
        if not site.train:
            return
        self._grad_matrix = site.grads["weight"].view(count, self._group, -1)
        # Long sums are twice as fast as [windows, positions] @ [positions, channels] than the other way round.
        self._grad_turned = torch.empty(count, self._windows.depth, self._group, dtype=site.dtype)
        self._turned: _Windows | None = None
        self._input_grad = None
        if self._shared:
            return
        self._input_grad = site.empty(site.inputs[0])
        reach = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True))
        if stride == (1, 1) and min(reach) >= 0:
            self._reach = reach
            frame = (out[0] + 2 * reach[0], out[1] + 2 * reach[1])
            self._framed = torch.zeros(count, self._out_channels, *frame, site.batch, dtype=site.dtype)
            self._turned = _Windows(
                count, self._out_channels, frame, (height, width), site.batch, kernel, (1, 1), dilation, site.dtype
            )  # fmt: skip
        self._scatter = (stride, dilation, kernel)

    def forward(self, *inputs: Tensor) -> Tensor:
        """[K, O, H', W', N] from [K, C, H, W, N] or [C, H, W, N]."""
        images = inputs[0].unsqueeze(0) if self._shared else inputs[0]
        if self._padded is not None:
            top, left = self._padding
            inner = self._padded[:, :, top : top + images.shape[2], left : left + images.shape[3]]
            inner.copy_(images)
            images = self._padded
        self._images = images
        result = self._result.view(len(images), self._group, -1)
        for members, positions, windows in self._windows.tiles(images):
            _product(self._matrix[members], windows, result[members, :, positions])
        if "bias" in self.site.weights:
            self._result.add_(self.site.weights["bias"].view(self._members, -1, 1, 1, 1))
        return self._result

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of weight, bias and input."""
        if "bias" in self.site.weights:
            torch.sum(grad.view(self._members, self._out_channels, -1), 2, out=self.site.grads["bias"])
        flat = grad.view(len(self._images), self._group, -1)
        done: set[int] = set()
        for members, positions, windows in self._windows.tiles(self._images):
            factor = flat[members, :, positions].transpose(1, 2)
            _product(windows, factor, self._grad_turned[members], add=members.start in done)
            done.add(members.start)
        self._grad_matrix.copy_(self._grad_turned.transpose(1, 2))
        return (self._to_input(grad),)

    def _to_input(self, grad: Tensor) -> Tensor | None:
        place = self._input_grad
        if place is None:
            return None
        count, channels = place.shape[:2]
        if self._turned is not None:
            top, left = self._reach
            self._framed[:, :, top : top + grad.shape[2], left : left + grad.shape[3]].copy_(grad)
            turned = self._weight.flip(3, 4).transpose(1, 2).reshape(count, channels, -1)
            flat = place.view(count, channels, -1)
            for members, positions, windows in self._turned.tiles(self._framed):
                _product(turned[members], windows, flat[members, :, positions])
            return place
        return self._scattered(grad, place)

    def _scattered(self, grad: Tensor, place: Tensor) -> Tensor:
        """Each window's gradient added where the window lay."""
        (sh, sw), (dh, dw), (kh, kw) = self._scatter
        top, left = self._padding
        height, width = place.shape[2:4]
        sums = torch.zeros(*place.shape[:2], height + 2 * top, width + 2 * left, place.shape[4], dtype=place.dtype)
        out_h, out_w = grad.shape[2:4]
        for i in range(kh):
            for j in range(kw):
                part = torch.bmm(self._weight[:, :, :, i, j].transpose(1, 2), grad.flatten(2))
                rows = slice(i * dh, i * dh + sh * (out_h - 1) + 1, sh)
                columns = slice(j * dw, j * dw + sw * (out_w - 1) + 1, sw)
                sums[:, :, rows, columns].add_(part.view(*place.shape[:2], out_h, out_w, -1))
        return place.copy_(sums[:, :, top : top + height, left : left + width])


def _product(left: Tensor, right: Tensor, place: Tensor, *, add: bool = False) -> None:
    """`place = left @ right` (or added to it) for stacks of matrices; one matrix takes the faster single product."""
    if len(left) == 1:
        if add:
            place[0].addmm_(left[0], right[0])
        else:
            torch.mm(left[0], right[0], out=place[0])
    elif add:
        place.baddbmm_(left, right)
    else:
        torch.bmm(left, right, out=place)
