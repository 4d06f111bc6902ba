"""The fused engine: many members in one step.

Members are trained in *chunks* of at most `width`, sized so that what a chunk touches stays in the cache: each chunk
makes many steps before the next one's turn. The numbers of all members rest in one store; a chunk takes its members'
numbers to its own place, works there, and puts them back. What is computed follows `Serial` member by member, also
in the random numbers of dropout.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surefoot.engines.agreement import disagreement
from surefoot.engines.batches import BatchOrder, steps_of
from surefoot.engines.engine import Ledger, Validation
from surefoot.engines.families import Family, families_of
from surefoot.engines.fused_validation import validate_places
from surefoot.engines.members import Form, Place, Unsupported
from surefoot.engines.parameters import Blocks
from surefoot.engines.peculiar import peculiarity
from surefoot.engines.stacked.form import StackedForm
from surefoot.engines.update_rules import RULES, lacking, member_norms
from surefoot.engines.vmapped import VmappedForm
from surefoot.errors import RecipeError
from surefoot.records import Fate, Recipe, Run
from surefoot.tasks.borrowing import borrowed_rng, borrowed_threads, mixed_seed
from surefoot.tasks.sources import TensorSource
from surefoot.tasks.task import Task

__all__ = ["FORMS", "Fused", "fused_form"]

FORMS: dict[str, Callable[[Task, nn.Module, Any], Form]] = {"stacked": StackedForm, "vmapped": VmappedForm}
"""Ways to compute a module for many members; the first that can is taken."""
_AT_ONCE = 32
"""Batches that are read at once; reading one after the other took as long as a small network's forward pass."""
_LOOK = 16
"""Updates of a chunk between two looks whether any of its members lives."""
_COMPARED = 8
"""Examples by which a form is compared with the module."""
_PREPARED_BYTES = 1 << 26
"""Room for batches that are prepared ahead and used by chunk after chunk."""


def fused_form(task: Task, recipe: Recipe, forms: Sequence[str] = tuple(FORMS)) -> Form:
    """The first of the forms that can compute the task's module.

    Raises:
        Unsupported: none can, or the recipe needs the serial engine; the text says why.
    """
    if recipe.optimizer not in RULES:
        raise Unsupported(f"the optimizer `{recipe.optimizer}` has no rule for many members")
    if lacking(recipe.optimizer, recipe.options):
        raise Unsupported(f"the rule of `{recipe.optimizer}` has no `{lacking(recipe.optimizer, recipe.options)}`")
    if recipe.precision != "float32":
        raise Unsupported(f"precision `{recipe.precision}` is for single models")
    known = _KNOWN.setdefault(task, {})
    reasons = []
    for name in forms:
        key = (name, recipe.batch_size)
        if key not in known:
            known[key] = _made_form(task, recipe, name)
        found = known[key]
        if not isinstance(found, str):
            return found
        reasons.append(f"{name}: {found}")
    raise Unsupported("; ".join(reasons))


_KNOWN: weakref.WeakKeyDictionary[Task, dict[tuple[str, int | str], Form | str]] = weakref.WeakKeyDictionary()
"""Forms that were made for a task, by name and batch size, or why they cannot be."""


def _made_form(task: Task, recipe: Recipe, name: str) -> Form | str:
    order = BatchOrder(task.train.size, recipe.batch_size, recipe.order_seed)
    with borrowed_rng(0):
        own = peculiarity(task, task.make_model(recipe.seed), task.batch(task.train, order.index(0)))
        if own:
            return own
        try:
            form = FORMS[name](task, task.make_model(recipe.seed), task.batch(task.train, order.index(0)))
            few = order.index(0)[:_COMPARED]
            return disagreement(task, form, recipe.seed, lambda: task.batch(task.train, few)) or form
        except Unsupported as reason:
            return str(reason)


class Fused:
    """Members trained together; see `Engine` for the methods.

    Args:
        task: what is trained.
        recipes: one per member, alike in batch size, epochs and accumulation; members that share optimizer, schedule
            and order of the batches are computed fastest.
        form: how the module is computed for many members; None takes the first that can.
        width: members in a chunk at most.
        threads: torch's threads while members train; None leaves them as they are. One is best for small models.
        grad_norms: whether gradient norms go into the runs.
        horizon: updates of the training; None takes them from the recipes' epochs.

    Raises:
        Unsupported: the task or the recipes need the serial engine.
    """

    def __init__(
        self,
        task: Task,
        recipes: Sequence[Recipe],
        *,
        form: Form | None = None,
        width: int = 16,
        threads: int | None = None,
        grad_norms: bool = False,
        horizon: int | None = None,
    ) -> None:
        first = recipes[0]
        total, per_epoch = steps_of(first, task.train.size)
        if any(recipe.lr is None for recipe in recipes):
            raise RecipeError("`lr` of a recipe is None; a member needs a rate to train with")
        self.task, self._recipes, self.width, self._threads = task, tuple(recipes), width, threads
        self.horizon = total if horizon is None else horizon
        self.done = 0
        self.ledger = Ledger(recipes, self.horizon, per_epoch, grad_norms=grad_norms)
        self._form = fused_form(task, first) if form is None else form
        self._template = task.make_model(first.seed)
        self._fill_store()
        self._families = [
            Family(
                task, self._template, self._form.layout, [recipes[p] for p in places], places, self.horizon, per_epoch
            )
            for places in families_of(recipes)
        ]
        self._rank = {m: rank for rank, family in enumerate(self._families) for m in family.members}
        self._orders = {
            seed: BatchOrder(task.train.size, first.batch_size, seed) for seed in {one.order_seed for one in recipes}
        }
        self._places: dict[tuple[int, ...], Place] = {}

    def _fill_store(self) -> None:
        count, device = len(self._recipes), self.task.device
        self._store = self._form.layout.new(count, device)
        self._buffers: dict[str, Tensor] = {}
        named = self._store.named
        models: dict[int, nn.Module] = {}
        for member, recipe in enumerate(self._recipes):
            if recipe.seed not in models:
                models = {recipe.seed: self.task.make_model(recipe.seed)}
            for name, value in models[recipe.seed].named_parameters():
                named[name][member].copy_(value.detach())
            for name, buffer in models[recipe.seed].named_buffers():
                if name not in self._buffers:
                    self._buffers[name] = buffer.detach().expand(count, *buffer.shape).clone()
                self._buffers[name][member].copy_(buffer)

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
        target = min(self.done + steps, self.horizon)
        while self.done < target and self.alive:
            chunks = self._chunks()
            with torch.no_grad(), borrowed_rng(), borrowed_threads(self._threads or torch.get_num_threads()):
                made, room = target - self.done, float(_PREPARED_BYTES)
                batches: dict[int, list[list[Any]]] = {}
                for chunk in chunks:
                    seed = self._recipes[chunk[0]].order_seed
                    if seed not in batches:
                        # How many steps find room, the first order tells for all.
                        batches = {seed: self._prepared(seed, made, room)}
                        made, room = len(batches[seed]), math.inf
                    self._train(chunk, batches[seed])
            self.done += made
            self.ledger.deaths()
        if self.done == self.horizon:
            self.ledger.end(self.alive, "finished", "all steps were made")

    def validate(self) -> Validation:
        """Mean loss and metrics of the members over the validation data; see `Engine`."""
        members = [m for m, fate in enumerate(self.ledger.fate) if fate in (None, "finished")]
        # Before the first update, members of one seed are one model: it is validated once.
        alike = {self._recipes[m].seed: m for m in reversed(members)} if self.done == 0 else {}
        chosen = sorted(alike.values()) if alike else members
        found = validate_places(self.task, self._form, self.done, self._chunks(chosen), self._occupied, self._single)
        if alike:
            found = found.spread([(m, chosen.index(alike[self._recipes[m].seed])) for m in members])
        return self.ledger.note_validation(found)

    def retire(self, members: Collection[int], fate: Fate, reason: str) -> None:
        """End the training of some members; see `Engine`."""
        self.ledger.end(members, fate, reason)

    def state_dict(self, member: int) -> dict[str, Tensor]:
        """Copies of a member's parameters and buffers."""
        return {name: value.detach().clone() for name, value in self._single(member).state_dict().items()}

    def runs(self) -> list[Run]:
        """The record of every member."""
        return [self.ledger.run(member) for member in range(len(self.recipes))]

    def close(self) -> None:
        """Give the memory back."""
        self._places.clear()
        self._families.clear()
        self._store, self._buffers = Blocks(self._form.layout, []), {}

    def _single(self, member: int) -> nn.Module:
        """The template with a member's numbers."""
        with torch.no_grad():
            for name, value in self._template.named_parameters():
                value.copy_(self._store.named[name][member])
            for name, buffer in self._template.named_buffers():
                buffer.copy_(self._buffers[name][member])
        return self._template

    def _chunks(self, members: Sequence[int] | None = None) -> list[list[int]]:
        """Members to compute together: with one order of the batches, families side by side, at most `width`."""
        members = sorted(self.alive if members is None else members, key=lambda member: self._rank[member])
        groups: dict[tuple[int, int], list[int]] = {}
        for member in members:
            one = self._recipes[member]
            groups.setdefault((one.order_seed, one.seed if self._form.one_seed else 0), []).append(member)
        chunks = []
        for group in groups.values():
            count = -(-len(group) // self.width)
            chunks += [part.tolist() for part in np.array_split(np.array(group), count)]
        return chunks

    def _prepared(self, seed: int, steps: int, room: float) -> list[list[Any]]:
        """Batches of the updates ahead in one order: so many steps, or as many as fit into `room` bytes."""
        count, first = self.recipes[0].accumulate, self.done * self.recipes[0].accumulate
        one = self._batches(seed, range(first, first + count))
        steps = int(min(steps, 1 + room // max(1, sum(_bytes(batch) for batch in one))))
        ready = [self._form.prepare(batch) for batch in one]
        for start in range(first + count, first + steps * count, _AT_ONCE):
            some = self._batches(seed, range(start, min(start + _AT_ONCE, first + steps * count)))
            ready += [self._form.prepare(batch) for batch in some]
        return [ready[start : start + count] for start in range(0, len(ready), count)]

    def _batches(self, seed: int, numbers: Sequence[int]) -> list[Any]:
        """Batches of an order by their numbers."""
        order, source = self._orders[seed], self.task.train
        index = [order.index(number) for number in numbers]
        if index and isinstance(source, TensorSource):
            return source.batches(index)
        seeds = [mixed_seed(seed, number) for number in numbers]
        return [self.task.batch(source, one, drawn) for one, drawn in zip(index, seeds, strict=True)]

    def _occupied(self, chunk: Sequence[int]) -> Place:
        """A place with the numbers of the chunk's members in it."""
        seeds = tuple(self._recipes[member].seed for member in chunk)
        place = self._places.pop(seeds, None)
        if place is None:
            place = self._form.place(seeds)
        self._places[seeds] = place
        if len(self._places) > 4:
            del self._places[next(iter(self._places))]
        index = torch.tensor(chunk, device=self.task.device)
        place.weights.take(self._store, index)
        for name, values in place.buffers.items():
            torch.index_select(self._buffers[name], 0, index, out=values)
        return place

    def _train(self, chunk: list[int], batches: list[list[Any]]) -> None:
        started = time.perf_counter()
        place = self._occupied(chunk)
        index = torch.tensor(chunk, device=self.task.device)
        updates = [one for one in (family.taken(chunk, place) for family in self._families) if one is not None]
        losses = torch.full((len(batches), len(chunk)), torch.nan, dtype=torch.float64)
        norms = torch.full_like(losses, torch.nan) if self.ledger.grad_norm is not None else None
        for row, parts in enumerate(batches):
            step = self.done + row
            place.start(step)
            losses[row] = _gradients(place, parts)
            if norms is not None:
                norms[row] = member_norms(place.grads.tensors)
            for one in updates:
                one.make(step)
            if row % _LOOK == 0 and not bool(losses[row].isfinite().any()):
                break
        place.weights.put(self._store, index)
        for name, values in place.buffers.items():
            self._buffers[name].index_copy_(0, index, values)
        for one in updates:
            one.put_back()
        self.ledger.note_steps(chunk, self.done, losses.T.numpy(), None if norms is None else norms.T.numpy())
        self.ledger.note_time(chunk, started)


def _gradients(place: Place, parts: Sequence[Any]) -> Tensor:
    """Mean losses over the parts of a step; mean gradients stay in the place."""
    losses = place.losses(parts[0])
    if len(parts) == 1:
        return losses
    sums = [grad.clone() for grad in place.grads.tensors]
    for part in parts[1:]:
        losses = losses + place.losses(part)
        for total, grad in zip(sums, place.grads.tensors, strict=True):
            total.add_(grad)
    for total, grad in zip(sums, place.grads.tensors, strict=True):
        torch.div(total, len(parts), out=grad)
    return losses / len(parts)


def _bytes(batch: Any) -> int:
    leaves = torch.utils._pytree.tree_leaves(batch)
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, Tensor))
