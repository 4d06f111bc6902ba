"""Networks and losses of the tasks of diagnosis_further.py that are more than a row of layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surefoot.tasks.models.mlp import mlp

__all__ = [
    "Additive", "Agreement", "Aimed", "Annotators", "Archetypes", "Arranged", "Bags", "Company", "Conserved",
    "Devowelled", "EndPoint", "Expectile", "Forgiving", "InTurn", "LogCosh", "Mirrored", "Poly", "Shifted", "SoftTree",
    "Together", "Translated", "ZeroInflated",
]  # fmt: skip


class Devowelled(nn.Module):
    """Attention without a softmax (Katharopoulos et al. 2020); scores at every place, channels first."""

    def __init__(self, symbols: int, length: int) -> None:
        super().__init__()
        self.codes, self.places = nn.Embedding(symbols, 20), nn.Parameter(0.3 * torch.randn(length, 20))
        self.told, self.last = nn.Linear(20, 60), mlp((40, 32, 6), activation="gelu")

    def forward(self, x: Tensor) -> Tensor:
        known = self.codes(x)
        asked, named, held = self.told(known + self.places).chunk(3, 2)
        asked, named = nn.functional.elu(asked) + 1, nn.functional.elu(named) + 1
        weight = asked @ named.transpose(1, 2)
        seen = weight @ held / weight.sum(2, keepdim=True)
        found: Tensor = self.last(torch.cat([known, seen], 2)).transpose(1, 2)
        return found


class Company(nn.Module):
    """How often two words stand near each other: an inner product and what each has alone (Pennington et al. 2014)."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.one, self.other = nn.Embedding(words, 7), nn.Embedding(words, 7)
        for codes in (self.one, self.other):
            nn.init.normal_(codes.weight, std=0.4)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.one(x[:, 0]), self.other(x[:, 1])
        return (one[:, 1:] * other[:, 1:]).sum(1) + one[:, 0] + other[:, 0]


class Together(nn.Module):
    """Squared error, each with a weight; targets are numbers and weights."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (target[:, 1] * (output - target[:, 0]) ** 2).mean()


class Arranged(nn.Module):
    """Log chances that a thing has a rank, of which every thing and every rank has one in all (Mena et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.each = mlp((6, 28, 5), activation="tanh")

    def forward(self, x: Tensor) -> Tensor:
        told = 2 * self.each(torch.cat([x, x.mean(1, keepdim=True).expand_as(x)], 2))
        for _ in range(4):
            told = told - torch.logsumexp(told, 1, keepdim=True)
            told = told - torch.logsumexp(told, 2, keepdim=True)
        found: Tensor = told.transpose(1, 2)
        return found


class Translated(nn.Module):
    """Three letters at a time; scores for every three, channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Conv1d(4, 28, 3, stride=3), nn.Hardswish(), nn.Conv1d(28, 8, 1))

    def forward(self, x: Tensor) -> Tensor:
        letters = nn.functional.one_hot(x, 4).to(self.read[0].weight.dtype).transpose(1, 2)
        found: Tensor = self.read(letters)
        return found


class Poly(nn.Module):
    """Cross-entropy, and one less the chance of the right class (Leng et al. 2022)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        wrong = nn.functional.cross_entropy(output, target, reduction="none")
        return (wrong + 1 - torch.exp(-wrong)).mean()


class InTurn(nn.Module):
    """Every number from those before it: weights that would tell of others are held at nought (Germain et al. 2015)."""

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(numbers, width), nn.Linear(width, numbers)
        place, until = torch.arange(numbers), torch.arange(width) * (numbers - 1) // width
        self.register_buffer("before", (until[:, None] >= place[None]).float())
        self.register_buffer("after", (place[:, None] > until[None]).float())

    def forward(self, x: Tensor) -> Tensor:
        state = nn.functional.linear(x, self.before * self.first.weight, self.first.bias).relu()
        return nn.functional.linear(state, self.after * self.last.weight, self.last.bias)


class Shifted(nn.Module):
    """How far the middle of one patch is from the other one's, moved by up to two pixels (Dosovitskiy et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.last = nn.Conv2d(1, 4, 3), mlp((25, 24, 2))

    def forward(self, x: Tensor) -> Tensor:
        one, other = torch.tanh(self.seen(x[:, :1])), torch.tanh(self.seen(x[:, 1:]))
        moved = other.unfold(2, 4, 1).unfold(3, 4, 1)
        away = (one[:, :, None, None, 2:6, 2:6] - moved) ** 2
        found: Tensor = self.last(-2 * away.mean((4, 5)).sum(1).flatten(1))
        return found


class EndPoint(nn.Module):
    """How far from where it should be a point is, on average."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.sqrt(((output - target) ** 2).sum(1) + 1e-4).mean()


class Aimed(nn.Module):
    """Where on average each of six features is seen (Levine et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.CELU(), nn.Conv2d(8, 6, 1))
        self.last = nn.Linear(12, 2)
        self.register_buffer("at", torch.linspace(-1, 1, 12))

    def forward(self, x: Tensor) -> Tensor:
        chances = torch.softmax(3 * self.seen(x).flatten(2), 2).unflatten(2, (12, 12))
        down, along = chances.sum(3) @ self.at, chances.sum(2) @ self.at
        found: Tensor = self.last(torch.cat([down, along], 1))
        return found


class LogCosh(nn.Module):
    """The log of the hyperbolic cosine of an error."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        away = 4 * (output - target)
        return (away + nn.functional.softplus(-2 * away) - 0.6931472).mean()


class Mirrored(nn.Module):
    """What is seen times what is seen in two mirrors, on average over an image."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.reflected = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(1, 6, 3, padding=1)
        self.last = nn.Sequential(nn.Linear(12, 16), nn.PReLU(), nn.Linear(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        seen, reflected = self.seen(x), self.reflected(x)
        alike = [(seen * reflected.flip(axis)).mean((2, 3)) for axis in (2, 3)]
        found: Tensor = self.last(4 * torch.cat(alike, 1))
        return found


class SoftTree(nn.Module):
    """A tree of straight questions, each answered to some degree both ways (Frosst and Hinton 2017): log chances."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.asked, self.leaves = nn.Linear(inputs, 7), nn.Parameter(0.5 * torch.randn(8, outputs))

    def forward(self, x: Tensor) -> Tensor:
        yes = self.asked(x)
        ways = yes.new_zeros(x.shape[0], 1)
        for level in range(3):
            here = yes[:, 2**level - 1 : 2 ** (level + 1) - 1]
            both = [nn.functional.logsigmoid(here), nn.functional.logsigmoid(-here)]
            ways = (ways[:, :, None] + torch.stack(both, 2)).flatten(1)
        return torch.logsumexp(ways[:, :, None] + torch.log_softmax(self.leaves, 1), 1)


class Additive(nn.Module):
    """A small network for every column; what they say is added (Agarwal et al. 2021)."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.slopes, self.places = (nn.Parameter(torch.randn(columns, 9)) for _ in range(2))
        self.counts, self.offset = nn.Parameter(0.15 * torch.randn(columns, 9)), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        bent = nn.functional.softsign(x[:, :, None] * self.slopes + self.places)
        return (bent * self.counts).sum((1, 2)) + self.offset


class Expectile(nn.Module):
    """Squared error, of which what is too low counts four times (Newey and Powell 1987)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        away = target - output
        return (torch.where(away > 0, 0.8, 0.2) * away**2).mean()


class ZeroInflated(nn.Module):
    """Minus the log chance of a count that is nought for a reason of its own at times (Lambert 1992)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        log_rate, absent = output.unbind(1)
        log_rate = log_rate.clamp(-8, 8)
        counted = target * log_rate - torch.exp(log_rate) - torch.lgamma(target + 1) - nn.functional.softplus(absent)
        nought = torch.logaddexp(nn.functional.logsigmoid(absent), counted)
        return -torch.where(target > 0, counted, nought).mean()


class Annotators(nn.Module):
    """What each of three would say, by what is so and by how each mistakes it (Rodrigues and Pereira 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.so, self.said = mlp((9, 30, 4), activation="gelu"), nn.Parameter(2.0 * torch.eye(4).repeat(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        so = torch.log_softmax(self.so(x), 1)
        return torch.logsumexp(so[:, None, :, None] + torch.log_softmax(self.said, 2), 2).transpose(1, 2)


class Archetypes(nn.Module):
    """Every row as a mean of five extreme ones (Cutler and Breiman 1994)."""

    def __init__(self) -> None:
        super().__init__()
        self.shares, self.extremes = mlp((9, 20, 5)), nn.Parameter(torch.randn(5, 9))

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.shares(x), 1) @ self.extremes


class Agreement(nn.Module):
    """How far each number is from going with its own target in a batch and with no other (Zbontar et al. 2021)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        one, other = (part - part.mean(0) for part in (output, target))
        size = torch.sqrt((one**2).mean(0) + 1e-4)[:, None] * torch.sqrt((other**2).mean(0) + 1e-4)
        go_with = one.transpose(0, 1) @ other / (len(output) * size)
        own = torch.eye(go_with.shape[0], dtype=output.dtype)
        return (own * (1 - go_with) ** 2 + 0.1 * (1 - own) * go_with**2).sum()


class Conserved(nn.Module):
    """Motion that keeps an energy, whose slope a network of one layer gives (Greydanus et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.heights = nn.Linear(4, 40), nn.Parameter(0.3 * torch.randn(40))

    def forward(self, x: Tensor) -> Tensor:
        slope = (self.heights * (1 - torch.tanh(self.inside(x)) ** 2)) @ self.inside.weight
        return torch.cat([slope[:, 2:], -slope[:, :2]], 1)


class Bags(nn.Module):
    """Rows of a bag, of which a gate says how much each counts (Ilse et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.counts = nn.Sequential(nn.Linear(5, 24), nn.Hardtanh()), nn.Linear(24, 32)
        self.score, self.last = nn.Linear(16, 1), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = self.each(x)
        one, gate = self.counts(state).chunk(2, 2)
        weight = torch.softmax(3 * self.score(torch.tanh(one) * torch.sigmoid(gate)), 1)
        found: Tensor = self.last((weight * state).sum(1))
        return found


class Forgiving(nn.Module):
    """Between cross-entropy and absolute error (Zhang and Sabuncu 2018)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        right = nn.functional.cross_entropy(output, target, reduction="none")
        return (1 - torch.exp(-0.5 * right)).mean() / 0.5
