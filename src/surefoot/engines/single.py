"""One model under one recipe, update by update, as quick as a loop written by hand.

It makes the same updates as `Serial` does, to the bit, and is faster by what it leaves out: batches of an epoch are
gathered together, gradients are dropped rather than cleared, and torch's generator is seeded without a detour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import optimizer as machinery
from torch.utils import _pytree as pytree

from surefoot.engines.batches import BatchOrder
from surefoot.engines.gradient_norms import clip_gradients, gradient_norm
from surefoot.engines.members import random_states
from surefoot.engines.optimizers import build_optimizer, step_refusal
from surefoot.engines.serial import parameter_groups
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.borrowing import mixed_seed, seed_all, seed_torch
from surefoot.tasks.outside import ModelGradients
from surefoot.tasks.sources import TensorSource
from surefoot.tasks.task import Task

__all__ = ["BatchReader", "Single"]

_BLOCK = 2**20
"""Bytes of examples that are gathered at once; they should still be in the cache when their batch is used."""
_ALIGNED = 64
"""Bytes; a view that starts elsewhere may be computed by other instructions, with other rounding."""


class BatchReader:
    """The batches of a training, numbered over all epochs; the same examples as `Task.batch` gives."""

    def __init__(self, task: Task, order: BatchOrder) -> None:
        self._task, self._order = task, order
        self._first = 0
        self._batches: list[Any] = []
        self._versions: list[tuple[torch.Tensor, int]] = []
        self._together = self._plan()

    def batch(self, number: int) -> Any:
        """Batch `number`, from 0."""
        if not self._together:
            seed = mixed_seed(self._order.seed, number)
            return self._task.batch(self._task.train, self._order.index(number), seed)
        if self._order.full:
            number = 0
        if not (self._first <= number < self._first + len(self._batches)) or self._changed():
            self._fill(number)
        return self._batches[number - self._first]

    def _plan(self) -> int:
        """How many batches may be gathered together; 0 where batches are read one by one."""
        if type(self._task.train) is not TensorSource:
            return 0
        leaves = pytree.tree_leaves(self._task.train.whole)
        rows: list[int] = [leaf[:1].numel() * leaf.element_size() for leaf in leaves]
        if any(row * self._order.batch_size % _ALIGNED for row in rows) and not self._order.full:
            return 0
        if any(leaf.is_sparse or leaf.is_quantized for leaf in leaves):
            return 0
        return max(1, _BLOCK // max(1, sum(rows) * self._order.batch_size))

    def _fill(self, number: int) -> None:
        order = self._order
        epoch, place = divmod(number, order.per_epoch)
        # Blocks start at fixed places, so that a training that is resumed meets the same memory.
        start = place // self._together * self._together
        stop = min(start + self._together, order.per_epoch)
        self._first = epoch * order.per_epoch + start
        index = torch.cat([order.index(self._first + one) for one in range(stop - start)])
        whole = self._task.batch(self._task.train, index)
        leaves, spec = pytree.tree_flatten(whole)
        parts = zip(*(leaf.split(order.batch_size) for leaf in leaves), strict=True)
        if type(whole) is tuple and len(whole) == len(leaves):
            self._batches = list(parts)
        else:
            self._batches = [pytree.tree_unflatten(list(part), spec) for part in parts]
        self._versions = [(leaf, leaf._version) for leaf in leaves] if order.full else []

    def _changed(self) -> bool:
        """Whether the model wrote into a batch that would be shown again."""
        return any(leaf._version != version for leaf, version in self._versions)


class Single:
    """A model, its optimizer and its batches.

    Args:
        task: what is trained.
        recipe: how; with a rate.
        norms: whether gradient norms are measured.

    Raises:
        RecipeError: the recipe has no rate, or its optimizer refuses it.
    """

    def __init__(self, task: Task, recipe: Recipe, *, norms: bool = True) -> None:
        if recipe.lr is None:
            raise RecipeError("`lr` of the recipe is None; a training needs a rate: give one, or find it first")
        if recipe.precision != "float32" and task.device.type == "cpu":
            raise RecipeError(f"`precision` is `{recipe.precision}`, which needs a GPU; take `float32` on the CPU")
        self.task, self.recipe, self._norms = task.afresh(), recipe, norms
        self.model = task.make_model(recipe.seed)
        self.optimizer = build_optimizer(
            recipe.optimizer, parameter_groups(task, self.model, recipe), recipe.lr, recipe.options
        )
        self.order = BatchOrder(task.train.size, recipe.batch_size, recipe.order_seed)
        self.seen: Callable[[Any, Any], None] | None = None
        """Shown every batch and the model's output on it."""
        self._gradients = ModelGradients(self.model)
        self._reader = BatchReader(task, self.order)
        self._parameters = list(self.model.parameters())
        self._trained = [one for group in self.optimizer.param_groups for one in group["params"]]
        self._plain_clear = type(self.optimizer).zero_grad is torch.optim.Optimizer.zero_grad
        self._step = _bare_step(self.optimizer)
        self._rates: tuple[float, float | None] | None = None
        self._waits = task.device.type != "cpu"
        self._sparse: bool | None = None
        self._draws: bool | None = None
        """Whether an update draws from the generators of NumPy or Python, whose seeding takes long; None: not known."""

    def update(self, step: int, lr: float, momentum: float | None = None) -> tuple[Any, Any]:
        """Make update `step` at rate `lr`; the loss before it and the gradient norm before clipping.

        Both are numbers on the CPU, and tensors elsewhere, where asking for the number would wait for the device; the
        norm is NaN where it is not measured.
        """
        if self._rates != (lr, momentum):
            self._set_rates(lr, momentum)
        # Randomness inside the model depends on seed and step alone, so that any step can be the first.
        seed = mixed_seed(self.recipe.seed, step, 1)
        if self._draws is False:
            seed_torch(seed)
        else:
            seed_all(seed)
        seeded = random_states()[1:] if self._draws is None else None
        if self._plain_clear:
            for parameter in self._trained:
                parameter.grad = None
        else:
            self.optimizer.zero_grad(set_to_none=True)
        count = self.recipe.accumulate
        loss = self._backward(step) if count == 1 else self._accumulate(step * count, count)
        norm = self._norm()
        try:
            self._step()
        except (RuntimeError, TypeError, ValueError) as error:
            raise step_refusal(error, self.recipe.optimizer) from error
        if seeded is not None:
            self._draws = random_states()[1:] != seeded
        return loss, norm

    def _backward(self, number: int, share: int = 1) -> Any:
        batch = self._reader.batch(number)
        if self.recipe.precision == "float32":
            loss, output = self.task.loss_and_output(self.model, batch)
        else:
            with torch.autocast(self.task.device.type, dtype=torch.bfloat16):
                loss, output = self.task.loss_and_output(self.model, batch)
        self._gradients(loss if share == 1 else loss / share)
        if self.seen is not None:
            self.seen(batch, output)
        return loss.detach() if self._waits else loss.item()

    def _accumulate(self, first: int, count: int) -> Any:
        total: Any = 0.0
        for number in range(first, first + count):
            total = total + self._backward(number, count) / count
        return total

    def _norm(self) -> Any:
        if self.recipe.clip is not None:
            given = [one for one in self._parameters if one.grad is not None]
            norm: Any = clip_gradients(given, self.recipe.clip) if given else torch.zeros(())
            return norm if self._waits else norm.item()
        if not self._norms:
            return math.nan
        gradients = [found for one in self._parameters if (found := one.grad) is not None]
        if not gradients:
            return 0.0
        if self._sparse is None:
            self._sparse = any(one.is_sparse for one in gradients)
        if len(gradients) <= 8 and not self._waits and not self._sparse:
            return math.sqrt(sum(one.item() ** 2 for one in torch._foreach_norm(gradients)))
        norm = gradient_norm(gradients)
        return norm if self._waits else norm.item()

    def _set_rates(self, lr: float, momentum: float | None) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_factor"]
            if momentum is not None and group.get("momentum"):
                group["momentum"] = momentum
            elif momentum is not None and "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
        self._rates = (lr, momentum)

    def state(self) -> dict[str, Any]:
        """Parameters, buffers (also those the module does not save) and the optimizer's state."""
        model = self.model.state_dict()
        hidden = {name: one for name, one in self.model.named_buffers() if name not in model}
        return {
            "model": dict(model), "buffers": hidden, "optimizer": self.optimizer.state_dict(), "draws": self._draws,
            "loss": dict(own.named_buffers()) if isinstance(own := self.task.own_loss, nn.Module) else {},
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.model.load_state_dict(state["model"])
        buffers = dict(self.model.named_buffers())
        for name, value in state["buffers"].items():
            buffers[name].copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        # Torch turns the state into the type of its parameter; what was kept more exactly must stay so.
        for number, kept in state["optimizer"].get("state", {}).items():
            own = self.optimizer.state[self._trained[number]] if number in range(len(self._trained)) else {}
            for name, value in kept.items():
                there = own.get(name)
                if isinstance(value, torch.Tensor) and isinstance(there, torch.Tensor) and there.dtype != value.dtype:
                    own[name] = value.to(there.device, copy=True)
        self._rates = None
        self._draws = state.get("draws")
        if isinstance(self.task.own_loss, nn.Module):
            own_buffers = dict(self.task.own_loss.named_buffers())
            for name, value in state.get("loss", {}).items():
                own_buffers[name].copy_(value)

    def weights(self) -> dict[str, torch.Tensor]:
        """Copies of the parameters and buffers under the module's names."""
        return {name: value.detach().clone() for name, value in self.model.state_dict().items() if _is_tensor(value)}

    def put(self, weights: dict[str, torch.Tensor]) -> None:
        """Take over parameters and buffers that `weights` returned."""
        own = self.model.state_dict()
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _bare_step(optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
    """The optimizer's step, for torch's own classes without the wrappers for profiler, compiler and hooks.

    They take as long as the computation where the model is small. Where anything is not as expected, the step as it is.
    """
    wrapper: Any = type(optimizer).step
    inner = getattr(wrapper, "__wrapped__", None)
    plain = getattr(inner, "__wrapped__", None)
    code = getattr(inner, "__code__", None)
    known = type(optimizer).__module__.startswith("torch.optim.") and getattr(code, "co_name", "") == "_use_grad"
    hooks = [getattr(optimizer, f"_optimizer_step_{when}_hooks", None) for when in ("pre", "post")]
    hooks += [getattr(machinery, f"_global_optimizer_{when}_hooks", None) for when in ("pre", "post")]
    if plain is None or not known or None in hooks or optimizer.defaults.get("differentiable"):
        return optimizer.step

    def step() -> None:
        if any(hooks):
            optimizer.step()
            return
        with torch.no_grad():
            plain(optimizer)

    return step
