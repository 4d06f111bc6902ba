"""Networks and losses of the tasks of diagnosis_last.py that are more than a row of layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surefoot.tasks.models.mlp import mlp

__all__ = [
    "AtEveryPlace", "Backwards", "Censored", "Chores", "ChoresLoss", "Cosine", "Filler", "Focal", "GatedColumns",
    "Kinship", "Levels", "Loans", "Maxout", "Messages", "Mixed", "MixtureLoss", "Neighbours", "Operator", "Outlined",
    "Overlap", "Pairwise", "Residual", "Rounded", "Scanner", "Spaces", "Variational", "VariationalLoss",
]  # fmt: skip


class Residual(nn.Module):
    """What goes in, plus what a few layers make of it."""

    def __init__(self, *inside: nn.Module) -> None:
        super().__init__()
        self.inside = nn.Sequential(*inside)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.inside(x)
        return found


class Spaces(nn.Module):
    """Convolutions over characters, the second one with gaps; a score at every place."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(symbols, 12)
        self.read = nn.Sequential(
            nn.Conv1d(12, 24, 5, padding=2), nn.GELU(), nn.Conv1d(24, 24, 3, padding=2, dilation=2), nn.GELU(),
            nn.Conv1d(24, 1, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.read(self.codes(x).transpose(1, 2)).squeeze(1)
        return found


class Backwards(nn.Module):
    """Long short-term memory over characters; a score at the end."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.codes, self.inside, self.last = (
            nn.Embedding(symbols, 12),
            nn.LSTM(12, 20, batch_first=True),
            nn.Linear(20, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.inside(self.codes(x))
        found: Tensor = self.last(states[:, -1]).squeeze(1)
        return found


class Filler(nn.Module):
    """One layer of attention in both directions; scores of all characters at every place, channels first."""

    def __init__(self, symbols: int, length: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(symbols + 1, 24)
        self.places = nn.Parameter(0.1 * torch.randn(length, 24))
        self.inside = nn.TransformerEncoderLayer(24, 2, 48, dropout=0.0, batch_first=True, norm_first=True)
        self.last = nn.Linear(24, symbols)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.inside(self.codes(x) + self.places)).transpose(1, 2)
        return found


class Scanner(nn.Module):
    """Running means of learned memory, read through a gate after the last column."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.gate, self.last = nn.Linear(14, 40), nn.Linear(40, 40), nn.Linear(40, 10)
        self.memory = nn.Parameter(torch.linspace(-1.0, 3.0, 40))

    def forward(self, x: Tensor) -> Tensor:
        keep = torch.sigmoid(self.memory)
        known = self.enter(x.transpose(1, 2))
        state = torch.zeros_like(known[:, 0])
        for time in range(known.shape[1]):
            state = keep * state + (1 - keep) * known[:, time]
        found: Tensor = self.last(torch.tanh(state) * torch.sigmoid(self.gate(state)))
        return found


class AtEveryPlace(nn.Module):
    """A recurrence and what is read from it at every place, channels first where there are several."""

    def __init__(self, inside: nn.Module, width: int, outputs: int, symbols: int = 0) -> None:
        super().__init__()
        self.codes = nn.Embedding(symbols, 8) if symbols else nn.Identity()
        self.inside, self.last = inside, nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.inside(self.codes(x))
        found: Tensor = self.last(states).transpose(1, 2)
        return found.squeeze(1)


class Outlined(nn.Module):
    """Down to a quarter of the pixels and up again, beside what was seen at full size."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU())
        self.coarse = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(6, 9, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)
        )
        self.last = nn.Conv2d(15, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        found: Tensor = self.last(torch.cat([fine, self.coarse(fine)], 1))
        return found


class Mixed(nn.Module):
    """Nine patches of an image, mixed over places and over channels in turn (Tolstikhin et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 20, 4, stride=4)
        self.norms = nn.ModuleList(nn.LayerNorm(20) for _ in range(4))
        self.places = nn.ModuleList(mlp((9, 12, 9), activation="gelu") for _ in range(2))
        self.channels = nn.ModuleList(mlp((20, 40, 20), activation="gelu") for _ in range(2))
        self.last = nn.Linear(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        state = self.enter(x).flatten(2).transpose(1, 2)
        for turn in range(2):
            state = state + self.places[turn](self.norms[2 * turn](state).transpose(1, 2)).transpose(1, 2)
            state = state + self.channels[turn](self.norms[2 * turn + 1](state))
        found: Tensor = self.last(state.mean(1))
        return found


class Pairwise(nn.Module):
    """A weight for every value of every column, and for every pair of them (Rendle 2010)."""

    def __init__(self, columns: int, values: int) -> None:
        super().__init__()
        self.register_buffer("first", values * torch.arange(columns))
        self.alone, self.with_others = nn.Embedding(columns * values, 1), nn.Embedding(columns * values, 6)
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        places = x + self.first
        points = self.with_others(places)
        pairs = 0.5 * (points.sum(1) ** 2 - (points**2).sum(1)).sum(1)
        found: Tensor = self.offset + self.alone(places).sum((1, 2)) + pairs
        return found


class Levels(nn.Module):
    """One score, and a bound for each step from a level to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.bounds = mlp((10, 14, 1), activation="tanh"), nn.Parameter(torch.tensor([-0.5, 0.0, 0.5]))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.score(x) - self.bounds
        return found


class Maxout(nn.Module):
    """The largest of three straight functions, two layers of them (Goodfellow et al. 2013)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 3 * 16), nn.Linear(16, 3 * 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = layer(x).unflatten(1, (16, 3)).amax(2)
        found: Tensor = self.last(x)
        return found


class Loans(nn.Module):
    """Embeddings of four columns beside six numbers, through a network; and a straight part beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.ModuleList(nn.Embedding(9, 5) for _ in range(4))
        self.deep, self.wide = mlp((26, 32, 16, 1)), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        told, numbers = x[:, :4].clamp(0, 8).long(), x[:, 4:]
        known = torch.cat([codes(told[:, at]) for at, codes in enumerate(self.codes)] + [numbers], 1)
        found: Tensor = (self.deep(known) + self.wide(numbers)).squeeze(1)
        return found


class GatedColumns(nn.Module):
    """Layers of which one half opens or shuts the other, normalised in between."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(one, 48) for one in (inputs, 24, 24))
        self.norms = nn.ModuleList(nn.LayerNorm(24) for _ in range(3))
        self.last = nn.Linear(24, outputs)

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(nn.functional.glu(layer(x), 1))
        found: Tensor = self.last(x)
        return found


class Variational(nn.Module):
    """Through six uncertain numbers and back (Kingma and Welling 2014): answers, means, log variances side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = mlp((64, 32, 12)), mlp((6, 32, 64))

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.down(x).chunk(2, 1)
        drawn = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance) if self.training else mean
        return torch.cat([self.up(drawn), mean, log_variance], 1)


class VariationalLoss(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        seen, mean, log_variance = output[:, :64], output[:, 64:70], output[:, 70:]
        wrong = nn.functional.binary_cross_entropy_with_logits(seen, target, reduction="none").sum(1)
        told = 0.5 * (mean**2 + torch.exp(log_variance) - log_variance - 1).sum(1)
        return (wrong + told).mean()


class Messages(nn.Module):
    """Two rounds of messages along the edges of a graph, summed over its nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.last = nn.Linear(3, 16), mlp((16, 16, 1), activation="silu")
        self.own, self.sent = (nn.ModuleList(nn.Linear(16, 16) for _ in range(2)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        state, edges = torch.tanh(self.enter(x[:, :, :3])), x[:, :, 3:]
        for own, sent in zip(self.own, self.sent, strict=True):
            state = nn.functional.silu(own(state) + edges @ sent(state))
        found: Tensor = self.last(state).sum((1, 2)) / 4
        return found


class Operator(nn.Module):
    """What is done to a function, told at a place (Lu et al. 2021): one network reads the function, one the place."""

    def __init__(self) -> None:
        super().__init__()
        self.branch, self.trunk = mlp((20, 28, 14), activation="tanh"), mlp((1, 28, 14), activation="tanh")

    def forward(self, x: Tensor) -> Tensor:
        return (self.branch(x[:, :20]) * self.trunk(x[:, 20:])).sum(1)


class Kinship(nn.Module):
    """Who is related to whom and how: a relation is a step from one point to another (Bordes et al. 2013)."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.steps = nn.Embedding(70, 8), nn.Embedding(4, 8)
        self.near = nn.Parameter(torch.tensor(6.0))

    def forward(self, x: Tensor) -> Tensor:
        away = self.places(x[:, 0]) + self.steps(x[:, 1].clamp(0, 3)) - self.places(x[:, 2])
        return self.near - away.abs().sum(1)


class Chores(nn.Module):
    """A kind and a number from one trunk, and how much either loss counts (Kendall et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 24), nn.ReLU())
        self.kind, self.number, self.counts = nn.Linear(24, 4), nn.Linear(24, 1), nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        state = self.trunk(x)
        return torch.cat([self.kind(state), self.number(state), self.counts.expand(x.shape[0], 2)], 1)


class ChoresLoss(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        kind = nn.functional.cross_entropy(output[:, :4], target[:, 0].long())
        number = ((output[:, 4] - target[:, 1]) ** 2).mean()
        counts = output[:, 5:].mean(0)
        return (torch.exp(-counts) * torch.stack([kind, number]) + 0.5 * counts).sum()


class Focal(nn.Module):
    """Cross-entropy of which what is known already counts little (Lin et al. 2017)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        wrong = nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none")
        return ((1 - torch.exp(-wrong)) ** 2 * wrong).mean()


class Rounded(nn.Module):
    """Absolute error, rounded off where it is small (Charbonnier et al. 1994)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.sqrt((output - target) ** 2 + 1e-4).mean()


class Cosine(nn.Module):
    """One less the cosine of the angle between an answer and its target."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return 1 - nn.functional.cosine_similarity(output, target, dim=1, eps=1e-4).mean()


class Overlap(nn.Module):
    """How far two regions do not overlap (Milletari et al. 2016), with a part that counts pixels."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        told = torch.sigmoid(output)
        shared = 2 * (told * target).sum((1, 2, 3)) + 1
        overlap = shared / (told.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
        return (1 - overlap).mean() + 0.5 * nn.functional.binary_cross_entropy_with_logits(output, target)


class Censored(nn.Module):
    """Cox's partial likelihood (1972) within a batch: targets are times, and whether each was an event."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        time, event = target[:, 0], target[:, 1]
        at_risk = (time[None] >= time[:, None]).to(output.dtype)
        among = torch.logsumexp(output[None] + torch.log(at_risk + 1e-20), 1)
        return ((among - output) * event).sum() / (event.sum() + 1e-6)


class Neighbours(nn.Module):
    """The chance that a neighbour in the batch, drawn by nearness, is of another kind (Goldberger et al. 2005)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        away = ((output[:, None] - output[None]) ** 2).sum(2)
        own = torch.eye(len(output), dtype=output.dtype)
        chances = torch.softmax(-away - 1e6 * own, 1)
        alike = (target[:, None] == target[None]).to(output.dtype) * (1 - own)
        return -torch.log((chances * alike).sum(1) + 1e-3).mean()


class MixtureLoss(nn.Module):
    """Minus the log density of a number under three bells, each with a share, a middle and a width."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        share, middle, width = output.unflatten(1, (3, 3)).unbind(1)
        log_width = width.clamp(-4, 4)
        each = -log_width - 0.5 * ((target[:, None] - middle) * torch.exp(-log_width)) ** 2
        return -torch.logsumexp(torch.log_softmax(share, 1) + each, 1).mean()
