"""Families: members of a batch that are updated alike.

The members of a batch are computed together, forward and backward. How their numbers are then changed may differ: a
*family* shares optimizer, schedule and clipping, and its members differ in numbers at most.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.engines.engine import unit_schedule
from surefoot.engines.members import Place, Unsupported
from surefoot.engines.parameters import Layout
from surefoot.engines.update_rules import State, UpdateRule, clip_members, make_rule
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.task import Task

__all__ = ["Family", "Updates", "families_of", "family_name"]


def family_name(recipe: Recipe) -> str:
    """The same for recipes of one family."""
    options = [recipe.options[name] for name in sorted(recipe.options) if not _is_number(recipe.options[name])]
    shared = (recipe.optimizer, sorted(recipe.options), options, recipe.schedule, recipe.schedule_options, recipe.clip)
    return json.dumps(shared, sort_keys=True, default=str)


def families_of(recipes: Sequence[Recipe], *, by_order: bool = False) -> list[list[int]]:
    """Places of the recipes, by family; with `by_order` also by the order of the batches."""
    found: dict[tuple[int, str], list[int]] = {}
    for place, recipe in enumerate(recipes):
        found.setdefault((recipe.order_seed if by_order else 0, family_name(recipe)), []).append(place)
    return list(found.values())


class Family:
    """One family: its rule, its schedule and what the rule remembers of its members.

    Args:
        task: whose `groups` say which parameters have rates and weight decays of their own.
        template: a module of the task.
        layout: of its numbers.
        recipes: of the members.
        members: their places in the engine.
        horizon: updates of the training.
        per_epoch: updates per epoch.
    """

    def __init__(
        self, task: Task, template: nn.Module, layout: Layout, recipes: Sequence[Recipe], members: Sequence[int],
        horizon: int, per_epoch: float,
    ) -> None:  # fmt: skip
        first = recipes[0]
        self.members = tuple(members)
        self.clip, self.device = first.clip, task.device
        self.schedule = unit_schedule(first, horizon, per_epoch)
        self.rule = make_rule(first.optimizer, _joined_options(recipes))
        self.peaks = torch.tensor([recipe.lr for recipe in recipes], dtype=torch.float64)
        self.state: State = self.rule.init(layout.new(len(members), task.device).tensors)
        self.scales, self.decays = _groups(task, template, layout, self.rule)
        self._row = {member: row for row, member in enumerate(self.members)}
        self._rules: dict[tuple[int, ...], UpdateRule] = {}

    def taken(self, chunk: Sequence[int], place: Place) -> Updates | None:
        """The updates of this family's members in a chunk, which stand side by side in `place`; None without any."""
        own = [number for number, member in enumerate(chunk) if member in self._row]
        if not own:
            return None
        rows = tuple(self._row[chunk[number]] for number in own)
        if rows not in self._rules:
            self._rules[rows] = self.rule.take(rows)
        return Updates(self, self._rules[rows], place, slice(own[0], own[-1] + 1), rows)


class Updates:
    """The members of one family in a chunk: takes their state, makes updates, puts it back."""

    def __init__(self, family: Family, rule: UpdateRule, place: Place, where: slice, rows: Sequence[int]) -> None:
        self._family, self._rule = family, rule
        self._weights = [tensor[where] for tensor in place.weights.tensors]
        self._grads = [tensor[where] for tensor in place.grads.tensors]
        self._index = torch.tensor(rows, device=family.device)
        self._state = {
            slot: [tensor.index_select(0, self._index) for tensor in each] for slot, each in family.state.items()
        }
        self._peaks = family.peaks[torch.tensor(rows)]
        decays = family.decays
        if decays is not None:
            chosen = list(rows)
            decays = [one[chosen] if isinstance(one, Tensor) and len(one) > 1 else one for one in decays]
        self._decays = decays

    def make(self, step: int) -> None:
        """Update the members' numbers by the gradients that are in the place."""
        schedule, rule = self._family.schedule, self._rule
        if self._family.clip is not None:
            clip_members(self._grads, self._family.clip)
        momentum = schedule.momentum(step)
        own = rule.values.get("momentum")
        moved: float | Tensor | None = momentum
        if momentum is not None and own is not None:
            # A member without momentum stays without.
            moved = torch.where(own == 0, 0.0, momentum) if isinstance(own, Tensor) else (momentum if own else None)
        rule.step(
            self._weights,
            self._grads,
            self._state,
            self._peaks * schedule(step),
            step,
            momentum=moved,
            lr_scale=self._family.scales,
            weight_decay=self._decays,
        )

    def put_back(self) -> None:
        """Keep the state for the members' next chunk."""
        for slot, each in self._state.items():
            for mine, theirs in zip(each, self._family.state[slot], strict=True):
                theirs.index_copy_(0, self._index, mine)


def _groups(
    task: Task, template: nn.Module, layout: Layout, rule: UpdateRule
) -> tuple[list[float | Tensor] | None, list[float | Tensor | None] | None]:
    """What `task.groups` says, per block: factors on the rate, and weight decays."""
    if task.groups is None:
        return None, None
    own = rule.values["weight_decay"]
    factors: dict[str, float | Tensor] = {}
    decays: dict[str, float | Tensor] = {}
    for name, parameter in template.named_parameters():
        said = dict(task.groups(name, parameter) or {})
        factors[name] = float(said.pop("lr_factor", 1.0))
        decays[name] = said.pop("weight_decay", own)
        if said:
            raise RecipeError(f"`groups` gives `{next(iter(said))}` for `{name}`; it can give lr_factor, weight_decay")
    return layout.spread(factors, task.device), [*layout.spread(decays, task.device)]


def _joined_options(recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Options of all members as `make_rule` takes them: one value where all agree, else one per member."""
    joined: dict[str, Any] = {}
    for name in dict.fromkeys(name for recipe in recipes for name in recipe.options):
        if any(name not in recipe.options for recipe in recipes):
            raise Unsupported(f"`{name}` is given for some members only")
        values = [recipe.options[name] for recipe in recipes]
        if all(value == values[0] for value in values):
            joined[name] = values[0]
        elif all(isinstance(value, list | tuple) for value in values):
            joined[name] = tuple([value[i] for value in values] for i in range(len(values[0])))
        else:
            joined[name] = values
    return joined


def _is_number(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_number(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)
