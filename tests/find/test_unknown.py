"""What cannot be answered is said, with what to do; Ctrl-C keeps what is done."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from find.test_posterior import _search, _trial
from find.tiny_tasks import always_diverging, blobs, bowl, constant_loss, unlearnable
from surefoot.errors import InputError
from surefoot.find import find
from surefoot.find.verdict import verdict
from surefoot.tasks.task import Task


def _unknown(found):
    assert (found.status, found.lr, found.interval, found.expected_loss) == ("unknown", None, None, None)
    assert found.recipe.lr is None
    assert type(found).from_json(found.to_json()) == found
    return found.reason


@pytest.mark.parametrize("method", ["race", "grid", "random"])
def test_every_rate_diverges(method):
    found = find(always_diverging(), epochs=30, batch_size=8, method=method, workers=1)
    reason = _unknown(found)
    assert "diverged at every rate" in reason or "none of the" in reason
    assert all(point.fate == "diverged" and math.isinf(point.loss) for point in found.curve)


def test_no_rate_learns():
    assert "lowered the validation loss" in _unknown(find(constant_loss(), epochs=30, batch_size=8, workers=1))


def test_labels_that_cannot_be_learned_give_no_rate():
    reason = _unknown(find(unlearnable(), epochs=20, batch_size=16, workers=1))
    assert any(word in reason for word in ("lowest one tried", "more than noise", "lowered", "only"))


def test_the_best_stays_at_the_edge():
    # The validation loss falls with every higher rate, and nothing diverges: a linear slope without an end.
    found = find(_slope(), epochs=40, batch_size="full", optimizer="sgd", workers=1)
    assert "highest one tried" in _unknown(found)
    assert max(point.lr for point in found.curve) > 100


def test_rates_that_make_no_difference_are_called_so():
    found = find(_saturated(), epochs=200, batch_size="full", workers=1, lr_range=(1.0, 300.0))
    assert "hardly depends" in _unknown(found)


def test_where_everything_falls_to_one_level_at_once_the_scale_of_the_inputs_is_named():
    # Inputs in the thousands: one update kills every unit of the hidden layer, at any rate, and a constant is left.
    dead = verdict(_search(*(_trial(lr, 2, 0.673 + lr / 1e3, start=180.0) for lr in (1e-3, 1e-2, 0.1, 1.0))))
    assert dead.lr is None
    assert "0.673 after 2 updates at all of them, 180 before" in dead.reason
    assert "scale of its inputs" in dead.reason


def test_rates_that_are_all_too_high_lead_to_lower_ones():
    # On a bounded loss too high a rate raises it and ends: nothing diverges.
    found = find(_bounded(), epochs=60, batch_size="full", optimizer="sgd", workers=1, lr_range=(60.0, 600.0))
    assert min(point.lr for point in found.curve) < 20.0
    assert found.status == "found"
    assert found.lr < 60.0


def test_the_range_that_is_missing_is_named():
    higher = verdict(_search(*(_trial(lr, 50, loss) for lr, loss in ((0.01, 1.005), (0.1, 1.002), (1.0, 0.8)))))
    assert "give a higher `lr_range`" in higher.reason
    lower = verdict(_search(*(_trial(lr, 50, loss) for lr, loss in ((0.01, 0.8), (0.1, 1.002), (1.0, 1.005)))))
    assert "give a lower `lr_range`" in lower.reason
    above = verdict(_search(*(_trial(lr, 50, loss) for lr, loss in ((0.01, 1.1), (0.1, 1.4), (1.0, 3.0)))))
    assert "rose at every rate tried" in above.reason
    assert "begins lower" in above.reason


def test_ctrl_c_in_the_first_rung_leaves_the_rate_unknown():
    def press(progress, pressed=[]):  # noqa: B006
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    found = find(blobs(), epochs=10, batch_size=16, workers=1, watch=press)
    assert "interrupted" in _unknown(found)


def test_ctrl_c_later_keeps_what_is_done():
    def press(progress, pressed=[]):  # noqa: B006
        if progress.stage.startswith("rung 3") and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    found = find(bowl(), optimizer="sgd", epochs=120, batch_size="full", workers=1, watch=press)
    assert found.status == "found"
    assert any("interrupted" in note for note in found.notes)
    assert any(point.fate == "interrupted" for point in found.curve)
    assert found.lr in (point.lr for point in found.curve) or found.interval[0] <= found.lr <= found.interval[1]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"cost": 0}, "cost"),
        ({"cost": math.nan}, "cost"),
        ({"cost": "3"}, "cost"),
        ({"method": "guess"}, "method"),
        ({"lr_range": (1.0, 0.1)}, "lr_range"),
        ({"lr_range": 3}, "lr_range"),
        ({"lr_range": (0.0, 1.0)}, "lr_range"),
        ({"lr_range": (1e30, 1e300)}, "lr_range"),
        ({"cost": 1e300}, "cost"),
        ({"cost": True}, "cost"),
        ({"epochs": 1e300}, "epochs"),
        ({"memory": "4GB"}, "memory"),
        ({"workers": "2"}, "workers"),
        ({"workers": 0}, "workers"),
        ({"workers": True}, "workers"),
        ({"watch": "x"}, "watch"),
        ({"schedule_options": [1]}, "schedule_options"),
        ({"folds": 1}, "folds"),
        ({"folds": 10_000}, "folds"),
        ({"optimizer": "sdg"}, "did you mean `sgd`"),
        ({"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)}, "give its class, torch.optim.SGD"),
        ({"schedule": "cosin"}, "schedule"),
        ({"batch_size": 10_000}, "batch_size"),
        ({"momentun": 0.9}, "momentun"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, word):
    with pytest.raises(InputError, match=word) as raised:
        find(blobs(), **{"epochs": 3, "batch_size": 16} | arguments)
    assert "\n" not in str(raised.value)


def test_a_range_of_almost_one_rate_is_no_accident():
    found = find(blobs(), epochs=5, batch_size=16, workers=1, lr_range=(0.1, 0.1000001))
    assert found.status in ("found", "unknown")
    assert found.reason


def test_numbers_of_numpy_are_numbers():
    given = {"epochs": 3, "batch_size": 16, "momentum": 0.9, "seed": 1}
    plain = find(blobs(), workers=1, cost=1, **given)
    found = find(blobs(), workers=1, cost=np.float32(1), epochs=np.int64(3), batch_size=np.int32(16),
                 momentum=np.float64(0.9), seed=np.uint8(1))  # fmt: skip
    assert found.recipe == plain.recipe
    assert found.curve == plain.curve
    assert type(found).from_json(found.to_json()) == found


def test_something_else_than_a_task():
    with pytest.raises(InputError, match="`task` is str"):
        find("digits")


def _slope():
    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.place = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return nn.functional.softplus(-self.place / 1e4) + 0.0 * x

    x = torch.zeros(16)
    return Task(Slope, train=(x, x), val=(x, x), loss=lambda output, target: output.mean(), name="slope")


def _saturated():
    class Saturated(nn.Module):
        def __init__(self):
            super().__init__()
            self.place = nn.Parameter(torch.full((), 1.0))

        def forward(self, x):
            return torch.clamp(self.place, min=0.0) + 0.0 * x

    x = torch.zeros(16)
    return Task(Saturated, train=(x, x), val=(x, x), loss=lambda output, target: output.mean(), name="saturated")


def _bounded():
    class Waves(nn.Module):
        def __init__(self):
            super().__init__()
            self.places = nn.Parameter(torch.linspace(0.1, 0.5, 40))

        def forward(self, x):
            return (1.0 - torch.cos(self.places)).sum() + 0.0 * x

    x = torch.zeros(16)
    return Task(Waves, train=(x, x), val=(x, x), loss=lambda output, target: output.mean(), name="waves")
