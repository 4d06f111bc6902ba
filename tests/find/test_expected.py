"""The loss to expect: exact where losses fall by a known factor."""

from types import SimpleNamespace

import pytest

from surefoot.find.expected import carried_on, expected_loss


def test_early_on_the_loss_falls_at_the_pace_seen():
    assert carried_on({4: 2.0, 16: 0.5}, 64) == pytest.approx(0.125)


def test_later_it_falls_at_half_the_pace():
    # By 4 in the last two doublings; two more are ahead.
    assert carried_on({50: 9.0, 100: 2.0, 400: 0.5}, 1600) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "losses",
    [
        {100: 0.4, 400: 0.5},  # it does not fall
        {400: 0.5},  # nothing tells a pace
        {200: 0.7, 800: 0.5},  # this is the full training
        {100: -0.4, 400: 0.5},  # no factor leads from one to the other
    ],
)
def test_where_there_is_nothing_to_carry_on_it_is_the_loss_of_the_longest(losses):
    assert carried_on(losses, 800) == 0.5


def test_a_loss_below_zero_stays():
    assert carried_on({100: 0.5, 400: -1.0}, 800) == -1.0


@pytest.mark.parametrize(
    ("horizon", "said"), [(800, None), (200, "200 of 800 steps"), (80, "800 steps: a rough guess")]
)
def test_it_lies_above_by_half_of_what_the_rate_is_expected_to_lose_and_a_guess_is_called_one(horizon, said):
    search = SimpleNamespace(initial_loss=4.0, horizon=800)
    loss, notes = expected_loss(search, [SimpleNamespace(horizon=horizon, loss=one) for one in (1.2, 1.0)], lost=0.1)
    assert loss == pytest.approx(1.0 + 0.05 * 3.0)
    assert (notes == ()) if said is None else notes[0].endswith(said)
