"""Six everyday trainings under seal: the search for a rate is judged on them, and nothing is chosen by them.

Five of them are on real data; networks, beginnings and losses are usual, and no task is shared with any other panel.
Optimizers and schedules were drawn by a seed, the first one that drew every optimizer and every schedule twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, cases_in, split_at
from panel_wide import HELD, images, tiles, windows
from surefoot.tasks.data.tiny_text import alphabet
from surefoot.tasks.task import Task

__all__ = ["SEALED_CASES", "SEALED_TASKS"]


class _NoiseOf(nn.Module):
    """The noise in an image, from it and from the time, which enters every hidden layer as waves."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(64, 128), nn.Linear(128, 64)
        self.times = nn.ModuleList(nn.Linear(16, 128) for _ in range(2))
        self.layers = nn.ModuleList(nn.Linear(128, 128) for _ in range(2))

    def forward(self, image: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        phases = math.pi * time[:, None] * 2 ** torch.arange(-1.0, 7, device=time.device) / 2
        waves, state = torch.cat([phases.sin(), phases.cos()], 1), self.enter(image)
        for of_time, layer in zip(self.times, self.layers, strict=True):
            state = layer(nn.functional.silu(state + of_time(waves)))
        noise: torch.Tensor = self.leave(nn.functional.silu(state))
        return noise


def _digits_diffused() -> Task:
    """The noise mixed into digits, 8x8, at times from none of it to nothing else; fully connected, squared error.

    The way to make images of Ho, Jain and Abbeel (2020), with the amounts of Nichol and Dhariwal (2021).
    """
    from sklearn.datasets import load_digits

    rng = torch.Generator().manual_seed(114)
    clean = torch.tensor(load_digits().data, dtype=torch.float32)[torch.randperm(1797, generator=rng)] / 8 - 1

    def mixed(some: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        time, noise = torch.rand(len(some), generator=rng), torch.randn(some.shape, generator=rng)
        angle = time[:, None] * math.pi / 2
        return angle.cos() * some + angle.sin() * noise, time, noise

    train, val = mixed(clean[:1200].repeat(3, 1)), mixed(clean[1200:].repeat(2, 1))
    return Task(_NoiseOf, train, val, loss=nn.MSELoss(), name="digits-diffused")


class _Forecast(nn.Module):
    """Three blocks, each explaining a part of the past and adding to the future (Oreshkin et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(72, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 72 + 36))
            for _ in range(3)
        )

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        future = past.new_zeros(past.shape[0], 36)
        for block in self.blocks:
            explained, added = block(past).split([72, 36], 1)
            past, future = past - explained, future + added
        return future.reshape(-1, 3, 12)


def _pinball(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The loss of the quantiles at 0.1, 0.5 and 0.9 (Koenker and Bassett 1978)."""
    levels = torch.tensor([0.1, 0.5, 0.9], device=output.device)[:, None]
    above = target[:, None] - output
    return torch.maximum(levels * above, (levels - 1) * above).mean()


def _hourly_load() -> Task:
    """Quantiles of the next 12 hours of a town's electric load, from the last 72; blocks of layers, pinball loss."""
    rng, hours = torch.Generator().manual_seed(115), torch.arange(7000)
    daily, working = 2 * math.pi * hours / 24, ((hours // 24) % 7 < 5).float()
    warmth, drawn = torch.zeros(7000), torch.randn(7000, generator=rng)
    for hour in range(1, 7000):
        warmth[hour] = 0.98 * warmth[hour - 1] + 0.2 * drawn[hour]
    evening, morning = (daily - 5).cos(), (0.6 + 0.6 * working) * (2 * daily - 4).cos()
    load = evening + morning + 0.8 * working + 0.7 * warmth.abs()
    load = load + 0.25 * (1 + evening.clamp(min=0)) * torch.randn(7000, generator=rng)
    load = (load - load.mean()) / load.std()

    def cut(series: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pieces = series.unfold(0, 84, 1)
        pieces = pieces[torch.randperm(len(pieces), generator=rng)[:count]]
        return pieces[:, :72].contiguous(), pieces[:, 72:].contiguous()

    return Task(_Forecast, cut(load[:5000], 3200), cut(load[5000:], 1200), loss=_pinball, name="hourly-load")


def _mnist_box() -> Task:
    """The box around a digit of MNIST, large or small, somewhere on a photograph, 24x24; convolutions, smooth L1."""
    rng = torch.Generator().manual_seed(111)
    ink = images(3000, 112)[0]
    ink = (ink - ink.min()) / (ink.max() - ink.min())
    larger, free = 1.2 + 0.8 * torch.rand(len(ink), 1, generator=rng), torch.rand(len(ink), 2, generator=rng)
    place = torch.cat([torch.diag_embed(larger.expand(-1, 2)), ((2 * free - 1) * (larger - 1))[:, :, None]], 2)
    grid = nn.functional.affine_grid(place, [len(ink), 1, 24, 24], align_corners=False)
    ink = nn.functional.grid_sample(ink, grid, align_corners=False)
    behind = tiles("china.jpg", 427, 24, 442, 113)
    of_tile = torch.arange(len(ink)) % 300
    of_tile[3000:] = 300 + torch.arange(HELD) % (len(behind) - 300)
    seen = ink[:, 0] > 0.3
    edges = []
    for axis in (1, 2):
        on = seen.any(axis).int()
        edges += [on.argmax(1), 24 - on.flip(1).argmax(1)]
    left, right, top, bottom = (edge / 24 for edge in edges)
    box = torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 1)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2), nn.ReLU(),
            nn.Conv2d(24, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 4),
        )  # fmt: skip

    data = split_at(behind[of_tile] * (1 - ink) + 2 * ink, box, 3000)
    return Task(model, **data, loss=nn.SmoothL1Loss(beta=0.1), name="mnist-box")


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A convolution of each channel alone and one of all channels at each place (Howard et al. 2017)."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False), nn.BatchNorm2d(inputs), nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip


def _mnist_pair() -> Task:
    """Both digits of a house number, two images of MNIST side by side, 14x28; separable convolutions."""
    x, y = images(4000, 116, held=None)
    small, rng = nn.functional.avg_pool2d(x, 2), torch.Generator().manual_seed(117)
    train = torch.randint(0, 4000, (3000, 2), generator=rng)
    both = torch.cat([train, torch.randint(4000, len(x), (1200, 2), generator=rng)])

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), _separable(12, 32, 2),
            _separable(32, 48, 2), nn.Flatten(), nn.Linear(1344, 20), nn.Unflatten(1, (10, 2)),
        )  # fmt: skip

    data = split_at(torch.cat([small[both[:, 0]], small[both[:, 1]]], 3), y[both], 3000)
    return Task(model, **data, loss=nn.CrossEntropyLoss(), name="mnist-pair")


class _MaskedLinear(nn.Linear):
    """A linear layer in which only those connections are open that a mask leaves."""

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


def _mnist_pixels() -> Task:
    """How likely each pixel of MNIST, 14x14, is ink, given all before it; two hidden layers of masked connections.

    The network is the one of Germain et al. (2015), the loss the likelihood of the image.
    """
    x = nn.functional.avg_pool2d(images(3600, 118)[0], 2).flatten(1)
    ink = ((x - x.min()) / (x.max() - x.min()) > 0.5).float()

    def model() -> nn.Module:
        pixels, inside = torch.arange(196), torch.arange(192) % 195
        return nn.Sequential(
            _MaskedLinear(inside[:, None] >= pixels), nn.ReLU(), _MaskedLinear(inside[:, None] >= inside), nn.ReLU(),
            _MaskedLinear(pixels[:, None] > inside),
        )  # fmt: skip

    return Task(model, **split_at(ink, ink, 3600), loss=nn.BCEWithLogitsLoss(), name="mnist-pixels")


class _Gated(nn.Module):
    """A convolution over time with growing gaps, half of it a gate for the other half, added to what came in."""

    def __init__(self, width: int, gap: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Conv1d(width, 2 * width, 3, padding=gap, dilation=gap), nn.GLU(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = x + self.inside(x)
        return added


class _Spaces(nn.Module):
    """Reads characters with gated convolutions (Dauphin et al. 2017) and answers once at every place."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(symbols, 32), nn.Linear(32, 1)
        self.inside = nn.Sequential(*(_Gated(32, gap) for gap in (1, 2, 4)))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        read = self.inside(self.embedding(codes).transpose(1, 2)).transpose(1, 2)
        answers: torch.Tensor = self.out(read).squeeze(2)
        return answers


def _text_spaces() -> Task:
    """Behind which of 24 characters of prose a word ended, all spaces taken out; gated convolutions, yes or no each."""
    spaces = torch.tensor([one.isspace() for one in alphabet()])

    def parted(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        space = spaces[codes]
        kept = space[:, :-1].int().argsort(dim=1, stable=True)[:, :24]
        return codes.gather(1, kept), space[:, 1:].gather(1, kept).float()

    train, val = (parted(one) for one in windows(40, 3000, 119))
    return Task(partial(_Spaces, len(alphabet())), train, val, loss=nn.BCEWithLogitsLoss(), name="text-spaces")


SEALED_TASKS: dict[str, Callable[[], Task]] = {
    "digits-diffused": _digits_diffused,
    "hourly-load": _hourly_load,
    "mnist-box": _mnist_box,
    "mnist-pair": _mnist_pair,
    "mnist-pixels": _mnist_pixels,
    "text-spaces": _text_spaces,
}

_SEALED = (
    ("digits-diffused", "sealed", 16, 60, ((ADAMW, "constant"), (ADAMW, "linear"), (PLAIN, "linear"))),
    ("hourly-load", "sealed", 12, 64, ((ADAM, "constant"), (RMSPROP, "constant"), (ADAMW, "one-cycle"))),
    ("mnist-box", "sealed", 12, 50, ((ADAMW, "constant"), (ADAM, "linear"), (ADAMW, "one-cycle"))),
    ("mnist-pair", "sealed", 8, 50, ((ADAM, "one-cycle"), (RMSPROP, "cosine"), (MOMENTUM, "cosine"))),
    ("mnist-pixels", "sealed", 14, 60, ((RMSPROP, "constant"), (MOMENTUM, "constant"), (ADAM, "linear"))),
    ("text-spaces", "sealed", 8, 50, ((MOMENTUM, "constant"), (PLAIN, "one-cycle"), (ADAM, "constant"))),
)

SEALED_CASES = cases_in(_SEALED)
