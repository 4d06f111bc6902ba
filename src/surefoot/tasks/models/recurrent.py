"""Recurrent network over symbols: an embedding, an Elman or GRU cell stepped through time, and scores at each place.

Time is an explicit loop over plain layers, so that many members can be stepped at once by `torch.func.vmap`, which
torch's own recurrent modules do not allow.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surefoot.errors import InputError
from surefoot.tasks.models.sizes import check_size

__all__ = ["ElmanCell", "GRUCell", "Recurrent", "recurrent"]


class ElmanCell(nn.Module):
    """h' = tanh(W x + U h + b), after J. Elman, "Finding structure in time" (1990)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.outside = nn.Linear(inputs, width)
        self.inside = nn.Linear(width, width, bias=False)

    def forward(self, given: Tensor, state: Tensor) -> Tensor:
        """Next state from W x + b, shape (n, width), and the state before, shape (n, width)."""
        return torch.tanh(given + self.inside(state))


class GRUCell(nn.Module):
    """Gated recurrent unit with reset gate r and update gate z, in the form torch computes it.

    r, z = sigmoid(W x + U h + b), candidate c = tanh(W x + b + r (U h + d)), h' = (1 - z) c + z h.

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014).
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.outside = nn.Linear(inputs, 3 * width)
        self.inside = nn.Linear(width, 3 * width)

    def forward(self, given: Tensor, state: Tensor) -> Tensor:
        """Next state from W x + b, shape (n, 3 width), and the state before, shape (n, width)."""
        given_reset, given_update, given_new = given.chunk(3, dim=-1)
        reset, update, new = self.inside(state).chunk(3, dim=-1)
        kept = torch.sigmoid(given_update + update)
        candidate = torch.tanh(given_new + torch.sigmoid(given_reset + reset) * new)
        return (1 - kept) * candidate + kept * state


CELLS: dict[str, type[ElmanCell] | type[GRUCell]] = {"elman": ElmanCell, "gru": GRUCell}


class Recurrent(nn.Module):
    """Scores for the next symbol at every place: codes (n, length) to scores (n, symbols, length).

    The classes are the second dimension, as torch's cross-entropy wants them for targets of shape (n, length).

    Args:
        symbols: number of different symbols.
        width: size of embedding and state.
        cell: "elman" or "gru".
    """

    def __init__(self, symbols: int, width: int, cell: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.cell = CELLS[cell](width, width)
        self.scores = nn.Linear(width, symbols)

    def forward(self, codes: Tensor) -> Tensor:
        """Scores (n, symbols, length) for the symbol after each place of the codes (n, length)."""
        given = self.cell.outside(self.embedding(codes))  # one product for all times
        state = torch.zeros_like(self.embedding(codes[:, 0]))
        states = []
        for moment in range(codes.shape[1]):
            state = self.cell(given[:, moment], state)
            states.append(state)
        scores: Tensor = self.scores(torch.stack(states, dim=1))
        return scores.transpose(1, 2)


def recurrent(symbols: int, *, width: int = 64, cell: str = "gru") -> nn.Module:
    """A recurrent model of symbols, codes (n, length) to scores (n, symbols, length).

    Args:
        symbols: number of different symbols, 1 or more.
        width: size of embedding and state, 1 or more.
        cell: "elman" or "gru".

    Raises:
        InputError: if an argument is out of its range.
    """
    if cell not in CELLS:
        raise InputError(f"`cell` is {cell!r}; give {' or '.join(CELLS)}")
    return Recurrent(check_size("symbols", symbols), check_size("width", width), cell)
