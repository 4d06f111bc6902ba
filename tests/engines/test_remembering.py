"""What a module remembers beside its numbers is seen to change, and only what changed."""

from __future__ import annotations

import collections
import functools
import itertools
import random

import numpy as np
import pytest
import torch
from torch import nn

from surefoot.engines.remembering import changed_attributes, remembered


class Box:
    __slots__ = ("inside",)

    def __init__(self, inside):
        self.inside = inside


def closing_over(kept):
    return lambda: kept


CHANGES = {
    "number": (lambda: 1, lambda module: setattr(module, "kept", 2)),
    "not a number": (lambda: 1.0, lambda module: setattr(module, "kept", float("nan"))),
    "list": (lambda: [1, [2]], lambda module: module.kept[1].append(3)),
    "queue": (lambda: collections.deque([1]), lambda module: module.kept.append(2)),
    "set": (lambda: {1}, lambda module: module.kept.add(2)),
    "mapping": (lambda: {"a": [1]}, lambda module: module.kept["a"].append(2)),
    "object with slots": (lambda: Box([1]), lambda module: module.kept.inside.append(2)),
    "tensor written into": (lambda: torch.zeros(2), lambda module: module.kept.add_(1)),
    "another tensor": (lambda: torch.zeros(2), lambda module: setattr(module, "kept", torch.zeros(2))),
    "array": (lambda: np.zeros(3), lambda module: module.kept.__setitem__(1, 4.0)),
    "generator of torch": (torch.Generator, lambda module: torch.rand(1, generator=module.kept)),
    "generator of NumPy": (lambda: np.random.default_rng(0), lambda module: module.kept.random()),
    "old generator of NumPy": (lambda: np.random.RandomState(0), lambda module: module.kept.rand()),
    "generator of Python": (lambda: random.Random(0), lambda module: module.kept.random()),
    "count": (itertools.count, lambda module: next(module.kept)),
    "iterator": (lambda: iter([1, 2]), lambda module: next(module.kept)),
    "generator": (lambda: (n for n in range(5)), lambda module: next(module.kept)),
    "closure": (lambda: closing_over([1]), lambda module: module.kept().append(2)),
    "bound method": (lambda: [1].append, None),
    "partial": (lambda: functools.partial(sum, [1]), lambda module: module.kept.args[0].append(2)),
    "list within itself": (lambda: (one := [1], one.append(one))[0], lambda module: module.kept.append(2)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_seen_where_it_is(kind):
    make, change = CHANGES[kind]
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    model[1].kept, model[1].other = make(), "as it was"
    before = remembered(model)
    assert changed_attributes(before, remembered(model)) == []
    if change is not None:
        change(model[1])
        assert changed_attributes(before, remembered(model)) == [("1", "kept")]


def test_attributes_that_come_and_go_are_changes():
    model = nn.Linear(2, 2)
    before = remembered(model)
    model.seen = 1
    now = remembered(model)
    assert changed_attributes(before, now) == changed_attributes(now, before) == [("", "seen")]


def test_parameters_and_buffers_are_not_looked_at():
    model = nn.BatchNorm1d(3)
    before = remembered(model)
    model(torch.randn(4, 3)).sum().backward()
    assert changed_attributes(before, remembered(model)) == []


def test_a_long_list_takes_no_long_look():
    model = nn.Linear(2, 2)
    model.words = list(range(1_000_000))
    before = remembered(model)
    assert sum(len(str(one)) for one in before.values()) < 10_000
    model.words.append(1)
    assert changed_attributes(before, remembered(model)) == [("", "words")]
