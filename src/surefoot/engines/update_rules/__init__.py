"""Update rules: how a gradient changes the parameters, for many members at once."""

from __future__ import annotations

from typing import Any

from surefoot.engines.torch_options import changing_numbers, check_switches
from surefoot.engines.update_rules.adam import AdamRule, AdamWRule, NAdamRule, RAdamRule
from surefoot.engines.update_rules.clipping import clip_members, member_norms
from surefoot.engines.update_rules.rule import State, UpdateRule, nearest
from surefoot.engines.update_rules.sgd import SGDRule
from surefoot.engines.update_rules.squares import AdadeltaRule, AdagradRule, RMSpropRule
from surefoot.errors import RecipeError

__all__ = ["RULES", "State", "UpdateRule", "clip_members", "lacking", "make_rule", "member_norms"]

RULES: dict[str, type[UpdateRule]] = {
    rule.name: rule
    for rule in (SGDRule, AdagradRule, AdadeltaRule, RMSpropRule, AdamRule, AdamWRule, NAdamRule, RAdamRule)
}
"""Name of an optimizer, in lower case, to its rule."""


def make_rule(name: str, options: dict[str, Any] | None = None) -> UpdateRule:
    """The update rule of an optimizer.

    `options` are the keywords of the `torch.optim` class of that name other than `lr`, with the same defaults. Each
    number may also be a sequence or tensor of K numbers, one per member; `betas` is a pair of such values. Those that
    choose torch's kernel (`foreach`, `fused`, `capturable`) have no meaning here.

    >>> make_rule("sgd", {"momentum": [0.0, 0.9]}).members
    2

    Raises:
        RecipeError: an unknown optimizer or option, or a value outside its range.
    """
    if name not in RULES:
        raise RecipeError(f"`optimizer` is {name!r}; known are {', '.join(sorted(RULES))}{nearest(name, RULES)}")
    check_switches(name, options or {})
    own = options or {}
    return RULES[name]({option: own[option] for option in changing_numbers(own)})


def lacking(name: str, options: dict[str, Any]) -> str:
    """The first option that the update rule of an optimizer does not have; empty where it has all."""
    known = RULES[name].known()
    return next((option for option in changing_numbers(options) if option not in known), "")
