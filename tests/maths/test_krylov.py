"""Extreme eigenvalues: of matrices with known spectra, cold and warm, against NumPy's eigh."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from surefoot.maths import davidson
from surefoot.maths.davidson import _Model, warm_eigenpairs
from surefoot.maths.krylov import eigenpairs, random_vector, ritz_errors, tridiagonal


def matrix(values, seed=0, dtype=torch.float64):
    """A symmetric matrix with these eigenvalues, in axes drawn by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(len(values), len(values), generator=generator, dtype=torch.float64))[0]
    return ((axes * torch.tensor(values, dtype=torch.float64)) @ axes.T).to(dtype)


class Counted:
    def __init__(self, full):
        self.full, self.products = full, 0

    def __call__(self, vector):
        self.products += 1
        return self.full @ vector


SPECTRA = {
    "small": [3.0, 1.0, -5.0],
    "indefinite": [*np.linspace(-20, 1, 60), 2.0, 3.0],
    "outliers": [*np.linspace(-0.1, 1, 200), 4.0, 7.0, 9.5, 10.0],
    "negative": [-3.0, -2.0, -1.0, -7.0],
    "flat": [0.0, 0.0, 0.0, 0.0, 1e-3],
    "multiple": [5.0, 5.0, 5.0, 1.0, 0.0, -1.0],
    "huge": [1e8, 9e7, 1.0, -1e7],
    "tiny": [1e-9, 5e-10, -2e-9, 0.0],
}


@pytest.mark.parametrize("which", ["largest", "smallest"])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_algebraic_extreme_is_found(name, which):
    values = SPECTRA[name]
    work = Counted(matrix(values))
    found = eigenpairs(work, random_vector(len(values), 1), which=which, most=300)
    exact = max(values) if which == "largest" else min(values)
    assert found.converged
    assert found.products == work.products
    assert abs(found.value - exact) <= 1e-6 * max(abs(exact), 1e-12) + 1e-14 * max(map(abs, values))
    rest = work.full @ found.vector - found.value * found.vector
    assert float(rest.norm()) <= 1.01 * found.residuals[0] + 1e-12 * max(map(abs, values))
    assert abs(found.value - exact) <= found.errors[0] * 1.01


def test_a_settled_value_is_nearer_than_the_quotient_of_its_vector_and_its_error_holds():
    """Over 40 starts and matrices, whose outliers are drawn: each in 93 of 100, less three standard errors of 40."""
    held, nearer = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = np.concatenate([rng.normal(0, 0.3, 150), rng.uniform(1, 10, 6)])
        full = matrix(values, seed=seed)
        found = eigenpairs(lambda v, full=full: full @ v, random_vector(156, seed), tolerance=1e-5)
        quotient, exact = float(found.vector @ (full @ found.vector)), max(values)
        held.append(abs(found.value - exact) <= found.errors[0])
        nearer.append(abs(found.value - exact) <= abs(quotient - exact))
    assert np.mean(held) >= 0.81
    assert np.mean(nearer) >= 0.81


def test_several_eigenvalues_come_with_their_vectors():
    values = SPECTRA["outliers"]
    full = matrix(values)
    found = eigenpairs(lambda v: full @ v, random_vector(len(values), 3), count=4, most=200)
    assert found.values == pytest.approx([10.0, 9.5, 7.0, 4.0], rel=1e-6)
    assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(4, dtype=torch.float64), atol=1e-6)


def test_a_multiple_eigenvalue_is_found_as_often_as_it_is_there():
    full = matrix(SPECTRA["multiple"])
    found = eigenpairs(lambda v: full @ v, random_vector(6, 0), count=4, most=50)
    assert found.values == pytest.approx([5.0, 5.0, 5.0, 1.0], rel=1e-9)


def test_a_start_that_is_an_eigenvector_of_another_value_is_not_believed():
    full = torch.diag(torch.tensor([1.0, 2.0, 7.0, 3.0], dtype=torch.float64))
    found = eigenpairs(lambda v: full @ v, torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    assert found.value == pytest.approx(7.0)


def test_what_did_not_converge_says_so_and_its_error_still_holds():
    values = np.linspace(0, 1, 400)
    full = matrix(values)
    found = eigenpairs(lambda v: full @ v, random_vector(400, 0), most=5)
    assert not found.converged
    assert found.products == 5
    assert found.residuals[0] > 1e-3
    assert np.abs(values - found.value).min() <= found.residuals[0]


def test_a_product_that_is_no_number_is_refused():
    with pytest.raises(FloatingPointError, match="not finite"):
        eigenpairs(lambda v: v * float("nan"), random_vector(4, 0))


def test_single_precision_reaches_its_rounding():
    values = SPECTRA["outliers"]
    full = matrix(values, dtype=torch.float32)
    found = eigenpairs(lambda v: full @ v, random_vector(len(values), 1, dtype=torch.float32))
    assert found.converged
    assert found.value == pytest.approx(10.0, rel=2e-6)


def test_the_tridiagonal_matrix_has_the_moments_of_the_whole():
    full, start = matrix(SPECTRA["outliers"]), random_vector(204, 5)
    seen = tridiagonal(lambda v: full @ v, start, 12)
    values, vectors = seen.eigen()
    moved = start
    for power in range(6):
        assert float((vectors[0] ** 2 * values**power).sum()) == pytest.approx(float(start @ moved), rel=1e-10)
        moved = full @ moved


class TestWarm:
    """Davidson's method from what was known of a matrix nearby."""

    values = SPECTRA["outliers"]

    def before(self, count=1):
        full = matrix(self.values)
        return full, eigenpairs(lambda v: full @ v, random_vector(204, 1), count=count)

    @pytest.mark.parametrize("size", [0.0, 1e-3, 1e-2, 0.1])
    def test_a_matrix_nearby_takes_few_products(self, size):
        full, known = self.before()
        noise = matrix(np.linspace(-1, 1, 204), seed=7)
        near = Counted(full + size * noise)
        found = warm_eigenpairs(near, known)
        exact = float(torch.linalg.eigvalsh(near.full)[-1])
        assert found.converged
        assert abs(found.value / exact - 1) <= 1e-6
        assert found.products == near.products
        # 0.1 moves eigenvalues by a fifth of the gap; what is known still saves half of the products.
        assert found.products <= (6 if size < 0.1 else known.products - 4)

    def test_one_that_overtakes_is_seen(self):
        full, known = self.before(count=2)
        swapped = full + 1.0 * torch.outer(known.vectors[1], known.vectors[1])
        found = warm_eigenpairs(lambda v: swapped @ v, known)
        assert found.value == pytest.approx(10.5, rel=1e-6)

    def test_several_and_the_smallest(self):
        full, known = self.before(count=3)
        near = full + 1e-3 * matrix(np.linspace(-1, 1, 204), seed=7)
        exact = torch.linalg.eigvalsh(near)
        found = warm_eigenpairs(lambda v: near @ v, known, count=3)
        assert found.values == pytest.approx(exact.flip(0)[:3].tolist(), rel=1e-6)
        low = eigenpairs(lambda v: -full @ v, random_vector(204, 1), which="smallest")
        again = warm_eigenpairs(lambda v: -near @ v, low, which="smallest")
        assert again.value == pytest.approx(-float(exact[-1]), rel=1e-6)

    def test_what_was_known_is_still_known_after_calls_that_used_little_of_it(self):
        """Eight values lie close together; the first call learned all of them, the others look at a few directions."""
        values = np.concatenate([np.linspace(0, 1, 192), np.linspace(9.3, 10.0, 8)])
        full, drift = matrix(values), matrix(np.linspace(-1, 1, 200), seed=9)
        known = eigenpairs(lambda v: full @ v, random_vector(200, 1))
        for step in range(1, 7):
            near = full + 2e-3 * step * drift
            known = warm_eigenpairs(lambda v, near=near: near @ v, known)
            exact = torch.linalg.eigvalsh(near).flip(0)[:8].numpy()
            assert known.known[:8] == pytest.approx(exact, rel=5e-3)
            assert known.products <= 6

    def test_learning_takes_in_every_product_and_forgets_nothing_that_was_right(self):
        """The model knows the eight largest exactly and errs elsewhere; three products mix both."""
        values = np.concatenate([np.linspace(-0.5, 2, 52), np.linspace(9.3, 10.0, 8)])
        full = matrix(values)
        axes = torch.linalg.eigh(full)[1]
        model = _Model(axes[:, -8:].T.flip(0).contiguous(), values[::-1][:8].copy(), elsewhere=0.7)
        mixed = axes.T[[59, 57, 55]] + 0.8 * axes.T[[3, 20, 44]]
        tried = mixed / mixed.norm(dim=1, keepdim=True)
        learned = model.learned(tried, tried @ full, keep=11)
        assert learned.values[:8] == pytest.approx(values[::-1][:8], rel=1e-12)
        spread = torch.as_tensor(learned.values - 0.7)
        again = (tried @ learned.space.T * spread) @ learned.space + 0.7 * tried
        assert torch.allclose(again, tried @ full, atol=1e-10)

    def dense(self, model, size):
        """The model as a matrix, the slow obvious way."""
        spread = torch.as_tensor(model.values - model.elsewhere)
        return (model.space.T * spread) @ model.space + model.elsewhere * torch.eye(size, dtype=torch.float64)

    def test_learning_is_the_rank_one_rule_where_its_pivots_allow_and_the_smallest_change_where_not(self):
        """One product is along what was missed; the other one misses something that is at right angles to it."""
        generator = torch.Generator().manual_seed(4)
        axes = torch.linalg.qr(torch.randn(30, 30, generator=generator, dtype=torch.float64))[0].T
        model = _Model(axes[:6], np.array([9.0, 8.0, 7.0, 5.0, 4.0, 3.0]), elsewhere=0.5)
        old = self.dense(model, 30)
        tried = axes[[0, 3]]
        missed = torch.stack([0.8 * axes[0] + 0.6 * axes[10], 0.7 * axes[11]])
        learned = self.dense(model.learned(tried, tried @ old + missed, keep=30), 30)
        along, across = missed
        rank_one = torch.outer(along, along) / float(along @ tried[0])
        smallest = torch.outer(across, tried[1]) + torch.outer(tried[1], across)
        assert torch.allclose(learned, old + rank_one + smallest, atol=1e-12)
        assert torch.allclose(tried @ learned, tried @ old + missed, atol=1e-12)

    def test_the_model_stays_orthonormal_over_many_calls_in_single_precision(self):
        full, drift = matrix(self.values, dtype=torch.float32), matrix(np.linspace(-1, 1, 204), seed=9).float()
        known = eigenpairs(lambda v: full @ v, random_vector(204, 1, dtype=torch.float32))
        for step in range(40):
            near = full + 0.02 * (step % 7) * drift
            known = warm_eigenpairs(lambda v, near=near: near @ v, known)
        assert torch.allclose(known.space @ known.space.T, torch.eye(len(known.space)), atol=2e-6)
        assert known.older is not None
        assert known.older.older is None

    def test_a_matrix_that_swings_to_and_fro_is_as_near_as_the_one_before_the_last(self):
        """Clustered: six values within a tenth; each swing is larger than the gaps. Twin: the same without `older`.

        Errors hold in 96 of 100 such searches from other seeds; here in so many less three standard errors of 20.
        """
        products, alone, held, first = [], [], [], []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            values = np.concatenate([10 - rng.uniform(0, 1, 6), 8 * rng.beta(1, 4, 40), rng.normal(0, 0.1, 104)])
            full, swing = matrix(values, seed), matrix(np.linspace(-0.5, 0.5, 150), seed=seed + 50)
            known = single = eigenpairs(lambda v, full=full: full @ v, random_vector(150, seed))
            for step in range(1, 9):
                near = full + (step % 2) * swing + 1e-3 * step * matrix(np.linspace(-1, 1, 150), seed=seed + 90)
                exact = float(torch.linalg.eigvalsh(near)[-1])
                known = warm_eigenpairs(lambda v, near=near: near @ v, known)
                single = warm_eigenpairs(
                    lambda v, near=near: near @ v, dataclasses.replace(single, older=None, swung=False)
                )
                if step == 2:
                    first.append(known.products)
                if step > 3:
                    products.append(known.products)
                    alone.append(single.products)
                    held.append(abs(known.value - exact) <= known.errors[0] <= 1e-6 * exact)
                    assert known.swung
        assert np.mean(held) >= 0.96 - 3 * np.sqrt(0.96 * 0.04 / 20)
        assert np.mean(products) < 0.7 * np.mean(alone)
        # The first time it is found out, the search goes over to the vectors of the other model at once.
        assert np.mean(first) <= 4

    def test_an_error_holds_where_values_are_close_and_on_indefinite_matrices(self):
        """Along drifts and swings of 16 matrices, 96 searches: in 99 of 100, less three standard errors of 96."""
        held, products = [], []
        for seed in range(16):
            rng = np.random.default_rng(seed)
            close = np.concatenate([10 - rng.exponential(0.3, 6), rng.uniform(-12 * (seed % 2), 7, 30)])
            few = rng.uniform(-10 * (seed % 2), 10, 10) if seed < 8 else close
            values = np.concatenate([few, rng.normal(0, 0.3, 110)])
            full, drift = matrix(values, seed), matrix(rng.uniform(-1, 1, len(values)), seed=200 + seed)
            known = eigenpairs(lambda v, full=full: full @ v, random_vector(len(values), seed), tolerance=1e-8)
            for step in range(1, 7):
                near = full + (0.15 * step if seed % 4 < 2 else 0.4 * (step % 2) + 0.02 * step) * drift
                known = warm_eigenpairs(lambda v, near=near: near @ v, known)
                held.append(abs(known.value - float(torch.linalg.eigvalsh(near)[-1])) <= known.errors[0])
                products.append(known.products)
        assert np.mean(held) >= 0.99 - 3 * np.sqrt(0.99 * 0.01 / 96)
        assert np.median(products) <= 4

    def test_a_value_goes_further_than_the_next_step_tells(self, monkeypatch):
        """Swings of 16 matrices with close values, 96 searches; where the model is poor they come nearer by it."""
        off = {}
        for farthest in (1.0, davidson._FARTHEST):
            monkeypatch.setattr(davidson, "_FARTHEST", farthest)
            off[farthest] = []
            for seed in range(16):
                rng = np.random.default_rng(seed)
                values = np.concatenate([10 - rng.exponential(0.3, 6), rng.uniform(-6, 7, 30), rng.normal(0, 0.3, 110)])
                full, swing = matrix(values, seed), matrix(rng.uniform(-1, 1, len(values)), seed=400 + seed)
                known = eigenpairs(lambda v, full=full: full @ v, random_vector(len(values), seed), tolerance=1e-8)
                for step in range(1, 7):
                    near = full + (1.0 * (step % 2) + 0.3 * step) * swing
                    known = warm_eigenpairs(lambda v, near=near: near @ v, known, tolerance=1e-5)
                    off[farthest].append(abs(known.value - float(torch.linalg.eigvalsh(near)[-1])))
        once, further = (np.median(one) for one in off.values())
        assert further < 0.8 * once

    def test_a_settled_value_is_doubted_where_the_corrected_model_has_a_larger_one(self, monkeypatch):
        """Of 90 searches where values close together pass each other, their vectors all but unmoved."""
        found = {}
        for doubts in (0, davidson._DOUBTS):
            monkeypatch.setattr(davidson, "_DOUBTS", doubts)
            found[doubts] = 0
            for seed in range(30):
                rng = np.random.default_rng(seed)
                near = matrix(np.concatenate([10 - rng.exponential(0.15, 6), rng.normal(0, 0.3, 94)]), seed)
                axes = torch.linalg.eigh(near)[1][:, -6:]
                known = eigenpairs(lambda v, near=near: near @ v, random_vector(100, seed), tolerance=1e-8)
                for step in range(3):
                    near = near + (axes * torch.as_tensor(rng.uniform(-0.5, 0.5, 6))) @ axes.T
                    near = near + 2e-3 * matrix(rng.uniform(-1, 1, 100), seed=300 + 3 * seed + step)
                    known = warm_eigenpairs(lambda v, near=near: near @ v, known)
                    found[doubts] += abs(known.value - float(torch.linalg.eigvalsh(near)[-1])) <= known.errors[0]
        assert found[davidson._DOUBTS] > found[0]
        assert found[davidson._DOUBTS] >= 60

    def test_its_error_holds(self):
        full, known = self.before()
        for seed in range(30):
            near = full + 0.02 * matrix(np.linspace(-1, 1, 204), seed=100 + seed)
            found = warm_eigenpairs(lambda v, near=near: near @ v, known, tolerance=1e-4)
            assert abs(found.value - float(torch.linalg.eigvalsh(near)[-1])) <= found.errors[0]

    def test_it_follows_a_matrix_that_keeps_moving(self):
        full, known = self.before()
        drift = matrix(np.linspace(-1, 1, 204), seed=9)
        products = []
        for step in range(1, 11):
            near = full + 5e-3 * step * drift
            known = warm_eigenpairs(lambda v, near=near: near @ v, known)
            products.append(known.products)
            assert known.value == pytest.approx(float(torch.linalg.eigvalsh(near)[-1]), rel=1e-6)
        assert max(products) <= 6


def test_errors_of_ritz_values_shrink_with_the_square_of_the_residual_over_the_gap():
    errors = ritz_errors(np.array([5.0, 3.0, 1.0]), np.array([0.1, 0.0, 0.0]))
    assert errors[0] == pytest.approx(0.01 / 2.0)
    assert ritz_errors(np.array([5.0, 4.99]), np.array([0.5, 0.0]))[0] == 0.5


def test_an_error_holds_from_a_good_start_when_the_next_eigenvalue_is_told():
    """Of 60 starts near the vector, with a tenth of two others: few products do not show where these lie."""
    full = torch.diag(
        torch.cat([torch.tensor([10.0, 6.5, 5.5], dtype=torch.float64), torch.linspace(-1, 1, 197).double()])
    )
    held = {None: 0, 0.65: 0}
    for seed in range(60):
        start = torch.eye(200, dtype=torch.float64)[0] + random_vector(200, seed)
        start[1:3] += 0.1 * torch.randn(2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for told in held:
            found = eigenpairs(lambda v: full @ v, start, tolerance=1e-3, next_one=told)
            assert abs(found.value - 10) <= 1e-2
            held[told] += int(abs(found.value - 10) <= found.errors[0])
    assert held[0.65] == 60 > held[None]


def test_what_rounding_leaves_next_to_much_larger_eigenvalues_counts_as_settled():
    """The largest of (-1000 … -1, 0.01) in float32, which tells it to no better than a few 1e-5."""
    values = torch.cat([-torch.logspace(3, 0, 59), torch.tensor([0.01])])
    turn = torch.linalg.qr(torch.randn(60, 60, generator=torch.Generator().manual_seed(0)))[0]
    matrix = (turn * values) @ turn.T
    found = eigenpairs(lambda v: matrix @ v, random_vector(60, 1, dtype=torch.float32), tolerance=1e-6, most=60)
    assert found.converged
    assert abs(found.value - 0.01) <= float(found.errors[0])
    # Neither residual nor error is told below what a product can tell.
    assert float(found.residuals[0]) >= 1e-5 * 0.99
    strict = eigenpairs(lambda v: matrix @ v, random_vector(60, 1, dtype=torch.float32), tolerance=1e-9, most=59)
    assert not strict.converged
