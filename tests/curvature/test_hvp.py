"""Hessian-vector products: against analytic Hessians, a dense one by torch.func, and on models that resist."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev

from surefoot.curvature.hvp import Hvp, batches_of, flat_weights
from surefoot.curvature.top import top_eigenvector
from surefoot.curvature.track import ShortRun
from surefoot.errors import DataError, InputError, TaskError
from surefoot.maths.krylov import eigenpairs, random_vector
from surefoot.records import Recipe
from surefoot.tasks.loading import load_task
from surefoot.tasks.task import Task
from surefoot.textbook.lab.edge_of_stability import chebyshev_task, digits_task

F64 = torch.float64


def data(n=30, inputs=4, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, inputs, generator=generator, dtype=F64)
    return x, torch.randint(0, classes, (n,), generator=generator)


def task_of(make, x, y, loss, **options):
    return Task(make, (x, y), (x, y), loss=loss, device="cpu", **options)


def iris():
    return load_task("iris", device="cpu")


def columns(hvp):
    """The dense matrix that the products make."""
    return torch.stack([hvp(row) for row in torch.eye(hvp.size, dtype=hvp.dtype)])


def dense(task, model):
    """The slow twin: the whole Hessian of the mean loss over all examples at once."""
    named = dict(model.named_parameters())
    shapes = {name: one.shape for name, one in named.items()}
    batch = task.batch(task.train, torch.arange(task.train.size))

    def loss(flat):
        parts = torch.split(flat, [shape.numel() for shape in shapes.values()])
        weights = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return task.loss_of(lambda *args: functional_call(model, weights, args), batch)

    return jacrev(jacrev(loss))(flat_weights(model))


def mlp():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()


class TestAnalytic:
    """Formula 16, to 1e-8."""

    @pytest.mark.parametrize("method", ["reverse", "forward", "auto"])
    def test_linear_regression(self, method):
        x, _ = data()
        y = torch.sin(x[:, :1])
        task = task_of(lambda: nn.Linear(4, 1, bias=False).double(), x, y, nn.MSELoss())
        hvp = Hvp(task, task.make_model(0), batches_of(task, batch_size=7), method=method)
        assert torch.allclose(columns(hvp), 2 / 30 * x.T @ x, atol=1e-8, rtol=0)

    def test_logistic_regression(self):
        x, y = data(classes=2)
        y = y[:, None].double()
        task = task_of(lambda: nn.Linear(4, 1, bias=False).double(), x, y, nn.BCEWithLogitsLoss())
        model = task.make_model(0)
        p = torch.sigmoid(model(x)).detach()
        exact = x.T @ (p * (1 - p) * x) / 30
        assert torch.allclose(columns(Hvp(task, model, batches_of(task, batch_size=8))), exact, atol=1e-8, rtol=0)

    def test_softmax_regression(self):
        x, y = data()
        task = task_of(lambda: nn.Linear(4, 3, bias=False).double(), x, y, nn.CrossEntropyLoss())
        model = task.make_model(0)
        p = torch.softmax(model(x).detach(), dim=1)
        exact = sum(
            torch.kron(torch.diag(row) - torch.outer(row, row), torch.outer(one, one))
            for row, one in zip(p, x, strict=True)
        )
        assert torch.allclose(columns(Hvp(task, model, batches_of(task, batch_size=9))), exact / 30, atol=1e-8, rtol=0)


class TestAgainstTheDenseOne:
    @pytest.fixture
    def task(self):
        return task_of(mlp, *data(), nn.CrossEntropyLoss())

    @pytest.mark.parametrize("sizes", [30, 15, 8, 29, 1])
    def test_unequal_batches_are_exact(self, task, sizes):
        model = task.make_model(1)
        exact = dense(task, model)
        hvp = Hvp(task, model, batches_of(task, batch_size=sizes))
        assert torch.allclose(columns(hvp), exact, atol=1e-12, rtol=0)
        top = top_eigenvector(hvp)
        assert top.value == pytest.approx(float(torch.linalg.eigvalsh(exact)[-1]), rel=1e-6)

    def test_both_ways_kept_or_not_give_one_product(self, task):
        model = task.make_model(1)
        vector = random_vector(51, 3)
        ways = [
            Hvp(task, model, batches_of(task, batch_size=8), method=method, keep=keep)(vector)
            for method in ("reverse", "forward")
            for keep in (True, False)
        ]
        for one in ways[1:]:
            assert torch.allclose(one, ways[0], atol=1e-13, rtol=0)

    def test_weight_decay_is_part_of_it(self, task):
        model = task.make_model(1)
        decay = torch.linspace(0, 1, 51, dtype=F64)
        hvp = Hvp(task, model, batches_of(task), decay=decay)
        assert torch.allclose(columns(hvp), dense(task, model) + torch.diag(decay), atol=1e-12, rtol=0)
        slope = torch.cat([one.flatten() for one in torch.autograd.grad(
            task.loss_of(model, task.train.batch(torch.arange(30))), list(model.parameters()))])  # fmt: skip
        assert torch.allclose(hvp.gradient(), slope + decay * flat_weights(model), atol=1e-14)

    def test_the_faster_way_is_chosen_after_a_few_products(self, task, monkeypatch):
        model, vector = task.make_model(1), random_vector(51, 3)
        exact = dense(task, model) @ vector
        for slow in ("_reverse", "_forward"):
            hvp = Hvp(task, model, batches_of(task))
            own = getattr(hvp, slow)

            def late(*args, own=own, hvp=hvp):
                if hvp.products == 8:  # where both are timed
                    time.sleep(0.1)
                return own(*args)

            monkeypatch.setattr(hvp, slow, late)
            for _ in range(10):
                assert torch.allclose(hvp(vector), exact, atol=1e-12, rtol=0)
            assert hvp.method == ("forward" if slow == "_reverse" else "reverse")

    def test_batches_count_by_what_the_loss_divides_by(self):
        """Weights of classes, and targets that are left out, one batch of which holds nothing else."""
        x, y = data()
        y = y.sort().values
        y[-5:] = -100
        loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0, 0.1], dtype=F64), label_smoothing=0.1)
        task = task_of(mlp, x, y, loss)
        model = task.make_model(1)
        hvp, whole = (Hvp(task, model, batches_of(task, batch_size=size)) for size in (5, 30))
        assert hvp.loss() == pytest.approx(whole.loss(), rel=1e-12)
        assert torch.allclose(hvp.gradient(), whole.gradient(), atol=1e-14, rtol=0)
        assert torch.allclose(columns(hvp), dense(task, model), atol=1e-12, rtol=0)

    @pytest.mark.parametrize("method", ["reverse", "forward"])
    def test_a_loss_that_takes_the_model_gets_the_module(self, method):
        def loss(model, batch):
            x, y = batch
            decay = sum(one.square().sum() for one in model.parameters())
            return nn.functional.cross_entropy(model[2](model[1](model[0](x))), y) + 0.01 * decay

        task = task_of(mlp, *data(), loss)
        model = task.make_model(1)
        penalty = 0.02 * torch.eye(51, dtype=F64)
        plain = task_of(mlp, *data(), nn.CrossEntropyLoss())
        hvp = Hvp(task, model, batches_of(task), method=method)
        assert torch.allclose(columns(hvp), dense(plain, model) + penalty, atol=1e-12, rtol=0)
        assert hvp.method == method

    def test_what_fails_in_forward_mode_is_computed_the_other_way(self, task, monkeypatch):
        hvp, vector = Hvp(task, task.make_model(1), batches_of(task)), random_vector(51, 3)
        first = hvp(vector)

        def fail(*_):
            raise AttributeError("of the user's code")

        monkeypatch.setattr(hvp, "_forward", fail)
        for _ in range(10):
            assert torch.equal(hvp(vector), first)
        assert hvp.method == "reverse"

    def test_it_goes_where_it_is_told(self, task):
        first, second = task.make_model(1), task.make_model(2)
        hvp = Hvp(task, first, batches_of(task))
        columns(hvp)
        hvp.load(second)
        assert torch.allclose(columns(hvp), dense(task, second), atol=1e-12, rtol=0)
        hvp.put(flat_weights(first))
        assert torch.allclose(columns(hvp), dense(task, first), atol=1e-12, rtol=0)
        assert torch.equal(hvp.weights(), flat_weights(first))

    def test_frozen_parameters_are_left_out(self, task):
        model = task.make_model(1)
        model[0].weight.requires_grad_(False)
        hvp = Hvp(task, model, batches_of(task))
        assert hvp.size == 51 - 24
        full = dense(task, model.requires_grad_(True))
        assert torch.allclose(columns(hvp), full[24:, 24:], atol=1e-12, rtol=0)
        assert hvp.slices["2.bias"] == slice(24, 27)

    def test_one_batch_alone(self, task):
        model = task.make_model(1)
        batches = batches_of(task, batch_size=20)
        hvp, vector = Hvp(task, model, batches), random_vector(51, 0)
        parts = [hvp.on_batch(0, vector), hvp.on_batch(1, vector)]
        assert torch.allclose(20 / 30 * parts[0] + 10 / 30 * parts[1], hvp(vector), atol=1e-13)

    def test_a_saddle_gives_the_largest_by_sign(self):
        class Saddle(nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(torch.zeros(3, dtype=F64))

            def forward(self, x):
                return x[:, :1] * 0 + 0.5 * (torch.tensor([3.0, 1.0, -5.0], dtype=F64) * self.w**2).sum()

        x = torch.ones(4, 1, dtype=F64)
        task = task_of(Saddle, x, x, lambda output, target: output.mean())
        assert top_eigenvector(Hvp(task, task.make_model(0), batches_of(task))).value == pytest.approx(3.0)


class TestStudiedNetworks:
    """λmax to 1e-6 in at most 25 products cold and 6 warm, at the start and along a training below the edge."""

    @pytest.mark.parametrize(
        ("make", "lr", "steps"), [(digits_task, 0.1, 300), (chebyshev_task, 0.1, 300), (iris, 0.01, 60)]
    )
    def test_products(self, make, lr, steps):
        task = make()
        batches = batches_of(task)
        with torch.random.fork_rng():
            training = ShortRun(task, Recipe(lr=lr, batch_size="full", epochs=1e4))
            hvp = Hvp(task, training.single.model, batches, method="reverse")
            for begin in (0, steps):
                training.advance(begin)
                hvp.load(training.single.model)
                known = top_eigenvector(hvp)
                assert known.products <= 25
                assert known.value == pytest.approx(self.exact(hvp, known), rel=1e-6)
                for _ in range(2):
                    training.advance(training.done + 1)
                    hvp.load(training.single.model)
                    known = top_eigenvector(hvp, warm=known)
                    # The first steps of a training turn the axes faster than all later ones.
                    assert known.products <= (6 if begin else 15)
                    assert known.value == pytest.approx(self.exact(hvp, known), rel=1e-6)

    def test_at_the_edge_of_stability_every_second_step(self):
        """Weights at the edge swing to and fro: after two steps they are nearly where they were."""
        task = digits_task()
        with torch.random.fork_rng():
            training = ShortRun(task, Recipe(lr=0.3, batch_size="full", epochs=1e4))
            hvp = Hvp(task, training.single.model, batches_of(task), method="reverse")
            training.advance(200)
            hvp.load(training.single.model)
            known = top_eigenvector(hvp)
            assert known.products <= 25
            for _ in range(3):
                training.advance(training.done + 2)
                hvp.load(training.single.model)
                known = top_eigenvector(hvp, warm=known)
                assert known.products <= 6
                assert known.value == pytest.approx(self.exact(hvp, known), rel=1e-6)

    @staticmethod
    def exact(hvp, known):
        start = known.vector + 1e-2 * random_vector(hvp.size, 9, dtype=hvp.dtype)
        return eigenpairs(hvp, start, most=60, tolerance=1e-8).value


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3).double()

    def forward(self, x):
        return self.linear(x + 0.1 * torch.randn_like(x))


class Stubborn(nn.Module):
    """Different at every call, whatever the mode and the seed."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3).double()

    def forward(self, x):
        Stubborn.calls += 1
        return self.linear(x) * (1 + 0.01 * Stubborn.calls)


class TestModelsThatResist:
    def measured(self, make, loss=None):
        task = task_of(make, *data(), loss or nn.CrossEntropyLoss())
        model = task.make_model(0)
        hvp = Hvp(task, model, batches_of(task, batch_size=16))
        vector = random_vector(hvp.size, 0, dtype=hvp.dtype)
        assert torch.equal(hvp(vector), hvp(vector))
        return hvp

    def test_dropout_and_batch_normalisation_are_measured_in_eval_mode(self):
        for layer, word in ((nn.Dropout(0.5), "randomness"), (nn.BatchNorm1d(6), "running statistics")):
            hvp = self.measured(lambda layer=layer: nn.Sequential(nn.Linear(4, 6), layer, nn.Linear(6, 3)).double())
            assert any(word in note and "eval mode" in note for note in hvp.notes)

    def test_noise_in_eval_mode_is_frozen(self):
        assert any("frozen" in note for note in self.measured(Noisy).notes)

    def test_what_nothing_makes_repeatable_is_refused(self):
        with pytest.raises(TaskError, match="in eval mode and from the same seed too"):
            self.measured(Stubborn)

    def test_attention_falls_back_by_itself(self):
        class Attends(nn.Module):
            def __init__(self):
                super().__init__()
                self.inward, self.outward = nn.Linear(4, 12), nn.Linear(4, 3)

            def forward(self, x):
                q, k, v = self.inward(x)[:, None, None, :].expand(-1, 1, 5, -1).chunk(3, dim=-1)
                return self.outward(nn.functional.scaled_dot_product_attention(q, k, v).mean(dim=(1, 2)))

        x, y = data()
        task = task_of(Attends, x.float(), y, nn.CrossEntropyLoss())
        hvp = Hvp(task, task.make_model(0), batches_of(task), method="reverse")
        vector = random_vector(hvp.size, 0, dtype=torch.float32)
        found = hvp(vector)
        assert any("attention" in note for note in hvp.notes)
        slope = [Hvp(task, task.make_model(0), batches_of(task)) for _ in range(2)]
        step = 1e-2
        for one, sign in zip(slope, (1, -1), strict=True):
            one.put(one.weights() + sign * step * vector)
        differences = (slope[0].gradient() - slope[1].gradient()) / (2 * step)
        assert torch.allclose(found, differences, atol=2e-3 * float(found.norm()))

    def test_argmax_has_no_derivative(self):
        with pytest.raises(TaskError, match=r"cut off from the parameters.*argmax"):
            self.measured(mlp, lambda output, target: (output.argmax(1) - target).double().abs().mean())

    def test_a_derivative_that_cannot_be_taken_twice_is_named(self):
        class Once(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**2

            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx, slope):
                return 2 * ctx.saved_tensors[0] * slope

        with pytest.raises(TaskError, match="no second derivative"):
            self.measured(mlp, lambda output, target: Once.apply(output).square().mean())

    def test_a_linear_loss_is_flat(self):
        task = task_of(lambda: nn.Linear(4, 1).double(), *data(), lambda output, target: output.mean())
        top = top_eigenvector(Hvp(task, task.make_model(0), batches_of(task)))
        assert top.value == 0.0

    def test_relu_is_fine(self):
        hvp = self.measured(lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double())
        assert hvp.notes == []

    def test_data_that_does_not_fit_is_said(self):
        x, y = data(inputs=5)
        task = task_of(mlp, x, y, nn.CrossEntropyLoss())
        with pytest.raises(DataError, match="does not fit"):
            Hvp(task, task.make_model(0), batches_of(task))

    def test_bad_arguments(self):
        task = task_of(mlp, *data(), nn.CrossEntropyLoss())
        model = task.make_model(0)
        with pytest.raises(InputError, match="`method` is 'finite'"):
            Hvp(task, model, batches_of(task), method="finite")
        with pytest.raises(DataError, match="`batches` is empty"):
            Hvp(task, model, [])
        with pytest.raises(InputError, match=r"needs \(51,\)"):
            Hvp(task, model, batches_of(task))(torch.zeros(3))
        with pytest.raises(InputError, match="`batch_size` is 0"):
            batches_of(task, batch_size=0)


def test_the_model_and_everything_global_are_left_alone(borrowed):
    task = task_of(lambda: nn.Sequential(mlp(), nn.Dropout(0.1)).double(), *data(), nn.CrossEntropyLoss())
    model = task.make_model(0).eval()
    with borrowed(model, *task.train.whole):
        hvp = Hvp(task, model, batches_of(task, batch_size=8, examples=20))
        top_eigenvector(hvp)
        hvp.gradients()
        hvp.put(hvp.weights() * 2)
