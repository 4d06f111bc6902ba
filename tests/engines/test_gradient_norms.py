"""Sparse gradients have the norm of their dense twins, and are clipped alike."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from surefoot.engines.gradient_norms import clip_gradients, gradient_norm
from surefoot.engines.inspection import Inspector
from surefoot.engines.serial import Serial
from surefoot.engines.training import train
from surefoot.records import Recipe
from surefoot.tasks.task import Task

WORDS = torch.randint(0, 20, (40, 5), generator=torch.Generator().manual_seed(0))
KINDS = WORDS.sum(1) % 3


class Bag(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        self.words, self.head = nn.EmbeddingBag(20, 6, sparse=sparse), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.words(x))


def task_of(sparse):
    return Task(lambda: Bag(sparse), (WORDS, KINDS), (WORDS, KINDS), loss=nn.CrossEntropyLoss(), device="cpu")


def gradients(sparse):
    task = task_of(sparse)
    model = task.make_model(0)
    for part in (torch.arange(8), torch.arange(4, 12)):  # the second adds entries that the first has too
        task.loss_of(model, task.batch(task.train, part)).backward()
    return list(model.parameters())


def test_norm_and_clipping_are_those_of_dense_gradients():
    dense, sparse = gradients(sparse=False), gradients(sparse=True)
    assert sparse[0].grad.is_sparse
    norm = gradient_norm([one.grad for one in sparse])
    torch.testing.assert_close(norm, gradient_norm([one.grad for one in dense]))
    torch.testing.assert_close(clip_gradients(sparse, 0.1), clip_gradients(dense, 0.1))
    for one, other in zip(dense, sparse, strict=True):
        torch.testing.assert_close(one.grad, other.grad.to_dense())


@pytest.mark.parametrize("clip", [None, 0.05])
def test_trainings_and_members_are_those_of_dense_gradients(clip):
    recipe = Recipe(lr=0.5, batch_size=8, epochs=2, clip=clip, accumulate=1)
    runs = [train(task_of(sparse), recipe, inspector=Inspector()) for sparse in (False, True)]
    assert runs[1].loss == pytest.approx(runs[0].loss, rel=1e-5)
    assert runs[1].grad_norm == pytest.approx(runs[0].grad_norm, rel=1e-4)
    members = Serial(task_of(True), [recipe], grad_norms=True)
    members.advance(10)
    assert members.runs()[0].loss == pytest.approx(runs[0].loss, rel=1e-5)
    assert members.runs()[0].grad_norm == pytest.approx(runs[0].grad_norm, rel=1e-4)
