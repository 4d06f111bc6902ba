"""Hessian-vector products: the second derivative of a task's mean loss, one direction at a time.

The *weights* are the trainable parameters of a model, flattened one after the other into one vector [P] in the order
of ``model.parameters()``. An `Hvp` is the Hessian of the mean loss over its batches at its weights, as a function from
vectors to vectors. Every batch counts by what the mean takes of it, mostly its examples: a short last one is exact.

Two ways lead to the same product (Pearlmutter, Fast exact multiplication by the Hessian, 1994): *reverse* over reverse
differentiates <gradient, v> once more and can keep the gradient's graph between products; *forward* over reverse
carries v along through the gradient and keeps nothing.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from surefoot.curvature.determinism import Steady, steady
from surefoot.curvature.second import lacks_second, refuse_marked_nodes
from surefoot.errors import DataError, InputError, TaskError
from surefoot.tasks.averaging import mean_weight
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task
from surefoot.tasks.user_code import in_one_line

__all__ = ["Hvp", "Method", "WeightedBatch", "batches_of", "flat_weights", "trainable"]

Method = Literal["auto", "reverse", "forward"]
WeightedBatch = tuple[Any, int]
"""A batch as the task's loss takes it, and how many examples it holds."""

_BEFORE_TRYING = 8
"""Products after which the other way is tried: a search that needs fewer is over before that pays."""


def batches_of(
    task: Task, *, batch_size: int | None = None, examples: int | None = None, seed: int = 0
) -> list[WeightedBatch]:
    """Training examples of `task` as batches with their sizes; the last one may be short.

    Args:
        task: whose training data.
        batch_size: examples in a batch; None takes 1024 at most.
        examples: how many examples, drawn by `seed` without repetition; None takes all.
        seed: draws the examples.

    Raises:
        InputError: a number below 1.
    """
    for name, value in (("batch_size", batch_size), ("examples", examples)):
        if value is not None and value < 1:
            raise InputError(f"`{name}` is {value}; it is a whole number from 1")
    size = task.train.size
    order = torch.arange(size)
    if examples is not None and examples < size:
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:examples].sort().values
    parts = torch.split(order, min(batch_size or 1024, len(order)))
    return [(task.batch(task.train, part), len(part)) for part in parts]


def trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Names and parameters that are trained, in the order of the flat weights."""
    return [(name, one) for name, one in model.named_parameters() if one.requires_grad]


def flat_weights(model: nn.Module) -> Tensor:
    """A copy of the trainable parameters as one vector [P]."""
    return torch.cat([one.detach().reshape(-1) for _, one in trainable(model)])


class Hvp:
    """The Hessian of the mean loss over batches, as a function: vector [P] to vector [P].

    Args:
        task: whose loss.
        model: where the Hessian is taken; it is copied and never touched.
        batches: what the loss is averaged over; see `batches_of`.
        decay: weight decay that the optimizer adds to the gradient: a number, or one per weight [P].
        method: ``"auto"`` begins in reverse, times both ways on one batch after a few products and keeps the faster.
        keep: whether the graph of the gradient is kept between products (reverse only): faster, more memory.
        seed: fixes whatever is random inside the model.

    Attributes:
        size: P.
        products: how many products were computed; one with the Hessian of some of the examples counts as that share.
        method: the way that is used, once it is known.
        notes: what was done to make products possible and repeatable, each a sentence.

    Raises:
        TaskError: the loss has no second derivative, or two products with one vector differ and nothing helps.
        DataError: the batches do not fit the model.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        batches: Sequence[WeightedBatch],
        *,
        decay: float | Tensor = 0.0,
        method: Method = "auto",
        keep: bool = True,
        seed: int = 0,
    ) -> None:
        if not batches:
            raise DataError("`batches` is empty; give at least one")
        if method not in ("auto", "reverse", "forward"):
            raise InputError(f"`method` is {method!r}; there are auto, reverse, forward")
        self.task = task
        self.model = copy.deepcopy(model)
        self._named = trainable(self.model)
        if not self._named:
            raise TaskError("`model` has no parameter that requires a gradient; set requires_grad of those to train")
        self._parameters = [one for _, one in self._named]
        for module in self.model.modules():
            if isinstance(module, nn.Embedding | nn.EmbeddingBag):
                module.sparse = False  # dense gradients hold the same numbers
        if any(one.is_complex() for one in self._parameters):
            raise TaskError("`model` has complex parameters, for which no curvature is told; take pairs of real ones")
        if len({one.dtype for one in self._parameters}) > 1:
            raise TaskError("the parameters of `model` have several types; take one, such as float32, for all")
        self.size = sum(one.numel() for one in self._parameters)
        self.decay = decay
        self.products = 0.0
        self.method: str = "reverse" if method == "auto" else method
        self._undecided = method == "auto"
        self._keep = keep
        self._take(batches)
        self._plain_attention = self._looked = False
        self.notes: list[str] = []
        self._steady: Steady = Steady(seed)
        with borrowed_rng(seed), torch.enable_grad():
            self._steady = steady(self.model, lambda: self._flat(self._gradients(self._batches[0][0])), seed)
        self.notes += self._steady.notes

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights and of products."""
        return self._parameters[0].dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._parameters[0].device

    @property
    def slices(self) -> dict[str, slice]:
        """Name of each trainable parameter and its place in the flat weights."""
        found, start = {}, 0
        for name, one in self._named:
            found[name] = slice(start, start + one.numel())
            start += one.numel()
        return found

    def load(self, model: nn.Module) -> None:
        """Go to the weights (and buffers) of another model of the same kind."""
        self._graphs.clear()
        with torch.no_grad():
            for mine, other in zip(self._parameters, (one for _, one in trainable(model)), strict=True):
                mine.copy_(other)
            for own, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
                own.copy_(theirs)
        self._steady.keep_buffers(self.model)

    def put(self, weights: Tensor) -> None:
        """Go to flat weights [P]."""
        self._graphs.clear()
        with torch.no_grad():
            for mine, part in zip(self._parameters, self._split(weights), strict=True):
                mine.copy_(part)

    def weights(self) -> Tensor:
        """A copy of the flat weights [P]."""
        return torch.cat([one.detach().reshape(-1) for one in self._parameters])

    def loss(self) -> float:
        """Mean loss over the batches, without weight decay."""
        total = 0.0
        with torch.no_grad(), borrowed_rng():
            for (batch, _), share in zip(self._batches, self._shares, strict=True):
                with self._steady.held(self.model):
                    total += float(self._loss(batch)) * share if share else 0.0
        return total

    def gradient(self) -> Tensor:
        """Gradient [P] of the mean loss, with weight decay."""
        total = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        with torch.enable_grad(), borrowed_rng():
            for (batch, _), share in zip(self._batches, self._shares, strict=True):
                with self._steady.held(self.model):
                    total += self._flat(self._gradients(batch)).detach() * share if share else 0.0
        return total + self.decay * self.weights()

    def gradients(self) -> Tensor:
        """Gradient of every batch by itself [batches, P], without weight decay."""
        rows = torch.empty(len(self._batches), self.size, dtype=self.dtype, device=self.device)
        with torch.enable_grad(), borrowed_rng():
            for row, (batch, _) in zip(rows, self._batches, strict=True):
                with self._steady.held(self.model):
                    row.copy_(self._flat(self._gradients(batch)).detach())
        return rows

    def __call__(self, vector: Tensor) -> Tensor:
        """The Hessian times `vector` [P].

        Raises:
            TaskError: the loss has no second derivative.
        """
        if vector.shape != (self.size,):
            raise InputError(f"`vector` has shape {tuple(vector.shape)}; it needs ({self.size},), one number a weight")
        total = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        with torch.enable_grad(), borrowed_rng():
            if self._undecided and self.products >= _BEFORE_TRYING:
                self._decide(vector)
            for place, share in enumerate(self._shares):
                total += self._product(place, vector) * share if share else 0.0
        self.products += 1
        return total + self.decay * vector

    def over(self, batches: Sequence[WeightedBatch]) -> Hvp:
        """The Hessian at the same weights over other batches; the model is shared, so go nowhere with either."""
        other = copy.copy(self)
        other.products, other.notes = 0.0, []
        other._take(batches)
        return other

    def _take(self, batches: Sequence[WeightedBatch]) -> None:
        self._batches = list(batches)
        self._graphs: dict[int, tuple[Tensor, ...]] = {}
        weights = [mean_weight(self.task, batch, count) for batch, count in self._batches]
        self._shares = [one / (sum(weights) or 1.0) for one in weights]

    def parts(self, count: int) -> list[WeightedBatch]:
        """The same examples in about `count` smaller batches of about the same size; one that resists stays whole."""
        size = max(1, math.ceil(sum(held for _, held in self._batches) / count))
        return [part for batch, held in self._batches for part in _cut(batch, held, size)]

    def on_batch(self, place: int, vector: Tensor) -> Tensor:
        """The Hessian of batch number `place` alone, times `vector` [P]; without weight decay."""
        with torch.enable_grad(), borrowed_rng():
            product = self._product(place, vector)
        self.products += 1
        return product

    # One batch.

    def _product(self, place: int, vector: Tensor) -> Tensor:
        try:
            return self._forward(place, vector) if self.method == "forward" else self._reverse(place, vector)
        except (RuntimeError, NotImplementedError) as error:
            said = in_one_line(error)
            if "attention" in said and not self._plain_attention:
                self._plain_attention = True
                self._graphs.clear()
                self.notes.append(
                    "attention is computed without its fused kernel, which has no second derivative (same numbers)"
                )
                return self._product(place, vector)
            if self.method == "forward":
                self.method = "reverse"
                return self._product(place, vector)
            if lacks_second(said):
                raise TaskError(f"`loss` has no second derivative: {said}; replace that operation") from error
            raise

    def _reverse(self, place: int, vector: Tensor) -> Tensor:
        gradients = self._graphs.get(place)
        if gradients is None:
            with self._steady.held(self.model):
                gradients = self._gradients(self._batches[place][0], graph=True)
            if not any(one.requires_grad for one in gradients):
                # The loss is linear in the weights, piece by piece: its second derivative is zero.
                return torch.zeros_like(vector)
            if not self._looked:
                refuse_marked_nodes(gradients)
                self._looked = True
            if self._keep:
                self._graphs[place] = gradients
        pairs = [(g, v) for g, v in zip(gradients, self._split(vector), strict=True) if g.requires_grad]
        found = torch.autograd.grad(
            [g for g, _ in pairs], self._parameters, [v for _, v in pairs],
            retain_graph=self._keep, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return self._flat(found).detach()

    def _forward(self, place: int, vector: Tensor) -> Tensor:
        names = [f"model.{name}" for name, _ in self._named]
        whole, batch = _LossOf(self.task, self.model), self._batches[place][0]

        def loss(weights: dict[str, Tensor]) -> Tensor:
            found: Tensor = functional_call(whole, weights, (batch,))
            return found

        here = {name: one.detach() for name, (_, one) in zip(names, self._named, strict=True)}
        along = dict(zip(names, self._split(vector), strict=True))
        with self._steady.held(self.model), self._attention(), warnings.catch_warnings():
            # Of torch's own, when its rules for forward mode are first loaded.
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            tangents: dict[str, Tensor] = jvp(grad(loss), (here,), (along,))[1]
        return self._flat([tangents[name] for name in names]).detach()

    def _gradients(self, batch: Any, *, graph: bool = False) -> tuple[Tensor, ...]:
        loss = self._loss(batch)
        if not loss.requires_grad:
            raise TaskError(
                "`loss` is cut off from the parameters, so it has no derivative; look for argmax, round, detach() or "
                "no_grad() between model and loss"
            )
        return torch.autograd.grad(
            loss, self._parameters, create_graph=graph, allow_unused=True, materialize_grads=True
        )

    def _loss(self, batch: Any) -> Tensor:
        try:
            with self._attention():
                loss = self.task.loss_of(self.model, batch)
        except InputError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise DataError(f"a batch of `train` does not fit model and loss: {in_one_line(error)}") from error
        if not isinstance(loss, Tensor) or loss.ndim != 0:
            raise TaskError("`loss` must return one number as a tensor, the mean over the batch")
        return loss

    def _attention(self) -> contextlib.AbstractContextManager[Any]:
        return sdpa_kernel(SDPBackend.MATH) if self._plain_attention else contextlib.nullcontext()

    def _decide(self, vector: Tensor) -> None:
        """Time both ways on the first batch, after a first try of each, and keep the faster."""
        self._undecided = False
        spent: dict[str, float] = {}
        for method in ("reverse", "forward"):
            self.method = method
            try:
                for _ in range(2):
                    started = time.perf_counter()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        self._forward(0, vector) if method == "forward" else self._product(0, vector)
                    spent[method] = time.perf_counter() - started
            except Exception:
                # Whatever the user's code does in forward mode: the other way is there.
                if method == "reverse":
                    raise
                spent.pop(method, None)
        self.method = min(spent, key=lambda one: spent[one])
        if self.method == "forward":
            self._graphs.clear()

    def _split(self, vector: Tensor) -> list[Tensor]:
        parts = torch.split(vector, [one.numel() for one in self._parameters])
        return [part.view_as(one) for part, one in zip(parts, self._parameters, strict=True)]

    @staticmethod
    def _flat(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([one.reshape(-1) for one in tensors])


class _LossOf(nn.Module):
    """Batch to loss. A loss that takes the model gets the module itself, whatever weights are put in."""

    def __init__(self, task: Task, model: nn.Module) -> None:
        super().__init__()
        self.task, self.model = task, model

    def forward(self, batch: Any) -> Tensor:
        return self.task.loss_of(self.model, batch)


def _cut(batch: Any, held: int, size: int) -> list[WeightedBatch]:
    """Pieces of at most `size` of the `held` examples, where every tensor of the batch has one row for each."""
    tensors = [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
    if held <= size or not tensors or any(leaf.ndim == 0 or len(leaf) != held for leaf in tensors):
        return [(batch, held)]
    pieces = []
    for rows in torch.tensor_split(torch.arange(held), math.ceil(held / size)):
        low, high = int(rows[0]), int(rows[-1]) + 1
        piece = pytree.tree_map(lambda leaf, a=low, b=high: leaf[a:b] if isinstance(leaf, Tensor) else leaf, batch)
        pieces.append((piece, high - low))
    return pieces
