"""Where a cold search begins: gradients by parts of the examples, and the steep ones among them."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn

from surefoot.curvature.hvp import Hvp, batches_of
from surefoot.curvature.top import top_eigenvector
from surefoot.errors import DataError
from surefoot.tasks.task import Task

F64 = torch.float64
top = importlib.import_module("surefoot.curvature.top")


def certain(steep=6, n=128, inputs=40, seed=0):
    """Logistic regression that is sure of all but a few examples, of different lengths; its Hessian is known."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, inputs, generator=generator, dtype=F64)
    model = nn.Linear(inputs, 1, bias=False).double()
    weights = torch.randn(inputs, generator=generator, dtype=F64)
    x -= (x @ weights)[:, None] * weights / weights.square().sum()
    x[40 : 40 + steep] *= torch.linspace(2.0, 0.5, steep, dtype=F64)[:, None]
    y = (torch.arange(n) % 2).double()[:, None]
    margin = torch.full((n,), 8.0, dtype=F64)
    margin[40 : 40 + steep] = torch.linspace(-1.0, 1.0, steep, dtype=F64)
    x += (margin * (2 * y[:, 0] - 1))[:, None] * weights / weights.square().sum()
    with torch.no_grad():
        model.weight.copy_(weights[None])
    p = torch.sigmoid(x @ weights)
    task = Task(lambda: model, (x, y), (x, y), loss=nn.BCEWithLogitsLoss(), device="cpu")
    return task, model, x.T @ ((p * (1 - p))[:, None] * x) / n


class TestParts:
    def batches(self):
        generator = torch.Generator().manual_seed(3)
        x, y = torch.randn(50, 4, generator=generator, dtype=F64), torch.randn(50, 1, generator=generator, dtype=F64)
        task = Task(lambda: nn.Linear(4, 1).double(), (x, y), (x, y), loss=nn.MSELoss(), device="cpu")
        return task, task.make_model(0), batches_of(task, batch_size=32)

    @pytest.mark.parametrize("count", [1, 2, 7, 50, 200])
    def test_they_hold_every_example_once_and_make_the_same_matrix(self, count):
        task, model, batches = self.batches()
        hvp = Hvp(task, model, batches, decay=0.3)
        parts = hvp.parts(count)
        assert sum(held for _, held in parts) == 50
        assert max(held for _, held in parts) <= max(-(-50 // count), 1)
        assert torch.equal(torch.cat([part[0] for part, _ in parts]), torch.cat([batch[0] for batch, _ in batches]))
        again, vector = hvp.over(parts), torch.arange(5, dtype=F64)
        assert torch.allclose(again(vector), hvp(vector), atol=1e-12, rtol=0)
        assert (again.products, hvp.products) == (1, 1)

    def test_a_batch_with_something_else_in_it_stays_whole(self):
        task, model, batches = self.batches()
        hvp = Hvp(task, model, batches)
        hvp._batches = [({"x": batch[0], "table": torch.eye(3)}, held) for batch, held in batches]
        assert [held for _, held in hvp.parts(10)] == [32, 18]
        hvp._batches = [({"x": batch[0], "name": "a"}, held) for batch, held in batches]
        assert {held for _, held in hvp.parts(10)} <= {4, 5}


class TestSteep:
    def test_the_search_begins_in_the_few_examples_that_curve(self, monkeypatch):
        products = {0.5: 0.0, 2.0: 0.0}
        for seed in range(8):
            task, model, exact = certain(seed=seed)
            truth = float(torch.linalg.eigvalsh(exact)[-1])
            for enough in products:
                monkeypatch.setattr(top, "_ENOUGH", enough)
                found = top_eigenvector(Hvp(task, model, batches_of(task, batch_size=50)), tolerance=1e-3)
                assert found.converged
                assert abs(found.value - truth) <= found.errors[0] <= 1e-3 * truth
                assert (found.products % 1 > 0) == (enough < 1)
                products[enough] += found.products
        assert products[0.5] < 0.95 * products[2.0]

    def test_products_over_some_of_the_examples_count_as_their_share(self, monkeypatch):
        task, model, _ = certain()
        hvp = Hvp(task, model, batches_of(task))
        passed = 0
        product = Hvp._product

        def counted(self, place, vector):
            nonlocal passed
            passed += self._batches[place][1]
            return product(self, place, vector)

        monkeypatch.setattr(Hvp, "_product", counted)
        found = top_eigenvector(hvp, tolerance=1e-3)
        assert found.products == pytest.approx(passed / 128)
        assert hvp.products == found.products

    def test_one_that_is_not_among_the_steep_is_found_all_the_same(self):
        """The steep examples have large gradients and little curvature: their output is certain, and wrong."""
        task, model, _ = certain()
        x, y = task.train.whole
        y = y.clone()
        y[100:108] = 1 - y[100:108]
        task = Task(lambda: model, (x, y), (x, y), loss=nn.BCEWithLogitsLoss(), device="cpu")
        hvp = Hvp(task, model, batches_of(task))
        p = torch.sigmoid(model(x)).detach()
        truth = float(torch.linalg.eigvalsh(x.T @ (p * (1 - p) * x) / len(x))[-1])
        found = top_eigenvector(hvp)
        assert found.products % 1 > 0
        assert found.value == pytest.approx(truth, rel=1e-6)

    @pytest.mark.parametrize(
        ("squares", "chosen"),
        [
            ([1.0] * 8, []),
            ([1, 1, 90, 1, 1, 1, 1, 1], [2]),
            ([0.1, 4, 0.1, 0.1, 5, 0.1, 0.1, 0.1], [1, 4]),
            ([0.0] * 8, []),
            ([1.0] * 7 + [float("inf")], []),
            ([1.0] * 7 + [float("nan")], []),
        ],
    )
    def test_which_are_steep(self, squares, chosen):
        assert top._steep(torch.tensor(squares, dtype=F64), torch.full((8,), 0.125, dtype=F64)) == chosen

    def test_a_part_that_is_large_is_not_few(self):
        shares = torch.tensor([0.7, 0.1, 0.1, 0.1], dtype=F64)
        assert top._steep(torch.tensor([9.0, 0.1, 0.1, 0.1], dtype=F64), shares) == []


def test_a_loss_that_needs_whole_batches_is_left_them():
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(40, 4, generator=generator, dtype=F64), torch.randn(40, 1, generator=generator, dtype=F64)

    def loss(output, target):
        if len(output) != 20:
            raise ValueError("twenty, please")
        return (output - target).square().mean()

    task = Task(lambda: nn.Linear(4, 1, bias=False).double(), (x, y), (x, y), loss=loss, device="cpu")
    found = top_eigenvector(Hvp(task, task.make_model(0), batches_of(task, batch_size=20)))
    assert found.value == pytest.approx(float(torch.linalg.eigvalsh(2 / 40 * x.T @ x)[-1]), rel=1e-6)
    with pytest.raises(DataError, match="twenty, please"):
        top_eigenvector(Hvp(task, task.make_model(0), batches_of(task, batch_size=10)))
