"""The obvious engine: one module and one torch optimizer per member, a loop, nothing clever.

It takes any module and any optimizer, and it is what the fused engine is tested against.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from surefoot.engines.batches import BatchOrder, steps_of
from surefoot.engines.engine import Ledger, Validation, unit_schedule, val_groups
from surefoot.engines.gradient_norms import clip_gradients
from surefoot.engines.optimizers import build_optimizer, step_refusal
from surefoot.engines.peculiar import versions
from surefoot.engines.val_parts import part_weights
from surefoot.errors import RecipeError
from surefoot.records import Fate, Recipe, Run
from surefoot.tasks.borrowing import borrowed_rng, mixed_seed, seed_all
from surefoot.tasks.outside import ModelGradients
from surefoot.tasks.task import Task

__all__ = ["Serial", "parameter_groups", "validate_model"]


class Serial:
    """Members trained one after the other on each batch; see `Engine` for the methods.

    Args:
        task: what is trained.
        recipes: one per member, alike in batch size, epochs and accumulation.
        grad_norms: whether gradient norms go into the runs.
        horizon: updates of the training; None takes them from the recipes' epochs.
    """

    def __init__(
        self, task: Task, recipes: Sequence[Recipe], *, grad_norms: bool = False, horizon: int | None = None
    ) -> None:
        first = recipes[0]
        total, per_epoch = steps_of(first, task.train.size)
        self.task, self._recipes = task, tuple(recipes)
        self.horizon = total if horizon is None else horizon
        self.done = 0
        self.ledger = Ledger(recipes, self.horizon, per_epoch, grad_norms=grad_norms)
        self._orders = {
            seed: BatchOrder(task.train.size, first.batch_size, seed) for seed in {one.order_seed for one in recipes}
        }
        self._schedules = [unit_schedule(one, self.horizon, per_epoch) for one in recipes]
        self._models: dict[int, nn.Module] = {}
        self._backward: dict[int, ModelGradients] = {}
        self._tasks: dict[int, Task] = {}
        """The task of each member, whose loss may remember what it was called with."""
        self._optimizers: dict[int, torch.optim.Optimizer] = {}
        for place, recipe in enumerate(recipes):
            if recipe.lr is None:
                raise RecipeError("`lr` of a recipe is None; a member needs a rate to train with")
            model = task.make_model(recipe.seed)
            self._models[place], self._tasks[place] = model, task.afresh()
            self._backward[place] = ModelGradients(model)
            self._optimizers[place] = build_optimizer(
                recipe.optimizer, parameter_groups(task, model, recipe), recipe.lr, recipe.options
            )

    @property
    def recipes(self) -> Sequence[Recipe]:
        """How each member is trained."""
        return self._recipes

    @property
    def alive(self) -> list[int]:
        """Places of the members that still train."""
        return self.ledger.alive

    def advance(self, steps: int) -> None:
        """Let every living member make `steps` updates; see `Engine`."""
        # Borrowed once, not at every step: to keep and put back three generators costs more than a small update.
        with borrowed_rng(), torch.enable_grad():
            for _ in range(min(steps, self.horizon - self.done)):
                members = self.alive
                if not members:
                    break
                started = time.perf_counter()
                batches = {
                    seed: self._batches(seed) for seed in {self.recipes[member].order_seed for member in members}
                }
                observed = [self._shared_update(member, batches) for member in members]
                losses = np.array([[loss] for loss, _ in observed])
                self.ledger.note_steps(members, self.done, losses, np.array([[norm] for _, norm in observed]))
                self.ledger.note_time(members, started)
                self.done += 1
                for dead in self.ledger.deaths():
                    self._release(dead)
        if self.done == self.horizon:
            self.ledger.end(self.alive, "finished", "all steps were made")

    def validate(self) -> Validation:
        """Mean loss and metrics of the members over the validation data; see `Engine`."""
        members = [place for place in self._models if self.ledger.fate[place] in (None, "finished")]
        return self.ledger.note_validation(
            _gather(self.done, members, [validate_model(self._tasks[one], self._models[one]) for one in members])
        )

    def retire(self, members: Collection[int], fate: Fate, reason: str) -> None:
        """End the training of some members; see `Engine`."""
        self.ledger.end(members, fate, reason)
        for member in members:
            self._release(member)

    def state_dict(self, member: int) -> dict[str, torch.Tensor]:
        """Copies of a member's parameters and buffers."""
        return {name: value.detach().clone() for name, value in self._models[member].state_dict().items()}

    def runs(self) -> list[Run]:
        """The record of every member."""
        return [self.ledger.run(member) for member in range(len(self.recipes))]

    def close(self) -> None:
        """Drop the models."""
        self._models.clear()
        self._tasks.clear()
        self._backward.clear()
        self._optimizers.clear()

    def _release(self, member: int) -> None:
        self._models.pop(member, None)
        self._tasks.pop(member, None)
        self._backward.pop(member, None)
        self._optimizers.pop(member, None)

    def _batches(self, seed: int) -> list[Any]:
        """The batches of this update in one order."""
        count, order = self.recipes[0].accumulate, self._orders[seed]
        numbers = range(self.done * count, (self.done + 1) * count)
        return [self.task.batch(self.task.train, order.index(n), mixed_seed(seed, n)) for n in numbers]

    def _shared_update(self, member: int, batches: dict[int, list[Any]]) -> tuple[float, float]:
        """One update on batches that other members use too: what this one wrote into is read anew for them."""
        seed = self.recipes[member].order_seed
        before = versions(batches[seed])
        observed = self._update(member, batches[seed])
        if versions(batches[seed]) != before:
            batches[seed] = self._batches(seed)
        return observed

    def _update(self, member: int, batches: list[Any]) -> tuple[float, float]:
        recipe, model, optimizer = self.recipes[member], self._models[member], self._optimizers[member]
        self._set_rates(member, optimizer)
        optimizer.zero_grad(set_to_none=True)
        # Randomness inside the model depends on member and step alone, not on who trains beside it.
        seed_all(mixed_seed(recipe.seed, self.done, 1))
        total = 0.0
        for batch in batches:
            with _autocast(self.task, recipe):
                loss = self._tasks[member].loss_of(model, batch)
            self._backward[member](loss / len(batches))
            total += float(loss.detach()) / len(batches)
        norm = float("nan")
        if recipe.clip is not None or self.ledger.grad_norm is not None:
            bound = float("inf") if recipe.clip is None else recipe.clip
            parameters = [p for p in model.parameters() if p.grad is not None]
            norm = float(clip_gradients(parameters, bound)) if parameters else 0.0
        try:
            optimizer.step()
        except (RuntimeError, TypeError, ValueError) as error:
            raise step_refusal(error, recipe.optimizer) from error
        return total, norm

    def _set_rates(self, member: int, optimizer: torch.optim.Optimizer) -> None:
        recipe, schedule = self.recipes[member], self._schedules[member]
        factor, momentum = schedule(self.done), schedule.momentum(self.done)
        for group in optimizer.param_groups:
            group["lr"] = (recipe.lr or 0.0) * factor * group["lr_factor"]
            if momentum is not None and group.get("momentum"):
                group["momentum"] = momentum
            elif momentum is not None and "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])


def parameter_groups(task: Task, model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Torch parameter groups of `model`, by what `task.groups` says of each parameter.

    Raises:
        RecipeError: a group changes something else than the rate's factor and the weight decay.
    """
    grouped: dict[tuple[float, float | None], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        said = dict((task.groups(name, parameter) if task.groups else None) or {})
        key = (float(said.pop("lr_factor", 1.0)), said.pop("weight_decay", None))
        if said:
            raise RecipeError(f"`groups` gives `{next(iter(said))}` for `{name}`; it can give lr_factor, weight_decay")
        grouped.setdefault(key, []).append(parameter)
    groups: list[dict[str, Any]] = []
    for (factor, decay), parameters in grouped.items():
        group: dict[str, Any] = {"params": parameters, "lr_factor": factor, "lr": (recipe.lr or 0.0) * factor}
        if decay is not None:
            group["weight_decay"] = decay
        groups.append(group)
    return groups


def validate_model(task: Task, model: nn.Module) -> tuple[list[float], list[float], dict[str, float]]:
    """Losses of the parts of the validation data and what each counts for, and the mean of each metric.

    Parts that count for nothing are left out. The model's mode is put back, and what the loss remembers.
    """
    weights = part_weights(task).tolist()
    task = task.aside()
    losses: list[float] = []
    sums: dict[str, float] = dict.fromkeys(task.metrics, 0.0)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), borrowed_rng(0):
            for part in val_groups(task.val.size):
                batch = task.batch(task.val, part)
                loss, output = task.loss_and_output(model, batch)
                losses.append(float(loss))
                for name, value in task.metrics_of(model, batch, output).items():
                    sums[name] += float(value) * len(part)
    finally:
        for module, mode in modes:
            module.training = mode
    counting = [(loss, weight) for loss, weight in zip(losses, weights, strict=True) if weight > 0]
    metrics = {name: total / task.val.size for name, total in sums.items()}
    return [loss for loss, _ in counting], [weight for _, weight in counting], metrics


def _gather(
    step: int, members: Sequence[int], results: Sequence[tuple[list[float], list[float], dict[str, float]]]
) -> Validation:
    sizes = np.array(results[0][1] if results else (), dtype=np.float64)
    groups = np.array([losses for losses, _, _ in results], dtype=np.float64).reshape(len(members), len(sizes))
    loss = groups @ sizes / sizes.sum() if results else np.empty(0)
    names = list(results[0][2]) if results else []
    metrics = {name: np.array([values[name] for _, _, values in results]) for name in names}
    return Validation(step, tuple(members), loss, groups, metrics)


@contextlib.contextmanager
def _autocast(task: Task, recipe: Recipe) -> Iterator[None]:
    if recipe.precision == "float32":
        yield
        return
    if task.device.type == "cpu":
        raise RecipeError(f"`precision` is `{recipe.precision}`, which needs a GPU; take `float32` on the CPU")
    with torch.autocast(task.device.type, dtype=torch.bfloat16):
        yield
