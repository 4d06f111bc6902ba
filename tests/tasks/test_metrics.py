from __future__ import annotations

import pytest
import torch

from surefoot.errors import TaskError
from surefoot.tasks.metrics import accuracy, mean_absolute_error


def test_accuracy_is_the_share_that_is_right():
    output = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert accuracy(output, torch.tensor([1, 0, 0, 0])).item() == 0.75


def test_accuracy_of_sequences_counts_every_place():
    output = torch.tensor([[[0.0, 5.0], [3.0, 1.0], [4.0, 2.0]]])  # three classes, two places; highest: 2, 0
    assert accuracy(output, torch.tensor([[2, 0]])).item() == 1.0
    assert accuracy(output, torch.tensor([[2, 1]])).item() == 0.5


def test_accuracy_works_over_members():
    output = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    shares = torch.func.vmap(accuracy, in_dims=(0, None))(output, torch.tensor([0, 1]))
    assert shares.tolist() == [1.0, 0.5]


def test_accuracy_refuses_what_is_no_class():
    with pytest.raises(TaskError, match=r"`target` of accuracy is torch\.float32"):
        accuracy(torch.zeros(3, 2), torch.zeros(3))
    with pytest.raises(TaskError, match=r"`output` has shape \(3,\)"):
        accuracy(torch.zeros(3), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TaskError, match=r"`target` \(2,\)"):
        accuracy(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))


def test_mean_absolute_error():
    assert mean_absolute_error(torch.tensor([[1.0], [4.0]]), torch.tensor([[2.0], [2.0]])).item() == 1.5
    with pytest.raises(TaskError, match="equal shapes"):
        mean_absolute_error(torch.zeros(3, 1), torch.zeros(3))
