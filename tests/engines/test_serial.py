"""The serial engine equals a plain PyTorch loop written out by hand, to the bit."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from surefoot.engines.batches import BatchOrder
from surefoot.engines.optimizers import name_of
from surefoot.engines.serial import Serial
from surefoot.engines.single import Single
from surefoot.errors import RecipeError
from surefoot.records import Recipe
from surefoot.tasks.metrics import accuracy
from surefoot.tasks.task import Task

N, INPUTS, CLASSES = 22, 5, 3
X = torch.randn(N, INPUTS, generator=torch.Generator().manual_seed(1))
Y = torch.randint(0, CLASSES, (N,), generator=torch.Generator().manual_seed(2))
VX, VY = X[:9] + 0.1, Y[:9]


def make_model():
    return nn.Sequential(nn.Linear(INPUTS, 6), nn.Tanh(), nn.Linear(6, CLASSES))


def make_random_model():
    return nn.Sequential(nn.Linear(INPUTS, 6), nn.BatchNorm1d(6), nn.Dropout(0.4), nn.Linear(6, CLASSES))


def classifier(**changes):
    given = {"model": make_model, "train": (X, Y), "val": (VX, VY), "loss": nn.CrossEntropyLoss()}
    return Task(**(given | changes))


class Decayed(torch.optim.Optimizer):
    """An optimizer of a user's: a step down the gradient, then weights shrunk."""

    def __init__(self, params, lr=0.1, shrink=0.99):
        super().__init__(params, {"lr": lr, "shrink": shrink})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sub_(group["lr"] * parameter.grad).mul_(group["shrink"])


def plain_loop(recipe, optimizer, scheduler=None, groups=None, steps=None):
    """Losses, norms and weights of an ordinary training; nothing of the engine's but the order of the batches."""
    torch.manual_seed(recipe.seed)
    model = make_model().train()
    optimizer = optimizer(groups(model) if groups else model.parameters())
    scheduler = scheduler(optimizer) if scheduler else None
    order = BatchOrder(N, recipe.batch_size, recipe.order_seed)
    losses, norms = [], []
    for step in range(steps):
        optimizer.zero_grad()
        total = 0.0
        for part in range(recipe.accumulate):
            index = order.index(step * recipe.accumulate + part)
            loss = F.cross_entropy(model(X[index]), Y[index])
            (loss / recipe.accumulate).backward()
            total += loss.item() / recipe.accumulate
        norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip or float("inf"))
        optimizer.step()
        losses.append(total)
        norms.append(norm.item())
        if scheduler and step + 1 < steps:
            scheduler.step()
    return losses, norms, model.state_dict()


def schedulers(total):
    """Name of a schedule and torch's scheduler for it."""
    from torch.optim import lr_scheduler

    return {
        "constant": None,
        "linear": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total),
        "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, total),
    }


STEPS = 15  # of 6 batches an epoch: the last batch of each has 2 examples
CASES = [
    ("sgd", torch.optim.SGD, {}, {}),
    ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {}),
    ("sgd", torch.optim.SGD, {"momentum": 0.9}, {"clip": 0.3}),
    ("sgd", torch.optim.SGD, {}, {"accumulate": 3}),
    ("sgd", torch.optim.SGD, {"momentum": 0.5}, {"accumulate": 2, "clip": 0.2, "batch_size": 7}),
    ("adam", torch.optim.Adam, {"betas": (0.8, 0.99), "weight_decay": 0.1}, {}),
    ("adamw", torch.optim.AdamW, {}, {"seed": 5}),
    ("rmsprop", torch.optim.RMSprop, {"centered": True}, {"data_seed": 9}),
    ("sgd", torch.optim.SGD, {}, {"batch_size": "full"}),
]


class TestAgainstAPlainLoop:
    @pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
    @pytest.mark.parametrize(("name", "optimizer", "options", "more"), CASES)
    def test_losses_norms_and_weights_to_the_bit(self, name, optimizer, options, more, schedule):
        given = {"optimizer": name, "options": options, "schedule": schedule, "batch_size": 4} | more
        recipes = [Recipe(lr=lr, **given) for lr in (0.003, 0.02)]
        engine = Serial(classifier(), recipes, grad_norms=True, horizon=STEPS)
        engine.advance(7)
        engine.advance(STEPS)
        for place, recipe in enumerate(recipes):
            losses, norms, weights = plain_loop(
                recipe, lambda p, lr=recipe.lr: optimizer(p, lr=lr, **options), schedulers(STEPS)[schedule], steps=STEPS
            )
            run = engine.runs()[place]
            assert run.loss.tolist() == losses
            assert run.grad_norm.tolist() == norms
            assert run.step.tolist() == list(range(STEPS))
            assert (run.fate, run.recipe) == ("finished", recipe)
            state = engine.state_dict(place)
            assert all(torch.equal(state[key], weights[key]) for key in weights)

    @pytest.mark.parametrize(
        ("name", "optimizer", "options"),
        [("sgd", torch.optim.SGD, {"momentum": 0.9}), ("adam", torch.optim.Adam, {}), ("adamw", torch.optim.AdamW, {})],
    )
    def test_one_cycle_moves_momentum_too(self, name, optimizer, options):
        recipe = Recipe(lr=0.05, optimizer=name, options=options, schedule="one-cycle", batch_size=4)
        engine = Serial(classifier(), [recipe], horizon=STEPS)
        engine.advance(STEPS)
        losses, _, weights = plain_loop(
            recipe,
            lambda p: optimizer(p, lr=0.05, **options),
            lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.05, total_steps=STEPS),
            steps=STEPS,
        )
        np.testing.assert_allclose(engine.runs()[0].loss, losses, rtol=1e-6)
        state = engine.state_dict(0)
        for key, value in weights.items():
            torch.testing.assert_close(state[key], value, rtol=1e-5, atol=1e-7)

    def test_parameter_groups(self):
        def groups(name, parameter):
            if name == "2.bias":
                return {"lr_factor": 0.1, "weight_decay": 0.0}
            return {"lr_factor": 3.0} if parameter.ndim == 2 else None

        recipe = Recipe(lr=0.02, options={"weight_decay": 0.1, "momentum": 0.9}, batch_size=4)
        engine = Serial(classifier(groups=groups), [recipe], horizon=STEPS)
        engine.advance(STEPS)
        _, _, weights = plain_loop(
            recipe,
            lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.1),
            groups=lambda model: [
                {"params": [model[0].weight, model[2].weight], "lr": 0.02 * 3.0},
                {"params": [model[0].bias]},
                {"params": [model[2].bias], "lr": 0.02 * 0.1, "weight_decay": 0.0},
            ],
            steps=STEPS,
        )
        state = engine.state_dict(0)
        assert all(torch.equal(state[key], weights[key]) for key in weights)

    def test_an_optimizer_of_the_users(self):
        recipe = Recipe(lr=0.1, optimizer=name_of(Decayed), options={"shrink": 0.9}, batch_size=4)
        engine = Serial(classifier(), [recipe], horizon=STEPS)
        engine.advance(STEPS)
        losses, _, _ = plain_loop(recipe, lambda p: Decayed(p, lr=0.1, shrink=0.9), steps=STEPS)
        assert engine.runs()[0].loss.tolist() == losses

    def test_a_frozen_parameter_stays(self):
        model = make_model()
        model[0].weight.requires_grad_(False)
        engine = Serial(classifier(model=model), [Recipe(lr=0.5, batch_size=4)], horizon=3)
        engine.advance(3)
        state = engine.state_dict(0)
        assert torch.equal(state["0.weight"], model[0].weight)
        assert not torch.equal(state["0.bias"], model[0].bias)


class Items(Dataset):
    def __len__(self):
        return N

    def __getitem__(self, place):
        return X[place], Y[place]


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = make_model()

    def forward(self, x):
        return self.layers(x)


class Doubled(Named):
    def forward(self, x, extra):
        return self.layers(x) + 0 * extra


class TestKindsOfBatches:
    @pytest.mark.parametrize(
        "changes",
        [
            {"train": [X, Y], "val": [VX, VY]},
            {"train": {"x": X, "target": Y}, "val": {"x": VX, "target": VY}},
            {"train": (X, X[:, :1], Y), "val": (VX, VX[:, :1], VY), "model": Doubled},
            {"train": Items()},
            {"train": torch.utils.data.DataLoader(Items(), batch_size=3, shuffle=True)},
            {"loss": lambda model, batch: F.cross_entropy(model(batch[0]), batch[1])},
            {"loss": F.cross_entropy},
        ],
        ids=["list", "dict", "two inputs", "Dataset", "DataLoader", "loss(model, batch)", "function"],
    )
    def test_all_train_alike(self, changes):
        recipe = Recipe(lr=0.1, batch_size=4)
        expected = Serial(classifier(model=Named), [recipe], horizon=8)
        expected.advance(8)
        engine = Serial(classifier(**({"model": Named} | changes)), [recipe], horizon=8)
        engine.advance(8)
        assert engine.runs()[0].loss.tolist() == expected.runs()[0].loss.tolist()
        assert engine.validate().loss.tolist() == expected.validate().loss.tolist()


class TestMembersTogether:
    def together(self, recipes, task=None, horizon=12):
        engine = Serial(task or classifier(model=make_random_model), recipes, horizon=horizon)
        engine.advance(horizon)
        return engine

    def test_members_do_not_disturb_each_other(self):
        recipes = [Recipe(lr=lr, seed=seed, batch_size=4, data_seed=0) for lr in (0.01, 0.1) for seed in (0, 1)]
        together = [run.loss.tolist() for run in self.together(recipes).runs()]
        alone = [self.together([recipe]).runs()[0].loss.tolist() for recipe in recipes]
        assert together == alone
        assert len({tuple(losses) for losses in together}) == 4

    def test_randomness_of_python_and_numpy_inside_a_model_comes_from_the_seed(self):
        class Noisy(Named):
            def forward(self, x):
                return self.layers(x) * (1 + random.random() + np.random.rand())  # noqa: NPY002

        recipe = Recipe(lr=0.1, batch_size=4)
        random.seed(1), np.random.seed(1)  # noqa: NPY002
        first = self.together([recipe], classifier(model=Noisy)).runs()[0].loss.tolist()
        random.seed(2), np.random.seed(2)  # noqa: NPY002
        assert self.together([recipe], classifier(model=Noisy)).runs()[0].loss.tolist() == first

    def test_one_that_diverges_is_retired_and_costs_nothing_more(self):
        recipes = [Recipe(lr=lr, batch_size=4) for lr in (0.05, 1e38)]
        engine = self.together(recipes, classifier())
        good, bad = engine.runs()
        assert good.fate == "finished"
        assert good.loss.tolist() == self.together(recipes[:1], classifier()).runs()[0].loss.tolist()
        assert bad.fate == "diverged"
        assert bad.steps < 12
        assert not np.isfinite(bad.loss[-1])
        assert np.isfinite(bad.loss[:-1]).all()
        assert f"no finite number at step {bad.steps - 1}" in bad.reason
        assert engine.validate().members == (0,)

    def test_one_that_is_given_up_keeps_what_it_did(self):
        recipes = [Recipe(lr=lr, batch_size=4, data_seed=0, seed=place) for place, lr in enumerate((0.05, 0.06, 0.07))]
        engine = Serial(classifier(model=make_random_model), recipes, horizon=12)
        engine.advance(5)
        engine.retire([1], "retired", "others were better")
        assert engine.alive == [0, 2]
        engine.advance(12)
        runs = engine.runs()
        assert [(run.fate, run.steps) for run in runs] == [("finished", 12), ("retired", 5), ("finished", 12)]
        assert runs[1].reason == "others were better"
        whole = self.together(recipes).runs()
        assert runs[2].loss.tolist() == whole[2].loss.tolist()
        assert runs[1].loss.tolist() == whole[1].loss.tolist()[:5]
        engine.retire([0], "stopped", "too late")
        assert engine.runs()[0].fate == "finished"

    def test_when_all_are_dead_there_is_nothing_to_validate(self):
        engine = self.together([Recipe(lr=1e38, batch_size=4)], classifier())
        assert engine.alive == []
        validation = engine.validate()
        assert (validation.members, validation.loss.shape, validation.groups.shape[0]) == ((), (0,), 0)

    def test_it_stops_at_its_horizon_and_runs_can_be_read_before(self):
        engine = Serial(classifier(), [Recipe(lr=0.1, batch_size=4)], horizon=6)
        engine.advance(4)
        assert (engine.done, engine.runs()[0].fate, engine.runs()[0].steps) == (4, "interrupted", 4)
        engine.advance(100)
        engine.advance(1)
        assert (engine.done, engine.runs()[0].fate, engine.runs()[0].steps) == (6, "finished", 6)
        engine.close()
        assert engine.runs()[0].steps == 6

    def test_without_a_horizon_the_epochs_decide(self):
        engine = Serial(classifier(), [Recipe(lr=0.1, batch_size=4, epochs=2.5)])
        assert engine.horizon == 15
        assert engine.runs()[0].steps_per_epoch == 6.0


class TestValidation:
    def test_mean_parts_and_metrics_in_evaluation_mode(self):
        engine = Serial(
            classifier(model=make_random_model, metrics={"accuracy": accuracy}),
            [Recipe(lr=0.1, batch_size=4)],
            horizon=9,
        )
        engine.advance(9)
        before = engine.state_dict(0)
        validation = engine.validate()
        after = engine.state_dict(0)
        assert all(torch.equal(before[key], after[key]) for key in before)
        model = make_random_model()
        model.load_state_dict(after)
        model.eval()
        with torch.no_grad():
            output = model(VX)
        assert validation.loss[0] == pytest.approx(F.cross_entropy(output, VY).item(), rel=1e-6)
        each = F.cross_entropy(output, VY, reduction="none")
        np.testing.assert_allclose(validation.groups[0], each.numpy(), rtol=1e-5)
        assert validation.metrics["accuracy"][0] == pytest.approx((output.argmax(1) == VY).float().mean().item())
        run = engine.runs()[0]
        assert (run.val_step.tolist(), run.val_loss.tolist()) == ([9], validation.loss.tolist())
        assert run.val_metrics["accuracy"].tolist() == validation.metrics["accuracy"].tolist()

    def test_training_goes_on_as_if_it_had_not_been_validated(self):
        recipe = Recipe(lr=0.1, batch_size=4)
        engine = Serial(classifier(model=make_random_model), [recipe], horizon=10)
        for _ in range(10):
            engine.advance(1)
            engine.validate()
        plain = Serial(classifier(model=make_random_model), [recipe], horizon=10)
        plain.advance(10)
        assert engine.runs()[0].loss.tolist() == plain.runs()[0].loss.tolist()

    def test_parts_of_unequal_size_are_weighted(self):
        count = 35  # of 16 parts, some with 2 examples and some with 3
        x, y = torch.randn(count, INPUTS, generator=torch.Generator().manual_seed(4)), torch.arange(count) % CLASSES
        engine = Serial(classifier(val=(x, y)), [Recipe(lr=0.1, batch_size=4)], horizon=1)
        torch.manual_seed(0)
        model = make_model()
        with torch.no_grad():
            expected = F.cross_entropy(model(x), y).item()
        assert engine.validate().loss[0] == pytest.approx(expected, rel=1e-6)


class TestBorrowed:
    def test_module_data_and_random_state_are_as_before(self, borrowed):
        model = make_random_model().eval()
        with borrowed(model, X, Y, VX, VY):
            engine = Serial(classifier(model=model), [Recipe(lr=0.1, batch_size=4)], horizon=5)
            engine.advance(5)
            engine.validate()
            engine.close()

    def test_gradients_may_be_switched_off_around_it(self):
        recipe = Recipe(lr=0.1, batch_size=4)
        with torch.no_grad():
            engine = Serial(classifier(), [recipe], horizon=3)
            engine.advance(3)
        expected, _, _ = plain_loop(recipe, lambda p: torch.optim.SGD(p, lr=0.1), steps=3)
        assert engine.runs()[0].loss.tolist() == expected

    def test_the_state_is_a_copy(self):
        engine = Serial(classifier(), [Recipe(lr=0.1, batch_size=4)], horizon=2)
        engine.state_dict(0)["0.weight"].zero_()
        assert engine.state_dict(0)["0.weight"].abs().sum() > 0


class TestRefused:
    @pytest.mark.parametrize(
        ("recipe", "said"),
        [
            (Recipe(batch_size=4), "`lr` of a recipe is None"),
            (Recipe(lr=0.1, batch_size=99), "`batch_size` is 99 and the training data has 22 examples"),
            (Recipe(lr=0.1, optimizer="sdg"), "did you mean `sgd`"),
            (Recipe(lr=0.1, optimizer="no.such:Thing"), "cannot be imported"),
            (Recipe(lr=0.1, optimizer="math:sqrt"), "is no torch.optim.Optimizer"),
            (Recipe(lr=0.1, options={"momentun": 0.9}), "has no option `momentun`; did you mean `momentum`"),
            (Recipe(lr=0.1, options={"momentum": -1.0}), "refuses its options"),
            (Recipe(lr=0.1, options={"nesterov": True}), "refuses its options"),
            (Recipe(lr=0.1, optimizer="torch.optim:LBFGS"), "by a closure"),
            (Recipe(lr=0.1, schedule="cosin"), "`schedule`"),
        ],
    )
    def test_recipes_that_cannot_be_trained(self, recipe, said):
        recipe = recipe.replace(batch_size=recipe.batch_size if recipe.batch_size != 64 else 4)
        with pytest.raises(RecipeError) as caught:
            Serial(classifier(), [recipe])
        assert said in str(caught.value)

    @pytest.mark.parametrize("way", ["serial", "single"])
    def test_a_step_that_the_optimizer_refuses(self, way):
        recipe = Recipe(lr=0.1, optimizer="torch.optim:SparseAdam", batch_size=4)
        serial, single = Serial(classifier(), [recipe], horizon=2), Single(classifier(), recipe)
        step = (lambda: serial.advance(1)) if way == "serial" else (lambda: single.update(0, 0.1, None))
        with pytest.raises(RecipeError, match=r"SparseAdam` cannot make a step on this model: .*dense gradients"):
            step()

    def test_groups_that_change_something_else(self):
        with pytest.raises(RecipeError, match=r"`groups` gives `momentum` for `0\.weight`; it can give lr_factor"):
            Serial(classifier(groups=lambda name, parameter: {"momentum": 0.5}), [Recipe(lr=0.1, batch_size=4)])

    def test_half_precision_on_the_cpu(self):
        engine = Serial(classifier(), [Recipe(lr=0.1, batch_size=4, precision="bf16")], horizon=1)
        with pytest.raises(RecipeError, match="needs a GPU"):
            engine.advance(1)
