"""Small transformer over symbols: causal attention and fully connected parts, normalised before each.

Source: A. Vaswani et al., "Attention is all you need" (2017); the order of normalisation after A. Radford et al.,
"Language models are unsupervised multitask learners" (2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.tasks.models.sizes import check_share, check_size

__all__ = ["Attention", "Block", "Transformer", "transformer"]


class Attention(nn.Module):
    """Causal self-attention in several heads, shape (n, length, width) to the same.

    Written out rather than left to a fused kernel: the lengths are short, and plain products batch over members.
    """

    ahead: Tensor

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        self.register_buffer("ahead", torch.ones(context, context, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Each place takes from itself and the places before it."""
        count, length, width = x.shape
        parts = self.inward(x).reshape(count, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        likeness = query @ key.transpose(-2, -1) / (width // self.heads) ** 0.5
        likeness = likeness.masked_fill(self.ahead[:length, :length], float("-inf"))
        taken = F.softmax(likeness, dim=-1) @ value
        mixed: Tensor = self.outward(taken.transpose(1, 2).reshape(count, length, width))
        return mixed


class Block(nn.Module):
    """Attention and a two-layer part, each added to what came in, shape (n, length, width) to the same."""

    def __init__(self, width: int, heads: int, context: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads, context)
        self.before_layers = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        x = x + self.dropout(self.attention(self.before_attention(x)))
        out: Tensor = x + self.dropout(self.layers(self.before_layers(x)))
        return out


class Transformer(nn.Module):
    """Scores for the next symbol at every place: codes (n, length) to scores (n, symbols, length).

    The classes are the second dimension, as torch's cross-entropy wants them for targets of shape (n, length).
    """

    def __init__(self, symbols: int, context: int, width: int, heads: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.places = nn.Parameter(0.02 * torch.randn(context, width))
        self.blocks = nn.Sequential(*(Block(width, heads, context, dropout) for _ in range(depth)))
        self.last = nn.LayerNorm(width)
        self.scores = nn.Linear(width, symbols)

    def forward(self, codes: Tensor) -> Tensor:
        """Scores (n, symbols, length) for the symbol after each place of the codes (n, length)."""
        x = self.embedding(codes) + self.places[: codes.shape[1]]
        scores: Tensor = self.scores(self.last(self.blocks(x)))
        return scores.transpose(1, 2)


def transformer(
    symbols: int, *, context: int = 32, width: int = 48, heads: int = 4, depth: int = 2, dropout: float = 0.0
) -> nn.Module:
    """A small causal transformer, codes (n, length) to scores (n, symbols, length) with length up to `context`.

    Args:
        symbols: number of different symbols, 1 or more.
        context: longest sequence, 1 or more.
        width: size of the embedding, a multiple of `heads`.
        heads: attention heads, 1 or more.
        depth: number of blocks, 1 or more.
        dropout: share put to 0 in training, 0 or more and below 1.

    Raises:
        InputError: if an argument is out of its range.
    """
    sizes = {"symbols": symbols, "context": context, "width": width, "heads": heads, "depth": depth}
    for name, value in sizes.items():
        check_size(name, value)
    if width % heads:
        raise InputError(f"`width` is {width}; give a multiple of `heads` ({heads})")
    return Transformer(symbols, context, width, heads, depth, check_share("dropout", dropout))
