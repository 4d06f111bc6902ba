"""A fused form is taken only where it computes what the module does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from surefoot.engines.agreement import disagreement
from surefoot.engines.fused import fused_form
from surefoot.engines.members import Unsupported
from surefoot.engines.stacked.form import StackedForm
from surefoot.engines.train import train_members
from surefoot.engines.training import train
from surefoot.engines.vmapped import VmappedForm
from surefoot.records import Recipe
from surefoot.tasks.task import Task

X = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
RECIPES = [Recipe(lr=lr, batch_size=8, epochs=2) for lr in (0.03, 0.3)]
CALLS = [0]


class Halved(nn.Module):
    """No gradient goes through one of two ways, which a trace does not see."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 2)
        nn.init.zeros_(self.head.weight)

    def forward(self, x):
        hidden = torch.relu(self.body(x))
        with torch.no_grad():
            kept = torch.tanh(hidden)
        return self.head(hidden + kept)


class Counted(nn.Module):
    """A buffer that is counted up by hand, and changes what is dropped."""

    def __init__(self):
        super().__init__()
        self.body, self.drop, self.head = nn.Linear(4, 6), nn.Dropout(0.0), nn.Linear(6, 2)
        self.register_buffer("made", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.made += 1
        self.drop.p = 0.5 if self.made.item() > 3 else 0.0
        return self.head(self.drop(torch.tanh(self.body(x))))


class Always(nn.Module):
    """A buffer that validation changes too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("made", torch.zeros(()))

    def forward(self, x):
        self.made += 1
        return self.layer(x)


class Global(nn.Module):
    """Counts outside of itself."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        CALLS[0] += 1
        return self.layer(x) * (1 + CALLS[0] % 2)


class Apart(nn.Module):
    """Computes otherwise in evaluation mode, by a way that `vmap` sees differently."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        output = self.layer(x)
        return output if self.training else output * (3.0 if torch._C._functorch.maybe_current_level() else 1.0)


def task_of(make, **settings):
    settings = {"loss": nn.CrossEntropyLoss(), **settings}
    return Task(make, (X.clone(), Y), (X[:16].clone(), Y[:16]), device="cpu", **settings)


@pytest.mark.parametrize(
    ("make", "form", "said"),
    [
        (Halved, "stacked", "gradient of `body.weight`"),
        (Counted, "stacked", "buffer `made` differs"),
        (Always, "vmapped", "buffer `made` changes in evaluation mode"),
        (Global, "stacked", "its loss differs"),
        (Global, "vmapped", "its loss differs"),
        (Apart, "vmapped", "outputs in evaluation mode"),
    ],
)
def test_a_form_that_computes_something_else_is_not_taken(make, form, said):
    with pytest.raises(Unsupported, match=said):
        fused_form(task_of(make), RECIPES[0], [form])


@pytest.mark.parametrize("make", [Halved, Counted])
def test_members_are_trained_as_a_single_model_is(make):
    runs = train_members(task_of(make), RECIPES)
    for run, recipe in zip(runs, RECIPES, strict=True):
        alone = train(task_of(make), recipe)
        assert run.loss == pytest.approx(alone.loss, rel=1e-5)
        assert run.final_val_loss == pytest.approx(alone.final_val_loss, rel=1e-5)


def normalised():
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", [StackedForm, VmappedForm])
def test_a_form_that_computes_the_same_is_taken(form, kind):
    task = Task(lambda: normalised().to(kind), (X.to(kind), Y), loss=nn.CrossEntropyLoss(), device="cpu")
    made = form(task, task.make_model(0), task.batch(task.train, torch.arange(8)))
    assert disagreement(task, made, 0, lambda: task.batch(task.train, torch.arange(8))) == ""


def test_an_encoder_that_draws_in_another_order_under_vmap_is_taken():
    def encoder():
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        return nn.Sequential(nn.Unflatten(1, (4, 1)), nn.Linear(1, 8), nn.TransformerEncoder(layer, 1), nn.Flatten(),
                             nn.Linear(32, 2))  # fmt: skip

    task = task_of(encoder)
    made = VmappedForm(task, task.make_model(0), task.batch(task.train, torch.arange(8)))
    assert made.one_seed
    assert disagreement(task, made, 0, lambda: task.batch(task.train, torch.arange(8))) == ""
    assert all(module.training for module in made.template.modules())


def test_where_no_gradient_flows_vmap_still_may_be_taken():
    assert isinstance(fused_form(task_of(Halved), RECIPES[0]), VmappedForm)


def test_the_module_and_the_random_state_stay_as_they_were(borrowed):
    given = normalised()
    with borrowed(given):
        fused_form(task_of(given), RECIPES[0])
