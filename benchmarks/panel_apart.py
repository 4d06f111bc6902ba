"""Six everyday trainings set apart: the search for a rate is judged on them without a look at them before.

Five of them are on real data, from a few hundred examples that overfit to thousands seen three times; networks,
beginnings and losses are usual, and no task is shared with any other panel. Optimizers and schedules were drawn by a
seed, the first from 500 on that drew every optimizer twice and every schedule three times.
"""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from panel_wide import images, tiles
from surefoot.tasks.data.tiny_text import prose
from surefoot.tasks.task import Task

__all__ = ["APART_CASES", "APART_TASKS"]


def _diabetes_pressure() -> Task:
    """The blood pressure of 300 patients from age, sex, weight and six serums; batch normalisation, squared error."""
    from sklearn.datasets import load_diabetes

    table = torch.tensor(load_diabetes().data, dtype=torch.float32)
    table = (table / table.std(0))[torch.randperm(442, generator=torch.Generator().manual_seed(200))]
    known = [column for column in range(10) if column != 3]

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(9, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Linear(64, 1), nn.Flatten(0),
        )  # fmt: skip

    return Task(model, **split_at(table[:, known], table[:, 3], 300), loss=nn.MSELoss(), name="diabetes-pressure")


class _Beside(nn.Module):
    """Two layers beside a straight way; the second begins at nought, so that at first all goes straight on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both: torch.Tensor = x + self.second(nn.functional.gelu(self.first(x)))
        return both


def _mnist_mixup() -> Task:
    """4,000 images of MNIST, 14x14, each mixed with another one, and so their labels; residual, fully connected.

    The way of mixing is the one of Zhang et al. (2018); what it is judged on is not mixed.
    """
    x, y = images(4000, 201)
    x, y = nn.functional.avg_pool2d(x, 2).flatten(1), nn.functional.one_hot(y, 10).float()
    rng = torch.Generator().manual_seed(202)
    other, share = torch.randperm(4000, generator=rng), 0.5 * torch.rand(4000, 1, generator=rng).square()

    def mixed(some: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.lerp(some[:4000], some[other], share), some[4000:]])

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(196, 128), *(_Beside(128) for _ in range(2)), nn.GELU(), nn.Linear(128, 10))

    return Task(model, **split_at(mixed(x), mixed(y), 4000), loss=nn.CrossEntropyLoss(), name="mnist-mixup")


def _taught(x: torch.Tensor, y: torch.Tensor) -> nn.Sequential:
    """Convolutions that were trained to tell five digits apart, without the layer that told them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(204)
        body = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(),
            nn.Linear(256, 48), nn.ReLU(),
        )  # fmt: skip
        whole = nn.Sequential(body, nn.Linear(48, 5))
        optimizer = torch.optim.Adam(whole.parameters(), 2e-3)
        for some in torch.cat([torch.randperm(len(x)) for _ in range(4)]).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(whole(x[some]), y[some]).backward()
            optimizer.step()
    return body


def _mnist_tuned() -> Task:
    """The digits from 5 on, 400 images of MNIST, 14x14, by convolutions that know those below 5, and a new layer."""
    x, y = images(5000, 203, held=None)
    x, high = nn.functional.avg_pool2d(x, 2), y >= 5
    low = ~high[:5000]
    body = _taught(x[:5000][low], y[:5000][low])
    few, held = high[:5000].nonzero()[:400, 0], 5000 + high[5000:].nonzero()[:, 0]

    def model() -> nn.Module:
        return nn.Sequential(copy.deepcopy(body), nn.Linear(48, 5))

    train, val = ((x[some], y[some] - 5) for some in (few, held))
    return Task(model, train, val, loss=nn.CrossEntropyLoss(), name="mnist-tuned")


def _convolved(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class _Hourglass(nn.Module):
    """Down to a quarter of the side and up, what was seen on the way down put beside it (Ronneberger et al. 2015).

    It answers for the middle of an image alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse, self.inmost = _convolved(3, 8), _convolved(8, 16), _convolved(16, 24)
        self.rising, self.risen, self.out = _convolved(40, 12), _convolved(20, 12), nn.Conv2d(12, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        down, up = partial(nn.functional.max_pool2d, kernel_size=2), partial(nn.functional.interpolate, scale_factor=2)
        fine = self.fine(image)
        coarse = self.coarse(down(fine))
        risen = self.rising(torch.cat([coarse, up(self.inmost(down(coarse)))], 1))
        restored: torch.Tensor = self.out(self.risen(torch.cat([fine, up(risen)], 1))[:, :, 3:9, 3:9])
        return restored


def _photo_hole() -> Task:
    """The middle of tiles of two photographs, 12x12, a quarter of which is hidden; U-Net, absolute error."""
    whole = torch.cat([tiles("china.jpg", 427, 12, 1700, 205), tiles("flower.jpg", 427, 12, 1700, 206)])
    whole = whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(207))]
    seen = whole.clone()
    seen[:, :, 3:9, 3:9] = 0
    return Task(_Hourglass, **split_at(seen, whole[:, :, 3:9, 3:9], 2400), loss=nn.L1Loss(), name="photo-hole")


class _Motion(nn.Module):
    """Two layers of long short-term memory over a motion; the state at its end is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.out = nn.LSTM(3, 32, num_layers=2, batch_first=True), nn.Linear(32, 6)

    def forward(self, motion: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.out(self.inside(motion)[0][:, -1])
        return scores


def _waist_motion() -> Task:
    """What one is doing, of six things, by how a telephone at the waist is moved for two seconds; two-layer LSTM.

    Everybody steps at a pace and with a force of their own, wears it a little askew, and is in one part of the data.
    """
    rng = torch.Generator().manual_seed(208)
    # Walking, running, climbing stairs, cycling, sitting, lying: paces in hertz, forces up and ahead, leaning.
    pace = torch.tensor([1.8, 2.7, 1.4, 1.2, 0.3, 0.3])
    upward = torch.tensor([0.5, 1.2, 0.5, 0.15, 0.02, 0.02])
    ahead = torch.tensor([0.25, 0.5, 0.2, 0.3, 0.02, 0.02])
    leaning = torch.tensor([0.0, 0.2, 0.3, 0.6, 0.4, 1.5])

    def worn(people: int, each: int) -> tuple[torch.Tensor, torch.Tensor]:
        count = people * each
        person = torch.arange(count) // each
        own = torch.randn(people, 4, generator=rng)[person]
        doing = torch.randint(6, (count,), generator=rng)
        begin, askew = torch.rand(count, 1, generator=rng), 0.25 * own[:, 3]
        phase = 2 * math.pi * (begin + pace[doing, None] * (0.15 * own[:, :1]).exp() * torch.arange(32) / 16)
        lift = (upward[doing] * (0.3 * own[:, 1]).exp())[:, None] * (phase.sin() + 0.3 * (2 * phase).cos())
        push = (ahead[doing] * (0.3 * own[:, 2]).exp())[:, None] * (phase + 1).cos()
        sway = 0.5 * ahead[doing, None] * (phase / 2).sin()
        lean = (leaning[doing] + 0.3 * torch.randn(count, generator=rng))[:, None]
        up, front = lean.cos() * (1 + lift) - lean.sin() * push, lean.sin() * (1 + lift) + lean.cos() * push
        side, front = sway + askew[:, None].sin() * front, askew[:, None].cos() * front
        moved = torch.stack([up, front, side], 2)
        return moved + 0.15 * torch.randn(moved.shape, generator=rng), doing

    return Task(_Motion, worn(40, 48), worn(20, 48), loss=nn.CrossEntropyLoss(), name="waist-motion")


class _NextWord(nn.Module):
    """Scores (n, words, length) from two layers of attention to what came before, by the words' own embeddings."""

    ahead: torch.Tensor

    def __init__(self, words: int, length: int) -> None:
        super().__init__()
        self.embedding, self.norm = nn.Embedding(words, 32), nn.LayerNorm(32)
        self.places = nn.Parameter(0.02 * torch.randn(length, 32))
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(32, 4, 64, 0.1, "gelu", batch_first=True, norm_first=True) for _ in range(2)
        )
        self.register_buffer("ahead", torch.ones(length, length, dtype=torch.bool).triu(1))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        state = self.embedding(codes) + self.places
        for layer in self.layers:
            state = layer(state, self.ahead)
        scores: torch.Tensor = self.embedding.weight @ self.norm(state).transpose(1, 2)
        return scores


def _words_next() -> Task:
    """The next of the words and marks of some pages of prose, those seen once all taken for one; transformer."""
    pieces = re.findall(r"\w+|[^\w\s]", prose().lower())
    border = len(pieces) * 4 // 5
    often = sorted(piece for piece, times in Counter(pieces[:border]).items() if times > 1)
    place = {piece: code for code, piece in enumerate(often, 1)}
    codes = torch.tensor([place.get(piece, 0) for piece in pieces])

    def cut(some: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lines = some.unfold(0, 13, 6)
        return lines[:, :-1].contiguous(), lines[:, 1:].contiguous()

    model = partial(_NextWord, len(often) + 1, 12)
    return Task(model, cut(codes[:border]), cut(codes[border:]), loss=nn.CrossEntropyLoss(), name="words-next")


APART_TASKS: dict[str, Callable[[], Task]] = {
    "diabetes-pressure": _diabetes_pressure,
    "mnist-mixup": _mnist_mixup,
    "mnist-tuned": _mnist_tuned,
    "photo-hole": _photo_hole,
    "waist-motion": _waist_motion,
    "words-next": _words_next,
}

_APART = (
    ("diabetes-pressure", "apart", 20, 16, ((RMSPROP, "constant"), (ADAM, "one-cycle"), (MOMENTUM, "linear"))),
    ("mnist-mixup", "apart", 16, 400, ((ADAM, "one-cycle"), (MOMENTUM, "linear"), (ADAMW, "linear"))),
    ("mnist-tuned", "apart", 15, 25, ((PLAIN, "linear"), (ADAMW, "constant"), (RMSPROP, "constant"))),
    ("photo-hole", "apart", 3, 50, ((PLAIN, "cosine"), (MOMENTUM, "one-cycle"), (ADAM, "cosine"))),
    ("waist-motion", "apart", 6, 32, ((MOMENTUM, "cosine"), (PLAIN, "one-cycle"), (ADAM, "cosine"))),
    ("words-next", "apart", 6, 20, ((RMSPROP, "linear"), (MOMENTUM, "one-cycle"), (RMSPROP, "cosine"))),
)

APART_CASES = cases_in(_APART)
