"""The ground: the loss of one model over the space of its weights, always on the same examples.

Points are evaluated many at once by `vmap` over the user's own module and loss, with a few operations caught on the
way (`kernels`); `one_by_one` is the obvious twin, and what is left where `vmap` cannot follow. Dropout is off. Batch
normalisation takes the mean and variance of the examples at every point anew, as a training step does: a variance that
is computed cannot be negative, and averages that were kept at one point mean nothing at another. The module is a copy;
nothing of the user's is touched.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils import _pytree as pytree

from surefoot.engines.memory import allowed_bytes, in_bytes
from surefoot.errors import InputError, MemoryBoundError
from surefoot.landscape.kernels import Kernels, Points, keep_freed_memory
from surefoot.landscape.weights import Numbers, Weights, differing, unmoved
from surefoot.tasks.borrowing import borrowed_rng, seed_all
from surefoot.tasks.data_checks import spaced
from surefoot.tasks.task import Task
from surefoot.tasks.user_code import in_one_line

__all__ = ["Ground"]

Floats = npt.NDArray[np.float64]
Timed = Callable[[Points, int, bool], tuple[Floats, float]]
"""Points, their number (1: one by one), and whether by kernels; to losses and seconds for each."""

_WIDTHS = (1, 8, 32, 128, 256)
"""Points at once that are tried; 1 means one by one."""
_MANY = 256
"""Points at once that are tried first with a light model."""
_COMPARED_FROM = 100
"""Points from which it pays to time kernels against plain `vmap`; with fewer, kernels are taken."""
_SAMPLE = 4
"""Points that are evaluated between two looks at the progress, one by one."""
_TWINS = 2
"""Points by which one by one is timed, and `vmap` checked."""
_SMALL, _LIGHT = 20_000, 1e-3
"""Weights up to which, and seconds below which many points at once are tried first: a small model's time goes into
calls."""
_CLEAR = 3.0
"""Times as fast as one by one at which that is done without looking for a better number of points."""
_WORSE, _FIRST_WORSE = 1.3, 1.7
"""Wider is not tried any more once it takes this much longer per point than the best; of the narrowest, whose
constant costs are shared by few, more is borne."""
_ROOM = 2.0
"""Intermediate values that live at once, in outputs of all layers: a generous estimate."""


class Ground:
    """The loss of a task's model at any weights.

    Args:
        task: gives model, loss and examples.
        model: a module of Surefoot's own, whose frozen parameters and buffers hold everywhere; it is changed.
        ends: states of other points that will be asked for. Where they differ in frozen parameters or buffers, these
            are moved with the weights.
        examples: training examples, spread evenly over the data; None takes all.
        memory: bytes that may be used; None takes half of what is free.
        seed: of what is random in the user's transforms and model.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        *,
        ends: Sequence[Mapping[str, Tensor]] = (),
        examples: int | None = 512,
        memory: int | None = None,
        seed: int = 0,
    ) -> None:
        size = task.train.size
        if examples is not None and not 1 <= examples <= size:
            raise InputError(f"`examples` is {examples}; the training data has 1 to {size} of them")
        self.task, self.model = task, model
        self.examples = size if examples is None else examples
        self.notes: list[str] = []
        self.method = ""
        self._seed = seed
        self._bound = allowed_bytes(memory)
        self.normalised = _renew_statistics(model)
        if self.normalised:
            self.notes.append(
                f"{self.normalised} batch normalisations take mean and variance of the {self.examples} examples anew "
                "at every point: no running average is moved along the plane"
            )
        self.weights = Weights(model, self._moved_too(ends))
        model.eval()
        with borrowed_rng(seed):
            self._index = spaced(size, self.examples)
            self._batches, self._most = self._fitting()
        self.notes = list(dict.fromkeys(self.notes))
        self._width: int | None = None
        self._kernels = False

    @property
    def precision(self) -> float:
        """Rounding error of a loss, as a share of it."""
        return self.weights.precision

    @property
    def batches(self) -> list[tuple[Any, int]]:
        """The examples in batches, each with how many it holds."""
        return [(batch, round(share * self.examples)) for batch, share in self._batches]

    def point(self, state: Mapping[str, Tensor]) -> Numbers:
        """The point [P] of a state; what it does not hold is as in the model."""
        return self.weights.point({**dict(self.model.named_parameters()), **unmoved(self.model), **state})

    def _moved_too(self, ends: Sequence[Mapping[str, Tensor]]) -> list[str]:
        """Names of what differs between model and ends beside the weights and can be interpolated; said in notes."""
        differ = differing(self.model, ends)
        own = unmoved(self.model)
        moved = [name for name in differ if own[name].is_floating_point()]
        kept = [name for name in differ if name not in moved]
        if moved:
            self.notes.append(
                f"the ends differ in frozen parameters or buffers too ({_some(moved)}): these are interpolated with "
                "the weights"
            )
        if kept:
            self.notes.append(
                f"the ends differ in {_some(kept)}, which cannot be interpolated: the one of `around`, or else of the "
                "start, holds everywhere, so the loss at the other end is not its own"
            )
        return moved

    def losses(self, points: Numbers) -> Floats:
        """Losses [n] at points [n, P]; infinity where there is no finite one."""
        found = np.empty(len(points))
        step = max(1, min(self._most, self._width or _WIDTHS[2]))
        with _quiet():
            for start in range(0, len(points), step):
                part = torch.as_tensor(points[start : start + step]).to(self.weights.device, self.weights.dtype)
                width = 1 if self._width == 1 else len(part)
                found[start : start + step] = self._evaluate(Points(self.weights.named(part)), width, self._kernels)
        return found

    def over(self, origin: Numbers, directions: Numbers, coordinates: Floats) -> Iterator[tuple[int, Floats]]:
        """Losses at origin + coordinates @ directions: yields (place of the first, losses) of chunks, in order.

        Args:
            origin: [P].
            directions: [k, P].
            coordinates: [n, k].
        """
        parts = self.weights.plane(origin, directions)
        ones = np.ones((len(coordinates), 1))
        shares = torch.as_tensor(np.hstack([ones, coordinates])).to(self.weights.device, self.weights.dtype)

        def chunk(start: int, count: int) -> Points:
            some = shares[start : start + count]
            numbers = {
                name: (some @ rows.flatten(1)).to(self.weights.kinds[name]).view(len(some), *rows.shape[1:])
                for name, rows in parts.items()
            }
            return Points(numbers, some, parts)

        start = 0
        if self._width is None and len(coordinates):
            for start_, losses in self._calibrated(chunk, len(coordinates)):
                yield start_, losses
                start = start_ + len(losses)
        width = self._width or 1
        while start < len(coordinates):
            with _quiet():
                losses = self._evaluate(chunk(start, width if width > 1 else _SAMPLE), width, self._kernels)
            yield start, losses
            start += len(losses)

    def _calibrated(self, chunk: Callable[[int, int], Points], count: int) -> Iterator[tuple[int, Floats]]:
        """The first chunks, by which the fastest number of points at once is found; all of them count."""
        # With one thread its own processor time counts, which other work on the machine does not stretch.
        clock = time.perf_counter if torch.get_num_threads() > 1 else time.thread_time

        def timed(points: Points, width: int, kernels: bool) -> tuple[Floats, float]:
            began = clock()
            losses = self._evaluate(points, width, kernels)
            return losses, (clock() - began) / len(losses)

        keep_freed_memory()
        many = count if count <= 2 * _MANY else _MANY
        tried = chunk(0, many if self.weights.size <= _SMALL and many <= self._most else min(_TWINS, count))
        first = tried.first(_TWINS)
        with _quiet():
            twins, alone = timed(first, 1, False)
            light = alone < _LIGHT
            losses, took, refused = self._agreeing(tried if light else first, twins, timed)
            clear = len(losses) > len(twins) and took * _CLEAR < alone
            if not clear and not refused:
                alone = timed(first, 1, False)[1]  # again: the first time also makes room
        width, best = (_MANY, took) if clear else (1, alone)
        losses = losses if len(losses) > len(twins) else twins
        start, settled = len(losses), True
        yield 0, losses
        for wide in () if refused else [one for one in _WIDTHS if one > width]:
            if wide > self._most:
                break
            if start >= count:  # too few points to tell: the next ones will
                settled = False
                break
            with _quiet():
                points = chunk(start, wide)
                losses, took = timed(points, wide, self._kernels)
                if wide == _WIDTHS[1] and self._kernels and count >= _COMPARED_FROM:
                    plain = timed(points, wide, False)[1]
                    if took > plain:  # what came first also made room: once more
                        took = timed(points, wide, True)[1]
                    self._kernels, took = took <= plain, min(took, plain)
            yield start, losses
            start += len(losses)
            if took < best:
                best, width = took, wide
            elif took > (_FIRST_WORSE if wide == _WIDTHS[1] else _WORSE) * best:
                break
        self._width = width if settled else None
        if refused:
            self.method = f"one point after the other: {refused}"
            self.notes.append(f"points were evaluated one after the other, because {refused}")
        elif width == 1:
            self.method = "one point after the other, which was measured to be fastest"
        else:
            self.method = f"{width} points at once by vmap" + (" and kernels" if self._kernels else "")

    def _agreeing(self, points: Points, twins: Floats, timed: Timed) -> tuple[Floats, float, str]:
        """Losses at points by kernels, or else by plain `vmap`, and the time for each.

        And why neither can be used; empty where one gives what one by one gives for the first points, `twins`.
        """
        if self._most < 2:
            return twins, 0.0, "memory is bounded to one point at a time"
        refused = ""
        for self._kernels in (True, False):
            try:
                losses, took = timed(points, len(points), self._kernels)
            except Exception as error:  # noqa: BLE001 - whatever the user's code does under vmap
                refused = f"vmap fails on model or loss ({type(error).__name__}: {in_one_line(error)[:120]})"
                continue
            # Infinity is like itself, and like nothing else.
            near = max(1e-3, 2 * self.precision)
            if all(math.isclose(a, b, rel_tol=near, abs_tol=1e-6) for a, b in zip(losses, twins, strict=False)):
                return losses, took, ""
            refused = "model or loss give other numbers under vmap"
        return twins, 0.0, refused

    def _evaluate(self, points: Points, width: int, kernels: bool) -> Floats:
        """Losses at points, `width` at once; inside `_quiet`, and with the same random numbers at all of them."""

        def losses(batch: Any) -> Tensor:
            if width == 1:
                return self.one_by_one(points.numbers, batch)
            return self.by_kernels(points, batch) if kernels else self.at_once(points.numbers, batch)

        seed_all(self._seed)
        total = sum(share * losses(batch) for batch, share in self._batches)
        assert isinstance(total, Tensor)
        found: Floats = total.double().cpu().numpy()
        return np.where(np.isfinite(found), found, np.inf)

    def by_kernels(self, points: Points, batch: Any) -> Tensor:
        """Losses [K] on a batch at points, in one vectorised pass in which `kernels` take their part."""

        def loss(numbers: dict[str, Tensor], shares: Tensor | None) -> Tensor:
            with Kernels(numbers, shares, points.parts):
                return self._loss(numbers, batch)

        places = (0, None if points.shares is None else 0)
        result: Tensor = vmap(loss, in_dims=places, randomness="same")(dict(points.numbers), points.shares)
        return result

    def at_once(self, named: Mapping[str, Tensor], batch: Any) -> Tensor:
        """Losses [K] on a batch for numbers [K, ...] of each parameter, in one vectorised pass."""
        result: Tensor = vmap(lambda numbers: self._loss(numbers, batch), randomness="same")(dict(named))
        return result

    def one_by_one(self, named: Mapping[str, Tensor], batch: Any) -> Tensor:
        """The same in a loop."""
        count = len(next(iter(named.values())))
        return torch.stack([self._loss({name: one[row] for name, one in named.items()}, batch) for row in range(count)])

    def _loss(self, numbers: Mapping[str, Tensor], batch: Any) -> Tensor:
        with self.weights.placed(numbers):
            return self.task.loss_of(self.model, batch)

    def _fitting(self) -> tuple[list[tuple[Any, float]], int]:
        """The examples in parts that fit the memory, with the share of each, and how many points fit at once."""
        whole = self.task.batch(self.task.train, self._index, self._seed)
        per_point, outputs = self.weights.bytes, self._outputs()
        held = 3 * self.weights.bytes + sum(
            leaf.numel() * leaf.element_size() for leaf in pytree.tree_leaves(whole) if isinstance(leaf, Tensor)
        )
        room = self._bound - held
        most = int(room // (per_point + _ROOM * outputs)) if room > 0 else 0
        if most >= 1:
            return [(whole, 1.0)], most
        one = _ROOM * outputs / self.examples
        fitting = int((room - per_point) // one) if room > per_point else 0
        if fitting < 1:
            need = held + per_point + one
            raise MemoryBoundError(
                f"`memory` is {in_bytes(self._bound)} and one point of this model needs at least "
                f"{in_bytes(need)}; allow more memory"
            )
        parts = torch.split(self._index, fitting)
        self.notes.append(f"the {self.examples} examples are evaluated in {len(parts)} parts, to fit into memory")
        if self.normalised:
            self.notes.append("batch normalisation then uses the statistics of each part")
        batches = [(self.task.batch(self.task.train, part, self._seed), len(part) / self.examples) for part in parts]
        return batches, 1

    def _outputs(self) -> float:
        """Bytes that the layers of one model give out on a batch; measured on a few of its examples."""
        few = self._index[: min(len(self._index), 8)]
        total = 0.0

        def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
            nonlocal total
            total += sum(one.numel() * one.element_size() for one in pytree.tree_leaves(output) if _is_tensor(one))

        handles = [
            one.register_forward_hook(count) for one in self.model.modules() if next(one.children(), None) is None
        ]
        try:
            with torch.no_grad(), _plain_attention():
                self.task.loss_of(self.model, self.task.batch(self.task.train, few, self._seed))
        finally:
            for handle in handles:
                handle.remove()
        return max(total, 1.0) * self.examples / len(few)


def _renew_statistics(model: nn.Module) -> int:
    """Let batch normalisations compute mean and variance of what they see; how many there are."""
    found = 0
    for one in model.modules():
        if isinstance(one, nn.modules.batchnorm._NormBase) and one.running_var is not None:
            one.running_mean = one.running_var = one.num_batches_tracked = None
            one.track_running_stats = False
            found += 1
    return found


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention by plain products: the fused kernels have no rule under vmap."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Evaluate inside: no gradients, generators that are given back, attention that `vmap` follows."""
    with torch.no_grad(), borrowed_rng(), _plain_attention():
        yield


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)
