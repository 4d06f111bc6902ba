"""Tiny text: a few pages of plain prose, cut into windows of characters, for models that guess the next one."""

from __future__ import annotations

from importlib import resources

import torch
from torch import Tensor

from surefoot.errors import InputError
from surefoot.tasks.data.split import VALIDATION_SHARE, Split

__all__ = ["alphabet", "prose", "tiny_text"]


def tiny_text(*, length: int = 32, stride: int = 8) -> Split:
    """Windows of characters and the characters that follow: 20,345 characters, 63 different ones.

    Input and target have shape (n, length) and hold int64 codes, the place of each character in `alphabet()`; the
    target is the input moved on by one. The validation part is the last fifth of the text, in windows that do not
    overlap: windows drawn at random would share characters with the training part.

    Args:
        length: characters in a window, from 1 up to a tenth of the text.
        stride: characters from the start of one training window to the start of the next, 1 or more.

    Raises:
        InputError: if an argument is out of its range.

    Source: written for Surefoot. Licence: Apache-2.0, as the rest of the package.
    """
    symbols = alphabet()
    place = {symbol: index for index, symbol in enumerate(symbols)}
    codes = torch.tensor([place[symbol] for symbol in prose()])
    if not 1 <= length <= len(codes) // 10:
        raise InputError(f"`length` is {length}; give 1 to {len(codes) // 10} characters")
    if stride < 1:
        raise InputError(f"`stride` is {stride}; give 1 or more characters")
    border = round(len(codes) * (1 - VALIDATION_SHARE))
    x, y = _windows(codes[:border], length, stride)
    xv, yv = _windows(codes[border:], length, length)
    return Split(x, y, xv, yv, "sequence", len(symbols), "prose written for Surefoot", "Apache-2.0")


def prose() -> str:
    """The whole text."""
    return resources.files("surefoot.tasks.data").joinpath("files/tiny_text.txt").read_text(encoding="utf-8")


def alphabet() -> str:
    """The different characters of the text in order; a character's place here is its code."""
    return "".join(sorted(set(prose())))


def _windows(codes: Tensor, length: int, stride: int) -> tuple[Tensor, Tensor]:
    windows = codes.unfold(0, length + 1, stride)
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()
