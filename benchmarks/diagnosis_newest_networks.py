"""Networks and losses of the tasks of diagnosis_newest.py that are more than a row of layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surefoot.tasks.models.mlp import mlp

__all__ = [
    "Adapted", "Beam", "Brier", "Cauchy", "Choice", "Denoiser", "Distilled", "Expected", "Flood", "Heads", "Hidden",
    "Highway", "Listener", "Margin", "Misprints", "Motifs", "Pooled", "Products", "Strangers", "Unaligned",
]  # fmt: skip


class Pooled(nn.Module):
    """Characters without their order: a mean of their codes in which each says how much it counts."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.codes, self.counts = nn.Embedding(symbols, 14), nn.Embedding(symbols, 1)
        self.last = mlp((14, 20, 6), activation="tanh")

    def forward(self, x: Tensor) -> Tensor:
        state = (torch.softmax(self.counts(x), 1) * self.codes(x)).sum(1)
        found: Tensor = self.last(state)
        return found


class Margin(nn.Module):
    """By how much the right class does not lead every other one by one (Weston and Watkins 1999)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        right = output.gather(1, target[:, None])
        return (1 + output - right).relu().mean() - 1 / output.shape[1]


class Misprints(nn.Module):
    """Gated convolutions over characters; a score at every place says where."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(symbols, 10)
        self.read = nn.Sequential(
            nn.Conv1d(10, 40, 3, padding=1), nn.GLU(1), nn.Conv1d(20, 32, 3, padding=1), nn.GLU(1), nn.Conv1d(16, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.read(self.codes(x).transpose(1, 2)).squeeze(1)
        return found


class Listener(nn.Module):
    """Convolutions over time; scores of five sounds and of silence at every moment, channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(
            nn.Conv1d(6, 20, 5, padding=2), nn.Softplus(), nn.Conv1d(20, 20, 3, padding=1), nn.Softplus(),
            nn.Conv1d(20, 6, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.read(x)
        return found


class Unaligned(nn.Module):
    """Minus the log chance of what was said, whenever it was said (Graves et al. 2006)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        told = torch.log_softmax(output, 1).permute(2, 0, 1)
        lengths = [torch.full((len(target),), one, dtype=torch.long) for one in (told.shape[0], target.shape[1])]
        return nn.functional.ctc_loss(told, target, lengths[0], lengths[1], reduction="sum") / len(target)


class Motifs(nn.Module):
    """Convolutions of three widths over letters, each at its best place (Kim 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.ModuleList(nn.Conv1d(4, 8, width) for width in (4, 6, 9))
        self.last = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        letters = nn.functional.one_hot(x, 4).to(self.last.weight.dtype).transpose(1, 2)
        found: Tensor = self.last(torch.cat([read(letters).amax(2).relu() for read in self.read], 1))
        return found


class Denoiser(nn.Module):
    """Convolutions whose channels a network scales and moves by how strong the noise is (Perez et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)
        self.last, self.told = nn.Conv2d(12, 1, 3, padding=1), mlp((1, 16, 24), activation="silu")

    def forward(self, x: Tensor) -> Tensor:
        scale, move = self.told(x[:, 1, 0, :1])[..., None, None].chunk(2, 1)
        state = nn.functional.silu(self.first(x[:, :1]))
        state = nn.functional.silu(self.second(state) * (1 + scale) + move)
        found: Tensor = self.last(state)
        return found


class Strangers(nn.Module):
    """Three images as directions; how little each has in common with the two others."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.sharp = mlp((49, 32, 12)), nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        seen = nn.functional.normalize(self.each(x), dim=2, eps=1e-4)
        return -self.sharp * (seen * (seen.sum(1, keepdim=True) - seen)).sum(2)


class Flood(nn.Module):
    """One convolution over and over: what is wet makes wet what is beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.again = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.enter(x)
        state = torch.tanh(seen)
        for _ in range(4):
            state = torch.tanh(seen + self.again(state))
        found: Tensor = self.last(state)
        return found


class Highway(nn.Module):
    """Layers that say for each number whether they change it (Srivastava et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.last = nn.Linear(60, 24), nn.Linear(24, 30)
        self.changed, self.gates = (nn.ModuleList(nn.Linear(24, 24) for _ in range(3)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        state = self.enter(x)
        for changed, gate in zip(self.changed, self.gates, strict=True):
            state = torch.lerp(state, changed(state).relu(), torch.sigmoid(gate(state) - 1))
        found: Tensor = self.last(state)
        return found


class Hidden(nn.Module):
    """Squared error of the entries that were hidden; targets are values, and whether each was hidden."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        values, hidden = target.unbind(1)
        return (hidden * (output - values) ** 2).sum() / (hidden.sum() + 1e-6)


class Products(nn.Module):
    """Products of straight functions, added up."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.last = nn.Linear(9, 24), nn.Linear(9, 24), nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.one(x) * self.other(x)).squeeze(1)
        return found


class Brier(nn.Module):
    """Squared error of a chance (Brier 1950)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return ((torch.sigmoid(output) - target) ** 2).mean()


class Choice(nn.Module):
    """What an offer is worth, beside what all offers are like."""

    def __init__(self) -> None:
        super().__init__()
        self.each = mlp((11, 28, 1), activation="silu")

    def forward(self, x: Tensor) -> Tensor:
        usual = x[:, :, :4].mean(1, keepdim=True).expand(-1, 5, -1)
        found: Tensor = self.each(torch.cat([x, usual], 2)).squeeze(2)
        return found


class Heads(nn.Module):
    """One trunk, and an answer of its own for those treated and those not (Shalit et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 32), nn.LeakyReLU(0.1), nn.Linear(32, 16), nn.LeakyReLU(0.1))
        self.untreated, self.treated = (mlp((16, 12, 1), activation="elu") for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        state, which = self.trunk(x[:, :8]), x[:, 8:]
        found: Tensor = ((1 - which) * self.untreated(state) + which * self.treated(state)).squeeze(1)
        return found


class Cauchy(nn.Module):
    """Of errors, the log of one and their squares: a few large ones count little."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.log1p((output - target) ** 2).mean()


class Distilled(nn.Module):
    """How far chances are from those of a teacher (Hinton et al. 2015)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.kl_div(torch.log_softmax(output, 1), target, reduction="batchmean")


class Beam(nn.Module):
    """A curve held at nought and one, asked for its second difference around a place."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = mlp((1, 20, 20, 1), activation="tanh")

    def forward(self, x: Tensor) -> Tensor:
        curve: Tensor = x * (1 - x) * self.inside(6 * x[..., None] - 3).squeeze(2)
        return 10 * (curve[:, 0] - 2 * curve[:, 1] + curve[:, 2])


class Expected(nn.Module):
    """What a policy would have cost, by how likely it does what was done (Horvitz and Thompson 1952).

    Targets are what was done, and its cost over the chance with which it was done.
    """

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        chances = torch.softmax(output, 1).gather(1, target[:, :1].long()).squeeze(1)
        return (chances * target[:, 1]).mean()


class Adapted(nn.Module):
    """A network that stays as it is, and what is added to its two layers through four numbers (Hu et al. 2022)."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        super().__init__()
        self.held = nn.ParameterList(nn.Parameter(one, requires_grad=False) for one in (first, second))
        inside, middle, outside = first.shape[0], first.shape[1], second.shape[1]
        self.down = nn.ParameterList(nn.Parameter(torch.randn(one, 4) / one**0.5) for one in (inside, middle))
        self.up = nn.ParameterList(nn.Parameter(torch.zeros(4, one)) for one in (middle, outside))

    def forward(self, x: Tensor) -> Tensor:
        state = torch.tanh(x @ self.held[0] + x @ self.down[0] @ self.up[0])
        found: Tensor = state @ self.held[1] + state @ self.down[1] @ self.up[1]
        return found
