"""The verb: what it answers on known surfaces and small tasks, its record, and what it refuses."""

from __future__ import annotations

import itertools
import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.curvature.hvp import Hvp
from surefoot.curvature.noise import _spread, gradient_noise
from surefoot.curvature.plan import make_plan
from surefoot.curvature.track import points_of
from surefoot.errors import InputError, MemoryBoundError, RecordError, TaskError
from surefoot.records import Curvature
from surefoot.tasks.data.surfaces import mean_height, quadratic
from surefoot.tasks.loading import load_task


def bowl(noise=0.0, rows=64, eigenvalues=(8.0, 2.0, 0.5)):
    surface = quadratic(eigenvalues=eigenvalues, noise=noise, rows=rows, start=(1.0,) * len(eigenvalues))
    split = surface.split
    return sf.Task(surface.model, (split.x, split.y), (split.xv, split.yv), loss=mean_height, name="bowl", device="cpu")


@pytest.fixture(scope="module")
def iris():
    return load_task("iris", device="cpu")


def test_without_a_rate_the_limit_is_told_and_no_verdict():
    found = sf.curvature(bowl(), batch_size="full")
    assert found.sharpness == pytest.approx(8.0, rel=1e-5)
    assert found.limit == pytest.approx(0.25, rel=1e-5)
    assert found.overshoot == pytest.approx(0.125, rel=1e-5)
    assert (found.lr, found.margin, found.verdict, found.step) == (None, None, None, 0)
    assert "Before training" in found.statement
    assert "rates up to 0.25 are stable" in found.statement


@pytest.mark.parametrize(
    ("lr", "word"), [(0.1, "stable"), (0.2, "oscillating but stable"), (0.25, "at the edge"), (0.28, "beyond")]
)
def test_verdict_and_margin_on_a_bowl(lr, word):
    found = sf.curvature(bowl(), lr=lr, batch_size="full", steps=10)
    assert found.verdict == word
    assert found.margin == pytest.approx(0.25 / lr, rel=1e-4)
    assert found.step == 10
    assert "After 10 updates" in found.statement
    assert found.track_sharpness == pytest.approx([8.0] * len(found.track_step), rel=1e-2)


def test_a_run_that_diverges_is_told_at_its_last_good_point():
    found = sf.curvature(bowl(), lr=5.0, batch_size="full", steps=200)
    assert found.diverged
    assert found.verdict == "beyond"
    assert found.step < 200
    assert any("ran away" in note for note in found.notes)
    assert found.statement.endswith("The short run diverged.")


@pytest.mark.parametrize("lr", [0.2, 0.26])
def test_where_a_schedule_decays_the_peak_is_judged_not_what_is_left_of_it(lr):
    found = sf.curvature(bowl(), lr=lr, batch_size="full", schedule="cosine", epochs=200, track=True)
    assert found.step == max(
        step for step, one in zip(found.track_step, found.track_lr, strict=True) if one >= 0.9 * lr
    )
    assert 0 < found.step < found.track_step[-1] == 200
    assert found.lr == pytest.approx(lr * 0.5 * (1 + math.cos(math.pi * found.step / 200)))
    assert found.verdict == ("oscillating but stable" if lr < 0.25 else "at the edge")
    assert f"a peak of {lr}" in found.statement
    assert any("highest rate of the run" in note for note in found.notes)
    assert len(found.loss) == 200


def test_beyond_the_limit_there_is_no_level_that_the_loss_settles_at():
    found = sf.curvature(bowl(noise=0.1), lr=0.3, batch_size=8, steps=4, noise=True)
    assert found.verdict == "beyond"
    assert found.noise_scale.floor is None
    assert sf.curvature(bowl(noise=0.1), lr=0.01, batch_size=8, steps=4).noise_scale.floor > 0


def test_batches_that_are_averaged_into_one_step_make_less_noise():
    floors = [
        sf.curvature(bowl(noise=0.1), lr=0.01, batch_size=size, accumulate=count, steps=0, seed=1).noise_scale
        for size, count in ((8, 2), (16, 1), (8, 1))
    ]
    assert [one.recipe_batch for one in floors] == [16, 16, 8]
    assert floors[0].floor == pytest.approx(floors[1].floor, rel=0.5) != floors[2].floor
    # The variance is that of the same eight batches; (1 / 16 - 1 / 64) over (1 / 8 - 1 / 64).
    assert floors[0].floor == pytest.approx(floors[2].floor * 3 / 7)


def test_momentum_nesterov_and_decay_change_the_limit():
    plain = {"batch_size": "full"}
    assert sf.curvature(bowl(), momentum=0.9, **plain).limit == pytest.approx(3.8 / 8, rel=1e-4)
    assert sf.curvature(bowl(), momentum=0.9, nesterov=True, **plain).limit == pytest.approx(3.8 / 2.8 / 8, rel=1e-4)
    decayed = sf.curvature(bowl(), weight_decay=2.0, **plain)
    assert decayed.limit == pytest.approx(0.2, rel=1e-4)
    assert decayed.sharpness == pytest.approx(10.0, rel=1e-4)


def test_adam_is_judged_by_its_preconditioned_sharpness(iris):
    found = sf.curvature(iris, optimizer="adam", lr=0.01, steps=40)
    assert found.rule == "averaged"
    assert found.preconditioned > found.sharpness
    assert found.limit == pytest.approx(38 / found.preconditioned)


def test_everything_at_once_is_a_record(iris, tmp_path):
    found = sf.curvature(iris, lr=0.05, steps=12, top_k=3, density=True, layers=True, noise=True, batch_size=16)
    assert Curvature.from_json(json.loads(found.dumps())) == found
    data = found.to_json()
    contract = {"sharpness", "residual", "products", "limit", "optimizer", "lr", "margin", "verdict", "step"}
    assert contract < data.keys()
    assert {"value", "interval", "status"} < data["noise_scale"].keys()
    assert list(found.eigenvalues) == sorted(found.eigenvalues, reverse=True)
    assert found.eigenvalues[0] == found.sharpness
    assert found.smallest < found.sharpness
    assert found.smallest <= 0 < found.trace
    assert np.trapezoid(found.density, found.density_at) == pytest.approx(1.0, abs=0.02)
    assert [one.name for one in found.layers] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert all(one.sharpness <= found.sharpness * (1 + 1e-3) for one in found.layers)
    # One step of plain descent on a batch: about the rate times the gradient.
    assert all(one.update > 0 for one in found.layers)
    assert sum(one.update for one in found.layers) > 0.2 * 0.05 * sum(one.gradient for one in found.layers)
    noise = found.noise_scale
    assert noise.batch_sharpness > 0
    assert noise.floor > 0
    found.plot(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "iris" in found._repr_html_()


def test_it_is_a_function_of_its_arguments(iris, monkeypatch):
    # The faster way to a product is kept, by the clock; the two ways round differently.
    clock = SimpleNamespace(perf_counter=itertools.count().__next__)
    monkeypatch.setattr(sys.modules[Hvp.__module__], "time", clock)
    first, second = (sf.curvature(iris, lr=0.05, steps=20, momentum=0.9) for _ in range(2))
    for name in ("sharpness", "limit", "track_sharpness", "loss", "statement"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_the_users_objects_and_random_state_are_left_alone(borrowed, iris):
    module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 3))
    task = sf.Task(module, iris.train.whole, iris.val.whole, loss=nn.CrossEntropyLoss(), device="cpu")
    with borrowed(module, *iris.train.whole):
        found = sf.curvature(task, lr=0.05, steps=8, noise=True, layers=True, density=True)
    assert any("eval mode" in note for note in found.notes)


def test_products_are_all_that_were_made_at_that_step(iris, monkeypatch):
    """Those of the rough look at the last point and those that made it sharp."""
    made = []
    product = Hvp.__call__

    def counted(self, vector):
        made.append(self.products)
        return product(self, vector)

    monkeypatch.setattr(Hvp, "__call__", counted)
    found = sf.curvature(iris, lr=0.05, steps=0)
    assert found.products == pytest.approx(made[-1] + 1)
    assert found.products > 5
    later = sf.curvature(iris, lr=0.05, steps=20)
    assert later.products < found.products


def test_a_small_tolerance_that_is_not_reached_is_said_with_the_residual(iris):
    found = sf.curvature(iris, tolerance=1e-12)
    assert not found.converged
    assert found.residual >= 0
    assert "not converged" in found.statement
    assert "lies within" in found.statement


class TestWeights:
    @pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "checkpoint.pt"])
    def test_a_saved_state_dict_is_where_it_measures(self, iris, tmp_path, name):
        model = iris.make_model(3)
        path = tmp_path / name
        if name.endswith("safetensors"):
            from safetensors.torch import save_file

            save_file(model.state_dict(), path)
        else:
            torch.save({"model": model.state_dict(), "step": 3} if "check" in name else model.state_dict(), path)
        assert sf.curvature(iris, weights=path).sharpness == pytest.approx(
            sf.curvature(iris, weights=model.state_dict()).sharpness
        )
        assert sf.curvature(iris, weights=path).sharpness != pytest.approx(sf.curvature(iris).sharpness, rel=1e-3)

    def test_what_does_not_fit_is_refused(self, iris, tmp_path):
        torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
        torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
        (tmp_path / "text.pt").write_text("weights")
        for name, said in (
            ("other.pt", "does not fit"), ("module.pt", "more than tensors|cannot be read"), ("text.pt", "weights"),
            ("none.pt", "no such file"),
        ):  # fmt: skip
            with pytest.raises(InputError, match=said):
                sf.curvature(iris, weights=tmp_path / name)


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"steps": -1}, "`steps` is -1"),
            ({"top_k": 0}, "`top_k` is 0"),
            ({"tolerance": 0}, "`tolerance` is 0"),
            ({"examples": 0}, "`examples` is 0"),
            ({"track": True}, "`track` needs a rate"),
            ({"lr": -1.0}, "`lr` is -1"),
            ({"momentun": 0.9}, "did you mean `momentum`"),
            ({"optimizer": "sdg"}, "did you mean `sgd`"),
        ],
    )
    def test_arguments(self, iris, options, said):
        with pytest.raises(InputError, match=said):
            sf.curvature(iris, **options)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"memory": "4GB"}, "whole number of bytes"),
            ({"examples": 3.5}, "`examples` is 3.5"),
            ({"seed": None}, "`seed` is None"),
            ({"tolerance": "tight"}, "`tolerance` is 'tight'"),
            ({"lr": 1e39}, "at most 3.4e"),
        ],
    )
    def test_values_of_other_types(self, iris, options, said):
        with pytest.raises(InputError, match=said):
            sf.curvature(iris, **options)

    def test_a_model_without_parameters(self, iris):
        still = sf.Task(nn.Identity, (torch.ones(4, 2),) * 2, (torch.ones(4, 2),) * 2, loss=nn.MSELoss())
        with pytest.raises(TaskError, match="no parameters"):
            sf.curvature(still)

    def test_damaged_data(self, iris):
        x = torch.ones(8, 2)
        x[3, 1] = math.nan
        broken = sf.Task(lambda: nn.Linear(2, 1), (x, x[:, :1]), (x[:2], x[:2, :1]), loss=nn.MSELoss())
        with pytest.raises(InputError, match=r"nan|NaN"):
            sf.curvature(broken)

    def test_no_task(self):
        with pytest.raises(TaskError, match="`task` is int"):
            sf.curvature(3)

    def test_argmax(self, iris):
        def wrong(output, target):
            return (output.argmax(dim=1) - target).float().abs().mean()

        task = sf.Task(iris.model, iris.train.whole, iris.val.whole, loss=wrong, device="cpu")
        with pytest.raises(TaskError, match="argmax"):
            sf.curvature(task)

    def test_too_little_memory_is_said_with_what_is_needed(self, iris):
        with pytest.raises(MemoryBoundError, match=r"needs about .* are allowed"):
            sf.curvature(iris, memory=2000)

    def test_a_verdict_without_a_rate_is_no_record(self):
        with pytest.raises(RecordError, match="a verdict is on a rate"):
            Curvature("t", 1.0, 0.0, 0.0, True, 1, 0, 2.0, "sgd", None, None, "stable", "")


def test_sparse_gradients_of_embeddings_are_taken_as_dense_ones():
    words, classes = torch.arange(40).view(8, 5) % 9, torch.arange(8) % 3
    found = []
    for sparse in (True, False):

        def model(sparse=sparse):
            return nn.Sequential(nn.Embedding(9, 4, sparse=sparse), nn.Flatten(), nn.Linear(20, 3))

        task = sf.Task(model, (words, classes), (words, classes), loss=nn.CrossEntropyLoss(), device="cpu")
        found.append(sf.curvature(task, lr=0.1, batch_size=4, steps=6).sharpness)
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_little_memory_means_smaller_pieces_and_the_same_answer(iris):
    whole = sf.curvature(iris)
    pieces = sf.curvature(iris, memory=60_000)
    assert pieces.sharpness == pytest.approx(whole.sharpness, rel=1e-5)
    plan = make_plan(iris, iris.make_model(0), memory=60_000)
    assert plan.chunk < iris.train.size
    assert any("in pieces" in note for note in pieces.notes)


def test_points_of_a_run():
    assert points_of(10, 5) == [0, 2, 4, 8, 10]
    assert points_of(9, 5) == [0, 2, 4, 7, 9]
    assert points_of(201, 40)[-1] == 201
    assert all(one % 2 == 0 for one in points_of(201, 40)[:-1])
    assert points_of(0, 5) == [0]
    assert points_of(2, 40) == [0, 1, 2]


def test_noise_on_a_bowl_is_what_was_put_in():
    """Noise of deviation 1 on 3 weights: tr S is 3; at the start |G|² is the sum of squared eigenvalues."""
    task = bowl(noise=1.0, rows=4096)
    found = sf.curvature(task, batch_size=64, lr=0.05, steps=0, noise=True)
    noise = found.noise_scale
    signal = 8.0**2 + 2.0**2 + 0.5**2
    # 32 batches of 64: |ḡ|² has variance about 4 |G|² s² / 2048, the trace one of 2 · 3 / 2048 · 64.
    assert noise.signal == pytest.approx(signal, abs=3 * math.sqrt(4 * signal / 2048))
    assert noise.variance == pytest.approx(3.0, rel=3 * math.sqrt(2 / (3 * 31)))
    assert noise.status == "resolved"
    assert noise.interval[0] < 3.0 / signal < noise.interval[1]
    along = 8.0**3 + 2.0**3 + 0.5**3
    assert noise.largest_lr == pytest.approx(signal / along, rel=0.05)
    assert noise.batch_sharpness == pytest.approx(along / signal, rel=0.05)
    assert noise.floor == pytest.approx(0.05 * 3 / 4 * (1 / 64 - 1 / task.train.size), rel=0.35)
    assert noise.variance_measured[0] == pytest.approx(noise.variance / noise.variance_batch[0], rel=1e-6)


def test_noise_needs_three_batches():
    task = bowl(rows=2)
    found = sf.curvature(task, batch_size="full")
    assert found.noise_scale is None
    assert any("too few examples" in note for note in found.notes)
    assert gradient_noise.__doc__


def test_small_blocks_of_layers_are_exact_and_all_say_how_sure_they_are():
    torch.manual_seed(0)
    x, y = torch.randn(40, 5), torch.arange(40) % 3
    task = sf.Task(lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), (x, y), (x, y),
                   loss=nn.CrossEntropyLoss(), device="cpu")  # fmt: skip
    layers = sf.curvature(task, layers=True).layers
    model = task.make_model(0)
    names = [name for name, _ in model.named_parameters()]

    def loss(*parts):
        return task.loss(torch.func.functional_call(model, dict(zip(names, parts, strict=True)), (x,)), y)

    blocks = torch.autograd.functional.hessian(loss, tuple(model.parameters()))
    for place, one in enumerate(layers):
        block = blocks[place][place].reshape(one.size, one.size)
        assert one.sharpness == pytest.approx(
            float(torch.linalg.eigvalsh(block)[-1]), rel=2e-4 if one.size > 16 else 1e-5
        )
        assert one.converged
        assert one.error < 1e-3
    assert Curvature.from_json(sf.curvature(task, layers=True).to_json()).layers == layers


def test_a_single_weight_is_measured_whatever_the_seed():
    one = sf.Task(
        lambda: nn.Linear(1, 1, bias=False), (torch.ones(8, 1), torch.ones(8, 1)), loss=nn.MSELoss(), holdout=0.5
    )
    for seed in range(6):
        assert sf.curvature(one, seed=seed, batch_size="full").sharpness == pytest.approx(2.0, rel=1e-4)


def test_the_gradients_that_are_held_follow_the_bound_on_memory(iris):
    wide = sf.Task(lambda: nn.Sequential(nn.Linear(4, 5000), nn.Tanh(), nn.Linear(5000, 3)), iris.train, iris.val,
                   loss=nn.CrossEntropyLoss(), device="cpu")  # fmt: skip
    bytes_of_one = 4 * (5 * 5000 + 5001 * 3)
    tight = make_plan(wide, wide.make_model(0), memory=60 * bytes_of_one)
    assert 18 <= tight.rows <= 30
    assert tight.short
    found = sf.curvature(wide, batch_size=4, memory=60 * bytes_of_one, tolerance=1e-7)
    assert found.noise_scale.batches <= tight.rows
    assert found.converged or any("of `memory` allow" in note for note in found.notes)


def test_the_spread_of_scaled_gradients_is_that_of_all_at_once():
    rows = torch.randn(7, 50, generator=torch.Generator().manual_seed(1))
    scale = torch.rand(50, generator=torch.Generator().manual_seed(2))
    assert _spread(rows, scale) == pytest.approx(float((rows * scale).double().var(dim=0).sum()), rel=1e-6)
