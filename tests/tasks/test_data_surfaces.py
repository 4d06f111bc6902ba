from __future__ import annotations

import pytest
import torch

from surefoot.errors import InputError
from surefoot.tasks.data.surfaces import mean_height, quadratic, rosenbrock

SURFACES = {
    "bowl": quadratic,
    "turned bowl": lambda: quadratic(rotation=3),
    "valley": rosenbrock,
    "long valley": lambda: rosenbrock(dimensions=4, steepness=10.0),
}


def _at(surface, point):
    model = surface.model().double()
    with torch.no_grad():
        model.point.copy_(torch.as_tensor(point))
    return model


def _hessian(surface):
    model = surface.model().double()

    def height(point):
        noise = surface.split.xv.double()
        return mean_height(torch.func.functional_call(model, {"point": point}, (noise,)), surface.split.yv)

    return height, torch.autograd.functional.hessian(height, surface.lowest)


@pytest.mark.parametrize("name", SURFACES)
def test_declared_answers_are_those_of_autograd(name):
    surface = SURFACES[name]()
    height, hessian = _hessian(surface)
    assert height(surface.lowest).item() == 0.0
    assert torch.func.grad(height)(surface.lowest).abs().max() == 0.0
    torch.testing.assert_close(torch.linalg.eigvalsh(hessian), surface.eigenvalues, rtol=1e-5, atol=1e-5)
    assert surface.stability_limit == 2 / surface.eigenvalues[-1].item()


def test_default_bowl_has_its_limit_at_exactly_a_fifth():
    assert quadratic().stability_limit == 0.2


@pytest.mark.parametrize("name", ["bowl", "turned bowl", "valley"])
def test_descent_settles_below_the_limit_and_leaves_above_it(name):
    surface = SURFACES[name]()
    steepest = torch.linalg.eigh(_hessian(surface)[1]).eigenvectors[:, -1]
    distance = {}
    for share in (0.98, 1.02):
        model = _at(surface, surface.lowest + 1e-4 * steepest)
        for _ in range(60):
            model.zero_grad()
            mean_height(model(surface.split.xv.double()), surface.split.yv).backward()
            with torch.no_grad():
                model.point -= share * surface.stability_limit * model.point.grad
        distance[share] = (model.point.detach() - surface.lowest).norm().item()
    assert distance[0.98] < 0.2e-4
    assert distance[1.02] > 5e-4  # 1.04 ** 60 is 10.5 on a pure bowl


def test_batch_loss_is_height_plus_mean_noise_times_point():
    surface = quadratic(eigenvalues=(4.0, 1.0), noise=0.7, start=(1.0, -2.0))
    model = surface.model()
    batch = surface.split.x[5:12]
    expected = 0.5 * (4.0 * 1.0 + 1.0 * 4.0) + (batch.mean(0) @ torch.tensor([1.0, -2.0])).item()
    assert mean_height(model(batch), surface.split.y[5:12]).item() == pytest.approx(expected, abs=1e-6)
    mean_height(model(batch), surface.split.y[5:12]).backward()
    torch.testing.assert_close(model.point.grad, torch.tensor([4.0, -2.0]) + batch.mean(0))


def test_noise_comes_in_pairs_and_has_the_deviation_asked_for():
    rows, sigma = 4000, 0.3
    x = quadratic(eigenvalues=(1.0,), noise=sigma, rows=rows, seed=5).split.x
    assert torch.equal(x[0::2], -x[1::2])
    error = sigma / (2 * (rows // 2)) ** 0.5  # of a standard deviation from rows / 2 free draws
    assert x.std(correction=0).item() == pytest.approx(sigma, abs=4 * error)
    assert surface_is_quiet(quadratic(noise=0.0))


def surface_is_quiet(surface):
    return not surface.split.x.any() and not surface.split.xv.any()


def test_start_follows_the_seed_of_the_factory_and_the_data_do_not():
    surface = quadratic()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again = quadratic()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(surface.split.x, again.split.x)
    first = surface.model().point
    torch.manual_seed(1)
    assert torch.equal(surface.model().point, first)
    assert not torch.equal(surface.model().point, first)
    assert rosenbrock(spread=0.0).model().point.tolist() == pytest.approx([-1.2, 1.0])


@pytest.mark.parametrize(
    ("make", "options", "named"),
    [
        (quadratic, {"eigenvalues": ()}, "eigenvalues"),
        (quadratic, {"eigenvalues": (1.0, -1.0)}, "eigenvalues"),
        (quadratic, {"eigenvalues": (0.0,)}, "eigenvalues"),
        (quadratic, {"eigenvalues": (1.0, float("nan"))}, "eigenvalues"),
        (quadratic, {"start": (1.0,)}, "start"),
        (quadratic, {"rows": 3}, "rows"),
        (quadratic, {"noise": -1.0}, "noise"),
        (rosenbrock, {"dimensions": 1}, "dimensions"),
        (rosenbrock, {"steepness": 0.0}, "steepness"),
        (rosenbrock, {"spread": float("inf")}, "spread"),
    ],
)
def test_surfaces_refuse_by_name(make, options, named):
    with pytest.raises(InputError, match=f"`{named}` "):
        make(**options)
