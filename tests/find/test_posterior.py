from __future__ import annotations

import dataclasses
import importlib
import math
import re
import types

import numpy as np
import pytest

from surefoot.find.answer import divergence, divergence_rate, learned
from surefoot.find.posterior import Posterior, _prior
from surefoot.find.search import Trial
from surefoot.find.verdict import verdict
from surefoot.records import Recipe, Run
from surefoot.records.record import float_series, int_series

SGD = Recipe(optimizer="sgd", options={"momentum": 0.9}, schedule="cosine")


def _trial(lr, horizon, loss, fate="finished", steps=None, training=None, start=1.0):
    steps = steps or horizon
    losses = [loss] if training is None else training
    run = Run(
        recipe=SGD.replace(lr=lr),
        step=int_series(np.arange(steps - len(losses), steps)),
        loss=float_series(losses),
        lr=float_series([lr] * len(losses)),
        val_step=int_series([0, steps]),
        val_loss=float_series([start, loss]),
        fate=fate,
    )
    return Trial(lr, horizon, "rung", (run,), np.empty(0))


def _search(*trials, horizon=400):
    return types.SimpleNamespace(
        trials=list(trials),
        initial_loss=trials[0].initial_loss if trials else 1.0,
        horizon=horizon,
        recipe=SGD,
        parameters=2_000,
        interrupted=False,
    )


def _bowl(x, best):
    return 0.2 + min(0.2 * (x - best) ** 2, 0.8)


def test_a_rung_that_nobody_finished_is_lived_with():
    # The best half-way diverged afterwards, the other one had been retired because of it.
    scan = [_trial(10**x, 50, _bowl(x, -1.5)) for x in (-3.0, -2.5, -2.0, -1.5, -1.0)]
    rung = [_trial(10**-2.5, 200, 0.9, "retired", 100), _trial(10**-1.2, 200, math.inf, "diverged")]
    posterior = Posterior(_search(*scan, *rung))
    assert np.isfinite(posterior.shares(50)).all()


def test_the_training_loss_of_a_trial_is_that_of_its_last_quarter():
    losses = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 1.0]
    assert _trial(0.1, 8, 0.5, training=losses).training_loss == 2.0
    assert _trial(0.1, 8, 0.5, "diverged", training=losses).training_loss == math.inf
    assert math.isnan(_trial(0.1, 16, 0.5, "retired", 8, training=losses).training_loss)
    assert math.isnan(_trial(0.1, 8, 0.5, training=[]).training_loss)


def test_where_training_memorises_a_lower_rate_is_recommended():
    def recommended(best_in_training):
        trials = [
            _trial(10**x, horizon, _bowl(x, -1.0), training=[_bowl(x, best_in_training)])
            for horizon in (50, 100, 200)
            for x in np.arange(-3.5, 0.6, 0.3)
        ]
        return math.log10(verdict(_search(*trials)).lr)

    assert recommended(-0.5) < recommended(-1.0) - 0.08


def test_a_short_training_that_is_no_small_copy_of_the_long_one_is_carried_on_higher():
    def recommended(**changes):
        trials = [_trial(10**x, horizon, _bowl(x, -2.0)) for horizon in (6, 25, 100) for x in np.arange(-4.0, 0.1, 0.4)]
        search = _search(*trials)
        search.recipe = SGD.replace(options={}, **changes)
        # Without what is held of usual rates, which differs between optimizers.
        prior = _prior(search.recipe, None)
        return Posterior(search, prior=dataclasses.replace(prior, usual_scale=100.0)).shares().mean(0).argmin() * 0.04

    plain, cycle = recommended(), recommended(schedule="one-cycle")
    adam, rmsprop = recommended(optimizer="adam"), recommended(optimizer="rmsprop")
    assert plain + 0.03 < adam < rmsprop
    assert cycle > plain + 0.03


def test_a_gap_to_the_training_loss_tells_of_memorising():
    def memorising(gap):
        # Where rates are best leaves it open.
        trials = [
            _trial(10**x, 400 // 2**halvings, _bowl(x, best), training=[_bowl(x, best + 0.25) - gap])
            for halvings, best in ((3, -0.9), (2, -1.1), (1, -1.3))
            for x in np.arange(-3.5, 0.6, 0.3)
        ]
        search = _search(*trials)
        search.recipe = SGD.replace(epochs=50)
        return Posterior(search).response.memorising

    assert memorising(0.3) > 0.9 > 0.5 > memorising(0.0)


def test_the_rate_is_kept_away_from_a_cliff():
    # Losses fall all the way to the cliff: a little below it loses little, a little above it everything.
    trials = []
    for horizon in (100, 200, 400):
        for x in np.arange(-3.0, 0.01, 0.25):
            trials.append(
                _trial(10**x, horizon, _bowl(x, -1.0)) if x <= -1.0 else _trial(10**x, horizon, math.inf, "diverged")
            )
    answer = verdict(_search(*trials))
    assert answer.lr is not None
    assert 10**-1.5 < answer.lr < 10**-1.0
    assert answer.interval[0] <= answer.lr <= answer.interval[1]


def test_a_guess_that_is_expected_to_lose_too_much_is_no_answer(monkeypatch):
    # A plateau: after two steps of forty thousand what was gained is next to nothing, and all noise.
    rng = np.random.default_rng(2)
    trials = [_trial(10**x, 2, 1.0 - 1e-4 * rng.random()) for x in np.arange(-5.0, 0.6, 0.9)]
    guess = verdict(_search(*trials, horizon=40_000))
    lost = float(re.search(r"lose ([0-9.]+)%", guess.reason)[1])
    assert lost > 15
    monkeypatch.setattr(importlib.import_module("surefoot.find.verdict"), "_HOPELESS", lost / 100 - 0.01)
    answer = verdict(_search(*trials, horizon=40_000))
    assert answer.lr is None
    assert "expected to lose" in answer.reason
    assert "raise `cost`" in answer.reason


def test_rates_that_rise_to_the_highest_at_every_length_are_at_the_edge():
    trials = [_trial(10**x, 50, 1.0 - 0.0001 * 10**x) for x in np.arange(-3.0, 2.1, 0.5)]
    trials += [_trial(10**x, 400, 1.0 - 0.001 * 10**x) for x in (-1.0, 0.0, 1.0)]
    assert "highest one tried" in verdict(_search(*trials)).reason


def test_a_rate_at_which_training_breaks_down_counts_as_diverged():
    kept = [_trial(0.01, 50, 0.7), _trial(0.1, 50, 0.3), _trial(1.0, 50, 0.6)]
    assert divergence_rate([*kept, _trial(10.0, 50, 0.98)]) == pytest.approx(math.sqrt(10.0))
    assert divergence_rate([*kept, _trial(10.0, 50, 0.9)]) is None
    assert divergence_rate([*kept, _trial(10.0, 50, 0.98, "retired", 25)]) is None
    # A rate that is too low keeps nothing either; and over a shorter length nothing was gained yet.
    assert divergence_rate([_trial(1e-4, 50, 0.99), *kept]) is None
    assert divergence_rate([*kept, _trial(2.0, 5, 0.99)]) is None


def test_every_trial_is_compared_with_its_own_start():
    # The second seed begins higher and has learned; the third begins lower and has lost.
    learns, loses = _trial(2.0, 50, 1.1, start=1.3), _trial(3.0, 50, 0.9, start=0.8)
    assert learned(learns)
    assert not learned(loses)
    assert divergence_rate([_trial(1.0, 50, 0.6), learns]) is None
    assert divergence([_trial(1.0, 50, 0.6), learns, loses]) == (pytest.approx(math.sqrt(6.0)), 50)


def test_what_is_left_of_the_start_is_that_of_the_first_seed():
    assert _trial(1.0, 50, 1.3, start=1.3).loss_from(1.0) == pytest.approx(1.0)
    assert _trial(1.0, 50, 1.4, start=1.3).loss_from(1.0) == pytest.approx(1.1)
    assert _trial(1.0, 50, 0.9, start=1.2).loss_from(1.0) == pytest.approx(0.9)
    assert _trial(1.0, 50, 0.9 * 1.3, start=1.3).loss_from(1.0) == pytest.approx(0.9 * 1.3 - 0.3 * 0.6)
    assert _trial(1.0, 50, math.inf, "diverged", start=1.3).loss_from(1.0) == math.inf


def test_larger_networks_are_given_lower_rates_where_little_was_seen():
    def expected(parameters):
        search = _search(*(_trial(10**x, 25, _bowl(x, -2.0)) for x in (-4.0, -3.0, -2.0, -1.0)))
        search.recipe, search.parameters = Recipe(optimizer="adam"), parameters
        posterior = Posterior(search)
        return float(posterior.grid[posterior.shares().mean(0).argmin()])

    assert expected(100_000) < expected(100) - 0.1
